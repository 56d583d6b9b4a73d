//! The audit log: a line of JSON for each issue and each refusal.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use serde::Serialize;

use super::atomic_file::is_full;
use super::clock;
use super::line_file::{LineFile, LineFileError};
use crate::core::audit::{Gap, Record};
use crate::core::config::AuditKeeping;
use crate::core::refusal::shell_word;

/// Lines that wait for the disk at most. A disk that stands still must not stop the endpoint.
const WAITING: usize = 4096;
/// When so many bytes are together they are written, whatever else waits.
const BATCH: usize = 64 * 1024;

/// Why the log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum AuditLogError {
    /// Its file cannot be used.
    #[error("cannot open the audit log: {0}")]
    File(#[from] LineFileError),
    /// The thread that writes it cannot be started.
    #[error("cannot start to write the audit log: {0}")]
    Thread(std::io::Error),
}

impl AuditLogError {
    /// What to type next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(LineFileError::Untrusted(refusal)) => refusal.hint(),
            Self::File(LineFileError::NoLines { path }) => {
                let path = shell_word(path);
                Some(format!("move it away: mv {path} {path}.bad"))
            }
            Self::File(LineFileError::Unwritten { .. }) | Self::Thread(_) => None,
        }
    }
}

/// Writes records on a thread of its own, so that no request waits for a disk.
#[derive(Debug)]
pub struct AuditLog {
    records: Option<SyncSender<Record>>,
    writer: Option<JoinHandle<()>>,
    losses: Arc<Losses>,
}

impl AuditLog {
    /// Opens the log for appending, mode 0600. A torn end, as a crash leaves it, is cut off and counted as lost.
    /// A full disk is no error: whoever needs credentials then gets them, and what is lost is counted.
    pub fn open(path: PathBuf, keeping: AuditKeeping) -> Result<Self, AuditLogError> {
        let (mut file, losses) = (LineFile::at(path).rotated(keeping), Arc::new(Losses::default()));
        match file.mend() {
            Ok(torn) => note_torn(torn, &losses),
            Err(LineFileError::Unwritten { source, path }) if is_full(&source) => {
                tracing::warn!(path = %path.display(), error = %source, "the audit log cannot be written");
            }
            Err(error) => return Err(error.into()),
        }
        let (records, waiting) = sync_channel(WAITING);
        let writer = Writer { file, losses: losses.clone(), fails: false };
        let writer = std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || write_all(writer, &waiting))
            .map_err(AuditLogError::Thread)?;
        Ok(Self { records: Some(records), writer: Some(writer), losses })
    }

    /// Takes a record for writing. One that finds no room is counted as lost.
    pub fn write(&self, record: Record) {
        let Some(records) = &self.records else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = records.try_send(record) {
            self.losses.add(1, "more lines waited for the disk than there is room for");
        }
    }

    /// How many records could not be written.
    pub fn lost(&self) -> u64 {
        self.losses.lock().total
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

/// What could not be written.
#[derive(Debug, Default)]
struct Losses(Mutex<Lost>);

#[derive(Debug, Default)]
struct Lost {
    total: u64,
    /// What the log does not say yet.
    gap: Option<Gap>,
}

impl Losses {
    fn lock(&self) -> MutexGuard<'_, Lost> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, lines: usize, why: &str) {
        let lines = u64::try_from(lines).unwrap_or(u64::MAX);
        let mut lost = self.lock();
        lost.total = lost.total.saturating_add(lines);
        let now = clock::now();
        lost.gap.get_or_insert_with(|| Gap::new(now, why)).widen(now, lines);
    }

    /// What the log does not say yet.
    fn gap(&self) -> Option<Gap> {
        self.lock().gap.clone()
    }

    /// The log says it now. Meanwhile more may have been lost.
    fn told(&self, gap: &Gap) {
        let mut lost = self.lock();
        lost.gap = lost.gap.take().and_then(|more| more.after(gap));
    }
}

/// Writes what waits, until nobody can write any more.
fn write_all(mut writer: Writer, waiting: &Receiver<Record>) {
    while let Ok(first) = waiting.recv() {
        let mut batch = Batch::default();
        batch.push(&first);
        while batch.bytes.len() < BATCH
            && let Ok(next) = waiting.try_recv()
        {
            batch.push(&next);
        }
        writer.write(&batch);
    }
    // The last ones may have found the disk full, and by now it may have room to say so.
    if writer.losses.gap().is_some() {
        writer.write(&Batch::default());
    }
    if let Some(gap) = writer.losses.gap() {
        tracing::warn!(missing = gap.lost, why = gap.why, "the audit log lacks lines and does not say so");
    }
}

/// Lines that are written together.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    lines: usize,
}

impl Batch {
    fn push(&mut self, line: &impl Serialize) {
        if let Ok(text) = serde_json::to_vec(line) {
            self.bytes.extend(text);
            self.bytes.push(b'\n');
            self.lines += 1;
        }
    }
}

