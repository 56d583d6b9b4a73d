//! What a person gave the keychain to keep: one item each, until that person takes it out again.

use std::time::Duration;

use zeroize::Zeroizing;

use super::{KeychainError, Worker};
use crate::core::keychain::{Item, Keychain as Kind};

/// A call may take so long: somebody waits for it, and no AWS client does.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why an item cannot be kept or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurableError {
    /// What the keychain in use keeps is lost with the daemon or the machine's next start.
    #[error("the keychain in use, {kind}, forgets {}", if *.kind == Kind::Memory { "when brokerd stops" } else { "at the next start of the machine" })]
    Forgetful {
        /// Which is in use.
        kind: Kind,
    },
    /// The keychain does not do what it was asked.
    #[error("the keychain {kind}: {error}")]
    Keychain {
        /// Which is in use.
        kind: Kind,
        /// What it says.
        error: KeychainError,
    },
}

impl DurableError {
    /// What to type or do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Forgetful { .. } => Some(
                "write keychain = \"secret-service\" (on macOS \"macos\") in config.toml, or name a profile of ~/.aws/config as the source"
                    .to_owned(),
            ),
            Self::Keychain { error, .. } => error.hint().map(str::to_owned),
        }
    }
}

/// The durable side of the keychain in use.
#[derive(Debug, Clone)]
pub struct Durable {
    kind: Kind,
    worker: Option<Worker>,
}

impl Durable {
    pub(super) fn new(kind: Kind, worker: Option<Worker>) -> Self {
        Self { kind, worker }
    }

    fn worker(&self) -> Result<&Worker, DurableError> {
        let durable = self.worker.as_ref().filter(|_| self.kind.is_durable());
        durable.ok_or(DurableError::Forgetful { kind: self.kind })
    }

    /// What an item holds; `None` if there is none.
    pub async fn read(&self, item: Item) -> Result<Option<Zeroizing<Vec<u8>>>, DurableError> {
        let read = self.worker()?.call(PATIENCE, move |keychain| keychain.read(&item)).await;
        read.map_err(|error| DurableError::Keychain { kind: self.kind, error })
    }

    /// Makes an item hold this, whether it was there or not.
    pub async fn write(&self, item: Item, secret: Zeroizing<Vec<u8>>) -> Result<(), DurableError> {
        let written = self.worker()?.call(PATIENCE, move |keychain| keychain.write(&item, &secret)).await;
        written.map_err(|error| DurableError::Keychain { kind: self.kind, error })
    }

    /// Removes an item, and says whether there was one.
    pub async fn remove(&self, item: Item) -> Result<bool, DurableError> {
        let removed = self.worker()?.call(PATIENCE, move |keychain| keychain.remove(&item)).await;
        removed.map_err(|error| DurableError::Keychain { kind: self.kind, error })
    }
}
