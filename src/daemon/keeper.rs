//! Keeping what is to outlive the daemon: sessions and token keys in the keychain, and which stages were used lately.
//!
//! Nothing here is on the way of a request. Changes are written together a moment after the first of them, and a
//! keychain that is locked, slow or gone is asked again later: until then memory is all there is, and `status` says so.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Broker;
use super::gate::is_free;
use super::secrets::is_listed;
use crate::core::cache::{Cache, CacheError, KeptClock};
use crate::core::keychain::Item;
use crate::core::moment::Timestamp;
use crate::core::protocol::{Forgotten, KeychainChoice, KeychainStatus};
use crate::core::recent::Recent;
use crate::core::token::TokenKey;
use crate::edges::keychain::{self, Chosen, Contents, How, KeychainError, VaultError, What};
use crate::edges::state_file::StateFile;
use crate::edges::{clock, random};

/// A call may take so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// The end waits so long for the keychain, and as long for the disk: then without.
const AT_THE_END: Duration = Duration::from_secs(2);
/// A request that needs what the keychain holds waits so long for its first answer.
const FIRST: Duration = Duration::from_millis(400);
/// `status` waits so long to see how the keychain is.
const GLANCE: Duration = Duration::from_secs(1);
/// How long after the first of several changes they are written.
const BURST: Duration = Duration::from_millis(200);
/// After a failure it is tried again after this time, then after twice as long, and so on up to the second.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(2));
/// A keychain that is locked is looked at so often at least: its user may be about to open it.
const LOCKED: Duration = Duration::from_secs(10);

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
    /// Whether the keychain was asked what it holds, and has said so or why not.
    answered: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether what the keychain held was taken over. Before that nothing is written, or it would be lost.
    loaded: bool,
    /// Counts the changes, and up to which of them the keychain has them.
    changes: u64,
    kept: u64,
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
    is_locked: bool,
}

