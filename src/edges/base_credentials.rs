//! Base credentials: what signs AssumeRole.
//!
//! They come from the places that the AWS SDK knows, except the metadata service and container endpoints:
//! brokerd is one, and must never feed on itself.

use aws_config::environment::credentials::EnvironmentVariableCredentialsProvider;
use aws_config::login::LoginCredentialsProvider;
use aws_config::profile::ProfileSet;
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_types::os_shim_internal::{Env, Fs};

use super::keychain::Durable;
use super::sso::Sso;
use crate::core::base_profile::{self, BaseProfile, BaseProfileError, RoleStep, Root, Sections};
use crate::core::catalog::Source;
use crate::core::issue::IssueError;
use crate::core::keychain::Item;
use crate::core::long_term_keys::LongTermKeys;
use crate::core::name::{KeysName, MfaSerial};

/// A source in words: `profile work`, `the environment`.
pub fn name(source: &Source) -> String {
    match source {
        Source::Chain => "the SDK's chain".to_owned(),
        Source::Environment => "the environment".to_owned(),
        Source::Named(profile) => format!("profile {profile}"),
        Source::Keychain(keys) => format!("keys {keys} of the keychain"),
    }
}

/// Where base credentials are taken from.
#[derive(Debug)]
pub struct Places<'a> {
    /// The settings of the SDK's own providers.
    pub config: &'a ProviderConfig,
    /// What a person gave to keep.
    pub keychain: &'a Durable,
    /// The Identity Center.
    pub sso: &'a Sso,
}

/// Credentials, and what is to be done with them before they are base credentials.
#[derive(Debug)]
pub struct Base {
    /// What signs first.
    pub credentials: Credentials,
    /// The roles that are assumed with it, the first one first.
    pub steps: Vec<RoleStep>,
    /// The MFA device of the keys' owner.
    pub mfa_serial: Option<MfaSerial>,
    /// Whether what signs first is known to be a role's session: STS then gives sessions of an hour at most (AWS IAM user
    /// guide, "Role chaining").
    pub is_role: bool,
}

impl Base {
    fn of(credentials: Credentials) -> Self {
        Self { credentials, steps: Vec::new(), mfa_serial: None, is_role: false }
    }

    /// Whether they are a user's long-term keys: only those get an MFA session.
    pub fn is_long_term(&self) -> bool {
        self.credentials.session_token().is_none_or(str::is_empty)
    }
}

/// Takes credentials from a source now: files are read anew, so a login since the last time counts.
pub async fn fetch(source: &Source, places: &Places<'_>) -> Result<Base, IssueError> {
    match source {
        Source::Environment => environment(source).await.map(Base::of),
        Source::Named(profile) => of_profile(source, profile, &profiles(source).await?, places).await,
        Source::Keychain(keys) => of_keychain(source, keys, places.keychain).await.map(Base::of),
        Source::Chain => of_chain(source, places).await,
    }
}

/// The order of the SDK's own chain (SDKs and tools reference guide, "Standardized credential providers"), up to where
/// the network begins. What is there and broken is an error, and not passed over.
async fn of_chain(source: &Source, places: &Places<'_>) -> Result<Base, IssueError> {
    match EnvironmentVariableCredentialsProvider::new().provide_credentials().await {
        Ok(found) => return Ok(Base::of(found)),
        Err(CredentialsError::CredentialsNotLoaded(_)) => {}
        Err(error) => return Err(sorted(source, &error)),
    }
    let set = profiles(source).await?;
    let selected = set.selected_profile().to_owned();
    if set.get_profile(&selected).is_some() || selected != "default" {
        match of_profile(source, &selected, &set, places).await {
            // A [default] with nothing but a region in it.
            Err(IssueError::NoBaseCredentials { .. })
                if matches!(
                    base_profile::read(&Shared(&set), &selected),
                    Err(BaseProfileError::Nothing(_))
                ) => {}
            outcome => return outcome,
        }
    }
    let token = WebIdentityTokenCredentialsProvider::builder().configure(places.config).build();
    let found = token.provide_credentials().await.map_err(|error| sorted(source, &error))?;
    Ok(Base { is_role: true, ..Base::of(found) })
}

