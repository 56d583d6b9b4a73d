//! The disk that tests write to: it does what it is told, remembers it, and can be made to fail.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::super::{Disk, System};
use super::{Content, tree};

/// Which of the calls fail, counted from 0.
#[derive(Debug, Clone, Copy)]
pub(in crate::edges) enum Fault {
    /// One, and those after it succeed.
    Once(usize, io::ErrorKind),
    /// One and all after it.
    FromThenOn(usize, io::ErrorKind),
}

impl Fault {
    /// Every way for one of so many calls to fail.
    pub(in crate::edges) fn each_of(calls: usize) -> impl Iterator<Item = Self> {
        // The disk is full, or broken.
        let kinds = [io::ErrorKind::StorageFull, io::ErrorKind::Other];
        (0..calls).flat_map(move |call| {
            kinds.into_iter().flat_map(move |kind| [Self::Once(call, kind), Self::FromThenOn(call, kind)])
        })
    }

    fn strikes(self, call: usize) -> Option<io::Error> {
        match self {
            Self::Once(at, kind) if call == at => Some(kind.into()),
            Self::FromThenOn(at, kind) if call >= at => Some(kind.into()),
            _ => None,
        }
    }
}

/// A file, whatever name it has.
pub(super) type Id = usize;

/// What a call did.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// It changed the names in a directory.
    Name(Naming),
    /// It changed a file.
    Change(Id, Change),
    /// The changes of a file are on disk.
    Sync(Id),
    /// The names in a directory are.
    SyncDirectory(PathBuf),
    /// It failed, or there was nothing to do.
    Nothing,
}

#[derive(Debug, Clone)]
pub(super) enum Naming {
    /// A new name, of a file or a directory.
    Add(PathBuf, Option<Id>),
    /// Both in one directory.
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Truncate(usize),
    Mode(u32),
}

/// What was done in a directory.
#[derive(Debug)]
pub(in crate::edges) struct Record {
    root: PathBuf,
    fault: Option<Fault>,
    /// The files by their inodes. The inode of one that was removed may come again.
    inodes: BTreeMap<u64, Id>,
    /// The names that were there before; `None` is a directory.
    pub(super) names: BTreeMap<PathBuf, Option<Id>>,
    /// Each file as it was when it was first seen.
    pub(super) files: Vec<Content>,
    pub(super) steps: Vec<Step>,
}

thread_local! {
    static RECORD: RefCell<Option<Record>> = const { RefCell::new(None) };
}

/// Lets work be done in a directory, by this thread, with a fault; gives what it returns and the record.
pub(in crate::edges) fn record<R>(
    root: &Path,
    fault: Option<Fault>,
    work: impl FnOnce() -> R,
) -> (R, Record) {
    let (names, files, steps) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut record = Record { root: root.to_owned(), fault, inodes: BTreeMap::new(), names, files, steps };
    for (path, content) in tree(root) {
        let inode = fs::metadata(root.join(&path)).unwrap().ino();
        let id = content.map(|content| record.add(inode, content));
        record.names.insert(path, id);
    }
    RECORD.set(Some(record));
    let result = work();
    (result, RECORD.take().unwrap())
}

/// How many calls were recorded so far.
pub(in crate::edges) fn calls() -> usize {
    RECORD.with_borrow(|record| record.as_ref().unwrap().len())
}

impl Record {
    /// How many calls were made.
    pub(in crate::edges) fn len(&self) -> usize {
        self.steps.len()
    }

    fn add(&mut self, inode: u64, content: Content) -> Id {
        self.files.push(content);
        let id = self.files.len() - 1;
        self.inodes.insert(inode, id);
        id
    }

    fn id(&self, file: &File) -> Id {
        self.inodes[&file.metadata().unwrap().ino()]
    }

    fn path(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap().to_owned()
    }

    fn new_file(&mut self, path: &Path, file: &File) -> Step {
        let content = Content { bytes: Vec::new(), mode: 0o600 };
        let id = self.add(file.metadata().unwrap().ino(), content);
        Step::Name(Naming::Add(self.path(path), Some(id)))
    }
}

/// Writes where it is told to, and keeps the record of it if there is one on this thread.
pub(in crate::edges) struct Recorded;

/// The error of the next call, if it is to fail.
fn fault() -> Option<io::Error> {
    RECORD.with_borrow(|record| record.as_ref().and_then(|record| record.fault?.strikes(record.len())))
}

fn note(step: impl FnOnce(&mut Record) -> Step) {
    RECORD.with_borrow_mut(|record| {
        if let Some(record) = record {
            let step = step(record);
            record.steps.push(step);
        }
    });
}

/// Makes a call, unless it is to fail, and notes it.
fn call<R>(
    call: impl FnOnce() -> io::Result<R>,
    step: impl FnOnce(&mut Record, &R) -> Step,
) -> io::Result<R> {
    let result = fault().map_or_else(call, Err);
    note(|record| result.as_ref().map_or(Step::Nothing, |done| step(record, done)));
    result
}

/// A record knows what is on disk without waiting for it.
fn unless_recorded(sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    if RECORD.with_borrow(Option::is_some) { Ok(()) } else { sync() }
}

impl Disk for Recorded {
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        call(|| System.make_directory(path), |record, ()| Step::Name(Naming::Add(record.path(path), None)))
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        call(|| System.create(path), |record, file| record.new_file(path, file))
    }

    fn append_to(&self, path: &Path) -> io::Result<File> {
        let is_there = path.exists();
        call(
            || System.append_to(path),
            |record, file| if is_there { Step::Nothing } else { record.new_file(path, file) },
        )
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let at = usize::try_from(file.metadata()?.len()).unwrap();
        let fault = fault();
        // A disk becomes full in the middle of a write.
        let bytes = if fault.is_some() { &bytes[..bytes.len() / 2] } else { bytes };
        let result = System.write(file, bytes).and(fault.map_or(Ok(()), Err));
        note(|record| Step::Change(record.id(file), Change::Write { at, bytes: bytes.to_vec() }));
        result
    }

    fn truncate(&self, file: &File, length: u64) -> io::Result<()> {
        let change = Change::Truncate(usize::try_from(length).unwrap());
        call(|| System.truncate(file, length), |record, ()| Step::Change(record.id(file), change))
    }

    fn set_mode(&self, file: &File, mode: u32) -> io::Result<()> {
        call(|| System.set_mode(file, mode), |record, ()| Step::Change(record.id(file), Change::Mode(mode)))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        call(|| unless_recorded(|| System.sync(file)), |record, ()| Step::Sync(record.id(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        call(
            || System.rename(from, to),
            |record, ()| Step::Name(Naming::Rename(record.path(from), record.path(to))),
        )
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        call(|| System.remove(path), |record, ()| Step::Name(Naming::Remove(record.path(path))))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        call(
            || unless_recorded(|| System.sync_directory(path)),
            |record, ()| Step::SyncDirectory(record.path(path)),
        )
    }
}
