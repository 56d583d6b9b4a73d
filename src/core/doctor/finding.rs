//! A finding, and what a check says of itself.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Area;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing is wrong.
    Note,
    /// Some tool, or some day, will trip over it.
    Warning,
    /// It keeps tools here from the right credentials.
    Problem,
}

impl Level {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// What a check says of itself.
#[derive(Debug)]
pub struct Topic {
    /// What its findings are called.
    pub id: &'static str,
    /// How much they matter, where the case does not say otherwise.
    pub level: Level,
    /// What is found.
    pub finds: &'static str,
    /// Why that matters.
    pub why: &'static str,
    /// What mends it.
    pub fix: &'static str,
}

/// What `--fix` may do by itself: nothing that takes something away, and nothing in files that people write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    /// Close a file or directory of the user's to everybody else.
    Close(PathBuf),
    /// Make a directory, open to the user alone.
    Make(PathBuf),
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Close(path) => write!(f, "chmod go-rwx {}", word(path)),
            Self::Make(path) => write!(f, "mkdir -p -m 700 {}", word(path)),
        }
    }
}

fn word(path: &Path) -> String {
    crate::core::refusal::shell_word(path)
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// [`Topic::id`], or the name of the area where all is as it should be.
    pub id: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What it is. Never a value that may be secret.
    pub sentence: String,
    /// Where, as `file:line`, if it is in a file.
    #[serde(rename = "where")]
    pub place: Option<String>,
    /// Which SDKs and tools it reaches; none where it is not a matter of tools.
    pub affects: Vec<&'static str>,
    /// What to type.
    pub fix: Option<String>,
    /// Whether `--fix` does that by itself.
    pub fixable: bool,
    /// How.
    #[serde(skip)]
    pub repair: Option<Repair>,
}

impl Finding {
    /// A finding of a topic.
    pub fn of(topic: &'static Topic, sentence: impl Into<String>) -> Self {
        Self {
            id: topic.id,
            level: topic.level,
            sentence: sentence.into(),
            place: None,
            affects: Vec::new(),
            fix: None,
            fixable: false,
            repair: None,
        }
    }

    /// That an area is as it should be.
    pub fn fine(area: &'static Area, sentence: impl Into<String>) -> Self {
        Self {
            id: area.name,
            level: Level::Ok,
            sentence: sentence.into(),
            place: None,
            affects: Vec::new(),
            fix: None,
            fixable: false,
            repair: None,
        }
    }

    /// Something that could not be looked at.
    pub fn unseen(what: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::of(&NOT_SEEN, format!("{what} cannot be looked at: {why}"))
    }

    /// The same, mattering more or less.
    #[must_use]
    pub fn at_level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// The same, at a line of a file.
    #[must_use]
    pub fn at(mut self, file: &Path, line: Option<usize>) -> Self {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        self.place = Some(format!("{}{line}", file.display()));
        self
    }

    /// The same, with those that it reaches.
    #[must_use]
    pub fn affecting(mut self, clients: &[&'static str]) -> Self {
        self.affects = clients.to_vec();
        self
    }

    /// The same, with what to type.
    #[must_use]
    pub fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    /// The same, with what to type where something is known.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<String>) -> Self {
        self.fix = hint.or(self.fix);
        self
    }

    /// The same, with what `--fix` does.
    #[must_use]
    pub fn repaired_by(mut self, repair: Repair) -> Self {
        self.fix = Some(repair.to_string());
        self.fixable = true;
        self.repair = Some(repair);
        self
    }
}

/// What belongs to no area.
pub static AREA: Area = Area { name: "doctor", topics: &[&NOT_SEEN] };

static NOT_SEEN: Topic = Topic {
    id: "not-seen",
    level: Level::Warning,
    finds: "something could not be looked at",
    why: "what is wrong there is not found",
    fix: "what the sentence says; then brokerctl doctor again",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_has_a_stable_shape() {
        let finding = Finding::of(&NOT_SEEN, "x")
            .at(Path::new("/a b"), Some(3))
            .affecting(&["boto3"])
            .repaired_by(Repair::Close("/a b".into()));
        assert_eq!(
            serde_json::to_value(&finding).unwrap(),
            serde_json::json!({
                "id": "not-seen", "level": "warning", "sentence": "x", "where": "/a b:3", "affects": ["boto3"],
                "fix": "chmod go-rwx '/a b'", "fixable": true,
            })
        );
        assert!(Level::Ok < Level::Note && Level::Note < Level::Warning && Level::Warning < Level::Problem);
    }
}
