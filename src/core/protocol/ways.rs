//! What is said about the ways in besides the metadata endpoint: tokens, `exec`, sign-in.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::SecretText;
use crate::core::container_token::{TokenId, TokenLife};
use crate::core::moment::Timestamp;
use crate::core::name::{App, ProfileName, Region, Stage};

/// A token, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenStatus {
    /// What it is called.
    pub id: TokenId,
    /// What the person calls it.
    pub label: Option<String>,
    /// The application.
    pub app: App,
    /// The stage.
    pub stage: Stage,
    /// The profile.
    pub profile: ProfileName,
    /// The configuration of its project.
    pub config: PathBuf,
    /// When it was made.
    pub since: Timestamp,
    /// When it ends, if a time was said.
    pub until: Option<Timestamp>,
    /// How long it lives besides.
    pub life: TokenLife,
    /// For whom it was made, in words.
    pub made_by: String,
    /// When it was last presented to this daemon.
    pub last_used: Option<Timestamp>,
    /// Why it gives nothing any more, if so.
    pub ended: Option<String>,
}

/// A token that was made.
#[derive(Debug, Serialize, Deserialize)]
pub struct MadeToken {
    /// The token as it is listed.
    pub status: TokenStatus,
    /// Its text, which is told once.
    pub token: SecretText,
    /// What to ask with it.
    pub url: String,
    /// The sentence that must be said when the stage did not match.
    pub note: Option<String>,
}

/// What a command is started with.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExecGrant {
    /// The application.
    pub app: App,
    /// The stage.
    pub stage: Stage,
    /// The region, where one is named.
    pub region: Option<Region>,
    /// Where brokerd listens.
    pub endpoints: Vec<String>,
    /// Whether the application is the one of the project where the command is started: then a tool that asks the
    /// metadata endpoint gets the same.
    pub is_own: bool,
    /// The sentence that must be said when the stage did not match.
    pub note: Option<String>,
    /// What opens it.
    pub access: ExecAccess,
}

/// What a command gets its credentials by.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecAccess {
    /// A token for the container endpoint.
    Token {
        /// Its text.
        token: SecretText,
        /// The file that holds it too.
        file: PathBuf,
        /// What to ask with it.
        url: String,
    },
    /// The credentials themselves.
    Keys {
        /// The access key id.
        access_key_id: String,
        /// The secret access key.
        secret_access_key: SecretText,
        /// The session token.
        session_token: SecretText,
        /// When they end.
        expires: Timestamp,
        /// The daemon's clock, against which that counts.
        now: Timestamp,
    },
}

/// A stage that has a profile, for `~/.aws/config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwsProfile {
    /// The application.
    pub app: App,
    /// The stage.
    pub stage: Stage,
    /// The region, where one is named.
    pub region: Option<Region>,
}
