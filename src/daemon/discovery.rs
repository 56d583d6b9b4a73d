//! Projects that were found, whether they are allowed or not.
//!
//! Nothing is decided by what is here: a process's project is looked for upward from its directory each time. It is what
//! `status` shows, and what says where newcomers may appear.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;

use crate::core::allowed::AllowList;
use crate::core::fault::Fault;
use crate::core::found::Summary;
use crate::core::moment::Timestamp;
use crate::core::protocol::{FoundStatus, SearchStatus};
use crate::core::serverless::{Document, MAX_BYTES};
use crate::edges::project_file::{self, ProjectFile};
use crate::edges::project_search::{Progress, search};
use crate::edges::settled::{self, Stamp};
use crate::edges::watch::Changes;
use crate::edges::{clock, repository, trust};

/// Projects that no root covers, and that are remembered because a process in them asked.
const ASKED_AT_MOST: usize = 256;

/// The clock of a file system lags behind ours by a tick.
const TICK: Duration = Duration::from_millis(20);

/// Finds projects, and keeps what was found.
#[derive(Debug, Clone)]
pub(super) struct Discovery(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    /// As configured.
    roots: Vec<PathBuf>,
    /// Held by whoever searches, so that of two searches the later one counts.
    turn: Mutex<()>,
    state: Mutex<State>,
    /// Something was found, or has to be looked at.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// By configuration.
    found: BTreeMap<Box<Path>, Found>,
    /// The directories in which newcomers may appear.
    places: Arc<BTreeSet<Box<Path>>>,
    /// The real paths of the roots that are there.
    roots: Vec<PathBuf>,
    /// What is wrong with the others.
    faults: Vec<String>,
    /// Projects in which a process asked, to be looked at.
    asked: Vec<ProjectFile>,
    /// The search at work.
    progress: Option<Arc<Progress>>,
    /// The last search of all roots.
    last: Option<LastSearch>,
    /// When the first search began of those whose places were not given to a watch yet.
    unwatched_since: Option<SystemTime>,
    /// Whether some places cannot be watched, so that newcomers are looked for when somebody asks.
    on_demand: bool,
}

#[derive(Debug, Clone, Copy)]
struct LastSearch {
    took: Duration,
    finished: Timestamp,
    directories: usize,
}

/// What is kept of a project. There may be ten thousand.
#[derive(Debug)]
struct Found {
    leads_to: Option<Box<Path>>,
    stamp: Option<Stamp>,
    summary: Summary,
    /// Whether it is here because a process in it asked.
    by_asking: bool,
}

impl Found {
    fn real<'a>(&'a self, config: &'a Path) -> &'a Path {
        self.leads_to.as_deref().unwrap_or(config)
    }
}

impl Discovery {
    pub(super) fn new(roots: Vec<PathBuf>) -> Self {
        let (turn, state, changed) = (Mutex::default(), Mutex::default(), Notify::new());
        Self(Arc::new(Kept { roots, turn, state, changed }))
    }

    /// Searches every root.
    pub(super) async fn search(&self) {
        self.off_the_thread(Kept::search).await;
    }

    /// Looks at what changed, and at the projects in which processes asked.
    pub(super) async fn follow(&self, changes: Changes) {
        self.off_the_thread(move |kept| kept.follow(&changes)).await;
    }

    /// Looks again at directories that are watched only now: what happened in them since the search was not told.
    pub(super) async fn settle(&self, since: Option<SystemTime>, added: Vec<PathBuf>) {
        if let Some(since) = since.filter(|_| !added.is_empty()) {
            self.off_the_thread(move |kept| kept.settle(since, &added)).await;
        }
    }

    /// A process asked in a project that is not allowed. Costs a request next to nothing.
    pub(super) fn noticed(&self, file: &ProjectFile) {
        let mut state = self.0.state();
        let is_known = state.found.contains_key(file.config.as_path()) || state.asked.contains(file);
        if !is_known && state.asked.len() < ASKED_AT_MOST {
            state.asked.push(file.clone());
            self.0.changed.notify_one();
        }
    }

