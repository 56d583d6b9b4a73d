//! Readings of serverless configurations.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::core::fault::Fault;
use crate::core::serverless::{Document, Format};
use crate::edges::project_file::ProjectFile;
use crate::edges::settled::{self, Stamp};
use crate::edges::sources::Sources;

/// More than this is no configuration that a person keeps.
pub(super) const LARGEST: u64 = 1024 * 1024;

/// Keeps the last good reading of each configuration.
#[derive(Debug, Default)]
pub(super) struct Projects {
    entries: Mutex<HashMap<PathBuf, Entry>>,
}

/// What is known of one configuration.
#[derive(Debug, Clone)]
struct Entry {
    /// The files that the reading looked at.
    sources: Sources,
    reading: Reading,
}

/// A reading of a configuration.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// The last good one, or why there has never been one.
    pub(super) document: Result<Arc<Document>, Fault>,
    /// What is wrong with the file now, if the reading is an older one.
    pub(super) stale: Option<Fault>,
}

impl Reading {
    /// The reading of a file that nobody needs to read.
    pub(super) fn unread(file: &ProjectFile) -> Self {
        Self { document: Err(Fault::new(&file.config, None, "it was not read")), stale: None }
    }
}

impl Projects {
    /// Reads a configuration, if it changed since it was last read.
    pub(super) async fn read(&self, file: &ProjectFile) -> Reading {
        let path = file.real();
        if let Some(reading) = self.unchanged(path) {
            return reading;
        }
        let (stamp, result) = match settled::read(path, LARGEST).await {
            Ok((stamp, bytes)) => (Some(stamp), parse_apart(path, bytes).await),
            // Its writer may end without another change, so it is read again in any case.
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                (None, Err(Fault::new(path, None, error.to_string())))
            }
            Err(error) => (Stamp::of(path), Err(Fault::new(path, None, error.to_string()))),
        };
        let mut sources = Sources::default();
        sources.add(path, stamp);
        let mut entries = self.lock();
        let last_good = entries.get(path).and_then(|entry| entry.reading.document.clone().ok());
        let reading = match (result, last_good) {
            (Ok(document), _) => Reading { document: Ok(Arc::new(document)), stale: None },
            (Err(fault), last_good) => {
                tracing::warn!(%fault, "a project's configuration cannot be read");
                match last_good {
                    Some(good) => Reading { document: Ok(good), stale: Some(fault) },
                    None => Reading { document: Err(fault), stale: None },
                }
            }
        };
        entries.insert(path.to_owned(), Entry { sources, reading: reading.clone() });
        reading
    }

    /// The files in which a change matters to a configuration that was read.
    pub(super) fn sources(&self, file: &ProjectFile) -> Vec<PathBuf> {
        let entries = self.lock();
        let sources = entries.get(file.real()).into_iter().flat_map(|entry| entry.sources.paths());
        sources.map(Path::to_owned).collect()
    }

    fn unchanged(&self, path: &Path) -> Option<Reading> {
        let entry = self.lock().get(path).cloned()?;
        entry.sources.are_unchanged().then_some(entry.reading)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PathBuf, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Parses off the serving thread: a large file takes longer than a request may.
async fn parse_apart(path: &Path, bytes: Vec<u8>) -> Result<Document, Fault> {
    let file = path.to_owned();
    let parsing = tokio::task::spawn_blocking(move || parse(&file, &bytes));
    parsing.await.unwrap_or_else(|_| Err(Fault::new(path, None, "reading it failed")))
}

/// Parses a configuration in a form that this version reads.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Document, Fault> {
    if Format::of(path).is_none() {
        let what = "this version reads serverless.yml, .yaml and .json, and no other form";
        return Err(Fault::new(path, None, what));
    }
    Document::parse(path, bytes)
}
