//! A pattern for the names of stages: `pr-*`.

use std::fmt;
use std::sync::Arc;

use crate::core::name::Stage;

/// Why a text is not a stage pattern. The text itself is not quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stage pattern is a stage name in which * stands for any run of characters, as in pr-*")]
pub struct StagePatternError;

/// A stage name in which each `*` stands for any run of characters, an empty one included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagePattern(Arc<str>);

impl StagePattern {
    /// Takes 1 to 128 characters of those that a stage name may have, and `*`. Others would match no stage.
    pub fn parse(text: &str) -> Result<Self, StagePatternError> {
        let begins_like_a_name = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '*');
        let allowed = |c: char| c.is_ascii_alphanumeric() || "_-*".contains(c);
        if begins_like_a_name && text.len() <= 128 && text.chars().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(StagePatternError)
        }
    }

    /// Whether the whole name of the stage is of this form. Upper and lower case differ, as in stage names.
    pub fn matches(&self, stage: &Stage) -> bool {
        let Some((prefix, rest)) = self.0.split_once('*') else {
            return *self.0 == *stage.as_str();
        };
        let (middle, suffix) = rest.rsplit_once('*').unwrap_or(("", rest));
        let inner = stage.as_str().strip_prefix(prefix).and_then(|inner| inner.strip_suffix(suffix));
        let Some(mut inner) = inner else {
            return false;
        };
        // Taking each part where it first occurs leaves the most room for the next, so no choice is ever
        // taken back and the name is gone through once.
        middle.split('*').all(|part| match inner.find(part) {
            Some(start) => {
                inner = &inner[start + part.len()..];
                true
            }
            None => false,
        })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, stage: &str) -> bool {
        StagePattern::parse(pattern).unwrap().matches(&Stage::parse(stage).unwrap())
    }

    #[test]
    fn a_star_stands_for_any_run() {
        for (pattern, stage, expected) in [
            ("pr-*", "pr-1", true),
            ("pr-*", "pr-", true),
            ("pr-*", "pr", false),
            ("pr-*", "xpr-1", false),
            ("pr-*", "PR-1", false),
            ("*", "anything", true),
            ("**", "a", true),
            ("dev", "dev", true),
            ("dev", "dev2", false),
            ("*-eu", "dev-eu", true),
            ("*-eu", "dev-eu1", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*b*c", "abcb", false),
            ("a*bc*c", "abc", false),
            ("ab*ba", "aba", false),
            ("*a*a*", "a", false),
            ("*a*a*", "aa", true),
        ] {
            assert_eq!(matches(pattern, stage), expected, "{pattern} {stage}");
        }
    }

    #[test]
    fn refuses_what_could_match_no_stage() {
        for text in ["", "-*", "_x", "pr/*", "pr ?", "ü*", &"x".repeat(129)] {
            assert_eq!(StagePattern::parse(text), Err(StagePatternError), "{text:?}");
        }
    }

    /// The definition, in the time that it takes.
    fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|skipped| by_definition(rest, &name[skipped..])),
            Some((first, rest)) => name.first() == Some(first) && by_definition(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn is_the_definition(pattern in "[ab*]{1,8}", stage in "[ab]{1,10}") {
            prop_assert_eq!(
                matches(&pattern, &stage),
                by_definition(pattern.as_bytes(), stage.as_bytes())
            );
        }
    }
}
