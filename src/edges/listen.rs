//! The sockets that the endpoint listens on.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

use super::peer::{self, listener};

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Somebody listens there.
    #[error("{address} is taken{}", .holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default())]
    Taken {
        /// The address.
        address: SocketAddr,
        /// Who has it, if that can be told.
        holder: Option<String>,
    },
    /// The system refuses.
    #[error("cannot listen on {address}: {source}")]
    Io {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        source: io::Error,
    },
}

/// Connections that wait to be accepted at most; the kernel's own limit may be lower.
const BACKLOG: u32 = 1024;

/// Listens on an address. Port 0 takes any free one.
pub fn listen(address: SocketAddr) -> Result<TcpListener, ListenError> {
    bind(address).map_err(|source| {
        if source.kind() == io::ErrorKind::AddrInUse {
            ListenError::Taken { address, holder: listener::of(address).map(|holder| holder.to_string()) }
        } else {
            ListenError::Io { address, source }
        }
    })
}

/// The number of a socket, on Linux its inode: by it a process that sees who listens can tell that it is this one.
pub fn inode(listener: &TcpListener) -> Option<u64> {
    peer::number(listener)
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections of a daemon that just ended keep its port for a minute otherwise.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
