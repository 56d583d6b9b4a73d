//! The catalog in force.

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
    #[default]
    Never,
    Missing,
    There(Stamp),
}

impl Seen {
    fn of(stamp: Option<Stamp>) -> Self {
        stamp.map_or(Self::Missing, Self::There)
    }
}

/// Keeps the last good catalog, whatever becomes of its file.
#[derive(Debug)]
pub(super) struct Catalogs {
    path: PathBuf,
    state: Mutex<State>,
    /// Held while the file is read, so that many who find it changed read it once.
    reading: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    seen: Seen,
    catalog: Arc<Catalog>,
    faults: Vec<Fault>,
}

impl Catalogs {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, state: Mutex::default(), reading: tokio::sync::Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The catalog in force now. The file is looked at each time, and read only if it changed.
    pub(super) async fn current(&self) -> Arc<Catalog> {
        if let Some(catalog) = self.unchanged() {
            return catalog;
        }
        let _reading = self.reading.lock().await;
        match self.unchanged() {
            Some(catalog) => catalog,
            None => self.read().await,
        }
    }

    /// What is wrong with the file, as last read.
    pub(super) fn faults(&self) -> Vec<Fault> {
        self.lock().faults.clone()
    }

    fn unchanged(&self) -> Option<Arc<Catalog>> {
        let now = Seen::of(Stamp::of(&self.path));
        let state = self.lock();
        (state.seen == now).then(|| state.catalog.clone())
    }

    async fn read(&self) -> Arc<Catalog> {
        let (stamp, result) = match read(&self.path).await {
            Ok((stamp, catalog)) => (Some(stamp), Ok(catalog)),
            Err(faults) => (Stamp::of(&self.path), Err(faults)),
        };
        let mut state = self.lock();
        state.seen = Seen::of(stamp);
        match result {
            Ok(catalog) => {
                tracing::info!(
                    profiles = catalog.profiles.len(),
                    applications = catalog.applications.len(),
                    "catalog read"
                );
                state.catalog = Arc::new(catalog);
                state.faults.clear();
            }
            Err(Faults(faults)) => {
                for fault in &faults {
                    tracing::warn!(%fault, "the catalog has a fault; the last good one stays in force");
                }
                state.faults = faults;
            }
        }
        state.catalog.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads and validates a catalog. The faults are all of them.
pub(super) async fn read(path: &Path) -> Result<(Stamp, Catalog), Faults> {
    let whole = |message: String| Faults::whole_file(path, message);
    let (stamp, bytes) = settled::read(path, LARGEST).await.map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        whole(if missing { "there is no catalog; write one there".to_owned() } else { error.to_string() })
    })?;
    for file in [Some(path.to_owned()), std::fs::canonicalize(path).ok()].into_iter().flatten() {
        trust::check(&file).map_err(|refusal| {
            Faults(vec![Fault::new(path, None, refusal.to_string()).with_hint(refusal.hint())])
        })?;
    }
    let text = String::from_utf8(bytes).map_err(|_| whole("it is not UTF-8 text".to_owned()))?;
    Ok((stamp, Catalog::parse(path, &text)?))
}
