//! Which keychain is used, and how that was decided.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Durable, Keychain, KeychainError, Vault, Worker};
use crate::core::keychain::{Keychain as Kind, KeychainSetting};
use crate::core::lasting::Lasting;
use crate::core::moment::Timestamp;
use crate::edges::directories::Directories;
use crate::edges::state_file::{StateFile, StateFileError};

/// All probes together take no longer.
const PROBES: Duration = Duration::from_secs(2);
/// What `auto` tries, the best first.
pub(super) const CANDIDATES: [Kind; 3] = [Kind::Macos, Kind::SecretService, Kind::Keyutils];

/// How a keychain came to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// `config.toml` names it.
    Configured,
    /// An earlier start found it.
    Remembered(Timestamp),
    /// This start found it. Why not a better one, if one was there and did not answer: then the next start looks again.
    Found(Option<String>),
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
    /// What was chosen before cannot be read.
    #[error(transparent)]
    Remembered(#[from] StateFileError),
    /// Its thread cannot be started.
    #[error("cannot start the keychain's thread: {0}")]
    Thread(#[from] io::Error),
}

/// What the file remembers; nothing at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Remembered {
    keychain: Option<Kind>,
    since: Option<Timestamp>,
}

impl ChoiceError {
    /// What to type next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Keychain { error, .. } => error.hint().map(str::to_owned),
            Self::Remembered(error) => error.hint(),
            Self::Thread(_) => None,
        }
    }
}

impl Lasting for Remembered {
    const WHAT: &'static str = "the choice of a keychain";
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
        KeychainSetting::Auto => match StateFile::at(directories.keychain_file()).read()? {
            Remembered { keychain: Some(keychain), since: Some(since) } => (keychain, How::Remembered(since)),
            Remembered { .. } => return find(directories, now).await,
        },
    };
    let keychain = open(kind).map_err(|error| ChoiceError::Keychain { kind, error })?;
    Ok(Chosen::by(Worker::new(keychain)?, kind, how, state))
}

/// All are tried at once, so that a silent one takes no time from the others.
async fn find(directories: &Directories, now: Timestamp) -> Result<Chosen, ChoiceError> {
    let mut probes = Vec::new();
    for kind in CANDIDATES {
        match open(kind) {
            Ok(keychain) => {
                let worker = Worker::new(keychain)?;
                let theirs = worker.clone();
                let probe = async move { theirs.call(PROBES, |keychain| keychain.probe()).await };
                probes.push((kind, worker, tokio::spawn(probe)));
            }
            Err(KeychainError::Unsupported) => {}
            Err(error) => tracing::info!(%kind, %error, "no such keychain"),
        }
    }
    let mut better: Vec<String> = Vec::new();
    let mut a_better_one_was_silent = false;
    for (kind, worker, probe) in probes {
        match probe.await.unwrap_or_else(|error| Err(KeychainError::Refused { why: error.to_string() })) {
            // A locked one is there, and its owner will unlock it.
            Ok(()) | Err(KeychainError::Locked) => {
                if !a_better_one_was_silent {
                    remember(directories, kind, now);
                }
                let why = a_better_one_was_silent.then(|| better.join("; "));
                return Ok(Chosen::by(worker, kind, How::Found(why), directories.state()));
            }
            Err(error) => {
                a_better_one_was_silent |= matches!(error, KeychainError::Silent { .. });
                better.push(format!("{kind}: {error}"));
            }
        }
    }
    Ok(Chosen::memory(How::NoneFound(better.join("; "))))
}

fn remember(directories: &Directories, kind: Kind, now: Timestamp) {
    let remembered = StateFile::at(directories.keychain_file())
        .change(|remembered| *remembered = Remembered { keychain: Some(kind), since: Some(now) });
    if let Err(error) = remembered {
        tracing::warn!(%error, "the chosen keychain is not remembered");
    }
}

pub(super) fn open(kind: Kind) -> Result<Box<dyn Keychain>, KeychainError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::state_file::tests::survives;

    #[test]
    fn a_crash_or_an_error_leaves_the_old_choice_or_the_new() {
        let choice = |kind| Remembered { keychain: Some(kind), since: Some(Timestamp(1)) };
        survives("keychain.json", [&choice(Kind::SecretService), &choice(Kind::Keyutils)]);
    }
}
