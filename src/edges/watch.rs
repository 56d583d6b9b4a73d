//! Being told when files change.
//!
//! A watch only makes things early: whoever uses a reading checks the file's stamp anyway, so a lost event
//! never makes an answer stale.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Why a directory cannot be watched, with the remedy where there is one.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The kernel gives this user no more watches or instances.
    #[error(
        "the limit of inotify is reached: raise fs.inotify.max_user_watches and max_user_instances with sysctl"
    )]
    Limit,
    /// The system refuses.
    #[error("cannot watch {what}: {why}")]
    System {
        /// What.
        what: String,
        /// The system's words.
        why: String,
    },
}

/// Watches directories, not files: an editor that renames a new file over the old one is seen too.
#[derive(Debug)]
pub struct Watch {
    watcher: RecommendedWatcher,
    directories: HashSet<PathBuf>,
}

/// Paths that may have changed. An empty list means that events were lost: anything may have.
pub type Changes = UnboundedReceiver<Vec<PathBuf>>;

impl Watch {
    /// A watch on nothing yet, and where its changes come out.
    pub fn new() -> Result<(Self, Changes), WatchError> {
        let (send, changes) = unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let paths = match event {
                // Reading is no change, and we read a lot.
                Ok(event) if matches!(event.kind, EventKind::Access(_)) => return,
                Ok(event) if event.need_rescan() => Vec::new(),
                Ok(event) => event.paths,
                Err(_) => Vec::new(),
            };
            // The receiver is gone only when the daemon is.
            let _ = send.send(paths);
        })
        .map_err(|error| sorted(&error, "files"))?;
        Ok((Self { watcher, directories: HashSet::new() }, changes))
    }

    /// Watches exactly these directories from now on. What cannot be watched is given back with the reason,
    /// and tried again the next time.
    pub fn set(&mut self, wanted: &HashSet<PathBuf>) -> Vec<WatchError> {
        let gone: Vec<PathBuf> = self.directories.difference(wanted).cloned().collect();
        for directory in gone {
            // One that was deleted is no longer watched anyway.
            let _ = self.watcher.unwatch(&directory);
            self.directories.remove(&directory);
        }
        let mut errors = Vec::new();
        for directory in wanted {
            if self.directories.contains(directory) || !directory.is_dir() {
                continue;
            }
            match self.watcher.watch(directory, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.directories.insert(directory.clone());
                }
                Err(error) => errors.push(sorted(&error, &directory.display().to_string())),
            }
        }
        errors
    }

    /// Forgets a directory that was deleted or replaced, so that the next [`Watch::set`] watches the new one.
    pub fn forget(&mut self, directory: &Path) {
        if self.directories.remove(directory) {
            let _ = self.watcher.unwatch(directory);
        }
    }
}

fn sorted(error: &notify::Error, what: &str) -> WatchError {
    match &error.kind {
        ErrorKind::MaxFilesWatch => WatchError::Limit,
        // inotify_init says EMFILE for its own limit on instances.
        ErrorKind::Io(io) if io.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) => {
            WatchError::Limit
        }
        _ => WatchError::System { what: what.to_owned(), why: error.to_string() },
    }
}
