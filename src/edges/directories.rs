//! Where brokerd keeps its files (XDG Base Directory Specification).

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::disk::{Disk, disk};
use super::trust;
use crate::core::refusal::Refusal;

/// Why a directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// `HOME` is not set, or not to an absolute path.
    #[error("HOME does not name an absolute path")]
    NoHome,
    /// The directory cannot be made or looked at.
    #[error("cannot make or read the directory {}: {source}", .path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// It, or one above it, belongs to somebody else, or others can write to it.
    #[error(transparent)]
    Untrusted(#[from] Refusal),
}

impl DirectoryError {
    /// What to type next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Untrusted(refusal) => refusal.hint(),
            Self::NoHome | Self::Io { .. } => None,
        }
    }
}

/// The directories of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// The user's home, where the search for a project ends.
    pub home: PathBuf,
    config: PathBuf,
    state: PathBuf,
    runtime: PathBuf,
}

impl Directories {
    /// The directories of this process's user, by its environment.
    pub fn from_environment() -> Result<Self, DirectoryError> {
        let uid = rustix::process::getuid().as_raw();
        let home = absolute("HOME").ok_or(DirectoryError::NoHome)?;
        let config = absolute("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
        let state = absolute("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state"));
        let state = state.join("brokerd");
        let runtime = absolute("XDG_RUNTIME_DIR")
            .or_else(|| {
                Some(PathBuf::from(format!("/run/user/{uid}"))).filter(|path| owner(path) == Some(uid))
            })
            .map(|path| path.join("brokerd"))
            // macOS has none, and cleans its directories for temporary files while brokerd runs.
            .or_else(|| cfg!(target_os = "macos").then(|| state.join("run")))
            .unwrap_or_else(|| PathBuf::from(format!("/tmp/brokerd-{uid}")));
        Ok(Self { home, config: config.join("brokerd"), state, runtime })
    }

    /// All of them below a home, for a daemon that shares nothing with the user's own.
    pub fn below(home: &Path) -> Self {
        let inside = |name: &str| home.join(name).join("brokerd");
        Self {
            home: home.to_owned(),
            config: inside(".config"),
            state: inside(".local/state"),
            runtime: inside(".run"),
        }
    }

    /// `config.toml`.
    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    /// `catalog.toml`.
    pub fn catalog_file(&self) -> PathBuf {
        self.config.join("catalog.toml")
    }

    /// The list of allowed projects.
    pub fn allow_file(&self) -> PathBuf {
        self.state.join("allowed.json")
    }

    /// The pins.
    pub fn pins_file(&self) -> PathBuf {
        self.state.join("pins.json")
    }

    /// What protects the profiles, as it was when nobody had to approve it or somebody had.
    pub fn protections_file(&self) -> PathBuf {
        self.state.join("protections.json")
    }

    /// The audit log.
    pub fn audit_file(&self) -> PathBuf {
        self.state.join("audit.jsonl")
    }

    /// Which keychain was chosen.
    pub fn keychain_file(&self) -> PathBuf {
        self.state.join("keychain.json")
    }

    /// Whether brokerd is locked.
    pub fn locked_file(&self) -> PathBuf {
        self.state.join("locked.json")
    }

    /// Which stages were used lately.
    pub fn recent_file(&self) -> PathBuf {
        self.state.join("recent.json")
    }

    /// The file whose lock says that a daemon keeps its state here. Named after the machine: homes are shared.
    pub fn state_lock_file(&self) -> PathBuf {
        let machine = rustix::system::uname();
        self.state.join(format!("{}.lock", machine.nodename().to_string_lossy()))
    }

    /// The decisions of running processes.
    pub fn decision_file(&self) -> PathBuf {
        self.runtime.join("decisions.jsonl")
    }

    /// The container tokens that outlive the daemon, by their digests.
    pub fn tokens_file(&self) -> PathBuf {
        self.state.join("tokens.json")
    }

    /// The container tokens of running processes, by their digests.
    pub fn running_tokens_file(&self) -> PathBuf {
        self.runtime.join("tokens.json")
    }

    /// Where the token of each process lies that `brokerctl exec` started.
    pub fn token_directory(&self) -> PathBuf {
        self.runtime.join("tokens")
    }

    /// The token of clients of the secrets interface.
    pub fn secrets_token_file(&self) -> PathBuf {
        self.runtime.join("secrets-token")
    }

    /// The control socket.
    pub fn control_socket(&self) -> PathBuf {
        self.runtime.join("control.sock")
    }

    /// The file whose lock says that a daemon runs.
    pub fn lock_file(&self) -> PathBuf {
        self.runtime.join("lock")
    }

    /// Where the configuration and the catalog lie.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Where everything lies that outlives the daemon.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Where everything lies that ends with the login.
    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// Makes all of them, open to this user alone.
    pub fn make(&self) -> Result<(), DirectoryError> {
        [&self.config, &self.state, &self.runtime].into_iter().try_for_each(|path| make_private(path))
    }
}

/// A variable that names an absolute path; the specification says to ignore any other.
fn absolute(name: &str) -> Option<PathBuf> {
    env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

fn owner(path: &Path) -> Option<u32> {
    fs::symlink_metadata(path).ok().filter(fs::Metadata::is_dir).map(|found| found.uid())
}

/// Makes a directory with those above it, open to this user alone. One that is there already and that others can
/// write to, or that is in such a one, is refused: they may have put something there. Where they could only read it
/// is closed to them.
pub(super) fn make_private(path: &Path) -> Result<(), DirectoryError> {
    let failed = |source| DirectoryError::Io { path: path.to_owned(), source };
    trust::check_directory(path)?;
    make(path).map_err(failed)?;
    let found = fs::symlink_metadata(path).map_err(failed)?;
    if !found.is_dir() {
        return Err(failed(io::ErrorKind::NotADirectory.into()));
    }
    trust::check_own(path, &found)?;
    trust::check_directory(&fs::canonicalize(path).map_err(failed)?)?;
    if found.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

/// Makes what is missing of a directory and those above it, so that it lasts: what is in it is lost with its name.
fn make(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|path| !path.exists()).collect();
    for path in missing.into_iter().rev() {
        match disk().make_directory(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        path.parent().map_or(Ok(()), |above| disk().sync_directory(above))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn what_others_could_read_is_closed_and_what_they_could_write_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("state/brokerd");
        make_private(&path).unwrap();
        assert_eq!([mode(&path), mode(path.parent().unwrap())], [0o700, 0o700]);
        for (open, closed) in [(0o755, 0o700), (0o711, 0o700), (0o700, 0o700)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            make_private(&path).unwrap();
            assert_eq!(mode(&path), closed);
        }
        for directory in [path.as_path(), place.path()] {
            let before = mode(directory);
            fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).unwrap();
            let error = make_private(&path).unwrap_err();
            assert_eq!(error.to_string(), format!("{} can be written by other users", directory.display()));
            assert_eq!(error.hint(), Some(format!("chmod go-w {}", directory.display())));
            assert_eq!(mode(directory), 0o777, "as it was");
            fs::set_permissions(directory, fs::Permissions::from_mode(before)).unwrap();
        }
    }

    #[test]
    fn what_is_no_directory_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(make_private(&file), Err(DirectoryError::Io { .. })));
        assert!(make_private(&file.join("below")).unwrap_err().to_string().contains("Not a directory"));
    }
}
