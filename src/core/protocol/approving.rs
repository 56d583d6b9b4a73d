//! Approvals: what waits for one, what was given.

use serde::{Deserialize, Serialize};

use crate::core::approval::{Approval, Use};
use crate::core::audit::AuditedCaller;
use crate::core::catalog::Approve;
use crate::core::moment::Timestamp;
use crate::core::name::ProfileName;

/// Something that a person may approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalQuestion {
    /// What it is called: whoever approves by this name approves exactly this.
    pub id: String,
    /// How it is approved.
    pub approve: Approve,
    /// The account whose last four digits are typed.
    pub account: String,
    /// What it is about.
    #[serde(flatten)]
    pub subject: ApprovalSubject,
    /// The processes that were refused for want of it, the last one first.
    pub waiting: Vec<AuditedCaller>,
    /// What keeps it from being approved, if something does.
    pub trouble: Option<String>,
}

/// What a person may approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "kebab-case")]
pub enum ApprovalSubject {
    /// A project's use of a protected profile.
    Use {
        /// Which.
        of: Use,
        /// The sentence that must be said when the stage did not match.
        fallback: Option<String>,
        /// For how many seconds at most.
        seconds: u64,
        /// For how many seconds what is handed out last can be used after that.
        session_seconds: u64,
    },
    /// What an edit of the catalog takes from the protection of a profile.
    Catalog {
        /// The profile that was protected.
        profile: ProfileName,
        /// What is taken away, in sentences.
        what: Vec<String>,
    },
}

/// An approval that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalStatus {
    /// What to.
    pub of: Use,
    /// How it was given.
    pub approve: Approve,
    /// By which process, where a process gave it.
    pub by: Option<String>,
    /// When it was given.
    pub since: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// When the last of what is handed out until then ends at the latest.
    pub usable_until: Timestamp,
}

impl From<&Approval> for ApprovalStatus {
    fn from(approval: &Approval) -> Self {
        Self {
            of: approval.of.clone(),
            approve: approval.approve,
            by: approval.by.as_ref().map(ToString::to_string),
            since: approval.since,
            until: approval.until,
            usable_until: approval.usable_until(),
        }
    }
}

/// The approvals, and what waits for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalOverview {
    /// Those that hold.
    pub given: Vec<ApprovalStatus>,
    /// What waits: uses that were asked for, and edits of the catalog.
    pub questions: Vec<ApprovalQuestion>,
    /// The daemon's clock, against which remaining times count.
    pub now: Timestamp,
}

impl ApprovalOverview {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.given.is_empty() && self.questions.is_empty()
    }
}

/// What was approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// The approval, of a use.
    pub given: Option<ApprovalStatus>,
    /// What is taken away from now on, of an edit.
    pub what: Vec<String>,
    /// The daemon's clock.
    pub now: Timestamp,
}
