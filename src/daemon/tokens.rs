//! The container tokens, in memory and in their files.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::Broker;
use super::control::Failure;
use crate::core::allowed::AllowList;
use crate::core::caller::ProcessId;
use crate::core::catalog::Catalog;
use crate::core::container_token::{self, ContainerToken, TokenDigest, TokenId, TokenLife, TokenList};
use crate::core::moment::Timestamp;
use crate::core::refusal::Refusal;
use crate::edges::directories::Directories;
use crate::edges::state_file::StateFile;
use crate::edges::state_file::StateFileError;
use crate::edges::token_files::TokenFiles;
use crate::edges::{clock, peer, process_end, random};

/// Keeps the tokens. Those of the daemon's own life are in memory only.
#[derive(Debug)]
pub(super) struct Tokens {
    /// Those that were asked to outlive the daemon.
    kept: Arc<StateFile<TokenList>>,
    /// Those of running processes.
    running: Arc<StateFile<TokenList>>,
    files: TokenFiles,
    boot: String,
    state: Mutex<State>,
    /// Held while files are changed, so that of two changes the later one is in them.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    list: TokenList,
    last_used: HashMap<TokenId, Timestamp>,
}

/// A token that was just made, with the only copy of its text.
pub(super) struct Made {
    pub(super) id: TokenId,
    pub(super) digest: TokenDigest,
    pub(super) text: Zeroizing<String>,
}

impl Made {
    pub(super) fn new() -> Self {
        let text = container_token::text(&Zeroizing::new(random::bytes()));
        Self { id: TokenId::new(random::bytes()), digest: TokenDigest::of(text.as_bytes()), text }
    }
}

impl Tokens {
    /// Reads what an earlier daemon left, and removes what has ended meanwhile.
    pub(super) fn read(directories: &Directories) -> Result<Self, StateFileError> {
        let kept = StateFile::<TokenList>::at(directories.tokens_file());
        let running = StateFile::<TokenList>::at(directories.running_tokens_file());
        let mut list = kept.read()?;
        match running.read() {
            Ok(more) => list.extend(more),
            // It ends with the machine anyway, and a daemon that does not start would be worse.
            Err(error) => {
                tracing::warn!(%error, "what brokerctl exec started before gets nothing any more");
                let _ = std::fs::remove_file(running.path());
            }
        }
        let boot = clock::boot_id();
        list.sweep(clock::now(), &boot, &peer::is_alive);
        let files = TokenFiles::at(directories.token_directory());
        files.sweep(&list.iter().map(|token| token.id.as_str()).collect());
        Ok(Self {
            kept: Arc::new(kept),
            running: Arc::new(running),
            files,
            boot,
            state: Mutex::new(State { list, ..State::default() }),
            turn: tokio::sync::Mutex::default(),
        })
    }

    pub(super) fn boot(&self) -> &str {
        &self.boot
    }

    /// The token of this text, if it is there still; it counts as used.
    pub(super) fn present(&self, text: &[u8]) -> Option<ContainerToken> {
        let now = clock::now();
        let digest = TokenDigest::of(text);
        let mut state = self.lock();
        state.list.sweep(now, &self.boot, &peer::is_alive);
        let token = state.list.find(&digest)?.clone();
        state.last_used.insert(token.id.clone(), now);
        Some(token)
    }

    /// The tokens that are there, each with when it was last used.
    pub(super) fn list(&self) -> Vec<(ContainerToken, Option<Timestamp>)> {
        let mut state = self.lock();
        state.list.sweep(clock::now(), &self.boot, &peer::is_alive);
        let used = |token: &ContainerToken| state.last_used.get(&token.id).copied();
        state.list.iter().map(|token| (token.clone(), used(token))).collect()
    }

    /// Adds a token, first to its file.
    pub(super) async fn add(&self, token: ContainerToken) -> Result<(), StateFileError> {
        let _turn = self.turn.lock().await;
        let (added, boot) = (token.clone(), self.boot.clone());
        if let Some(file) = self.file_of(&token.life) {
            off_the_thread(move || {
                file.change(|list| {
                    list.sweep(clock::now(), &boot, &peer::is_alive);
                    list.set(added);
                })
            })
            .await?;
        }
        self.lock().list.set(token);
        Ok(())
    }

