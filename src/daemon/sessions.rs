//! Sessions in memory: asked of STS once for all who wait, and renewed ahead of their end.

mod session;
mod slot;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::core::cache::CachedSession;
use crate::core::catalog::{Catalog, Source};
use crate::core::credentials::SessionCredentials;
use crate::core::decision::Decision;
use crate::core::issue::IssueError;
use crate::core::lease::{Lease, lease_in_doubt, renew_after, renew_restored_after};
use crate::core::moment::Timestamp;
use crate::core::session::SessionRequest;
use crate::edges::aws_clock::AwsClock;
use crate::edges::random;
use crate::edges::sts::Issuer;

use super::turns::{Turns, Urgency};

pub(super) use session::Session;
use slot::{Failing, Flight, Slot, needs_code};

type Outcome = Result<Arc<Session>, IssueError>;
/// After how long to renew a session: issued, expires, now, jitter.
type When = fn(Timestamp, Timestamp, Timestamp, u8) -> Duration;

/// What there is.
#[derive(Debug, Default)]
struct Table {
    slots: HashMap<Arc<SessionRequest>, Slot>,
    /// Since when nothing is given.
    locked: Option<Timestamp>,
}

/// What `status` says of a session.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SessionState {
    /// When it ends; `None` while there is none.
    pub(super) expires: Option<Timestamp>,
    /// How the last call failed, and since when all have.
    pub(super) failing: Option<(IssueError, Timestamp)>,
}

/// All sessions.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    issuer: Arc<dyn Issuer>,
    table: Arc<Mutex<Table>>,
    clock: AwsClock,
    turns: Arc<Turns>,
    calls: Arc<AtomicU64>,
    /// A session that nobody used for so long is not renewed.
    idle_after: Duration,
    changed: Arc<Notify>,
}

impl Sessions {
    pub(super) fn new(issuer: Arc<dyn Issuer>, clock: AwsClock, idle_after: Duration) -> Self {
        Self {
            issuer,
            table: Arc::default(),
            clock,
            turns: Turns::new(),
            calls: Arc::default(),
            idle_after,
            changed: Arc::default(),
        }
    }

    /// Waits until there are other sessions than when this last returned.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The clock by which they end.
    pub(super) fn clock(&self) -> &AwsClock {
        &self.clock
    }

    /// The sessions that there are, for keeping them.
    pub(super) fn kept(&self) -> Vec<CachedSession> {
        let table = self.lock();
        let kept = table.slots.iter().filter_map(|(request, slot)| {
            let credentials = slot.session.as_ref()?.credentials.clone();
            Some(CachedSession { request: (**request).clone(), credentials, last_used: slot.last_used })
        });
        kept.collect()
    }

    /// Takes over what an earlier daemon left behind, unless locked. A session that there is already stays.
    pub(super) fn restore(&self, kept: Vec<CachedSession>) {
        let mut table = self.lock();
        if table.locked.is_some() {
            return;
        }
        for CachedSession { request, credentials, last_used } in kept {
            let request = Arc::new(request);
            let slot = table.slots.entry(request.clone()).or_default();
            if slot.session.is_some() {
                continue;
            }
            let session = Arc::new(Session::new(credentials, request.access_role.role_arn.account()));
            slot.last_used = slot.last_used.max(last_used);
            self.install(&request, slot, session, renew_restored_after);
        }
    }

    /// The stages for which there are sessions or were failures just now, and when each was last asked for.
    pub(super) fn uses(&self) -> Vec<(Arc<Decision>, Timestamp)> {
        let table = self.lock();
        table.slots.values().filter_map(|slot| Some((slot.decision.clone()?, slot.last_used?))).collect()
    }

    /// How often STS has been asked.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// A session that may be served now, waiting at most `patience` for one under way. One that has little left is
    /// given only if no other comes in that time. Whoever stops waiting does not stop the call. `decision` is kept in
    /// mind, so that `status` can name what the session is for.
    pub(super) async fn get(
        &self,
        request: &Arc<SessionRequest>,
        decision: Option<&Arc<Decision>>,
        patience: Duration,
    ) -> Outcome {
        match self.look(request, decision) {
            Look::Served(session) => Ok(session),
            Look::Failed(error) => Err(error),
            Look::UnderWay(flight) => self.landing(flight, patience).await,
            Look::Low(session, flight) => match self.landing(flight, patience).await {
                Err(error) if matches!(error, IssueError::Locked { .. }) => Err(error),
                Err(error) if session.credentials.expires() <= self.clock.now() => Err(error),
                Err(_) => Ok(session),
                landed => landed,
            },
        }
    }

