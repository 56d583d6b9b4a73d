//! What is said about secrets.

use serde::{Deserialize, Serialize};

use super::SecretText;
use crate::core::catalog::SecretSource;
use crate::core::moment::Timestamp;
use crate::core::name::{App, ProfileName, SecretName, Stage};

/// Values of secrets of a profile.
#[derive(Debug, Serialize, Deserialize)]
pub struct SecretGrant {
    /// The application.
    pub app: App,
    /// The stage.
    pub stage: Stage,
    /// The profile.
    pub profile: ProfileName,
    /// The sentence that must be said when the stage did not match.
    pub note: Option<String>,
    /// The values, by name.
    pub secrets: Vec<GivenSecret>,
}

/// A secret with its value.
#[derive(Debug, Serialize, Deserialize)]
pub struct GivenSecret {
    /// Its name.
    pub name: SecretName,
    /// Where it comes from.
    pub source: SecretOrigin,
    /// Its value.
    pub value: GivenValue,
    /// The sentence that must be said when the value is older than it should be.
    pub note: Option<String>,
}

/// A value on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GivenValue {
    /// Text.
    Text(SecretText),
    /// Bytes that are no text, in base64.
    Base64(SecretText),
}

/// The source of a secret, for whoever wants to refer to it elsewhere than by its value: one of Secrets Manager can be a
/// dynamic reference of CloudFormation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretOrigin {
    /// `keychain`, `ssm`, `secretsmanager`, `env`, `command` or `file`.
    pub kind: String,
    /// The parameter's or secret's name or ARN in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The key in its JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The version's staging label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_stage: Option<String>,
}

impl From<&SecretSource> for SecretOrigin {
    fn from(source: &SecretSource) -> Self {
        let (kind, id, key, version_stage) = match source {
            SecretSource::Keychain => ("keychain", None, None, None),
            SecretSource::Ssm { name } => ("ssm", Some(name.clone()), None, None),
            SecretSource::SecretsManager { id, key, version_stage } => {
                ("secretsmanager", Some(id.clone()), key.clone(), version_stage.clone())
            }
            SecretSource::Environment { .. } => ("env", None, None, None),
            SecretSource::Command { .. } => ("command", None, None, None),
            SecretSource::File { .. } => ("file", None, None, None),
        };
        Self { kind: kind.to_owned(), id, key, version_stage }
    }
}

/// The secrets of a profile, without their values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretList {
    /// The application.
    pub app: App,
    /// The stage.
    pub stage: Stage,
    /// The profile.
    pub profile: ProfileName,
    /// The sentence that must be said when the stage did not match.
    pub note: Option<String>,
    /// Its secrets, by name.
    pub secrets: Vec<SecretStatus>,
    /// The daemon's clock, against which ages count.
    pub now: Timestamp,
}

/// A secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretStatus {
    /// Its name.
    pub name: SecretName,
    /// Where it comes from.
    pub source: SecretOrigin,
    /// The same in words.
    pub place: String,
    /// For how many seconds a value is used before it is read again.
    pub ttl: u64,
    /// When its value was read, if one is known.
    pub read: Option<Timestamp>,
    /// What that value is worth.
    pub freshness: SecretFreshness,
    /// Why it could not be read the last time.
    pub failure: Option<String>,
    /// What to do about that.
    pub hint: Option<String>,
}

/// What the known value of a secret is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretFreshness {
    /// It was not read yet, or too long ago.
    None,
    /// It is served.
    Fresh,
    /// It is read again before it is served, and served only while its source is down.
    Stale,
}
