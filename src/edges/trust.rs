//! Whether a file says what our user, or root, wrote.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::user;
use crate::core::refusal::{Refusal, shell_word};

/// Checks a file and every directory above it: each must belong to this user or root, and nobody else may
/// write to it. In a directory above the file's own, others may write where the sticky bit keeps them from
/// replacing what is not theirs, as in `/tmp`.
pub fn check(file: &Path) -> Result<(), Refusal> {
    check_one(file, Place::Here)?;
    file.parent().map_or(Ok(()), check_directory)
}

/// Checks a file as [`check`] does, and if it is a link what that leads to. What is not there says nothing.
pub fn check_with_target(file: &Path) -> Result<(), Refusal> {
    let Ok(real) = fs::canonicalize(file) else { return Ok(()) };
    check(file)?;
    if real == file { Ok(()) } else { check(&real) }
}

/// Checks what there is of a directory in which files are to be, and of those above it. It goes from the root down:
/// a directory that is not ours may keep us from looking farther.
pub fn check_directory(directory: &Path) -> Result<(), Refusal> {
    let way: Vec<&Path> = directory.ancestors().collect();
    way.into_iter()
        .rev()
        .take_while(|path| !is_missing(path))
        .try_for_each(|path| check_one(path, if path == directory { Place::Here } else { Place::Above }))
}

fn is_missing(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Checks that what was opened or looked at belongs to this very user, and that nobody else may write to it.
pub fn check_own(path: &Path, found: &Metadata) -> Result<(), Refusal> {
    if found.uid() == user::uid() { check_found(path, found, Place::Here) } else { foreign(path, found) }
}

/// Where something stands to the file that is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is the file, or the directory that has it.
    Here,
    /// It is a directory farther up.
    Above,
}

fn check_one(path: &Path, place: Place) -> Result<(), Refusal> {
    let found = fs::symlink_metadata(path).map_err(|error| Refusal::Untrusted {
        why: format!("cannot look at {}: {error}", path.display()),
        mend: None,
    })?;
    // The link itself has no mode; the file that it leads to is checked by its own path.
    if found.is_symlink() { Ok(()) } else { check_found(path, &found, place) }
}

fn foreign(path: &Path, found: &Metadata) -> Result<(), Refusal> {
    Err(Refusal::Untrusted {
        why: format!(
            "{} belongs to uid {}, so somebody else decides what it says",
            path.display(),
            found.uid()
        ),
        mend: Some(format!("chown {} {}", user::name(), shell_word(path))),
    })
}

fn check_found(path: &Path, found: &Metadata, place: Place) -> Result<(), Refusal> {
    const STICKY: u32 = 0o1000;
    if found.uid() != user::uid() && found.uid() != 0 {
        return foreign(path, found);
    }
    let by_others = found.mode() & 0o002 != 0;
    // This reads the user database, so it is asked last.
    let group_is_us = || found.gid() == 0 || user::is_private_group(found.gid());
    // With an access control list the group bits are a mask over named users and groups.
    let by_group = found.mode() & 0o020 != 0 && (!group_is_us() || has_access_list(path));
    let may_not_replace = place == Place::Above && found.mode() & STICKY != 0;
    if (by_others || by_group) && !may_not_replace {
        return Err(Refusal::Untrusted {
            why: format!("{} can be written by other users", path.display()),
            mend: Some(format!("chmod go-w {}", shell_word(path))),
        });
    }
    Ok(())
}

fn has_access_list(path: &Path) -> bool {
    rustix::fs::lgetxattr(path, "system.posix_acl_access", &mut [0_u8; 0][..]).is_ok_and(|length| length > 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_others_can_write_is_not_trusted() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("project");
        fs::create_dir(&directory).unwrap();
        let file = directory.join("serverless.yml");
        fs::write(&file, "service: x\n").unwrap();
        for (path, mode, trusted) in [
            (&file, 0o644, true),
            (&file, 0o646, false),
            (&file, 0o600, true),
            (&directory, 0o755, true),
            (&directory, 0o757, false),
            (&directory, 0o1777, false),
            (&directory, 0o700, true),
        ] {
            set(path, mode);
            assert_eq!(check(&file).is_ok(), trusted, "{} {mode:o}", path.display());
        }
        set(place.path(), 0o1777);
        assert!(check(&file).is_ok(), "a sticky directory above");
        set(place.path(), 0o777);
        let Err(Refusal::Untrusted { mend, .. }) = check(&file) else { panic!("an open directory above") };
        assert_eq!(mend, Some(format!("chmod go-w {}", place.path().display())));
        set(place.path(), 0o700);
    }

    #[test]
    fn a_directory_of_ours_may_stand_in_a_sticky_one() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("my brokerd");
        fs::create_dir(&directory).unwrap();
        set(place.path(), 0o1777);
        assert!(check_directory(&directory).is_ok());
        set(&directory, 0o1777);
        let Err(Refusal::Untrusted { mend, .. }) = check_directory(&directory) else {
            panic!("a sticky one")
        };
        assert_eq!(mend, Some(format!("chmod go-w '{}'", directory.display())));
    }

    #[test]
    fn a_link_is_as_good_as_what_it_leads_to() {
        let place = tempfile::tempdir().unwrap();
        let (target, link) = (place.path().join("target"), place.path().join("link"));
        fs::write(&target, "").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        set(&target, 0o600);
        assert!(check_with_target(&link).is_ok());
        set(&target, 0o666);
        assert!(check(&link).is_ok() && check_with_target(&link).is_err());
        assert!(check_with_target(&place.path().join("none")).is_ok());
    }

    #[test]
    fn what_is_roots_is_not_our_own() {
        let root = Path::new("/");
        let found = fs::metadata(root).unwrap();
        assert_eq!(check_own(root, &found).is_ok(), user::uid() == 0);
    }
}
