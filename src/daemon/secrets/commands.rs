//! Secrets by the control socket: given, listed, read again, kept, forgotten.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::sources::alternatives;
use super::{Pick, Served};
use crate::core::audit::Way;
use crate::core::caller::ProcessId;
use crate::core::catalog::{Profile, SecretSource};
use crate::core::decision::Decision;
use crate::core::keychain::Item;
use crate::core::name::SecretName;
use crate::core::nearest::did_you_mean;
use crate::core::protocol::{
    GivenSecret, GivenValue, Reply, SecretFreshness, SecretGrant, SecretList, SecretOrigin, SecretStatus,
    SecretText,
};
use crate::core::refusal::Refusal;
use crate::core::secret::{Content, Freshness, Origin, SecretError};
use crate::core::wanted::Wanted;
use crate::daemon::Broker;
use crate::daemon::callers::Asking;
use crate::daemon::control::Failure;
use crate::edges::clock;
use crate::edges::keychain::DurableError;

/// Longer than a program may take that reads one.
const PATIENCE: Duration = Duration::from_secs(35);
const WAY: Way = Way::SecretsCommand;

impl Broker {
    /// The values that are named, or all: a command that starts with some of them missing would fail later and elsewhere.
    pub(in crate::daemon) async fn give_secrets(
        &self,
        process: ProcessId,
        wanted: &Wanted,
        names: Option<&[SecretName]>,
    ) -> Result<Reply, Failure> {
        let (asking, decision, _) = self.granted(WAY, process, wanted).await?;
        self.secret_grant(WAY, &asking, &decision, names).await
    }

    /// The same for what was decided, by another way.
    pub(in crate::daemon) async fn secret_grant(
        &self,
        way: Way,
        asking: &Asking,
        decision: &Arc<Decision>,
        names: Option<&[SecretName]>,
    ) -> Result<Reply, Failure> {
        let decision = &self.as_listed(decision).await;
        let picks = self.picks(way, asking, decision, names)?;
        let served = self.serve_secrets(way, asking, decision, &picks, false, PATIENCE).await?;
        let served = all_or_failure(served)?;
        let secrets = served.iter().filter_map(|served| given(decision, served)).collect();
        Ok(Reply::Secrets(Box::new(SecretGrant {
            app: decision.app.clone(),
            stage: decision.stage.clone(),
            profile: decision.profile.name.clone(),
            note: decision.fallback.clone(),
            secrets,
        })))
    }

    /// The secrets without their values; nothing is read for it.
    pub(in crate::daemon) async fn list_secrets(
        &self,
        process: ProcessId,
        wanted: &Wanted,
    ) -> Result<Reply, Failure> {
        let (asking, decision, _) = self.granted(WAY, process, wanted).await?;
        let decision = self.as_listed(&decision).await;
        let picks = self.picks(WAY, &asking, &decision, None)?;
        Ok(self.secret_list(&decision, &picks))
    }

    /// Reads again, and says how it went for each: the list has the failures.
    pub(in crate::daemon) async fn refresh_secrets(
        &self,
        process: ProcessId,
        wanted: &Wanted,
        names: &[SecretName],
    ) -> Result<Reply, Failure> {
        let (asking, decision, _) = self.granted(WAY, process, wanted).await?;
        let decision = self.as_listed(&decision).await;
        let names = (!names.is_empty()).then_some(names);
        let picks = self.picks(WAY, &asking, &decision, names)?;
        self.serve_secrets(WAY, &asking, &decision, &picks, true, PATIENCE).await?;
        Ok(self.secret_list(&decision, &picks))
    }

    /// The picks for these names, or for all: what is not listed is said before anything is read.
    fn picks(
        &self,
        way: Way,
        asking: &Asking,
        decision: &Arc<Decision>,
        names: Option<&[SecretName]>,
    ) -> Result<Vec<Pick>, Failure> {
        let all: Vec<SecretName> = decision.profile.secrets.keys().cloned().collect();
        let picks: Result<Vec<Pick>, SecretError> =
            names.unwrap_or(&all).iter().map(|name| Pick::named(decision, name)).collect();
        picks.map_err(|error| {
            let SecretError::NotListed { asked, .. } = &error else { return error.into() };
            let called = vec![asked.clone()];
            self.no_secrets(way, asking, decision, called, &error.clone().into());
            error.into()
        })
    }

