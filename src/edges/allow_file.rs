//! The file that holds the list of allowed projects.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::atomic_file::{self, WriteError};
use crate::core::allowed::AllowList;

/// Why the list cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum AllowFileError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The file is not a list of allowed projects.
    #[error("{} is not a list of allowed projects: {why}; move it away and allow the projects again", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// Reads the list; a file that is not there is an empty list.
pub fn read(path: &Path) -> Result<AllowList, AllowFileError> {
    match fs::read_to_string(path) {
        Ok(text) => {
            AllowList::parse(&text).map_err(|why| AllowFileError::Malformed { path: path.to_owned(), why })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(AllowList::default()),
        Err(source) => Err(AllowFileError::Read { path: path.to_owned(), source }),
    }
}

/// Writes the list, whole or not at all.
pub fn write(path: &Path, list: &AllowList) -> Result<(), WriteError> {
    atomic_file::replace(path, list.to_text().as_bytes())
}