    /// Waits until there are projects to look at, or other places to watch.
    pub(super) async fn changed(&self) {
        self.0.changed.notified().await;
    }

    /// Where newcomers may appear, and since when that is not watched yet.
    pub(super) fn places(&self) -> (Arc<BTreeSet<Box<Path>>>, Option<SystemTime>) {
        let mut state = self.0.state();
        (state.places.clone(), state.unwatched_since.take())
    }

    /// Whether projects in which a process asked wait to be looked at.
    pub(super) fn is_asked(&self) -> bool {
        !self.0.state().asked.is_empty()
    }

    /// Whether newcomers have to be looked for when somebody asks, since not every place can be watched.
    pub(super) fn set_on_demand(&self, on_demand: bool) {
        self.0.state().on_demand = on_demand;
    }

    pub(super) fn is_on_demand(&self) -> bool {
        let state = self.0.state();
        state.on_demand && state.progress.is_none()
    }

    /// Ends a search at work.
    pub(super) fn stop(&self) {
        if let Some(progress) = &self.0.state().progress {
            progress.stop();
        }
    }

    /// What is wrong with roots.
    pub(super) fn faults(&self) -> Vec<String> {
        self.0.state().faults.clone()
    }

    /// How far the search has come, and everything that was found, each as its file is now.
    pub(super) async fn status(&self, allowed: Arc<AllowList>) -> (Option<SearchStatus>, Vec<FoundStatus>) {
        self.off_the_thread(move |kept| {
            kept.look_at_changed(None);
            kept.status(&allowed)
        })
        .await
    }

    async fn off_the_thread<R: Send + 'static>(&self, work: impl FnOnce(&Kept) -> R + Send + 'static) -> R {
        let kept = self.0.clone();
        tokio::task::spawn_blocking(move || work(&kept)).await.unwrap_or_else(|error| {
            std::panic::resume_unwind(error.try_into_panic().unwrap_or_else(|error| Box::new(error)))
        })
    }
}

impl Kept {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn search(&self) {
        let _turn = self.take_turn();
        self.search_in_turn();
    }

    fn search_in_turn(&self) {
        if self.roots.is_empty() {
            return;
        }
        let (began, start) = (SystemTime::now(), Instant::now());
        let progress = Arc::new(Progress::default());
        self.state().progress = Some(progress.clone());
        let (mut roots, mut faults, mut found, mut places) =
            (Vec::new(), Vec::new(), BTreeMap::new(), BTreeSet::new());
        for root in &self.roots {
            match std::fs::canonicalize(root) {
                Ok(real) if real.is_dir() => {
                    let searched = search(&real, None, &progress, &look);
                    found.extend(searched.projects);
                    places.extend(searched.places.into_iter().map(PathBuf::into_boxed_path));
                    roots.push(real);
                }
                Ok(_) => {
                    faults.push(format!("{} of projects in config.toml is no directory", root.display()));
                }
                Err(error) => {
                    faults.push(format!("{} of projects in config.toml: {error}", root.display()));
                }
            }
            // A root may be moved, or come only now.
            let above = root.ancestors().skip(1).find_map(|above| std::fs::canonicalize(above).ok());
            places.extend(above.map(PathBuf::into_boxed_path));
        }
        if progress.is_stopped() {
            return;
        }
        let mut state = self.state();
        for fault in faults.iter().filter(|fault| !state.faults.contains(fault)) {
            tracing::warn!("{fault}");
        }
        let asked = std::mem::take(&mut state.found).into_iter().filter(|(_, found)| found.by_asking);
        for (config, kept) in asked {
            if config.exists() {
                places.extend(config.parent().map(Box::from));
                found.entry(config).or_insert(kept);
            }
        }
        let took = start.elapsed();
        (state.found, state.places) = (found, Arc::new(places));
        (state.roots, state.faults, state.progress) = (roots, faults, None);
        state.last = Some(LastSearch { took, finished: clock::now(), directories: progress.directories() });
        state.note_unwatched(began);
        let (projects, directories) = (state.found.len(), progress.directories());
        tracing::info!(projects, directories, ?took, "the roots were searched");
        drop(state);
        self.changed.notify_one();
    }

