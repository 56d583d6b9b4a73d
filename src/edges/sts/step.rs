//! One call to STS.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::SharedCredentialsProvider;
use aws_sdk_sts::types::{Credentials as Given, PolicyDescriptorType, Tag};
use zeroize::Zeroizing;

use super::expanded;
use super::failure::{self, Asked};
use crate::core::base_profile::RoleStep;
use crate::core::catalog::AccessRole;
use crate::core::credentials::SessionCredentials;
use crate::core::issue::IssueError;
use crate::core::mfa::MfaCode;
use crate::core::moment::Timestamp;
use crate::core::name::{ExternalId, MfaSerial};
use crate::core::session::SessionRequest;
use crate::edges::aws_clock::AwsClock;

/// The longest session that one role may get of another (AWS IAM user guide, "Role chaining").
const CHAINED: Duration = Duration::from_hours(1);
/// A session that only assumes the next role is needed for a moment: the shortest that STS gives.
const ON_THE_WAY: Duration = Duration::from_mins(15);
/// A token of an identity provider is no longer (AWS STS API reference, `AssumeRoleWithWebIdentity`).
const LONGEST_TOKEN: u64 = 20_000;

/// A role to assume, and with what.
pub(super) struct Step<'a> {
    pub(super) role_arn: &'a str,
    pub(super) mfa_serial: Option<&'a MfaSerial>,
    session_name: &'a str,
    external_id: Option<&'a str>,
    duration: Duration,
    /// What the catalog says besides; a profile of `~/.aws/config` has no more.
    role: Option<&'a AccessRole>,
}

impl<'a> Step<'a> {
    /// A role of a profile of `~/.aws/config`.
    pub(super) fn of_profile(step: &'a RoleStep) -> Self {
        Self {
            role_arn: &step.role_arn,
            mfa_serial: step.mfa_serial.as_ref(),
            session_name: step.session_name.as_deref().unwrap_or("brokerd"),
            external_id: step.external_id.as_deref(),
            duration: ON_THE_WAY,
            role: None,
        }
    }

    /// A role of the catalog that leads to another one.
    pub(super) fn on_the_way(role: &'a AccessRole, request: &'a SessionRequest) -> Self {
        Self { duration: ON_THE_WAY, ..Self::last(role, request) }
    }

    /// The role whose session is served.
    pub(super) fn last(role: &'a AccessRole, request: &'a SessionRequest) -> Self {
        Self {
            role_arn: role.role_arn.as_str(),
            mfa_serial: role.mfa_serial.as_ref(),
            session_name: role.session_name.as_ref().unwrap_or(&request.session_name).as_str(),
            external_id: role.external_id.as_ref().map(ExternalId::as_str),
            duration: role.duration,
            role: Some(role),
        }
    }
}

/// With what a step is taken.
pub(super) struct Call<'a> {
    pub(super) config: &'a SdkConfig,
    /// What signs; a token of an identity provider needs nothing that does.
    pub(super) signer: Option<&'a Credentials>,
    pub(super) signed_by: &'a str,
    /// Whether what signs is a role's session.
    pub(super) is_chained: bool,
    pub(super) code: Option<(&'a MfaSerial, &'a MfaCode)>,
    pub(super) home: &'a Path,
    /// What hears the time of each answer.
    pub(super) clock: &'a AwsClock,
}

