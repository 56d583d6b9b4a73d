//! Being told when files change, and when directories do in which projects may come and go.
//!
//! A watch only makes things early: whoever uses a reading checks the stamps of its files anyway, so a lost event
//! never makes an answer stale. Each directory is watched by itself, none with what lies below it.

mod limit;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Bound;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RemoveKind, RenameMode};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::{project_file, project_search};
pub use limit::{Limit, usage};

/// Why a directory cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The kernel gives this user no more watches or instances.
    #[error("{0}")]
    Limit(Limit),
    /// The system refuses.
    #[error("cannot watch {what}: {why}")]
    System {
        /// What.
        what: String,
        /// The system's words.
        why: String,
    },
}

impl WatchError {
    /// What to type against it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Limit(limit) => limit.hint(),
            Self::System { .. } => None,
        }
    }
}

/// What is to be watched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Files, there or not. They are watched by their directories, so that an editor that renames a new file over the
    /// old one is seen; what else happens in those directories wakes nobody.
    pub files: HashSet<PathBuf>,
    /// Directories in which a project's configuration, or a directory with projects, may come or go.
    pub places: Arc<BTreeSet<Box<Path>>>,
}

/// What has happened since somebody last looked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Watched files that may have changed, and in watched places the configurations and directories that came, changed
    /// or went.
    pub paths: BTreeSet<PathBuf>,
    /// More happened than can be told: everything has to be looked at.
    pub unknown: bool,
    /// That is because the kernel's queue of events was full.
    pub overflowed: bool,
}

/// What came of setting the watches.
#[derive(Debug, Default)]
pub struct Coverage {
    /// Directories that are watched from now on, and were not before: what happened in them so far was not told.
    pub added: Vec<PathBuf>,
    /// How many directories should be watched and are not.
    pub missing: usize,
    /// Why, each reason once.
    pub errors: Vec<WatchError>,
}

/// Watches directories.
#[derive(Debug)]
pub struct Watch {
    watcher: RecommendedWatcher,
    /// Those that are watched, by device and inode: a watch goes with its directory when that is moved.
    directories: HashMap<PathBuf, (u64, u64)>,
    shared: Arc<Shared>,
}

/// What the watching thread and its owner share.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    wanted: Wanted,
    /// The directories of the files.
    parents: HashSet<PathBuf>,
    changes: Changes,
    /// Watched directories that were removed or moved: their watch went with them.
    gone: Vec<PathBuf>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, event: notify::Result<Event>) {
        let matters = match event {
            Ok(event) if event.need_rescan() => self.lock().changes.lose(true),
            Ok(event) if is_reading(event.kind) => false,
            Ok(event) => {
                let mut state = self.lock();
                let matter = event.paths.iter().filter(|path| state.note(path, event.kind));
                matter.count() > 0
            }
            Err(_) => self.lock().changes.lose(false),
        };
        if matters {
            self.changed.notify_one();
        }
    }
}

/// Reading is no change, and we read a lot. The end of writing is one: till then half of the file may be missing.
fn is_reading(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

impl Changes {
    /// More paths than this are not kept apart.
    const MOST: usize = 4096;

    fn is_empty(&self) -> bool {
        self.paths.is_empty() && !self.unknown
    }

    fn add(&mut self, path: &Path) {
        if self.paths.len() < Self::MOST {
            self.paths.insert(path.to_owned());
        } else {
            self.lose(false);
        }
    }

    fn lose(&mut self, overflowed: bool) -> bool {
        self.paths.clear();
        self.unknown = true;
        self.overflowed |= overflowed;
        true
    }
}

impl State {
    /// Notes what an event means; whether it means anything.
    fn note(&mut self, path: &Path, kind: EventKind) -> bool {
        let is_watched = self.parents.contains(path) || self.wanted.places.contains(path);
        let is_gone = matches!(
            kind,
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(RenameMode::From | RenameMode::Any))
        );
        if is_watched && is_gone {
            self.gone.push(path.to_owned());
        }
        let matters =
            self.wanted.files.contains(path) || (is_watched && is_gone) || self.is_of_a_place(path, kind);
        if matters {
            self.changes.add(path);
        }
        matters
    }

    /// Whether something came or went that may be a project, or hold some.
    fn is_of_a_place(&self, path: &Path, kind: EventKind) -> bool {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return false };
        if !self.wanted.places.contains(parent) {
            return false;
        }
        if project_file::is_name(name) {
            return true;
        }
        let may_be_directory = match kind {
            EventKind::Create(CreateKind::Folder) | EventKind::Remove(RemoveKind::Folder) => true,
            EventKind::Modify(ModifyKind::Name(RenameMode::To)) => path.is_dir(),
            EventKind::Modify(ModifyKind::Name(_)) => self.holds_places(path),
            _ => false,
        };
        may_be_directory && !project_search::is_left_out(name)
    }

    fn holds_places(&self, path: &Path) -> bool {
        let from = (Bound::Included(path), Bound::Unbounded);
        self.wanted.places.range::<Path, _>(from).next().is_some_and(|place| place.starts_with(path))
    }
}

