//! The directory of a process, checked to be what its path says.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, fstat, lstat, makedev, openat, stat, statx};
use rustix::io::Errno;

use crate::core::caller::{DirectoryId, Unidentified};

fn link(pid: u32) -> String {
    format!("/proc/{pid}/cwd")
}

fn id(found: &rustix::fs::Stat) -> DirectoryId {
    DirectoryId { device: found.st_dev, inode: found.st_ino }
}

/// The directory by number, without asking a file server: this runs for each request.
pub(in crate::edges::peer) fn identity(pid: u32) -> Option<DirectoryId> {
    let found = statx(CWD, link(pid), AtFlags::STATX_DONT_SYNC, StatxFlags::INO).ok()?;
    Some(DirectoryId { device: makedev(found.stx_dev_major, found.stx_dev_minor), inode: found.stx_ino })
}

/// The path of a process's directory, and its number. In our view the path must name the same directory.
pub(in crate::edges::peer) fn current(pid: u32) -> Result<(PathBuf, DirectoryId), Unidentified> {
    let unreadable = |error: std::io::Error| Unidentified::NoDirectory { pid, why: error.to_string() };
    let path = fs::read_link(link(pid)).map_err(unreadable)?;
    let theirs = stat(link(pid)).map_err(|error| unreadable(error.into()))?;
    if theirs.st_nlink == 0 {
        return Err(Unidentified::NoDirectory { pid, why: "it was deleted".to_owned() });
    }
    // `lstat`: the kernel's path has no symbolic links, so one in it now is not what the process sees.
    match lstat(&path) {
        Ok(ours) if path.is_absolute() && id(&ours) == id(&theirs) => Ok((path, id(&theirs))),
        _ => Err(foreign(pid, &path)),
    }
}

/// Walks up from a process's directory in its own mount namespace and compares each step with ours.
pub(in crate::edges::peer) fn verify_parents(
    pid: u32,
    path: &Path,
    expected: DirectoryId,
    top: &Path,
) -> Result<(), Unidentified> {
    let changed = |_: Errno| Unidentified::Changed;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut theirs = openat(CWD, link(pid), flags, Mode::empty()).map_err(changed)?;
    if id(&fstat(&theirs).map_err(changed)?) != expected {
        return Err(Unidentified::Changed);
    }
    for step in path.ancestors() {
        let ours = lstat(step).map_err(|_| foreign(pid, path))?;
        if id(&ours) != id(&fstat(&theirs).map_err(changed)?) {
            return Err(foreign(pid, path));
        }
        if step == top {
            return Ok(());
        }
        theirs = openat(&theirs, "..", flags, Mode::empty()).map_err(changed)?;
    }
    // `top` is no parent of the directory: whoever asks mistook something.
    Err(Unidentified::Changed)
}

fn foreign(pid: u32, path: &Path) -> Unidentified {
    Unidentified::ForeignDirectory { pid, path: path.display().to_string() }
}
