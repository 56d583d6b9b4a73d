//! The calls by which files are written. What is left of a file after a crash depends on them and on their order,
//! so they are all here, and unit tests put a recorder in their place that can let each of them fail and knows
//! what a power cut leaves (`crash`).

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;

#[cfg(test)]
pub(super) mod crash;

/// Writes files. What the umask would take away is given with [`Disk::set_mode`].
pub(super) trait Disk {
    /// Makes a directory, mode 0700.
    fn make_directory(&self, path: &Path) -> io::Result<()>;
    /// Makes a file that must not be there yet, mode 0600, for writing.
    fn create(&self, path: &Path) -> io::Result<File>;
    /// Opens a file for reading and for writing at its end; makes it, mode 0600, if it is not there.
    fn append_to(&self, path: &Path) -> io::Result<File>;
    /// Writes all bytes. On an error some of them may have been written.
    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()>;
    /// Cuts a file to a length.
    fn truncate(&self, file: &File, length: u64) -> io::Result<()>;
    /// Sets the mode.
    fn set_mode(&self, file: &File, mode: u32) -> io::Result<()>;
    /// Waits until the content, length and mode of a file are on disk. Its name need not be.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// Gives a file a name that another one may have; that one loses it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Waits until the names in a directory are on disk.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

/// The disk of this machine; in a test that records, the recorder.
#[cfg(not(test))]
pub(super) fn disk() -> impl Disk {
    System
}

#[cfg(test)]
pub(super) fn disk() -> impl Disk {
    crash::Recorded
}

/// The calls of the operating system.
struct System;

impl Disk for System {
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }

    fn append_to(&self, path: &Path) -> io::Result<File> {
        // Without waiting for somebody at the other end, should a pipe have that name.
        let no_wait = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).custom_flags(no_wait).open(path)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn set_mode(&self, file: &File, mode: u32) -> io::Result<()> {
        file.set_permissions(Permissions::from_mode(mode))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}
