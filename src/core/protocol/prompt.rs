//! What a shell's prompt shows, and the names that its completions offer.

use serde::{Deserialize, Serialize};

use crate::core::moment::Timestamp;
use crate::core::name::{App, ProfileName, SecretName, Stage};

/// What a process that is started in a directory now gets, in the few words of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptState {
    /// The application, if it can be told.
    pub app: Option<App>,
    /// The stage, if it can be told.
    pub stage: Option<Stage>,
    /// The profile; absent where there is none.
    pub profile: Option<ProfileName>,
    /// The account of its role.
    pub account: Option<String>,
    /// When the session that is there ends; absent while there is none.
    pub expires: Option<Timestamp>,
    /// AWS's clock, against which that counts.
    pub now: Timestamp,
    /// What must be seen, the most pressing first.
    pub flags: Vec<PromptFlag>,
}

/// What a person at a prompt should know before the next command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PromptFlag {
    /// brokerd is locked and gives nothing.
    Locked,
    /// Nobody allowed this project, or not as it is now.
    NotAllowed,
    /// It is refused for another reason, which `brokerctl why` says.
    Refused,
    /// The profile is protected.
    Protected,
    /// The profile waits for an approval.
    Approval,
    /// A login is needed.
    Login,
    /// A code of an MFA device is needed.
    Mfa,
    /// STS gives no session now.
    Failing,
    /// The stage is not configured: it is the application's default profile.
    Default,
    /// The stage is pinned, in this terminal or for the project.
    Pinned,
    /// Something that this version does not know.
    #[serde(other)]
    Unknown,
}

/// The names that a person may type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownNames {
    /// The application of the project here.
    pub here: Option<App>,
    /// The applications of the catalog and of the allowed projects.
    pub applications: Vec<KnownApplication>,
    /// The profiles of the catalog.
    pub profiles: Vec<KnownProfile>,
}

/// An application, and the stages that are known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownApplication {
    /// Its name.
    pub name: App,
    /// Its stages, each with its profile.
    pub stages: Vec<(Stage, ProfileName)>,
}

/// A profile, and the names of its secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownProfile {
    /// Its name.
    pub name: ProfileName,
    /// What its author says of it.
    pub description: Option<String>,
    /// The names of its secrets.
    pub secrets: Vec<SecretName>,
}
