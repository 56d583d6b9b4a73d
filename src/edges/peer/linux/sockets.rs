//! The kernel's own answer to whose socket it is (`man 7 sock_diag`).
//!
//! One request for exactly one connection takes microseconds, whatever the number of sockets, and needs no
//! privilege. `/proc/net/tcp` is never read: it walks the kernel's whole table.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Mutex;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

use super::descriptors::SocketName;
use crate::core::caller::Unidentified;
use crate::edges::peer::Connection;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const IPPROTO_TCP: u8 = 6;
const TCP_LISTEN: u8 = 10;
const NO_COOKIE: u32 = u32::MAX;
/// `struct nlmsghdr`, then `struct inet_diag_req_v2`.
const HEADER: usize = 16;
const REQUEST: usize = HEADER + 56;
const SEQUENCE_AT: usize = 8;
/// Offsets in `struct inet_diag_msg`.
const FAMILY_AT: usize = 0;
const STATE_AT: usize = 1;
const PORTS_AT: usize = 4;
const SOURCE_AT: usize = 8;
const DESTINATION_AT: usize = 24;
const UID_AT: usize = 64;
const INODE_AT: usize = 68;

/// The connection that a firewall redirected to us: the client still believes in the address that it dialled.
pub(in crate::edges::peer) fn redirected(connection: Connection, socket: impl AsFd) -> Option<Connection> {
    let original = match connection.client.ip() {
        IpAddr::V4(_) => SocketAddr::V4(rustix::net::sockopt::ip_original_dst(socket).ok()?),
        IpAddr::V6(_) => SocketAddr::V6(rustix::net::sockopt::ipv6_original_dst(socket).ok()?),
    };
    (original != connection.server).then_some(Connection { server: original, ..connection })
}

/// The inode of a socket of this process's own.
pub(in crate::edges::peer) fn number(socket: impl AsFd) -> Option<u64> {
    rustix::fs::fstat(socket).ok().map(|found| found.st_ino)
}

/// Who owns a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::edges::peer) struct Owner {
    pub(in crate::edges::peer) uid: u32,
    /// The inode; 0 for a socket that no process holds any more.
    pub(in crate::edges::peer) socket: SocketName,
}

impl Owner {
    /// The number of its socket, as the process that made it sees it.
    pub(in crate::edges::peer) fn number(self) -> u64 {
        self.socket.into()
    }
}

/// A netlink socket that is kept open: asking through it costs less than half of opening one each time.
#[derive(Debug)]
pub(in crate::edges::peer) struct Sockets {
    asked: Mutex<Asked>,
}

#[derive(Debug)]
struct Asked {
    socket: OwnedFd,
    /// The number of the last request: an answer to an earlier one, left behind by a fault, is passed over.
    sequence: u32,
}

impl Sockets {
    pub(in crate::edges::peer) fn open() -> Result<Self, Unidentified> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )
        .map_err(system)?;
        // The kernel answers at once; the limit only keeps a fault from becoming a hang.
        set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_secs(1))).map_err(system)?;
        Ok(Self { asked: Mutex::new(Asked { socket, sequence: 0 }) })
    }

    /// The owner of the client's end of a connection.
    pub(in crate::edges::peer) fn owner(&self, connection: Connection) -> Result<Owner, Unidentified> {
        let mut answer = [0; 1024];
        let mut request = request(connection.client, connection.server, NLM_F_REQUEST, u32::MAX);
        let message = self.ask(&mut request, &mut answer)?;
        match message.kind {
            // Where no connection matches, the kernel goes on to sockets that listen on the client's port: the
            // owner of such a one has nothing to do with this connection.
            SOCK_DIAG_BY_FAMILY if message.is_of(connection) => match message.owner() {
                // A socket without an inode is closed or closing, and the uid beside it means nothing.
                Some(Owner { socket: 0, .. }) => Err(Unidentified::Gone),
                found => found.ok_or_else(malformed),
            },
            SOCK_DIAG_BY_FAMILY => Err(Unidentified::Gone),
            NLMSG_ERROR => match message.error() {
                Some(Errno::NOENT) => Err(Unidentified::Gone),
                Some(error) => Err(system(error)),
                None => Err(malformed()),
            },
            _ => Err(malformed()),
        }
    }

    /// Whether there is such a connection, be its socket accepted by now or not.
    pub(in crate::edges::peer) fn has(&self, connection: Connection) -> bool {
        let mut answer = [0; 1024];
        let mut request = request(connection.client, connection.server, NLM_F_REQUEST, u32::MAX);
        let message = self.ask(&mut request, &mut answer);
        message.is_ok_and(|message| message.kind == SOCK_DIAG_BY_FAMILY && message.is_of(connection))
    }

    /// The sockets that listen on a port of this machine, each with its address and its owner.
    pub(in crate::edges::peer) fn listeners(&self, port: u16) -> Vec<(SocketAddr, Owner)> {
        let unspecified = [IpAddr::from([0; 4]), IpAddr::from([0; 16])];
        let families = unspecified.map(|any| self.listeners_of_family(SocketAddr::new(any, 0), port));
        families.into_iter().flatten().flatten().collect()
    }

    fn listeners_of_family(&self, any: SocketAddr, port: u16) -> Option<Vec<(SocketAddr, Owner)>> {
        let mut request = request(any, any, NLM_F_REQUEST | NLM_F_DUMP, 1 << TCP_LISTEN);
        let mut asked = self.asked.lock().ok()?;
        asked.send(&mut request).ok()?;
        let mut found = Vec::new();
        let mut answer = vec![0; 32 * 1024];
        // Read to the end of the dump, so that the next request does not meet its rest.
        loop {
            let (length, _) = recv(&asked.socket, &mut answer, RecvFlags::empty()).ok()?;
            for message in Message::all(&answer[..length]) {
                match message.kind {
                    SOCK_DIAG_BY_FAMILY if message.source_port() == Some(port) => {
                        found.extend(message.address(SOURCE_AT, PORTS_AT).zip(message.owner()));
                    }
                    SOCK_DIAG_BY_FAMILY => {}
                    // The end of the dump, or an error instead of it.
                    _ => return Some(found),
                }
            }
        }
    }

    fn ask<'a>(
        &self,
        request: &mut [u8; REQUEST],
        answer: &'a mut [u8],
    ) -> Result<Message<'a>, Unidentified> {
        const STALE_AT_MOST: usize = 8;
        let mut asked = self.asked.lock().map_err(|_| malformed())?;
        asked.send(request).map_err(system)?;
        for _ in 0..STALE_AT_MOST {
            let (length, _) = recv(&asked.socket, &mut *answer, RecvFlags::empty()).map_err(system)?;
            if word(&answer[..length], SEQUENCE_AT) == Some(asked.sequence) {
                return Message::first(&answer[..length]).ok_or_else(malformed);
            }
        }
        Err(malformed())
    }
}

