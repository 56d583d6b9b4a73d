//! Base credentials: what signs AssumeRole.
//!
//! They come from the places that the AWS SDK knows, except the metadata service and container endpoints:
//! brokerd is one, and must never feed on itself.

use aws_config::environment::credentials::EnvironmentVariableCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};

use super::keychain::Durable;
use crate::core::catalog::Source;
use crate::core::issue::IssueError;
use crate::core::keychain::Item;
use crate::core::long_term_keys::LongTermKeys;
use crate::core::name::KeysName;

/// A source in words: `profile work`, `the environment`.
pub fn name(source: &Source) -> String {
    match source {
        Source::Chain => "the SDK's chain".to_owned(),
        Source::Environment => "the environment".to_owned(),
        Source::Named(profile) => format!("profile {profile}"),
        Source::Keychain(keys) => format!("keys {keys} of the keychain"),
    }
}

/// Takes credentials from a source now: files are read anew, so a login since the last time counts.
pub async fn fetch(
    source: &Source,
    config: &ProviderConfig,
    keychain: &Durable,
) -> Result<Credentials, IssueError> {
    let found = match source {
        Source::Environment => EnvironmentVariableCredentialsProvider::new().provide_credentials().await,
        Source::Named(profile) => profile_provider(config, Some(profile)).provide_credentials().await,
        Source::Keychain(keys) => return of_keychain(source, keys, keychain).await,
        Source::Chain => {
            // The order of the SDK's own chain (SDKs and tools reference guide, "Standardized credential
            // providers"), up to where the network begins.
            let chain = CredentialsProviderChain::first_try(
                "Environment",
                EnvironmentVariableCredentialsProvider::new(),
            )
            .or_else("Profile", profile_provider(config, None))
            .or_else(
                "WebIdentityToken",
                WebIdentityTokenCredentialsProvider::builder().configure(config).build(),
            );
            chain.provide_credentials().await
        }
    };
    found.map_err(|error| sorted(source, &error))
}

async fn of_keychain(
    source: &Source,
    keys: &KeysName,
    keychain: &Durable,
) -> Result<Credentials, IssueError> {
    let failed =
        |why: String, remedy: Option<String>| IssueError::Keychain { source_name: name(source), why, remedy };
    let login = || Some(format!("brokerctl login --keys {keys}"));
    let held = keychain.read(Item::keys(keys)).await;
    let held = held.map_err(|error| failed(error.to_string(), error.hint()))?;
    let held = held.ok_or_else(|| failed("the keychain has none of that name".to_owned(), login()))?;
    let keys = LongTermKeys::from_bytes(&held)
        .ok_or_else(|| failed("what the keychain has under that name are no keys".to_owned(), login()))?;
    Ok(Credentials::new(keys.access_key_id(), keys.reveal(), None, None, "keychain"))
}

fn profile_provider(config: &ProviderConfig, profile: Option<&str>) -> ProfileFileCredentialsProvider {
    let mut builder = ProfileFileCredentialsProvider::builder()
        .configure(config)
        .with_custom_provider("Ec2InstanceMetadata", LeftOut("Ec2InstanceMetadata"))
        .with_custom_provider("EcsContainer", LeftOut("EcsContainer"));
    if let Some(profile) = profile {
        builder = builder.profile_name(profile);
    }
    builder.build()
}

/// Stands where a profile says `credential_source = Ec2InstanceMetadata` or `EcsContainer`.
#[derive(Debug)]
struct LeftOut(&'static str);

impl ProvideCredentials for LeftOut {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let why = format!("credential_source = {} is left out: brokerd would ask itself", self.0);
        future::ProvideCredentials::ready(Err(CredentialsError::invalid_configuration(why)))
    }
}

fn sorted(source: &Source, error: &CredentialsError) -> IssueError {
    let (source_name, why) = (name(source), words(error));
    let lower = whole(error).to_ascii_lowercase();
    if lower.contains("expired") {
        return IssueError::BaseCredentialsExpired { source_name, why };
    }
    let unreachable = ["dispatch failure", "timed out", "timeout"].iter().any(|sign| lower.contains(sign));
    match error {
        CredentialsError::ProviderTimedOut(_) => IssueError::Network { why },
        CredentialsError::ProviderError(_) if unreachable => IssueError::Network { why },
        _ => IssueError::NoBaseCredentials { source_name, why },
    }
}

/// An error with its causes, on one line and not endless, for people.
pub(super) fn words(error: &(dyn std::error::Error + 'static)) -> String {
    const LONGEST: usize = 400;
    let line = whole(error);
    // What a credential helper wrote to its standard error may be anything, a trace of its secrets included.
    let line = line.split("Stderr:").next().unwrap_or_default().trim_end();
    line.chars().take(LONGEST).collect()
}

/// An error with its causes. Never shown: see [`words`].
fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let mut parts: Vec<String> = chain.map(ToString::to_string).collect();
    // Many errors repeat the text of their cause.
    parts.dedup_by(|cause, above| above.contains(cause.as_str()));
    parts.join(": ").split_whitespace().collect::<Vec<_>>().join(" ")
}
