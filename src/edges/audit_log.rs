//! The audit log: a line of JSON for each issue and each refusal.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use crate::core::audit::Record;

/// Lines that wait for the disk at most. A disk that stands still must not stop the endpoint.
const WAITING: usize = 4096;

/// Writes records on a thread of its own, so that no request waits for a disk.
#[derive(Debug)]
pub struct AuditLog {
    records: Option<SyncSender<Record>>,
    writer: Option<JoinHandle<()>>,
    lost: Arc<AtomicU64>,
}

impl AuditLog {
    /// Opens the log for appending, mode 0600.
    pub fn open(path: &Path) -> io::Result<Self> {
        open(path)?;
        let (records, waiting) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let (path, counter) = (path.to_owned(), lost.clone());
        let writer = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || write_all(&path, &waiting, &counter))?;
        Ok(Self { records: Some(records), writer: Some(writer), lost })
    }

    /// Takes a record for writing. One that finds no room is counted as lost.
    pub fn write(&self, record: Record) {
        let Some(records) = &self.records else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = records.try_send(record) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many records could not be written.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for AuditLog {
    /// Waits until what was taken is written.
    fn drop(&mut self) {
        self.records = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn open(path: &Path) -> io::Result<std::fs::File> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Opens the file for each batch: a log that was moved away is begun anew, and a full disk is tried again.
fn write_all(path: &Path, waiting: &Receiver<Record>, lost: &AtomicU64) {
    while let Ok(first) = waiting.recv() {
        let batch: Vec<Record> = std::iter::once(first).chain(waiting.try_iter()).collect();
        let mut lines = Vec::new();
        for record in &batch {
            if serde_json::to_writer(&mut lines, record).is_ok() {
                lines.push(b'\n');
            }
        }
        if let Err(error) = open(path).and_then(|mut file| file.write_all(&lines)) {
            let missing = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            lost.fetch_add(missing, Ordering::Relaxed);
            tracing::warn!(%error, missing, "the audit log cannot be written");
        }
    }
}
