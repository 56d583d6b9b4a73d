//! The units of systemd by which brokerd starts at login, as this user has them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::core::doctor::service::{Units, program};

/// The units below `~/.config`, the directory that has the one of brokerd.
pub fn units(config_home: &Path) -> Units {
    let place = config_home.join("systemd/user");
    let file = place.join("brokerd.service");
    let service = fs::read_to_string(&file).ok().map(|text| (file, text));
    let program = service.as_ref().and_then(|(_, text)| program(text)).map(runnable);
    Units { service, has_socket: place.join("brokerd.socket").is_file(), program }
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
