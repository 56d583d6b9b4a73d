//! Reading files that somebody may be writing.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::writer;

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

/// Whoever changed a file this long ago and has it still open may be halfway through it. For one that was changed
/// earlier nobody looks for writers.
const MAY_BE_HALF: Duration = Duration::from_mins(10);
/// How often a writer is found before the file counts as half-written.
const LOOKS_FOR_WRITERS: usize = 3;

/// The same as [`read_blocking`], off the thread that asks.
pub async fn read(path: &Path, limit: u64) -> io::Result<(Stamp, Vec<u8>)> {
    let path = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || read_blocking(&path, limit));
    reading.await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Reads a file once nobody has written to it for a moment, and checks that nobody did meanwhile, and that no process
/// of this user is about to. A half-written catalog may be a valid one with half of its safeguards. A file that never
/// rests, and that nobody has open for writing, is read as it is. It may wait: keep it off a serving thread.
///
/// More than `limit` bytes are an error of kind `FileTooLarge`; what is no regular file, of kind `InvalidInput`; what
/// somebody writes to, of kind `ResourceBusy`: it may become readable without another change.
pub fn read_blocking(path: &Path, limit: u64) -> io::Result<(Stamp, Vec<u8>)> {
    let (mut attempt, mut looks) = (0, 0);
    loop {
        attempt += 1;
        let (mut file, before) = open(path)?;
        let age = before.modified().ok().and_then(|moment| SystemTime::now().duration_since(moment).ok());
        if attempt < ATTEMPTS
            && let Some(wait) = age.and_then(|age| SETTLED.checked_sub(age)).filter(|wait| !wait.is_zero())
        {
            std::thread::sleep(wait);
            continue;
        }
        let (stamp, content) = whole(&mut file, limit)?;
        if attempt < ATTEMPTS && (stamp != Stamp::from(&before) || Stamp::of(path) != Some(stamp)) {
            continue;
        }
        let may_be_half = age.is_none_or(|age| age < MAY_BE_HALF);
        let Some(writer) = (if may_be_half { writer::of(&before) } else { None }) else {
            return Ok((stamp, content));
        };
        looks += 1;
        if looks == LOOKS_FOR_WRITERS {
            let why = format!("{writer} has it open for writing, so half of it may be missing");
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, why));
        }
        std::thread::sleep(SETTLED);
    }
}

/// Reads a file as it is at this moment, for whoever looks again when it changes. The limit is as in [`read_blocking`].
pub fn read_now(path: &Path, limit: u64) -> io::Result<(Stamp, Vec<u8>)> {
    whole(&mut open(path)?.0, limit)
}

fn whole(file: &mut File, limit: u64) -> io::Result<(Stamp, Vec<u8>)> {
    let mut content = Vec::new();
    file.by_ref().take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {limit} bytes")));
    }
    Ok((Stamp::from(&file.metadata()?), content))
}

/// Opens a regular file for reading, without waiting for somebody to write into a pipe of that name.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let no_wait = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(no_wait).open(path)?;
    let found = file.metadata()?;
    if found.is_file() {
        Ok((file, found))
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
    }
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
        let mut half = OpenOptions::new().append(true).open(&path).unwrap();
        assert_eq!(read(&path, 9).await.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        std::io::Write::write_all(&mut half, b" and two").unwrap();
        drop(half);
        assert_eq!(read(&path, 99).await.unwrap().1, b"one and two");
        assert_eq!(read(&place.path().join("none"), 9).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
