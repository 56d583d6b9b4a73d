//! From a process to its decision, which it keeps until it ends.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::core::allowed::{AllowList, RepositoryPlace};
use crate::core::caller::{Caller, Process, ProcessId, Unidentified};
use crate::core::catalog::Catalog;
use crate::core::decision::{self, Decision, Inquiry, Matched, Outcome, Project, decide};
use crate::core::name::Stage;
use crate::core::protocol::AffectedProcess;
use crate::core::refusal::Refusal;
use crate::core::serverless_cli::{Invocation, Recognised, recognise};
use crate::core::stage::Cli;
use crate::edges::peer::{self, Observer};
use crate::edges::project_file::{self, ProjectFile, Search};
use crate::edges::{repository, trust};

use super::catalogs::Catalogs;
use super::permissions::Permissions;
use super::projects::Projects;

/// A process that asked, and what came of it.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    /// The process, if it could be looked at.
    pub(super) caller: Option<Arc<Caller>>,
    pub(super) outcome: Arc<Outcome>,
}

impl Asking {
    fn refused(caller: Option<Arc<Caller>>, refusal: Refusal) -> Self {
        Self { caller, outcome: Arc::new(Outcome::refused(refusal)) }
    }
}

/// What is asked about a process, besides who it is.
#[derive(Debug, Clone, Default)]
pub(super) struct Question {
    /// The stage in the role name that it asks for, if it asks by name.
    pub(super) asked: Option<Stage>,
    /// As if it were in this directory.
    pub(super) directory: Option<PathBuf>,
    /// As if a Serverless CLI with this `--stage` had started it.
    pub(super) imagined_stage: Option<String>,
}

impl Question {
    /// The question of a process that simply asks: only this one's answer is kept.
    fn is_plain(&self) -> bool {
        self.asked.is_none() && self.directory.is_none() && self.imagined_stage.is_none()
    }
}

/// A decision that a running process has.
#[derive(Debug, Clone)]
struct Kept {
    project: ProjectFile,
    caller: Arc<Caller>,
    outcome: Arc<Outcome>,
}

/// Decides for processes, and remembers.
#[derive(Debug)]
pub(super) struct Callers {
    home: PathBuf,
    observer: Arc<Observer>,
    kept: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    kept: HashMap<ProcessId, Kept>,
    /// The size at which processes that ended are swept out next.
    sweep_at: usize,
}

