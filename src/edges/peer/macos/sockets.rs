//! Whose a socket is. The kernel of macOS tells nobody the owner of another user's socket.

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use super::descriptors::{self, SocketName};
use super::process;
use crate::core::caller::Unidentified;
use crate::edges::peer::Connection;

/// Who owns a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::edges::peer) struct Owner {
    pub(in crate::edges::peer) uid: u32,
    pub(in crate::edges::peer) socket: SocketName,
}

impl Owner {
    /// The number of its socket, as the process that made it sees it.
    pub(in crate::edges::peer) fn number(self) -> u64 {
        match self.socket {
            SocketName::Listening(number) => number,
            SocketName::Connected(_) => 0,
        }
    }
}

/// The sockets of our user's processes.
#[derive(Debug)]
pub(in crate::edges::peer) struct Sockets {
    uid: u32,
}

impl Sockets {
    #[allow(clippy::unnecessary_wraps, reason = "as on systems where something has to be opened")]
    pub(in crate::edges::peer) fn open() -> Result<Self, Unidentified> {
        Ok(Self { uid: rustix::process::getuid().as_raw() })
    }

    /// The owner of the client's end of a connection, taken for our own user: that some process of ours holds it is
    /// for a search to find, and what is another user's is found with none.
    #[allow(clippy::unnecessary_wraps, reason = "as on systems where the kernel is asked")]
    pub(in crate::edges::peer) fn owner(&self, connection: Connection) -> Result<Owner, Unidentified> {
        Ok(Owner { uid: self.uid, socket: SocketName::Connected(connection) })
    }

    /// Whether a process of our user has the client's end of this connection.
    pub(in crate::edges::peer) fn has(&self, connection: Connection) -> bool {
        let own = process::all().filter(|pid| process::uid(*pid) == Some(self.uid));
        own.filter_map(|pid| descriptors::tcp_sockets(pid).ok())
            .flatten()
            .any(|(_, socket)| socket.local == connection.client && socket.foreign == Some(connection.server))
    }

    /// The sockets of our user's processes that listen on a port, each with its address and its owner.
    pub(in crate::edges::peer) fn listeners(&self, port: u16) -> Vec<(SocketAddr, Owner)> {
        let own = process::all().filter(|pid| process::uid(*pid) == Some(self.uid));
        own.filter_map(|pid| descriptors::tcp_sockets(pid).ok())
            .flatten()
            .filter(|(_, socket)| socket.foreign.is_none() && socket.local.port() == port)
            .map(|(_, socket)| {
                (socket.local, Owner { uid: self.uid, socket: SocketName::Listening(socket.number) })
            })
            .collect()
    }
}

/// The connection before a redirect: [`SocketName`] knows both.
pub(in crate::edges::peer) fn redirected(_: Connection, _: impl AsFd) -> Option<Connection> {
    None
}

/// The kernel's number for a TCP socket of this process's own.
pub(in crate::edges::peer) fn number(socket: impl AsFd) -> Option<u64> {
    let descriptor = u32::try_from(socket.as_fd().as_raw_fd()).ok()?;
    descriptors::tcp_socket(std::process::id(), descriptor).map(|found| found.number)
}