    /// A session that may be served at once and has enough left; if there is none, one is under way then.
    pub(super) fn begin(
        &self,
        request: &Arc<SessionRequest>,
        decision: &Arc<Decision>,
    ) -> Option<Arc<Session>> {
        match self.look(request, Some(decision)) {
            Look::Served(session) => Some(session),
            Look::Failed(_) | Look::UnderWay(_) | Look::Low(..) => None,
        }
    }

    /// Sees to it that there will be a session before anybody asks for one. That is no use of it: unless somebody
    /// asks, it is not renewed.
    pub(super) fn begin_ahead(&self, request: &Arc<SessionRequest>, decision: &Arc<Decision>) {
        self.look_ahead(request, decision);
    }

    /// The same, and waits for it at most `patience`. Whether there is one then.
    pub(super) async fn fetch_ahead(
        &self,
        request: &Arc<SessionRequest>,
        decision: &Arc<Decision>,
        patience: Duration,
    ) -> bool {
        match self.look_ahead(request, decision) {
            Look::Served(_) | Look::Low(..) => true,
            Look::Failed(_) => false,
            Look::UnderWay(flight) => self.landing(flight, patience).await.is_ok(),
        }
    }

    /// Asks for a session in place of the one that there is, whatever failed before, and waits for it at most
    /// `patience`. Gives what there was and what came of it; where that is an error, what there was stays.
    pub(super) async fn refresh(
        &self,
        request: &Arc<SessionRequest>,
        decision: &Arc<Decision>,
        patience: Duration,
    ) -> (Option<Arc<Session>>, Outcome) {
        let (before, flight) = {
            let mut table = self.lock();
            if let Some(since) = table.locked {
                return (None, Err(IssueError::Locked { since }));
            }
            let slot = table.slots.entry(request.clone()).or_default();
            slot.failing = None;
            slot.last_used = Some(self.clock.now());
            slot.decision = Some(decision.clone());
            if slot.is_only_by_code() {
                return (slot.session.clone(), Err(needs_code(request)));
            }
            (slot.session.clone(), self.fly(request, slot, Urgency::Awaited))
        };
        (before, self.landing(flight, patience).await)
    }

    /// Drops the sessions that keys of this source signed for: they are not the ones in force any more.
    pub(super) fn forget_source(&self, source: &Source) {
        self.lock().slots.retain(|request, _| request.access_role.source != *source);
        self.changed.notify_one();
    }

    /// Takes a session that a code of an MFA device opened, in place of the one before, unless locked.
    pub(super) fn put(
        &self,
        request: &Arc<SessionRequest>,
        decision: Option<&Arc<Decision>>,
        credentials: SessionCredentials,
    ) {
        let session = Session::new(Arc::new(credentials), request.access_role.role_arn.account());
        let mut table = self.lock();
        if table.locked.is_some() {
            return;
        }
        let slot = table.slots.entry(request.clone()).or_default();
        slot.failing = None;
        slot.is_made_with_code = true;
        slot.last_used = Some(self.clock.now());
        if let Some(decision) = decision {
            slot.decision = Some(decision.clone());
        }
        self.install(request, slot, Arc::new(session), renew_after);
        self.changed.notify_one();
    }

    /// Whether there is a session that [`Sessions::put`] took.
    pub(super) fn is_made_with_code(&self, request: &SessionRequest) -> bool {
        let table = self.lock();
        table.slots.get(request).is_some_and(|slot| slot.session.is_some() && slot.is_made_with_code)
    }

    /// Drops every session, those under way included. Nobody is told: there is nothing to keep.
    pub(super) fn clear(&self) {
        self.lock().slots.clear();
    }

    /// Drops every session, and gives none until [`Sessions::unlock`].
    pub(super) fn shut(&self, since: Timestamp) {
        let mut table = self.lock();
        table.locked = Some(since);
        table.slots.clear();
        drop(table);
        self.changed.notify_one();
    }

