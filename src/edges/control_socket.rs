//! The Unix socket by which `brokerctl` speaks to the daemon.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, connect, socket};
use tokio::net::{UnixListener, UnixStream};

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ControlSocketError {
    /// Somebody listens there who does not hold the daemon's lock.
    #[error("something listens at the control socket {} already, most likely the service manager", .path.display())]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("cannot make the control socket {}: {source}", .path.display())]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ControlSocketError {
    /// What to type next.
    pub fn hint(&self) -> Option<String> {
        let by_the_manager =
            "systemctl --user start brokerd.service, or first systemctl --user stop brokerd.socket";
        matches!(self, Self::Taken { .. }).then(|| by_the_manager.to_owned())
    }
}

/// The listening socket; its file is removed with it, unless it is the service manager's.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    own_file: Option<PathBuf>,
}

impl ControlSocket {
    /// Makes the socket, mode 0600. The caller holds the daemon's lock, so one that is there is nobody's, unless it is the
    /// service manager's, who listens without a daemon.
    pub fn bind(path: &Path) -> Result<Self, ControlSocketError> {
        let failed = |source| ControlSocketError::Io { path: path.to_owned(), source };
        if is_listened_at(path).map_err(failed)? {
            return Err(ControlSocketError::Taken { path: path.to_owned() });
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { listener, own_file: Some(path.to_owned()) })
    }

    /// One that the service manager made: its file stays, for the daemon that comes after this one.
    pub fn handed_over(listener: UnixListener) -> Self {
        Self { listener, own_file: None }
    }

    /// The next connection.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Some(path) = &self.own_file {
            let _ = fs::remove_file(path);
        }
    }
}

/// Whether a connection to the socket would be taken, now or once its queue has room.
fn is_listened_at(path: &Path) -> io::Result<bool> {
    let address = SocketAddrUnix::new(path)?;
    let socket = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    // By itself, since not every system takes it with the kind of socket.
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::AGAIN) => Ok(true),
        Err(Errno::CONNREFUSED | Errno::NOENT | Errno::NOTSOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The process at the other end, if it is this user's.
pub fn peer_pid(stream: &UnixStream) -> Option<u32> {
    let credentials = stream.peer_cred().ok()?;
    if credentials.uid() != rustix::process::getuid().as_raw() {
        return None;
    }
    credentials.pid().and_then(|pid| u32::try_from(pid).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_crash_left_is_replaced_and_what_is_listened_at_is_left_alone() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("control.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let own = ControlSocket::bind(&path).unwrap();
        let error = ControlSocket::bind(&path).unwrap_err();
        assert!(matches!(error, ControlSocketError::Taken { .. }), "{error}");
        assert!(error.hint().unwrap().contains("systemctl --user start brokerd.service"));
        assert!(path.exists());
        drop(own);
        assert!(!path.exists());
    }
}
