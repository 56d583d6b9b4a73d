//! The file in which the decisions of running processes wait for the next daemon.
//!
//! It lies in the runtime directory and is worth nothing after the machine's next start, so that nothing of it is
//! synced: a line that was written outlives the daemon, however that ends, and more is not needed.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::core::kept::KeptDecision;

/// The form of the file; raised when it changes.
const FORM: u32 = 1;

/// Its first line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Header {
    form: u32,
    /// The start of the machine: process ids begin anew with each.
    boot: String,
}

/// Decisions, one in each line; of two about the same question of a process the later counts.
#[derive(Debug)]
pub struct DecisionLog {
    path: PathBuf,
    boot: String,
    /// `None` once it could not be written. Then there is no file either: what a daemon finds in it must be all.
    file: Mutex<Option<File>>,
    lines: AtomicUsize,
}

impl DecisionLog {
    /// Opens the log at `path` for this start of the machine, and gives what an earlier daemon left there: the last
    /// about each question of each process. What cannot be read is passed over: those processes are decided anew.
    pub fn open(path: &Path, boot: &str) -> (Self, Vec<KeptDecision>) {
        let text = fs::read(path).unwrap_or_default();
        let mut lines = text.split(|byte| *byte == b'\n');
        let header = lines.next().and_then(|line| serde_json::from_slice::<Header>(line).ok());
        let mut left: HashMap<_, KeptDecision> = HashMap::new();
        if header.is_some_and(|header| header == Header { form: FORM, boot: boot.to_owned() }) {
            for line in lines {
                if let Ok(kept) = serde_json::from_slice::<KeptDecision>(line) {
                    left.insert((kept.process, kept.asked.clone()), kept);
                }
            }
        }
        let log = Self {
            path: path.to_owned(),
            boot: boot.to_owned(),
            file: Mutex::new(None),
            lines: AtomicUsize::new(0),
        };
        (log, left.into_values().collect())
    }

    /// How many lines were added since everything was replaced.
    pub fn added(&self) -> usize {
        self.lines.load(Ordering::Relaxed)
    }

    /// Whether it cannot be written.
    pub fn is_broken(&self) -> bool {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Puts these decisions in place of all that is there.
    pub fn replace(&self, decisions: impl Iterator<Item = KeptDecision>) {
        let mut lines = line(&Header { form: FORM, boot: self.boot.clone() });
        for decision in decisions {
            lines.extend(line(&decision));
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let was_broken = file.is_none() && self.added() > 0;
        *file = match self.written(&lines) {
            Ok(file) => Some(file),
            Err(error) => {
                self.give_up(&error, was_broken);
                None
            }
        };
        // One, so that a first failure can be told from those that follow it.
        self.lines.store(usize::from(file.is_none()), Ordering::Relaxed);
    }

    fn written(&self, lines: &[u8]) -> io::Result<File> {
        let beside = self.path.with_extension("new");
        // Opened for appending, and renamed: the file that is written to from then on is this one.
        let _ = fs::remove_file(&beside);
        let mut file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(lines)?;
        fs::rename(&beside, &self.path)?;
        Ok(file)
    }

    /// Adds a decision. Whether it is there then; if not, all of them must be put in place again.
    #[must_use]
    pub fn add(&self, decision: &KeptDecision) -> bool {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = file.as_mut() else { return false };
        match open.write_all(&line(decision)) {
            Ok(()) => {
                self.lines.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(error) => {
                self.give_up(&error, false);
                *file = None;
                false
            }
        }
    }

    /// A file that lacks the newest lines would bring back what has ended: better none.
    fn give_up(&self, error: &io::Error, was_broken: bool) {
        let _ = fs::remove_file(self.path.with_extension("new"));
        let _ = fs::remove_file(&self.path);
        if !was_broken {
            self.complain(error);
        }
    }

    fn complain(&self, error: &io::Error) {
        tracing::warn!(%error, path = %self.path.display(), "running processes will be decided anew when brokerd starts again");
    }
}

fn line(value: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::audit::AuditedCaller;
    use crate::core::caller::{DirectoryId, Image, ProcessId};
    use crate::core::decision::Matched;
    use crate::core::name::{App, ProfileName, Stage};

    fn decision(pid: u32) -> KeptDecision {
        let process = ProcessId { pid, start: 1 };
        KeptDecision {
            process,
            asked: None,
            directory: DirectoryId { device: 1, inode: 2 },
            image: Image([0; 6]),
            caller: AuditedCaller {
                process,
                uid: Some(1000),
                executable: None,
                command: Vec::new(),
                directory: "/".into(),
                parents: Vec::new(),
            },
            config: "/serverless.yml".into(),
            leads_to: None,
            place: None,
            app: App::parse("shop").unwrap(),
            stage: Stage::parse("dev").unwrap(),
            profile: ProfileName::parse("dev").unwrap(),
            role_digest: String::new(),
            matched: Matched::Exact,
            fallback: None,
            region: None,
            region_unknown: None,
            deployment: None,
            stage_reported: false,
            reasons: Vec::new(),
            ended: None,
        }
    }

    #[test]
    fn what_was_written_is_there_for_the_next_daemon_of_this_boot_only() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("decisions.jsonl");
        let (log, left) = DecisionLog::open(&path, "boot");
        assert_eq!(left, []);
        log.replace([decision(1)].into_iter());
        assert!(log.add(&decision(2)) && log.add(&decision(3)));
        let pids = |boot| -> Vec<u32> {
            let mut pids: Vec<u32> =
                DecisionLog::open(&path, boot).1.iter().map(|kept| kept.process.pid).collect();
            pids.sort_unstable();
            pids
        };
        assert_eq!(pids("boot"), [1, 2, 3]);
        assert!(pids("next boot").is_empty());
        // The daemon died in the middle of a line.
        let text = fs::read(&path).unwrap();
        fs::write(&path, &text[..text.len() - 9]).unwrap();
        assert_eq!(pids("boot"), [1, 2]);
        let (log, left) = DecisionLog::open(&path, "boot");
        log.replace(left.into_iter().filter(|kept| kept.process.pid == 2));
        assert!(log.add(&decision(4)));
        assert_eq!(pids("boot"), [2, 4]);
        // The later of two about the same counts.
        assert!(log.add(&KeptDecision { ended: Some("denied".into()), ..decision(4) }));
        assert_eq!(log.added(), 2);
        let (_, left) = DecisionLog::open(&path, "boot");
        let four = left.iter().find(|kept| kept.process.pid == 4).unwrap();
        assert_eq!((left.len(), four.ended.as_deref()), (2, Some("denied")));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_whole_is_not_there_at_all() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("gone/decisions.jsonl");
        fs::create_dir(path.parent().unwrap()).unwrap();
        let (log, _) = DecisionLog::open(&path, "boot");
        log.replace([decision(1)].into_iter());
        assert!(!log.is_broken() && path.exists());
        // Writing to a full device fails, as on a full disk.
        *log.file.lock().unwrap() = Some(OpenOptions::new().append(true).open("/dev/full").unwrap());
        assert!(!log.add(&decision(2)));
        assert!(log.is_broken() && !path.exists() && !log.add(&decision(3)));
        log.replace([decision(1), decision(2)].into_iter());
        assert!(!log.is_broken() && log.add(&decision(3)));
        assert_eq!(DecisionLog::open(&path, "boot").1.len(), 3);
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
        log.replace([decision(1)].into_iter());
        assert!(log.is_broken());
    }
}
