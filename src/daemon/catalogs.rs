//! The catalog in force.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::core::catalog::Catalog;
use crate::core::fault::{Fault, Faults};
use crate::edges::catalog_file::LARGEST;
use crate::edges::settled::{self, Stamp};
use crate::edges::trust;

/// The file as it was when last read.
#[derive(Debug, Default, PartialEq, Eq)]
enum Seen {
    /// It must be read in any case.
    #[default]
    Unknown,
    Missing,
    There(Stamp),
    /// There, and others could have written it: who may write to the directories above is no property of the
    /// file, so that is asked anew each time.
    Untrusted(Stamp),
}

impl Seen {
    fn of(stamp: Option<Stamp>) -> Self {
        stamp.map_or(Self::Missing, Self::There)
    }
}

/// The catalog in force, or why there has never been one.
pub(super) type InForce = Result<Arc<Catalog>, String>;

/// Keeps the last good catalog, whatever becomes of its file.
#[derive(Debug)]
pub(super) struct Catalogs {
    path: PathBuf,
    state: Mutex<State>,
    /// Held while the file is read, so that many who find it changed read it once.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    seen: Seen,
    catalog: InForce,
    faults: Vec<Fault>,
}

impl Catalogs {
    pub(super) fn new(path: PathBuf) -> Self {
        let state =
            State { seen: Seen::Unknown, catalog: Err("it was not read yet".to_owned()), faults: Vec::new() };
        Self { path, state: Mutex::new(state), reading: tokio::sync::Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The catalog in force now. The file is looked at each time, and read only if it changed.
    pub(super) async fn current(&self) -> InForce {
        if let Some(catalog) = self.unchanged() {
            return catalog;
        }
        let _reading = self.reading.lock().await;
        match self.unchanged() {
            Some(catalog) => catalog,
            None => self.read().await,
        }
    }

    /// The catalog that was in force when the file was last looked at.
    pub(super) fn known(&self) -> InForce {
        self.lock().catalog.clone()
    }

    /// Sees to it that the file is read again, even if it looks unchanged.
    pub(super) fn doubt(&self) {
        self.lock().seen = Seen::Unknown;
    }

    /// What is wrong with the file, as last read.
    pub(super) fn faults(&self) -> Vec<Fault> {
        self.lock().faults.clone()
    }

    fn unchanged(&self) -> Option<InForce> {
        let now = Stamp::of(&self.path);
        let state = self.lock();
        let unchanged = match &state.seen {
            Seen::Untrusted(stamp) => now == Some(*stamp) && trusted(&self.path).is_err(),
            seen => *seen == Seen::of(now),
        };
        unchanged.then(|| state.catalog.clone())
    }

    async fn read(&self) -> InForce {
        let (stamp, result) = match settled(&self.path).await {
            Ok((stamp, text)) => (Seen::There(stamp), parse(&self.path, &text)),
            // Its writer may end without another change, so it is read again in any case.
            Err((ErrorKind::ResourceBusy, faults)) => (Seen::Unknown, Err(faults)),
            Err((_, faults)) => (Seen::of(Stamp::of(&self.path)), Err(faults)),
        };
        let trusted = trusted(&self.path);
        let mut state = self.lock();
        state.seen = match stamp {
            Seen::There(stamp) if trusted.is_err() => Seen::Untrusted(stamp),
            seen => seen,
        };
        match trusted.and(result) {
            Ok(catalog) => {
                tracing::info!(
                    profiles = catalog.profiles.len(),
                    applications = catalog.applications.len(),
                    "catalog read"
                );
                state.catalog = Ok(Arc::new(catalog));
                state.faults.clear();
            }
            Err(Faults(faults)) if faults != state.faults => {
                let effect = if state.catalog.is_ok() {
                    "the last good one stays in force"
                } else {
                    "none is in force"
                };
                for fault in &faults {
                    tracing::warn!(%fault, "the catalog has a fault; {effect}");
                }
                if let (Err(why), Some(first)) = (&mut state.catalog, faults.first()) {
                    *why = first.to_string();
                }
                state.faults = faults;
            }
            Err(_) => {}
        }
        state.catalog.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads and validates a catalog. The faults are all of them.
pub(super) async fn read(path: &Path) -> Result<Catalog, Faults> {
    let (_, text) = settled(path).await.map_err(|(_, faults)| faults)?;
    trusted(path)?;
    parse(path, &text)
}

async fn settled(path: &Path) -> Result<(Stamp, Vec<u8>), (ErrorKind, Faults)> {
    settled::read(path, LARGEST).await.map_err(|error| {
        let missing = error.kind() == ErrorKind::NotFound;
        let why = if missing {
            "there is no such file yet; it says who gets what".to_owned()
        } else {
            error.to_string()
        };
        (error.kind(), Faults::whole_file(path, why))
    })
}

/// The file must say what this user or root wrote.
pub(super) fn trusted(path: &Path) -> Result<(), Faults> {
    trust::check_with_target(path).map_err(|refusal| {
        Faults(vec![Fault::new(path, None, refusal.to_string()).with_hint(refusal.hint())])
    })
}

fn parse(path: &Path, text: &[u8]) -> Result<Catalog, Faults> {
    let text = std::str::from_utf8(text).map_err(|_| Faults::whole_file(path, "it is not UTF-8 text"))?;
    Catalog::parse(path, text)
}
