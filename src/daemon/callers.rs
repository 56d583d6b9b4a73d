//! From a process to its decision, which it keeps until it ends.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::core::allowed::AllowList;
use crate::core::audit::{AuditedCaller, AuditedToken};
use crate::core::caller::{DirectoryId, Image, ProcessId, Unidentified};
use crate::core::catalog::Catalog;
use crate::core::decision::{Decision, Outcome, decide};
use crate::core::kept::KeptDecision;
use crate::core::name::Stage;
use crate::core::plugin_report::PluginReport;
use crate::core::protocol::AffectedProcess;
use crate::core::refusal::Refusal;
use crate::edges::clock;
use crate::edges::decision_log::DecisionLog;
use crate::edges::peer::{self, Observer};
use crate::edges::project_file::ProjectFile;

use super::catalogs::Catalogs;
use super::discovery::Discovery;
use super::gathering::{Gathered, gather};
use super::hellos::Hellos;
use super::permissions::Permissions;
use super::pins::{Pins, PinsNow};
use super::projects::{Projects, Reading};

/// A process that asked, and what came of it.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    /// The process, if it could be looked at.
    pub(super) caller: Option<Arc<AuditedCaller>>,
    pub(super) outcome: Arc<Outcome>,
    /// The container token that it presented.
    pub(super) token: Option<Arc<AuditedToken>>,
    /// The Serverless CLI that deploys or removes, where the process is one or descends from one, whatever came of it.
    pub(super) deployment: Option<ProcessId>,
}

impl Asking {
    pub(super) fn new(caller: Option<Arc<AuditedCaller>>, outcome: Arc<Outcome>) -> Self {
        Self { caller, outcome, token: None, deployment: None }
    }

    fn deploying(self, deployment: Option<ProcessId>) -> Self {
        Self { deployment, ..self }
    }

    pub(super) fn refused(caller: Option<Arc<AuditedCaller>>, refusal: Refusal) -> Self {
        Self::new(caller, Arc::new(Outcome::refused(refusal)))
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
    /// As if that one had been given this `--config`.
    pub(super) imagined_config: Option<String>,
    /// What its plugin reports just now.
    pub(super) reported: Option<Arc<PluginReport>>,
}

impl Question {
    /// The question of a process that asks for itself: only such answers are kept.
    pub(super) fn is_real(&self) -> bool {
        self.directory.is_none() && self.imagined_stage.is_none()
    }
}

/// A decision that a running process has.
#[derive(Debug, Clone)]
struct Kept {
    directory: DirectoryId,
    image: Image,
    project: ProjectFile,
    caller: Arc<AuditedCaller>,
    /// What it was given; what is written of it where that is all there is, and it has ended.
    given: Result<Arc<Decision>, Box<KeptDecision>>,
    /// The same, or that it has ended.
    outcome: Arc<Outcome>,
    /// Whether somebody who edits the catalog was told of its end.
    told: bool,
}

/// Under what a decision is kept: by name a process may have one for each stage.
type Key = (ProcessId, Option<Stage>);

impl Kept {
    /// The Serverless CLI that deploys, of when it was given this.
    fn deployment(&self) -> Option<ProcessId> {
        match &self.given {
            Ok(given) => given.deployment,
            Err(written) => written.deployment,
        }
    }

