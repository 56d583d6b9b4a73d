//! Who is on the other end of a loopback connection: its user, its process, its directory.
//!
//! No privilege is needed: the system says what the processes of our own user hold, in a way of its own each. What is
//! read is checked again afterwards, since processes come and go meanwhile.

mod holder;
#[cfg(target_os = "linux")]
mod linux;
pub mod listener;
#[cfg(target_os = "macos")]
mod macos;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use crate::core::approval::approver::{Approver, Lineage};
use crate::core::caller::{Ancestor, Caller, DirectoryId, Image, ProcessId, Unidentified};
use crate::core::relay::relay;
use holder::{Holder, Holders};
#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
use macos as system;
use system::descriptors::{self, SocketName};
use system::sockets::Sockets;
use system::{directory, process};

/// Both ends of a TCP connection, as its client sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// The client's end.
    pub client: SocketAddr,
    /// The end that it connected to.
    pub server: SocketAddr,
}

impl Connection {
    /// The connection behind an accepted socket, from its two addresses. IPv4 addresses mapped into IPv6 are
    /// taken for what they are, since the kernel keeps such sockets with the IPv4 ones.
    pub fn new(client: SocketAddr, server: SocketAddr) -> Self {
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        Self { client: canonical(client), server: canonical(server) }
    }
}

/// A socket as the kernel knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    /// The connection, after any redirect.
    pub connection: Connection,
    /// What the system tells the client's socket by.
    name: SocketName,
}

/// The number by which [`listener::of`] knows a socket of this process's own.
pub fn number(socket: impl AsFd) -> Option<u64> {
    system::sockets::number(socket)
}

/// A process that holds the client's end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// The process.
    pub process: ProcessId,
    /// The descriptor at which it holds the socket.
    pub descriptor: u32,
}

/// Ancestors are read this far. A longer line is cut, and whoever needs all of it can tell by its length.
pub const DEEPEST_LINE: usize = 64;

/// Looks at connections for one user.
#[derive(Debug)]
pub struct Observer {
    sockets: Sockets,
    holders: Holders,
    uid: u32,
}

impl Observer {
    /// An observer for the user that this process runs as.
    pub fn new() -> Result<Self, Unidentified> {
        let uid = rustix::process::getuid().as_raw();
        Ok(Self { sockets: Sockets::open()?, holders: Holders::new(uid), uid })
    }

    /// The client's socket of an accepted connection, if it belongs to our user. One call into the kernel on Linux;
    /// `accepted` is asked for the address before a redirect only when the plain pair is unknown. On macOS it is
    /// [`Self::search`] that finds out whose it is.
    pub fn socket(&self, connection: Connection, accepted: impl AsFd) -> Result<Socket, Unidentified> {
        match self.look_up(connection) {
            Err(Unidentified::Gone) => system::sockets::redirected(connection, accepted)
                .map_or(Err(Unidentified::Gone), |original| self.look_up(original)),
            found => found,
        }
    }

    fn look_up(&self, connection: Connection) -> Result<Socket, Unidentified> {
        let owner = self.sockets.owner(connection)?;
        if owner.uid != self.uid {
            return Err(Unidentified::OtherUser { uid: owner.uid });
        }
        Ok(Socket { connection, name: owner.socket })
    }

    /// Finds the process that holds a socket. `remembered` are looked at first. This walks over all of them: keep it off
    /// a thread that serves requests.
    pub fn search(&self, socket: Socket, remembered: &[ProcessId]) -> Result<Holding, Unidentified> {
        const ATTEMPTS: usize = 3;
        let mut last = Unidentified::Changed;
        for _ in 0..ATTEMPTS {
            match self.search_once(socket, remembered) {
                Err(Unidentified::Changed) => {}
                Err(other @ (Unidentified::NotFound | Unidentified::Hidden { .. })) => {
                    // A socket that was handed on or closed while we walked is no mystery: ask the kernel again.
                    self.still_there(socket)?;
                    last = other;
                }
                found => return found,
            }
        }
        Err(last)
    }

    fn search_once(&self, socket: Socket, remembered: &[ProcessId]) -> Result<Holding, Unidentified> {
        let Holder { process, descriptor } = self.holders.topmost(socket.name, remembered)?;
        self.still_there(socket)?;
        if descriptors::holds_at(process.pid, socket.name, descriptor)
            && process::start(process.pid) == Some(process.start)
        {
            Ok(Holding { process, descriptor })
        } else {
            Err(Unidentified::Changed)
        }
    }

    fn still_there(&self, socket: Socket) -> Result<(), Unidentified> {
        let now = self.look_up(socket.connection)?;
        if now.name == socket.name { Ok(()) } else { Err(Unidentified::Gone) }
    }

    /// Whether `claimed` holds the socket, and where: what a token saves is the search, not this check.
    pub fn check(&self, socket: Socket, claimed: ProcessId, descriptor: u32) -> Option<Holding> {
        let found = Self::holds(socket, claimed, descriptor)?;
        // The start time last: if it is right now, all of the above was that process.
        is_alive(claimed).then_some(found)
    }

    /// Whether whoever has the pid of `claimed` now holds the socket.
    pub fn holds(socket: Socket, claimed: ProcessId, descriptor: u32) -> Option<Holding> {
        let descriptor = if descriptors::holds_at(claimed.pid, socket.name, descriptor) {
            descriptor
        } else {
            descriptors::of(claimed.pid, socket.name).ok()??
        };
        Some(Holding { process: claimed, descriptor })
    }

