//! Finding every project below a directory.
//!
//! What `.gitignore` names is left out, and so is what holds other people's or generated files: a project in such a
//! place is found when a process in it asks.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ignore::{DirEntry, WalkBuilder, WalkState};

use super::project_file::{self, ProjectFile};

/// Directories that hold packages, virtual environments or what a build made. Those whose name begins with a dot
/// (`.git`, `.serverless`, `.venv`, `.terraform`, …) are left out too.
const LEFT_OUT: [&str; 16] = [
    "node_modules",
    "bower_components",
    "jspm_packages",
    "site-packages",
    "venv",
    "virtualenv",
    "__pycache__",
    "__pypackages__",
    "vendor",
    "target",
    "build",
    "dist",
    "out",
    "cdk.out",
    "coverage",
    "htmlcov",
];

/// So far below a root a directory counts as one that a project may come into, though none is in it yet.
const EXPECTED_DEPTH: usize = 3;

/// Threads of one search: the walk waits for the disk, and the machine is the user's.
const THREADS: usize = 4;

/// Whether a directory of this name is never searched.
pub fn is_left_out(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || LEFT_OUT.iter().any(|left_out| name == *left_out)
}

/// How far a search has come; whoever holds it may end the search.
#[derive(Debug, Default)]
pub struct Progress {
    directories: AtomicUsize,
    projects: AtomicUsize,
    stopped: AtomicBool,
}

impl Progress {
    /// How many directories were looked at.
    pub fn directories(&self) -> usize {
        self.directories.load(Ordering::Relaxed)
    }

    /// How many projects were found.
    pub fn projects(&self) -> usize {
        self.projects.load(Ordering::Relaxed)
    }

    /// Ends the search as soon as may be.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether the search was told to end.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// What a search came to.
#[derive(Debug)]
pub struct Searched<T> {
    /// What was made of each project, in no order.
    pub projects: Vec<T>,
    /// Where a change of the directory itself may mean another project: those of the projects, those where their ways
    /// part, and those near the root that are in no project and no repository. No more than two for each project,
    /// besides the last.
    pub places: Vec<PathBuf>,
}

/// What the threads of a search bring together.
struct Collected<T> {
    projects: Vec<T>,
    /// The directories of those.
    homes: HashSet<PathBuf>,
    directories: Vec<Box<Path>>,
    repositories: HashSet<PathBuf>,
}

/// Searches `root`, a real path, or only the part of it at or below `part`. `look` is called for each configuration,
/// by several threads at once, and makes of it what is kept. This reads many directories: keep it off a serving thread.
pub fn search<T: Send>(
    root: &Path,
    part: Option<&Path>,
    progress: &Progress,
    look: &(dyn Fn(ProjectFile) -> T + Sync),
) -> Searched<T> {
    // A part is walked to from the directory that has it, so that what git ignores there counts.
    let part = part.filter(|part| *part != root);
    let base = part.and_then(Path::parent).unwrap_or(root);
    let collected = Arc::new(Mutex::new(Collected {
        projects: Vec::new(),
        homes: HashSet::new(),
        directories: Vec::new(),
        repositories: HashSet::new(),
    }));
    walk(base, part, progress, &collected, look);
    let mut collected = collected.lock().unwrap_or_else(PoisonError::into_inner);
    let places = places(root, base, part, &mut collected);
    Searched { projects: std::mem::take(&mut collected.projects), places }
}

fn walk<T: Send>(
    base: &Path,
    part: Option<&Path>,
    progress: &Progress,
    collected: &Arc<Mutex<Collected<T>>>,
    look: &(dyn Fn(ProjectFile) -> T + Sync),
) {
    // What filters has to live on its own.
    let only = part.map(Path::to_owned);
    let repositories: Arc<Mutex<HashSet<PathBuf>>> = Arc::default();
    let seen = repositories.clone();
    let wanted = move |entry: &DirEntry| {
        if entry.depth() == 0 {
            return true;
        }
        if entry.depth() == 1 && only.as_deref().is_some_and(|only| only != entry.path()) {
            return false;
        }
        let name = entry.file_name();
        if name == ".git"
            && let Some(top) = entry.path().parent()
        {
            lock(&seen).insert(top.to_owned());
        }
        !is_left_out(name)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    WalkBuilder::new(base)
        .threads(threads)
        // The filter knows hidden names, and has to see `.git`.
        .hidden(false)
        // `.ignore` speaks to tools that search texts.
        .ignore(false)
        // The way up from a process ends at a mount too.
        .same_file_system(true)
        .filter_entry(wanted)
        .build_parallel()
        .run(|| {
            Box::new(|entry| {
                if progress.is_stopped() {
                    return WalkState::Quit;
                }
                match entry {
                    Ok(entry) => visit(&entry, progress, collected, look),
                    Err(error) => tracing::debug!(%error, "a directory is not searched"),
                }
                WalkState::Continue
            })
        });
    lock(collected).repositories = std::mem::take(&mut *lock(&repositories));
}

fn visit<T: Send>(
    entry: &DirEntry,
    progress: &Progress,
    collected: &Mutex<Collected<T>>,
    look: &(dyn Fn(ProjectFile) -> T + Sync),
) {
    if entry.file_type().is_some_and(|kind| kind.is_dir()) {
        progress.directories.fetch_add(1, Ordering::Relaxed);
        lock(collected).directories.push(entry.path().into());
        return;
    }
    let Some(directory) = entry.path().parent().filter(|_| project_file::is_name(entry.file_name())) else {
        return;
    };
    // Of several forms in a directory the first counts, as it does for a process.
    let Some(file) = project_file::in_directory(directory).filter(|file| file.config == entry.path()) else {
        return;
    };
    let project = look(file);
    progress.projects.fetch_add(1, Ordering::Relaxed);
    let mut collected = lock(collected);
    collected.projects.push(project);
    collected.homes.insert(directory.to_owned());
}

fn places<T>(root: &Path, base: &Path, part: Option<&Path>, collected: &mut Collected<T>) -> Vec<PathBuf> {
    let mut directories = std::mem::take(&mut collected.directories);
    // Parents come before their children.
    directories.sort_unstable();
    let (homes, repositories) = (&collected.homes, &collected.repositories);
    let is_end = |directory: &Path| homes.contains(directory) || repositories.contains(directory);

    // How many ways to projects lead on from each directory.
    let (mut on_way, mut ways) = (HashSet::new(), HashMap::new());
    for home in homes {
        let steps = home.ancestors().take_while(|step| *step != base && on_way.insert(*step));
        for parent in steps.filter_map(Path::parent) {
            *ways.entry(parent).or_insert(0_usize) += 1;
        }
    }

    let above = base.ancestors().skip(usize::from(part.is_none()));
    let above = above.take_while(|above| above.starts_with(root));
    let in_one =
        |directory: &Path| project_file::in_directory(directory).is_some() || directory.join(".git").exists();
    let mut inside: HashSet<&Path> = HashSet::new();
    if above.into_iter().any(in_one) {
        inside.insert(base);
    }
    let mut places = Vec::new();
    for directory in &directories {
        let directory: &Path = directory;
        let is_inside = inside.contains(directory)
            || directory
                .parent()
                .is_some_and(|parent| directory != base && (inside.contains(parent) || is_end(parent)));
        if is_inside {
            inside.insert(directory);
        }
        let depth = directory.strip_prefix(root).map_or(usize::MAX, |below| below.components().count());
        let ways = ways.get(directory).copied().unwrap_or_default();
        let is_place = directory == root
            || homes.contains(directory)
            || ways > 1
            || (!is_inside && (ways > 0 || depth <= EXPECTED_DEPTH));
        // The directory above a part was searched for nothing else.
        if is_place && (part.is_none() || directory != base) {
            places.push(directory.to_owned());
        }
    }
    places
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A directory in which these files are.
    fn tree(files: &[&str]) -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(place.path()).unwrap();
        for file in files {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "").unwrap();
        }
        (place, root)
    }