impl Watch {
    /// A watch on nothing yet.
    pub fn new() -> Result<Self, WatchError> {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        let watcher = notify::recommended_watcher(move |event| theirs.take(event))
            .map_err(|error| sorted(&error, "files"))?;
        Ok(Self { watcher, directories: HashMap::new(), shared })
    }

    /// Waits until there are changes to take; they stay until somebody does.
    pub async fn changed(&self) {
        while self.shared.lock().changes.is_empty() {
            self.shared.changed.notified().await;
        }
    }

    /// What has happened since the last time.
    pub fn take(&self) -> Changes {
        std::mem::take(&mut self.shared.lock().changes)
    }

    /// How many directories are watched.
    pub fn count(&self) -> usize {
        self.directories.len()
    }

    /// Watches exactly this from now on. What cannot be watched is tried again the next time. Thousands of directories
    /// take a moment: keep it off a serving thread.
    pub fn set(&mut self, wanted: Wanted) -> Coverage {
        let parents: HashSet<PathBuf> =
            wanted.files.iter().filter_map(|file| file.parent().map(PathBuf::from)).collect();
        let places = wanted.places.clone();
        let gone = {
            let mut state = self.shared.lock();
            (state.wanted, state.parents) = (wanted, parents.clone());
            std::mem::take(&mut state.gone)
        };
        let is_wanted = |directory: &Path| parents.contains(directory) || places.contains(directory);
        let unwanted = self.directories.keys().filter(|directory| !is_wanted(directory)).cloned();
        // The parents above a file's directory are not watched, so that one may have been moved unseen.
        let moved = parents.iter().filter(|parent| {
            self.directories.get(*parent).is_some_and(|known| Some(*known) != identity(parent))
        });
        let moved: Vec<PathBuf> = unwanted.chain(moved.cloned()).collect();
        // All of them go first: a directory that was moved has one watch, and it is found by either path.
        for directory in gone.iter().chain(&moved) {
            if self.directories.remove(directory).is_some() {
                // The watch of one that was removed is gone already.
                let _ = self.watcher.unwatch(directory);
            }
        }
        let mut coverage = Coverage::default();
        for directory in parents.iter().map(PathBuf::as_path).chain(places.iter().map(AsRef::as_ref)) {
            if !self.directories.contains_key(directory) {
                self.add(directory, &mut coverage);
            }
        }
        coverage
    }

    fn add(&mut self, directory: &Path, coverage: &mut Coverage) {
        let is_full = coverage.errors.iter().any(|error| matches!(error, WatchError::Limit(_)));
        let Some(identity) = identity(directory) else { return };
        if is_full {
            coverage.missing += 1;
            return;
        }
        match self.watcher.watch(directory, RecursiveMode::NonRecursive) {
            Ok(()) => {
                self.directories.insert(directory.to_owned(), identity);
                coverage.added.push(directory.to_owned());
            }
            Err(error) if matches!(error.kind, ErrorKind::PathNotFound) => {}
            Err(error) => {
                coverage.missing += 1;
                coverage.errors.push(sorted(&error, &directory.display().to_string()));
            }
        }
    }
}

/// What tells a directory from another of its name; none if there is no directory.
fn identity(directory: &Path) -> Option<(u64, u64)> {
    let found = std::fs::metadata(directory).ok().filter(std::fs::Metadata::is_dir)?;
    Some((found.dev(), found.ino()))
}

