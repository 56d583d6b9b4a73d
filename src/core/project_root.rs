//! Directories in which projects are looked for: `projects` in `config.toml`.

use std::fmt;
use std::path::{Component, Path, PathBuf};

/// A directory below which projects are looked for, as the user wrote it: an absolute path, or one below the home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRoot {
    /// Whether the path counts from the user's home.
    below_home: bool,
    /// Without a slash at its end.
    path: PathBuf,
}

impl ProjectRoot {
    /// Reads `/…`, `~` or `~/…`. The error says what is wrong, and what to write.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            return Err("expected a directory, such as \"~/work\" or \"/srv/projects\"");
        }
        if text.starts_with('$') {
            return Err("variables have no meaning here: write the directory itself, or ~ for your home");
        }
        let (below_home, path) = match text.strip_prefix('~') {
            Some("") => (true, ""),
            Some(rest) if rest.starts_with('/') => (true, rest.trim_start_matches('/')),
            Some(_) => return Err("~ is your own home only: write the whole path of another one"),
            None => (false, text),
        };
        let path = Path::new(path);
        if !below_home && !path.is_absolute() {
            return Err("a relative path would depend on where brokerd was started: begin with ~/ or /");
        }
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(".. has no meaning here: write the directory that it leads to");
        }
        if !below_home && path.parent().is_none() {
            return Err("the whole file system is too much to search: name directories that hold projects");
        }
        // Components leave out what means nothing: doubled slashes, `.`, a slash at the end.
        Ok(Self { below_home, path: path.components().collect() })
    }

    /// The directory, for a user with this home.
    pub fn directory(&self, home: &Path) -> PathBuf {
        if self.below_home { home.join(&self.path).components().collect() } else { self.path.clone() }
    }

    /// Whether the other lies in this one, or is the same, as far as their texts tell.
    pub fn covers(&self, other: &Self) -> bool {
        self.below_home == other.below_home && other.path.starts_with(&self.path)
    }
}

impl fmt::Display for ProjectRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.below_home, self.path.as_os_str().is_empty()) {
            (true, true) => f.write_str("~"),
            (true, false) => write!(f, "~/{}", self.path.display()),
            (false, _) => write!(f, "{}", self.path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_absolute_or_below_the_home() {
        let home = Path::new("/home/ann");
        for (text, shown, directory) in [
            ("~", "~", "/home/ann"),
            ("~/", "~", "/home/ann"),
            ("~//work/./a/", "~/work/a", "/home/ann/work/a"),
            ("/srv//x/", "/srv/x", "/srv/x"),
            ("/srv/with space/~", "/srv/with space/~", "/srv/with space/~"),
        ] {
            let root = ProjectRoot::parse(text).unwrap();
            assert_eq!(
                (root.to_string().as_str(), root.directory(home)),
                (shown, directory.into()),
                "{text}"
            );
        }
        for (text, word) in [
            ("", "expected a directory"),
            (" ", "expected a directory"),
            ("/a\n", "expected a directory"),
            ("work", "relative"),
            ("./work", "relative"),
            ("~ann/work", "own home only"),
            ("~/../work", ".. has no meaning"),
            ("/a/..", ".. has no meaning"),
            ("/", "whole file system"),
            ("//", "whole file system"),
            ("$HOME/work", "variables"),
        ] {
            assert!(ProjectRoot::parse(text).unwrap_err().contains(word), "{text}");
        }
    }

    #[test]
    fn one_root_may_lie_in_another() {
        let root = |text| ProjectRoot::parse(text).unwrap();
        assert!(root("~").covers(&root("~/work")) && root("/a/b").covers(&root("/a/b/")));
        assert!(!root("~/work").covers(&root("~")) && !root("/a/b").covers(&root("/a/bc")));
        assert!(!root("~").covers(&root("/home/ann")));
    }
}