impl Callers {
    pub(super) fn new(home: PathBuf, observer: Arc<Observer>) -> Self {
        let home = std::fs::canonicalize(&home).unwrap_or(home);
        Self { home, observer, kept: Mutex::default() }
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// The processes that have a decision: where to look first for the holder of a socket.
    pub(super) fn remembered(&self) -> Vec<ProcessId> {
        const MOST: usize = 32;
        let table = self.lock();
        let mut known: Vec<ProcessId> = table.kept.keys().copied().collect();
        known.sort_unstable_by_key(|process| std::cmp::Reverse(process.start));
        known.truncate(MOST);
        known
    }

    /// The decisions that running processes have in a project.
    pub(super) fn active(&self, config: &Path) -> Vec<Arc<Outcome>> {
        let table = self.lock();
        let kept = table
            .kept
            .iter()
            .filter(|(process, kept)| kept.project.config == config && peer::is_alive(**process));
        kept.map(|(_, kept)| kept.outcome.clone()).collect()
    }

    /// The running processes whose decision a catalog ends, in the order of their numbers.
    pub(super) fn affected(&self, catalog: &Catalog) -> Vec<AffectedProcess> {
        let table = self.lock();
        let affected = table.kept.iter().filter_map(|(process, kept)| {
            let decision = kept.outcome.result.as_ref().ok()?;
            (ended_by(catalog, decision).is_some() && peer::is_alive(*process)).then(|| AffectedProcess {
                pid: process.pid,
                name: kept.caller.process.name(),
                directory: kept.caller.process.directory.clone(),
                app: decision.app.clone(),
                stage: decision.stage.clone(),
                profile: decision.profile.name.clone(),
            })
        });
        let mut affected: Vec<_> = affected.collect();
        affected.sort_by_key(|process| process.pid);
        affected
    }

    /// Decides for a process. What it was given before stays, as long as it runs the same program in the same
    /// project and nothing has ended it.
    pub(super) async fn decide(&self, process: ProcessId, question: Question, state: &State<'_>) -> Asking {
        if question.is_plain()
            && let Some(asking) = self.keep(process, state).await
        {
            return asking;
        }
        let gathered = match self.gather(process, question.clone(), state).await {
            Ok(gathered) => gathered,
            Err(asking) => return asking,
        };
        if question.is_plain()
            && let Some(kept) = self.moved_within(process, &gathered)
        {
            return self.still_holds(&kept, state).await;
        }
        let reading = state.projects.read(&gathered.file).await;
        let catalog = state.catalogs.current().await;
        let inquiry = gathered.inquiry(
            &reading.document,
            reading.stale.as_ref(),
            &state.allowed,
            question.asked.as_ref(),
        );
        let outcome = Arc::new(decide(&inquiry, &catalog));
        if question.is_plain() && outcome.result.is_ok() {
            self.remember(process, &gathered, &outcome);
        }
        Asking { caller: Some(gathered.caller), outcome }
    }

    /// The kept decision of a process that is what and where it was: two looks at `/proc`.
    async fn keep(&self, process: ProcessId, state: &State<'_>) -> Option<Asking> {
        let kept = self.lock().kept.get(&process).cloned()?;
        if peer::is_unchanged(process, kept.caller.directory, kept.caller.image) {
            Some(self.still_holds(&kept, state).await)
        } else {
            None
        }
    }

    /// The kept decision of a process that moved within its project.
    fn moved_within(&self, process: ProcessId, gathered: &Gathered) -> Option<Kept> {
        let mut table = self.lock();
        let kept = table.kept.get_mut(&process)?;
        if kept.project != gathered.file || kept.caller.image != gathered.caller.image {
            return None;
        }
        kept.caller = gathered.caller.clone();
        Some(kept.clone())
    }

    /// Whether what a process was given still is what the user wants. It ends or stays; it never becomes
    /// something else.
    async fn still_holds(&self, kept: &Kept, state: &State<'_>) -> Asking {
        let Ok(decision) = &kept.outcome.result else {
            return Asking { caller: Some(kept.caller.clone()), outcome: kept.outcome.clone() };
        };
        let catalog = state.catalogs.current().await;
        let ended = ended(decision, &kept.project, &catalog, &state.allowed);
        let outcome = match ended {
            None => kept.outcome.clone(),
            Some(why) => Arc::new(Outcome {
                app: kept.outcome.app.clone(),
                stage: kept.outcome.stage.clone(),
                result: Err(Refusal::Ended { why }),
                reasons: kept.outcome.reasons.clone(),
            }),
        };
        Asking { caller: Some(kept.caller.clone()), outcome }
    }

    fn remember(&self, process: ProcessId, gathered: &Gathered, outcome: &Arc<Outcome>) {
        const SMALLEST: usize = 256;
        let kept = Kept {
            project: gathered.file.clone(),
            caller: gathered.caller.clone(),
            outcome: outcome.clone(),
        };
        let mut table = self.lock();
        table.kept.insert(process, kept);
        if table.kept.len() > table.sweep_at.max(SMALLEST) {
            table.kept.retain(|process, _| peer::is_alive(*process));
            // Twice what lives: each sweep is paid for by as many newcomers.
            table.sweep_at = table.kept.len() * 2;
        }
    }

    /// Looks at a process, its ancestors and its project, off the serving thread.
    async fn gather(
        &self,
        process: ProcessId,
        question: Question,
        state: &State<'_>,
    ) -> Result<Gathered, Asking> {
        let (observer, home, allowed) = (self.observer.clone(), self.home.clone(), state.allowed.clone());
        let gathering =
            tokio::task::spawn_blocking(move || gather(&observer, &home, &allowed, process, &question));
        gathering.await.unwrap_or_else(|_| {
            Err(Asking::refused(
                None,
                Unidentified::System("the look at the process failed".to_owned()).into(),
            ))
        })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What decisions depend on, as it is now.
#[derive(Debug)]
pub(super) struct State<'a> {
    pub(super) projects: &'a Projects,
    pub(super) catalogs: &'a Catalogs,
    pub(super) allowed: Arc<AllowList>,
}

impl<'a> State<'a> {
    pub(super) fn new(projects: &'a Projects, catalogs: &'a Catalogs, permissions: &Permissions) -> Self {
        Self { projects, catalogs, allowed: permissions.current() }
    }
}

/// Why a decision has ended, if it has.
fn ended(
    decision: &Decision,
    project: &ProjectFile,
    catalog: &Catalog,
    allowed: &AllowList,
) -> Option<String> {
    let app = &decision.app;
    let config = &project.config;
    // A worktree's place is looked up only where the file itself has no entry: this runs for each request.
    let record =
        allowed.find(config, None).or_else(|| allowed.find(config, repository::place(config).as_ref()));
    if record.is_none_or(|record| record.app != *app) {
        return Some(format!("{} is no longer allowed as {app}", config.display()));
    }
    ended_by(catalog, decision)
}

/// Why a catalog ends a decision, if it does.
fn ended_by(catalog: &Catalog, decision: &Decision) -> Option<String> {
    let (app, stage) = (&decision.app, &decision.stage);
    let given = format!("the catalog changed since this process was given profile {}", decision.profile.name);
    match decision::profile(catalog, app, stage) {
        Ok((profile, matched)) if profile.name == decision.profile.name => {
            let same = profile.access_role.as_ref() == Some(&decision.access_role)
                && profile.not_enforced.is_empty()
                && (matched == decision.matched || matched == Matched::Exact);
            (!same).then_some(given)
        }
        Ok((profile, _)) => Some(format!("{given}: stage {stage} of {app} has profile {} now", profile.name)),
        Err(refusal) => Some(format!("{given}: {refusal}")),
    }
}

/// Everything about a caller that comes from the system.
#[derive(Debug)]
struct Gathered {
    caller: Arc<Caller>,
    file: ProjectFile,
    place: Option<RepositoryPlace>,
    cli: GatheredCli,
}

/// The Serverless CLI of a caller, owned.
#[derive(Debug)]
enum GatheredCli {
    None,
    Serverless(Invocation, Option<BTreeMap<String, String>>),
    Unreadable(String),
}

impl Gathered {
    fn inquiry<'a>(
        &'a self,
        document: &'a Result<Arc<crate::core::serverless::Document>, crate::core::fault::Fault>,
        stale: Option<&'a crate::core::fault::Fault>,
        allowed: &'a AllowList,
        asked: Option<&'a Stage>,
    ) -> Inquiry<'a> {
        Inquiry {
            project: Project {
                config: &self.file.config,
                leads_to: self.file.leads_to.as_deref(),
                reading: document.as_ref().map(Arc::as_ref),
                stale,
                place: self.place.as_ref(),
            },
            allowed,
            cli: match &self.cli {
                GatheredCli::None => Cli::None,
                GatheredCli::Serverless(invocation, environment) => {
                    Cli::Serverless(invocation, environment.as_ref())
                }
                GatheredCli::Unreadable(why) => Cli::Unreadable(why),
            },
            environment: self.caller.process.environment.as_ref(),
            asked,
        }
    }
}