    /// As it is written down.
    fn record(&self, key: &Key) -> KeptDecision {
        let ended = match &self.outcome.result {
            Ok(_) => None,
            Err(refusal) => Some(refusal.ended().unwrap_or("it was taken back").to_owned()),
        };
        let given = match &self.given {
            Ok(given) => given,
            Err(written) => return KeptDecision { ended, ..(**written).clone() },
        };
        KeptDecision {
            process: key.0,
            asked: key.1.clone(),
            directory: self.directory,
            image: self.image,
            caller: (*self.caller).clone(),
            config: self.project.config.clone(),
            leads_to: self.project.leads_to.clone(),
            place: given.place.clone(),
            app: given.app.clone(),
            stage: given.stage.clone(),
            profile: given.profile.name.clone(),
            role_digest: given.access_role.digest(),
            matched: given.matched,
            fallback: given.fallback.clone(),
            region: given.region.clone(),
            region_unknown: given.region_unknown.clone(),
            deployment: given.deployment,
            stage_reported: given.stage_reported,
            reasons: self.outcome.reasons.clone(),
            ended,
        }
    }
}

/// Decides for processes, and remembers.
#[derive(Debug)]
pub(super) struct Callers {
    home: PathBuf,
    observer: Arc<Observer>,
    kept: Mutex<Table>,
    log: DecisionLog,
}

#[derive(Debug, Default)]
struct Table {
    kept: HashMap<Key, Kept>,
    /// What an earlier daemon gave, until there is a catalog to tell what that was.
    left: Vec<KeptDecision>,
    /// The size at which processes that ended are swept out next.
    sweep_at: usize,
}

impl Callers {
    /// Callers of a user with this home. `log` is where decisions wait for the next daemon.
    pub(super) fn new(home: PathBuf, observer: Arc<Observer>, log: &Path) -> Self {
        let home = std::fs::canonicalize(&home).unwrap_or(home);
        let (log, mut left) = DecisionLog::open(log, &clock::boot_id());
        left.retain(|kept| peer::is_alive(kept.process));
        log.replace(left.iter().cloned());
        Self { home, observer, kept: Mutex::new(Table { left, ..Table::default() }), log }
    }

