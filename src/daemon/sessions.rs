//! Sessions in memory: asked of STS once for all who wait, and renewed ahead of their end.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use zeroize::Zeroizing;

use crate::core::cache::CachedSession;
use crate::core::catalog::{Catalog, Source};
use crate::core::credentials::SessionCredentials;
use crate::core::decision::Decision;
use crate::core::imds;
use crate::core::issue::IssueError;
use crate::core::lease::{Lease, lease, renew_after, renew_restored_after};
use crate::core::moment::Timestamp;
use crate::core::session::SessionRequest;
use crate::edges::sts::Issuer;
use crate::edges::{clock, random};

/// A session that can be served.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) credentials: Arc<SessionCredentials>,
    /// The IMDS document, ready to send.
    pub(super) document: Bytes,
    /// The extended twin, ready to send.
    pub(super) extended: Bytes,
}

impl Session {
    fn new(credentials: Arc<SessionCredentials>, account: &str) -> Self {
        let document = wiped(imds::credentials(&credentials, None));
        let extended = wiped(imds::credentials(&credentials, Some(account)));
        Self { credentials, document, extended }
    }
}

/// Bytes that are wiped when the last of their owners lets go.
fn wiped(text: Zeroizing<String>) -> Bytes {
    struct Owner(Zeroizing<String>);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            self.0.as_bytes()
        }
    }
    Bytes::from_owner(Owner(text))
}

type Outcome = Result<Arc<Session>, IssueError>;
/// Where the outcome of a call to STS comes out, for all who wait.
type Flight = watch::Receiver<Option<Outcome>>;
/// After how long to renew a session: issued, expires, now, jitter.
type When = fn(Timestamp, Timestamp, Timestamp, u8) -> Duration;

/// What is known of one session.
#[derive(Debug, Default)]
struct Slot {
    session: Option<Arc<Session>>,
    /// The last failure, and until when it is remembered.
    failure: Option<(IssueError, Timestamp)>,
    flight: Option<Flight>,
    last_used: Option<Timestamp>,
    /// The decision that it was last asked for with, so that `status` can name it.
    decision: Option<Arc<Decision>>,
    /// The task that renews or forgets it.
    renewal: Option<AbortHandle>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(renewal) = self.renewal.take() {
            renewal.abort();
        }
    }
}

/// All sessions.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    issuer: Arc<dyn Issuer>,
    slots: Arc<Mutex<HashMap<SessionRequest, Slot>>>,
    calls: Arc<std::sync::atomic::AtomicU64>,
    /// A session that nobody used for so long is not renewed.
    idle_after: Duration,
    changed: Arc<Notify>,
}

impl Sessions {
    pub(super) fn new(issuer: Arc<dyn Issuer>, idle_after: Duration) -> Self {
        Self { issuer, slots: Arc::default(), calls: Arc::default(), idle_after, changed: Arc::default() }
    }

    /// Waits until there are other sessions than when this last returned.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The sessions that there are, for keeping them.
    pub(super) fn kept(&self) -> Vec<CachedSession> {
        let slots = self.lock();
        let kept = slots.iter().filter_map(|(request, slot)| {
            let credentials = slot.session.as_ref()?.credentials.clone();
            Some(CachedSession { request: request.clone(), credentials, last_used: slot.last_used })
        });
        kept.collect()
    }

