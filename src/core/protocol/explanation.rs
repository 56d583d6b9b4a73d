//! Decisions in words: what a process gets and why, and what an edit takes from it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::core::catalog::{AccessRole, Enforce, Profile};
use crate::core::decision::{Matched, Reason};
use crate::core::name::{App, Org, ProfileName, Region, RoleArn, Stage};
use crate::core::refusal::Refusal;
use crate::core::session_policy::NOT_STOPPED;

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
        /// What narrows the session, where something does.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        narrowed: Option<Box<Narrowed>>,
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

/// What AWS enforces in a session beyond the role, and what it does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Narrowed {
    /// The session policy in force, as STS gets it.
    pub session_policy: Option<String>,
    /// The managed session policies.
    pub policy_arns: Vec<String>,
    /// What these do not stop.
    pub not_stopped: Vec<String>,
}

impl Narrowed {
    /// What narrows the sessions of a profile; none if nothing does.
    pub fn of(profile: &Profile, role: &AccessRole) -> Option<Self> {
        if role.session_policy.is_none() && role.policy_arns.is_empty() {
            return None;
        }
        let rules = profile.safeguards.iter().filter(|guard| guard.enforce == Some(Enforce::Session));
        let own = rules.filter_map(|guard| {
            Some(format!("{}: {}", guard.policy(), guard.rule.policy().session?.not_stopped))
        });
        Some(Self {
            session_policy: role.session_policy.clone(),
            policy_arns: role.policy_arns.iter().map(ToString::to_string).collect(),
            not_stopped: own.chain(NOT_STOPPED.map(str::to_owned)).collect(),
        })
    }
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