    /// Writes the file of a token, and gives its path.
    pub(super) async fn write_file(&self, made: &Made) -> Result<PathBuf, Failure> {
        let (files, id, text) = (self.files.clone(), made.id.clone(), made.text.clone());
        let path = files.path(&id);
        let written = off_the_thread(move || files.write(&id, &text)).await;
        written.map_err(|error| Failure::new(error.to_string(), error.hint()))?;
        Ok(path)
    }

    /// Removes tokens, from memory first: whatever the disk says, they give nothing from then on. The file of a token
    /// stays as long as its process, which would fail over a missing file instead of hearing why.
    pub(super) async fn remove(
        &self,
        which: impl Fn(&ContainerToken) -> bool,
    ) -> Result<Vec<ContainerToken>, StateFileError> {
        let _turn = self.turn.lock().await;
        let removed = {
            let mut state = self.lock();
            let removed = state.list.remove(which);
            for token in &removed {
                state.last_used.remove(&token.id);
            }
            removed
        };
        let ids: Vec<TokenId> = removed.iter().map(|token| token.id.clone()).collect();
        self.change_files(move |list| drop(list.remove(|token| ids.contains(&token.id)))).await?;
        Ok(removed)
    }

    /// Ends what is no longer what was decided, for good.
    pub(super) async fn review(&self, catalog: Result<&Catalog, &str>, allowed: &AllowList) {
        self.end_where(|token| match token.decision(catalog, allowed) {
            Err(Refusal::TokenEnded { why, .. }) => Some(why),
            _ => None,
        })
        .await;
    }

    /// Ends tokens, whatever the catalog says.
    pub(super) async fn end(&self, which: impl Fn(&ContainerToken) -> bool, why: &str) {
        self.end_where(|token| which(token).then(|| why.to_owned())).await;
    }

    /// Ends those for which there is a reason.
    async fn end_where(&self, reason: impl Fn(&ContainerToken) -> Option<String>) {
        let mut ended = HashMap::new();
        for token in self.lock().list.iter_mut().filter(|token| token.ended.is_none()) {
            if let Some(why) = reason(token) {
                tracing::info!(id = %token.id, why, "a token has ended");
                token.ended = Some(why.clone());
                ended.insert(token.id.clone(), why);
            }
        }
        if ended.is_empty() {
            return;
        }
        let _turn = self.turn.lock().await;
        let change = move |list: &mut TokenList| {
            list.iter_mut()
                .for_each(|token| token.ended = token.ended.take().or(ended.get(&token.id).cloned()));
        };
        if let Err(error) = self.change_files(change).await {
            tracing::error!(%error, "that a token has ended is not written down");
        }
    }

    /// The processes that have tokens.
    fn processes(&self) -> Vec<(ProcessId, TokenId)> {
        let process = |token: &ContainerToken| match token.life {
            TokenLife::Process { process, .. } => Some((process, token.id.clone())),
            TokenLife::Daemon | TokenLife::Kept => None,
        };
        self.lock().list.iter().filter_map(process).collect()
    }

    /// Changes both files; must be called in turn.
    async fn change_files(
        &self,
        change: impl Fn(&mut TokenList) + Send + 'static,
    ) -> Result<(), StateFileError> {
        let files = [self.running.clone(), self.kept.clone()];
        off_the_thread(move || files.iter().try_for_each(|file| file.change(&change).map(drop))).await
    }

    fn file_of(&self, life: &TokenLife) -> Option<Arc<StateFile<TokenList>>> {
        match life {
            TokenLife::Daemon => None,
            TokenLife::Kept => Some(self.kept.clone()),
            TokenLife::Process { .. } => Some(self.running.clone()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Broker {
    /// Removes the token of a process and its file when the process ends. Until it has come to that, `present` sees
    /// that the process is not alive.
    pub(super) fn watch_process(self: &Arc<Self>, process: ProcessId, id: TokenId) {
        let broker = self.clone();
        tokio::spawn(async move {
            process_end::end_of(process).await;
            if let Err(error) = broker.tokens.remove(|token| token.id == id).await {
                tracing::warn!(%error, "the token of a process that ended stays in its list");
            }
            let files = broker.tokens.files.clone();
            off_the_thread(move || files.remove(&id)).await;
        });
    }

    /// Watches the processes that an earlier daemon gave tokens.
    pub(super) fn watch_processes(self: &Arc<Self>) {
        for (process, id) in self.tokens.processes() {
            self.watch_process(process, id);
        }
    }
}

/// Waits for the disk where no request has to.
async fn off_the_thread<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> R {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        std::panic::resume_unwind(error.try_into_panic().unwrap_or_else(|error| Box::new(error)))
    })
}
