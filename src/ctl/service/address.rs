//! Which address the service of this user has: that of `config.toml`, else the first that is no other user's.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::super::failure::Failure;
use crate::core::config::Config;
use crate::core::service::{UNITS, addresses, free_address};
use crate::edges::peer::listener;
use crate::edges::user::uid;

/// The addresses, and the text that `config.toml` is to have where another than the default must be written down.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) listen: Vec<SocketAddr>,
    pub(super) config: Option<String>,
}

/// Chooses by the text of `config.toml`.
pub(super) fn choose(file: &Path) -> Result<Choice, Failure> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Failure::refused(format!("{}: {error}", file.display()))),
    };
    let config = Config::parse(file, &text)
        .map_err(|faults| Failure::refused(faults.to_string()).with_hint("brokerd --check"))?;
    let is_default = config.listen == Config::default().listen;
    let theirs = others_units();
    let is_anothers = |address: SocketAddr| {
        theirs.contains(&address) || listener::of(address).is_some_and(|found| found.uid != uid())
    };
    if !is_default || text.lines().any(|line| line.trim_start().starts_with("listen")) {
        if let Some(address) = config.listen.iter().find(|address| is_anothers(**address)) {
            return Err(Failure::refused(format!(
                "another user listens at {address}, which {} names",
                file.display()
            ))
            .with_hint("name another port in its line listen"));
        }
        if config.listen.iter().all(|address| address.port() != 0) {
            return Ok(Choice { listen: config.listen, config: None });
        }
        return Err(Failure::refused(format!("{} lets the system choose a port (0)", file.display()))
            .with_hint("a service needs one that stays: name it in the line listen"));
    }
    let first = config.listen[0];
    let listen = free_address(first, is_anothers)
        .ok_or_else(|| Failure::refused(format!("no port from {} on is free", first.port())))?;
    let config = (listen != first).then(|| {
        format!("# {first} is another user's. Chosen by brokerctl service install.\nlisten = [\"{listen}\"]\n{text}")
    });
    Ok(Choice { listen: vec![listen], config })
}

/// The addresses in the units of other users, where their homes can be read: one who is not logged in has no socket now.
fn others_units() -> Vec<SocketAddr> {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let others = users.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let is_other = fields.get(2)?.parse::<u32>().ok()? != uid();
        is_other.then(|| PathBuf::from(fields.get(5).copied().unwrap_or_default()))
    });
    let units = others.filter(|home| home.is_absolute());
    units
        .filter_map(|home| fs::read_to_string(home.join(".config/systemd/user").join(UNITS[1])).ok())
        .flat_map(|text| addresses(&text))
        .collect()
}
