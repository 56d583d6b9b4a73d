//! The units of systemd by which brokerd starts at login, as this user has them.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::user::{homes, uid};
use crate::core::doctor::service::{Units, program};

/// No unit is longer.
const LONGEST: u64 = 64 * 1024;

/// The units below `~/.config`, the directory that has the one of brokerd.
pub fn units(config_home: &Path) -> Units {
    let place = config_home.join("systemd/user");
    let file = place.join("brokerd.service");
    let service = fs::read_to_string(&file).ok().map(|text| (file, text));
    let program = service.as_ref().and_then(|(_, text)| program(text)).map(runnable);
    Units { service, has_socket: place.join("brokerd.socket").is_file(), program }
}

/// The texts of the unit of this name of every other user whose home can be read.
pub fn of_others(name: &str) -> Vec<String> {
    let others = homes().into_iter().filter(|(owner, home)| *owner != uid() && home.is_absolute());
    others
        .filter_map(|(owner, home)| {
            written_by(&home.join(".config/systemd/user").join(name), owner, LONGEST).ok()
        })
        .collect()
}

/// The text of a file that another user may have made to harm whoever reads it: a regular file of his own, no link, and
/// of at most `limit` bytes. Nothing waits for a writer of a pipe.
fn written_by(path: &Path, owner: u32, limit: u64) -> io::Result<String> {
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || found.uid() != owner {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file of its user"));
    }
    let mut text = String::new();
    if file.take(limit + 1).read_to_string(&mut text)? as u64 > limit {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge));
    }
    Ok(text)
}

/// The real path of a program, and whether it can be run.
fn runnable(path: PathBuf) -> (PathBuf, bool) {
    let can_run = |path: &Path| {
        fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    match fs::canonicalize(&path) {
        Ok(real) if can_run(&real) => (real, true),
        _ => (path, false),
    }
}

/// The brokerd beside the program that asks, as a real path.
pub fn beside() -> Option<PathBuf> {
    let own = fs::canonicalize(std::env::current_exe().ok()?).ok()?;
    Some(own.with_file_name("brokerd")).filter(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_user_is_read_only_if_it_is_a_short_regular_one_of_his() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| place.path().join(name);
        fs::write(path("unit"), "ListenStream=1").unwrap();
        assert_eq!(written_by(&path("unit"), uid(), 14).unwrap(), "ListenStream=1");
        assert_eq!(written_by(&path("unit"), uid(), 13).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(written_by(&path("unit"), uid() + 1, 14).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        std::os::unix::fs::symlink(path("unit"), path("link")).unwrap();
        assert!(written_by(&path("link"), uid(), 14).is_err());
        let made = std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap();
        assert!(made.success());
        assert_eq!(written_by(&path("pipe"), uid(), 14).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_unit_is_read_with_what_it_starts() {
        let place = tempfile::tempdir().unwrap();
        let found = units(place.path());
        assert!(found.service.is_none() && !found.has_socket);
        let directory = place.path().join("systemd/user");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("brokerd.socket"), "").unwrap();
        fs::write(directory.join("brokerd.service"), "[Service]\nExecStart=/bin/sh -c x\n").unwrap();
        let found = units(place.path());
        assert_eq!(found.program, Some((fs::canonicalize("/bin/sh").unwrap(), true)));
        assert!(found.has_socket);
        fs::write(directory.join("brokerd.service"), "[Service]\nExecStart=/nonexistent\n").unwrap();
        assert_eq!(units(place.path()).program, Some(("/nonexistent".into(), false)));
    }
}
