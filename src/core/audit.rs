//! What the audit log says of each issue and each refusal.
//!
//! Each line is a JSON object with `time` and `event`. Unless that is `lost` the line is a [`Record`];
//! where it is, a [`Gap`] stands for lines that could not be written. Keys may be added; those that are here
//! keep their meaning.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::approval::Use;
use super::caller::{Ancestor, Caller, ProcessId};
use super::container_token::TokenId;
use super::credentials::SessionCredentials;
use super::decision::{Decision, Matched, Outcome};
use super::masking::masked;
use super::moment::Timestamp;
use super::name::{App, ProfileName, RoleArn, SessionName, Stage};
use super::refusal::Refusal;

/// One line of the audit log.
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
    /// The container token that was presented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Arc<AuditedToken>>,
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
    /// The session's name, by which CloudTrail shows it from `AssumeRole` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_name: Option<SessionName>,
    /// When what was handed out ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// Which secrets were handed out or asked for: their names, or what AWS calls them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Why nothing was handed out, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// What was approved, or is no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Box<AuditedApproval>>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Credentials were handed out.
    Issue,
    /// Values of secrets were handed out.
    Secrets,
    /// They were not.
    Refusal,
    /// Lines could not be written.
    Lost,
    /// A person approved the use of a protected profile, or an edit of the catalog that takes protection away.
    Approval,
    /// An approval was taken back.
    Revocation,
    /// Safeguards that failed kept a deployment from going on.
    Blocked,
}

/// An approval, as the audit log has it. Of the line that it is in, the caller is who approved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditedApproval {
    /// The configuration of the project whose use was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<PathBuf>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// What the approved edit takes away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub what: Vec<String>,
}

/// A line of the audit log that stands where others are missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// When this line was written.
    pub time: Timestamp,
    /// Always [`Event::Lost`].
    pub event: Event,
    /// How many lines are missing here.
    pub lost: u64,
    /// When the first of them was to be written.
    pub since: Timestamp,
    /// When the last of them was to be written.
    pub until: Timestamp,
    /// Why the first of them could not be.
    pub why: String,
}

impl Gap {
    /// A gap that begins now, with nothing lost yet.
    pub fn new(now: Timestamp, why: &str) -> Self {
        Self { time: now, event: Event::Lost, lost: 0, since: now, until: now, why: why.to_owned() }
    }

    /// Counts more lines as lost.
    pub fn widen(&mut self, now: Timestamp, lines: u64) {
        self.lost = self.lost.saturating_add(lines);
        self.until = now;
    }

    /// The same as it is written now.
    #[must_use]
    pub fn told(&self, now: Timestamp) -> Self {
        Self { time: now, ..self.clone() }
    }

    /// What is left of it once an earlier state of it was written; `None` if nothing was lost since.
    #[must_use]
    pub fn after(self, told: &Self) -> Option<Self> {
        let lost = self.lost.saturating_sub(told.lost);
        (lost > 0).then_some(Self { lost, since: told.until, ..self })
    }
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
    /// The container endpoint.
    Container,
    /// `brokerctl exec --static`.
    Static,
    /// `brokerctl console`.
    Console,
    /// The interface of the Secrets Manager Agent.
    SecretsAgent,
    /// `brokerctl secret`, `brokerctl exec --secrets`, and what else asks for secrets by the control socket.
    SecretsCommand,
    /// A terminal, for approvals.
    Terminal,
    /// A notification, for approvals.
    Desktop,
    /// The Serverless plugin.
    Plugin,
}

/// A container token, as the audit log names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditedToken {
    /// What it is called.
    pub id: TokenId,
    /// What the person calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl Way {
    /// Whether it is a metadata service to whoever asks: its clients take credentials with less than about 25 minutes
    /// left to be valid for longer than they are.
    pub fn is_imds(self) -> bool {
        matches!(self, Self::Imds | Self::ImdsV1)
    }
}

/// The caller, as the audit log names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditedCaller {
    /// The process.
    #[serde(flatten)]
    pub process: ProcessId,
    /// The user whose it is; absent in lines of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Its executable.
    pub executable: Option<PathBuf>,
    /// Its command line, without the secrets on it: see [`super::masking`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Its directory.
    pub directory: PathBuf,
    /// The processes that started it, nearest first.
    pub parents: Vec<AuditedParent>,
}

