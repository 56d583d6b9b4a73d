//! Why STS gave no session.

use serde::{Deserialize, Serialize};

/// Why no session could be had for an access role. The texts name profiles, roles and AWS's own words, never
/// a key or token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", rename_all = "kebab-case")]
pub enum IssueError {
    /// The signing identity may not assume the role.
    #[error("AccessDenied: the base credentials ({source_name}) may not assume {role}: {why}")]
    AccessDenied {
        /// Which base credentials.
        source_name: String,
        /// The role.
        role: String,
        /// The words of STS.
        why: String,
    },
    /// There are no base credentials.
    #[error("no base credentials: {source_name} gives none: {why}")]
    NoBaseCredentials {
        /// Which base credentials.
        source_name: String,
        /// What the SDK says.
        why: String,
    },
    /// There are base credentials that have ended.
    #[error("the base credentials ({source_name}) have expired: {why}")]
    BaseCredentialsExpired {
        /// Which base credentials.
        source_name: String,
        /// What STS or the SDK says.
        why: String,
    },
    /// The base credentials are in the keychain, which does not give them.
    #[error("the base credentials ({source_name}) cannot be had: {why}")]
    Keychain {
        /// Which base credentials.
        source_name: String,
        /// What the keychain says.
        why: String,
        /// What to do about it.
        remedy: Option<String>,
    },
    /// Too many calls.
    #[error("STS is throttling: {why}")]
    Throttled {
        /// The words of STS.
        why: String,
    },
    /// STS cannot be reached or does not answer in time.
    #[error("STS cannot be reached: {why}")]
    Network {
        /// What the connection says.
        why: String,
    },
    /// Anything else that STS says.
    #[error("STS refuses: {code}: {why}")]
    Refused {
        /// The code of STS.
        code: String,
        /// The words of STS.
        why: String,
    },
    /// brokerd itself failed.
    #[error("brokerd failed while it asked STS: {why}")]
    Internal {
        /// What is known.
        why: String,
    },
    /// The answer is still under way.
    #[error("STS has not answered yet; it is being asked")]
    Pending,
}

impl IssueError {
    /// Whether trying again can help without anybody doing anything.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Network { .. } | Self::Internal { .. } | Self::Pending)
    }

    /// Whether a login would help.
    pub fn needs_login(&self) -> bool {
        matches!(
            self,
            Self::NoBaseCredentials { .. } | Self::BaseCredentialsExpired { .. } | Self::Keychain { .. }
        )
    }

    /// For how many seconds the failure is remembered, so that a failing role is not hammered.
    pub fn memory_seconds(&self) -> i64 {
        match self {
            Self::AccessDenied { .. } | Self::Refused { .. } => 10,
            Self::Throttled { .. } => 3,
            // Somebody may have just logged in: let the next request see it.
            Self::NoBaseCredentials { .. }
            | Self::BaseCredentialsExpired { .. }
            | Self::Keychain { .. }
            | Self::Network { .. } => 1,
            Self::Internal { .. } | Self::Pending => 0,
        }
    }

    /// What to type next.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::AccessDenied { role, .. } => {
                format!(
                    "check the trust policy of {role}, its external id, and sts:AssumeRole of the base credentials"
                )
            }
            Self::NoBaseCredentials { source_name, .. }
            | Self::BaseCredentialsExpired { source_name, .. } => {
                match source_name.strip_prefix("profile ") {
                    Some(profile) => {
                        format!("aws sso login --profile {profile}, or renew that profile's keys")
                    }
                    None => "log in to AWS, or name a source in the profile's access_role".to_owned(),
                }
            }
            Self::Keychain { remedy, .. } => remedy.clone()?,
            Self::Network { .. } => {
                "check the network, proxies, certificates and AWS_ENDPOINT_URL_STS of brokerd".to_owned()
            }
            Self::Refused { code, .. } if code.starts_with("PackedPolicy") => {
                "shorten session_policy and policy_arns, use fewer session_tags, or enforce fewer safeguards in the session"
                    .to_owned()
            }
            Self::Refused { .. } => "check the profile's access_role in the catalog".to_owned(),
            Self::Throttled { .. } | Self::Internal { .. } | Self::Pending => return None,
        })
    }
}