/// The sections of `~/.aws/config` and `credentials`, as the SDK reads them.
struct Shared<'a>(&'a ProfileSet);

impl Sections for Shared<'_> {
    fn has_profile(&self, name: &str) -> bool {
        self.0.get_profile(name).is_some()
    }

    fn profile(&self, name: &str, key: &str) -> Option<&str> {
        self.0.get_profile(name)?.get(key)
    }

    fn has_sso_session(&self, name: &str) -> bool {
        self.0.sso_session(name).is_some()
    }

    fn sso_session(&self, name: &str, key: &str) -> Option<&str> {
        self.0.sso_session(name)?.get(key)
    }
}

async fn profiles(source: &Source) -> Result<ProfileSet, IssueError> {
    let files = EnvConfigFiles::default();
    let set = aws_config::profile::load(&Fs::real(), &Env::real(), &files, None).await;
    set.map_err(|error| none(source, words(&error)))
}

/// What a source says of itself, without any credentials.
pub async fn described(source: &Source) -> Result<Option<BaseProfile>, IssueError> {
    let set = match source {
        Source::Named(_) | Source::Chain => profiles(source).await?,
        Source::Environment | Source::Keychain(_) => return Ok(None),
    };
    let name = match source {
        Source::Named(profile) => profile.clone(),
        _ if std::env::var_os("AWS_ACCESS_KEY_ID").is_some() => return Ok(None),
        _ => set.selected_profile().to_owned(),
    };
    base_profile::read(&Shared(&set), &name).map(Some).map_err(|error| none(source, error.to_string()))
}

/// What a person logs in to by the name of an `[sso-session NAME]`.
pub async fn sso_session(name: &str) -> Result<crate::core::sso::SsoSession, IssueError> {
    let source = Source::Named(name.to_owned());
    let set = profiles(&source).await?;
    base_profile::sso_session(&Shared(&set), name).map_err(|error| none(&source, error.to_string()))
}

async fn of_profile(
    source: &Source,
    profile: &str,
    set: &ProfileSet,
    places: &Places<'_>,
) -> Result<Base, IssueError> {
    let described =
        base_profile::read(&Shared(set), profile).map_err(|error| none(source, error.to_string()))?;
    let BaseProfile { root, steps, mfa_serial } = described;
    let is_role = matches!(root, Root::WebIdentity { .. } | Root::Sso { .. });
    let credentials = match root {
        Root::Keys { access_key_id, secret_access_key, session_token } => {
            let token = session_token.map(|token| token.as_str().to_owned());
            Credentials::new(access_key_id, secret_access_key.as_str(), token, None, "profile")
        }
        Root::Environment => environment(source).await?,
        Root::Process(command) => {
            let program =
                aws_config::credential_process::CredentialProcessProvider::new(command.as_str().to_owned());
            program.provide_credentials().await.map_err(|error| sorted(source, &error))?
        }
        Root::WebIdentity { role_arn, token_file, session_name } => {
            let settings = StaticConfiguration {
                web_identity_token_file: token_file.into(),
                role_arn,
                session_name: session_name.unwrap_or_else(|| "brokerd".to_owned()),
            };
            let provider = WebIdentityTokenCredentialsProvider::builder().configure(places.config);
            let provider = provider.static_configuration(settings).build();
            provider.provide_credentials().await.map_err(|error| sorted(source, &error))?
        }
        Root::Sso { session, account_id, role_name } => {
            places.sso.credentials(&name(source), &session, &account_id, &role_name).await?
        }
        Root::Login { session_arn } => {
            let provider = LoginCredentialsProvider::builder(session_arn).configure(places.config).build();
            provider.provide_credentials().await.map_err(|error| {
                let why = words(&error);
                IssueError::NeedsLogin {
                    source_name: name(source),
                    why,
                    login: format!("aws login --profile {profile}"),
                }
            })?
        }
    };
    Ok(Base { credentials, steps, mfa_serial, is_role })
}

async fn environment(source: &Source) -> Result<Credentials, IssueError> {
    let found = EnvironmentVariableCredentialsProvider::new().provide_credentials().await;
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

fn none(source: &Source, why: String) -> IssueError {
    IssueError::NoBaseCredentials { source_name: name(source), why }
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
