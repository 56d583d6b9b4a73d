//! The file that holds the pins.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::atomic_file::{self, WriteError};
use crate::core::pins::PinList;

/// Why the list cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PinFileError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The file is not a list of pins.
    #[error("{} is not a list of pins: {why}; move it away and pin the stages again", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// Reads the list; a file that is not there is an empty list.
pub fn read(path: &Path) -> Result<PinList, PinFileError> {
    match fs::read_to_string(path) {
        Ok(text) => {
            PinList::parse(&text).map_err(|why| PinFileError::Malformed { path: path.to_owned(), why })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(PinList::default()),
        Err(source) => Err(PinFileError::Read { path: path.to_owned(), source }),
    }
}

/// Writes the list, whole or not at all.
pub fn write(path: &Path, list: &PinList) -> Result<(), WriteError> {
    atomic_file::replace(path, list.to_text().as_bytes())
}
