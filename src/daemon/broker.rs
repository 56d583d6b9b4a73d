//! The broker: everything that a request may need, in one place.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::core::allowed::AllowedProject;
use crate::core::audit::{Record, Way};
use crate::core::caller::{ProcessId, Unidentified};
use crate::core::config::Config;
use crate::core::decision::{Decision, Outcome};
use crate::core::doors::Doors;
use crate::core::handed_out::HandedOut;
use crate::core::issue::IssueError;
use crate::core::locked::Lock;
use crate::core::moment::Timestamp;
use crate::core::protocol::AffectedProcess;
use crate::core::refusal::Refusal;
use crate::core::session::SessionRequest;
use crate::core::token::{Sealer, TokenKey, TokenKeys};
use crate::edges::audit_log::{AuditLog, AuditLogError};
use crate::edges::aws_clock::AwsClock;
use crate::edges::directories::Directories;
use crate::edges::federation::Federation;
use crate::edges::keychain::Chosen;
use crate::edges::logins::Logins;
use crate::edges::peer::Observer;
use crate::edges::secrets_token::SecretsToken;
use crate::edges::state_file::{StateFile, StateFileError};
use crate::edges::sts::Issuer;
use crate::edges::{clock, random, repository, user};

use super::approvals::Approvals;
use super::callers::{Asking, Callers, Question, State};
use super::catalogs::Catalogs;
use super::discovery::Discovery;
use super::hellos::Hellos;
use super::keeper::Keeper;
use super::locking::LockFile;
use super::logins::Desk;
use super::notices::Notices;
use super::permissions::Permissions;
use super::pins::Pins;
use super::projects::Projects;
use super::refusals::Refusals;
use super::secrets::{self, Store};
use super::sessions::{Session, Sessions};
use super::tokenless::Tokenless;
use super::tokens::Tokens;

/// Fetching ahead waits so long for one session before it goes on to the next.
const AHEAD: Duration = Duration::from_secs(5);

/// A start fetches so many sessions ahead at most.
const AHEAD_AT_MOST: usize = 16;

/// What a broker is made of; tests put a stand-in where STS is.
#[derive(Debug)]
pub struct Parts {
    /// Where its files are; they exist.
    pub directories: Directories,
    /// Its settings.
    pub config: Config,
    /// What gives sessions.
    pub issuer: Arc<dyn Issuer>,
    /// The clock by which they end.
    pub clock: AwsClock,
    /// What keeps them.
    pub keychain: Chosen,
    /// What speaks to AWS for the values of secrets.
    pub https: SharedHttpClient,
}

/// Why a broker cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The allowed projects, the pins or the lock cannot be read.
    #[error(transparent)]
    StateFile(#[from] StateFileError),
    /// The audit log cannot be opened.
    #[error(transparent)]
    AuditLog(#[from] AuditLogError),
    /// The system does not say who connects.
    #[error("callers cannot be identified: {0}")]
    Observer(#[from] Unidentified),
}

impl BrokerError {
    /// What to type next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::StateFile(error) => error.hint(),
            Self::AuditLog(error) => error.hint(),
            Self::Observer(_) => None,
        }
    }
}

/// Decides, serves and keeps count.
#[derive(Debug)]
pub struct Broker {
    pub(super) config: Config,
    pub(super) doors: Doors,
    pub(super) sealer: Sealer,
    pub(super) observer: Arc<Observer>,
    pub(super) callers: Callers,
    pub(super) projects: Projects,
    pub(super) discovery: Discovery,
    pub(super) catalogs: Catalogs,
    pub(super) permissions: Permissions,
    pub(super) pins: Pins,
    pub(super) hellos: Hellos,
    pub(super) approvals: Approvals,
    pub(super) tokens: Tokens,
    pub(super) federation: Federation,
    pub(super) sessions: Sessions,
    pub(super) issuer: Arc<dyn Issuer>,
    pub(super) logins: Logins,
    pub(super) desk: Desk,
    pub(super) notices: Notices,
    pub(super) keeper: Keeper,
    pub(super) secrets: Store,
    /// What clients of the secrets interface present; none if its file cannot be written.
    pub(super) secrets_token: Option<SecretsToken>,
    pub(super) refusals: Refusals,
    pub(super) audit: AuditLog,
    pub(super) tokenless: Tokenless,
    pub(super) lock_file: LockFile,
    lock: Mutex<Option<Lock>>,
    handed_out: Mutex<HandedOut>,
    pub(super) started: Timestamp,
    pub(super) directories: Directories,
    user: String,
    counts: Counts,
}

/// Counted since the start.
#[derive(Debug, Default)]
struct Counts {
    issues: AtomicU64,
    refusals: AtomicU64,
    /// When a connection of another user was last written down, in seconds of the wall clock.
    stranger_noted: AtomicI64,
}

