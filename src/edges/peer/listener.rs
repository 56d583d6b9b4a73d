//! Who listens on an address of this machine. No process can be asked that: only the kernel knows.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::holder::Holders;
use super::system::process;
use super::system::sockets::Sockets;

/// A socket that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Whose it is.
    pub uid: u32,
    /// Its number, by which whoever made it can tell that it is the one: [`super::number`].
    pub inode: u64,
    /// The process that holds it and its name; `None` if that cannot be seen, as for another user's.
    pub process: Option<(u32, String)>,
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process {
            Some((pid, name)) => write!(f, "{name} (pid {pid})"),
            None => write!(f, "a process of uid {}", self.uid),
        }
    }
}

/// Who gets the connections to an address: who listens there, else who listens on its port of all addresses.
pub fn of(address: SocketAddr) -> Option<Listener> {
    let listeners = Sockets::open().ok()?.listeners(address.port());
    let candidates =
        listeners.into_iter().filter_map(|(at, owner)| Some((rank(at.ip(), address.ip())?, owner)));
    let (_, owner) = candidates.min_by_key(|(rank, _)| *rank)?;
    let holder = Holders::new(owner.uid).topmost(owner.socket, &[]).ok();
    let process = holder.map(|holder| {
        let pid = holder.process.pid;
        let path = process::executable(pid);
        let name =
            path.as_deref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
        (pid, name.or_else(|| process::name(pid)).unwrap_or_else(|| "a process".to_owned()))
    });
    Some(Listener { uid: owner.uid, inode: owner.number(), process })
}

/// How near an address that is listened on is to the one that is asked for, the least first; `None` if connections to
/// that do not come there. What listens on all addresses of IPv6 may get those of IPv4 too.
fn rank(at: IpAddr, asked: IpAddr) -> Option<u8> {
    let (at, asked) = (at.to_canonical(), asked.to_canonical());
    if at == asked {
        return Some(0);
    }
    (at.is_unspecified() && (at.is_ipv4() == asked.is_ipv4() || at.is_ipv6()))
        .then(|| 1 + u8::from(at.is_ipv4() != asked.is_ipv4()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_listener_is_found_by_its_address_with_its_user_and_process() {
        for address in ["127.0.0.1:0", "127.0.0.7:0", "[::1]:0"] {
            let socket = TcpListener::bind(address).unwrap();
            let address = socket.local_addr().unwrap();
            let found = of(address).unwrap();
            let inode = super::super::number(socket.as_fd()).unwrap();
            assert_eq!((found.inode, found.uid), (inode, rustix::process::getuid().as_raw()));
            assert_eq!(found.process.as_ref().map(|(pid, _)| *pid), Some(std::process::id()), "{found}");
            assert!(found.to_string().ends_with(&format!("(pid {})", std::process::id())), "{found}");
            drop(socket);
            // A child that another test has just forked holds a copy of it until it becomes its program.
            assert!((0..10_000).any(|_| of(address).is_none()), "{address}");
        }
    }

    #[test]
    fn a_listener_of_another_address_is_none() {
        let socket = TcpListener::bind("127.0.0.8:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        assert_eq!(of(SocketAddr::from(([127, 0, 0, 9], port))), None);
    }

    #[test]
    fn the_nearest_address_counts() {
        let rank = |at: &str, asked: &str| rank(at.parse().unwrap(), asked.parse().unwrap());
        assert_eq!(rank("127.0.0.1", "127.0.0.1"), Some(0));
        assert_eq!(rank("0.0.0.0", "127.0.0.1"), Some(1));
        assert_eq!(rank("::", "127.0.0.1"), Some(2));
        assert_eq!(rank("::", "::1"), Some(1));
        for (at, asked) in [("0.0.0.0", "::1"), ("127.0.0.2", "127.0.0.1"), ("::1", "127.0.0.1")] {
            assert_eq!(rank(at, asked), None, "{at} {asked}");
        }
    }
}
