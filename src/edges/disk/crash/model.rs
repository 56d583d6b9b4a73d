//! What may be on a disk after a power cut.
//!
//! Of a file: what was written since its last sync may be there, missing, there in part, or a hole of zeros. Half of
//! a write is among what is left of a whole one, so that a crash within a write is no case of its own. Of the names
//! in a directory: each change since its last sync may have happened or not, in any combination.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::recorder::{Change, Id, Naming, Record, Step};
use super::{Content, Tree};

type Names = BTreeMap<PathBuf, Option<Id>>;

/// A disk while it works: what it has for good, and what may still be lost.
struct Disk {
    names: Names,
    namings: Vec<Naming>,
    files: Vec<FileOnDisk>,
}

struct FileOnDisk {
    synced: Content,
    since: Vec<Change>,
}

impl Record {
    /// Every tree that a power cut after so many of the calls may leave.
    pub(in crate::edges) fn aftermaths(&self, calls: usize) -> BTreeSet<Tree> {
        let disk = self.disk(calls);
        let mut found = BTreeSet::new();
        for chosen in 0..1_u32 << disk.namings.len() {
            let mut names = disk.names.clone();
            let namings = disk.namings.iter().enumerate().filter(|(bit, _)| chosen & (1 << bit) != 0);
            namings.for_each(|(_, naming)| naming.apply(&mut names));
            found.extend(disk.trees(&names));
        }
        found
    }

    fn disk(&self, calls: usize) -> Disk {
        let files = self.files.iter().map(|found| FileOnDisk { synced: found.clone(), since: Vec::new() });
        let mut disk = Disk { names: self.names.clone(), namings: Vec::new(), files: files.collect() };
        for step in &self.steps[..calls] {
            match step {
                Step::Name(naming) => disk.namings.push(naming.clone()),
                Step::Change(id, change) => disk.files[*id].since.push(change.clone()),
                Step::Sync(id) => disk.files[*id].sync(),
                Step::SyncDirectory(directory) => disk.sync_names(directory),
                Step::Nothing => {}
            }
        }
        disk
    }
}

impl Disk {
    fn sync_names(&mut self, directory: &Path) {
        let namings = std::mem::take(&mut self.namings);
        let (done, pending): (Vec<_>, Vec<_>) =
            namings.into_iter().partition(|naming| naming.directory() == Some(directory));
        for naming in &done {
            naming.apply(&mut self.names);
        }
        self.namings = pending;
    }

    /// What these names may be found to stand for.
    fn trees(&self, names: &Names) -> Vec<Tree> {
        let mut trees = vec![Tree::new()];
        for (path, id) in names {
            let above = path.parent().unwrap();
            if above != Path::new("") && !names.contains_key(above) {
                continue;
            }
            let lefts = id.map_or(vec![None], |id| self.files[id].lefts().into_iter().map(Some).collect());
            let with = |tree: &Tree, left: &Option<Content>| {
                let mut tree = tree.clone();
                tree.insert(path.clone(), left.clone());
                tree
            };
            trees = trees.iter().flat_map(|tree| lefts.iter().map(|left| with(tree, left))).collect();
        }
        trees
    }
}

impl FileOnDisk {
    fn sync(&mut self) {
        for change in std::mem::take(&mut self.since) {
            change.apply(&mut self.synced);
        }
    }

    /// What may be left of it: any number of the changes, and a part of the next one.
    fn lefts(&self) -> Vec<Content> {
        let mut content = self.synced.clone();
        let mut found = vec![content.clone()];
        for change in &self.since {
            let mut whole = content.clone();
            change.apply(&mut whole);
            for part in change.parts() {
                let mut left = content.clone();
                part.apply(&mut left);
                found.push(left);
            }
            found.push(whole.clone());
            content = whole;
        }
        found
    }
}

impl Naming {
    fn directory(&self) -> Option<&Path> {
        let (Self::Add(path, _) | Self::Rename(path, _) | Self::Remove(path)) = self;
        path.parent()
    }

    fn apply(&self, names: &mut Names) {
        match self {
            Self::Add(path, id) => {
                names.insert(path.clone(), *id);
            }
            Self::Rename(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
            Self::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

impl Change {
    fn apply(&self, content: &mut Content) {
        match self {
            Self::Write { at, bytes } => {
                let end = at + bytes.len();
                content.bytes.resize(content.bytes.len().max(end), 0);
                content.bytes[*at..end].copy_from_slice(bytes);
            }
            Self::Truncate(length) => content.bytes.resize(*length, 0),
            Self::Mode(mode) => content.mode = *mode,
        }
    }

    /// What may be there of a write but all or nothing: a beginning, or all of its length with holes.
    fn parts(&self) -> Vec<Self> {
        let Self::Write { at, bytes } = self else { return Vec::new() };
        let length = bytes.len();
        let mut parts = Vec::new();
        for cut in [1, length / 2, length.saturating_sub(1)] {
            parts.push(bytes[..cut.min(length)].to_vec());
        }
        for hole in [0..length, 0..length / 2, length / 3..length / 2, length / 2..length] {
            let mut bytes = bytes.clone();
            bytes[hole].fill(0);
            parts.push(bytes);
        }
        parts.into_iter().map(|bytes| Self::Write { at: *at, bytes }).collect()
    }
}
