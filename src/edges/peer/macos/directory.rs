//! The directory of a process, checked to be what its path says.

use std::mem::offset_of;
use std::path::{Path, PathBuf};

use libproc::libproc::net_info::VInfoStat;
use libproc::libproc::proc_pid::{PIDInfo, PidInfoFlavor, pidinfo};
use rustix::fs::lstat;

use crate::core::caller::{DirectoryId, Unidentified};
use crate::core::darwin::{self, Directory, place};

/// `struct proc_vnodepathinfo`.
#[repr(C, align(8))]
struct DirectoryBytes([u8; darwin::DIRECTORIES]);

impl PIDInfo for DirectoryBytes {
    fn flavor() -> PidInfoFlavor {
        PidInfoFlavor::VNodePathInfo
    }
}

// The places that the core reads are those of the structures. What follows `struct vinfo_stat` is a kind, a filling and
// the two numbers of a file system, then the path; and all of it twice.
const _: () = {
    assert!(size_of::<DirectoryBytes>() == darwin::DIRECTORIES);
    assert!(offset_of!(VInfoStat, vst_dev) == place::DEVICE);
    assert!(offset_of!(VInfoStat, vst_nlink) == place::LINKS);
    assert!(offset_of!(VInfoStat, vst_ino) == place::INODE);
    assert!(size_of::<VInfoStat>() + 4 * size_of::<i32>() == place::PATH);
    assert!((place::PATH + place::LONGEST_PATH) * 2 == darwin::DIRECTORIES);
};

fn read(pid: u32) -> Result<Directory, String> {
    let number = super::process::number(pid).ok_or("no such process")?;
    darwin::directory(&pidinfo::<DirectoryBytes>(number, 0)?.0).ok_or_else(|| "it is malformed".to_owned())
}

/// The directory by number: this runs for each request.
pub(in crate::edges::peer) fn identity(pid: u32) -> Option<DirectoryId> {
    read(pid).ok().map(|found| found.id)
}

/// The path of a process's directory, and its number. The path must name the same directory.
pub(in crate::edges::peer) fn current(pid: u32) -> Result<(PathBuf, DirectoryId), Unidentified> {
    let found = read(pid).map_err(|why| Unidentified::NoDirectory { pid, why })?;
    if found.is_deleted {
        return Err(Unidentified::NoDirectory { pid, why: "it was deleted".to_owned() });
    }
    if !found.path.is_absolute() || identity_here(&found.path) != Some(found.id) {
        return Err(Unidentified::ForeignDirectory { pid, path: found.path.display().to_string() });
    }
    Ok((found.path, found.id))
}

/// `lstat`: the kernel's path has no symbolic links, so one in it now is not what the process sees.
fn identity_here(path: &Path) -> Option<DirectoryId> {
    let found = lstat(path).ok()?;
    // The kernel hands the same bits out with a sign here.
    Some(DirectoryId { device: found.st_dev.cast_unsigned().into(), inode: found.st_ino })
}

/// Checks that the directory still is where its path says. There are no mount namespaces that could show a process
/// other directories above it than we see.
pub(in crate::edges::peer) fn verify_parents(
    pid: u32,
    path: &Path,
    expected: DirectoryId,
    top: &Path,
) -> Result<(), Unidentified> {
    let (now, id) = current(pid)?;
    if now == path && id == expected && path.starts_with(top) { Ok(()) } else { Err(Unidentified::Changed) }
}
