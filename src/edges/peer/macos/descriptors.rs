//! The descriptors of a process (`sys/proc_info.h`).

use std::io;
use std::mem::offset_of;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use libproc::libproc::bsd_info::BSDInfo;
use libproc::libproc::file_info::{ListFDs, PIDFDInfo, PIDFDInfoFlavor, ProcFDInfo, ProcFDType, pidfdinfo};
use libproc::libproc::net_info::{InSockInfo, SocketFDInfo, SocketInfo, TcpSockInfo};
use libproc::libproc::proc_pid::{listpidinfo, pidinfo};

use crate::core::darwin::{self, TcpSocket, place};
use crate::edges::peer::Connection;

/// What tells sockets apart: their ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::edges::peer) enum SocketName {
    /// The client's end of a connection.
    Connected(Connection),
    /// One that listens, by its number.
    Listening(u64),
}

/// Where link-local clients believe they are connected to, whatever `pf` makes of it.
const LINK_LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)), 80);

impl SocketName {
    /// Whether it is this socket's. A client of ours sees our end, or the address before a redirect.
    fn is_of(self, socket: TcpSocket) -> bool {
        match self {
            Self::Connected(Connection { client, server }) => {
                socket.local == client
                    && socket.foreign.is_some_and(|foreign| foreign == server || foreign == LINK_LOCAL)
            }
            Self::Listening(number) => socket.foreign.is_none() && socket.number == number,
        }
    }
}

/// `struct socket_fdinfo`, whose unions cannot be read safely.
#[repr(C, align(8))]
struct SocketBytes([u8; darwin::SOCKET]);

impl Default for SocketBytes {
    fn default() -> Self {
        Self([0; darwin::SOCKET])
    }
}

impl PIDFDInfo for SocketBytes {
    fn flavor() -> PIDFDInfoFlavor {
        PIDFDInfoFlavor::SocketInfo
    }
}

// The places that the core reads are those of the structures.
const _: () = {
    let psi = offset_of!(SocketFDInfo, psi);
    let proto = psi + offset_of!(SocketInfo, soi_proto) + offset_of!(TcpSockInfo, tcpsi_ini);
    assert!(size_of::<SocketBytes>() == darwin::SOCKET && size_of::<SocketFDInfo>() == darwin::SOCKET);
    assert!(psi + offset_of!(SocketInfo, soi_so) == place::NUMBER);
    assert!(psi + offset_of!(SocketInfo, soi_kind) == place::KIND);
    assert!(proto + offset_of!(InSockInfo, insi_fport) == place::FOREIGN_PORT);
    assert!(proto + offset_of!(InSockInfo, insi_lport) == place::LOCAL_PORT);
    assert!(proto + offset_of!(InSockInfo, insi_vflag) == place::FAMILY);
    assert!(proto + offset_of!(InSockInfo, insi_faddr) == place::FOREIGN);
    assert!(proto + offset_of!(InSockInfo, insi_laddr) == place::LOCAL);
    assert!(psi + offset_of!(SocketInfo, soi_proto) + offset_of!(TcpSockInfo, tcpsi_state) == place::STATE);
};

/// The TCP sockets of a process, each with its descriptor.
pub(super) fn tcp_sockets(pid: u32) -> io::Result<impl Iterator<Item = (u32, TcpSocket)>> {
    /// Those that are opened between counting and listing.
    const ROOM: usize = 64;
    let number = super::process::number(pid).ok_or(io::ErrorKind::InvalidInput)?;
    // The library's texts say no more than the system's number does.
    let failed = |_: String| io::Error::last_os_error();
    let open = pidinfo::<BSDInfo>(number, 0).map_err(failed)?.pbi_nfiles;
    let open = usize::try_from(open).unwrap_or(0).saturating_add(ROOM);
    let descriptors: Vec<ProcFDInfo> = listpidinfo::<ListFDs>(number, open).map_err(failed)?;
    let sockets =
        descriptors.into_iter().filter(|found| matches!(found.proc_fdtype.into(), ProcFDType::Socket));
    Ok(sockets.filter_map(move |found| {
        let descriptor = u32::try_from(found.proc_fd).ok()?;
        Some((descriptor, tcp_socket(pid, descriptor)?))
    }))
}

/// The TCP socket at a descriptor.
pub(super) fn tcp_socket(pid: u32, descriptor: u32) -> Option<TcpSocket> {
    let (pid, descriptor) = (super::process::number(pid)?, i32::try_from(descriptor).ok()?);
    darwin::tcp_socket(&pidfdinfo::<SocketBytes>(pid, descriptor).ok()?.0)
}

/// The descriptor at which a process holds a socket, if it does.
pub(in crate::edges::peer) fn of(pid: u32, socket: SocketName) -> io::Result<Option<u32>> {
    Ok(tcp_sockets(pid)?.find(|(_, found)| socket.is_of(*found)).map(|(descriptor, _)| descriptor))
}

/// Whether a process holds a socket at one descriptor: a single look.
pub(in crate::edges::peer) fn holds_at(pid: u32, socket: SocketName, descriptor: u32) -> bool {
    tcp_socket(pid, descriptor).is_some_and(|found| socket.is_of(found))
}
