//! Files that hold the value of one secret.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::user;
use crate::core::refusal::shell_word;
use crate::core::secret::{Content, ContentError, LONGEST};

/// Why a file gives no value. The texts show nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be opened or read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// It is a directory, a device or a pipe.
    #[error("{} is no regular file", .path.display())]
    NoFile {
        /// What it is not.
        path: PathBuf,
    },
    /// It belongs to somebody else.
    #[error("{} belongs to uid {uid}", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Others may look into it.
    #[error("{} can be read by others: its mode is {mode:04o}, and must be 0600", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// What is in it is no value.
    #[error("{}: {why}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: ContentError,
    },
}

impl SecretFileError {
    /// The command that mends it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Open { path, .. } => Some(format!("chmod 600 {}", shell_word(path))),
            Self::Foreign { path, .. } => Some(format!("chown {} {}", user::name(), shell_word(path))),
            Self::Unreadable { .. } | Self::NoFile { .. } | Self::Content { .. } => None,
        }
    }
}

/// Where a path of the catalog leads: `~/` is the home, and any other relative path begins at the catalog's directory.
pub fn place(written: &Path, home: &Path, catalog: &Path) -> PathBuf {
    match written.strip_prefix("~") {
        Ok(below) => home.join(below),
        Err(_) => catalog.join(written),
    }
}

/// Reads a file that belongs to this user and is open to nobody else. What counts is what was opened, not what its path
/// led to before.
pub fn read(path: &Path) -> Result<Content, SecretFileError> {
    let path_of = || path.to_owned();
    let failed = |source| SecretFileError::Unreadable { path: path.to_owned(), source };
    // A pipe without a writer would else wait for one.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(SecretFileError::NoFile { path: path_of() });
    }
    if found.uid() != user::uid() {
        return Err(SecretFileError::Foreign { path: path_of(), uid: found.uid() });
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(SecretFileError::Open { path: path_of(), mode });
    }
    // Room for all of it and a line end: a buffer that grows would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 64));
    file.take(LONGEST as u64 + 3).read_to_end(&mut bytes).map_err(failed)?;
    Content::of_text(bytes).map_err(|why| SecretFileError::Content { path: path_of(), why })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_a_private_file_is_read() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("key");
        fs::write(&path, "marked\n").unwrap();
        for (mode, is_read) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o644, false)]
        {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match read(&path) {
                Ok(content) => assert!(is_read && content.reveal() == b"marked", "{mode:o}"),
                Err(error) => {
                    assert!(!is_read, "{mode:o}");
                    assert_eq!(error.hint().unwrap(), format!("chmod 600 {}", path.display()));
                    assert!(!error.to_string().contains("marked"));
                }
            }
        }
    }

    #[test]
    fn what_is_no_value_is_named() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let said =
            |name: &str| read(&at(name)).unwrap_err().to_string().replace(place.path().to_str().unwrap(), "");
        let write = |name: &str, bytes: &[u8]| {
            fs::write(at(name), bytes).unwrap();
            fs::set_permissions(at(name), fs::Permissions::from_mode(0o600)).unwrap();
        };
        write("empty", b"\n");
        write("long", &vec![b'a'; LONGEST + 1]);
        write("most", &[vec![b'a'; LONGEST], vec![b'\n']].concat());
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert_eq!(said("empty"), "/empty: the value is empty");
        assert_eq!(said("long"), "/long: the value is longer than 65536 bytes");
        assert_eq!(read(&at("most")).unwrap().reveal().len(), LONGEST);
        assert_eq!(said("pipe"), "/pipe is no regular file");
        assert_eq!(said(""), "/ is no regular file");
        assert_eq!(said("none"), "cannot read /none: No such file or directory (os error 2)");
    }

    #[test]
    fn a_path_begins_at_home_or_at_the_catalog() {
        let found =
            |written: &str| super::place(Path::new(written), Path::new("/home/a"), Path::new("/etc/b"));
        assert_eq!(found("~/k"), Path::new("/home/a/k"));
        assert_eq!(found("k/l"), Path::new("/etc/b/k/l"));
        assert_eq!(found("/k"), Path::new("/k"));
        assert_eq!(found("~other/k"), Path::new("/etc/b/~other/k"));
    }
}
