//! Who has a file open for writing.

use std::fs::Metadata;

/// A process that has a file open for writing, in words: its name and number.
///
/// Only our own user's processes can be looked at, and on macOS none: what is written to is then not waited for by name.
/// This walks over all of their descriptors: keep it off a serving thread.
pub fn of(file: &Metadata) -> Option<String> {
    system::of(file)
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::fs::Metadata;

    pub(super) fn of(_: &Metadata) -> Option<String> {
        None
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs::{self, Metadata};
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use rustix::fs::{AtFlags, CWD, StatxFlags, makedev, statx};

    use crate::edges::user;

    pub(super) fn of(file: &Metadata) -> Option<String> {
        let processes = fs::read_dir("/proc").ok()?.flatten();
        processes
            .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok()))
            .filter(|entry| entry.metadata().is_ok_and(|found| found.uid() == user::uid()))
            .map(|entry| entry.path())
            .find(|process| writes(process, file))
            .map(|process| {
                let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
                let pid = process.file_name().unwrap_or_default().display();
                format!("{} (pid {pid})", name.trim_end())
            })
    }

    fn writes(process: &Path, file: &Metadata) -> bool {
        let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return false };
        descriptors.flatten().any(|descriptor| {
            let leads_to = descriptor.path();
            is(&leads_to, file) && is_for_writing(&process.join("fdinfo").join(descriptor.file_name()))
        })
    }

    /// Whether a descriptor leads to the file. A file server that is away must not hold this up.
    fn is(descriptor: &Path, file: &Metadata) -> bool {
        let found = statx(CWD, descriptor, AtFlags::STATX_DONT_SYNC, StatxFlags::TYPE | StatxFlags::INO);
        found.is_ok_and(|found| {
            found.stx_ino == file.ino() && makedev(found.stx_dev_major, found.stx_dev_minor) == file.dev()
        })
    }

    /// What the descriptor was opened for, as `fdinfo` says it (`man proc_pid_fdinfo`): octal, the access in the last two bits.
    fn is_for_writing(info: &Path) -> bool {
        const ACCESS: u32 = 0o3;
        let text = fs::read_to_string(info).unwrap_or_default();
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
        flags
            .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok())
            .is_some_and(|flags| flags & ACCESS != 0)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn who_writes_is_named_and_who_reads_is_not() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        let writing = fs::File::create(&path).unwrap();
        let found = fs::metadata(&path).unwrap();
        let named = of(&found).unwrap();
        assert!(named.ends_with(&format!("(pid {})", std::process::id())), "{named}");
        drop(writing);
        let _reading = fs::File::open(&path).unwrap();
        assert_eq!(of(&found), None);
    }
}
