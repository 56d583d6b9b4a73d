//! Why the value of a secret cannot be had.

use serde::{Deserialize, Serialize};

use super::ContentError;
use crate::core::issue::IssueError;
use crate::core::name::ProfileName;

/// Why there is no value. The texts name secrets, sources and AWS's own words, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", rename_all = "kebab-case")]
pub enum SecretError {
    /// The profile has none of that name.
    #[error("profile {profile} lists no secret {asked}{}", .nearest.as_ref().map(|near| format!(" (did you mean {near}?)")).unwrap_or_default())]
    NotListed {
        /// The profile.
        profile: ProfileName,
        /// What was asked for.
        asked: String,
        /// One that it lists.
        nearest: Option<String>,
    },
    /// The source of one of the profile's secrets gives none.
    #[error("secret {name} ({place}): {why}")]
    Source {
        /// The secret, or what AWS calls it.
        name: String,
        /// Its source in words.
        place: String,
        /// Why.
        why: Box<SecretFailure>,
    },
}

/// Why a source gives no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "failure", rename_all = "kebab-case")]
pub enum SecretFailure {
    /// What it gives is no value.
    #[error("{why}")]
    Content {
        /// Why not.
        why: String,
    },
    /// It is not there.
    #[error("{why}")]
    Missing {
        /// What is missing.
        why: String,
        /// What to type next.
        remedy: Option<String>,
    },
    /// There is no session to ask AWS with.
    #[error("{why}")]
    Session {
        /// Why not.
        why: IssueError,
    },
    /// AWS refuses.
    #[error("{code}: {why}")]
    Refused {
        /// Its code.
        code: String,
        /// Its words.
        why: String,
    },
    /// AWS has too many calls.
    #[error("AWS is throttling: {why}")]
    Throttled {
        /// Its words.
        why: String,
    },
    /// AWS cannot be reached or does not answer in time.
    #[error("AWS cannot be reached: {why}")]
    Network {
        /// What the connection says.
        why: String,
    },
    /// The program, file or keychain fails.
    #[error("{why}")]
    Local {
        /// How.
        why: String,
        /// What to type next.
        remedy: Option<String>,
    },
    /// The answer is under way.
    #[error("it has not been read yet; it is being read")]
    Pending,
}

impl SecretFailure {
    /// Whether the source is down, so that trying again can help without anybody doing anything: then an older value
    /// may be served.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Session { why } => why.is_temporary() || why.needs_login(),
            Self::Throttled { .. } | Self::Network { .. } | Self::Local { .. } | Self::Pending => true,
            Self::Content { .. } | Self::Missing { .. } | Self::Refused { .. } => false,
        }
    }

    /// For how many seconds it is remembered, so that a failing source is not hammered.
    pub fn memory_seconds(&self) -> i64 {
        match self {
            Self::Throttled { .. } => 3,
            Self::Refused { .. } | Self::Network { .. } => 2,
            _ => 1,
        }
    }

    /// What to type next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { remedy, .. } | Self::Local { remedy, .. } => remedy.clone(),
            Self::Session { why } => why.hint(),
            Self::Refused { code, .. } if code.starts_with("AccessDenied") => Some(
                "allow the profile's role to read it (ssm:GetParameters, secretsmanager:GetSecretValue) and to use its \
                 key (kms:Decrypt)"
                    .to_owned(),
            ),
            Self::Refused { .. } => Some("check the secret's source in the catalog".to_owned()),
            Self::Network { .. } => {
                Some("check the network, proxies, certificates and AWS_ENDPOINT_URL of brokerd".to_owned())
            }
            Self::Content { .. } | Self::Throttled { .. } | Self::Pending => None,
        }
    }
}

impl From<ContentError> for SecretFailure {
    fn from(error: ContentError) -> Self {
        Self::Content { why: error.to_string() }
    }
}

impl SecretError {
    /// Whether trying again can help without anybody doing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::NotListed { .. } => false,
            Self::Source { why, .. } => why.is_temporary(),
        }
    }

    /// Whether a login would help.
    pub fn needs_login(&self) -> bool {
        let Self::Source { why, .. } = self else { return false };
        matches!(&**why, SecretFailure::Session { why } if why.needs_login())
    }

    /// What to type next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotListed { profile, .. } => Some(format!(
                "brokerctl secret list, or add it to [profiles.{profile}.secrets] in the catalog"
            )),
            Self::Source { why, .. } => why.hint(),
        }
    }
}