impl From<VaultError> for Trouble {
    fn from(error: VaultError) -> Self {
        Self { message: error.to_string(), hint: error.hint(), is_locked: error.is_locked() }
    }
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
            answered: watch::channel(false).0,
        }
    }

    /// Waits until the keychain was asked once what it holds, a little while at most: what it holds may be what is
    /// needed now. Nothing is waited for once it has answered, in whatever way.
    pub(super) async fn first_answer(&self) {
        if !*self.answered.borrow() {
            let _ = timeout(FIRST, self.answered.subscribe().wait_for(|answered| *answered)).await;
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
            How::Found(why) => {
                (KeychainChoice::Found, why.as_ref().map(|why| format!("a better one did not answer: {why}")))
            }
            How::NoneFound(why) => (KeychainChoice::NoneFound, Some(why.clone())),
        };
        let ailing = ailing.map(|error| Trouble::from(VaultError::from(error)));
        let trouble = ailing.or_else(|| state.trouble.clone());
        KeychainStatus {
            keychain: self.chosen.kind,
            choice,
            sessions: state.sessions,
            saved: state.saved,
            unsaved: self.chosen.vault.is_some() && state.changes > state.kept,
            hint: trouble.as_ref().and_then(|trouble| trouble.hint.clone()),
            trouble: trouble.map(|trouble| trouble.message),
            note: state.note.clone().or(why),
        }
    }

    fn is_unsaved(&self) -> bool {
        let state = self.lock();
        self.chosen.vault.is_some() && state.changes > state.kept
    }

    fn note_change(&self) {
        self.lock().changes += 1;
    }

    /// After a failure, when to try again; `pause` is after how long it was tried the last time.
    fn next_pause(&self, pause: Duration) -> Duration {
        let is_locked = self.lock().trouble.as_ref().is_some_and(|trouble| trouble.is_locked);
        (pause * 2).min(if is_locked { LOCKED } else { RETRY.1 })
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
    /// Keeps what changes until `stop` is cancelled, and what is left then. First it takes over what an earlier daemon
    /// left behind.
    pub(super) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        self.keeper.note_change();
        let taking_over = self.load(PATIENCE);
        stop.run_until_cancelled(taking_over).await;
        self.keeper.answered.send_replace(true);
        let mut pause = RETRY.0;
        let mut due = Some(Instant::now() + BURST);
        while !stop.is_cancelled() {
            tokio::select! {
                () = self.sessions.changed() => {
                    self.keeper.note_change();
                    due.get_or_insert(Instant::now() + BURST);
                }
                () = self.logins.changed() => {
                    self.keeper.note_change();
                    due.get_or_insert(Instant::now() + BURST);
                }
                () = self.secrets.changed() => {
                    self.keeper.note_change();
                    due.get_or_insert(Instant::now() + BURST);
                }
                () = self.keeper.again.notified() => due = Some(Instant::now()),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    due = None;
                    if self.keeper.is_unsaved() {
                        let Some(saved) = stop.run_until_cancelled(self.save(PATIENCE)).await else { break };
                        let wait = if saved { BURST } else { pause };
                        pause = if saved { RETRY.0 } else { self.keeper.next_pause(pause) };
                        due = self.keeper.is_unsaved().then(|| Instant::now() + wait);
                    }
                    stop.run_until_cancelled(self.note_recent()).await;
                }
                () = stop.cancelled() => {}
            }
        }
        if self.keeper.is_unsaved() {
            self.save(AT_THE_END).await;
        }
        let _ = timeout(AT_THE_END, self.note_recent()).await;
    }

    /// Reads what the keychain holds, unless that has happened. Whether it may be written to from then on.
    async fn load(&self, patience: Duration) -> bool {
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
        let lost = match held {
            Contents::Nothing => None,
            Contents::Shut => Some("its key does not open it".to_owned()),
            Contents::Text(text) => match Cache::parse(&text) {
                Ok(cache) => {
                    self.take_over(cache).await;
                    None
                }
                // Whose it is nobody knows, so it stays as it is.
                Err(CacheError::Foreign) => {
                    let label = Item::cache(self.directories.state()).label;
                    self.keeper.fail(VaultError::from(KeychainError::Foreign { label }).into());
                    return false;
                }
                Err(error) => Some(error.to_string()),
            },
        };
        let mut state = self.keeper.lock();
        if let Some(why) = lost {
            tracing::warn!(why, "what was kept of sessions is of no use");
            state.note = Some(format!("what it held of sessions was of no use: {why}"));
        }
        state.loaded = true;
        state.trouble = None;
        true
    }

    async fn take_over(&self, mut cache: Cache) {
        if let Some(KeptClock { boot, heard }) = cache.clock.take()
            && boot == clock::boot_id()
        {
            self.sessions.clock().take_over(heard);
        }
        cache.forget_ended(self.sessions.clock().now());
        let now = clock::now();
        if let Some(keys) = cache.token_keys.take() {
            let own = self.sealer.keys();
            self.sealer.change(if self.sealer.has_sealed() {
                // Tokens are out there that our own key sealed.
                keys.before(own.current, now)
            } else {
                keys.at(now, TokenKey::new(random::bytes()))
            });
        }
        // A profile may have left the catalog meanwhile: its sessions are not renewed first.
        if let Ok(catalog) = self.catalogs.current().await {
            cache.sessions.retain(|session| catalog.has_role(&session.request.access_role));
            cache.secrets.retain(|secret| is_listed(&catalog, &secret.address));
            // A restart asks again whoever has to approve.
            let guarded = self.approvals.guarded(&catalog).await;
            cache.sessions.retain(|session| is_free(&catalog, &guarded, &session.request.access_role));
        }
        self.logins.restore(cache.logins);
        tracing::info!(sessions = cache.sessions.len(), "sessions taken over from the keychain");
        self.keeper.lock().sessions = cache.sessions.len();
        for used in cache.sessions.iter().filter(|session| session.last_used.is_some()) {
            self.handed_out().note_earlier(used.credentials.expires());
        }
        self.sessions.restore(cache.sessions);
        if self.sessions.locked().is_none() {
            self.secrets.restore(cache.secrets);
        }
    }

    /// Writes everything to the keychain. Whether that went well.
    async fn save(&self, patience: Duration) -> bool {
        if !self.load(patience).await {
            return false;
        }
        let Some(vault) = &self.keeper.chosen.vault else { return false };
        let _turn = self.keeper.turn.lock().await;
        let now = clock::now();
        self.sealer.change(self.sealer.keys().at(now, TokenKey::new(random::bytes())));
        // What changes from here on is for the next time.
        let changes = self.keeper.lock().changes;
        let aws = self.sessions.clock();
        let clock = aws.heard().map(|heard| KeptClock { boot: clock::boot_id(), heard });
        let mut cache = Cache {
            token_keys: Some(self.sealer.keys()),
            sessions: self.sessions.kept(),
            logins: self.logins.kept(),
            clock,
            // What was being read when it was locked may have come since.
            secrets: if self.sessions.locked().is_some() { Vec::new() } else { self.secrets.kept() },
        };
        if let Ok(catalog) = self.catalogs.known() {
            // The next daemon would not serve them: it asks whoever has to approve.
            let guarded = self.approvals.guarded(&catalog).await;
            cache.sessions.retain(|session| is_free(&catalog, &guarded, &session.request.access_role));
        }
        cache.forget_ended(aws.now());
        match vault.write(cache.to_bytes(aws.now()), patience).await {
            Ok(()) => {
                let mut state = self.keeper.lock();
                (state.saved, state.sessions, state.trouble) = (Some(now), cache.sessions.len(), None);
                state.kept = changes;
                true
            }
            Err(error) => {
                self.keeper.fail(error.into());
                false
            }
        }
    }

    /// Writes everything to the keychain now, and says why that cannot be if so.
    pub(super) async fn keep_now(&self, patience: Duration) -> Option<String> {
        self.keeper.chosen.vault.as_ref()?;
        self.keeper.note_change();
        if self.save(patience).await {
            return None;
        }
        let trouble = self.keeper.lock().trouble.clone();
        Some(trouble.map_or_else(|| "it was not written".to_owned(), |trouble| trouble.message))
    }

    /// Drops every session, and takes what is kept out of every keychain. What comes after it is kept again.
    pub(super) async fn forget_kept(&self, what: What) -> Forgotten {
        let _turn = self.keeper.turn.lock().await;
        self.sessions.clear();
        self.logins.clear();
        self.secrets.clear();
        let forgotten = keychain::forget(&self.keeper.chosen, self.directories.state(), what).await;
        let mut state = self.keeper.lock();
        // What it held is gone, and nothing of it is to be taken over or written again.
        state.loaded |= forgotten.troubles.is_empty();
        (state.kept, state.sessions, state.note) = (state.changes, 0, None);
        forgotten
    }

    /// The stages that were used lately, for fetching them ahead.
    pub(super) fn recent(&self) -> Recent {
        self.keeper.lock().recent.clone()
    }

    /// Reads which stages were used lately.
    pub(super) async fn read_recent(&self) {
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