#[derive(Debug)]
struct Writer {
    file: LineFile,
    losses: Arc<Losses>,
    /// Whether the last attempt failed: that is said once, and not for each batch until it is mended.
    fails: bool,
}

impl Writer {
    /// Writes lines, and before them how many are missing there.
    fn write(&mut self, batch: &Batch) {
        let gap = self.losses.gap();
        let mut lines = Batch::default();
        if let Some(gap) = &gap {
            lines.push(&gap.told(clock::now()));
        }
        lines.bytes.extend(&batch.bytes);
        match self.file.append(&lines.bytes) {
            Ok(torn) => {
                if let Some(gap) = gap {
                    self.losses.told(&gap);
                    tracing::info!(missing = gap.lost, "the audit log is written again");
                }
                self.fails = false;
                note_torn(torn, &self.losses);
            }
            Err(error) => {
                self.losses.add(batch.lines, &error.to_string());
                if !std::mem::replace(&mut self.fails, true) {
                    tracing::warn!(%error, "the audit log cannot be written; what is lost is counted");
                }
            }
        }
    }
}

fn note_torn(lines: usize, losses: &Losses) {
    if lines > 0 {
        losses.add(lines, "they were half written when brokerd or the machine ended");
        tracing::warn!(lines, "the end of the audit log was torn and is cut off");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::core::audit::Way;
    use crate::core::decision::Outcome;
    use crate::core::moment::Timestamp;
    use crate::core::refusal::Refusal;

    fn record(number: i64) -> Record {
        let outcome = Outcome::refused(Refusal::OwnHelper);
        Record::refusal(Timestamp(number), Way::Imds, None, &outcome, Refusal::OwnHelper)
    }

    fn lines(path: &Path) -> Vec<Value> {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn written(log: AuditLog) {
        drop(log);
    }

    #[test]
    fn records_are_lines_in_their_order() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("audit.jsonl");
        for round in 0..2 {
            let log = AuditLog::open(path.clone(), AuditKeeping::default()).unwrap();
            (0..500).for_each(|number| log.write(record(round * 500 + number)));
            assert_eq!(log.lost(), 0);
            written(log);
        }
        let text = fs::read_to_string(&path).unwrap();
        let read: Vec<Record> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(read, (0..1000).map(record).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_lost_is_counted_and_said_where_it_is_missing() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("audit.jsonl");
        let mut writer = Writer { file: LineFile::at(path.clone()), losses: Arc::default(), fails: false };
        let batch = |numbers: std::ops::Range<i64>| {
            let mut batch = Batch::default();
            numbers.for_each(|number| batch.push(&record(number)));
            batch
        };
        writer.write(&batch(0..2));
        let kept = place.path().join("kept");
        fs::rename(&path, &kept).unwrap();
        fs::create_dir(&path).unwrap();
        for _ in 0..3 {
            writer.write(&batch(0..4));
        }
        assert_eq!(writer.losses.lock().total, 12);
        fs::remove_dir(&path).unwrap();
        fs::rename(&kept, &path).unwrap();
        writer.write(&batch(2..4));
        writer.write(&batch(4..5));
        let lines = lines(&path);
        let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["refusal", "refusal", "lost", "refusal", "refusal", "refusal"], "said once");
        assert_eq!(lines[2]["lost"], 12);
        assert!(lines[2]["why"].as_str().unwrap().contains("Is a directory"), "{}", lines[2]);
        assert_eq!(writer.losses.lock().total, 12, "since the start");
        assert_eq!(writer.losses.gap(), None);
    }

    #[test]
    fn a_torn_end_is_cut_off_and_said() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("audit.jsonl");
        fs::write(&path, "{\"event\":\"issue\"}\n{\"event\":\"iss").unwrap();
        let log = AuditLog::open(path.clone(), AuditKeeping::default()).unwrap();
        assert_eq!(log.lost(), 1);
        written(log);
        let lines = lines(&path);
        assert_eq!((lines.len(), &lines[1]["event"], &lines[1]["lost"]), (2, &"lost".into(), &1.into()));
    }

    #[test]
    fn a_log_that_cannot_be_ours_is_refused_with_what_mends_it() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("audit.jsonl");
        fs::write(&path, vec![b'x'; 1024 * 1024]).unwrap();
        let error = AuditLog::open(path.clone(), AuditKeeping::default()).unwrap_err();
        assert!(error.hint().unwrap().contains(" mv "), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o622)).unwrap();
        let error = AuditLog::open(path.clone(), AuditKeeping::default()).unwrap_err();
        assert_eq!(error.hint(), Some(format!("chmod go-w {}", path.display())));
        assert!(error.to_string().contains("can be written by other users"), "{error}");
    }
}