    /// Gives sessions again.
    pub(super) fn unlock(&self) {
        self.lock().locked = None;
    }

    /// Since when none are given.
    pub(super) fn locked(&self) -> Option<Timestamp> {
        self.lock().locked
    }

    fn look_ahead(&self, request: &Arc<SessionRequest>, decision: &Arc<Decision>) -> Look {
        let mut table = self.lock();
        if let Some(since) = table.locked {
            return Look::Failed(IssueError::Locked { since });
        }
        let slot = table.slots.entry(request.clone()).or_default();
        slot.decision.get_or_insert_with(|| decision.clone());
        let now = self.clock.now();
        match &slot.session {
            // One that is due is renewed by its own task, or by whoever uses it.
            Some(session) if session.credentials.expires() > now => Look::Served(session.clone()),
            _ => self.look_at(request, slot, now, Urgency::Ahead),
        }
    }

    /// The decisions of a project for which there is a session, or was a failure just now.
    pub(super) fn decisions(&self, config: &Path) -> Vec<Arc<Decision>> {
        let table = self.lock();
        let decisions = table.slots.values().filter_map(|slot| slot.decision.clone());
        decisions.filter(|decision| decision.config == config).collect()
    }

    /// When the session for a request ends, and how calls for it fail.
    pub(super) fn state(&self, request: &SessionRequest) -> SessionState {
        let now = self.clock.now();
        let table = self.lock();
        let Some(slot) = table.slots.get(request) else { return SessionState::default() };
        let expires = slot.session.as_ref().map(|session| session.credentials.expires());
        SessionState {
            expires: expires.filter(|end| *end > now),
            failing: slot.failing.as_ref().map(|failing| (failing.error.clone(), failing.since)),
        }
    }

    /// How long the session for a request lasts in all.
    pub(super) fn life(&self, request: &SessionRequest) -> Option<Duration> {
        let table = self.lock();
        let credentials = &table.slots.get(request)?.session.as_ref()?.credentials;
        Some(credentials.expires().remaining(credentials.issued()))
    }

    /// Drops every session whose role no profile of the catalog has any more.
    pub(super) fn retain(&self, catalog: &Catalog) {
        self.retain_those(|request, _| catalog.has_role(&request.access_role));
    }

    /// Drops every session but those; each is looked at with the decision that it was last asked for with.
    pub(super) fn retain_those(&self, those: impl Fn(&SessionRequest, Option<&Decision>) -> bool) {
        let mut table = self.lock();
        let before = table.slots.len();
        table.slots.retain(|request, slot| those(request, slot.decision.as_deref()));
        if table.slots.len() < before {
            self.changed.notify_one();
        }
    }

    /// Plans every renewal anew: the clocks are others than was thought, or the machine was asleep and timers were
    /// too. What is overdue is spread, so that waking up is no storm; what has ended is dropped.
    pub(super) fn plan_anew(&self) {
        let now = self.clock.now();
        let mut table = self.lock();
        for (request, slot) in &mut table.slots {
            match slot.session.take() {
                Some(session) if session.credentials.expires() > now => {
                    self.install(request, slot, session, renew_restored_after);
                }
                Some(_) => slot.tend(tokio::spawn(self.clone().forget(request.clone())).abort_handle()),
                None => {}
            }
        }
        drop(table);
        self.changed.notify_one();
    }

    fn look(&self, request: &Arc<SessionRequest>, decision: Option<&Arc<Decision>>) -> Look {
        let now = self.clock.now();
        let mut table = self.lock();
        if let Some(since) = table.locked {
            return Look::Failed(IssueError::Locked { since });
        }
        if !table.slots.contains_key(request) {
            table.slots.insert(request.clone(), Slot::default());
        }
        let Some(slot) = table.slots.get_mut(request) else { unreachable!("it was put there just now") };
        slot.last_used = Some(now);
        if let Some(decision) = decision {
            slot.decision = Some(decision.clone());
        }
        self.look_at(request, slot, now, Urgency::Awaited)
    }

