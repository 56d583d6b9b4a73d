//! A file of lines that only grows: after a crash, or where the disk is full, it has whole lines and no half one.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::atomic_file::PRIVATE;
use super::disk::{Disk, disk};
use super::trust;
use crate::core::config::AuditKeeping;
use crate::core::refusal::Refusal;

/// More than is ever appended at once: what a crash has torn is within so many bytes of the end.
const MOST: usize = 256 * 1024;

/// Why lines cannot be appended; none of them is there.
#[derive(Debug, thiserror::Error)]
pub enum LineFileError {
    /// The file cannot be opened or written.
    #[error("cannot write {}: {source}", .path.display())]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// It belongs to somebody else, or others may have written it.
    #[error(transparent)]
    Untrusted(#[from] Refusal),
    /// It is no file of lines.
    #[error("{} is no file of lines", .path.display())]
    NoLines {
        /// The file.
        path: PathBuf,
    },
}

/// A file of lines. It stays open from one append to the next; one that was moved away meanwhile is begun again.
#[derive(Debug)]
pub(super) struct LineFile {
    path: PathBuf,
    keeping: Option<AuditKeeping>,
    /// The file as it was left.
    open: Option<File>,
    /// What is known to have whole lines.
    whole: Option<Extent>,
}

/// A file up to a length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    device: u64,
    inode: u64,
    length: u64,
}

impl Extent {
    fn of(found: &Metadata) -> Self {
        Self { device: found.dev(), inode: found.ino(), length: found.len() }
    }
}