fn gather(
    observer: &Observer,
    home: &Path,
    allowed: &AllowList,
    process: ProcessId,
    question: &Question,
) -> Result<Gathered, Asking> {
    let mut caller = observer.describe(process).map_err(|why| Asking::refused(None, why.into()))?;
    if let Some(directory) = &question.directory {
        caller.process.directory.clone_from(directory);
        // An imagined directory is not the ancestors', so none of them can be a CLI of its project.
        caller.ancestors.clear();
    }
    let caller = Arc::new(caller);
    let refused = |refusal: Refusal| Asking::refused(Some(caller.clone()), refusal);
    let expected = |directory: &Path| allowed.expected_in(directory).map(|project| project.config.clone());
    let own = if question.directory.is_some() { Recognised::Other } else { recognised(&caller.process) };

    let file = match &own {
        Recognised::Serverless(invocation) => file_of_cli(&caller.process, invocation).map_err(refused)?,
        Recognised::Other | Recognised::Unreadable(_) => {
            match project_file::nearest(&caller.process.directory, home, &expected) {
                Search::Found(file) => file,
                Search::Missing(config) => return Err(refused(Refusal::ConfigurationMissing { config })),
                Search::None(stopped_at) => return Err(refused(no_project(&caller.process, &stopped_at))),
            }
        }
    };
    if question.directory.is_none() {
        // A CLI's `--config` may lie elsewhere; what is checked then is the directory itself.
        let top = Some(file.directory()).filter(|top| caller.process.directory.starts_with(top));
        peer::verify_parents(&caller, top.unwrap_or(&caller.process.directory))
            .map_err(|why| refused(why.into()))?;
    }
    for path in std::iter::once(&file.config).chain(&file.leads_to) {
        trust::check(path).map_err(refused)?;
    }
    let cli = match &question.imagined_stage {
        Some(stage) => {
            GatheredCli::Serverless(Invocation::imagined(stage), caller.process.environment.clone())
        }
        None => nearest_cli(&caller, own, &file, home, &expected),
    };
    let place = repository::place(&file.config);
    Ok(Gathered { caller, file, place, cli })
}