    fn look_at(
        &self,
        request: &Arc<SessionRequest>,
        slot: &mut Slot,
        now: Timestamp,
        urgency: Urgency,
    ) -> Look {
        let known = slot.session.as_ref().map(|session| {
            let (issued, expires) = (session.credentials.issued(), session.credentials.expires());
            (session.clone(), lease_in_doubt(issued, expires, now, self.clock.stepped()))
        });
        if slot.is_only_by_code() {
            match known {
                Some((session, Lease::Fresh | Lease::Due | Lease::Low)) => return Look::Served(session),
                Some((_, Lease::Expired)) | None if slot.is_approved_by_code() => {
                    slot.session = None;
                    return Look::Failed(needs_code(request));
                }
                Some((_, Lease::Expired)) | None => {}
            }
        }
        match (known, slot.remembered()) {
            (Some((session, Lease::Fresh)), _) | (Some((session, Lease::Due | Lease::Low)), Some(_)) => {
                Look::Served(session)
            }
            (Some((session, Lease::Low)), None) => Look::Low(session, self.fly(request, slot, urgency)),
            (Some((session, Lease::Due)), None) => {
                self.fly(request, slot, Urgency::Ahead);
                Look::Served(session)
            }
            (Some((_, Lease::Expired)) | None, Some(error)) => {
                slot.session = None;
                Look::Failed(error)
            }
            (Some((_, Lease::Expired)) | None, None) => {
                slot.session = None;
                Look::UnderWay(self.fly(request, slot, urgency))
            }
        }
    }

    /// Joins the call that is under way, or starts one.
    fn fly(&self, request: &Arc<SessionRequest>, slot: &mut Slot, urgency: Urgency) -> Flight {
        // A flight whose task is gone will never land.
        if let Some(flight) = slot.flight.as_ref().filter(|flight| flight.outcome.has_changed().is_ok()) {
            if urgency == Urgency::Awaited {
                flight.hurry.notify_one();
            }
            return flight.clone();
        }
        let (land, outcome) = watch::channel(None);
        let flight = Flight { outcome, hurry: Arc::default() };
        slot.flight = Some(flight.clone());
        let (sessions, request, hurry) = (self.clone(), request.clone(), flight.hurry.clone());
        tokio::spawn(async move {
            sessions.turns.turn(urgency, &hurry).await;
            let outcome = sessions.ask(&request).await;
            sessions.landed(&request, &outcome);
            let _ = land.send(Some(outcome));
        });
        flight
    }