fn sorted(error: &notify::Error, what: &str) -> WatchError {
    match &error.kind {
        ErrorKind::MaxFilesWatch => WatchError::Limit(Limit::watches()),
        // inotify_init says EMFILE for its own limit on instances, and for the process's on open files.
        ErrorKind::Io(io)
            if io.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error())
                && std::fs::File::open("/").is_ok() =>
        {
            WatchError::Limit(Limit::instances())
        }
        _ => WatchError::System { what: what.to_owned(), why: error.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    /// The changes of one kind of event, which come within a time that no machine needs.
    async fn told(watch: &Watch) -> BTreeSet<PathBuf> {
        let told = tokio::time::timeout(Duration::from_secs(20), watch.changed()).await;
        assert!(told.is_ok(), "nothing was told");
        watch.take().paths
    }

    fn real(place: &tempfile::TempDir) -> PathBuf {
        fs::canonicalize(place.path()).unwrap()
    }

    #[tokio::test]
    async fn every_way_of_saving_is_told_and_other_files_are_not() {
        let place = tempfile::tempdir().unwrap();
        let project = real(&place).join("shop");
        fs::create_dir(&project).unwrap();
        let file = project.join("serverless.yml");
        fs::write(&file, "a").unwrap();
        let wanted = Wanted { files: HashSet::from([file.clone()]), ..Wanted::default() };
        let mut watch = Watch::new().unwrap();
        assert_eq!(watch.set(wanted.clone()).added, std::slice::from_ref(&project));

        fs::write(&file, "truncated and written").unwrap();
        assert!(told(&watch).await.contains(&file));
        fs::write(project.join("new"), "renamed over").unwrap();
        fs::rename(project.join("new"), &file).unwrap();
        assert!(told(&watch).await.contains(&file));
        fs::remove_file(&file).unwrap();
        assert!(told(&watch).await.contains(&file));

        fs::remove_dir(&project).unwrap();
        while !told(&watch).await.contains(&project) {}
        assert!(watch.set(wanted.clone()).added.is_empty());
        fs::create_dir(&project).unwrap();
        assert_eq!(watch.set(wanted).added, std::slice::from_ref(&project));
        fs::write(&file, "in a directory of the same name").unwrap();
        while !told(&watch).await.contains(&file) {}

        let mut state = watch.shared.lock();
        assert!(!state.note(&project.join("app.log"), EventKind::Any));
        assert!(state.note(&file, EventKind::Any));
        assert!(!is_reading(EventKind::Access(AccessKind::Close(AccessMode::Write))));
        assert!(is_reading(EventKind::Access(AccessKind::Open(AccessMode::Any))));
    }

    #[tokio::test]
    async fn a_directory_that_was_moved_unseen_is_watched_where_it_should_be() {
        let place = tempfile::tempdir().unwrap();
        let project = real(&place).join("team/shop");
        fs::create_dir_all(&project).unwrap();
        let file = project.join("serverless.yml");
        let wanted = Wanted { files: HashSet::from([file.clone()]), ..Wanted::default() };
        let mut watch = Watch::new().unwrap();
        watch.set(wanted.clone());
        fs::rename(real(&place).join("team"), real(&place).join("moved")).unwrap();
        assert!(watch.set(wanted.clone()).added.is_empty());
        assert_eq!(watch.count(), 0);
        fs::create_dir_all(&project).unwrap();
        assert_eq!(watch.set(wanted).added, std::slice::from_ref(&project));
        fs::write(&file, "").unwrap();
        assert!(told(&watch).await.contains(&file));
    }

    #[tokio::test]
    async fn in_a_place_projects_and_directories_are_told_as_they_come_and_go() {
        let place = tempfile::tempdir().unwrap();
        let root = real(&place);
        fs::create_dir_all(root.join("team/shop")).unwrap();
        let places = ["", "team/shop"].map(|path| Box::from(root.join(path).components().as_path()));
        let wanted = Wanted { places: Arc::new(places.into()), ..Wanted::default() };
        let mut watch = Watch::new().unwrap();
        assert_eq!(watch.set(wanted).added.len(), 2);

        fs::write(root.join("notes.txt"), "").unwrap();
        fs::create_dir(root.join("node_modules")).unwrap();
        fs::create_dir(root.join("new")).unwrap();
        assert_eq!(told(&watch).await, BTreeSet::from([root.join("new")]));
        fs::write(root.join("serverless.yml"), "").unwrap();
        assert!(told(&watch).await.contains(&root.join("serverless.yml")));
        fs::rename(root.join("team"), root.join("crew")).unwrap();
        let mut seen = BTreeSet::new();
        while !(seen.contains(&root.join("team")) && seen.contains(&root.join("crew"))) {
            seen.append(&mut told(&watch).await);
        }
        assert!(!watch.shared.lock().holds_places(&root.join("tea")));
    }

    #[test]
    fn what_is_too_much_to_tell_is_unknown() {
        let mut changes = Changes::default();
        for number in 0..=Changes::MOST {
            changes.add(Path::new(&number.to_string()));
        }
        assert_eq!(changes, Changes { unknown: true, ..Changes::default() });
    }
}
