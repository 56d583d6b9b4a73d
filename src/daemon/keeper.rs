//! Keeping what is to outlive the daemon: sessions and token keys in the keychain, and which stages were used lately.
//!
//! Nothing here is on the way of a request. Changes are written together a moment after the first of them, and a
//! keychain that is locked, slow or gone is asked again later: until then memory is all there is, and `status` says so.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Broker;
use crate::core::cache::{Cache, CacheError};
use crate::core::moment::Timestamp;
use crate::core::protocol::{KeychainChoice, KeychainStatus};
use crate::core::recent::Recent;
use crate::core::token::TokenKey;
use crate::edges::keychain::{Chosen, How, VaultError};
use crate::edges::state_file::StateFile;
use crate::edges::{clock, random};

/// A start waits so long for the keychain, and an end as well: then without.
const AT_THE_EDGES: Duration = Duration::from_secs(2);
/// A call in between may take so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// `status` waits so long to see how the keychain is.
const GLANCE: Duration = Duration::from_secs(1);
/// How long after the first of several changes they are written.
const BURST: Duration = Duration::from_millis(200);
/// After a failure it is tried again after this time, then after twice as long, and so on up to the second.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(2));

/// Keeps the cache.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) chosen: Chosen,
    recent_file: Arc<StateFile<Recent>>,
    state: Mutex<State>,
    /// Held while the keychain is read or written, so that the two never overtake each other.
    turn: tokio::sync::Mutex<()>,
    /// Somebody found the keychain well again.
    again: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Whether what the keychain held was taken over. Before that nothing is written, or it would be lost.
    loaded: bool,
    /// Whether there are changes that the keychain does not have.
    unsaved: bool,
    saved: Option<Timestamp>,
    /// How many sessions were kept then.
    sessions: usize,
    /// Why the keychain could not be read or written the last time.
    trouble: Option<Trouble>,
    /// What was wrong with what the keychain held at the start.
    note: Option<String>,
    recent: Recent,
}

/// Why the keychain is of no use at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Trouble {
    message: String,
    hint: Option<String>,
}

impl From<VaultError> for Trouble {
    fn from(error: VaultError) -> Self {
        Self { message: error.to_string(), hint: error.hint().map(str::to_owned) }
    }
}

/// Whether the daemon has served anybody yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    BeforeServing,
    Later,
}

impl Keeper {
    /// A keeper of what this keychain keeps; `recent` is the file of the stages used lately.
    pub(super) fn new(chosen: Chosen, recent: PathBuf) -> Self {
        Self {
            chosen,
            recent_file: Arc::new(StateFile::at(recent)),
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            again: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the keychain is, for `status`.
    pub(super) async fn status(&self) -> KeychainStatus {
        let ailing = match &self.chosen.worker {
            Some(worker) => worker.call(GLANCE, |keychain| keychain.probe()).await.err(),
            None => None,
        };
        let state = self.lock();
        if ailing.is_none() && state.trouble.is_some() {
            self.again.notify_one();
        }
        let (choice, why) = match &self.chosen.how {
            How::Configured => (KeychainChoice::Configured, None),
            How::Remembered(since) => (KeychainChoice::Remembered { since: *since }, None),
            How::Found => (KeychainChoice::Found, None),
            How::NoneFound(why) => (KeychainChoice::NoneFound, Some(why.clone())),
        };
        let ailing = ailing.map(|error| Trouble::from(VaultError::from(error)));
        let trouble = ailing.or_else(|| state.trouble.clone());
        KeychainStatus {
            keychain: self.chosen.kind,
            choice,
            sessions: state.sessions,
            saved: state.saved,
            unsaved: self.chosen.vault.is_some() && state.unsaved,
            hint: trouble.as_ref().and_then(|trouble| trouble.hint.clone()),
            trouble: trouble.map(|trouble| trouble.message),
            note: state.note.clone().or(why),
        }
    }

    fn is_unsaved(&self) -> bool {
        self.chosen.vault.is_some() && self.lock().unsaved
    }

    fn fail(&self, trouble: Trouble) {
        let mut state = self.lock();
        if state.trouble.as_ref() != Some(&trouble) {
            tracing::warn!(keychain = %self.chosen.kind, trouble = trouble.message, "sessions are kept in memory only for now");
            state.trouble = Some(trouble);
        }
    }
}

impl Broker {
    /// Takes over what an earlier daemon left behind. To be called once, before anybody is served.
    pub async fn wake(&self) {
        self.read_recent().await;
        self.keeper.lock().unsaved = true;
        self.load(When::BeforeServing, AT_THE_EDGES).await;
    }

    /// Keeps what changes until `stop` is cancelled, and what is left then.
    pub(super) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        let mut pause = RETRY.0;
        let mut due = Some(Instant::now());
        loop {
            tokio::select! {
                () = self.sessions.changed() => {
                    self.keeper.lock().unsaved = true;
                    due.get_or_insert(Instant::now() + BURST);
                }
                () = self.keeper.again.notified() => due = Some(Instant::now()),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    self.note_recent().await;
                    due = None;
                    if self.keeper.is_unsaved() {
                        let saved = self.save(PATIENCE).await;
                        let wait = if saved { BURST } else { pause };
                        pause = if saved { RETRY.0 } else { (pause * 2).min(RETRY.1) };
                        due = self.keeper.is_unsaved().then(|| Instant::now() + wait);
                    }
                }
                () = stop.cancelled() => break,
            }
        }
        self.note_recent().await;
        if self.keeper.is_unsaved() {
            self.save(AT_THE_EDGES).await;
        }
    }