    fn follow(&self, changes: &Changes) {
        let _turn = self.take_turn();
        let asked = std::mem::take(&mut self.state().asked);
        let is_root = |path: &Path| self.roots.iter().any(|root| root.starts_with(path));
        if changes.unknown || changes.paths.iter().any(|path| is_root(path)) {
            self.search_in_turn();
        } else {
            let mut done: Option<&Path> = None;
            for path in &changes.paths {
                // What lies in a directory that was just searched was seen.
                if done.is_none_or(|done| !path.starts_with(done)) && self.look_at(path) {
                    done = Some(path);
                }
            }
        }
        for file in asked {
            let (config, mut found) = look(file);
            found.by_asking = true;
            let mut state = self.state();
            let asked = state.found.values().filter(|found| found.by_asking).count();
            if asked < ASKED_AT_MOST && !state.found.contains_key(&config) {
                state.add_place(config.parent());
                state.found.insert(config, found);
                state.note_unwatched(SystemTime::now());
                self.changed.notify_one();
            }
        }
    }

    /// Looks at a path that changed; whether it is a directory that was searched with all that is below.
    fn look_at(&self, path: &Path) -> bool {
        let began = SystemTime::now();
        let is_config = path.file_name().is_some_and(project_file::is_name);
        if let Some(directory) = path.parent().filter(|_| is_config) {
            let file = project_file::in_directory(directory).map(look);
            let mut state = self.state();
            let covered = state.root_of(path).is_some();
            let before = state.remove_of(directory);
            if let Some((config, mut found)) = file {
                found.by_asking = before.is_some_and(|before| before.by_asking);
                if covered || found.by_asking {
                    state.add_place(Some(directory));
                    state.found.insert(config, found);
                }
            }
            return false;
        }
        let Some(root) = self.state().root_of(path).map(Path::to_owned) else { return false };
        let is_directory = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
        let searched = is_directory.then(|| search(&root, Some(path), &Progress::default(), &look));
        let mut state = self.state();
        state.remove_below(path);
        if let Some(searched) = searched {
            state.found.extend(searched.projects);
            let places = Arc::make_mut(&mut state.places);
            places.extend(searched.places.into_iter().map(PathBuf::into_boxed_path));
            state.note_unwatched(began);
        }
        self.changed.notify_one();
        is_directory
    }

    fn settle(&self, since: SystemTime, added: &[PathBuf]) {
        let _turn = self.take_turn();
        let since = since - TICK;
        let has_changed = |directory: &&PathBuf| {
            let found = std::fs::metadata(directory).and_then(|found| found.modified());
            found.is_ok_and(|modified| modified >= since)
        };
        for directory in added.iter().filter(has_changed) {
            self.look_at(directory);
        }
        let added: HashSet<&Path> = added.iter().map(PathBuf::as_path).collect();
        self.look_at_changed(Some(&added));
    }

    /// Looks again at every project, or those in these directories, whose file is not what it was.
    fn look_at_changed(&self, directories: Option<&HashSet<&Path>>) {
        let is_meant = |config: &Path| {
            directories.is_none_or(|all| config.parent().is_some_and(|parent| all.contains(parent)))
        };
        // The files are looked at without the lock.
        let known: Vec<_> = {
            let state = self.state();
            let meant = state.found.iter().filter(|(config, _)| is_meant(config));
            meant
                .map(|(config, found)| (found.real(config).to_owned(), config.clone(), found.stamp))
                .collect()
        };
        for (_, config, _) in known.into_iter().filter(|(real, _, stamp)| Stamp::of(real) != *stamp) {
            let now = project_file::at(&config).map(look);
            let mut state = self.state();
            let Some(before) = state.found.remove(&config) else { continue };
            if let Some((config, mut found)) = now {
                found.by_asking = before.by_asking;
                state.found.insert(config, found);
            }
        }
    }

