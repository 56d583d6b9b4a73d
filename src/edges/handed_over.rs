//! Sockets that the service manager made and hands over: they outlive the daemon, so that nothing is refused while it is
//! replaced (`man 3 sd_listen_fds`, `man 3 launch_activate_socket`).

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fd::AsFd;
use tokio::net::{TcpListener, UnixListener};

/// Why a socket of the service manager's cannot be served on. Each says which line of the unit is wrong.
#[derive(Debug, thiserror::Error)]
pub enum HandedOverError {
    /// Neither a TCP nor a Unix socket.
    #[error(
        "the service manager handed over descriptor {number}, which is neither a TCP nor a Unix stream socket: {source}"
    )]
    Kind {
        /// Which of them, from 0.
        number: usize,
        /// What was found.
        source: io::Error,
    },
    /// A socket of a connection, as with `Accept=yes`.
    #[error(
        "the service manager handed over a socket ({what}) that does not listen: brokerd.socket must not have Accept=yes"
    )]
    NotListening {
        /// Which.
        what: String,
    },
    /// Others could reach it.
    #[error("the service manager listens for brokerd at {address}, which other machines could reach")]
    NotLoopback {
        /// Where.
        address: SocketAddr,
    },
    /// The Unix socket is not where `brokerctl` looks for it.
    #[error("the service manager made a control socket at {}, and brokerctl looks for it at {}", .found.display(), .expected.display())]
    OtherPath {
        /// Where it is.
        found: PathBuf,
        /// Where it should be.
        expected: PathBuf,
    },
    /// Others could use it.
    #[error("the control socket {} is open to others: mode {mode:o}, uid {uid}", .path.display())]
    OpenToOthers {
        /// Where it is.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// Its owner.
        uid: u32,
    },
    /// The system refuses.
    #[error("a socket of the service manager cannot be used: {0}")]
    Io(#[from] io::Error),
}

impl HandedOverError {
    /// What to type next.
    pub fn hint(&self) -> Option<String> {
        let write_anew = "brokerctl service install writes the units anew; systemctl --user cat brokerd.socket shows drop-ins";
        (!matches!(self, Self::Io(_))).then(|| write_anew.to_owned())
    }
}

/// A socket as it came.
#[derive(Debug)]
pub enum Handed {
    /// Of the endpoint.
    Tcp(std::net::TcpListener),
    /// Of `brokerctl`.
    Unix(std::os::unix::net::UnixListener),
}

/// What was handed over, checked and ready to be served on.
#[derive(Debug, Default)]
pub struct HandedOver {
    /// Of the endpoint; none where the daemon must listen itself.
    pub endpoints: Vec<TcpListener>,
    /// Of `brokerctl`; none where the daemon must make it.
    pub control: Option<UnixListener>,
}

/// Takes what the service manager hands over; nothing where none does. Only the first call finds anything. To be called
/// before there is a second thread, since what says so is taken out of the environment.
#[cfg(not(target_os = "macos"))]
pub fn take() -> Result<Vec<Handed>, HandedOverError> {
    let mut descriptors = listenfd::ListenFd::from_env();
    let mut found = Vec::with_capacity(descriptors.len());
    for number in 0..descriptors.len() {
        let handed = match descriptors.take_unix_listener(number) {
            Ok(socket) => socket.map(Handed::Unix),
            Err(_) => descriptors
                .take_tcp_listener(number)
                .map_err(|source| HandedOverError::Kind { number, source })?
                .map(Handed::Tcp),
        };
        found.extend(handed);
    }
    Ok(found)
}

/// Takes what launchd hands over for the `Sockets` of the agent; nothing where it did not start us.
#[cfg(target_os = "macos")]
pub fn take() -> Result<Vec<Handed>, HandedOverError> {
    let mut found = Vec::new();
    for name in ["endpoint", "control"] {
        let descriptors = match raunch::activate_socket(name) {
            Ok(descriptors) => descriptors,
            // Nobody has an agent with that name, or it was taken already.
            Err(raunch::Error::NotManaged | raunch::Error::NotInPlist | raunch::Error::AlreadyActivated) => {
                continue;
            }
            Err(error) => return Err(io::Error::other(error.to_string()).into()),
        };
        for descriptor in descriptors {
            // An owned duplicate of what is only a number here: opening one is `dup` on macOS (`man 4 fd`).
            let socket: std::os::fd::OwnedFd = fs::File::open(format!("/dev/fd/{descriptor}"))?.into();
            let handed = match name {
                "control" => Handed::Unix(socket.into()),
                _ => Handed::Tcp(socket.into()),
            };
            found.push(handed);
        }
    }
    Ok(found)
}

