//! Refreshing, locking and forgetting: what ends a session before its time.

use std::sync::Arc;
use std::time::Duration;

use super::Broker;
use super::control::Failure;
use super::named::Named;
use super::sessions::Session;
use crate::core::caller::ProcessId;
use crate::core::locked::{Lock, Locked, LockedBy};
use crate::core::moment::Timestamp;
use crate::core::protocol::{LockReply, Refreshed, Reply};
use crate::core::refusal::Refusal;
use crate::core::wanted::Wanted;
use crate::edges::clock;
use crate::edges::keychain::What;
use crate::edges::state_file::{StateFile, StateFileError};

/// The keychain may take so long to let go of its sessions.
const PATIENCE: Duration = Duration::from_secs(10);
/// A person waits so long for a new session.
const FOR_A_PERSON: Duration = Duration::from_secs(30);

/// The lock, as it is written down.
#[derive(Debug)]
pub(super) struct LockFile(Arc<StateFile<Locked>>);

impl LockFile {
    pub(super) fn at(file: StateFile<Locked>) -> Self {
        Self(Arc::new(file))
    }

    /// The lock that an earlier daemon left on.
    pub(super) fn read(&self) -> Result<Option<Lock>, StateFileError> {
        Ok(self.0.read()?.lock)
    }

    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Locked) -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let file = self.0.clone();
        let changed = tokio::task::spawn_blocking(move || {
            let mut outcome = None;
            file.change(|locked| outcome = Some(change(locked))).map(|_| outcome)
        });
        match changed.await {
            Ok(Ok(Some(outcome))) => Ok(outcome),
            Ok(Ok(None)) | Err(_) => Err(Failure::new("the lock could not be written down", None)),
            Ok(Err(error)) => Err(error.into()),
        }
    }
}

impl Broker {
    /// Drops every session from memory and keychain, and gives none until [`Broker::unlock`], whatever starts again
    /// meanwhile.
    pub(super) async fn lock(&self, by: LockedBy) -> Result<Reply, Failure> {
        let now = clock::now();
        // Before anything else: what follows may have to wait for a disk.
        self.sessions.shut(self.sessions.locked().unwrap_or(now));
        self.secrets.clear();
        let lock = self.lock_file.change(move |locked| locked.lock(by, now)).await;
        let trouble = self.keep_now(PATIENCE).await;
        let lock = lock.map_err(|failure| failure.but("it is locked until brokerd ends, and no longer"))?;
        *self.lock_now() = Some(lock);
        tracing::info!(by = %lock.by, "locked");
        let handed_out_until = self.handed_out_until();
        Ok(Reply::Locked(Box::new(LockReply { lock, trouble, handed_out_until })))
    }

    /// Gives sessions again, unless the unlocked screen would end what a person locked.
    pub(super) async fn unlock(&self, by: LockedBy) -> Result<Reply, Failure> {
        let was = self.lock_file.change(move |locked| (locked.unlock(by), locked.lock)).await?;
        if let (was, None) = was {
            *self.lock_now() = None;
            self.secrets.clear();
            self.sessions.unlock();
            tracing::info!(%by, "unlocked");
            return Ok(Reply::Unlocked { was });
        }
        Ok(Reply::Unlocked { was: None })
    }

    /// A new session for what a process names, in place of the one that there is.
    pub(super) async fn refresh(&self, process: ProcessId, wanted: &Wanted) -> Result<Reply, Failure> {
        let Named { asking, .. } = self.decide_named(process, wanted).await?;
        let decision = asking.outcome.result.as_ref().map_err(|refusal| Failure::from(refusal.clone()))?;
        if let Some(refusal) = decision.withheld(&clock::local_now()) {
            return Err(refusal.into());
        }
        self.permit(&asking, decision).await?;
        let (before, outcome) = self.sessions.refresh(self.request(decision), decision, FOR_A_PERSON).await;
        let named = |session: &Session| {
            (session.credentials.access_key_id().to_owned(), session.credentials.expires())
        };
        let before = before.as_deref().map(named);
        let (access_key_id, expires) = match outcome {
            Ok(session) => named(&session),
            Err(error) => {
                let failure = Failure::from(Refusal::from(error));
                return Err(match before {
                    Some((key, end)) => failure.but(&format!("the session {key} stays, until {end}")),
                    None => failure,
                });
            }
        };
        Ok(Reply::Refreshed(Box::new(Refreshed {
            app: decision.app.clone(),
            stage: decision.stage.clone(),
            access_key_id,
            expires,
            before,
            note: decision.fallback.clone(),
        })))
    }

    /// Drops every session, and takes what is cached out of every keychain; with `all` also what people gave to be kept.
    pub(super) async fn forget(&self, all: bool) -> Reply {
        let what = if all { What::Everything } else { What::Cache };
        let mut forgotten = self.forget_kept(what).await;
        forgotten.handed_out_until = self.handed_out_until();
        tracing::info!(all, removed = forgotten.removed.len(), "forgotten");
        Reply::Forgotten(Box::new(forgotten))
    }

    /// Until when, at the latest, anything that was handed out can be used.
    pub(super) fn handed_out_until(&self) -> Option<Timestamp> {
        self.handed_out().latest(self.sessions.clock().now())
    }
}
