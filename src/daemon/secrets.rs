//! The secrets of a decision: which may be had, by which names, and each handing out written down.

mod agent;
mod commands;
mod sources;
mod store;

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::Broker;
use super::callers::Asking;
use crate::core::audit::{Record, Way};
use crate::core::catalog::{DEFAULT_TTL, SecretSource};
use crate::core::config::Config;
use crate::core::decision::Decision;
use crate::core::issue::IssueError;
use crate::core::moment::Timestamp;
use crate::core::name::{Region, SecretName};
use crate::core::nearest::nearest;
use crate::core::refusal::Refusal;
use crate::core::secret::{
    Address, Content, SecretError, SecretFailure, Spot, Version, is_parameter, is_secret,
};
use crate::core::secrets_agent::{ParameterQuery, SecretQuery};
use crate::edges::clock;
use crate::edges::directories::Directories;
use crate::edges::keychain::Chosen;
use crate::edges::secrets_token::SecretsToken;
use sources::{Access, Sources};
use store::Ask;

pub(super) use agent::shut;
pub(super) use store::{Store, is_listed};

/// What reads and keeps values.
pub(super) fn store(
    directories: &Directories,
    config: &Config,
    keychain: &Chosen,
    http: SharedHttpClient,
) -> Store {
    let sources = Sources {
        http,
        keychain: keychain.durable(),
        home: directories.home.clone(),
        catalog: directories.config().to_owned(),
    };
    Store::new(sources, config.secrets_stale_for)
}

/// What clients of the secrets interface present.
pub(super) fn token(directories: &Directories) -> Option<SecretsToken> {
    let token = SecretsToken::at(&directories.secrets_token_file());
    token
        .inspect_err(|error| tracing::error!(%error, "clients of the secrets interface find no token file"))
        .ok()
}

/// One thing that is asked for, and where it is.
#[derive(Debug, Clone)]
struct Pick {
    /// What it is called in the profile; `None` where AWS's own name was asked for.
    name: Option<SecretName>,
    /// What it is called in the audit log and in errors.
    called: String,
    ask: Ask,
    /// The key in its JSON.
    key: Option<String>,
}

impl Pick {
    /// A secret of the profile by its name.
    fn named(decision: &Decision, name: &SecretName) -> Result<Self, SecretError> {
        let secret = decision.profile.secrets.get(name).ok_or_else(|| not_listed(decision, name.as_str()))?;
        let key = match &secret.source {
            SecretSource::SecretsManager { key, .. } => key.clone(),
            _ => None,
        };
        let address = Address::new(decision, Spot::of(name, &secret.source));
        let ask = Ask { address, ttl: secret.ttl };
        Ok(Self { name: Some(name.clone()), called: name.to_string(), ask, key })
    }

    /// What a request for a secret means: a name of the profile, a name or ARN of AWS's that the profile lists, or, where
    /// the profile lets it pass, any.
    fn secret(decision: &Decision, query: &SecretQuery) -> Result<Self, SecretError> {
        if let Some(mut pick) = Self::by_name(decision, &query.id)? {
            pick.at(&query.version)?;
            return Ok(pick);
        }
        let (account, region) = of_profile(decision);
        let listed = decision.profile.secrets.values().find_map(|secret| match &secret.source {
            SecretSource::SecretsManager { id, .. } if is_secret(id, &query.id, account, region) => {
                Some((id.clone(), secret.ttl))
            }
            _ => None,
        });
        let (id, ttl) = Self::or_passed(decision, listed, &query.id)?;
        let spot = Spot::SecretsManager { id, version: query.version.clone() };
        let ask = Ask { address: Address::new(decision, spot), ttl };
        Ok(Self { name: None, called: query.id.clone(), ask, key: None })
    }

    /// The same for a parameter.
    fn parameter(decision: &Decision, query: &ParameterQuery) -> Result<Self, SecretError> {
        if let Some(mut pick) = Self::by_name(decision, &query.name)? {
            pick.at(&query.version)?;
            return Ok(pick);
        }
        let (account, region) = of_profile(decision);
        let listed = decision.profile.secrets.values().find_map(|secret| match &secret.source {
            SecretSource::Ssm { name } if is_parameter(name, &query.name, account, region) => {
                Some((name.clone(), secret.ttl))
            }
            _ => None,
        });
        let (name, ttl) = Self::or_passed(decision, listed, &query.name)?;
        let spot = Spot::Ssm { name, version: query.version.clone(), decrypted: query.decrypted };
        let ask = Ask { address: Address::new(decision, spot), ttl };
        Ok(Self { name: None, called: query.name.clone(), ask, key: None })
    }

