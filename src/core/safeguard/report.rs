//! What safeguards say of a service.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::policy::Need;
use super::service::Service;
use super::violation::Violation;
use crate::core::catalog::{Level, Safeguard};
use crate::core::fault::Place;
use crate::core::serverless::Document;

/// What became of one safeguard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The service keeps it.
    Passed,
    /// It is broken, and its level is `error`: the deployment must not go on.
    Failed,
    /// It is broken, and its level is `warning`.
    Warned,
    /// It could not be judged.
    Skipped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Warned => "warned",
            Self::Skipped => "skipped",
        })
    }
}

/// A finding with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What is wrong, and of which resource.
    #[serde(flatten)]
    pub violation: Violation,
    /// Where that stands in the configuration, as near as can be told.
    #[serde(flatten)]
    pub place: Option<Place>,
}

/// The result of one safeguard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The policy's id.
    pub policy: String,
    /// What people read instead of the id.
    pub title: Option<String>,
    /// Why the team wants it.
    pub description: Option<String>,
    /// The level, `error` or `warning`.
    pub level: Level,
    /// What became of it.
    pub verdict: Verdict,
    /// Why it was skipped.
    pub skipped: Option<String>,
    /// What breaks it.
    pub findings: Vec<Finding>,
}

impl Entry {
    /// What people read: the title, else the id.
    pub fn shown(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.policy)
    }
}

/// The results of all safeguards of a profile, in the order of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The configuration that places are of.
    pub file: PathBuf,
    /// The results.
    pub entries: Vec<Entry>,
}

impl Report {
    /// How many safeguards came to this.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.entries.iter().filter(|entry| entry.verdict == verdict).count()
    }

    /// Whether something was skipped that the packaged service would tell.
    pub fn lacks_package(&self) -> bool {
        let known_by_package =
            |entry: &&Entry| super::policy(&entry.policy).is_some_and(|it| it.need != Need::FrameworkVersion);
        self.entries.iter().filter(|entry| entry.skipped.is_some()).any(|entry| known_by_package(&entry))
    }

    /// Whether a deployment must not go on.
    pub fn blocks(&self) -> bool {
        self.count(Verdict::Failed) > 0
    }
}

/// Applies safeguards to a service. `document` tells places: it is the configuration as a person wrote it; `file` is
/// how the person knows it.
///
/// With `strict` a safeguard that cannot be judged breaks: it is what a deployment asks for, since one that nobody
/// evaluated has not passed. Without it such a one is skipped, and the entry says why.
pub fn evaluate(
    safeguards: &[Safeguard],
    service: &Service<'_>,
    file: &Path,
    document: Option<&Document>,
    strict: bool,
) -> Report {
    let broken = |level| if level == Level::Error { Verdict::Failed } else { Verdict::Warned };
    let entry = |safeguard: &Safeguard| {
        let (verdict, skipped, violations) = match safeguard.rule.check(service) {
            Ok(violations) if violations.is_empty() => (Verdict::Passed, None, violations),
            Ok(violations) => (broken(safeguard.level), None, violations),
            Err(missing) if strict => {
                let why = format!("it cannot be judged: {missing}");
                (broken(safeguard.level), None, vec![Violation::new(why)])
            }
            Err(missing) => (Verdict::Skipped, Some(missing.to_string()), Vec::new()),
        };
        let place = |violation: &Violation| document.and_then(|document| document.place(&violation.keys));
        Entry {
            policy: safeguard.rule.policy().id.to_owned(),
            title: safeguard.title.clone(),
            description: safeguard.description.clone(),
            level: safeguard.level,
            verdict,
            skipped,
            findings: violations
                .into_iter()
                .map(|violation| Finding { place: place(&violation), violation })
                .collect(),
        }
    };
    Report { file: file.to_owned(), entries: safeguards.iter().map(entry).collect() }
}