    async fn ask(&self, request: &Arc<SessionRequest>) -> Outcome {
        if let Some(since) = self.locked() {
            return Err(IssueError::Locked { since });
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        let (issuer, asked) = (self.issuer.clone(), (**request).clone());
        // A task of its own, so that a panic in it is an error here and everybody who waits is told.
        let ended = tokio::spawn(async move { issuer.issue(asked).await }).await;
        let given = ended.unwrap_or_else(|_| {
            Err(IssueError::Internal { why: "the call ended without an answer".to_owned() })
        });
        given.map(|credentials| {
            Arc::new(Session::new(Arc::new(credentials), request.access_role.role_arn.account()))
        })
    }

    fn landed(&self, request: &Arc<SessionRequest>, outcome: &Outcome) {
        let role = &request.access_role.role_arn;
        let mut table = self.lock();
        // The slot is gone if the catalog has dropped the role meanwhile, or if all was; then nothing is kept.
        let Some(slot) = table.slots.get_mut(request) else { return };
        slot.flight = None;
        match outcome {
            Ok(session) => {
                tracing::info!(%role, session_name = %request.session_name, expires = %session.credentials.expires(), "session");
                slot.failing = None;
                slot.is_made_with_code = false;
                self.install(request, slot, session.clone(), renew_after);
                self.changed.notify_one();
            }
            Err(error) => {
                tracing::warn!(%role, %error, "no session");
                let (since, times) = slot.failing.as_ref().map_or((self.clock.now(), 1), |failing| {
                    (failing.since, failing.times.saturating_add(1))
                });
                let [jitter] = random::bytes();
                let memory = if slot.session.is_some() {
                    error.memory_while_served(times, jitter)
                } else {
                    error.memory(times, jitter)
                };
                let until = Instant::now() + memory;
                slot.failing = Some(Failing { error: error.clone(), until, since, times });
                if slot.session.is_none() {
                    slot.tend(tokio::spawn(self.clone().forget(request.clone())).abort_handle());
                }
            }
        }
    }

    /// Puts a session into its slot, with the task that renews it. `when` says after how long.
    fn install(&self, request: &Arc<SessionRequest>, slot: &mut Slot, session: Arc<Session>, when: When) {
        // Only the moments are needed: the session must not live on for its own renewal.
        let (issued, expires) = (session.credentials.issued(), session.credentials.expires());
        let [jitter] = random::bytes();
        let wait = when(issued, expires, self.clock.now(), jitter);
        slot.session = Some(session);
        slot.tend(tokio::spawn(self.clone().renew(request.clone(), wait, expires)).abort_handle());
    }

    /// Renews a session after a while unless it has been idle, and forgets it at its end. Where that fails it tries
    /// again, ever later. The renewed session's own task takes the place of this one.
    async fn renew(self, request: Arc<SessionRequest>, wait: Duration, expires: Timestamp) {
        tokio::time::sleep(wait).await;
        while let Some(pause) = self.renew_now(&request).await {
            let left = expires.remaining(self.clock.now());
            if pause >= left {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        tokio::time::sleep(expires.remaining(self.clock.now())).await;
        let under_way = {
            let mut table = self.lock();
            let Some(slot) = table.slots.get_mut(&request) else { return };
            if slot.session.as_ref().is_some_and(|session| session.credentials.expires() == expires) {
                slot.session = None;
            }
            slot.flight.is_some() || slot.failing.is_some()
        };
        if under_way {
            // Whoever is asking, or wants to know what failed, still needs the rest.
            self.clone().forget(request).await;
        } else {
            self.lock().slots.remove(&request);
        }
        self.changed.notify_one();
    }

    /// Asks for the next session if somebody used this one lately, and says after how long to try again; `None` where
    /// there is nothing more to do. Where there is a new one, its task ends the one that runs this.
    async fn renew_now(&self, request: &Arc<SessionRequest>) -> Option<Duration> {
        let flight = {
            let mut table = self.lock();
            let slot = table.slots.get_mut(request)?;
            let is_used = slot.last_used.is_some_and(|used| used.after(self.idle_after) > self.clock.now());
            // Of a protected profile STS is asked only when somebody asks who may: its approval may be over by now.
            let protected = slot.is_only_by_code()
                || slot.decision.as_ref().is_some_and(|of| of.profile.protection.is_some());
            // Whoever uses it failed to renew it just now.
            let failing = slot.failing.as_ref().map(|failing| failing.until);
            match failing.map(|until| until.saturating_duration_since(Instant::now())) {
                _ if !is_used || protected => return None,
                Some(wait) if !wait.is_zero() => return Some(wait),
                _ => self.fly(request, slot, Urgency::Ahead),
            }
        };
        let _ = self.landing(flight, Duration::from_hours(1)).await;
        let table = self.lock();
        let until = table.slots.get(request)?.failing.as_ref()?.until;
        // An error that is not remembered is no reason to ask over and over.
        Some(until.saturating_duration_since(Instant::now()).max(Duration::from_secs(1)))
    }

    /// Forgets a request that failed, once nobody has asked for it in a while: `status` shows the failure so long.
    async fn forget(self, request: Arc<SessionRequest>) {
        tokio::time::sleep(Duration::from_mins(10)).await;
        let mut table = self.lock();
        if table.slots.get(&request).is_some_and(|slot| slot.session.is_none() && slot.flight.is_none()) {
            table.slots.remove(&request);
        }
    }

    /// How a call ends, or that it has not yet when patience has. What comes while nothing is given is not given.
    async fn landing(&self, mut flight: Flight, patience: Duration) -> Outcome {
        let landed = tokio::time::timeout(patience, flight.outcome.wait_for(Option::is_some)).await;
        if let Some(since) = self.locked() {
            return Err(IssueError::Locked { since });
        }
        match landed {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or(Err(IssueError::Pending)),
            Ok(Err(_)) => Err(IssueError::Internal { why: "the call was given up".to_owned() }),
            Err(_) => Err(IssueError::Pending),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a look at a slot comes to.
enum Look {
    Served(Arc<Session>),
    /// One with little left, and the call for the next.
    Low(Arc<Session>, Flight),
    Failed(IssueError),
    UnderWay(Flight),
}

#[cfg(test)]
mod tests;