impl Call<'_> {
    /// Takes the step. Where STS itself says that one role assumes another, an hour is asked for instead.
    pub(super) async fn assume(&self, step: &Step<'_>) -> Result<SessionCredentials, IssueError> {
        let duration = if self.is_chained { step.duration.min(CHAINED) } else { step.duration };
        if duration < step.duration {
            tracing::info!(role = step.role_arn, "the session lasts 1h: another role's session signs for it");
        }
        match self.ask(step, duration).await {
            Err(IssueError::TooLong { why, .. })
                if duration > CHAINED && self.code.is_none() && why.contains("chaining") =>
            {
                tracing::info!(
                    role = step.role_arn,
                    "the session lasts 1h: another role's session signs for it"
                );
                self.ask(step, CHAINED).await
            }
            outcome => outcome,
        }
    }

    async fn ask(&self, step: &Step<'_>, duration: Duration) -> Result<SessionCredentials, IssueError> {
        let asked = Asked {
            signed_by: self.signed_by,
            role: step.role_arn,
            duration,
            serial: self.code.map(|(serial, _)| serial),
            clock: self.clock,
        };
        let seconds = i32::try_from(duration.as_secs()).unwrap_or(i32::MAX);
        let policy = step.role.and_then(|role| role.session_policy.clone());
        let policies = step.role.map(|role| role.policy_arns.as_slice()).unwrap_or_default();
        let policies = none_if_empty(
            policies.iter().map(|arn| PolicyDescriptorType::builder().arn(arn.as_str()).build()).collect(),
        );
        let token_file = step.role.and_then(|role| role.web_identity_token_file.as_deref());
        if let Some(file) = token_file {
            let token = self.token(file).await?;
            let call = client(self.config, None, self.clock).assume_role_with_web_identity();
            let call =
                call.role_arn(step.role_arn).role_session_name(step.session_name).duration_seconds(seconds);
            let call = call.web_identity_token(token.as_str()).set_policy(policy).set_policy_arns(policies);
            let answer = call.send().await.map_err(|error| failure::sorted(&asked, &error))?;
            return credentials(answer.credentials, self.clock);
        }
        let none = BTreeMap::new();
        let tags = step.role.map_or(&none, |role| &role.session_tags).iter();
        let tags = tags.filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok());
        let transitive = step.role.map(|role| role.transitive_tags.clone()).unwrap_or_default();
        let identity = step.role.and_then(|role| role.source_identity.as_ref()).map(ToString::to_string);
        let mut call = client(self.config, self.signer, self.clock)
            .assume_role()
            .role_arn(step.role_arn)
            .role_session_name(step.session_name)
            .duration_seconds(seconds)
            .set_external_id(step.external_id.map(str::to_owned))
            .set_policy(policy)
            .set_policy_arns(policies)
            .set_tags(none_if_empty(tags.collect()))
            .set_transitive_tag_keys(none_if_empty(transitive))
            .set_source_identity(identity);
        if let Some((serial, code)) = self.code {
            call = call.serial_number(serial.as_str()).token_code(code.reveal());
        }
        let answer = call.send().await.map_err(|error| failure::sorted(&asked, &error))?;
        credentials(answer.credentials, self.clock)
    }

    /// The token of an identity provider, as it is now.
    async fn token(&self, file: &Path) -> Result<Zeroizing<String>, IssueError> {
        let path = expanded(file, self.home);
        let failed = |why: String| IssueError::NoBaseCredentials {
            source_name: format!("the token of {}", file.display()),
            why,
        };
        let shown = failed("it is too long".to_owned());
        let read = tokio::task::spawn_blocking(move || {
            let length = std::fs::metadata(&path)?.len();
            if length > LONGEST_TOKEN { Ok(None) } else { std::fs::read_to_string(&path).map(Some) }
        });
        let read = read.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let text = read.map_err(|error| failed(error.to_string()))?.map(Zeroizing::new).ok_or(shown)?;
        Ok(Zeroizing::new(text.trim().to_owned()))
    }
}

/// Asks for an MFA session of long-term keys.
pub(super) async fn session_token(
    config: &SdkConfig,
    keys: &Credentials,
    signed_by: &str,
    serial: &MfaSerial,
    code: &MfaCode,
    duration: Duration,
    clock: &AwsClock,
) -> Result<SessionCredentials, IssueError> {
    let asked = Asked { signed_by, role: serial.as_str(), duration, serial: Some(serial), clock };
    let call = client(config, Some(keys), clock)
        .get_session_token()
        .serial_number(serial.as_str())
        .token_code(code.reveal());
    let call = call.duration_seconds(i32::try_from(duration.as_secs()).unwrap_or(i32::MAX));
    let answer = call.send().await.map_err(|error| failure::sorted(&asked, &error))?;
    credentials(answer.credentials, clock)
}

fn client(config: &SdkConfig, signer: Option<&Credentials>, clock: &AwsClock) -> Client {
    let mut builder = aws_sdk_sts::config::Builder::from(config).interceptor(clock.clone());
    builder.set_credentials_provider(signer.map(|signer| SharedCredentialsProvider::new(signer.clone())));
    Client::from_conf(builder.build())
}

fn none_if_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn credentials(given: Option<Given>, clock: &AwsClock) -> Result<SessionCredentials, IssueError> {
    let malformed = || IssueError::Refused {
        code: "none".to_owned(),
        why: "its answer has no usable credentials".to_owned(),
    };
    let given = given.ok_or_else(malformed)?;
    let (issued, expires) = (clock.now(), Timestamp(given.expiration.secs()));
    let complete = [&given.access_key_id, &given.secret_access_key, &given.session_token]
        .iter()
        .all(|part| !part.is_empty());
    if !complete || expires <= issued {
        return Err(malformed());
    }
    Ok(SessionCredentials::new(
        given.access_key_id,
        given.secret_access_key,
        given.session_token,
        issued,
        expires,
    ))
}
