//! Files that are replaced whole: after a crash there is the old content or the new, never half of one.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why a file could not be replaced; the old one is untouched.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", .path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// Replaces a file: writes beside it, syncs, renames over it, syncs the directory. Mode 0600.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    replace_with_mode(path, content, 0o600)
}

/// Replaces a file, as [`replace`] does, by one of another mode.
pub fn replace_with_mode(path: &Path, content: &[u8], mode: u32) -> Result<(), WriteError> {
    let failed = |source| WriteError { path: path.to_owned(), source };
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    write_beside(&beside, path, content, mode).map_err(|error| {
        // What is left of a failed attempt is worth nothing; if even this fails, the next attempt takes it.
        let _ = fs::remove_file(&beside);
        failed(error)
    })
}

fn write_beside(beside: &Path, path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(beside)?;
    file.write_all(content)?;
    // Whatever the umask says.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()?;
    fs::rename(beside, path)?;
    // The rename itself lasts once the directory is on disk.
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("list.json");
        for content in ["first", "second, longer", "3"] {
            replace(&path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_mode_may_be_given() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("shared.toml");
        for mode in [0o644, 0o600, 0o664] {
            replace_with_mode(&path, b"text", mode).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, mode);
        }
    }

    #[test]
    fn a_failed_attempt_leaves_the_old_file_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("taken");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("content"), "old").unwrap();
        let error = replace(&path, b"new").unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot write {}", path.display())), "{error}");
        assert_eq!(fs::read_to_string(path.join("content")).unwrap(), "old");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
