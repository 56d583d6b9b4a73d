//! The JSON documents, in the layout that EC2 uses.
//!
//! Each field stands on a line of its own: some clients do not parse JSON but look for `"Name" : "value"`.

use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use crate::core::credentials::SessionCredentials;
use crate::core::moment::Timestamp;
use crate::core::name::{Region, RoleArn};

/// A JSON object of text fields, in order.
pub(in crate::core) fn object<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let lines: Vec<Zeroizing<String>> = fields
        .into_iter()
        .map(|(name, value)| Zeroizing::new(format!("  \"{name}\" : {}", quoted(value).as_str())))
        .collect();
    let length = lines.iter().map(|line| line.len() + 2).sum::<usize>() + 8;
    // Room for all of it at once: a string that grows would leave copies of secrets behind.
    let mut text = String::with_capacity(length);
    text.push_str("{\n");
    for (position, line) in lines.iter().enumerate() {
        text.push_str(if position == 0 { "" } else { ",\n" });
        text.push_str(line);
    }
    text.push_str("\n}");
    text
}

/// A text as JSON, with room from the start for the longest escape of each byte.
fn quoted(text: &str) -> Zeroizing<String> {
    let mut json = Zeroizing::new(Vec::with_capacity(text.len() * 6 + 2));
    // Writing a text into memory does not fail.
    let _ = serde_json::to_writer(&mut *json, text);
    Zeroizing::new(String::from_utf8_lossy(&json).into_owned())
}

/// The document of `security-credentials/<role>`, or of its extended twin when `account` is given.
///
/// No `RoleArn`: s3fs-fuse takes a document with that for one of the container endpoint.
pub fn credentials(credentials: &SessionCredentials, account: Option<&str>) -> Zeroizing<String> {
    let secret = credentials.reveal();
    let (issued, expires) = (credentials.issued().to_string(), credentials.expires().to_string());
    let mut fields = vec![
        ("Code", "Success"),
        ("LastUpdated", issued.as_str()),
        ("Type", "AWS-HMAC"),
        ("AccessKeyId", credentials.access_key_id()),
        ("SecretAccessKey", secret.secret_access_key),
        ("Token", secret.session_token),
        ("Expiration", expires.as_str()),
    ];
    fields.extend(account.map(|account| ("AccountId", account)));
    Zeroizing::new(object(fields))
}

/// What the made-up instance of a caller is.
#[derive(Debug, Clone, Copy)]
pub struct InstanceFacts<'a> {
    /// The name of the role, `<app>.<stage>`.
    pub role_name: &'a str,
    /// The access role, whose account is the instance's.
    pub role: &'a RoleArn,
}

impl InstanceFacts<'_> {
    /// The id of the made-up instance: the same for each process of an application's stage, and no real one's, which
    /// is `i-` and 8 or 17 hexadecimal digits (EC2 user guide, "Resource IDs").
    pub fn instance_id(&self) -> String {
        format!("i-brokerd-{}", self.digits())
    }

    /// Seventeen hexadecimal digits that stand for the role's name. The name itself would not do: it may be longer
    /// than what takes an instance id, and has a dot.
    fn digits(&self) -> String {
        const DIGITS: usize = 17;
        let hash = digest(&SHA256, self.role_name.as_bytes());
        let digits = hash.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.take(DIGITS).filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
    }
}

/// The domain of AWS in a partition, as `services/domain` has it (`partitions.json` of the AWS SDKs).
pub fn domain(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "amazonaws.com.cn",
        "aws-eusc" => "amazonaws.eu",
        "aws-iso" => "c2s.ic.gov",
        "aws-iso-b" => "sc2s.sgov.gov",
        "aws-iso-e" => "cloud.adc-e.uk",
        "aws-iso-f" => "csp.hci.ic.gov",
        _ => "amazonaws.com",
    }
}

/// The document of `iam/info`: Terraform takes its account id from the ARN in it.
pub fn info(facts: InstanceFacts<'_>, now: Timestamp) -> String {
    let arn = format!(
        "arn:{}:iam::{}:instance-profile/{}",
        facts.role.partition(),
        facts.role.account(),
        facts.role_name
    );
    object([
        ("Code", "Success"),
        ("LastUpdated", now.to_string().as_str()),
        ("InstanceProfileArn", &arn),
        ("InstanceProfileId", &format!("brokerd-{}", facts.digits())),
    ])
}

