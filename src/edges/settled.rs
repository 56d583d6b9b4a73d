//! Reading files that somebody may be writing.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What tells one content of a file from the next without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<&Metadata> for Stamp {
    fn from(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }
}

impl Stamp {
    /// The stamp of a file now; `None` if it is not there.
    pub fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().as_ref().map(Self::from)
    }
}

/// How long a file must have been left alone: an editor that truncates and writes takes less.
const SETTLED: Duration = Duration::from_millis(20);

/// How often a file is looked at that never rests; it is then read as it is.
const ATTEMPTS: usize = 10;

/// Reads a file once nobody has written to it for a moment, and checks that nobody did meanwhile. A half-written
/// catalog may be a valid one with half of its safeguards. A file that never rests is read as it is.
///
/// More than `limit` bytes are an error of kind `FileTooLarge`; what is no regular file, of kind `InvalidInput`.
pub async fn read(path: &Path, limit: u64) -> io::Result<(Stamp, Vec<u8>)> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match try_read(path, limit, attempt >= ATTEMPTS)? {
            Attempt::Read(stamp, content) => return Ok((stamp, content)),
            Attempt::Later(wait) => tokio::time::sleep(wait).await,
        }
    }
}

/// The same for a thread that may wait.
pub fn read_blocking(path: &Path, limit: u64) -> io::Result<(Stamp, Vec<u8>)> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match try_read(path, limit, attempt >= ATTEMPTS)? {
            Attempt::Read(stamp, content) => return Ok((stamp, content)),
            Attempt::Later(wait) => std::thread::sleep(wait),
        }
    }
}

/// What came of one look at a file.
enum Attempt {
    Read(Stamp, Vec<u8>),
    /// Somebody may be writing; look again after this time.
    Later(Duration),
}

fn try_read(path: &Path, limit: u64, is_last: bool) -> io::Result<Attempt> {
    let mut file = open(path)?;
    let before = file.metadata()?;
    if !before.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let age = before.modified().ok().and_then(|moment| SystemTime::now().duration_since(moment).ok());
    if !is_last
        && let Some(wait) = age.and_then(|age| SETTLED.checked_sub(age)).filter(|wait| !wait.is_zero())
    {
        return Ok(Attempt::Later(wait));
    }
    let mut content = Vec::new();
    file.by_ref().take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {limit} bytes")));
    }
    let stamp = Stamp::from(&file.metadata()?);
    let rested = stamp == Stamp::from(&before) && Stamp::of(path) == Some(stamp);
    Ok(if is_last || rested { Attempt::Read(stamp, content) } else { Attempt::Later(Duration::ZERO) })
}

/// Opens for reading, without waiting for somebody to write into a pipe of that name.
fn open(path: &Path) -> io::Result<File> {
    let no_wait = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    OpenOptions::new().read(true).custom_flags(no_wait).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_read_with_its_stamp() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("catalog.toml");
        fs::write(&path, "one").unwrap();
        let (stamp, content) = read(&path, 3).await.unwrap();
        assert_eq!((Some(stamp), content.as_slice()), (Stamp::of(&path), b"one".as_slice()));
        assert_eq!(read(&path, 2).await.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read(place.path(), 9).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert_eq!(read(&place.path().join("none"), 9).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
