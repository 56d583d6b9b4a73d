//! Calls to AWS that a profile's own session signs.

use std::error::Error;

use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::base_credentials::words;
use super::sdk;
use crate::core::credentials::SessionCredentials;
use crate::core::name::Region as RegionName;
use crate::core::secret::SecretFailure;

/// What a client of a service is made of. Endpoints, proxies and FIPS follow the SDK's own settings, as STS does.
pub async fn config(http: SharedHttpClient, session: &SessionCredentials, region: &RegionName) -> SdkConfig {
    let secret = session.reveal();
    let credentials = Credentials::new(
        session.access_key_id(),
        secret.secret_access_key,
        Some(secret.session_token.to_owned()),
        None,
        "session",
    );
    sdk::loader(http, Region::new(region.to_string()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .load()
        .await
}

/// What a failed call means.
pub(super) fn sorted<E>(error: &SdkError<E, HttpResponse>) -> SecretFailure
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let SdkError::ServiceError(refused) = error else {
        return SecretFailure::Network { why: words(error) };
    };
    let code = refused.err().code().unwrap_or("unknown");
    let why = refused.err().message().unwrap_or("no message");
    if refused.raw().status().is_server_error() {
        return SecretFailure::Network { why: brief(&format!("{code}: {why}")) };
    }
    said(code, why)
}

/// What AWS says about one thing.
pub(super) fn said(code: &str, why: &str) -> SecretFailure {
    let why = brief(why);
    match code {
        "ResourceNotFoundException" | "ParameterNotFound" | "ParameterVersionNotFound" => {
            SecretFailure::Missing { why, remedy: None }
        }
        "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequestsException" => {
            SecretFailure::Throttled { why }
        }
        "InternalServiceError" | "InternalServerError" | "ServiceUnavailable" => {
            SecretFailure::Network { why: format!("{code}: {why}") }
        }
        _ => SecretFailure::Refused { code: brief(code), why },
    }
}

/// Whether the same may go well for each thing alone where it does not for all together: one that may not be read
/// spoils a batch.
pub(super) fn is_about_one(failure: &SecretFailure) -> bool {
    matches!(failure, SecretFailure::Refused { .. } | SecretFailure::Missing { .. })
}

fn brief(text: &str) -> String {
    const LONGEST: usize = 400;
    text.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}
