//! What is wrong in a file that a person wrote, and where.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A place in a text: line and column, both counted from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl Place {
    /// The place of the byte `offset` in `text`; an offset past the end is the end.
    pub fn of_offset(text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset.min(text.len()))];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: count(before.matches('\n').count()),
            column: count(before[line_start..].chars().count()),
        }
    }
}

/// A count from 0 as a number from 1, without overflow.
fn count(zero_based: usize) -> u32 {
    u32::try_from(zero_based).unwrap_or(u32::MAX - 1).saturating_add(1)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One thing that is wrong in a file: where, what, and what to do about it.
///
/// The message never quotes a value, only names: what stands in a file may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The file, as the user knows it.
    pub file: PathBuf,
    /// The place in it, when there is one.
    pub place: Option<Place>,
    /// What is wrong and why.
    pub message: String,
    /// What to type or change next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Fault {
    /// A fault at a place of a file.
    pub fn new(file: impl Into<PathBuf>, place: Option<Place>, message: impl Into<String>) -> Self {
        Self { file: file.into(), place, message: message.into(), hint: None }
    }

    /// The same fault with what to do about it, if something is known.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint;
        self
    }
}

impl fmt::Display for Fault {
    /// `file:line:column: message (hint)`, the form that editors can jump to.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(place) = self.place {
            write!(f, ":{place}")?;
        }
        write!(f, ": {}", self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// All that is wrong in a file, in the order of its lines; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// `Ok(value)` when nothing is wrong, else every fault, sorted by place.
    pub fn unless_empty<T>(mut faults: Vec<Fault>, value: T) -> Result<T, Self> {
        if faults.is_empty() {
            return Ok(value);
        }
        faults.sort_by_key(|fault| fault.place);
        Err(Self(faults))
    }

    /// A single fault of the whole file.
    pub fn whole_file(file: &Path, message: impl Into<String>) -> Self {
        Self(vec![Fault::new(file, None, message)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let text = "a\nüb\n";
        for (offset, line, column) in [(0, 1, 1), (1, 1, 2), (2, 2, 1), (4, 2, 2), (6, 3, 1), (99, 3, 1)] {
            assert_eq!(Place::of_offset(text, offset), Place { line, column }, "{offset}");
        }
    }

    #[test]
    fn reads_like_a_compiler_message() {
        let fault = Fault::new("catalog.toml", Some(Place { line: 3, column: 7 }), "unknown key `rol_arn`")
            .with_hint(Some("did you mean \"role_arn\"?".into()));
        assert_eq!(fault.to_string(), "catalog.toml:3:7: unknown key `rol_arn` (did you mean \"role_arn\"?)");
    }
}