impl AuditedCaller {
    /// The file name of its executable.
    pub fn name(&self) -> String {
        name_of(self.executable.as_deref())
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

impl AuditedParent {
    /// The file name of its executable.
    pub fn name(&self) -> String {
        name_of(self.executable.as_deref())
    }
}

impl fmt::Display for AuditedParent {
    /// `bash (4240)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.pid)
    }
}

fn name_of(executable: Option<&Path>) -> String {
    let name = executable.and_then(Path::file_name);
    name.map_or_else(|| "unknown".to_owned(), |name| name.to_string_lossy().into_owned())
}

impl From<&Caller> for AuditedCaller {
    fn from(caller: &Caller) -> Self {
        let parents = caller.ancestors.iter();
        Self {
            process: caller.process.id,
            uid: Some(caller.uid),
            executable: caller.process.executable.clone(),
            command: caller.process.arguments.as_deref().map(masked).unwrap_or_default(),
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
    /// The record of credentials handed out, of a session of this name.
    pub fn issue(
        time: Timestamp,
        way: Way,
        caller: Option<Arc<AuditedCaller>>,
        decision: &Decision,
        session_name: &SessionName,
        credentials: &SessionCredentials,
    ) -> Self {
        Self {
            access_key_id: Some(credentials.access_key_id().to_owned()),
            session_name: Some(session_name.clone()),
            expires: Some(credentials.expires()),
            ..Self::decided(time, Event::Issue, way, caller, decision)
        }
    }

    /// The record of values handed out, by their names.
    pub fn secrets(
        time: Timestamp,
        way: Way,
        caller: Option<Arc<AuditedCaller>>,
        decision: &Decision,
        names: Vec<String>,
    ) -> Self {
        Self { secrets: names, ..Self::decided(time, Event::Secrets, way, caller, decision) }
    }

    /// The record of a decision that could not be carried out.
    pub fn failure(
        time: Timestamp,
        way: Way,
        caller: Option<Arc<AuditedCaller>>,
        decision: &Decision,
        refusal: Refusal,
    ) -> Self {
        Self {
            reason: Some(refusal.to_string()),
            refusal: Some(refusal),
            ..Self::decided(time, Event::Refusal, way, caller, decision)
        }
    }

    /// The record of a deployment that safeguards with these titles kept from going on.
    pub fn blocked(
        time: Timestamp,
        caller: Option<Arc<AuditedCaller>>,
        decision: &Decision,
        failed: &[String],
    ) -> Self {
        let reason = format!("safeguards failed: {}", failed.join(", "));
        Self { reason: Some(reason), ..Self::decided(time, Event::Blocked, Way::Plugin, caller, decision) }
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
            token: None,
            app: outcome.app.clone(),
            stage: outcome.stage.clone(),
            matched: None,
            profile: None,
            role: None,
            access_key_id: None,
            session_name: None,
            expires: None,
            reason: Some(refusal.to_string()),
            secrets: Vec::new(),
            refusal: Some(refusal),
            approval: None,
        }
    }

    /// The record of an approval that was given or taken back: of a use, or of what an edit takes from a profile.
    pub fn approval(
        time: Timestamp,
        event: Event,
        way: Way,
        caller: Option<Arc<AuditedCaller>>,
        profile: ProfileName,
        of: Option<&Use>,
        approval: AuditedApproval,
    ) -> Self {
        Self {
            time,
            event,
            way,
            caller,
            token: None,
            app: of.map(|of| of.app.clone()),
            stage: of.map(|of| of.stage.clone()),
            matched: None,
            profile: Some(profile),
            role: of.map(|of| of.role.clone()),
            access_key_id: None,
            session_name: None,
            expires: None,
            secrets: Vec::new(),
            reason: None,
            refusal: None,
            approval: Some(Box::new(AuditedApproval { config: of.map(|of| of.config.clone()), ..approval })),
        }
    }

    /// The same, with the secrets that were asked for.
    #[must_use]
    pub fn about(self, secrets: Vec<String>) -> Self {
        Self { secrets, ..self }
    }

    /// The same, asked for with a container token.
    #[must_use]
    pub fn with_token(self, token: Option<Arc<AuditedToken>>) -> Self {
        Self { token, ..self }
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
            token: None,
            app: Some(decision.app.clone()),
            stage: Some(decision.stage.clone()),
            matched: Some(decision.matched),
            profile: Some(decision.profile.name.clone()),
            role: Some(decision.access_role.role_arn.clone()),
            access_key_id: None,
            session_name: None,
            expires: None,
            reason: None,
            secrets: Vec::new(),
            refusal: None,
            approval: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_counts_what_was_lost_since_it_was_told() {
        let mut gap = Gap::new(Timestamp(10), "the disk is full");
        gap.widen(Timestamp(10), 2);
        gap.widen(Timestamp(12), 3);
        let told = gap.told(Timestamp(20));
        assert_eq!(
            serde_json::to_string(&told).unwrap(),
            "{\"time\":\"1970-01-01T00:00:20Z\",\"event\":\"lost\",\"lost\":5,\
             \"since\":\"1970-01-01T00:00:10Z\",\"until\":\"1970-01-01T00:00:12Z\",\"why\":\"the disk is full\"}"
        );
        assert_eq!(gap.clone().after(&told), None);
        gap.widen(Timestamp(21), 1);
        let left = gap.after(&told).unwrap();
        assert_eq!((left.lost, left.since, left.until), (1, Timestamp(12), Timestamp(21)));
    }
}