    fn status(&self, allowed: &AllowList) -> (Option<SearchStatus>, Vec<FoundStatus>) {
        let by_path: HashSet<&Path> = allowed.iter().map(|project| project.config.as_path()).collect();
        let with_worktrees = allowed.iter().any(|project| project.worktrees.is_some());
        let is_allowed = |config: &Path| {
            by_path.contains(config)
                || (with_worktrees
                    && repository::place(config)
                        .is_some_and(|place| allowed.find(config, Some(&place)).is_some()))
        };
        let state = self.state();
        let told = |told: &crate::core::found::Told| told.known().map(str::to_owned);
        let found = state.found.iter().map(|(config, found)| FoundStatus {
            config: config.to_path_buf(),
            app: told(&found.summary.app),
            org: told(&found.summary.org),
            stage: told(&found.summary.stage),
            allowed: is_allowed(config),
            error: found.summary.fault.as_deref().map(str::to_owned),
        });
        let found: Vec<_> = found.collect();
        let search = (!self.roots.is_empty()).then(|| SearchStatus {
            roots: self.roots.clone(),
            searching: state.progress.is_some(),
            directories: match (&state.progress, state.last) {
                (Some(progress), _) => progress.directories(),
                (None, last) => last.map_or(0, |last| last.directories),
            },
            projects: state.progress.as_ref().map_or(found.len(), |progress| progress.projects()),
            took_ms: state.last.map(|last| u64::try_from(last.took.as_millis()).unwrap_or(u64::MAX)),
            finished: state.last.map(|last| last.finished),
            on_demand: state.on_demand,
        });
        (search, found)
    }
}

impl State {
    fn root_of(&self, path: &Path) -> Option<&Path> {
        self.roots.iter().map(PathBuf::as_path).find(|root| path.starts_with(root))
    }

    fn add_place(&mut self, directory: Option<&Path>) {
        if let Some(directory) = directory
            && !self.places.contains(directory)
        {
            Arc::make_mut(&mut self.places).insert(directory.into());
        }
    }

    fn note_unwatched(&mut self, began: SystemTime) {
        self.unwatched_since = Some(self.unwatched_since.map_or(began, |since| since.min(began)));
    }

    /// Removes the project of a directory itself.
    fn remove_of(&mut self, directory: &Path) -> Option<Found> {
        let from = (Bound::Included(directory), Bound::Unbounded);
        let mut below = self.found.range::<Path, _>(from).map(|(config, _)| config);
        let config = below
            .by_ref()
            .take_while(|config| config.starts_with(directory))
            .find(|config| config.parent() == Some(directory))?
            .clone();
        self.found.remove(&config)
    }

    fn remove_below(&mut self, path: &Path) {
        let from = || (Bound::Included(path), Bound::Unbounded);
        let below = self.found.range::<Path, _>(from()).take_while(|(config, _)| config.starts_with(path));
        let gone = below.filter(|(config, found)| !found.by_asking || !config.exists());
        let configs: Vec<_> = gone.map(|(config, _)| config.clone()).collect();
        for config in configs {
            self.found.remove(&config);
        }
        let places = self.places.range::<Path, _>(from());
        let places: Vec<_> = places.take_while(|place| place.starts_with(path)).cloned().collect();
        if !places.is_empty() {
            let all = Arc::make_mut(&mut self.places);
            for place in places {
                all.remove(&place);
            }
        }
    }
}

/// What a configuration says now.
fn look(file: ProjectFile) -> (Box<Path>, Found) {
    let real = file.real();
    let (stamp, summary) = match trust::check(real) {
        Err(refusal) => {
            (Stamp::of(real), Summary { fault: Some(refusal.to_string().into()), ..Summary::default() })
        }
        Ok(()) => match settled::read_now(real, MAX_BYTES as u64) {
            Ok((stamp, bytes)) => (Some(stamp), Summary::of(Document::parse(real, &bytes).as_ref())),
            Err(error) => {
                let fault = Fault::new(real, None, error.to_string());
                (Stamp::of(real), Summary::of(Err(&fault)))
            }
        },
    };
    let leads_to = file.leads_to.map(PathBuf::into_boxed_path);
    (file.config.into_boxed_path(), Found { leads_to, stamp, summary, by_asking: false })
}
