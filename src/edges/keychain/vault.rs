//! Where the cache lies: in an item of the keychain, or in a file that such an item is the key of.

use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::sealed_file::{self, Key};
use super::{Keychain, KeychainError, Worker};
use crate::core::keychain::{Item, Keychain as Kind};
use crate::edges::random;

/// Why the cache cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// By the keychain.
    #[error(transparent)]
    Keychain(#[from] KeychainError),
    /// By the file that the keychain holds the key of.
    #[error("{why}")]
    File {
        /// The file, and the system's words.
        why: String,
    },
}

impl VaultError {
    /// What to type or do next.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Keychain(error) => error.hint(),
            Self::File { .. } => None,
        }
    }
}

/// Keeps one text, whole.
#[derive(Debug, Clone)]
pub struct Vault {
    worker: Worker,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Item(Item),
    /// Where the keychain is too small for the text.
    File {
        path: PathBuf,
        key: Item,
    },
}

impl Place {
    fn read(&self, keychain: &mut dyn Keychain) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        match self {
            Self::Item(item) => Ok(keychain.read(item)?),
            Self::File { path, key } => {
                let Some(key) = read_key(keychain, key)? else { return Ok(None) };
                sealed_file::read(path, &key).map_err(|error| VaultError::File {
                    why: format!("cannot read {}: {error}", path.display()),
                })
            }
        }
    }

    fn write(&self, keychain: &mut dyn Keychain, text: &[u8]) -> Result<(), VaultError> {
        match self {
            Self::Item(item) => Ok(keychain.write(item, text)?),
            Self::File { path, key: item } => {
                let key = if let Some(key) = read_key(keychain, item)? {
                    key
                } else {
                    let key: Zeroizing<Key> = Zeroizing::new(random::bytes());
                    keychain.write(item, key.as_slice())?;
                    key
                };
                sealed_file::write(path, &key, text)
                    .map_err(|error| VaultError::File { why: error.to_string() })
            }
        }
    }
}

/// The key in an item; something else there is no key of ours, and a new one takes its place.
fn read_key(keychain: &mut dyn Keychain, item: &Item) -> Result<Option<Zeroizing<Key>>, KeychainError> {
    let found = keychain.read(item)?;
    Ok(found.and_then(|bytes| Key::try_from(bytes.as_slice()).ok()).map(Zeroizing::new))
}

impl Vault {
    /// The vault of the daemon that keeps its state in `directory`, by a keychain of this kind.
    pub(super) fn new(worker: Worker, kind: Kind, directory: &Path) -> Self {
        let place = match kind {
            Kind::Keyutils => {
                Place::File { path: directory.join("cache.sealed"), key: Item::cache_key(directory) }
            }
            Kind::SecretService | Kind::Macos | Kind::Memory => Place::Item(Item::cache(directory)),
        };
        Self { worker, place }
    }

    /// What it holds, waiting at most `patience`; `None` if it holds nothing that can be opened.
    pub async fn read(&self, patience: Duration) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let place = self.place.clone();
        self.worker.call(patience, move |keychain| Ok(place.read(keychain))).await?
    }

    /// Puts a text in place of what it holds, waiting at most `patience`.
    pub async fn write(&self, text: Zeroizing<Vec<u8>>, patience: Duration) -> Result<(), VaultError> {
        let place = self.place.clone();
        self.worker.call(patience, move |keychain| Ok(place.write(keychain, &text))).await?
    }
}
