//! Whether callers can be told at all: a child of brokerd's own connects, and must be found, the way that every caller is.
//!
//! Without it brokerd would start, and refuse everybody: where `/proc` is hidden, where a sandbox closes `sock_diag`, and
//! in a user namespace of the daemon's own, from which the directories of the user's other processes cannot be read.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use super::peer::{Connection, Observer};
use crate::core::caller::Unidentified;
use crate::core::hardening::is_sandbox_of_one;

/// Why nobody could be identified here.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    /// The daemon is in a user namespace of its own.
    #[error("brokerd runs in a user namespace of its own, from which it cannot see who asks")]
    UserNamespace,
    /// The child is not found.
    #[error("brokerd cannot tell who asks it here: of a child of its own it found that {0}")]
    Unidentified(Unidentified),
    /// Somebody else is found.
    #[error("brokerd cannot tell who asks it here: of a child of its own, pid {child}, it found pid {found}")]
    Mistaken {
        /// The child.
        child: u32,
        /// Who was found.
        found: u32,
    },
    /// There can be no child, or no connection.
    #[error("brokerd cannot try whether it can tell who asks: {0}")]
    Io(#[from] io::Error),
}

impl SelfTestError {
    /// What to type next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UserNamespace => Some(
                "take PrivateUsers=, PrivateTmp=, ProtectSystem= and the like out of what systemctl --user cat \
                 brokerd.service shows, and run brokerd outside of sandboxes"
                    .to_owned(),
            ),
            Self::Unidentified(_) | Self::Mistaken { .. } => Some(
                "run brokerd where its user's processes are: outside of containers and sandboxes, with /proc mounted, and \
                 with AF_NETLINK among RestrictAddressFamilies= of its service"
                    .to_owned(),
            ),
            Self::Io(_) => None,
        }
    }
}

/// Lets a child connect and looks for it. `child` starts it: with the connection as its standard input, which it reads to
/// the end.
pub fn identify(mut child: Command) -> Result<(), SelfTestError> {
    if is_sandboxed() {
        return Err(SelfTestError::UserNamespace);
    }
    let observer = Observer::new().map_err(SelfTestError::Unidentified)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let connection = Connection::new(client.local_addr()?, client.peer_addr()?);
    child.stdin(Stdio::from(OwnedFd::from(client))).stdout(Stdio::null()).stderr(Stdio::null());
    let mut started = child.spawn()?;
    // The command keeps a copy of the client's end: this process would be another holder of it.
    drop(child);
    let found = listener.accept().map_err(SelfTestError::Io).and_then(|(accepted, _)| {
        let found = found(&observer, connection, &accepted, started.id());
        // Its standard input ends with this.
        drop(accepted);
        found
    });
    end(&mut started);
    found
}

fn found(
    observer: &Observer,
    connection: Connection,
    accepted: &TcpStream,
    child: u32,
) -> Result<(), SelfTestError> {
    let socket = observer.socket(connection, accepted).map_err(SelfTestError::Unidentified)?;
    let holding = observer.search(socket, &[]).map_err(SelfTestError::Unidentified)?;
    if holding.process.pid != child {
        return Err(SelfTestError::Mistaken { child, found: holding.process.pid });
    }
    observer.describe(holding.process).map(|_| ()).map_err(SelfTestError::Unidentified)
}

/// It has done its part, and nothing that it could still do matters.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// Whether this process is in a user namespace that was made for it alone. In one that its parent shares, as in a
/// container, it can see those who are in there with it.
fn is_sandboxed() -> bool {
    let namespace = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/user")).ok();
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    if !is_sandbox_of_one(&map) {
        return false;
    }
    let parent = rustix::process::getppid().map_or(0, |parent| parent.as_raw_nonzero().get());
    let parents = namespace(&parent.to_string());
    parents.is_none() || parents != namespace("self")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_found_by_its_connection() {
        identify(Command::new("cat")).unwrap();
    }

    #[test]
    fn a_child_that_cannot_be_started_is_an_error_with_a_reason() {
        let error = identify(Command::new("/nonexistent/brokerd")).unwrap_err();
        assert!(matches!(error, SelfTestError::Io(_)), "{error}");
    }
}