impl Asked {
    fn send(&mut self, request: &mut [u8; REQUEST]) -> Result<(), Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        request[SEQUENCE_AT..SEQUENCE_AT + 4].copy_from_slice(&self.sequence.to_ne_bytes());
        send(&self.socket, request, SendFlags::empty()).map(drop)
    }
}

/// One message of an answer.
struct Message<'a> {
    kind: u16,
    body: &'a [u8],
}

impl<'a> Message<'a> {
    fn first(bytes: &'a [u8]) -> Option<Self> {
        Self::split(bytes).map(|(message, _)| message)
    }

    fn all(bytes: &'a [u8]) -> impl Iterator<Item = Self> {
        let mut rest = bytes;
        std::iter::from_fn(move || {
            let (message, after) = Self::split(rest)?;
            rest = after;
            Some(message)
        })
    }

    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let length = usize::try_from(word(bytes, 0)?).ok()?;
        let kind = u16::from_ne_bytes(bytes.get(4..6)?.try_into().ok()?);
        let body = bytes.get(HEADER..length)?;
        let next = length.next_multiple_of(4).min(bytes.len());
        Some((Self { kind, body }, &bytes[next..]))
    }

    fn owner(&self) -> Option<Owner> {
        Some(Owner { uid: word(self.body, UID_AT)?, socket: word(self.body, INODE_AT)? })
    }

    /// Whether this is the connection's own socket and no other that the kernel found instead.
    fn is_of(&self, connection: Connection) -> bool {
        let listens = self.body.get(STATE_AT) == Some(&TCP_LISTEN);
        !listens
            && self.address(SOURCE_AT, PORTS_AT) == Some(connection.client)
            && self.address(DESTINATION_AT, PORTS_AT + 2) == Some(connection.server)
    }

    /// An address of the answer, in the form that [`Connection`] has.
    fn address(&self, at: usize, port_at: usize) -> Option<SocketAddr> {
        let is_v4 = u16::from(*self.body.get(FAMILY_AT)?) == AddressFamily::INET.as_raw();
        let octets: [u8; 16] = self.body.get(at..at + 16)?.try_into().ok()?;
        let ip = if is_v4 { IpAddr::from(*octets.first_chunk::<4>()?) } else { IpAddr::from(octets) };
        Some(SocketAddr::new(ip.to_canonical(), self.port(port_at)?))
    }

    fn source_port(&self) -> Option<u16> {
        self.port(PORTS_AT)
    }

    fn port(&self, at: usize) -> Option<u16> {
        Some(u16::from_be_bytes(self.body.get(at..at + 2)?.try_into().ok()?))
    }

    fn error(&self) -> Option<Errno> {
        let negative = i32::from_ne_bytes(self.body.get(..4)?.try_into().ok()?);
        Some(Errno::from_raw_os_error(negative.checked_neg()?))
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// A request in the kernel's layout: `struct nlmsghdr` and `struct inet_diag_req_v2`.
fn request(source: SocketAddr, destination: SocketAddr, flags: u16, states: u32) -> [u8; REQUEST] {
    let family = if source.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let mut bytes = Vec::with_capacity(REQUEST);
    bytes.extend(u32::try_from(REQUEST).unwrap_or_default().to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]); // the sequence number, set when it is sent, and the port id
    bytes.extend([u8::try_from(family.as_raw()).unwrap_or_default(), IPPROTO_TCP, 0, 0]);
    bytes.extend(states.to_ne_bytes());
    bytes.extend(source.port().to_be_bytes());
    bytes.extend(destination.port().to_be_bytes());
    for address in [source.ip(), destination.ip()] {
        match address {
            IpAddr::V4(address) => {
                bytes.extend(address.octets());
                bytes.extend([0; 12]);
            }
            IpAddr::V6(address) => bytes.extend(address.octets()),
        }
    }
    bytes.extend([0; 4]); // any interface
    bytes.extend(NO_COOKIE.to_ne_bytes());
    bytes.extend(NO_COOKIE.to_ne_bytes());
    let mut request = [0; REQUEST];
    request.copy_from_slice(&bytes);
    request
}

fn system(error: Errno) -> Unidentified {
    Unidentified::System(std::io::Error::from(error).to_string())
}

fn malformed() -> Unidentified {
    Unidentified::System("its answer about a socket cannot be read".to_owned())
}
