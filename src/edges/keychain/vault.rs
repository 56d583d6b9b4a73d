//! Where the cache lies: in an item of the keychain, or in a file that such an item is the key of.

use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::sealed_file::{self, Key, Opened};
use super::{Keychain, KeychainError, Worker};
use crate::core::keychain::{Item, Keychain as Kind};
use crate::edges::atomic_file::WriteError;
use crate::edges::random;

/// Why the cache cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// By the keychain.
    #[error(transparent)]
    Keychain(#[from] KeychainError),
    /// The file that the keychain holds the key of cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// It cannot be written.
    #[error(transparent)]
    Unwritten(#[from] WriteError),
}

impl VaultError {
    /// What to type or do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Keychain(error) => error.hint().map(str::to_owned),
            Self::Unreadable { path, .. } => Some(format!("remove {}: it is a cache", path.display())),
            Self::Unwritten(error) => error.hint(),
        }
    }

    /// Whether it waits for the user.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Keychain(KeychainError::Locked))
    }
}

/// What a vault holds.
#[derive(Debug)]
pub enum Contents {
    /// Nothing.
    Nothing,
    /// This.
    Text(Zeroizing<Vec<u8>>),
    /// Something that its key does not open: it is lost.
    Shut,
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
    fn read(&self, keychain: &mut dyn Keychain) -> Result<Contents, VaultError> {
        match self {
            Self::Item(item) => Ok(keychain.read(item)?.map_or(Contents::Nothing, Contents::Text)),
            Self::File { path, key } => {
                // Without the key the file is what the last start of the machine left: nothing that was lost now.
                let Some(key) = read_key(keychain, key)? else { return Ok(Contents::Nothing) };
                match sealed_file::read(path, &key) {
                    Ok(Opened::Missing) => Ok(Contents::Nothing),
                    Ok(Opened::Shut) => Ok(Contents::Shut),
                    Ok(Opened::Text(text)) => Ok(Contents::Text(text)),
                    Err(source) => Err(VaultError::Unreadable { path: path.clone(), source }),
                }
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
                Ok(sealed_file::write(path, &key, text)?)
            }
        }
    }
}

/// The key in an item. Something else there is somebody else's, and stays.
fn read_key(keychain: &mut dyn Keychain, item: &Item) -> Result<Option<Zeroizing<Key>>, KeychainError> {
    let Some(bytes) = keychain.read(item)? else { return Ok(None) };
    match Key::try_from(bytes.as_slice()) {
        Ok(key) => Ok(Some(Zeroizing::new(key))),
        Err(_) => Err(KeychainError::Foreign { label: item.label.clone() }),
    }
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

    /// What it holds, waiting at most `patience`.
    pub async fn read(&self, patience: Duration) -> Result<Contents, VaultError> {
        let place = self.place.clone();
        self.worker.call(patience, move |keychain| Ok(place.read(keychain))).await?
    }

    /// Puts a text in place of what it holds, waiting at most `patience`.
    pub async fn write(&self, text: Zeroizing<Vec<u8>>, patience: Duration) -> Result<(), VaultError> {
        let place = self.place.clone();
        self.worker.call(patience, move |keychain| Ok(place.write(keychain, &text))).await?
    }
}