/// Checks that each socket is one that brokerd would have made itself, with the control socket at `control`. Within a
/// runtime.
pub fn check(handed: Vec<Handed>, control: &Path) -> Result<HandedOver, HandedOverError> {
    let mut checked = HandedOver::default();
    for socket in handed {
        match socket {
            Handed::Tcp(socket) => {
                let address = socket.local_addr()?;
                listens(&socket, || address.to_string())?;
                if !address.ip().is_loopback() {
                    return Err(HandedOverError::NotLoopback { address });
                }
                socket.set_nonblocking(true)?;
                checked.endpoints.push(TcpListener::from_std(socket)?);
            }
            Handed::Unix(socket) => {
                let found = socket.local_addr()?.as_pathname().map(Path::to_owned).unwrap_or_default();
                listens(&socket, || found.display().to_string())?;
                if found != control {
                    return Err(HandedOverError::OtherPath { found, expected: control.to_owned() });
                }
                is_private(&found)?;
                socket.set_nonblocking(true)?;
                checked.control = Some(UnixListener::from_std(socket)?);
            }
        }
    }
    Ok(checked)
}

#[cfg(not(target_os = "macos"))]
fn accepts(socket: impl AsFd) -> io::Result<bool> {
    Ok(rustix::net::sockopt::socket_acceptconn(socket)?)
}

/// macOS names `SO_ACCEPTCONN` and has no such option, so what has another end is told from what has none.
#[cfg(target_os = "macos")]
#[allow(clippy::unnecessary_wraps, reason = "as where there is such an option")]
fn accepts(socket: impl AsFd) -> io::Result<bool> {
    Ok(rustix::net::getpeername(socket).is_err())
}

fn listens(socket: impl AsFd, what: impl FnOnce() -> String) -> Result<(), HandedOverError> {
    let listens = accepts(socket)?;
    if listens { Ok(()) } else { Err(HandedOverError::NotListening { what: what() }) }
}

fn is_private(path: &Path) -> Result<(), HandedOverError> {
    let found = fs::symlink_metadata(path)?;
    let (mode, uid) = (found.mode() & 0o7777, found.uid());
    if found.file_type().is_socket()
        && mode.trailing_zeros() >= 6
        && uid == rustix::process::getuid().as_raw()
    {
        Ok(())
    } else {
        Err(HandedOverError::OpenToOthers { path: path.to_owned(), mode, uid })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener as Tcp;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener as Unix;

    use super::*;

    fn private(path: &Path, mode: u32) -> Unix {
        let socket = Unix::bind(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        socket
    }

    #[tokio::test]
    async fn what_brokerd_would_have_made_itself_is_taken() {
        let place = tempfile::tempdir().unwrap();
        let control = place.path().join("control.sock");
        let tcp = Tcp::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let handed = vec![Handed::Tcp(tcp), Handed::Unix(private(&control, 0o600))];
        let taken = check(handed, &control).unwrap();
        assert_eq!(taken.endpoints[0].local_addr().unwrap(), address);
        assert!(taken.control.is_some());
        assert!(check(Vec::new(), &control).unwrap().control.is_none());
    }

    #[tokio::test]
    async fn anything_else_is_refused_with_a_name() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        let refused = |handed, control: &Path| check(vec![handed], control).unwrap_err();
        let error = refused(Handed::Tcp(Tcp::bind("0.0.0.0:0").unwrap()), &path("a"));
        assert!(matches!(error, HandedOverError::NotLoopback { .. }), "{error}");
        let error = refused(Handed::Unix(private(&path("b"), 0o600)), &path("a"));
        assert!(matches!(error, HandedOverError::OtherPath { .. }), "{error}");
        let error = refused(Handed::Unix(private(&path("c"), 0o660)), &path("c"));
        assert!(error.to_string().contains("mode 660"), "{error}");
        let listener = Tcp::bind("127.0.0.1:0").unwrap();
        let connected = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let error = refused(Handed::Tcp(std::os::fd::OwnedFd::from(connected).into()), &path("a"));
        assert!(matches!(error, HandedOverError::NotListening { .. }), "{error}");
        assert!(error.hint().unwrap().contains("brokerctl service install"));
    }
}