    /// Reads what the keychain holds, unless that has happened. Whether it may be written to from then on.
    async fn load(&self, when: When, patience: Duration) -> bool {
        let Some(vault) = &self.keeper.chosen.vault else { return false };
        let _turn = self.keeper.turn.lock().await;
        if self.keeper.lock().loaded {
            return true;
        }
        let held = match vault.read(patience).await {
            Ok(held) => held,
            Err(error) => {
                self.keeper.fail(error.into());
                return false;
            }
        };
        match held.map(|bytes| Cache::parse(&bytes, clock::now())).transpose() {
            Ok(cache) => self.take_over(cache.unwrap_or_default(), when),
            // Whose it is nobody knows, so it stays as it is.
            Err(error @ CacheError::Foreign) => {
                let hint = "remove or rename that item with the desktop's keychain program";
                self.keeper.fail(Trouble { message: error.to_string(), hint: Some(hint.to_owned()) });
                return false;
            }
            Err(error) => {
                tracing::warn!(%error, "what the keychain held of sessions is of no use");
                self.keeper.lock().note = Some(format!("what it held of sessions was of no use: {error}"));
            }
        }
        let mut state = self.keeper.lock();
        state.loaded = true;
        state.trouble = None;
        true
    }

    fn take_over(&self, cache: Cache, when: When) {
        let now = clock::now();
        if let Some(keys) = cache.token_keys {
            let own = self.sealer.keys();
            self.sealer.change(match when {
                When::BeforeServing => keys.at(now, TokenKey::new(random::bytes())),
                // Tokens are out there that our own key sealed.
                When::Later => keys.before(own.current, now),
            });
        }
        tracing::info!(sessions = cache.sessions.len(), "sessions taken over from the keychain");
        self.keeper.lock().sessions = cache.sessions.len();
        self.sessions.restore(cache.sessions);
    }

    /// Writes everything to the keychain. Whether that went well.
    async fn save(&self, patience: Duration) -> bool {
        if !self.load(When::Later, patience).await {
            return false;
        }
        let Some(vault) = &self.keeper.chosen.vault else { return false };
        let _turn = self.keeper.turn.lock().await;
        let now = clock::now();
        self.sealer.change(self.sealer.keys().at(now, TokenKey::new(random::bytes())));
        // What changes from here on is unsaved again.
        self.keeper.lock().unsaved = false;
        let cache = Cache { token_keys: Some(self.sealer.keys()), sessions: self.sessions.kept() };
        match vault.write(cache.to_bytes(now), patience).await {
            Ok(()) => {
                let mut state = self.keeper.lock();
                (state.saved, state.sessions, state.trouble) = (Some(now), cache.sessions.len(), None);
                true
            }
            Err(error) => {
                self.keeper.lock().unsaved = true;
                self.keeper.fail(error.into());
                false
            }
        }
    }

    /// The stages that were used lately, for fetching them ahead.
    pub(super) fn recent(&self) -> Recent {
        self.keeper.lock().recent.clone()
    }

    async fn read_recent(&self) {
        let file = self.keeper.recent_file.clone();
        match tokio::task::spawn_blocking(move || file.read()).await {
            Ok(Ok(recent)) => self.keeper.lock().recent = recent,
            // Nothing is lost with it but a head start.
            Ok(Err(error)) => tracing::warn!(%error, "the stages used lately cannot be told"),
            Err(_) => {}
        }
    }

    async fn note_recent(&self) {
        let (before, after) = {
            let mut state = self.keeper.lock();
            let before = state.recent.clone();
            for (decision, last_used) in self.sessions.uses() {
                state.recent.note(&decision.config, &decision.stage, last_used);
            }
            state.recent.forget(clock::now());
            (before, state.recent.clone())
        };
        if before == after {
            return;
        }
        let file = self.keeper.recent_file.clone();
        let written = tokio::task::spawn_blocking(move || file.change(|recent| *recent = after)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "the stages used lately are not remembered");
        }
    }
}

#[cfg(test)]
mod tests;
