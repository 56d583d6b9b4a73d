//! What this machine has at 169.254.169.254, and running what changes that.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::core::link_local::cloud::Firmware;
use crate::core::link_local::{ADDRESS, Step, Surroundings, linux, macos};
use crate::edges::atomic_file::{Turn, WriteError};

/// Where administration's programs lie, whatever the caller's PATH says: some of them run as root.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Why it could not be looked at or changed.
#[derive(Debug, thiserror::Error)]
pub enum LinkLocalError {
    /// A program is not there.
    #[error("there is no program {program} in {PATH}")]
    NoProgram {
        /// Its name.
        program: String,
    },
    /// A program failed.
    #[error("`{command}` failed: {why}")]
    Failed {
        /// As it would be typed.
        command: String,
        /// What it said.
        why: String,
    },
    /// What a program said makes no sense.
    #[error("`{command}` says what this version cannot read")]
    Unreadable {
        /// As it would be typed.
        command: String,
    },
    /// A file could not be written.
    #[error(transparent)]
    Unwritten(#[from] WriteError),
    /// A file could not be removed.
    #[error("cannot remove {path}: {source}")]
    Unremoved {
        /// Which.
        path: String,
        /// The system's words.
        source: io::Error,
    },
}

impl LinkLocalError {
    /// What to type next.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoProgram { program } => match program.as_str() {
                "nft" => Some("install nftables, as by: sudo apt-get install nftables"),
                "ip" => Some("install iproute2, as by: sudo apt-get install iproute2"),
                "systemctl" => Some("without systemd, leave out --boot and enable it at each start"),
                _ => None,
            },
            Self::Failed { .. } | Self::Unreadable { .. } | Self::Unwritten(_) | Self::Unremoved { .. } => {
                None
            }
        }
    }
}

/// Looks at the machine. The tables of users are seen by root only.
pub fn surroundings() -> Result<Surroundings, LinkLocalError> {
    let is_root = rustix::process::geteuid().is_root();
    if cfg!(target_os = "macos") {
        let address = macos::holder(&said(&["ifconfig"])?);
        let anchors = is_root.then(|| said(&["pfctl", "-a", "com.apple", "-s", "Anchors"])).transpose()?;
        return Ok(Surroundings {
            address,
            users: anchors.map(|listed| macos::users(&listed)),
            real: None,
            is_routed: false,
        });
    }
    let exact = format!("{ADDRESS}/32");
    let words = ["ip", "-json", "address", "show", "to", &exact];
    let address = linux::holder(&said(&words)?)
        .ok_or_else(|| LinkLocalError::Unreadable { command: words.join(" ") })?;
    let users = is_root.then(|| said(&["nft", "list", "tables", "ip"])).transpose()?;
    let route = said(&["ip", "-json", "route", "show", "exact", &exact])?;
    let cloud = firmware().cloud().map(|cloud| format!("this is a machine of {cloud}"));
    let real = cloud.or_else(|| linux::route(&route));
    let leads = said(&["ip", "-4", "-json", "route", "show", "table", "all", "match", &exact])?;
    let users = users.map(|listed| linux::users(&listed));
    Ok(Surroundings { address, users, real, is_routed: linux::is_routed(&leads) })
}

/// The users whose redirect comes back at the next start of the machine.
pub fn at_boot() -> Vec<u32> {
    let rules = linux::rules_file(0);
    let Some(directory) = Path::new(&rules).parent() else { return Vec::new() };
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    files.filter_map(|file| file.file_name().to_str()?.strip_suffix(".nft")?.parse().ok()).collect()
}

/// Does a step.
pub fn carry_out(step: &Step) -> Result<(), LinkLocalError> {
    match step {
        Step::Run { words, input } => {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            run(&words, input.as_deref()).map(drop)
        }
        Step::Write { path, text } => {
            // Everybody may read what redirects there are, and the service manager's tools do.
            Turn::take(Path::new(path)).and_then(|turn| turn.replace(text.as_bytes(), 0o644))?;
            Ok(())
        }
        Step::Remove { path } => match fs::remove_file(path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(LinkLocalError::Unremoved { path: path.clone(), source })
            }
            _ => Ok(()),
        },
    }
}

fn said(words: &[&str]) -> Result<String, LinkLocalError> {
    run(words, None)
}

/// Runs a program of administration, and gives what it printed.
fn run(words: &[&str], input: Option<&str>) -> Result<String, LinkLocalError> {
    let failed = |why: String| LinkLocalError::Failed { command: words.join(" "), why };
    let [program, arguments @ ..] = words else { return Ok(String::new()) };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => LinkLocalError::NoProgram { program: (*program).to_owned() },
            _ => failed(error.to_string()),
        })?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        // One that ends without reading says itself why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let done = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(failed(if why.is_empty() { done.status.to_string() } else { why }))
}

/// What the kernel tells of the machine (`/sys/class/dmi/id`); nothing where it has none.
fn firmware() -> Firmware {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let dmi = |name: &str| text(&format!("/sys/class/dmi/id/{name}"));
    Firmware {
        vendor: dmi("sys_vendor"),
        product: dmi("product_name"),
        bios: dmi("bios_vendor"),
        asset_tag: dmi("chassis_asset_tag"),
        hypervisor: text("/sys/hypervisor/uuid"),
    }
}