    fn secret_list(&self, decision: &Decision, picks: &[Pick]) -> Reply {
        let asks: Vec<_> = picks.iter().map(|pick| pick.ask.clone()).collect();
        let known = self.secrets.known(&asks);
        let secrets = picks.iter().zip(known).filter_map(|(pick, (value, failure))| {
            let name = pick.name.clone()?;
            let secret = decision.profile.secrets.get(&name)?;
            let (read, freshness) = match value {
                Some((read, Freshness::Fresh)) => (Some(read), SecretFreshness::Fresh),
                Some((read, Freshness::Stale)) => (Some(read), SecretFreshness::Stale),
                Some((_, Freshness::Over)) | None => (None, SecretFreshness::None),
            };
            Some(SecretStatus {
                source: SecretOrigin::from(&secret.source),
                place: secret.source.place(),
                ttl: secret.ttl.as_secs(),
                read,
                freshness,
                hint: failure.as_ref().and_then(crate::core::secret::SecretFailure::hint),
                failure: failure.map(|failure| failure.to_string()),
                name,
            })
        });
        Reply::SecretList(Box::new(SecretList {
            app: decision.app.clone(),
            stage: decision.stage.clone(),
            profile: decision.profile.name.clone(),
            note: decision.fallback.clone(),
            secrets: secrets.collect(),
            now: clock::now(),
        }))
    }

    /// Whether all of these could be kept.
    pub(in crate::daemon) async fn check_secrets(
        &self,
        process: ProcessId,
        wanted: &Wanted,
        names: &[SecretName],
    ) -> Result<Reply, Failure> {
        let profile = self.profile_of(process, wanted).await?;
        let mut wrong = names.iter().filter_map(|name| of_keychain(&profile, name).err());
        if let Some(first) = wrong.next() {
            return Err(wrong.fold(first, |all, one| all.and(&one)));
        }
        let keychain = self.keeper.chosen.kind;
        if !keychain.is_durable() {
            return Err(not_kept(&DurableError::Forgetful { kind: keychain }));
        }
        Ok(Reply::SecretsKept { keychain, profile: profile.name.clone() })
    }

    /// Keeps a value in the keychain.
    pub(in crate::daemon) async fn keep_secret(
        &self,
        process: ProcessId,
        wanted: &Wanted,
        name: &SecretName,
        value: &GivenValue,
    ) -> Result<Reply, Failure> {
        let profile = self.profile_of(process, wanted).await?;
        of_keychain(&profile, name)?;
        let bytes = match value {
            GivenValue::Text(text) => Zeroizing::new(text.reveal().as_bytes().to_vec()),
            GivenValue::Base64(text) => {
                let decoded = STANDARD.decode(text.reveal());
                Zeroizing::new(decoded.map_err(|_| Failure::new("the value is no base64", None))?)
            }
        };
        let content = Content::new(bytes, Origin::Here)
            .map_err(|why| Failure::new(format!("secret {name}: {why}"), None))?;
        let chosen = &self.keeper.chosen;
        let bytes = Zeroizing::new(content.reveal().to_vec());
        chosen
            .durable()
            .write(Item::secret(&profile.name, name), bytes)
            .await
            .map_err(|error| not_kept(&error))?;
        self.secrets.forget(&profile.name, name);
        tracing::info!(profile = %profile.name, %name, keychain = %chosen.kind, "a secret is kept");
        Ok(Reply::SecretsKept { keychain: chosen.kind, profile: profile.name.clone() })
    }

