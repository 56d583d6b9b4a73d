//! What a power cut may leave of files, and what errors may: tests that try all of it on a writer.
//!
//! A writer works in a real directory, and each of its calls is recorded (`recorder`). From the record follows every
//! state in which the disk may be after a crash between any two calls (`model`). These states are made in real
//! directories, in which the writer must be able to go on. And each call is let fail.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

mod model;
mod recorder;

pub(in crate::edges) use recorder::{Fault, Recorded, calls, record};

/// The content and the mode of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::edges) struct Content {
    pub(in crate::edges) bytes: Vec<u8>,
    pub(in crate::edges) mode: u32,
}

/// What is at each path below a directory; `None` is a directory.
pub(in crate::edges) type Tree = BTreeMap<PathBuf, Option<Content>>;

/// What a directory has in it now.
pub(in crate::edges) fn tree(root: &Path) -> Tree {
    let mut found = Tree::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let content = if path.is_dir() {
                waiting.push(path.clone());
                None
            } else {
                let mode = fs::metadata(&path).unwrap().mode() & 0o777;
                Some(Content { bytes: fs::read(&path).unwrap(), mode })
            };
            found.insert(path.strip_prefix(root).unwrap().to_owned(), content);
        }
    }
    found
}

/// A real directory that has a tree in it.
pub(in crate::edges) fn made(tree: &Tree) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    for (path, content) in tree {
        let path = place.path().join(path);
        let mode = if let Some(Content { bytes, mode }) = content {
            fs::write(&path, bytes).unwrap();
            *mode
        } else {
            fs::create_dir(&path).unwrap();
            0o700
        };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    place
}

/// Tries a writer that replaces the file `name` whole, over no file and over an old one. After a crash at any call
/// the file has its old content or its new one, and the new one for sure if the writer had said so; after an error
/// it has the old one, or the new one if the error says so; nothing else is left, or the next time removes it.
///
/// The error says what was found instead.
pub(in crate::edges) fn replaced_whole<T: Copy>(
    name: &str,
    [old, new]: [T; 2],
    write: impl Fn(&Path, T) -> Result<(), String>,
) -> Result<(), String> {
    let name = Path::new(name);
    let after = |tree: &Tree, content| {
        let place = made(tree);
        write(&place.path().join(name), content).map(|()| self::tree(place.path()))
    };
    let nothing = Tree::new();
    for before in [nothing.clone(), after(&nothing, old)?] {
        let last = after(&before, new)?;
        let whole = |tree: &Tree| [&before, &last].into_iter().any(|known| tree.get(name) == known.get(name));
        let goes_on = |tree: &Tree| match after(tree, new) {
            Ok(found) if found == last => Ok(()),
            Ok(found) => Err(format!("from {tree:?} it leaves litter: {found:?}")),
            Err(error) => Err(format!("from {tree:?} it cannot go on: {error}")),
        };
        let attempt = |fault| {
            let place = made(&before);
            let (result, record) = record(place.path(), fault, || write(&place.path().join(name), new));
            (result, record, tree(place.path()))
        };

        let (result, record, _) = attempt(None);
        result?;
        for call in 0..=record.len() {
            for tree in record.aftermaths(call) {
                if !whole(&tree) {
                    return Err(format!("after {call} calls it has neither content: {tree:?}"));
                }
                if call == record.len() && tree.get(name) != last.get(name) {
                    return Err(format!("it was said to be written: {tree:?}"));
                }
                goes_on(&tree)?;
            }
        }
        for fault in Fault::each_of(record.len()) {
            let (result, _, tree) = attempt(Some(fault));
            let Err(error) = result else { return Err(format!("{fault:?} is not told")) };
            let said_new = error.contains("was written, but");
            let kept = tree.get(name) == before.get(name);
            if !whole(&tree) || kept == said_new {
                return Err(format!("{fault:?} leaves {tree:?}: {error}"));
            }
            if matches!(fault, Fault::Once(..)) && tree.len() > last.len() {
                return Err(format!("{fault:?} leaves litter: {tree:?}"));
            }
            goes_on(&tree)?;
        }
    }
    Ok(())
}
