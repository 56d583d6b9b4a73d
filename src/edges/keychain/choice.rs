//! Which keychain is used, and how that was decided.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Durable, Keychain, KeychainError, Vault, Worker};
use crate::core::keychain::{Keychain as Kind, KeychainSetting};
use crate::core::moment::Timestamp;
use crate::edges::atomic_file;
use crate::edges::directories::Directories;

/// All probes together take no longer.
const PROBES: Duration = Duration::from_secs(2);
/// What `auto` tries, the best first.
const CANDIDATES: [Kind; 3] = [Kind::Macos, Kind::SecretService, Kind::Keyutils];
/// The form of the file that remembers the choice; raised when it changes.
const FORM: u32 = 1;

/// How a keychain came to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// `config.toml` names it.
    Configured,
    /// An earlier start found it.
    Remembered(Timestamp),
    /// This start found it.
    Found,
    /// None was found, for these reasons.
    NoneFound(String),
}

/// The keychain in use.
#[derive(Debug)]
pub struct Chosen {
    /// Which.
    pub kind: Kind,
    /// Why this one.
    pub how: How,
    /// What speaks to it; `None` for memory.
    pub worker: Option<Worker>,
    /// What keeps the cache in it; `None` for memory.
    pub vault: Option<Vault>,
}

impl Chosen {
    /// No keychain: what is kept ends with the daemon.
    pub fn memory(how: How) -> Self {
        Self { kind: Kind::Memory, how, worker: None, vault: None }
    }

    /// A keychain that is there already.
    pub fn with(kind: Kind, keychain: Box<dyn Keychain>, state: &Path) -> io::Result<Self> {
        Ok(Self::by(Worker::new(keychain)?, kind, How::Configured, state))
    }

    /// The side of it that keeps what a person gave it.
    pub fn durable(&self) -> Durable {
        Durable::new(self.kind, self.worker.clone())
    }

    fn by(worker: Worker, kind: Kind, how: How, state: &Path) -> Self {
        let vault = Vault::new(worker.clone(), kind, state);
        Self { kind, how, worker: Some(worker), vault: Some(vault) }
    }
}

/// Why no keychain could be chosen.
#[derive(Debug, thiserror::Error)]
pub enum ChoiceError {
    /// The configured or remembered one is none of this system's.
    #[error("keychain = \"{kind}\": {error}")]
    Keychain {
        /// Which.
        kind: Kind,
        /// What it says.
        error: KeychainError,
    },
    /// Its thread cannot be started.
    #[error("cannot start the keychain's thread: {0}")]
    Thread(#[from] io::Error),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    form: u32,
    keychain: Kind,
    since: Timestamp,
}

/// Chooses. What `auto` finds is remembered, so that a start at which it happens not to be there does not move
/// to another, where nothing would be found of what this one keeps.
pub async fn choose(
    setting: KeychainSetting,
    directories: &Directories,
    now: Timestamp,
) -> Result<Chosen, ChoiceError> {
    let state = directories.state();
    let (kind, how) = match setting {
        KeychainSetting::Fixed(Kind::Memory) => return Ok(Chosen::memory(How::Configured)),
        KeychainSetting::Fixed(kind) => (kind, How::Configured),
        KeychainSetting::Auto => match remembered(&directories.keychain_file()) {
            Some(Stored { keychain, since, .. }) => (keychain, How::Remembered(since)),
            None => return find(directories, now).await,
        },
    };
    let keychain = open(kind).map_err(|error| ChoiceError::Keychain { kind, error })?;
    Ok(Chosen::by(Worker::new(keychain)?, kind, how, state))
}

async fn find(directories: &Directories, now: Timestamp) -> Result<Chosen, ChoiceError> {
    let end = Instant::now() + PROBES;
    let mut reasons = Vec::new();
    for kind in CANDIDATES {
        let keychain = match open(kind) {
            Ok(keychain) => keychain,
            Err(KeychainError::Unsupported) => continue,
            Err(error) => {
                reasons.push(format!("{kind}: {error}"));
                continue;
            }
        };
        let worker = Worker::new(keychain)?;
        match worker.call(end.saturating_duration_since(Instant::now()), |keychain| keychain.probe()).await {
            // A locked one is there, and its owner will unlock it.
            Ok(()) | Err(KeychainError::Locked) => {
                remember(&directories.keychain_file(), kind, now);
                return Ok(Chosen::by(worker, kind, How::Found, directories.state()));
            }
            Err(error) => reasons.push(format!("{kind}: {error}")),
        }
    }
    Ok(Chosen::memory(How::NoneFound(reasons.join("; "))))
}

fn open(kind: Kind) -> Result<Box<dyn Keychain>, KeychainError> {
    match kind {
        #[cfg(target_os = "linux")]
        Kind::SecretService => Ok(Box::<super::secret_service::SecretService>::default()),
        #[cfg(target_os = "linux")]
        Kind::Keyutils => Ok(Box::new(super::keyutils::Keyutils::new()?)),
        #[cfg(target_os = "macos")]
        Kind::Macos => Ok(Box::new(super::macos::Macos::new()?)),
        _ => Err(KeychainError::Unsupported),
    }
}

/// What an earlier start found. A file that cannot be read counts as none: then the search is made anew, and said.
fn remembered(path: &Path) -> Option<Stored> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%error, path = %path.display(), "the chosen keychain cannot be told: it is looked for anew");
            }
            return None;
        }
    };
    match serde_json::from_str::<Stored>(&text) {
        Ok(stored) if stored.form == FORM => Some(stored),
        _ => {
            tracing::warn!(path = %path.display(), "the chosen keychain cannot be told: it is looked for anew");
            None
        }
    }
}

fn remember(path: &Path, keychain: Kind, now: Timestamp) {
    let stored = Stored { form: FORM, keychain, since: now };
    let text = serde_json::to_string_pretty(&stored).unwrap_or_default() + "\n";
    if let Err(error) = atomic_file::replace(path, text.as_bytes()) {
        tracing::warn!(%error, "the chosen keychain is not remembered");
    }
}