impl LineFile {
    /// The file at `path`, which need not be there. Nothing is done yet.
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, keeping: None, open: None, whole: None }
    }

    /// The same, which is moved away before it is too long: to its name with `.1` after it, what was there to `.2`,
    /// and so on.
    pub(super) fn rotated(self, keeping: AuditKeeping) -> Self {
        Self { keeping: Some(keeping), ..self }
    }

    /// Makes the file if it is not there, and cuts off what a crash has torn: how many lines that were.
    pub(super) fn mend(&mut self) -> Result<usize, LineFileError> {
        let (file, _, torn) = self.locked()?;
        self.let_go(file);
        Ok(torn)
    }

    /// Appends lines, each with its newline, and waits until they are on disk: all or none. Gives how many torn
    /// ones were cut off before them.
    pub(super) fn append(&mut self, lines: &[u8]) -> Result<usize, LineFileError> {
        let (mut file, mut before, mut torn) = self.locked()?;
        if let Some(keeping) = self.keeping
            && before.length > 0
            && before.length + lines.len() as u64 > keeping.size
        {
            match self.rotate(keeping.keep) {
                Ok(()) => {
                    // Closed only now: until the new one is ours, nobody may take the old one for it.
                    let old = file;
                    let more;
                    (file, before, more) = self.locked()?;
                    torn += more;
                    drop(old);
                }
                // It goes on in the file that it has, however long.
                Err(error) => {
                    tracing::warn!(%error, path = %self.path.display(), "the file cannot be moved away");
                }
            }
        }
        let written = disk().write(&mut file, lines).and_then(|()| disk().sync(&file));
        if let Err(source) = written {
            // If even this fails, the half line is cut off the next time.
            let _ = disk().truncate(&file, before.length).and_then(|()| disk().sync(&file));
            return Err(self.unwritten(source));
        }
        self.whole = Some(Extent { length: before.length + lines.len() as u64, ..before });
        self.let_go(file);
        Ok(torn)
    }

    fn unwritten(&self, source: io::Error) -> LineFileError {
        LineFileError::Unwritten { path: self.path.clone(), source }
    }

    /// Keeps the file open, and lets others write.
    fn let_go(&mut self, file: File) {
        if flock(&file, FlockOperation::Unlock).is_ok() {
            self.open = Some(file);
        }
    }

    /// Moves the file away, and those that were moved away before one further; the oldest is lost. Each step leaves
    /// every line in one file or another.
    fn rotate(&self, keep: u32) -> io::Result<()> {
        let numbered = |number: u32| numbered(&self.path, number);
        // Each must be on disk before the next, or a power cut could keep the later one alone, which overwrites.
        let move_away = |from: &Path, to: &Path| {
            disk().rename(from, to)?;
            self.path.parent().map_or(Ok(()), |directory| disk().sync_directory(directory))
        };
        for number in (1..keep).rev() {
            match move_away(&numbered(number), &numbered(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        move_away(&self.path, &numbered(1))
    }

    /// The file, which is then ours alone until it is closed or let go, with whole lines in it.
    fn locked(&mut self) -> Result<(File, Extent, usize), LineFileError> {
        /// Others may move it away between our opening it and its being ours, but not for ever.
        const TRIES: usize = 10;
        if let Some(file) = self.open.take()
            && flock(&file, FlockOperation::LockExclusive).is_ok()
            && self.is_as_left(&file)
            && let Some(whole) = self.whole
        {
            return Ok((file, whole, 0));
        }
        for _ in 1..TRIES {
            let opened = self.opened()?;
            if self.is_here(&opened.0) {
                return Ok(opened);
            }
        }
        self.opened()
    }

    /// Whether nobody changed an open file since we did, nor put another in its place.
    fn is_as_left(&self, file: &File) -> bool {
        let Ok(found) = file.metadata() else { return false };
        self.whole == Some(Extent::of(&found)) && found.mode() & 0o777 == PRIVATE && self.is_here(file)
    }

    /// Whether an open file is the one that has this path.
    fn is_here(&self, file: &File) -> bool {
        let (Ok(open), Ok(here)) = (file.metadata(), std::fs::metadata(&self.path)) else { return false };
        (open.dev(), open.ino()) == (here.dev(), here.ino())
    }

    fn opened(&self) -> Result<(File, Extent, usize), LineFileError> {
        let file = match disk().append_to(&self.path) {
            // Where it belongs to somebody else, that is what the person must know.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                trust::check_with_target(&self.path)?;
                Err(error)
            }
            opened => opened,
        }
        .map_err(|source| self.unwritten(source))?;
        // Looked at once it is open: whatever a link led to, nobody can put another one in its place any more.
        let found = file.metadata().map_err(|source| self.unwritten(source))?;
        trust::check_own(&self.path, &found)?;
        if !found.is_file() {
            return Err(LineFileError::NoLines { path: self.path.clone() });
        }
        self.prepare(&file)
            .map_err(|source| match source.kind() {
                io::ErrorKind::InvalidData => LineFileError::NoLines { path: self.path.clone() },
                _ => self.unwritten(source),
            })
            .map(|(extent, torn)| (file, extent, torn))
    }

    fn prepare(&self, file: &File) -> io::Result<(Extent, usize)> {
        // Another daemon of this user may write here too.
        flock(file, FlockOperation::LockExclusive)?;
        let found = file.metadata()?;
        let extent = Extent::of(&found);
        if found.mode() & 0o077 != 0 {
            disk().set_mode(file, PRIVATE)?;
        }
        if self.whole == Some(extent) {
            return Ok((extent, 0));
        }
        let (length, torn) = whole_lines(file, extent.length)?;
        if length < extent.length {
            disk().truncate(file, length)?;
            disk().sync(file)?;
        }
        // Its name may be new.
        self.path.parent().map_or(Ok(()), |directory| disk().sync_directory(directory))?;
        Ok((Extent { length, ..extent }, torn))
    }
}

/// The name of a file that was moved away so many times.
pub(super) fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// How far a file of this length has whole lines, and how many torn ones follow. A power cut may leave a hole of
/// zeros where lines were to be, and lines after it that were written with them.
fn whole_lines(file: &File, length: u64) -> io::Result<(u64, usize)> {
    let start = length.saturating_sub(MOST as u64);
    let mut tail = vec![0; usize::try_from(length - start).map_err(io::Error::other)?];
    file.read_exact_at(&mut tail, start)?;
    let sound = tail.iter().position(|byte| *byte == 0).unwrap_or(tail.len());
    let end = match tail[..sound].iter().rposition(|byte| *byte == b'\n') {
        Some(newline) => newline + 1,
        None if start == 0 => 0,
        // So much without a line is not ours to throw away.
        None => return Err(io::ErrorKind::InvalidData.into()),
    };
    let torn = tail[end..].split_inclusive(|byte| *byte == b'\n').count();
    Ok((start + end as u64, torn))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::disk::crash::{self, Fault};
    use super::*;

    const NAME: &str = "audit.jsonl";
    const BATCHES: [&str; 3] =
        ["{\"first\":1}\n", "{\"second\":2}\n{\"and\":\"a third\"}\n", "{\"last\":4}\n"];

    fn content(place: &tempfile::TempDir) -> String {
        fs::read_to_string(place.path().join(NAME)).unwrap()
    }

    fn with(text: impl AsRef<[u8]>) -> (tempfile::TempDir, LineFile) {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join(NAME), text).unwrap();
        let file = LineFile::at(place.path().join(NAME));
        (place, file)
    }

    /// Whether a text is some of the lines that were to be written, in their order, from the first on.
    fn is_beginning(text: &str, lines: &[&str]) -> bool {
        text.is_empty() || (text.ends_with('\n') && lines.concat().starts_with(text))
    }

    #[test]
    fn a_crash_leaves_whole_lines_from_the_first_on() {
        for before in ["", "{\"earlier\":0}\n"] {
            let (place, mut file) = with(before);
            if before.is_empty() {
                fs::remove_file(&file.path).unwrap();
            }
            // How many calls had been made when each batch was said to be written.
            let (said, record) = crash::record(place.path(), None, || {
                BATCHES.map(|batch| {
                    file.append(batch.as_bytes()).unwrap();
                    crash::calls()
                })
            });
            let all = [&[before], &BATCHES[..]].concat();
            for call in 0..=record.len() {
                let safe = 1 + said.iter().filter(|said| **said <= call).count();
                for tree in record.aftermaths(call) {
                    let place = crash::made(&tree);
                    let mut file = LineFile::at(place.path().join(NAME));
                    file.mend().unwrap();
                    let left = content(&place);
                    assert!(is_beginning(&left, &all), "after {call} calls: {tree:?} became {left:?}");
                    assert!(left.starts_with(&all[..safe].concat()), "after {call} calls: lost of {tree:?}");
                    file.append(b"next\n").unwrap();
                    assert_eq!(content(&place), format!("{left}next\n"));
                }
            }
        }
    }

    #[test]
    fn an_error_leaves_whole_lines_and_is_survived() {
        let run = |fault| {
            let (place, mut file) = with("{\"earlier\":0}\n{\"torn");
            let (results, record) = crash::record(place.path(), fault, || {
                BATCHES.map(|batch| file.append(batch.as_bytes()).map(|_| batch))
            });
            (place, file, results, record.len())
        };
        let (.., calls) = run(None);
        for fault in Fault::each_of(calls) {
            let (place, mut file, results, _) = run(Some(fault));
            assert!(results.iter().any(Result::is_err), "{fault:?} is not told");
            let written: String = results.iter().flatten().copied().collect();
            file.append(b"next\n").unwrap();
            let expected = format!("{{\"earlier\":0}}\n{written}next\n");
            match fault {
                Fault::Once(..) => assert_eq!(content(&place), expected, "{fault:?}"),
                // A disk that broke for good could not even be told to forget lines that had reached it.
                Fault::FromThenOn(..) => {
                    let found = content(&place);
                    let lines = BATCHES.concat() + "{\"earlier\":0}\nnext\n";
                    assert!(
                        found.split_inclusive('\n').all(|line| lines.contains(line)),
                        "{fault:?}: {found}"
                    );
                    assert!(found.contains(&written) && found.ends_with("\nnext\n"), "{fault:?}: {found}");
                }
            }
        }
    }

    #[test]
    fn only_what_is_torn_is_cut_off() {
        for (text, whole, torn) in [
            ("", "", 0),
            ("one\n", "one\n", 0),
            ("one\ntwo", "one\n", 1),
            ("one", "", 1),
            ("one\n\0\0\0", "one\n", 1),
            ("one\n\0\0\0ee\nfour\n", "one\n", 2),
            ("one\nt\0o\nthr", "one\n", 2),
        ] {
            let (place, mut file) = with(text);
            assert_eq!(file.mend().unwrap(), torn, "{text:?}");
            assert_eq!(content(&place), whole, "{text:?}");
            assert_eq!(file.mend().unwrap(), 0);
        }
    }

    #[test]
    fn what_is_no_file_of_lines_is_left_alone() {
        let other = vec![b'x'; MOST + 1];
        let (place, mut file) = with(&other);
        assert!(matches!(file.append(b"line\n"), Err(LineFileError::NoLines { .. })));
        assert_eq!(content(&place).len(), other.len());
        let mut directory = LineFile::at(place.path().to_owned());
        assert!(matches!(directory.mend(), Err(LineFileError::Unwritten { .. })));
        let pipe = place.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, PRIVATE.into(), 0).unwrap();
        assert!(LineFile::at(pipe).mend().is_err(), "and nobody waits for its other end");
    }

    #[test]
    fn what_others_could_have_written_is_refused_and_what_they_could_read_is_closed() {
        let (place, mut file) = with("line\n");
        let path = file.path.clone();
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        file.append(b"line\n").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, PRIVATE);
        mode(0o666);
        let Err(LineFileError::Untrusted(refusal)) = file.append(b"line\n") else {
            panic!("others can write")
        };
        assert_eq!(refusal.hint(), Some(format!("chmod go-w {}", path.display())));
        assert_eq!(content(&place), "line\nline\n");
    }

    #[test]
    fn a_link_is_followed_to_our_own_file_only() {
        let place = tempfile::tempdir().unwrap();
        let (ours, theirs) = (place.path().join("ours"), Path::new("/etc/passwd"));
        let link = place.path().join(NAME);
        symlink(&ours, &link).unwrap();
        LineFile::at(link.clone()).append(b"line\n").unwrap();
        assert_eq!(fs::read_to_string(ours).unwrap(), "line\n");
        // Root owns that one, and may write what is another user's.
        if rustix::process::geteuid().is_root() {
            let foreign = place.path().join("foreign");
            fs::write(&foreign, "").unwrap();
            std::os::unix::fs::chown(&foreign, Some(61_111), None).unwrap();
            fs::remove_file(&link).unwrap();
            symlink(&foreign, &link).unwrap();
            let Err(LineFileError::Untrusted(refusal)) = LineFile::at(link).mend() else { panic!("foreign") };
            assert!(refusal.to_string().contains("belongs to uid 61111"), "{refusal}");
        } else {
            fs::remove_file(&link).unwrap();
            symlink(theirs, &link).unwrap();
            assert!(LineFile::at(link).mend().is_err());
        }
    }

    #[test]
    fn one_that_was_moved_away_is_begun_anew() {
        let (place, mut file) = with("");
        file.append(b"one\n").unwrap();
        fs::rename(&file.path, place.path().join("old")).unwrap();
        file.append(b"two\n").unwrap();
        assert_eq!(content(&place), "two\n");
    }

    /// The lines of a log and of what was moved away of it, the oldest first.
    fn all_lines(place: &Path) -> Vec<String> {
        let path = place.join(NAME);
        let files = (1..100).rev().map(|number| numbered(&path, number)).chain([path.clone()]);
        let texts = files.filter_map(|file| fs::read_to_string(file).ok());
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    #[test]
    fn one_that_would_be_too_long_is_moved_away_and_the_oldest_is_lost() {
        let place = tempfile::tempdir().unwrap();
        let keeping = AuditKeeping { size: 40, keep: 3 };
        let mut file = LineFile::at(place.path().join(NAME)).rotated(keeping);
        for number in 0..23 {
            file.append(format!("line {number:>4}\n").as_bytes()).unwrap();
        }
        let names: Vec<_> =
            fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 4, "{names:?}");
        let expected: Vec<_> = (8..23).map(|number| format!("line {number:>4}")).collect();
        assert_eq!(all_lines(place.path()), expected);
        for entry in fs::read_dir(place.path()).unwrap() {
            assert_eq!(entry.unwrap().metadata().unwrap().mode() & 0o777, PRIVATE);
        }
        file.append(&[b'x'; 100]).unwrap();
        assert_eq!(content(&place).len(), 100, "what is longer by itself is not cut");
    }

    #[test]
    fn a_crash_while_files_are_moved_loses_no_line_but_the_oldest() {
        let keeping = AuditKeeping { size: 20, keep: 3 };
        let place = tempfile::tempdir().unwrap();
        let begun = |place: &Path| LineFile::at(place.join(NAME)).rotated(keeping);
        let mut file = begun(place.path());
        for number in 0..5 {
            file.append(format!("line {number:>4}\n").as_bytes()).unwrap();
        }
        let ((), record) = crash::record(place.path(), None, || {
            begun(place.path()).append(b"line    5\nline    6\n").unwrap();
        });
        for call in 0..=record.len() {
            for tree in record.aftermaths(call) {
                let place = crash::made(&tree);
                begun(place.path()).mend().unwrap();
                let lines = all_lines(place.path());
                for number in 0..5 {
                    assert!(lines.contains(&format!("line {number:>4}")), "after {call} calls: {lines:?}");
                }
            }
        }
    }

    #[test]
    fn a_file_that_cannot_be_moved_away_grows() {
        let place = tempfile::tempdir().unwrap();
        let mut file = LineFile::at(place.path().join(NAME)).rotated(AuditKeeping { size: 20, keep: 1 });
        fs::create_dir(numbered(&place.path().join(NAME), 1)).unwrap();
        for _ in 0..5 {
            file.append(b"line line\n").unwrap();
        }
        assert_eq!(content(&place).len(), 50);
    }

    #[test]
    fn daemons_that_write_one_file_may_each_move_it_away() {
        let place = tempfile::tempdir().unwrap();
        let keeping = AuditKeeping { size: 200, keep: 99 };
        std::thread::scope(|scope| {
            for writer in 0..3 {
                let mut file = LineFile::at(place.path().join(NAME)).rotated(keeping);
                scope.spawn(move || {
                    for number in 0..100 {
                        file.append(format!("{writer} {number}\n").as_bytes()).unwrap();
                    }
                });
            }
        });
        let lines = all_lines(place.path());
        assert_eq!(lines.len(), 300);
        for writer in 0..3 {
            let own: Vec<_> =
                lines.iter().filter_map(|line| line.strip_prefix(&format!("{writer} "))).collect();
            assert_eq!(own, (0..100).map(|number| number.to_string()).collect::<Vec<_>>(), "in their order");
        }
    }

    #[test]
    fn two_daemons_may_write_one_file() {
        let (place, _) = with("");
        std::thread::scope(|scope| {
            for writer in 0..3 {
                let mut file = LineFile::at(place.path().join(NAME));
                scope.spawn(move || {
                    for number in 0..30 {
                        file.append(format!("{writer} {number}\n").as_bytes()).unwrap();
                    }
                });
            }
        });
        assert_eq!(content(&place).lines().count(), 90);
    }
}
