//! Reading: each spot by the edge that knows it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use zeroize::Zeroizing;

use crate::core::decision::Decision;
use crate::core::keychain::Item;
use crate::core::name::{ProfileName, Region, SecretName};
use crate::core::secret::{Address, Content, Origin, SecretFailure, Spot, Version, region_of};
use crate::core::session::SessionRequest;
use crate::daemon::sessions::{Session, Sessions};
use crate::edges::keychain::{Durable, DurableError};
use crate::edges::{profile_session, secret_command, secret_file, secrets_manager, ssm};

/// A session may take so long: whoever stops waiting does not stop the reading.
const SESSION: Duration = Duration::from_secs(25);

/// What came of reading one address.
pub(super) type Read = (Address, Result<Content, SecretFailure>);

/// Whose session reads from AWS.
#[derive(Debug, Clone)]
pub(in crate::daemon) struct Access {
    pub(in crate::daemon) sessions: Sessions,
    pub(in crate::daemon) request: Arc<SessionRequest>,
    pub(in crate::daemon) decision: Arc<Decision>,
}

/// Everything that values are read from.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) http: SharedHttpClient,
    pub(super) keychain: Durable,
    pub(super) home: PathBuf,
    pub(super) catalog: PathBuf,
}

impl Sources {
    /// Reads what is on this machine.
    pub(super) async fn here(&self, address: &Address) -> Result<Content, SecretFailure> {
        match &address.spot {
            Spot::Keychain(name) => self.keychain(&address.profile, name).await,
            Spot::Environment(name) => environment(name),
            Spot::Command(argv) => {
                let run = secret_command::run(argv, &self.home, secret_command::PATIENCE).await;
                run.map_err(|error| match error {
                    secret_command::SecretCommandError::Content { why, .. } => why.into(),
                    other => SecretFailure::Local { why: other.to_string(), remedy: None },
                })
            }
            Spot::File(path) => {
                let path = secret_file::place(path, &self.home, &self.catalog);
                let read = tokio::task::spawn_blocking(move || secret_file::read(&path)).await;
                let read = read.map_err(|_| local("the reading was given up"))?;
                read.map_err(|error| match error {
                    secret_file::SecretFileError::Content { why, .. } => why.into(),
                    // Others could read it: an older value is no excuse to go on.
                    ref other => SecretFailure::Missing { why: other.to_string(), remedy: other.hint() },
                })
            }
            Spot::Ssm { .. } | Spot::SecretsManager { .. } => Err(local("it is not on this machine")),
        }
    }

    async fn keychain(&self, profile: &ProfileName, name: &SecretName) -> Result<Content, SecretFailure> {
        let held = self.keychain.read(Item::secret(profile, name)).await.map_err(|error| {
            let remedy = alternatives(&error).or_else(|| error.hint());
            match error {
                // It cannot have been kept there.
                DurableError::Forgetful { .. } => SecretFailure::Missing { why: error.to_string(), remedy },
                DurableError::Keychain { .. } => SecretFailure::Local { why: error.to_string(), remedy },
            }
        })?;
        let held = held.ok_or_else(|| SecretFailure::Missing {
            why: "the keychain has no value for it".to_owned(),
            remedy: Some(format!("brokerctl secret set --profile {profile} {name}")),
        })?;
        Ok(Content::new(held, Origin::Here)?)
    }

    /// Reads what is in AWS, in as few calls as it takes.
    pub(super) async fn of_aws(&self, access: Access, addresses: Vec<Address>) -> Vec<Read> {
        let session = access.sessions.get(&access.request, Some(&access.decision), SESSION).await;
        let session = match session {
            Ok(session) => session,
            Err(why) => {
                return addresses
                    .into_iter()
                    .map(|address| (address, Err(SecretFailure::Session { why: why.clone() })))
                    .collect();
            }
        };
        let mut by_region: HashMap<Region, Vec<Address>> = HashMap::new();
        let mut read = Vec::with_capacity(addresses.len());
        for address in addresses {
            if let Some(region) = region(&address) {
                by_region.entry(region).or_default().push(address);
                continue;
            }
            let remedy = "add region to the profile's access_role, or provider.region to serverless.yml";
            let why = "no region is named".to_owned();
            read.push((address, Err(SecretFailure::Missing { why, remedy: Some(remedy.to_owned()) })));
        }
        for (region, addresses) in by_region {
            read.extend(Box::pin(self.of_region(&session, &region, addresses)).await);
        }
        read
    }

    async fn of_region(&self, session: &Session, region: &Region, addresses: Vec<Address>) -> Vec<Read> {
        let config = profile_session::config(self.http.clone(), &session.credentials, region).await;
        let mut parameters: [(Vec<Address>, Vec<String>); 2] = Default::default();
        let mut secrets: (Vec<Address>, Vec<(String, Version)>) = Default::default();
        for address in addresses {
            match &address.spot {
                Spot::Ssm { name, version, decrypted } => {
                    let of_kind = &mut parameters[usize::from(*decrypted)];
                    of_kind.1.push(selected(name, version));
                    of_kind.0.push(address);
                }
                Spot::SecretsManager { id, version } => {
                    secrets.1.push((id.clone(), version.clone()));
                    secrets.0.push(address);
                }
                // Nothing else comes here.
                _ => {}
            }
        }
        let [stored, decrypted] = parameters;
        let (stored_found, decrypted_found, secrets_found) = tokio::join!(
            ssm::read(&config, &stored.1, false),
            ssm::read(&config, &decrypted.1, true),
            secrets_manager::read(&config, &secrets.1),
        );
        let pairs = stored.0.into_iter().zip(stored_found);
        pairs
            .chain(decrypted.0.into_iter().zip(decrypted_found))
            .chain(secrets.0.into_iter().zip(secrets_found))
            .collect()
    }
}

/// What to do where the keychain in use forgets.
pub(super) fn alternatives(error: &DurableError) -> Option<String> {
    matches!(error, DurableError::Forgetful { .. }).then(|| {
        "write keychain = \"secret-service\" (on macOS \"macos\") in config.toml, or give the secret another source in \
         the catalog: ssm, secretsmanager, command or file"
            .to_owned()
    })
}

fn local(why: &str) -> SecretFailure {
    SecretFailure::Local { why: why.to_owned(), remedy: None }
}

fn environment(name: &str) -> Result<Content, SecretFailure> {
    let value = std::env::var_os(name).ok_or_else(|| SecretFailure::Missing {
        why: format!("brokerd was started without the variable {name}"),
        remedy: Some(format!("start brokerd with {name} in its environment")),
    })?;
    let bytes = std::os::unix::ffi::OsStringExt::into_vec(value);
    Ok(Content::new(Zeroizing::new(bytes), Origin::Here)?)
}

/// The region whose service is asked: that of an ARN, else the project's.
fn region(address: &Address) -> Option<Region> {
    let id = match &address.spot {
        Spot::Ssm { name, .. } => name,
        Spot::SecretsManager { id, .. } => id,
        _ => return None,
    };
    region_of(id).and_then(|region| Region::parse(region).ok()).or_else(|| address.region.clone())
}

/// A parameter's name with its version or label, as `GetParameters` takes it.
fn selected(name: &str, version: &Version) -> String {
    let selector = version.id.as_ref().or(version.label.as_ref());
    selector.map_or_else(|| name.to_owned(), |selector| format!("{name}:{selector}"))
}