    /// Everything about a process that a decision may depend on, but for its environment. A relay is refused here.
    pub fn describe(&self, id: ProcessId) -> Result<Caller, Unidentified> {
        let (path, directory_id) = directory::current(id.pid)?;
        let (_, image) = process::image(id.pid).ok_or(Unidentified::Changed)?;
        let process = process::read(id);
        if let (Some(executable), Some(arguments)) = (&process.executable, &process.arguments)
            && let Some(name) = relay(executable, arguments)
        {
            return Err(Unidentified::Relay { name, pid: id.pid });
        }
        let ancestors = self.ancestors(id);
        let sessions =
            sessions(std::iter::once(id).chain(ancestors.iter().map(|ancestor| ancestor.process.id)));
        // What was read belongs together only if the process is still the same and still where it was.
        if !is_unchanged(id, directory_id, image) {
            return Err(Unidentified::Changed);
        }
        Ok(Caller { process, uid: self.uid, directory: path, directory_id, image, ancestors, sessions })
    }

    /// The environment of a process as it was at its start; `None` if it cannot be read or the process changed.
    pub fn environment(&self, id: ProcessId) -> Option<BTreeMap<String, String>> {
        process::environment(id.pid).filter(|_| is_alive(id))
    }

    /// The process with this pid, if it is there and ours.
    pub fn process(&self, pid: u32) -> Option<ProcessId> {
        let start = process::start(pid)?;
        (process::uid(pid) == Some(self.uid)).then_some(ProcessId { pid, start })
    }

    /// The parent of a process, if it is ours.
    pub fn parent(&self, id: ProcessId) -> Option<ProcessId> {
        let parent = self.process(process::parent(id.pid)?)?;
        // A parent is older than its child; one that is not took over the pid of one that ended.
        (parent.start <= id.start).then_some(parent)
    }

    /// The leaders of the sessions that a process and its ancestors are in, the nearest first, each once.
    pub fn sessions(&self, id: ProcessId) -> Vec<ProcessId> {
        sessions(std::iter::successors(Some(id), |child| self.parent(*child)).take(DEEPEST_LINE))
    }

    /// A process with those that started it, as they are looked at for an approval.
    pub fn lineage(&self, id: ProcessId) -> Lineage {
        let line = std::iter::successors(Some(id), |child| self.parent(*child)).take(DEEPEST_LINE);
        Lineage { line: line.collect(), session: session(id) }
    }

    /// A process that would approve. What it is is read before it is looked at whether it is there still.
    pub fn approver(&self, id: ProcessId) -> Option<Approver> {
        let lineage = self.lineage(id);
        let approver = Approver {
            processes: lineage.line.iter().map(|process| process::read(*process)).collect(),
            has_terminal: process::terminal(id.pid).is_some(),
            lineage,
        };
        is_alive(id).then_some(approver)
    }

    /// The line above a process. An ancestor that hides itself stays in it: its command line can be read.
    fn ancestors(&self, id: ProcessId) -> Vec<Ancestor> {
        let parents = std::iter::successors(self.parent(id), |child| self.parent(*child)).take(DEEPEST_LINE);
        parents
            .map(|parent| Ancestor {
                process: process::read(parent),
                directory: directory::current(parent.pid).ok().map(|(path, _)| path),
            })
            .collect()
    }
}

/// Whether a socket has these two ends, whoever's it is, its own end as `client`.
pub fn has_socket(connection: Connection) -> bool {
    Sockets::open().is_ok_and(|sockets| sockets.has(connection))
}

/// Whether a caller is still the same process, runs the same program and is where it was: three system calls.
pub fn is_unchanged(id: ProcessId, directory: DirectoryId, image: Image) -> bool {
    directory::identity(id.pid) == Some(directory) && process::image(id.pid) == Some((id.start, image))
}

/// Whether a process has not ended.
pub fn is_alive(id: ProcessId) -> bool {
    process::start(id.pid) == Some(id.start)
}

fn sessions(line: impl Iterator<Item = ProcessId>) -> Vec<ProcessId> {
    let mut sessions = Vec::new();
    for leader in line.filter_map(session) {
        if !sessions.contains(&leader) {
            sessions.push(leader);
        }
    }
    sessions
}

/// The session of a process, by its leader, if that has not ended.
fn session(id: ProcessId) -> Option<ProcessId> {
    let leader = process::session(id.pid)?;
    // The number is not given to another process as long as somebody is in the session.
    Some(ProcessId { pid: leader, start: process::start(leader)? })
}

/// The leader of the session of a process that is in a terminal; `None` if it is in none.
pub fn terminal(id: ProcessId) -> Option<ProcessId> {
    process::terminal(id.pid)?;
    session(id).filter(|_| is_alive(id))
}

/// The name below `/dev` of the terminal that a process is in, where its number tells it.
pub fn terminal_name(id: ProcessId) -> Option<String> {
    process::terminal(id.pid).and_then(process::terminal_name).filter(|_| is_alive(id))
}

/// Checks that every directory from a caller's own up to `top` is, in the caller's mount namespace, the one
/// that has its path here. A process can mount anything anywhere in a namespace of its own.
pub fn verify_parents(caller: &Caller, top: &std::path::Path) -> Result<(), Unidentified> {
    directory::verify_parents(caller.process.id.pid, &caller.directory, caller.directory_id, top)
}

/// The file name of a process's executable, if that can be read.
pub fn program(id: ProcessId) -> Option<String> {
    let path = process::executable(id.pid).filter(|_| is_alive(id))?;
    path.file_name().map(|name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests;
