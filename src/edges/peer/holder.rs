//! Which process holds a socket.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::Mutex;

use super::system::descriptors::{self, SocketName};
use super::system::process;
use crate::core::caller::{ProcessId, Unidentified};

/// A process and the descriptor at which it holds the socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder {
    pub(super) process: ProcessId,
    pub(super) descriptor: u32,
}

/// Looks for holders among the processes of one user.
#[derive(Debug)]
pub(super) struct Holders {
    uid: u32,
    /// Start times by pid, only to order the search: a pid that was used again is looked at too early or too
    /// late, never mistaken, since a holder's own start time is read anew.
    order: Mutex<HashMap<u32, u64>>,
}

impl Holders {
    pub(super) fn new(uid: u32) -> Self {
        Self { uid, order: Mutex::default() }
    }

    /// The topmost holder of a socket: from the first process found, up to the highest of its ancestors that holds
    /// it too.
    ///
    /// Between `fork` and `exec` a child holds every socket of its parent, often in another directory. Whoever
    /// waits for the answer holds the socket until it comes, so the topmost is the one that asks.
    pub(super) fn topmost(
        &self,
        socket: SocketName,
        remembered: &[ProcessId],
    ) -> Result<Holder, Unidentified> {
        const SHOWN: usize = 8;
        let mut hidden = Vec::new();
        let remembered =
            remembered.iter().map(|known| known.pid).filter(|pid| process::owner(*pid) == Some(self.uid));
        let first = remembered.map(|pid| try_process(pid, socket, &mut hidden)).find_map(|holder| holder);
        let first = first.or_else(|| {
            self.newest_first().into_iter().find_map(|pid| try_process(pid, socket, &mut hidden))
        });
        if let Some(holder) = first {
            let top = self.climb(holder, socket);
            return if is_born_where_it_is(top.process) { Ok(top) } else { self.only_line(top, socket) };
        }
        hidden.extend(self.not_dumpable());
        hidden.sort_unstable();
        hidden.dedup();
        if hidden.is_empty() {
            return Err(Unidentified::NotFound);
        }
        let name =
            |pid: &u32| format!("{} ({pid})", process::name(*pid).unwrap_or_else(|| "unknown".to_owned()));
        Err(Unidentified::Hidden { candidates: hidden.iter().take(SHOWN).map(name).collect() })
    }

    /// The highest ancestor that holds the socket, or the process itself. One in between may have closed its copy.
    fn climb(&self, holder: Holder, socket: SocketName) -> Holder {
        self.ancestors(holder.process.pid)
            .filter_map(|parent| try_process(parent, socket, &mut Vec::new()))
            .last()
            .unwrap_or(holder)
    }

    /// The process ids above one, as far as they are our user's.
    fn ancestors(&self, pid: u32) -> impl Iterator<Item = u32> {
        const DEEPEST: usize = 64;
        let above = |pid: &u32| {
            process::parent(*pid).filter(|parent| *parent > 1 && process::owner(*parent) == Some(self.uid))
        };
        std::iter::successors(above(&pid), above).take(DEEPEST)
    }

    /// A topmost holder whose parent may not be the one that it was born to: a daemon that forked twice keeps the
    /// sockets of a process that is no longer above it. So nobody outside its line may hold the socket.
    fn only_line(&self, top: Holder, socket: SocketName) -> Result<Holder, Unidentified> {
        for pid in self.newest_first() {
            // Descriptors first: few hold the socket, and only their ancestors matter.
            if pid != top.process.pid
                && let Some(other) = try_process(pid, socket, &mut Vec::new())
                && !self.ancestors(pid).any(|above| above == top.process.pid)
            {
                let other = self.climb(other, socket);
                return Err(Unidentified::Shared { first: other.process.pid, second: top.process.pid });
            }
        }
        Ok(top)
    }

    /// Our user's processes, the youngest first: a caller of one request is usually among them. By start time
    /// and not by pid, since pids wrap.
    fn newest_first(&self) -> Vec<u32> {
        let pids: Vec<u32> = process::all().filter(|pid| process::owner(*pid) == Some(self.uid)).collect();
        let Ok(mut known) = self.order.lock() else { return pids };
        let mut order = HashMap::with_capacity(pids.len());
        for pid in &pids {
            if let Some(start) = known.get(pid).copied().or_else(|| process::start(*pid)) {
                order.insert(*pid, start);
            }
        }
        let mut sorted: Vec<u32> = order.keys().copied().collect();
        sorted.sort_unstable_by_key(|pid| std::cmp::Reverse((order[pid], *pid)));
        *known = order;
        sorted
    }

    /// Our user's processes that `/proc` gives to root because they may not be dumped. None on macOS.
    fn not_dumpable(&self) -> impl Iterator<Item = u32> {
        let uid = self.uid;
        let own = std::process::id();
        process::all().filter(move |pid| {
            *pid != own && process::owner(*pid) == Some(0) && process::uid(*pid) == Some(uid)
        })
    }
}

/// A process as a holder, if it is one; one that cannot be looked at is noted as hidden.
fn try_process(pid: u32, socket: SocketName, hidden: &mut Vec<u32>) -> Option<Holder> {
    let start = process::start(pid)?;
    match descriptors::of(pid, socket) {
        Ok(descriptor) => Some(Holder { process: ProcessId { pid, start }, descriptor: descriptor? }),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            hidden.push(pid);
            None
        }
        Err(_) => None,
    }
}

/// Whether a process still has the parent that it was born to, as its session tells: one whose parent ended is given
/// to init or to a supervisor, which has a session of its own.
fn is_born_where_it_is(id: ProcessId) -> bool {
    let Some(parent) = process::parent(id.pid).filter(|parent| *parent > 1) else { return false };
    let session = process::session(id.pid);
    session.is_some() && session == process::session(parent)
}