    fn by_name(decision: &Decision, asked: &str) -> Result<Option<Self>, SecretError> {
        match SecretName::parse(asked) {
            Ok(name) if decision.profile.secrets.contains_key(&name) => {
                Self::named(decision, &name).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn or_passed(
        decision: &Decision,
        listed: Option<(String, Duration)>,
        asked: &str,
    ) -> Result<(String, Duration), SecretError> {
        let passed = decision.profile.passthrough.then(|| (asked.to_owned(), DEFAULT_TTL));
        listed.or(passed).ok_or_else(|| not_listed(decision, asked))
    }

    /// Another version of the same, where its source has versions.
    fn at(&mut self, asked: &Version) -> Result<(), SecretError> {
        if asked.is_current() && asked.label.is_none() {
            return Ok(());
        }
        match &mut self.ask.address.spot {
            Spot::Ssm { version, .. } if asked.label.as_deref() != Some("AWSCURRENT") => {
                *version = asked.clone();
                Ok(())
            }
            Spot::SecretsManager { version, .. } => {
                *version = asked.clone();
                Ok(())
            }
            _ if asked.is_current() => Ok(()),
            _ => Err(self.failed(SecretFailure::Missing {
                why: "its source has no versions but the current one".to_owned(),
                remedy: None,
            })),
        }
    }

    fn failed(&self, why: SecretFailure) -> SecretError {
        SecretError::Source {
            name: self.called.clone(),
            place: self.ask.address.spot.place(),
            why: Box::new(why),
        }
    }
}

fn of_profile(decision: &Decision) -> (&str, Option<&str>) {
    (decision.access_role.role_arn.account(), decision.region.as_ref().map(Region::as_str))
}

fn not_listed(decision: &Decision, asked: &str) -> SecretError {
    let listed = decision.profile.secrets.keys().map(SecretName::as_str);
    let asked: String = asked.chars().filter(|c| !c.is_control()).take(128).collect();
    let nearest = nearest(&asked, listed).map(str::to_owned);
    SecretError::NotListed { profile: decision.profile.name.clone(), asked, nearest }
}

/// A value that is handed out.
#[derive(Debug, Clone)]
struct Served {
    name: Option<SecretName>,
    content: Arc<Content>,
    read: Timestamp,
    /// The sentence that must be said about it when it is older than it should be.
    note: Option<String>,
}

impl Broker {
    /// Nothing is handed out while brokerd is locked, nor of a protected profile that nobody approved.
    async fn secrets_permitted(&self, asking: &Asking, decision: &Arc<Decision>) -> Result<(), Refusal> {
        if let Some(since) = self.sessions.locked() {
            return Err(IssueError::Locked { since }.into());
        }
        self.permit(asking, decision).await
    }

    /// The decision with its profile as the catalog has it now: a process keeps its role, but not the secrets that were
    /// taken out of its profile since.
    async fn as_listed(&self, decision: &Arc<Decision>) -> Arc<Decision> {
        let catalog = self.catalogs.current().await.ok();
        match catalog.as_ref().and_then(|catalog| catalog.profiles.get(&decision.profile.name)) {
            Some(profile) if *profile != decision.profile => {
                Arc::new(Decision { profile: profile.clone(), ..Decision::clone(decision) })
            }
            _ => decision.clone(),
        }
    }

    /// Hands out what is picked of a decision's secrets, or says why not; both are written down, without any value.
    /// Nothing is handed out that credentials would not be handed out for.
    async fn serve_secrets(
        &self,
        way: Way,
        asking: &Asking,
        decision: &Arc<Decision>,
        picks: &[Pick],
        refresh: bool,
        patience: Duration,
    ) -> Result<Vec<Result<Served, SecretError>>, Refusal> {
        let names: Vec<String> = picks.iter().map(|pick| pick.called.clone()).collect();
        if let Some(refusal) = decision.unserved(way, &clock::local_now()) {
            self.no_secrets(way, asking, decision, names, &refusal);
            return Err(refusal);
        }
        if let Err(refusal) = self.secrets_permitted(asking, decision).await {
            self.no_secrets(way, asking, decision, names, &refusal);
            return Err(refusal);
        }
        self.keeper.first_answer().await;
        let access = Access {
            sessions: self.sessions.clone(),
            request: self.request(decision).clone(),
            decision: decision.clone(),
        };
        let asks: Vec<Ask> = picks.iter().map(|pick| pick.ask.clone()).collect();
        let found = self.secrets.get(&asks, refresh, &access, patience).await;
        // Meanwhile the user may have said no.
        let catalog = self.catalogs.current().await;
        if let Some(why) =
            decision.ended(catalog.as_deref().map_err(String::as_str), &self.permissions.current())
        {
            let refusal = Refusal::Ended { why };
            self.no_secrets(way, asking, decision, names, &refusal);
            return Err(refusal);
        }
        if let Err(refusal) = self.secrets_permitted(asking, decision).await {
            self.no_secrets(way, asking, decision, names, &refusal);
            return Err(refusal);
        }
        let now = clock::now();
        let served: Vec<Result<Served, SecretError>> = picks
            .iter()
            .zip(found)
            .map(|(pick, got)| {
                let got = got.map_err(|why| pick.failed(why))?;
                let content = match &pick.key {
                    None => got.content,
                    Some(key) => {
                        Arc::new(got.content.at_key(key).map_err(|error| pick.failed(error.into()))?)
                    }
                };
                let note = got.stale.map(|failure| {
                    let age = crate::core::duration::format_duration(now.remaining(got.read));
                    format!("secret {} is {age} old, since its source is down: {failure}", pick.called)
                });
                Ok(Served { name: pick.name.clone(), content, read: got.read, note })
            })
            .collect();
        let given: Vec<String> = names
            .iter()
            .zip(&served)
            .filter(|(_, served)| served.is_ok())
            .map(|(name, _)| name.clone())
            .collect();
        if !given.is_empty() {
            let record = Record::secrets(now, way, asking.caller.clone(), decision, given);
            self.audit.write(record.with_token(asking.token.clone()));
        }
        for (name, served) in names.iter().zip(&served) {
            if let Err(error) = served {
                let refusal = Refusal::from(error.clone());
                self.no_secrets(way, asking, decision, vec![name.clone()], &refusal);
            }
        }
        Ok(served)
    }

    /// Counts and writes down that secrets were asked for and not had.
    fn no_secrets(
        &self,
        way: Way,
        asking: &Asking,
        decision: &Decision,
        names: Vec<String>,
        refusal: &Refusal,
    ) {
        let caller = asking.caller.clone();
        let record = Record::failure(clock::now(), way, caller, decision, refusal.clone());
        self.record(record.about(names).with_token(asking.token.clone()));
    }
}
