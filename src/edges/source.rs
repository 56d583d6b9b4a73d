//! The files that a reading comes from.

use std::path::PathBuf;

use super::settled::Stamp;

/// A file that a reading looked at. When its stamp is another one, the reading is out of date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it is, or was looked for.
    pub path: PathBuf,
    /// What it was; `None` if it was not there.
    pub stamp: Option<Stamp>,
}

impl Source {
    /// A file as it is now.
    pub fn now(path: PathBuf) -> Self {
        Self { stamp: Stamp::of(&path), path }
    }

    /// Whether it was there.
    pub fn was_there(&self) -> bool {
        self.stamp.is_some()
    }

    /// Whether it is what it was.
    pub fn is_current(&self) -> bool {
        self.stamp == Stamp::of(&self.path)
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
        let read = || [&config, &include].map(|path| Source::now(path.clone()));
        let are_current = |sources: &[Source; 2]| sources.iter().all(Source::is_current);
        let without = read();
        assert!(are_current(&without) && without[0].was_there() && !without[1].was_there());
        fs::write(&include, "b").unwrap();
        assert!(!are_current(&without));
        let with = read();
        assert!(are_current(&with));
        fs::remove_file(&include).unwrap();
        assert!(!are_current(&with));
        fs::write(place.path().join("new"), "a").unwrap();
        let before = read();
        fs::rename(place.path().join("new"), &config).unwrap();
        assert!(!are_current(&before), "the same size, another file");
    }
}