    /// Takes over what an earlier daemon gave, once there is a catalog in force.
    fn take_over(&self, catalog: Result<&Catalog, &str>) {
        let Ok(catalog) = catalog else { return };
        let mut table = self.lock();
        let mut ended = Vec::new();
        for left in std::mem::take(&mut table.left) {
            let outcome = Arc::new(left.restore(catalog));
            let has_ended_now = outcome.result.is_err() && left.ended.is_none();
            let key = (left.process, left.asked.clone());
            let kept = Kept {
                directory: left.directory,
                image: left.image,
                project: ProjectFile { config: left.config.clone(), leads_to: left.leads_to.clone() },
                caller: Arc::new(left.caller.clone()),
                given: outcome
                    .result
                    .as_ref()
                    .map_or_else(|_| Err(Box::new(left)), |given| Ok(given.clone())),
                outcome,
                told: false,
            };
            ended.extend(has_ended_now.then(|| kept.record(&key)));
            table.kept.insert(key, kept);
        }
        for record in &ended {
            self.write_down(&table, record);
        }
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// The processes that have a decision, the youngest first: where to look first for the holder of a socket.
    pub(super) fn remembered(&self) -> Vec<ProcessId> {
        const MOST: usize = 32;
        let table = self.lock();
        let mut known: Vec<ProcessId> = table.kept.keys().map(|(process, _)| *process).collect();
        known.sort_unstable_by_key(|process| (std::cmp::Reverse(process.start), process.pid));
        known.dedup();
        known.truncate(MOST);
        known
    }

    /// Ends every kept decision that no longer is what the user wants.
    pub(super) fn review(&self, catalog: Result<&Catalog, &str>, allowed: &AllowList) {
        self.take_over(catalog);
        let mut table = self.lock();
        let mut ended = Vec::new();
        for (key, kept) in &mut table.kept {
            let outcome = reviewed(&kept.outcome, catalog, allowed);
            if !Arc::ptr_eq(&outcome, &kept.outcome) {
                kept.outcome = outcome;
                ended.push(kept.record(key));
            }
        }
        for record in &ended {
            self.write_down(&table, record);
        }
    }

    /// Ends kept decisions, whatever the catalog says.
    pub(super) fn end(&self, which: impl Fn(&Decision) -> bool, why: &str) {
        let mut table = self.lock();
        let mut ended = Vec::new();
        for (key, kept) in &mut table.kept {
            if kept.outcome.result.as_ref().is_ok_and(|decision| which(decision)) {
                kept.outcome = ended_outcome(&kept.outcome, why.to_owned());
                ended.push(kept.record(key));
            }
        }
        for record in &ended {
            self.write_down(&table, record);
        }
    }

    /// Writes a decision of the table down. Where that cannot be, or has been done often enough, all are.
    fn write_down(&self, table: &Table, record: &KeptDecision) {
        const SMALLEST: usize = 1024;
        if !self.log.add(record) || self.log.added() > SMALLEST.max(4 * table.kept.len()) {
            let left = table.left.iter().cloned();
            self.log.replace(table.kept.iter().map(|(key, kept)| kept.record(key)).chain(left));
        }
    }

    /// Why running processes would be decided anew by the next daemon, if so.
    pub(super) fn trouble(&self) -> Option<String> {
        self.log.is_broken().then(|| {
            "the decisions of running processes cannot be written down: when brokerd starts again they are decided anew"
                .to_owned()
        })
    }

    /// The running processes whose decision the catalog has ended and that nobody was told of yet, in the order of
    /// their numbers.
    pub(super) fn affected(
        &self,
        catalog: Result<&Catalog, &str>,
        allowed: &AllowList,
    ) -> Vec<AffectedProcess> {
        self.review(catalog, allowed);
        let mut table = self.lock();
        let mut affected: Vec<_> = table
            .kept
            .iter_mut()
            .filter(|((process, _), kept)| {
                kept.outcome.result.is_err() && !kept.told && peer::is_alive(*process)
            })
            // One that ended because its project was denied is no matter of the catalog.
            .filter_map(|((process, _), kept)| {
                let given = kept.given.as_ref().ok()?;
                allowed.find(&given.config, given.place.as_ref())?;
                kept.told = true;
                Some(AffectedProcess {
                    pid: process.pid,
                    name: kept.caller.name(),
                    directory: kept.caller.directory.clone(),
                    app: given.app.clone(),
                    stage: given.stage.clone(),
                    profile: given.profile.name.clone(),
                })
            })
            .collect();
        affected.sort_by(|left, right| (left.pid, &left.stage).cmp(&(right.pid, &right.stage)));
        affected.dedup();
        affected
    }

    /// Decides for a process. What it was given before stays, as long as it runs the same program in the same
    /// project and nothing has ended it.
    pub(super) async fn decide(&self, process: ProcessId, question: Question, state: &State<'_>) -> Asking {
        let key = (process, question.asked.clone());
        if self.has_left() {
            self.take_over(state.catalogs.current().await.as_deref().map_err(String::as_str));
        }
        if question.is_real()
            && question.reported.is_none()
            && let Some(kept) = self.keep(&key)
        {
            return self.still_holds(&key, kept, state).await;
        }
        let gathered = match self.gather(process, question.clone(), state).await {
            Ok(gathered) => gathered,
            Err(asking) => return asking,
        };
        let kept = if question.is_real() { self.moved_within(&key, &gathered) } else { None };
        if let (Some(kept), None) = (&kept, &question.reported) {
            return self.still_holds(&key, kept.clone(), state).await;
        }
        let reported = question.reported.clone().or_else(|| state.hellos.report(gathered.cli_process()?));
        if question.reported.is_some() && gathered.cli_process() != Some(process) {
            return Asking::refused(Some(gathered.named.clone()), Refusal::NoPluginProcess)
                .deploying(gathered.deployment());
        }
        let reading = if state.allowed.find(&gathered.file.config, gathered.place.as_ref()).is_some() {
            state.projects.read(&gathered.file, &gathered.inputs()).await
        } else {
            // Nobody said yes to this file, so no decision needs to know what it says.
            state.discovery.noticed(&gathered.file);
            Reading::unread(&gathered.file)
        };
        let catalog = state.catalogs.current().await;
        let document = reading.document.as_ref().map(Arc::as_ref);
        let inquiry =
            gathered.inquiry(document, reading.stale.as_ref(), state, key.1.as_ref(), reported.as_deref());
        let outcome = Arc::new(decide(&inquiry, catalog.as_deref().map_err(String::as_str)));
        for reason in &outcome.reasons {
            tracing::debug!(pid = process.pid, topic = reason.topic, "{}", reason.text);
        }
        if let Some(kept) = kept {
            // What it was given before it said hello stays, unless it works on something else than that.
            let differs = matches!(outcome.result, Err(Refusal::ReadDifferently { .. }));
            return if differs {
                Asking::new(Some(gathered.named.clone()), outcome).deploying(gathered.deployment())
            } else {
                self.still_holds(&key, kept, state).await
            };
        }
        if question.is_real()
            && let Ok(given) = &outcome.result
        {
            self.remember(key, &gathered, given, &outcome);
        }
        Asking::new(Some(gathered.named.clone()), outcome).deploying(gathered.deployment())
    }

    /// What a process has if it is what and where it was: two looks at `/proc`.
    fn keep(&self, key: &Key) -> Option<Kept> {
        let kept = self.lock().kept.get(key).cloned()?;
        peer::is_unchanged(key.0, kept.directory, kept.image).then_some(kept)
    }

    /// What a process has that moved within its project.
    fn moved_within(&self, key: &Key, gathered: &Gathered) -> Option<Kept> {
        let mut table = self.lock();
        let kept = table.kept.get_mut(key)?;
        if kept.project != gathered.file || kept.image != gathered.caller.image {
            return None;
        }
        kept.directory = gathered.caller.directory_id;
        kept.caller = gathered.named.clone();
        Some(kept.clone())
    }

    /// Whether what a process was given still is what the user wants. It ends or stays; it never becomes
    /// something else, and one that has ended does not come back.
    async fn still_holds(&self, key: &Key, kept: Kept, state: &State<'_>) -> Asking {
        let catalog = state.catalogs.current().await;
        let outcome = reviewed(&kept.outcome, catalog.as_deref().map_err(String::as_str), &state.allowed);
        if !Arc::ptr_eq(&outcome, &kept.outcome) {
            let mut table = self.lock();
            if let Some(entry) = table.kept.get_mut(key) {
                entry.outcome = outcome.clone();
                let record = entry.record(key);
                self.write_down(&table, &record);
            }
        }
        let deployment = kept.deployment();
        Asking::new(Some(kept.caller), outcome).deploying(deployment)
    }

    fn remember(&self, key: Key, gathered: &Gathered, given: &Arc<Decision>, outcome: &Arc<Outcome>) {
        const SMALLEST: usize = 256;
        let kept = Kept {
            directory: gathered.caller.directory_id,
            image: gathered.caller.image,
            project: gathered.file.clone(),
            caller: gathered.named.clone(),
            given: Ok(given.clone()),
            outcome: outcome.clone(),
            told: false,
        };
        let record = kept.record(&key);
        let mut table = self.lock();
        table.kept.insert(key, kept);
        // Before anything is handed out: what the process gets must not depend on whether the daemon lives on.
        self.write_down(&table, &record);
        if table.kept.len() > table.sweep_at.max(SMALLEST) {
            table.kept.retain(|(process, _), _| peer::is_alive(*process));
            // Twice what lives: each sweep is paid for by as many newcomers.
            table.sweep_at = table.kept.len() * 2;
        }
    }

    fn has_left(&self) -> bool {
        !self.lock().left.is_empty()
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

/// An outcome as it is now: itself, or ended.
fn reviewed(outcome: &Arc<Outcome>, catalog: Result<&Catalog, &str>, allowed: &AllowList) -> Arc<Outcome> {
    let Ok(decision) = &outcome.result else { return outcome.clone() };
    match decision.ended(catalog, allowed) {
        None => outcome.clone(),
        Some(why) => ended_outcome(outcome, why),
    }
}

fn ended_outcome(outcome: &Outcome, why: String) -> Arc<Outcome> {
    Arc::new(Outcome {
        app: outcome.app.clone(),
        stage: outcome.stage.clone(),
        result: Err(Refusal::Ended { why }),
        reasons: outcome.reasons.clone(),
    })
}

/// What decisions depend on, as it is now.
#[derive(Debug)]
pub(super) struct State<'a> {
    pub(super) projects: &'a Projects,
    pub(super) discovery: &'a Discovery,
    pub(super) catalogs: &'a Catalogs,
    pub(super) allowed: Arc<AllowList>,
    pub(super) pins: PinsNow,
    pub(super) hellos: &'a Hellos,
}

impl<'a> State<'a> {
    pub(super) fn new(
        projects: &'a Projects,
        discovery: &'a Discovery,
        catalogs: &'a Catalogs,
        permissions: &Permissions,
        pins: &Pins,
        hellos: &'a Hellos,
    ) -> Self {
        Self { projects, discovery, catalogs, allowed: permissions.current(), pins: pins.now(), hellos }
    }
}
