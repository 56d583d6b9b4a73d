//! Decisions in words: what a process gets and why, and what an edit takes from it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::core::decision::{Matched, Reason};
use crate::core::name::{App, Org, ProfileName, Region, RoleArn, Stage};
use crate::core::refusal::Refusal;

/// A decision, explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Of whom: `pid 4242 (python3) in /home/a/shop`.
    pub caller: String,
    /// The steps, in order.
    pub reasons: Vec<Reason>,
    /// What comes of it.
    pub verdict: Verdict,
}

/// What comes of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// This profile.
    Profile {
        /// The application.
        app: App,
        /// The stage.
        stage: Stage,
        /// How the profile was found.
        matched: Matched,
        /// The profile.
        profile: ProfileName,
        /// Its role.
        role: RoleArn,
        /// The region.
        region: Option<Region>,
        /// The sentence that must be said when the stage did not match.
        fallback: Option<String>,
    },
    /// Nothing.
    Refused {
        /// Why.
        refusal: Refusal,
        /// The same as a sentence.
        message: String,
        /// What to type next.
        hint: Option<String>,
    },
}

/// A running process that is refused since the catalog changed, until it is started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AffectedProcess {
    /// Its number.
    pub pid: u32,
    /// Its program.
    pub name: String,
    /// Where it runs.
    pub directory: PathBuf,
    /// The application that it was given a profile for.
    pub app: App,
    /// The stage.
    pub stage: Stage,
    /// The profile that it was given.
    pub profile: ProfileName,
}

/// A project that was allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permission {
    /// The configuration.
    pub config: PathBuf,
    /// The application.
    pub app: App,
    /// The organisation.
    pub org: Option<Org>,
    /// Whether every worktree of the repository is allowed with it.
    pub worktrees: bool,
    /// What a process there gets now.
    pub decision: Explanation,
}
