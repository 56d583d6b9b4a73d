//! What the audit log says of each issue and each refusal.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::caller::{Ancestor, Caller, ProcessId};
use super::decision::{Decision, Matched, Outcome};
use super::moment::Timestamp;
use super::name::{App, ProfileName, RoleArn, Stage};
use super::refusal::Refusal;

/// One line of the audit log. Command lines are left out: they may hold secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When.
    pub time: Timestamp,
    /// What happened.
    pub event: Event,
    /// By which way in.
    pub way: Way,
    /// Who asked, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Arc<AuditedCaller>>,
    /// The application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<App>,
    /// The stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// How the profile was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<Matched>,
    /// The profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileName>,
    /// The role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleArn>,
    /// The access key id that was handed out: CloudTrail names it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// When what was handed out ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Why nothing was handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Credentials were handed out.
    Issue,
    /// They were not.
    Refusal,
}

/// The way in by which a caller asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// The metadata endpoint, with a token.
    Imds,
    /// The metadata endpoint, without a token.
    ImdsV1,
    /// `brokerctl credential-process`.
    CredentialProcess,
}

/// The caller, as the audit log names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditedCaller {
    /// The process.
    #[serde(flatten)]
    pub process: ProcessId,
    /// Its executable.
    pub executable: Option<PathBuf>,
    /// Its directory.
    pub directory: PathBuf,
    /// The processes that started it, nearest first.
    pub parents: Vec<AuditedParent>,
}

impl AuditedCaller {
    /// The file name of its executable.
    pub fn name(&self) -> String {
        let name = self.executable.as_deref().and_then(|path| path.file_name());
        name.map_or_else(|| "unknown".to_owned(), |name| name.to_string_lossy().into_owned())
    }
}

impl fmt::Display for AuditedCaller {
    /// `pid 4242 (python3) in /home/a/shop`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} ({}) in {}", self.process.pid, self.name(), self.directory.display())
    }
}

/// A process that started the caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditedParent {
    /// Its process id.
    pub pid: u32,
    /// Its executable.
    pub executable: Option<PathBuf>,
}

impl From<&Caller> for AuditedCaller {
    fn from(caller: &Caller) -> Self {
        let parents = caller.ancestors.iter();
        Self {
            process: caller.process.id,
            executable: caller.process.executable.clone(),
            directory: caller.directory.clone(),
            parents: parents
                .map(|Ancestor { process, .. }| AuditedParent {
                    pid: process.id.pid,
                    executable: process.executable.clone(),
                })
                .collect(),
        }
    }
}

impl Record {
    /// The record of credentials handed out.
    pub fn issue(
        time: Timestamp,
        way: Way,
        caller: Option<Arc<AuditedCaller>>,
        decision: &Decision,
        access_key_id: &str,
        expires: Timestamp,
    ) -> Self {
        Self {
            access_key_id: Some(access_key_id.to_owned()),
            expires: Some(expires),
            ..Self::decided(time, Event::Issue, way, caller, decision)
        }
    }

    /// The record of a decision that could not be carried out.
    pub fn failure(
        time: Timestamp,
        way: Way,
        caller: Option<Arc<AuditedCaller>>,
        decision: &Decision,
        refusal: Refusal,
    ) -> Self {
        Self { refusal: Some(refusal), ..Self::decided(time, Event::Refusal, way, caller, decision) }
    }

    /// The record of a refusal without a decision.
    pub fn refusal(
        time: Timestamp,
        way: Way,
        caller: Option<Arc<AuditedCaller>>,
        outcome: &Outcome,
        refusal: Refusal,
    ) -> Self {
        Self {
            time,
            event: Event::Refusal,
            way,
            caller,
            app: outcome.app.clone(),
            stage: outcome.stage.clone(),
            matched: None,
            profile: None,
            role: None,
            access_key_id: None,
            expires: None,
            refusal: Some(refusal),
        }
    }

    fn decided(
        time: Timestamp,
        event: Event,
        way: Way,
        caller: Option<Arc<AuditedCaller>>,
        decision: &Decision,
    ) -> Self {
        Self {
            time,
            event,
            way,
            caller,
            app: Some(decision.app.clone()),
            stage: Some(decision.stage.clone()),
            matched: Some(decision.matched),
            profile: Some(decision.profile.name.clone()),
            role: Some(decision.access_role.role_arn.clone()),
            access_key_id: None,
            expires: None,
            refusal: None,
        }
    }
}