    /// Takes a value out of the keychain. The profile need not list it any more.
    pub(in crate::daemon) async fn forget_secret(
        &self,
        process: ProcessId,
        wanted: &Wanted,
        name: &SecretName,
    ) -> Result<Reply, Failure> {
        let profile = self.profile_of(process, wanted).await?;
        let durable = self.keeper.chosen.durable();
        let were_there =
            durable.remove(Item::secret(&profile.name, name)).await.map_err(|error| not_kept(&error))?;
        self.secrets.forget(&profile.name, name);
        tracing::info!(profile = %profile.name, %name, "a secret was removed");
        Ok(Reply::SecretForgotten { profile: profile.name.clone(), were_there })
    }

    /// The profile that is named by itself, else that of what is named: keeping a value gives nothing away, so that no
    /// project is needed for it.
    async fn profile_of(&self, process: ProcessId, wanted: &Wanted) -> Result<Arc<Profile>, Failure> {
        let Some(named) = wanted.profile.as_ref().filter(|_| wanted.app.is_none()) else {
            let named = self.decide_named(process, wanted).await?;
            return Ok(named.asking.outcome.result.clone()?.profile.clone());
        };
        let catalog = self.catalogs.current().await;
        let catalog =
            catalog.as_deref().map_err(|why| Failure::from(Refusal::NoCatalog { why: why.clone() }))?;
        catalog.profiles.get(named).cloned().ok_or_else(|| {
            let known = catalog.profiles.keys().map(crate::core::name::ProfileName::as_str);
            Failure::new(
                format!("the catalog has no profile {named}"),
                did_you_mean(named.as_str(), known).or_else(|| Some("brokerctl profile list".to_owned())),
            )
        })
    }
}

/// Whether the profile takes this secret from the keychain: a value that nobody would ever read is not kept.
fn of_keychain(profile: &Profile, name: &SecretName) -> Result<(), Failure> {
    let (profile_name, listed) = (&profile.name, profile.secrets.get(name));
    match listed.map(|secret| &secret.source) {
        Some(SecretSource::Keychain) => Ok(()),
        Some(other) => Err(Failure::new(
            format!("profile {profile_name} takes {name} from {}, not from the keychain", other.place()),
            Some(format!("write {name} = \"keychain\" in [profiles.{profile_name}.secrets] of the catalog")),
        )),
        None => {
            let near = did_you_mean(name.as_str(), profile.secrets.keys().map(SecretName::as_str));
            let add =
                format!("add {name} = \"keychain\" to [profiles.{profile_name}.secrets] in the catalog");
            Err(Failure::new(format!("profile {profile_name} lists no secret {name}"), near.or(Some(add))))
        }
    }
}

fn not_kept(error: &DurableError) -> Failure {
    let hint = alternatives(error).or_else(|| error.hint());
    Failure::new(error.to_string(), hint)
}

/// All values, or every reason why there are not all.
fn all_or_failure(served: Vec<Result<Served, SecretError>>) -> Result<Vec<Served>, Failure> {
    let (mut values, mut errors) = (Vec::with_capacity(served.len()), Vec::new());
    for each in served {
        match each {
            Ok(value) => values.push(value),
            Err(error) => errors.push(error),
        }
    }
    match errors.as_slice() {
        [] => Ok(values),
        [one] => Err(one.clone().into()),
        several => {
            let said: Vec<String> = several.iter().map(ToString::to_string).collect();
            let hint = several.iter().find_map(SecretError::hint);
            Err(Failure::new(said.join("; "), hint))
        }
    }
}

fn given(decision: &Decision, served: &Served) -> Option<GivenSecret> {
    let name = served.name.clone()?;
    let source = SecretOrigin::from(&decision.profile.secrets.get(&name)?.source);
    let secret = |text: String| SecretText::new(Zeroizing::new(text));
    let value = match served.content.text() {
        Ok(text) => GivenValue::Text(secret(text.to_owned())),
        Err(_) => GivenValue::Base64(secret(STANDARD.encode(served.content.reveal()))),
    };
    Some(GivenSecret { name, source, value, note: served.note.clone() })
}
