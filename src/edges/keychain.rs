//! The keychain of this machine, by the keyring project's stores.
//!
//! Every call may take as long as a service on the other end of a bus likes, so all of them are made on one thread,
//! [`Worker`], for which nobody waits longer than they said.

mod choice;
mod durable;
mod forgetting;
#[cfg(target_os = "linux")]
mod keyutils;
#[cfg(target_os = "macos")]
mod macos;
mod sealed_file;
#[cfg(target_os = "linux")]
mod secret_service;
mod vault;
mod worker;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use keyring_core::{CredentialStore, Entry, Error};
use zeroize::Zeroizing;

use crate::core::keychain::{Item, Keychain as Kind};

pub use choice::{ChoiceError, Chosen, How, choose};
pub use durable::{Durable, DurableError};
pub use forgetting::{What, durable_items, forget};
pub use vault::{Contents, Vault, VaultError};
pub use worker::Worker;

/// Why the keychain did not do what it was asked. Nothing that it keeps is in the texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeychainError {
    /// It waits for its owner's password.
    #[error("it is locked")]
    Locked,
    /// Nobody answers in its place: no session bus, no service.
    #[error("it cannot be reached: {why}")]
    Unreachable {
        /// The system's words.
        why: String,
    },
    /// It has not answered.
    #[error("it has not answered for {} s", .patience.as_secs())]
    Silent {
        /// How long was waited.
        patience: Duration,
    },
    /// There is more than one item where brokerd keeps one.
    #[error("it holds more than one item called \"{label}\"")]
    Ambiguous {
        /// Their label.
        label: String,
    },
    /// What is under brokerd's name in it was put there by somebody else.
    #[error("what it holds as \"{label}\" was not written by brokerd")]
    Foreign {
        /// The label that brokerd would have given it.
        label: String,
    },
    /// It has nowhere to keep anything.
    #[error("it has no default collection")]
    NoCollection,
    /// This system has no such keychain.
    #[error("this system has none")]
    Unsupported,
    /// Anything else that it says.
    #[error("it refuses: {why}")]
    Refused {
        /// Its words.
        why: String,
    },
}

impl KeychainError {
    /// What to type or do next.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Locked => {
                Some("unlock it, as by logging in to the desktop or with Passwords and Keys (seahorse)")
            }
            Self::Unreachable { .. } => {
                Some("start its service and the session bus, or name another `keychain` in config.toml")
            }
            Self::Ambiguous { .. } => Some("remove all but one of them with the desktop's keychain program"),
            Self::Foreign { .. } => Some("remove or rename that item with the desktop's keychain program"),
            Self::NoCollection => {
                Some("create one with the desktop's keychain program, as by its first login")
            }
            Self::Unsupported | Self::Refused { .. } => Some("name another `keychain` in config.toml"),
            Self::Silent { .. } => Some(
                "see whether a prompt of it waits, or its service hangs; or name another `keychain` in config.toml",
            ),
        }
    }
}

/// A keychain. One of the two places where tests put a stand-in.
pub trait Keychain: Send + std::fmt::Debug {
    /// What an item holds; `None` if there is no such item. Never asks the user to unlock anything.
    fn read(&mut self, item: &Item) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainError>;
    /// Makes an item hold this, whether it was there or not.
    fn write(&mut self, item: &Item, secret: &[u8]) -> Result<(), KeychainError>;
    /// Removes an item, and says whether there was one.
    fn remove(&mut self, item: &Item) -> Result<bool, KeychainError>;
    /// The items that brokerd has in it; none where it cannot list them. Never asks the user to unlock anything.
    fn items(&mut self) -> Result<Vec<Item>, KeychainError> {
        Ok(Vec::new())
    }
    /// Whether it can be used now. One that is there and locked is [`KeychainError::Locked`].
    fn probe(&mut self) -> Result<(), KeychainError>;
}

/// A store of the keyring project.
#[derive(Debug)]
struct Ring {
    store: Arc<CredentialStore>,
    kind: Kind,
}

impl Ring {
    fn entry(&self, item: &Item) -> Result<Entry, KeychainError> {
        let label = HashMap::from([("label", item.label.as_str())]);
        // Only the Secret Service has labels besides accounts.
        let label = Some(&label).filter(|_| self.kind == Kind::SecretService);
        self.store.build(Item::SERVICE, &item.account, label).map_err(|error| self.sorted(item, error))
    }

    fn read(&self, item: &Item) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainError> {
        match self.entry(item)?.get_secret() {
            Ok(secret) => Ok(Some(Zeroizing::new(secret))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(self.sorted(item, error)),
        }
    }

    fn write(&self, item: &Item, secret: &[u8]) -> Result<(), KeychainError> {
        self.entry(item)?.set_secret(secret).map_err(|error| self.sorted(item, error))
    }

    fn remove(&self, item: &Item) -> Result<bool, KeychainError> {
        match self.entry(item)?.delete_credential() {
            Ok(()) => Ok(true),
            Err(Error::NoEntry) => Ok(false),
            Err(error) => Err(self.sorted(item, error)),
        }
    }

    fn sorted(&self, item: &Item, error: Error) -> KeychainError {
        match error {
            Error::Ambiguous(_) => KeychainError::Ambiguous { label: item.label.clone() },
            // The kernel has no lock that anybody could open: it forbids.
            Error::NoStorageAccess(_) if self.kind != Kind::Keyutils => KeychainError::Locked,
            // These carry what was read.
            Error::BadEncoding(_) | Error::BadDataFormat(..) => {
                KeychainError::Refused { why: "what it holds is malformed".to_owned() }
            }
            other => KeychainError::Refused { why: other.to_string() },
        }
    }
}
