//! Reading the audit log: the file that is written, and those that were moved away before it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};

/// More than are ever kept.
const MOST: u32 = 100;

/// The log, from its oldest line on. Lines that are written while it is read are read too, and whatever is moved away
/// meanwhile, no line is missed or read twice.
#[derive(Debug)]
pub struct AuditFiles {
    path: PathBuf,
    /// Those that were not read to their end, the newest last.
    open: Vec<(u64, BufReader<File>)>,
    /// The last one that was.
    read: Option<u64>,
    /// The beginning of a line whose end is not written yet.
    begun: String,
}

/// Tells when there may be more.
#[derive(Debug)]
pub struct Following {
    _watcher: RecommendedWatcher,
    changes: Receiver<()>,
}

impl AuditFiles {
    /// The log at `path`, which need not be there.
    pub fn at(path: &Path) -> io::Result<Self> {
        let mut files = Self { path: path.to_owned(), open: Vec::new(), read: None, begun: String::new() };
        files.open_more()?;
        Ok(files)
    }

    /// The next line, or `None` if there is none yet.
    pub fn next_line(&mut self) -> io::Result<Option<String>> {
        loop {
            if self.open.is_empty() {
                self.open_more()?;
            }
            let Some((inode, reader)) = self.open.first_mut() else { return Ok(None) };
            let inode = *inode;
            reader.read_line(&mut self.begun)?;
            if self.begun.ends_with('\n') {
                return Ok(Some(std::mem::take(&mut self.begun).trim_end().to_owned()));
            }
            if self.open.len() == 1 {
                // The newest: where another has its name by now, it grows no more, once this is read to its end.
                if std::fs::metadata(&self.path).is_ok_and(|found| found.ino() == inode) {
                    return Ok(None);
                }
                self.open_more()?;
                if self.open.len() == 1 {
                    return Ok(None);
                }
                self.open[0].1.read_to_string(&mut self.begun)?;
                if self.begun.contains('\n') {
                    let rest = self.begun.split_off(self.begun.find('\n').map_or(0, |end| end + 1));
                    let line = std::mem::replace(&mut self.begun, rest);
                    return Ok(Some(line.trim_end().to_owned()));
                }
            }
            self.open.remove(0);
            self.read = Some(inode);
            self.begun.clear();
        }
    }

    /// Opens what is newer than what is known. The newest first: one that is moved away meanwhile is then found again
    /// under its next name, by its number, and not missed.
    fn open_more(&mut self) -> io::Result<()> {
        let known: HashSet<u64> = self.open.iter().map(|(inode, _)| *inode).chain(self.read).collect();
        let mut found = Vec::new();
        let numbered = (1..=MOST).map(|number| super::line_file::numbered(&self.path, number));
        for path in std::iter::once(self.path.clone()).chain(numbered) {
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let inode = file.metadata()?.ino();
            if known.contains(&inode) {
                break;
            }
            if found.iter().all(|(other, _)| *other != inode) {
                found.push((inode, BufReader::new(file)));
            }
        }
        self.open.extend(found.into_iter().rev());
        Ok(())
    }

    /// Begins to notice changes of the log; its directory must be there.
    pub fn follow(&self) -> io::Result<Following> {
        let (tell, changes) = channel();
        let mut watcher = notify::recommended_watcher(move |_: notify::Result<Event>| {
            let _ = tell.send(());
        })
        .map_err(io::Error::other)?;
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        watcher.watch(directory, RecursiveMode::NonRecursive).map_err(io::Error::other)?;
        Ok(Following { _watcher: watcher, changes })
    }
}

impl Following {
    /// Waits until something has changed. Whether anything still can.
    pub fn wait(&self) -> bool {
        self.changes.recv().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::line_file::LineFile;
    use super::*;
    use crate::core::config::AuditKeeping;

    fn drain(files: &mut AuditFiles) -> Vec<String> {
        std::iter::from_fn(|| files.next_line().unwrap()).collect()
    }

    #[test]
    fn every_line_is_read_once_whatever_is_moved_away() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("audit.jsonl");
        let mut files = AuditFiles::at(&path).unwrap();
        assert!(drain(&mut files).is_empty());
        let mut log = LineFile::at(path.clone()).rotated(AuditKeeping { size: 30, keep: 50 });
        let mut expected = Vec::new();
        let mut read = Vec::new();
        for number in 0..60 {
            let line = format!("line {number:>4}");
            log.append(format!("{line}\n").as_bytes()).unwrap();
            expected.push(line);
            // Sometimes it is read after one line, sometimes after it was moved away several times.
            if number % 7 == 0 || number > 50 {
                read.extend(drain(&mut files));
                assert_eq!(read, expected);
            }
        }
        assert_eq!(drain(&mut AuditFiles::at(&path).unwrap()), expected);
    }

    #[test]
    fn a_line_is_given_when_it_is_whole() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("audit.jsonl");
        std::fs::write(&path, "one\ntw").unwrap();
        let mut files = AuditFiles::at(&path).unwrap();
        assert_eq!(drain(&mut files), ["one"]);
        let following = files.follow().unwrap();
        std::fs::write(&path, "one\ntwo\n").unwrap();
        assert!(following.wait());
        assert_eq!(drain(&mut files), ["two"]);
    }
}
