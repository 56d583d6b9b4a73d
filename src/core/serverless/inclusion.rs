//! What a configuration reads beside its own file. A reading says what it needs, somebody who may read files finds it,
//! and the reading goes on with that: so the rules stay pure.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};

use super::node::{Content, Node};
use super::{Document, Format, tree};
use crate::core::fault::Fault;

/// Something beside the configuration's own file that its reading needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// The file at this path, which may be absent.
    File(PathBuf),
    /// What is checked out in the Git repository of this directory.
    Head(PathBuf),
    /// The `serverless-compose` file above this directory that lists it as a service.
    Composition(PathBuf),
}

/// What was found where a [`Need`] pointed.
#[derive(Clone, PartialEq)]
pub enum Found {
    /// Nothing is there.
    Absent,
    /// A file with this content.
    Content(Included),
    /// A program, which is never run.
    Program,
    /// A file that does not parse, and its fault.
    Broken(Fault),
    /// Something that may not be read or cannot, and why.
    Refused(String),
    /// A branch, if one is checked out, and its commit in full.
    Head {
        /// The branch.
        branch: Option<String>,
        /// The commit.
        commit: String,
    },
    /// The configuration of the composition.
    Composition(Box<Document>),
}

impl fmt::Debug for Found {
    /// What kind it is: what stands in a file may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::Content(_) => "Content",
            Self::Program => "Program",
            Self::Broken(_) => "Broken",
            Self::Refused(_) => "Refused",
            Self::Head { .. } => "Head",
            Self::Composition(_) => "Composition",
        })
    }
}

/// The content of an included file.
#[derive(Clone, PartialEq)]
pub struct Included(pub(super) Node);

impl fmt::Debug for Included {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Included").finish_non_exhaustive()
    }
}

/// Everything that was found so far.
pub type Inclusions = BTreeMap<Need, Found>;

impl Found {
    /// Reads an included file as the framework's `file` source does: YAML and JSON as such, programs not at all, and
    /// anything else as text.
    pub fn parse(path: &Path, bytes: &[u8]) -> Self {
        if is_program(path) {
            return Self::Program;
        }
        let read = |format| tree(format, path, bytes);
        let node = match Format::of(path) {
            Some(format @ (Format::Yaml | Format::Json)) => match read(format) {
                Ok(Some(node)) => Ok(node),
                Ok(None) if format == Format::Yaml => Ok(Node { place: None, content: Content::Null }),
                Ok(None) => Err(Fault::new(path, None, "not valid JSON: it is empty")),
                Err(fault) => Err(fault),
            },
            _ if path.extension().is_some_and(|extension| extension == "tfstate") => {
                read(Format::Json).map(|node| node.unwrap_or(Node { place: None, content: Content::Null }))
            }
            _ => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Node { place: None, content: Content::text(text) }),
                Err(_) => Err(Fault::new(path, None, "not UTF-8")),
            },
        };
        node.map_or_else(Self::Broken, |node| Self::Content(Included(node)))
    }
}

/// Whether a file is code that the framework would run.
pub fn is_program(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("js" | "mjs" | "cjs" | "ts" | "mts" | "cts"))
}

/// A path from a directory, as `path.resolve` of Node makes it: by its text, without a look at the disk.
pub(super) fn resolved(directory: &Path, path: &str) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in directory.join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                whole.pop();
            }
            part => whole.push(part),
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved_by_their_text() {
        for (path, expected) in [
            ("x.yml", "/a/b/x.yml"),
            ("./x.yml", "/a/b/x.yml"),
            ("../x.yml", "/a/x.yml"),
            ("c/../../x.yml", "/a/x.yml"),
            ("../../../../x.yml", "/x.yml"),
            ("/etc/x.yml", "/etc/x.yml"),
        ] {
            assert_eq!(resolved(Path::new("/a/b"), path), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn what_is_no_data_stays_text_or_unread() {
        assert!(Found::parse(Path::new("x.js"), b"hunter2") == Found::Program);
        let text = Found::parse(Path::new("x.txt"), b"a: b");
        assert!(matches!(text, Found::Content(Included(Node { content: Content::Text(_), .. }))));
        let Found::Broken(fault) = Found::parse(Path::new("x.yml"), b"a: hunter2: x") else { panic!() };
        let why = fault.to_string();
        assert!(why.starts_with("x.yml:1:11: not valid YAML") && !why.contains("hunter2"), "{why}");
        assert!(matches!(Found::parse(Path::new("x.yml"), b"# nothing"), Found::Content(_)));
        assert!(matches!(Found::parse(Path::new("x"), b"\xff"), Found::Broken(_)));
    }
}
