//! The protection of a profile: a person has to approve its use, in this way, and again after this time.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::duration::{DurationError, format_duration, parse_duration};
use crate::core::table::{Findings, Value};

/// The keys of `protected`, where it is a table.
pub(super) const KEYS: [&str; 2] = ["approve", "for"];

/// How a use is approved. The later one of two is the stronger one: a click is given more easily than digits are typed,
/// and only the last is AWS's to judge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Approve {
    /// By the action of a notification.
    Desktop,
    /// By `brokerctl approve`, typed in a terminal; also what holds if the catalog says nothing.
    #[default]
    Terminal,
    /// By a code that goes to AWS with the request for the session.
    Mfa,
}

impl Approve {
    /// The words of the catalog, from the weakest to the strongest.
    pub const WORDS: [(&'static str, Self); 3] =
        [("desktop", Self::Desktop), ("terminal", Self::Terminal), ("mfa", Self::Mfa)];
}

impl fmt::Display for Approve {
    /// Where it happens: `at a terminal`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Desktop => "on the desktop",
            Self::Terminal => "at a terminal",
            Self::Mfa => "by an MFA code",
        })
    }
}

/// Why a time is none for an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LengthError {
    /// It is no duration.
    #[error(transparent)]
    Form(#[from] DurationError),
    /// It is none that an approval may have.
    #[error("an approval holds from 1s to 24h")]
    Outside,
}

/// The protection of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protection {
    /// How its use is approved.
    pub approve: Approve,
    /// How long an approval holds at most.
    pub length: Duration,
}

impl Default for Protection {
    /// What `protected = true` means.
    fn default() -> Self {
        Self { approve: Approve::default(), length: Duration::from_hours(1) }
    }
}

impl fmt::Display for Protection {
    /// `approved at a terminal, for 1h`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "approved {}, for {}", self.approve, format_duration(self.length))
    }
}

/// Reads how long an approval shall hold.
pub fn parse_length(text: &str) -> Result<Duration, LengthError> {
    let length = parse_duration(text)?;
    let may_be = (Duration::from_secs(1)..=Duration::from_hours(24)).contains(&length);
    may_be.then_some(length).ok_or(LengthError::Outside)
}

/// Reads `protected`: `true`, or a table that says how and for how long. One that cannot be read is a fault, and
/// counts as protected for the rest of the reading.
pub(super) fn read(value: Value<'_>, findings: &mut Findings<'_>) -> Option<Protection> {
    let usual = Protection::default();
    if let Some(table) = value.as_table() {
        table.only(&KEYS, findings);
        let approve = table.get("approve").and_then(|value| value.choice(&Approve::WORDS, findings));
        let length = table.parsed("for", parse_length, findings);
        return Some(Protection {
            approve: approve.unwrap_or(usual.approve),
            length: length.unwrap_or(usual.length),
        });
    }
    let Some(is_protected) = value.as_bool() else {
        value.mistyped("true, false or a table with approve and for", None, findings);
        return Some(usual);
    };
    is_protected.then_some(usual)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::core::catalog::Catalog;
    use crate::core::catalog::tests::errors;
    use crate::core::name::ProfileName;

    fn protection(line: &str) -> Option<Protection> {
        let catalog = Catalog::parse(Path::new("c"), &format!("[profiles.p]\n{line}\n")).unwrap();
        catalog.profiles[&ProfileName::parse("p").unwrap()].protection
    }

    #[test]
    fn every_form_says_how_and_for_how_long() {
        let hours = Duration::from_hours;
        for (line, expected) in [
            ("", None),
            ("protected = false", None),
            ("protected = true", Some((Approve::Terminal, hours(1)))),
            ("protected = {}", Some((Approve::Terminal, hours(1)))),
            ("protected = { approve = \"desktop\" }", Some((Approve::Desktop, hours(1)))),
            ("protected = { for = \"8h\" }", Some((Approve::Terminal, hours(8)))),
            ("protected = { approve = \"mfa\", for = \"1m\" }", Some((Approve::Mfa, Duration::from_mins(1)))),
        ] {
            let expected = expected.map(|(approve, length)| Protection { approve, length });
            assert_eq!(protection(line), expected, "{line}");
        }
    }

    #[test]
    fn each_fault_has_its_place() {
        for (line, expected) in [
            (
                "protected = { approve = \"teminal\" }",
                "c.toml:2:25: `approve`: expected \"desktop\" or \"terminal\" or \"mfa\" (did you mean \"terminal\"?)",
            ),
            (
                "protected = { for = \"30\" }",
                "c.toml:2:21: `for`: a duration needs a unit after each number: d, h, m or s, as in 1h30m",
            ),
            ("protected = { for = \"0s\" }", "c.toml:2:21: `for`: an approval holds from 1s to 24h"),
            ("protected = { for = \"25h\" }", "c.toml:2:21: `for`: an approval holds from 1s to 24h"),
            ("protected = { for = 1 }", "c.toml:2:21: `for`: expected a string, found an integer"),
            (
                "protected = 1",
                "c.toml:2:13: `protected`: expected true, false or a table with approve and for, found an integer",
            ),
        ] {
            assert_eq!(errors(&format!("[profiles.p]\n{line}\n")), expected, "{line}");
        }
    }

    #[test]
    fn the_methods_have_an_order() {
        assert!(Approve::WORDS.is_sorted_by_key(|(_, approve)| *approve));
        assert_eq!(Protection::default().to_string(), "approved at a terminal, for 1h");
    }
}
