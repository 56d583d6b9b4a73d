//! AWS Security Token Service: sessions for access roles.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use aws_config::environment::region::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_sts::config::IdentityCache;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::{AssumeRoleError, AssumeRoleOutput};
use aws_sdk_sts::types::{PolicyDescriptorType, Tag};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::aws_clock::AwsClock;
use super::base_credentials;
use super::keychain::Durable;
use crate::core::aws_clock::is_refused;
use crate::core::catalog::{AccessRole, Source};
use crate::core::credentials::SessionCredentials;
use crate::core::issue::IssueError;
use crate::core::moment::Timestamp;
use crate::core::session::SessionRequest;

/// A session, some time from now.
pub type Issuing = Pin<Box<dyn Future<Output = Result<SessionCredentials, IssueError>> + Send>>;

/// Gives sessions. One of the two places where tests put a stand-in.
pub trait Issuer: Send + Sync + std::fmt::Debug {
    /// Asks for a session. The future owns what it needs, so that it can go on when its caller has left.
    fn issue(&self, request: SessionRequest) -> Issuing;
}

/// The real thing, by the AWS SDK. Endpoints, proxies, FIPS and retries follow the SDK's own settings.
#[derive(Debug, Clone)]
pub struct Sts {
    http: SharedHttpClient,
    keychain: Durable,
    clock: AwsClock,
}

impl Sts {
    /// STS through a client of [`super::https`]; base credentials may be in this keychain. What it says of the time
    /// goes to `clock`, by which is signed.
    pub fn new(http: SharedHttpClient, keychain: Durable, clock: AwsClock) -> Self {
        Self { http, keychain, clock }
    }
}

impl Issuer for Sts {
    fn issue(&self, request: SessionRequest) -> Issuing {
        let Self { http, keychain, clock } = self.clone();
        Box::pin(async move { assume_role(http, &keychain, &clock, &request).await })
    }
}

async fn assume_role(
    http: SharedHttpClient,
    keychain: &Durable,
    clock: &AwsClock,
    request: &SessionRequest,
) -> Result<SessionCredentials, IssueError> {
    let role = &request.access_role;
    let region = region(role).await;
    let provider_config =
        ProviderConfig::default().with_region(Some(region.clone())).with_http_client(http.clone());
    // Fetched apart from the call, so that "no credentials" and "STS says no" stay two things.
    let base = base_credentials::fetch(&role.source, &provider_config, keychain).await?;

    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .region(region)
        .credentials_provider(base)
        .time_source(clock.signing())
        .identity_cache(IdentityCache::no_cache())
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_max_backoff(Duration::from_secs(2)))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(4))
                .operation_attempt_timeout(Duration::from_secs(8))
                .operation_timeout(Duration::from_secs(20))
                .build(),
        );
    if let Source::Named(profile) = &role.source {
        loader = loader.profile_name(profile);
    }
    let client = aws_sdk_sts::Client::new(&loader.load().await);
    let tags =
        role.session_tags.iter().filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok());
    let policies =
        role.policy_arns.iter().map(|arn| PolicyDescriptorType::builder().arn(arn.as_str()).build());
    let answer = client
        .assume_role()
        .role_arn(role.role_arn.as_str())
        .role_session_name(request.session_name.as_str())
        .duration_seconds(i32::try_from(role.duration.as_secs()).unwrap_or(i32::MAX))
        .set_external_id(role.external_id.as_ref().map(ToString::to_string))
        .set_policy(role.session_policy.clone())
        .set_tags(none_if_empty(tags.collect()))
        .set_policy_arns(none_if_empty(policies.collect()))
        .customize()
        .interceptor(clock.clone())
        .send()
        .await
        .map_err(|error| sorted(role, &error, clock.ahead()))?;
    credentials(answer, clock.now())
}

fn none_if_empty<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// The region whose STS is asked: the role's, the environment's, the source profile's, else one of the role's
/// partition. Never the metadata service's, which the SDK would ask by itself.
async fn region(role: &AccessRole) -> Region {
    if let Some(region) = &role.region {
        return Region::new(region.to_string());
    }
    let mut files = ProfileFileRegionProvider::builder();
    if let Source::Named(profile) = &role.source {
        files = files.profile_name(profile);
    }
    let chain =
        RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new()).or_else(files.build());
    let of_partition = match role.role_arn.partition() {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        _ => "us-east-1",
    };
    chain.region().await.unwrap_or(Region::from_static(of_partition))
}

fn credentials(answer: AssumeRoleOutput, issued: Timestamp) -> Result<SessionCredentials, IssueError> {
    let malformed = || IssueError::Refused {
        code: "none".to_owned(),
        why: "its answer has no usable credentials".to_owned(),
    };
    let given = answer.credentials.ok_or_else(malformed)?;
    let expires = Timestamp(given.expiration.secs());
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

fn sorted(role: &AccessRole, error: &SdkError<AssumeRoleError>, ahead: Option<i64>) -> IssueError {
    let source_name = base_credentials::name(&role.source);
    let SdkError::ServiceError(refused) = error else {
        return IssueError::Network { why: base_credentials::words(error) };
    };
    let code = refused.err().code().unwrap_or("unknown").to_owned();
    let why: String = refused.err().message().unwrap_or("no message").chars().take(400).collect();
    match code.as_str() {
        "AccessDenied" | "AccessDeniedException" => {
            IssueError::AccessDenied { source_name, role: role.role_arn.to_string(), why }
        }
        "ExpiredToken" | "ExpiredTokenException" => IssueError::BaseCredentialsExpired { source_name, why },
        "Throttling" | "ThrottlingException" | "RequestLimitExceeded" | "TooManyRequestsException" => {
            IssueError::Throttled { why }
        }
        // What STS says of signatures whose time it does not accept (AWS General Reference, Signature Version 4).
        "SignatureDoesNotMatch" | "RequestExpired" | "RequestTimeTooSkewed" | "InvalidSignatureException"
            if ahead.is_some_and(is_refused) =>
        {
            IssueError::Clock { ahead: ahead.unwrap_or_default(), why }
        }
        _ if refused.raw().status().is_server_error() => {
            IssueError::Network { why: format!("{code}: {why}") }
        }
        _ => IssueError::Refused { code, why },
    }
}
