//! Files that are replaced whole: after a crash there is the old content or the new, never half of one.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::disk::{Disk, disk};
use super::random;

/// The mode of a file that is this user's alone.
pub(super) const PRIVATE: u32 = 0o600;
/// How the name of what is written beside a file ends, until it takes its place.
const BESIDE: &str = ".new";

/// Why a file could not be replaced.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The old one is untouched.
    #[error("cannot write {}: {source}", .path.display())]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The new one is in place, and a power cut may bring the old one back.
    #[error("{} was written, but may not outlast a power cut: {source}", .path.display())]
    Unsettled {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

impl WriteError {
    /// What to do next, where something is known.
    pub fn hint(&self) -> Option<String> {
        let (Self::Unwritten { path, source } | Self::Unsettled { path, source }) = self;
        let directory = path.parent().unwrap_or(path);
        is_full(source)
            .then(|| format!("make room on the disk of {}, and type the command again", directory.display()))
    }
}

/// Whether an error says that there is no room, on the disk or for this user.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Replaces a file by one of mode 0600, or makes it. The error says which of the two contents is there.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    Turn::take(path)?.replace(content, PRIVATE)
}

/// The turn to replace a file. Nobody else who takes turns writes in its directory meanwhile, so that of two edits
/// at a time the later one can see the earlier. An editor takes none, and a lock of a directory does not reach
/// another machine that has it by NFS: they can still be faster, but never leave half a file.
#[derive(Debug)]
pub struct Turn {
    path: PathBuf,
    directory: PathBuf,
    _lock: File,
}

impl Turn {
    /// Waits for the turn to replace the file at `path`, whose directory must be there: 5 seconds at most, which is
    /// more than any turn takes.
    pub fn take(path: &Path) -> Result<Self, WriteError> {
        const PAUSE: Duration = Duration::from_millis(5);
        const PAUSES: u32 = 1000;
        let failed = |source| WriteError::Unwritten { path: path.to_owned(), source };
        let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
        let lock = File::open(&directory).map_err(failed)?;
        let mut left = PAUSES;
        while let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if error != Errno::WOULDBLOCK {
                return Err(failed(error.into()));
            }
            left = left.checked_sub(1).ok_or_else(|| {
                let why = format!("another program holds the lock of {}", directory.display());
                failed(io::Error::new(io::ErrorKind::ResourceBusy, why))
            })?;
            std::thread::sleep(PAUSE);
        }
        Ok(Self { path: path.to_owned(), directory, _lock: lock })
    }

    /// Replaces the file: writes beside it, syncs, renames over it, syncs the directory.
    pub fn replace(self, content: &[u8], mode: u32) -> Result<(), WriteError> {
        let Self { path, directory, .. } = &self;
        self.sweep();
        let beside = self.beside();
        if let Err(source) = write(&beside, content, mode).and_then(|()| disk().rename(&beside, path)) {
            // If even this fails, the next turn sweeps it away.
            let _ = disk().remove(&beside);
            return Err(WriteError::Unwritten { path: path.clone(), source });
        }
        // The rename itself lasts once the directory is on disk.
        disk()
            .sync_directory(directory)
            .map_err(|source| WriteError::Unsettled { path: path.clone(), source })
    }

    /// A new name beside the file, which nobody else chooses: not even another machine.
    fn beside(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{:016x}{BESIDE}", u64::from_ne_bytes(random::bytes())));
        name.into()
    }

    /// Removes what attempts that a crash ended have left beside the file. While it is our turn nobody else's
    /// attempt is under way, so whatever has such a name is worth nothing. What cannot be removed harms nobody.
    fn sweep(&self) {
        let Some(name) = self.path.file_name() else { return };
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| is_beside(entry.file_name().as_bytes(), name.as_bytes())) {
            let _ = disk().remove(&entry.path());
        }
    }
}

/// Whether `name` is one that is written beside `file`: `catalog.toml.0123456789abcdef.new`.
fn is_beside(name: &[u8], file: &[u8]) -> bool {
    name.strip_prefix(file)
        .and_then(|rest| rest.strip_prefix(b"."))
        .and_then(|rest| rest.strip_suffix(BESIDE.as_bytes()))
        .is_some_and(|mark| mark.len() == 16 && mark.iter().all(u8::is_ascii_hexdigit))
}

fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = disk().create(path)?;
    disk().write(&mut file, content)?;
    // Whatever the umask says.
    disk().set_mode(&file, mode)?;
    disk().sync(&file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::super::disk::crash;
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
            Turn::take(&path).unwrap().replace(b"text", mode).unwrap();
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

    #[test]
    fn what_an_ended_attempt_left_is_swept_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("catalog.toml");
        let keep = ["catalog.toml.new", "catalog.toml.2.new", "catalog.toml.0123456789abcdeg.new", "other"];
        for name in keep.iter().copied().chain(["catalog.toml.0123456789abcdef.new"]) {
            fs::write(directory.path().join(name), "").unwrap();
        }
        replace(&path, b"text").unwrap();
        let left = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut left: Vec<String> = left.map(|name| name.into_string().unwrap()).collect();
        left.sort();
        let mut expected = [&keep[..], &["catalog.toml"]].concat();
        expected.sort_unstable();
        assert_eq!(left, expected);
    }

    #[test]
    fn of_two_at_a_time_one_waits() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("count");
        replace(&path, b"0").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        let turn = Turn::take(&path).unwrap();
                        let count: u32 = fs::read_to_string(&path).unwrap().parse().unwrap();
                        turn.replace((count + 1).to_string().as_bytes(), PRIVATE).unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_to_string(&path).unwrap(), "100");
    }

    #[test]
    fn only_a_full_disk_has_a_hint() {
        for (error, hint) in [
            (io::ErrorKind::StorageFull, Some("make room on the disk of /state, and type the command again")),
            (io::ErrorKind::PermissionDenied, None),
        ] {
            let error = WriteError::Unwritten { path: "/state/list.json".into(), source: error.into() };
            assert_eq!(error.hint().as_deref(), hint);
        }
    }

    #[test]
    fn a_crash_or_an_error_leaves_the_old_content_or_the_new() {
        let old = "old\n".repeat(20);
        let write = |path: &Path, content: &[u8]| replace(path, content).map_err(|error| error.to_string());
        crash::replaced_whole("list.json", [old.as_bytes(), b"the new content\n"], write).unwrap();
    }

    /// The same in another order, or with something left out.
    fn careless(write: fn(&Path, &Path, &[u8]) -> io::Result<()>) -> String {
        let write = |path: &Path, content: &[u8]| {
            write(&path.with_extension("beside"), path, content).map_err(|error| error.to_string())
        };
        crash::replaced_whole("list.json", [&b"the old content"[..], b"the new content"], write).unwrap_err()
    }

    fn made_anew(path: &Path) -> io::Result<File> {
        let _ = disk().remove(path);
        disk().create(path)
    }

    #[test]
    fn the_model_of_a_disk_catches_what_is_careless() {
        let in_place = careless(|_, path, content| disk().write(&mut made_anew(path)?, content));
        assert!(in_place.contains("has neither content"), "{in_place}");
        let unsynced = careless(|beside, path, content| {
            disk().write(&mut made_anew(beside)?, content)?;
            disk().rename(beside, path)?;
            disk().sync_directory(path.parent().unwrap())
        });
        assert!(unsynced.contains("has neither content"), "{unsynced}");
        let synced_too_early = careless(|beside, path, content| {
            let mut file = made_anew(beside)?;
            disk().sync(&file)?;
            disk().write(&mut file, content)?;
            disk().rename(beside, path)?;
            disk().sync_directory(path.parent().unwrap())
        });
        assert!(synced_too_early.contains("has neither content"), "{synced_too_early}");
        let directory_unsynced = careless(|beside, path, content| {
            let mut file = made_anew(beside)?;
            disk().write(&mut file, content)?;
            disk().sync(&file)?;
            disk().rename(beside, path)
        });
        assert!(directory_unsynced.contains("was said to be written"), "{directory_unsynced}");
        let left_in_its_own_way = careless(|beside, path, content| {
            let mut file = disk().create(beside)?;
            disk().write(&mut file, content)?;
            disk().sync(&file)?;
            disk().rename(beside, path)?;
            disk().sync_directory(path.parent().unwrap())
        });
        assert!(left_in_its_own_way.contains("cannot go on"), "{left_in_its_own_way}");
        let error_untold = careless(|beside, path, content| {
            let mut file = made_anew(beside)?;
            disk().write(&mut file, content)?;
            disk().sync(&file)?;
            disk().rename(beside, path)?;
            let _ = disk().sync_directory(path.parent().unwrap());
            Ok(())
        });
        assert!(error_untold.contains("is not told"), "{error_untold}");
    }
}