fn no_project(process: &Process, stopped_at: &Path) -> Refusal {
    Refusal::NoProject {
        directory: process.directory.display().to_string(),
        stopped_at: stopped_at.display().to_string(),
    }
}

fn recognised(process: &Process) -> Recognised {
    recognise(process, &|path| std::fs::canonicalize(process.directory.join(path)).ok())
}

/// The configuration of a Serverless CLI: in its own directory, or what `--config` names; never further up.
fn file_of_cli(process: &Process, invocation: &Invocation) -> Result<ProjectFile, Refusal> {
    let found = match invocation.option("config") {
        Some(named) => {
            let path = process.directory.join(named);
            let directory = path.parent().and_then(|parent| std::fs::canonicalize(parent).ok());
            directory
                .zip(path.file_name())
                .and_then(|(directory, name)| project_file::at(&directory.join(name)))
        }
        None => project_file::in_directory(&process.directory),
    };
    found.ok_or_else(|| no_project(process, &process.directory))
}

/// The nearest Serverless CLI of a caller's line, as far up as the project is the caller's.
fn nearest_cli(
    caller: &Caller,
    own: Recognised,
    file: &ProjectFile,
    home: &Path,
    expected: &dyn Fn(&Path) -> Option<PathBuf>,
) -> GatheredCli {
    let same_project = |process: &Process, recognised: &Recognised| match recognised {
        Recognised::Serverless(invocation) => {
            file_of_cli(process, invocation).is_ok_and(|found| found == *file)
        }
        Recognised::Other | Recognised::Unreadable(_) => {
            project_file::nearest(&process.directory, home, expected) == Search::Found(file.clone())
        }
    };
    let ancestors = caller.ancestors.iter().map(|process| (process, recognised(process)));
    std::iter::once((&caller.process, own))
        .chain(ancestors)
        .take_while(|(process, recognised)| same_project(process, recognised))
        .find_map(|(process, recognised)| match recognised {
            Recognised::Other => None,
            Recognised::Serverless(invocation) => {
                Some(GatheredCli::Serverless(invocation, process.environment.clone()))
            }
            Recognised::Unreadable(why) => Some(GatheredCli::Unreadable(why)),
        })
        .unwrap_or(GatheredCli::None)
}