    /// Takes over what an earlier daemon left behind. A session that there is already stays.
    pub(super) fn restore(&self, kept: Vec<CachedSession>) {
        let mut slots = self.lock();
        for CachedSession { request, credentials, last_used } in kept {
            let slot = slots.entry(request.clone()).or_default();
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
        let slots = self.lock();
        slots.values().filter_map(|slot| Some((slot.decision.clone()?, slot.last_used?))).collect()
    }

    /// How often STS has been asked.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// A session that may be served now, waiting at most `patience` for one under way. One that has little left is
    /// given only if no other comes in that time. Whoever stops waiting does not stop the call. `decision` is kept in mind, so that `status` can name what the session is for.
    pub(super) async fn get(
        &self,
        request: &SessionRequest,
        decision: Option<&Arc<Decision>>,
        patience: Duration,
    ) -> Outcome {
        match self.look(request, decision) {
            Look::Served(session) => Ok(session),
            Look::Failed(error) => Err(error),
            Look::UnderWay(flight) => landing(flight, patience).await,
            Look::Low(session, flight) => {
                let outcome = landing(flight, patience).await;
                outcome.or_else(|error| {
                    if session.credentials.expires() > clock::now() { Ok(session) } else { Err(error) }
                })
            }
        }
    }

    /// A session that may be served at once and has enough left; if there is none, one is under way then.
    pub(super) fn begin(&self, request: &SessionRequest, decision: &Arc<Decision>) -> Option<Arc<Session>> {
        match self.look(request, Some(decision)) {
            Look::Served(session) => Some(session),
            Look::Failed(_) | Look::UnderWay(_) | Look::Low(..) => None,
        }
    }

    /// Sees to it that there will be a session before anybody asks for one. That is no use of it: unless somebody
    /// asks, it is not renewed.
    pub(super) fn begin_ahead(&self, request: &SessionRequest, decision: &Arc<Decision>) {
        self.look_ahead(request, decision);
    }

    /// The same, and waits for it at most `patience`. Whether there is one then.
    pub(super) async fn fetch_ahead(
        &self,
        request: &SessionRequest,
        decision: &Arc<Decision>,
        patience: Duration,
    ) -> bool {
        match self.look_ahead(request, decision) {
            Look::Served(_) | Look::Low(..) => true,
            Look::Failed(_) => false,
            Look::UnderWay(flight) => landing(flight, patience).await.is_ok(),
        }
    }

    /// Drops the sessions that keys of this source signed for: they are not the ones in force any more.
    pub(super) fn forget_source(&self, source: &Source) {
        self.lock().retain(|request, _| request.access_role.source != *source);
        self.changed.notify_one();
    }

    fn look_ahead(&self, request: &SessionRequest, decision: &Arc<Decision>) -> Look {
        let mut slots = self.lock();
        let slot = slots.entry(request.clone()).or_default();
        slot.decision.get_or_insert_with(|| decision.clone());
        let now = clock::now();
        match &slot.session {
            // One that is due is renewed by its own task, or by whoever uses it.
            Some(session) if session.credentials.expires() > now => Look::Served(session.clone()),
            _ => self.look_at(request, slot, now),
        }
    }

    /// The decisions of a project for which there is a session, or was a failure just now.
    pub(super) fn decisions(&self, config: &Path) -> Vec<Arc<Decision>> {
        let slots = self.lock();
        let decisions = slots.values().filter_map(|slot| slot.decision.clone());
        decisions.filter(|decision| decision.config == config).collect()
    }

    /// When the session for a request ends, and how the last call failed.
    pub(super) fn state(&self, request: &SessionRequest) -> (Option<Timestamp>, Option<IssueError>) {
        let now = clock::now();
        let slots = self.lock();
        let Some(slot) = slots.get(request) else { return (None, None) };
        let expires =
            slot.session.as_ref().map(|session| session.credentials.expires()).filter(|end| *end > now);
        (expires, slot.failure.as_ref().map(|(error, _)| error.clone()))
    }

    /// Drops every session whose role no profile of the catalog has any more.
    pub(super) fn retain(&self, catalog: &Catalog) {
        self.retain_those(|request, _| catalog.has_role(&request.access_role));
    }

    /// Drops every session but those; each is looked at with the decision that it was last asked for with.
    pub(super) fn retain_those(&self, those: impl Fn(&SessionRequest, Option<&Decision>) -> bool) {
        let mut slots = self.lock();
        let before = slots.len();
        slots.retain(|request, slot| those(request, slot.decision.as_deref()));
        if slots.len() < before {
            self.changed.notify_one();
        }
    }

    fn look(&self, request: &SessionRequest, decision: Option<&Arc<Decision>>) -> Look {
        let now = clock::now();
        let mut slots = self.lock();
        if !slots.contains_key(request) {
            slots.insert(request.clone(), Slot::default());
        }
        let Some(slot) = slots.get_mut(request) else { unreachable!("it was put there just now") };
        slot.last_used = Some(now);
        if let Some(decision) = decision {
            slot.decision = Some(decision.clone());
        }
        self.look_at(request, slot, now)
    }

    fn look_at(&self, request: &SessionRequest, slot: &mut Slot, now: Timestamp) -> Look {
        let known = slot.session.as_ref().map(|session| {
            (session.clone(), lease(session.credentials.issued(), session.credentials.expires(), now))
        });
        let failing = slot.failure.as_ref().filter(|(_, until)| now < *until).map(|(error, _)| error.clone());
        match (known, failing) {
            (Some((session, Lease::Fresh)), _) | (Some((session, Lease::Due | Lease::Low)), Some(_)) => {
                Look::Served(session)
            }
            (Some((session, Lease::Low)), None) => Look::Low(session, self.fly(request, slot)),
            (Some((session, Lease::Due)), None) => {
                self.fly(request, slot);
                Look::Served(session)
            }
            (Some((_, Lease::Expired)) | None, Some(error)) => {
                slot.session = None;
                Look::Failed(error)
            }
            (Some((_, Lease::Expired)) | None, None) => {
                slot.session = None;
                Look::UnderWay(self.fly(request, slot))
            }
        }
    }

    /// Joins the call that is under way, or starts one.
    fn fly(&self, request: &SessionRequest, slot: &mut Slot) -> Flight {
        // A flight whose task is gone will never land.
        if let Some(flight) = slot.flight.as_ref().filter(|flight| flight.has_changed().is_ok()) {
            return flight.clone();
        }
        let (land, flight) = watch::channel(None);
        slot.flight = Some(flight.clone());
        self.calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (sessions, request) = (self.clone(), request.clone());
        tokio::spawn(async move {
            let (issuer, asked) = (sessions.issuer.clone(), request.clone());
            // A task of its own, so that a panic in it is an error here and everybody who waits is told.
            let ended = tokio::spawn(async move { issuer.issue(asked).await }).await;
            let outcome = ended
                .unwrap_or_else(|_| {
                    Err(IssueError::Internal { why: "the call ended without an answer".to_owned() })
                })
                .map(|credentials| {
                    Arc::new(Session::new(Arc::new(credentials), request.access_role.role_arn.account()))
                });
            sessions.landed(&request, &outcome);
            let _ = land.send(Some(outcome));
        });
        flight
    }

    fn landed(&self, request: &SessionRequest, outcome: &Outcome) {
        let now = clock::now();
        let role = &request.access_role.role_arn;
        let mut slots = self.lock();
        // The slot is gone if the catalog has dropped the role meanwhile; then nothing is kept.
        let Some(slot) = slots.get_mut(request) else { return };
        slot.flight = None;
        match outcome {
            Ok(session) => {
                tracing::info!(%role, session_name = %request.session_name, expires = %session.credentials.expires(), "session");
                slot.failure = None;
                self.install(request, slot, session.clone(), renew_after);
                self.changed.notify_one();
            }
            Err(error) => {
                tracing::warn!(%role, %error, "no session");
                slot.failure = Some((error.clone(), Timestamp(now.0 + error.memory_seconds())));
                if slot.session.is_none() {
                    let forgetting = tokio::spawn(self.clone().forget(request.clone())).abort_handle();
                    if let Some(earlier) = slot.renewal.replace(forgetting) {
                        earlier.abort();
                    }
                }
            }
        }
    }

    /// Puts a session into its slot, with the task that renews it. `when` says after how long.
    fn install(&self, request: &SessionRequest, slot: &mut Slot, session: Arc<Session>, when: When) {
        // Only the moments are needed: the session must not live on for its own renewal.
        let (issued, expires) = (session.credentials.issued(), session.credentials.expires());
        let [jitter] = random::bytes();
        let wait = when(issued, expires, clock::now(), jitter);
        slot.session = Some(session);
        let renewal = tokio::spawn(self.clone().renew(request.clone(), wait, expires)).abort_handle();
        if let Some(earlier) = slot.renewal.replace(renewal) {
            earlier.abort();
        }
    }

    /// Renews a session after a while unless it has been idle, and forgets it at its end. The renewed session's own
    /// task takes the place of this one.
    async fn renew(self, request: SessionRequest, wait: Duration, expires: Timestamp) {
        tokio::time::sleep(wait).await;
        if let Some(slot) = self.lock().get_mut(&request)
            && slot.last_used.is_some_and(|used| used.after(self.idle_after) > clock::now())
            // Of a protected profile STS is asked only when somebody asks who may: its approval may be over by now.
            && slot.decision.as_ref().is_none_or(|decision| decision.profile.protection.is_none())
        {
            self.fly(&request, slot);
        }
        tokio::time::sleep(expires.remaining(clock::now())).await;
        let under_way = {
            let mut slots = self.lock();
            let Some(slot) = slots.get_mut(&request) else { return };
            if slot.session.as_ref().is_some_and(|session| session.credentials.expires() == expires) {
                slot.session = None;
            }
            slot.flight.is_some() || slot.failure.is_some()
        };
        if under_way {
            // Whoever is asking, or wants to know what failed, still needs the rest.
            self.clone().forget(request).await;
        } else {
            self.lock().remove(&request);
        }
        self.changed.notify_one();
    }

    /// Forgets a request that failed, once nobody has asked for it in a while: `status` shows the failure so long.
    async fn forget(self, request: SessionRequest) {
        tokio::time::sleep(Duration::from_mins(10)).await;
        let mut slots = self.lock();
        if slots.get(&request).is_some_and(|slot| slot.session.is_none() && slot.flight.is_none()) {
            slots.remove(&request);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionRequest, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a call ends, or that it has not yet when patience has.
async fn landing(mut flight: Flight, patience: Duration) -> Outcome {
    match tokio::time::timeout(patience, flight.wait_for(Option::is_some)).await {
        Ok(Ok(outcome)) => outcome.clone().unwrap_or(Err(IssueError::Pending)),
        Ok(Err(_)) => Err(IssueError::Internal { why: "the call was given up".to_owned() }),
        Err(_) => Err(IssueError::Pending),
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