impl Broker {
    /// A broker of these parts.
    pub fn new(parts: Parts) -> Result<Self, BrokerError> {
        let observer = Arc::new(Observer::new()?);
        let sessions = Sessions::new(parts.issuer.clone(), parts.clock, parts.config.idle_after);
        let lock_file = LockFile::at(StateFile::at(parts.directories.locked_file()));
        let lock = lock_file.read()?;
        if let Some(lock) = lock {
            sessions.shut(lock.since);
        }
        Ok(Self {
            doors: Doors::new(parts.config.hosts.clone()),
            sealer: Sealer::new(
                TokenKeys::new(TokenKey::new(random::bytes()), clock::now()),
                &clock::boot_id(),
            ),
            callers: Callers::new(
                parts.directories.home.clone(),
                observer.clone(),
                &parts.directories.decision_file(),
            ),
            observer,
            projects: Projects::new(&parts.directories.home),
            discovery: Discovery::new(
                parts.config.projects.iter().map(|root| root.directory(&parts.directories.home)).collect(),
            ),
            catalogs: Catalogs::new(parts.directories.catalog_file()),
            permissions: Permissions::read(parts.directories.allow_file())?,
            sessions,
            lock_file,
            lock: Mutex::new(lock),
            handed_out: Mutex::default(),
            logins: parts.issuer.sts().map(|sts| sts.logins.clone()).unwrap_or_default(),
            issuer: parts.issuer,
            desk: Desk::default(),
            notices: Notices::default(),
            secrets: secrets::store(&parts.directories, &parts.config, &parts.keychain, parts.https),
            secrets_token: secrets::token(&parts.directories),
            keeper: Keeper::new(parts.keychain, parts.directories.recent_file()),
            tokens: Tokens::read(&parts.directories)?,
            federation: Federation::from_environment(),
            hellos: Hellos::default(),
            pins: Pins::read(parts.directories.pins_file())?,
            approvals: Approvals::read(parts.directories.protections_file())?,
            refusals: Refusals::default(),
            audit: AuditLog::open(parts.directories.audit_file(), parts.config.audit)?,
            tokenless: Tokenless::default(),
            started: clock::now(),
            user: user::name(),
            counts: Counts::default(),
            config: parts.config,
            directories: parts.directories,
        })
    }

