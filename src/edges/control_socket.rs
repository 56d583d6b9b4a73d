//! The Unix socket by which `brokerctl` speaks to the daemon.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the control socket {}: {source}", .path.display())]
pub struct ControlSocketError {
    path: PathBuf,
    source: io::Error,
}

/// The listening socket; its file is removed with it, unless it is the service manager's.
#[derive(Debug)]
pub struct ControlSocket {
    listener: UnixListener,
    own_file: Option<PathBuf>,
}

impl ControlSocket {
    /// Makes the socket, mode 0600. The caller holds the daemon's lock, so one that is there is nobody's.
    pub fn bind(path: &Path) -> Result<Self, ControlSocketError> {
        let failed = |source| ControlSocketError { path: path.to_owned(), source };
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

/// The process at the other end, if it is this user's.
pub fn peer_pid(stream: &UnixStream) -> Option<u32> {
    let credentials = stream.peer_cred().ok()?;
    if credentials.uid() != rustix::process::getuid().as_raw() {
        return None;
    }
    credentials.pid().and_then(|pid| u32::try_from(pid).ok())
}
