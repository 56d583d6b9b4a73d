//! What STS says instead of a session, in words.

use std::time::Duration;

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use crate::core::aws_clock::is_refused;
use crate::core::duration::format_duration;
use crate::core::issue::IssueError;
use crate::core::name::MfaSerial;
use crate::edges::aws_clock::AwsClock;
use crate::edges::base_credentials;

/// What was asked for.
pub(super) struct Asked<'a> {
    pub(super) signed_by: &'a str,
    pub(super) role: &'a str,
    pub(super) duration: Duration,
    /// The MFA device whose code was with it.
    pub(super) serial: Option<&'a MfaSerial>,
    /// What AWS says of the time.
    pub(super) clock: &'a AwsClock,
}

pub(super) fn sorted<E>(asked: &Asked<'_>, error: &SdkError<E, HttpResponse>) -> IssueError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let source_name = asked.signed_by.to_owned();
    let SdkError::ServiceError(refused) = error else {
        return IssueError::Network { why: base_credentials::words(error) };
    };
    let code = refused.err().code().unwrap_or("unknown").to_owned();
    let why: String = refused.err().message().unwrap_or("no message").chars().take(400).collect();
    match code.as_str() {
        // The words of STS for a code that is wrong or was used before.
        "AccessDenied" | "AccessDeniedException" if why.contains("MultiFactorAuthentication failed") => {
            IssueError::NeedsMfa {
                serial: asked.serial.map_or_else(|| "the device".to_owned(), ToString::to_string),
                why: "AWS did not take the last one: wrong, too late, or used before".to_owned(),
            }
        }
        "AccessDenied" | "AccessDeniedException" => {
            IssueError::AccessDenied { source_name, role: asked.role.to_owned(), why }
        }
        "ExpiredToken" | "ExpiredTokenException" => IssueError::BaseCredentialsExpired { source_name, why },
        "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequestsException" => {
            IssueError::Throttled { why }
        }
        "ValidationError" if why.contains("DurationSeconds") => {
            IssueError::TooLong { role: asked.role.to_owned(), asked: format_duration(asked.duration), why }
        }
        // What STS says of signatures whose time it does not accept (AWS General Reference, Signature Version 4).
        "SignatureDoesNotMatch" | "RequestExpired" | "RequestTimeTooSkewed" | "InvalidSignatureException"
            if asked.clock.ahead().is_some_and(is_refused) =>
        {
            IssueError::Clock { ahead: asked.clock.ahead().unwrap_or_default(), why }
        }
        _ if refused.raw().status().is_server_error() => {
            IssueError::Network { why: format!("{code}: {why}") }
        }
        _ => IssueError::Refused { code, why },
    }
}
