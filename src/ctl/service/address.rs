//! Which address the service of this user has: that of `config.toml`, else the first that is no other user's.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;

use super::super::failure::Failure;
use crate::core::config::Config;
use crate::core::service::{UNITS, addresses, free_address};
use crate::edges::peer::listener;
use crate::edges::service_unit;
use crate::edges::user::uid;

/// The addresses, and the text that `config.toml` is to have where another than the default must be written down.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) listen: Vec<SocketAddr>,
    pub(super) config: Option<String>,
}

/// Chooses by the text of `config.toml`. What this user has already, by the unit with the text `installed` or because one
/// of his processes listens there, nobody takes from him by a unit that names it too.
pub(super) fn choose(file: &Path, installed: &str) -> Result<Choice, Failure> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Failure::refused(format!("{}: {error}", file.display()))),
    };
    let config = Config::parse(file, &text)
        .map_err(|faults| Failure::refused(faults.to_string()).with_hint("brokerd --check"))?;
    let is_default = config.listen == Config::default().listen;
    let ours = addresses(installed);
    let units = service_unit::of_others(UNITS[1]);
    let theirs: Vec<SocketAddr> = units.iter().flat_map(|text| addresses(text)).collect();
    let is_anothers = |address: SocketAddr| {
        let listener = listener::of(address).map(|found| found.uid == uid());
        belongs_to_another(listener, ours.contains(&address), theirs.contains(&address))
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

/// Whether an address is another user's: by who listens there (`is_ours`, where somebody does), else by the units that
/// name it. Another may not be logged in, and have no socket now; but naming what we have takes it from nobody.
fn belongs_to_another(is_ours: Option<bool>, named_by_us: bool, named_by_others: bool) -> bool {
    is_ours.map_or(named_by_others && !named_by_us, |is_ours| !is_ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_of_another_user_takes_nothing_from_us() {
        for (is_ours, named_by_us, named_by_others, expected) in [
            (None, false, false, false),
            (None, false, true, true),
            (None, true, true, false),
            (Some(true), false, true, false),
            (Some(false), true, false, true),
        ] {
            assert_eq!(belongs_to_another(is_ours, named_by_us, named_by_others), expected);
        }
    }
}