    pub(super) fn state(&self) -> State<'_> {
        State::new(
            &self.projects,
            &self.discovery,
            &self.catalogs,
            &self.permissions,
            &self.pins,
            &self.hellos,
        )
    }

    /// The decision for a process.
    pub(super) async fn decide(&self, process: ProcessId, question: Question) -> Asking {
        self.permissions.refresh().await;
        self.callers.decide(process, question, &self.state()).await
    }

    /// The running processes whose decision the catalog in force has ended.
    pub(super) async fn affected(&self) -> Vec<AffectedProcess> {
        let catalog = self.catalogs.current().await;
        self.callers.affected(catalog.as_deref().map_err(String::as_str), &self.permissions.current())
    }

    /// What STS is asked for, for a decision.
    pub(super) fn request<'a>(&self, decision: &'a Decision) -> &'a Arc<SessionRequest> {
        decision.request.get_or_make(|| {
            SessionRequest::new(&decision.access_role, &self.user, &decision.app, &decision.stage)
        })
    }

    /// The lock that is on, if one is.
    pub(super) fn lock_now(&self) -> MutexGuard<'_, Option<Lock>> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when what was handed out can be used.
    pub(super) fn handed_out(&self) -> MutexGuard<'_, HandedOut> {
        self.handed_out.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session of a decision, waiting at most `patience`.
    pub(super) async fn session(
        &self,
        decision: &Arc<Decision>,
        patience: Duration,
    ) -> Result<Arc<Session>, IssueError> {
        self.keeper.first_answer().await;
        self.sessions.get(self.request(decision), Some(decision), patience).await
    }

    /// Begins to ask for what a process will want over IMDS in a moment.
    pub(super) async fn prefetch(&self, process: ProcessId) {
        self.keeper.first_answer().await;
        if let Ok(decision) = &self.decide(process, Question::default()).await.outcome.result
            && decision.unserved(Way::Imds, &clock::local_now()).is_none()
        {
            self.begin(decision).await;
        }
    }

    /// Begins to ask for what will be served in a moment.
    pub(super) async fn begin(&self, decision: &Arc<Decision>) {
        if decision.withheld(&clock::local_now()).is_none() && self.gate(decision).await.is_ok() {
            self.sessions.begin(self.request(decision), decision);
        }
    }

    /// Begins to ask for what was decided before anybody needs it.
    pub(super) async fn prefetch_for(&self, asking: &Asking) {
        if let Ok(decision) = &asking.outcome.result
            && decision.withheld(&clock::local_now()).is_none()
            && self.gate(decision).await.is_ok()
        {
            self.sessions.begin_ahead(self.request(decision), decision);
        }
    }

    /// Fetches sessions for the stages that were used last, so that the first request for one finds it there. One after
    /// the other, and none more of a source that gave none: a start is no reason to call STS a hundred times, nor to
    /// ask somebody for a code over and over.
    pub(super) async fn prefetch_recent(&self) {
        self.read_recent().await;
        self.keeper.first_answer().await;
        if self.catalogs.current().await.is_err() {
            return;
        }
        let (allowed, recent) = (self.permissions.current(), self.recent());
        let mut failing = Vec::new();
        for recent in recent.newest(AHEAD_AT_MOST) {
            let place = repository::place(&recent.config);
            let Some(project) = allowed.find(&recent.config, place.as_ref()) else { continue };
            // One entry may cover every worktree; this is the one that was used.
            let project = AllowedProject { config: recent.config.clone(), ..project.clone() };
            let (outcome, _) = self.plain_outcome(&project, Some(&recent.stage)).await;
            let Ok(decision) = outcome.result else { continue };
            if decision.unserved(Way::Imds, &clock::local_now()).is_some()
                || self.gate(&decision).await.is_err()
            {
                continue;
            }
            let source = decision.access_role.source.clone();
            if !failing.contains(&source)
                && !self.sessions.fetch_ahead(self.request(&decision), &decision, AHEAD).await
            {
                failing.push(source);
            }
        }
    }

    /// Hands out credentials for what was decided, or the refusal; either is counted and written down.
    pub(super) async fn serve(
        &self,
        way: Way,
        asking: &Asking,
        patience: Duration,
    ) -> Result<(Arc<Decision>, Arc<Session>), Refusal> {
        let caller = asking.caller.clone();
        let decision = match &asking.outcome.result {
            Ok(decision) => decision,
            Err(refusal) => {
                self.refuse(way, asking, refusal);
                return Err(refusal.clone());
            }
        };
        let session = match decision.unserved(way, &clock::local_now()) {
            None => self.still_wanted(asking, decision, patience).await,
            Some(refusal) => Err(refusal),
        };
        match session {
            Ok(session) => {
                let expires = session.credentials.expires();
                self.counts.issues.fetch_add(1, Ordering::Relaxed);
                self.handed_out().note(&decision.config, expires);
                let record = Record::issue(
                    clock::now(),
                    way,
                    caller,
                    decision,
                    &self.request(decision).session_name,
                    &session.credentials,
                );
                self.audit.write(record.with_token(asking.token.clone()));
                Ok((decision.clone(), session))
            }
            Err(refusal) => {
                self.refuse_decided(way, asking, decision, &refusal);
                Err(refusal)
            }
        }
    }

    /// The session of a decision, if the decision still holds when it comes: meanwhile the user may have said no.
    async fn still_wanted(
        &self,
        asking: &Asking,
        decision: &Arc<Decision>,
        patience: Duration,
    ) -> Result<Arc<Session>, Refusal> {
        self.permit(asking, decision).await?;
        self.keeper.first_answer().await;
        if let Some(session) = self.sessions.begin(self.request(decision), decision) {
            return Ok(session);
        }
        let session = self.session(decision, patience).await?;
        let catalog = self.catalogs.current().await;
        match decision.ended(catalog.as_deref().map_err(String::as_str), &self.permissions.current()) {
            None => self.gate(decision).await.map(|_| session),
            Some(why) => Err(Refusal::Ended { why }),
        }
    }

    /// Counts and writes down that what was decided for a caller is not carried out.
    pub(super) fn refuse_decided(&self, way: Way, asking: &Asking, decision: &Decision, refusal: &Refusal) {
        self.notify_waiting(asking, decision, refusal);
        let caller = asking.caller.clone();
        let record = Record::failure(clock::now(), way, caller, decision, refusal.clone());
        self.record(record.with_token(asking.token.clone()));
    }

    /// Counts and writes down that a caller gets nothing.
    pub(super) fn refuse(&self, way: Way, asking: &Asking, refusal: &Refusal) {
        let (caller, outcome) = (asking.caller.clone(), &asking.outcome);
        let record = Record::refusal(clock::now(), way, caller, outcome, refusal.clone());
        self.record(record.with_token(asking.token.clone()));
    }

    /// Counts a connection that was closed unread, and writes it down. Another user may make as many as he likes,
    /// and must not fill this user's disk with them: one line a minute is enough for all.
    pub(super) fn refuse_connection(&self, why: Unidentified) {
        const SILENCE: i64 = 60;
        if matches!(why, Unidentified::OtherUser { .. }) {
            let (now, last) = (clock::now().0, self.counts.stranger_noted.load(Ordering::Relaxed));
            if (last..last.saturating_add(SILENCE)).contains(&now) {
                self.counts.refusals.fetch_add(1, Ordering::Relaxed);
                return;
            }
            self.counts.stranger_noted.store(now, Ordering::Relaxed);
        }
        let refusal = Refusal::from(why);
        let outcome = Outcome::refused(refusal.clone());
        self.record(Record::refusal(clock::now(), Way::Imds, None, &outcome, refusal));
    }

    /// Counts and writes down that a caller got nothing.
    pub(super) fn record(&self, record: Record) {
        self.counts.refusals.fetch_add(1, Ordering::Relaxed);
        if let Some(refusal) = &record.refusal {
            tracing::info!(%refusal, "nothing was handed out");
        }
        self.refusals.push(record.clone());
        self.audit.write(record);
    }

    pub(super) fn issued(&self) -> u64 {
        self.counts.issues.load(Ordering::Relaxed)
    }

    pub(super) fn refused(&self) -> u64 {
        self.counts.refusals.load(Ordering::Relaxed)
    }
}