/// The instance identity document, from which Go and Java SDKs take the region. It is not signed.
pub fn identity_document(facts: InstanceFacts<'_>, region: &Region) -> String {
    object([
        ("accountId", facts.role.account()),
        ("availabilityZone", &format!("{region}a")),
        ("instanceId", &facts.instance_id()),
        ("region", region.as_str()),
        ("version", "2017-09-30"),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credential_document_is_what_every_client_reads() {
        let session = SessionCredentials::new(
            "ASIA1".into(),
            "s/\"1".into(),
            "t=1".into(),
            Timestamp(0),
            Timestamp(3600),
        );
        assert_eq!(
            credentials(&session, None).as_str(),
            "{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \"1970-01-01T00:00:00Z\",\n  \"Type\" : \"AWS-HMAC\",\n  \
             \"AccessKeyId\" : \"ASIA1\",\n  \"SecretAccessKey\" : \"s/\\\"1\",\n  \"Token\" : \"t=1\",\n  \
             \"Expiration\" : \"1970-01-01T01:00:00Z\"\n}"
        );
        let extended: serde_json::Value =
            serde_json::from_str(&credentials(&session, Some("111111111111"))).unwrap();
        assert_eq!(extended["AccountId"], "111111111111");
        assert_eq!(extended["SecretAccessKey"], "s/\"1");
    }

    #[test]
    fn the_other_documents_name_account_region_and_no_real_instance() {
        let role = RoleArn::parse("arn:aws-cn:iam::222222222222:role/deploy").unwrap();
        let facts = InstanceFacts { role_name: "shop.dev", role: &role };
        let info: serde_json::Value = serde_json::from_str(&info(facts, Timestamp(0))).unwrap();
        assert_eq!(info["InstanceProfileArn"], "arn:aws-cn:iam::222222222222:instance-profile/shop.dev");
        let region = Region::parse("cn-north-1").unwrap();
        let identity: serde_json::Value = serde_json::from_str(&identity_document(facts, &region)).unwrap();
        assert_eq!(identity["region"], "cn-north-1");
        assert_eq!(identity["availabilityZone"], "cn-north-1a");
        assert_eq!(identity["instanceId"], facts.instance_id());
    }

    #[test]
    fn the_documents_are_byte_for_byte_what_they_are() {
        let role = RoleArn::parse("arn:aws:iam::111111111111:role/deploy").unwrap();
        let facts = InstanceFacts { role_name: "shop.dev", role: &role };
        let id = facts.instance_id();
        let digits = id.strip_prefix("i-brokerd-").unwrap();
        assert_eq!(
            info(facts, Timestamp(0)),
            format!(
                "{{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \"1970-01-01T00:00:00Z\",\n  \
                 \"InstanceProfileArn\" : \"arn:aws:iam::111111111111:instance-profile/shop.dev\",\n  \
                 \"InstanceProfileId\" : \"brokerd-{digits}\"\n}}"
            )
        );
        assert_eq!(
            identity_document(facts, &Region::parse("eu-central-1").unwrap()),
            format!(
                "{{\n  \"accountId\" : \"111111111111\",\n  \"availabilityZone\" : \"eu-central-1a\",\n  \
                 \"instanceId\" : \"{id}\",\n  \"region\" : \"eu-central-1\",\n  \
                 \"version\" : \"2017-09-30\"\n}}"
            )
        );
    }

    #[test]
    fn an_instance_id_is_stable_and_no_real_one() {
        let role = RoleArn::parse("arn:aws:iam::111111111111:role/deploy").unwrap();
        let id = |role_name| InstanceFacts { role_name, role: &role }.instance_id();
        assert_eq!(id("shop.dev"), "i-brokerd-a93b27456f34402f5");
        let long = format!("{}.{}", "a".repeat(128), "b".repeat(128));
        let ids = [id("shop.dev"), id("shop-dev.x"), id("shop.dev-x"), id("shop-a.dev"), id(&long)];
        for (position, one) in ids.iter().enumerate() {
            assert_eq!(one.len(), "i-brokerd-".len() + 17);
            assert!(!one["i-".len()..].bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
            assert!(!ids[..position].contains(one), "{one} is another's too");
        }
    }

    #[test]
    fn each_partition_has_its_domain() {
        for (partition, expected) in
            [("aws", "amazonaws.com"), ("aws-us-gov", "amazonaws.com"), ("aws-cn", "amazonaws.com.cn")]
        {
            assert_eq!(domain(partition), expected);
        }
    }
}