    fn relative(root: &Path, paths: impl IntoIterator<Item = PathBuf>) -> Vec<String> {
        let mut paths: Vec<_> =
            paths.into_iter().map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect();
        paths.sort();
        paths
    }

    fn found(root: &Path, part: Option<&str>) -> (Vec<String>, Vec<String>) {
        let part = part.map(|part| root.join(part));
        let searched = search(root, part.as_deref(), &Progress::default(), &|file| file.config);
        (relative(root, searched.projects), relative(root, searched.places))
    }

    #[test]
    fn what_git_ignores_and_what_others_made_is_left_out() {
        let (_place, root) = tree(&[
            ".git/HEAD",
            "serverless.yml",
            "one/serverless.yml",
            "one/serverless.json",
            "one/node_modules/x/serverless.yml",
            "one/.serverless/serverless.yml",
            "one/.venv/serverless.yml",
            "one/venv/serverless.yml",
            "one/build/serverless.yml",
            "deep/er/two/serverless.ts",
            "ignored/serverless.yml",
            "three/serverless.yml",
            "four/serverless.yml/x",
            "other/readme.md",
        ]);
        fs::write(root.join(".gitignore"), "/ignored\nthree/*.yml\n").unwrap();
        fs::write(root.join(".ignore"), "one\n").unwrap();
        let (projects, _) = found(&root, None);
        assert_eq!(projects, ["deep/er/two/serverless.ts", "one/serverless.yml", "serverless.yml"]);
        assert_eq!(found(&root, Some("ignored")).0, [""; 0]);
        assert_eq!(found(&root, Some("deep/er")).0, ["deep/er/two/serverless.ts"]);
        assert_eq!(found(&root, Some("one")).0, ["one/serverless.yml"]);
    }

    #[test]
    fn places_are_where_projects_may_come_and_few() {
        let (_place, root) = tree(&[
            "team/a/serverless.yml",
            "team/a/src/x/y",
            "team/b/serverless.yml",
            "mono/.git/HEAD",
            "mono/packages/inner/one/serverless.yml",
            "mono/packages/inner/two/serverless.yml",
            "mono/docs/x",
            "lone/.git/HEAD",
            "lone/services/api/serverless.yml",
            "plain/.git/HEAD",
            "plain/src/x",
            "notes/a/b/c/d/x",
        ]);
        let (_, places) = found(&root, None);
        let expected = [
            "",
            "lone",
            "lone/services/api",
            "mono",
            "mono/packages/inner",
            "mono/packages/inner/one",
            "mono/packages/inner/two",
            "notes",
            "notes/a",
            "notes/a/b",
            "plain",
            "team",
            "team/a",
            "team/b",
        ];
        assert_eq!(places, expected);
        assert_eq!(found(&root, Some("team/a")).1, ["team/a"]);
        assert_eq!(found(&root, Some("mono/docs")).1, [""; 0]);
        assert_eq!(found(&root, Some("notes/a")).1, ["notes/a", "notes/a/b"]);
    }

    #[test]
    fn a_search_can_be_ended_and_counts() {
        let (_place, root) = tree(&["a/serverless.yml", "b/serverless.yml"]);
        let progress = Progress::default();
        search(&root, None, &progress, &|_| ());
        assert_eq!((progress.directories(), progress.projects()), (3, 2));
        progress.stop();
        assert!(search(&root, None, &progress, &|_| ()).projects.is_empty());
    }
}
