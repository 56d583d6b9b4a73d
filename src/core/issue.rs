//! Why STS gave no session.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::aws_clock::skew_sentence;
use super::moment::Timestamp;

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
    /// Somebody has to log in.
    #[error("a login is needed for {source_name}: {why}")]
    NeedsLogin {
        /// What for.
        source_name: String,
        /// What is wrong with the last login.
        why: String,
        /// What to type.
        login: String,
    },
    /// Somebody has to give a code of an MFA device.
    #[error("an MFA code of {serial} is needed: {why}")]
    NeedsMfa {
        /// The device.
        serial: String,
        /// Why there is none.
        why: String,
    },
    /// The session would last longer than it may.
    #[error("STS gives no session of {role} that lasts {asked}: {why}")]
    TooLong {
        /// The role.
        role: String,
        /// How long it was to last.
        asked: String,
        /// The words of STS.
        why: String,
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
    /// STS does not accept what was signed by this machine's clock.
    #[error("{}: STS says {why}", skew_sentence(*.ahead))]
    Clock {
        /// By how many seconds it is ahead of AWS; behind where negative.
        ahead: i64,
        /// The words of STS.
        why: String,
    },
    /// `brokerctl lock`, or the lock of the screen.
    #[error(
        "brokerd is locked since {since}: every session was dropped, and none is given until it is unlocked"
    )]
    Locked {
        /// Since when.
        since: Timestamp,
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
        matches!(
            self,
            Self::Throttled { .. }
                | Self::Network { .. }
                | Self::Internal { .. }
                | Self::Clock { .. }
                | Self::Pending
        )
    }

    /// Whether a login would help.
    pub fn needs_login(&self) -> bool {
        matches!(
            self,
            Self::NoBaseCredentials { .. }
                | Self::BaseCredentialsExpired { .. }
                | Self::Keychain { .. }
                | Self::NeedsLogin { .. }
                | Self::NeedsMfa { .. }
        )
    }

    /// For how long the failure is remembered, so that a failing role is not hammered, when it is the `times`th in a
    /// row: of those that pass by themselves longer each time, and spread by `jitter` (0..=255), so that what failed
    /// together does not try again together.
    pub fn memory(&self, times: u32, jitter: u8) -> Duration {
        match self {
            Self::AccessDenied { .. } | Self::Refused { .. } | Self::TooLong { .. } => {
                Duration::from_secs(10)
            }
            Self::Throttled { .. } => doubled(Duration::from_secs(3), times, Duration::from_secs(24), jitter),
            Self::Network { .. } => doubled(Duration::from_secs(1), times, Duration::from_secs(8), jitter),
            // Somebody may have just logged in: let the next request see it.
            Self::NoBaseCredentials { .. }
            | Self::BaseCredentialsExpired { .. }
            | Self::Keychain { .. }
            | Self::NeedsLogin { .. }
            | Self::NeedsMfa { .. } => Duration::from_secs(1),
            Self::Internal { .. } | Self::Pending | Self::Clock { .. } | Self::Locked { .. } => {
                Duration::ZERO
            }
        }
    }

    /// The same where the last good session is served meanwhile: nobody waits, so it may be longer.
    pub fn memory_while_served(&self, times: u32, jitter: u8) -> Duration {
        let patient = doubled(Duration::from_secs(5), times, Duration::from_mins(5), jitter);
        self.memory(times, jitter).max(patient)
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
                        format!("renew the keys of profile {profile} in ~/.aws, or log in again")
                    }
                    None => "log in to AWS, or name a source in the profile's access_role".to_owned(),
                }
            }
            Self::Keychain { remedy, .. } => remedy.clone()?,
            Self::NeedsLogin { login, .. } => login.clone(),
            Self::NeedsMfa { .. } => "brokerctl mfa".to_owned(),
            Self::TooLong { .. } => {
                "lower `duration` in the profile's access_role, or raise the role's maximum session duration"
                    .to_owned()
            }
            Self::Network { .. } => {
                "check the network, proxies, certificates and AWS_ENDPOINT_URL_STS of brokerd".to_owned()
            }
            Self::Refused { code, .. } => remedy(code).to_owned(),
            Self::Clock { .. } => "set this machine's clock: timedatectl set-ntp true".to_owned(),
            Self::Locked { .. } => "brokerctl unlock".to_owned(),
            Self::Throttled { .. } | Self::Internal { .. } | Self::Pending => return None,
        })
    }
}

/// What to do about what STS says (AWS STS API reference, `AssumeRole` and `AssumeRoleWithWebIdentity`, errors).
fn remedy(code: &str) -> &'static str {
    match code {
        "PackedPolicyTooLarge" | "PackedPolicyTooLargeException" => {
            "shorten session_policy and policy_arns, use fewer session_tags, or enforce fewer safeguards in the session"
        }
        "MalformedPolicyDocument" => "STS cannot read session_policy of the profile's access_role",
        "RegionDisabledException" => {
            "STS is switched off in that region for the account: name another `region` in the profile's access_role"
        }
        "InvalidIdentityToken" | "IDPRejectedClaim" | "IDPCommunicationError" => {
            "check the token in web_identity_token_file, its audience, and the identity provider in the role's account"
        }
        "InvalidClientTokenId" | "SignatureDoesNotMatch" | "UnrecognizedClientException" => {
            "the keys that sign are wrong or were deleted: renew them"
        }
        _ => "check the profile's access_role in the catalog",
    }
}

/// `first`, doubled for each failure after the first, at most `most`; then up to a half longer by `jitter`.
fn doubled(first: Duration, times: u32, most: Duration, jitter: u8) -> Duration {
    let factor = 2_u32.saturating_pow(times.saturating_sub(1).min(16));
    let length = first.saturating_mul(factor).min(most);
    length + length.mul_f64(0.5 * f64::from(jitter) / 255.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_tried_ever_later_and_the_rest_evenly() {
        let why = || "x".to_owned();
        let denied = IssueError::AccessDenied { source_name: why(), role: why(), why: why() };
        let throttled = IssueError::Throttled { why: why() };
        let network = IssueError::Network { why: why() };
        let no_login = IssueError::NoBaseCredentials { source_name: why(), why: why() };
        let seconds = |memory: fn(&IssueError, u32, u8) -> Duration, error| {
            [1, 2, 3, 4, 99].map(|times| memory(error, times, 0).as_secs())
        };
        assert_eq!(seconds(IssueError::memory, &denied), [10; 5]);
        assert_eq!(seconds(IssueError::memory, &throttled), [3, 6, 12, 24, 24]);
        assert_eq!(seconds(IssueError::memory, &network), [1, 2, 4, 8, 8]);
        assert_eq!(seconds(IssueError::memory, &no_login), [1; 5]);
        assert_eq!(seconds(IssueError::memory_while_served, &denied), [10, 10, 20, 40, 300]);
        assert_eq!(seconds(IssueError::memory_while_served, &network), [5, 10, 20, 40, 300]);
        assert_eq!(network.memory_while_served(99, 255).as_secs(), 450);
        assert!(denied.memory(1, 0) > throttled.memory(1, 255), "the one that lasts is remembered longer");
    }
}
