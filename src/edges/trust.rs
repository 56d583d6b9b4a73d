//! Whether a file says what our user, or root, wrote.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::user;
use crate::core::refusal::Refusal;

/// Checks a file and every directory above it: each must belong to this user or root, and nobody else may
/// write to it. In a directory above the file's own, others may write where the sticky bit keeps them from
/// replacing what is not theirs, as in `/tmp`.
pub fn check(file: &Path) -> Result<(), Refusal> {
    let directory = file.parent();
    for path in file.ancestors() {
        let found = fs::symlink_metadata(path).map_err(|error| Refusal::Untrusted {
            why: format!("cannot look at {}: {error}", path.display()),
            mend: None,
        })?;
        // The link itself has no mode; the file that it leads to is checked by its own path.
        if found.is_symlink() {
            continue;
        }
        let is_above = path != file && Some(path) != directory;
        check_one(path, &found, is_above)?;
    }
    Ok(())
}

fn check_one(path: &Path, found: &Metadata, is_above: bool) -> Result<(), Refusal> {
    const STICKY: u32 = 0o1000;
    let untrusted = |why: String, mend: String| Err(Refusal::Untrusted { why, mend: Some(mend) });
    let shown = path.display();
    if found.uid() != user::uid() && found.uid() != 0 {
        return untrusted(
            format!("{shown} belongs to uid {}, so somebody else decides what it says", found.uid()),
            format!("chown {} {shown}", user::name()),
        );
    }
    let by_others = found.mode() & 0o002 != 0;
    let group_is_us = found.gid() == 0 || user::is_private_group(found.gid());
    // With an access control list the group bits are a mask over named users and groups.
    let by_group = found.mode() & 0o020 != 0 && (!group_is_us || has_access_list(path));
    let may_not_replace = is_above && found.mode() & STICKY != 0;
    if (by_others || by_group) && !may_not_replace {
        return untrusted(format!("{shown} can be written by other users"), format!("chmod go-w {shown}"));
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
}
