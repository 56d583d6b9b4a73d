//! Readings of serverless configurations.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::core::fault::Fault;
use crate::core::serverless::{Document, Inputs, MAX_BYTES};
use crate::edges::inclusion::{self, Findings};
use crate::edges::project_file::ProjectFile;
use crate::edges::settled::{self, Stamp};
use crate::edges::source::Source;

/// Keeps the last good reading of each configuration, and of what it includes.
#[derive(Debug)]
pub(super) struct Projects {
    home: PathBuf,
    entries: Mutex<HashMap<PathBuf, Entry>>,
    /// What was found for each configuration beside its own file, by the configuration's name.
    findings: Mutex<HashMap<PathBuf, Findings>>,
}

/// What is known of one file.
#[derive(Debug, Clone)]
struct Entry {
    /// The file as it was when last read; `None` if it went away meanwhile.
    stamp: Option<Stamp>,
    reading: Reading,
}

/// A reading of a configuration.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// The last good one, or why there has never been one.
    pub(super) document: Result<Arc<Document>, Fault>,
    /// What is wrong now with the file, or with one that it includes, if the reading is an older one.
    pub(super) stale: Option<Fault>,
    /// Every file that was looked at for it, whether it was there or not. It holds as long as all of them are current.
    pub(super) sources: Arc<[Source]>,
}

impl Reading {
    /// The reading of a file that nobody needs to read.
    pub(super) fn unread(file: &ProjectFile) -> Self {
        let fault = Fault::new(&file.config, None, "it was not read");
        Self { document: Err(fault), stale: None, sources: Arc::default() }
    }
}

impl Projects {
    /// The projects of a user with this home.
    pub(super) fn new(home: &Path) -> Self {
        let home = std::fs::canonicalize(home).unwrap_or_else(|_| home.to_owned());
        Self { home, entries: Mutex::default(), findings: Mutex::default() }
    }

    /// Reads a configuration, and what it includes for these inputs. Nothing is read again that has not changed.
    pub(super) async fn read(&self, file: &ProjectFile, inputs: &Inputs) -> Reading {
        let mut reading = self.read_alone(file).await;
        let own = Source::now(file.real().to_owned());
        let Ok(document) = &reading.document else {
            reading.sources = Arc::new([own]);
            return reading;
        };
        let (document, file, inputs, home) =
            (document.as_ref().clone(), file.clone(), inputs.clone(), self.home.clone());
        let mut known = lock(&self.findings).get(&file.config).cloned().unwrap_or_default();
        let config = file.config.clone();
        // It may have to wait for a file that is being written, and a tree of files takes longer than a request may.
        let completing = tokio::task::spawn_blocking(move || {
            let document = inclusion::complete(document, &inputs, &file, &home, &mut known);
            (document, known)
        });
        match completing.await {
            Ok((document, known)) => {
                let beside = known.values().flat_map(|finding| finding.sources.iter().cloned());
                reading.sources = std::iter::once(own).chain(beside).collect();
                let beside = known.values().find_map(|finding| finding.stale.clone());
                reading.stale = reading.stale.or(beside);
                reading.document = Ok(Arc::new(document));
                lock(&self.findings).insert(config, known);
            }
            Err(_) => reading.document = Err(Fault::new(config, None, "reading what it includes failed")),
        }
        reading
    }

    /// Reads a configuration's own file, if it changed since it was last read.
    async fn read_alone(&self, file: &ProjectFile) -> Reading {
        let path = file.real();
        if let Some(reading) = self.unchanged(path) {
            return reading;
        }
        let (stamp, result) = match settled::read(path, MAX_BYTES as u64).await {
            Ok((stamp, bytes)) => (Some(stamp), parse_apart(path, bytes).await),
            // Its writer may end without another change, so it is read again in any case.
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                (None, Err(Fault::new(path, None, error.to_string())))
            }
            Err(error) => (Stamp::of(path), Err(Fault::new(path, None, error.to_string()))),
        };
        let mut entries = lock(&self.entries);
        let last_good = entries.get(path).and_then(|entry| entry.reading.document.clone().ok());
        let reading = |document, stale| Reading { document, stale, sources: Arc::default() };
        let reading = match (result, last_good) {
            (Ok(document), _) => reading(Ok(Arc::new(document)), None),
            (Err(fault), last_good) => {
                tracing::warn!(%fault, "a project's configuration cannot be read");
                match last_good {
                    Some(good) => reading(Ok(good), Some(fault)),
                    None => reading(Err(fault), None),
                }
            }
        };
        entries.insert(path.to_owned(), Entry { stamp, reading: reading.clone() });
        reading
    }

    /// The files in which a change matters to a configuration that was read, those included that were not there.
    pub(super) fn sources(&self, file: &ProjectFile) -> Vec<PathBuf> {
        let findings = lock(&self.findings);
        let beside = findings.get(&file.config).into_iter().flat_map(|known| known.values());
        let beside = beside.flat_map(|finding| finding.sources.iter().map(|source| source.path.clone()));
        beside.chain([file.real().to_owned()]).collect()
    }

    fn unchanged(&self, path: &Path) -> Option<Reading> {
        let stamp = Stamp::of(path)?;
        let entries = lock(&self.entries);
        entries.get(path).filter(|entry| entry.stamp == Some(stamp)).map(|entry| entry.reading.clone())
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Parses off the serving thread: a large file takes longer than a request may.
async fn parse_apart(path: &Path, bytes: Vec<u8>) -> Result<Document, Fault> {
    let file = path.to_owned();
    let parsing = tokio::task::spawn_blocking(move || Document::parse(&file, &bytes));
    parsing.await.unwrap_or_else(|_| Err(Fault::new(path, None, "reading it failed")))
}
