//! The files that a reading comes from.

use std::path::{Path, PathBuf};

use super::settled::Stamp;

/// Every file that a reading looked at, as it was then; also those that were not there, since their coming changes it.
/// To tell whether the reading still holds takes one look at each, and opens none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sources(Vec<(PathBuf, Option<Stamp>)>);

impl Sources {
    /// Adds a file with its stamp at the time of reading; none if it was not there.
    pub fn add(&mut self, path: &Path, stamp: Option<Stamp>) {
        self.0.push((path.to_owned(), stamp));
    }

    /// Whether every file still is what it was.
    pub fn are_unchanged(&self) -> bool {
        self.0.iter().all(|(path, stamp)| Stamp::of(path) == *stamp)
    }

    /// The files.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(path, _)| path.as_path())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_of_any_file_is_seen_and_so_are_its_coming_and_going() {
        let place = tempfile::tempdir().unwrap();
        let [config, include] = ["serverless.yml", "custom.yml"].map(|name| place.path().join(name));
        fs::write(&config, "a").unwrap();
        let read = || {
            let mut sources = Sources::default();
            for path in [&config, &include] {
                sources.add(path, Stamp::of(path));
            }
            sources
        };
        let without = read();
        assert!(without.are_unchanged());
        assert_eq!(without.paths().collect::<Vec<_>>(), [&config, &include]);
        fs::write(&include, "b").unwrap();
        assert!(!without.are_unchanged());
        let with = read();
        assert!(with.are_unchanged());
        fs::remove_file(&include).unwrap();
        assert!(!with.are_unchanged());
        fs::write(place.path().join("new"), "a").unwrap();
        let before = read();
        fs::rename(place.path().join("new"), &config).unwrap();
        assert!(!before.are_unchanged(), "the same size, another file");
    }
}
