//! What the kernel of macOS says of sockets, directories and processes, read from its bytes.
//!
//! The layouts are those of `sys/proc_info.h` and of `KERN_PROCARGS2` (`man 3 sysctl`), the same on both processors of
//! Macs. The edge compares the places with the structures of `libproc` when it is compiled.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::caller::DirectoryId;

/// The length of `struct socket_fdinfo`.
pub const SOCKET: usize = 792;
/// The length of `struct proc_vnodepathinfo`: the directory of a process, then its root.
pub const DIRECTORIES: usize = 2352;

/// Places in `struct socket_fdinfo`.
pub mod place {
    /// `psi.soi_so`.
    pub const NUMBER: usize = 160;
    /// `psi.soi_kind`.
    pub const KIND: usize = 256;
    /// `psi.soi_proto.pri_tcp.tcpsi_ini.insi_fport`.
    pub const FOREIGN_PORT: usize = 264;
    /// `insi_lport`.
    pub const LOCAL_PORT: usize = 268;
    /// `insi_vflag`.
    pub const FAMILY: usize = 288;
    /// `insi_faddr`.
    pub const FOREIGN: usize = 296;
    /// `insi_laddr`.
    pub const LOCAL: usize = 312;
    /// `tcpsi_state`.
    pub const STATE: usize = 344;
    /// In `struct proc_vnodepathinfo`: `pvi_cdir.vip_vi.vi_stat.vst_dev`.
    pub const DEVICE: usize = 0;
    /// `vst_nlink`.
    pub const LINKS: usize = 6;
    /// `vst_ino`.
    pub const INODE: usize = 8;
    /// `pvi_cdir.vip_path`.
    pub const PATH: usize = 152;
    /// Its length.
    pub const LONGEST_PATH: usize = 1024;
}

/// A TCP socket of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpSocket {
    /// What the kernel numbers it by: the same in each process that holds it.
    pub number: u64,
    /// Its own end.
    pub local: SocketAddr,
    /// The other end; `None` for one that listens.
    pub foreign: Option<SocketAddr>,
}

/// Reads `struct socket_fdinfo`; `None` for a socket that is not of TCP.
pub fn tcp_socket(bytes: &[u8; SOCKET]) -> Option<TcpSocket> {
    const TCP: u32 = 2;
    const LISTENS: u32 = 1;
    if word(bytes, place::KIND)? != TCP {
        return None;
    }
    let local = address(bytes, place::LOCAL, place::LOCAL_PORT)?;
    let foreign = address(bytes, place::FOREIGN, place::FOREIGN_PORT)?;
    let listens = word(bytes, place::STATE)? == LISTENS;
    Some(TcpSocket { number: long(bytes, place::NUMBER)?, local, foreign: (!listens).then_some(foreign) })
}

/// An address, IPv4 as IPv4. Its port stands in network order in the first half of an integer.
fn address(bytes: &[u8], at: usize, port_at: usize) -> Option<SocketAddr> {
    const IPV6: u8 = 2;
    let octets: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
    // A socket of both families has both flags.
    let ip = if bytes.get(place::FAMILY)? & IPV6 == 0 {
        IpAddr::from(*octets.last_chunk::<4>()?)
    } else {
        IpAddr::from(octets)
    };
    let port = u16::from_be_bytes(bytes.get(port_at..port_at + 2)?.try_into().ok()?);
    Some(SocketAddr::new(ip.to_canonical(), port))
}

/// The directory of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Its path; empty if it has none any more.
    pub path: PathBuf,
    /// Which one it is.
    pub id: DirectoryId,
    /// Whether it was deleted.
    pub is_deleted: bool,
}

/// Reads the first half of `struct proc_vnodepathinfo`.
pub fn directory(bytes: &[u8; DIRECTORIES]) -> Option<Directory> {
    let path = bytes.get(place::PATH..place::PATH + place::LONGEST_PATH)?;
    let path = path.split(|byte| *byte == 0).next()?;
    let links = u16::from_le_bytes(bytes.get(place::LINKS..place::LINKS + 2)?.try_into().ok()?);
    Some(Directory {
        // File systems of macOS take no other names.
        path: std::str::from_utf8(path).ok()?.into(),
        id: DirectoryId { device: word(bytes, place::DEVICE)?.into(), inode: long(bytes, place::INODE)? },
        is_deleted: links == 0 || path.is_empty(),
    })
}

/// What a process was started with.
#[derive(Clone, PartialEq, Eq)]
pub struct Started {
    /// Its arguments, the program's name first.
    pub arguments: Vec<String>,
    /// Its environment; `None` where the kernel keeps it back, as it does for programs of Apple's own.
    pub environment: Option<BTreeMap<String, String>>,
}

impl std::fmt::Debug for Started {
    /// Both may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

/// Reads what `KERN_PROCARGS2` gives: the number of arguments, the path of the executable with NULs after it, then
/// arguments and environment, each text ended by a NUL. An empty text ends the environment. Nothing is taken from what
/// is cut off.
pub fn started(bytes: &[u8]) -> Option<Started> {
    let count = usize::try_from(word(bytes, 0)?).ok()?;
    let mut rest = bytes.get(4..)?;
    rest = &rest[rest.iter().position(|byte| *byte == 0)?..];
    rest = &rest[rest.iter().position(|byte| *byte != 0).unwrap_or(rest.len())..];
    let mut arguments = Vec::new();
    for _ in 0..count {
        arguments.push(text(&mut rest)?);
    }
    let mut environment = BTreeMap::new();
    while let Some(entry) = text(&mut rest).filter(|entry| !entry.is_empty()) {
        if let Some((name, value)) = entry.split_once('=') {
            // The first of two counts, as for getenv.
            environment.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    Some(Started { arguments, environment: Some(environment).filter(|found| !found.is_empty()) })
}

/// Takes a text up to its NUL.
fn text(rest: &mut &[u8]) -> Option<String> {
    let end = rest.iter().position(|byte| *byte == 0)?;
    let text = String::from_utf8_lossy(&rest[..end]).into_owned();
    *rest = &rest[end + 1..];
    Some(text)
}

/// The name below `/dev` of a terminal, where its number tells it.
pub fn terminal_name(device: u32) -> Option<String> {
    const PSEUDO: u32 = 16;
    let (major, minor) = (device >> 24, device & 0xff_ffff);
    (major == PSEUDO).then(|| format!("ttys{minor:03}"))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests;
