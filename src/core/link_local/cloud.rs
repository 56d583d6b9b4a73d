//! Whether this machine has a metadata service of its own, by what it says about itself: nobody is called for that.

/// What the firmware and the hypervisor say; empty where they say nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Firmware {
    /// `sys_vendor` of DMI.
    pub vendor: String,
    /// `product_name` of DMI.
    pub product: String,
    /// `bios_vendor` of DMI.
    pub bios: String,
    /// `chassis_asset_tag` of DMI.
    pub asset_tag: String,
    /// `/sys/hypervisor/uuid`, of Xen.
    pub hypervisor: String,
}

/// A cloud, and how one of its machines is told.
type Sign = (&'static str, fn(&Firmware) -> bool);

/// Clouds with a service at 169.254.169.254, as cloud-init tells them (`ds-identify`).
const CLOUDS: [Sign; 16] = [
    ("Amazon EC2", |firmware| {
        firmware.vendor == "Amazon EC2"
            || firmware.bios == "Amazon EC2"
            || firmware.hypervisor.to_ascii_lowercase().starts_with("ec2")
    }),
    ("Google Compute Engine", |firmware| firmware.product == "Google Compute Engine"),
    // Hyper-V on a desktop has the same vendor and product, and another tag.
    ("Microsoft Azure", |firmware| firmware.asset_tag == "7783-7084-3265-9085-8269-3286-77"),
    ("Oracle Cloud", |firmware| firmware.asset_tag == "OracleCloud.com"),
    ("OpenStack", |firmware| {
        firmware.product.starts_with("OpenStack") || firmware.asset_tag == "OpenTelekomCloud"
    }),
    ("DigitalOcean", |firmware| firmware.vendor == "DigitalOcean"),
    ("Hetzner", |firmware| firmware.vendor == "Hetzner"),
    ("Alibaba Cloud", |firmware| firmware.vendor.starts_with("Alibaba Cloud")),
    ("Tencent Cloud", |firmware| firmware.vendor.starts_with("Tencent Cloud")),
    ("Huawei Cloud", |firmware| firmware.vendor.starts_with("Huawei Cloud")),
    ("Vultr", |firmware| firmware.vendor == "Vultr"),
    ("Scaleway", |firmware| firmware.vendor == "Scaleway"),
    ("UpCloud", |firmware| firmware.vendor == "UpCloud"),
    ("Exoscale", |firmware| firmware.product.starts_with("Exoscale")),
    ("Akamai", |firmware| matches!(firmware.vendor.as_str(), "Linode" | "Akamai")),
    ("IBM Cloud", |firmware| firmware.asset_tag.starts_with("ibmcloud")),
];

impl Firmware {
    /// The cloud that this machine is in, if it is in one.
    pub fn cloud(&self) -> Option<&'static str> {
        CLOUDS.iter().find(|(_, is_it)| is_it(self)).map(|(name, _)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn firmware(vendor: &str, product: &str, bios: &str, asset_tag: &str, hypervisor: &str) -> Firmware {
        let [vendor, product, bios, asset_tag, hypervisor] =
            [vendor, product, bios, asset_tag, hypervisor].map(str::to_owned);
        Firmware { vendor, product, bios, asset_tag, hypervisor }
    }

    #[test]
    fn a_cloud_is_told_by_its_firmware() {
        let tag = "7783-7084-3265-9085-8269-3286-77";
        for (found, expected) in [
            (firmware("Amazon EC2", "t3.micro", "Amazon EC2", "Amazon EC2", ""), Some("Amazon EC2")),
            (
                firmware("Xen", "HVM domU", "Xen", "", "ec2e1916-9099-7caf-fd21-012345abcdef"),
                Some("Amazon EC2"),
            ),
            (firmware("Xen", "HVM domU", "Xen", "", "EC2E1916"), Some("Amazon EC2")),
            (firmware("Google", "Google Compute Engine", "Google", "", ""), Some("Google Compute Engine")),
            (firmware("Microsoft Corporation", "Virtual Machine", "", tag, ""), Some("Microsoft Azure")),
            (firmware("OpenStack Foundation", "OpenStack Nova", "SeaBIOS", "", ""), Some("OpenStack")),
            (firmware("Hetzner", "vServer", "Hetzner", "", ""), Some("Hetzner")),
            (firmware("QEMU", "Standard PC", "SeaBIOS", "OracleCloud.com", ""), Some("Oracle Cloud")),
        ] {
            assert_eq!(found.cloud(), expected, "{found:?}");
        }
    }

    #[test]
    fn a_desktop_and_its_virtual_machines_are_no_cloud() {
        for found in [
            Firmware::default(),
            firmware("LENOVO", "20XW", "LENOVO", "No Asset Information", ""),
            firmware("Microsoft Corporation", "Virtual Machine", "Microsoft Corporation", "1234", ""),
            firmware("QEMU", "Standard PC (Q35 + ICH9, 2009)", "SeaBIOS", "", ""),
            firmware("Google", "Eve", "coreboot", "", ""),
            firmware("innotek GmbH", "VirtualBox", "innotek GmbH", "", ""),
        ] {
            assert_eq!(found.cloud(), None, "{found:?}");
        }
    }
}
