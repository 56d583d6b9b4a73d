//! The settings of `config.toml`.

use std::io::ErrorKind;
use std::path::Path;

use super::catalogs::trusted;
use crate::core::config::Config;
use crate::core::fault::Faults;

/// Reads the settings; a file that is not there means all defaults, and one that others can write is refused.
pub(super) fn read(path: &Path) -> Result<Config, Faults> {
    trusted(path)?;
    match std::fs::read_to_string(path) {
        Ok(text) => Config::parse(path, &text),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Config::default()),
        Err(error) => Err(Faults::whole_file(path, error.to_string())),
    }
}
