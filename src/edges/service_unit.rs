//! Units of systemd that other users have.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::user::{homes, uid};

/// No unit is longer.
const LONGEST: u64 = 64 * 1024;

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

#[cfg(test)]
mod tests {
    use std::fs;

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
}
