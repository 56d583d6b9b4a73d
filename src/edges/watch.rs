//! Being told when files change.
//!
//! A watch only makes things early: whoever uses a reading checks the file's stamp anyway, so a lost event
//! never makes an answer stale.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::ModifyKind;
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

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

/// Watches files by their directories: an editor that renames a new file over the old one is seen too. What else
/// happens in those directories wakes nobody.
#[derive(Debug)]
pub struct Watch {
    watcher: RecommendedWatcher,
    directories: HashSet<PathBuf>,
    shared: Arc<Shared>,
}

/// What the watching thread and its owner share.
#[derive(Debug, Default)]
struct Shared {
    interest: Mutex<Interest>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Interest {
    files: HashSet<PathBuf>,
    /// Watched directories that were removed or moved: their watch went with them.
    gone: Vec<PathBuf>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Interest> {
        self.interest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, event: notify::Result<Event>) {
        let matters = match event {
            // Reading is no change, and we read a lot.
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => false,
            Ok(event) => {
                event.need_rescan() || event.paths.iter().any(|path| self.concerns(path, event.kind))
            }
            Err(_) => true,
        };
        if matters {
            self.changed.notify_one();
        }
    }

    fn concerns(&self, path: &Path, kind: EventKind) -> bool {
        let mut interest = self.lock();
        let is_directory = interest.files.iter().any(|file| file.parent() == Some(path));
        let is_gone = matches!(kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)));
        if is_directory && is_gone {
            interest.gone.push(path.to_owned());
        }
        (is_directory && is_gone) || interest.files.contains(path)
    }
}

impl Watch {
    /// A watch on nothing yet.
    pub fn new() -> Result<Self, WatchError> {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let watcher = notify::recommended_watcher(move |event| theirs.take(event))
            .map_err(|error| sorted(&error, "files"))?;
        Ok(Self { watcher, directories: HashSet::new(), shared })
    }

    /// Waits until a watched file may have changed. Changes while nobody waits count as one.
    pub async fn changed(&self) {
        self.shared.changed.notified().await;
    }

    /// Watches exactly these files from now on. What cannot be watched is given back with the reason, and tried
    /// again the next time.
    pub fn set(&mut self, files: &HashSet<PathBuf>) -> Vec<WatchError> {
        let gone = {
            let mut interest = self.shared.lock();
            interest.files.clone_from(files);
            std::mem::take(&mut interest.gone)
        };
        let wanted: HashSet<PathBuf> =
            files.iter().filter_map(|file| file.parent().map(PathBuf::from)).collect();
        let unwanted: Vec<PathBuf> = self.directories.difference(&wanted).cloned().collect();
        for directory in gone.iter().chain(&unwanted) {
            // The watch of one that was removed is gone already.
            let _ = self.watcher.unwatch(directory);
            self.directories.remove(directory);
        }
        let mut errors = Vec::new();
        for directory in wanted {
            if self.directories.contains(&directory) || !directory.is_dir() {
                continue;
            }
            match self.watcher.watch(&directory, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.directories.insert(directory);
                }
                Err(error) => errors.push(sorted(&error, &directory.display().to_string())),
            }
        }
        errors
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    /// Whether a change is told within a time that no machine needs.
    async fn told(watch: &Watch) -> bool {
        tokio::time::timeout(Duration::from_secs(20), watch.changed()).await.is_ok()
    }

    #[tokio::test]
    async fn every_way_of_saving_is_told_and_other_files_are_not() {
        let place = tempfile::tempdir().unwrap();
        let place = fs::canonicalize(place.path()).unwrap();
        let project = place.join("shop");
        fs::create_dir(&project).unwrap();
        let file = project.join("serverless.yml");
        fs::write(&file, "a").unwrap();
        let files = HashSet::from([file.clone()]);
        let mut watch = Watch::new().unwrap();
        assert!(watch.set(&files).is_empty());

        fs::write(&file, "truncated and written").unwrap();
        assert!(told(&watch).await);
        fs::write(project.join("new"), "renamed over").unwrap();
        fs::rename(project.join("new"), &file).unwrap();
        assert!(told(&watch).await);
        fs::remove_file(&file).unwrap();
        assert!(told(&watch).await);

        fs::remove_dir(&project).unwrap();
        assert!(told(&watch).await);
        watch.set(&files);
        fs::create_dir(&project).unwrap();
        watch.set(&files);
        fs::write(&file, "in a directory of the same name").unwrap();
        assert!(told(&watch).await);

        // The log comes first: had it counted, two changes would be told, or the first for it.
        let interest = |name: &str| watch.shared.concerns(&project.join(name), EventKind::Any);
        assert!(!interest("app.log") && interest("serverless.yml"));
    }
}
