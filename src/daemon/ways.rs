//! The ways in besides the metadata endpoint, as `brokerctl` asks for them: tokens, `exec`, named credentials.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::Broker;
use super::callers::Asking;
use super::control::Failure;
use super::named::Named;
use super::tokens::Made;
use crate::core::audit::Way;
use crate::core::caller::ProcessId;
use crate::core::container;
use crate::core::container_token::{self, ContainerToken, NewToken, TokenLife};
use crate::core::credential_process;
use crate::core::decision::Decision;
use crate::core::issue::IssueError;
use crate::core::moment::Timestamp;
use crate::core::name::{App, Region, Stage};
use crate::core::protocol::{AwsProfile, ExecAccess, ExecGrant, MadeToken, Reply, SecretText, TokenStatus};
use crate::core::refusal::Refusal;
use crate::core::sign_in;
use crate::core::wanted::Wanted;
use crate::edges::clock;

/// `brokerctl` is not bound to the one second of AWS clients.
const PATIENCE: Duration = Duration::from_secs(30);

impl Broker {
    /// What a token gives now.
    pub(super) async fn decision_of(&self, token: &ContainerToken) -> Result<Decision, Refusal> {
        self.permissions.refresh().await;
        let (catalog, allowed) = (self.catalogs.current().await, self.permissions.current());
        let catalog = catalog.as_deref().map_err(String::as_str);
        let decision = token.decision(catalog, &allowed);
        if decision.is_err() {
            // What has ended does not come back, whatever the next edit says.
            self.tokens.review(catalog, &allowed).await;
        }
        decision
    }

    /// What a process is given that names what it wants; a refusal is counted and written down.
    pub(super) async fn granted(
        &self,
        way: Way,
        process: ProcessId,
        wanted: &Wanted,
    ) -> Result<(Asking, Arc<Decision>, bool), Failure> {
        let Named { asking, is_own } = self.decide_named(process, wanted).await?;
        match &asking.outcome.result {
            Ok(decision) => {
                if let Some(since) = self.sessions.locked() {
                    let refusal = Refusal::from(IssueError::Locked { since });
                    self.refuse(way, &asking, &refusal);
                    return Err(refusal.into());
                }
                let decision = decision.clone();
                if let Err(refusal) = self.permit(&asking, &decision).await {
                    self.refuse_decided(way, &asking, &decision, &refusal);
                    return Err(refusal.into());
                }
                Ok((asking, decision, is_own))
            }
            Err(refusal) => {
                self.refuse(way, &asking, refusal);
                Err(refusal.clone().into())
            }
        }
    }

    /// Credentials for what a process names.
    pub(super) async fn named_credentials(
        &self,
        process: ProcessId,
        wanted: &Wanted,
    ) -> Result<Reply, Failure> {
        let (asking, ..) = self.granted(Way::CredentialProcess, process, wanted).await?;
        let (decision, session) = self.serve(Way::CredentialProcess, &asking, PATIENCE).await?;
        let account = decision.access_role.role_arn.account();
        let document = SecretText::new(credential_process::document(&session.credentials, account));
        Ok(Reply::Credentials { document, note: decision.fallback.clone() })
    }

    /// What a command needs that will take the place of the process that asks.
    pub(super) async fn exec(
        self: &Arc<Self>,
        process: ProcessId,
        wanted: &Wanted,
        keys: bool,
        endpoints: Vec<String>,
    ) -> Result<Reply, Failure> {
        let way = if keys { Way::Static } else { Way::Container };
        let (asking, decision, is_own) = self.granted(way, process, wanted).await?;
        let access = if keys {
            let (_, session) = self.serve(way, &asking, PATIENCE).await?;
            let secret = session.credentials.reveal();
            let owned = |text: &str| SecretText::new(Zeroizing::new(text.to_owned()));
            ExecAccess::Keys {
                access_key_id: session.credentials.access_key_id().to_owned(),
                secret_access_key: owned(secret.secret_access_key),
                session_token: owned(secret.session_token),
                expires: session.credentials.expires(),
                now: clock::now(),
            }
        } else {
            // The command would find out by an error of its SDK, which names no safeguard.
            if let Some(refusal) = decision.unserved(way, &clock::local_now()) {
                self.refuse_decided(way, &asking, &decision, &refusal);
                return Err(refusal.into());
            }
            self.prefetch_for(&asking).await;
            let life = TokenLife::Process { process, boot: self.tokens.boot().to_owned() };
            let made = Made::new();
            let file = self.tokens.write_file(&made).await?;
            self.add_token(&made, life, None, None, &asking, &decision).await?;
            self.watch_process(process, made.id.clone());
            let url = url(&endpoints, &decision)?;
            ExecAccess::Token { token: SecretText::new(made.text), file, url }
        };
        Ok(Reply::Exec(Box::new(ExecGrant {
            app: decision.app.clone(),
            stage: decision.stage.clone(),
            region: decision.region.clone(),
            endpoints,
            is_own,
            note: decision.fallback.clone(),
            access,
        })))
    }

    /// A token for whoever will have it.
    pub(super) async fn make_token(
        &self,
        process: ProcessId,
        wanted: &Wanted,
        label: Option<String>,
        length: Option<Duration>,
        persist: bool,
        endpoints: &[String],
    ) -> Result<Reply, Failure> {
        let length = length
            .map(container_token::checked)
            .transpose()
            .map_err(|error| Failure::new(error.to_string(), None))?;
        let (asking, decision, _) = self.granted(Way::Container, process, wanted).await?;
        self.prefetch_for(&asking).await;
        let life = if persist { TokenLife::Kept } else { TokenLife::Daemon };
        let until = length.map(|length| clock::now().after(length));
        let made = Made::new();
        let token = self.add_token(&made, life, label, until, &asking, &decision).await?;
        Ok(Reply::TokenMade(Box::new(MadeToken {
            status: status(&token, None),
            token: SecretText::new(made.text),
            url: url(endpoints, &decision)?,
            note: decision.fallback.clone(),
        })))
    }

    async fn add_token(
        &self,
        made: &Made,
        life: TokenLife,
        label: Option<String>,
        until: Option<Timestamp>,
        asking: &Asking,
        decision: &Decision,
    ) -> Result<ContainerToken, Failure> {
        let made_by = asking
            .caller
            .clone()
            .ok_or_else(|| Failure::new("the process that asks cannot be looked at", None))?;
        let new = NewToken {
            id: made.id.clone(),
            digest: made.digest.clone(),
            label,
            since: clock::now(),
            until,
            made_by,
            life,
        };
        let token = ContainerToken::new(new, decision);
        self.tokens.add(token.clone()).await?;
        tracing::info!(id = %token.id, app = %token.app, stage = %token.stage, "a token was made");
        Ok(token)
    }

    /// The tokens, and whether each would give something now.
    pub(super) async fn token_list(&self) -> Reply {
        self.permissions.refresh().await;
        let (catalog, allowed) = (self.catalogs.current().await, self.permissions.current());
        self.tokens.review(catalog.as_deref().map_err(String::as_str), &allowed).await;
        let tokens = self.tokens.list();
        Reply::Tokens {
            tokens: tokens.iter().map(|(token, used)| status(token, *used)).collect(),
            now: clock::now(),
        }
    }

    /// Takes one token back, or all.
    pub(super) async fn revoke_tokens(&self, id: Option<&str>) -> Result<Reply, Failure> {
        let removed = self.tokens.remove(|token| id.is_none_or(|id| token.id.as_str() == id)).await?;
        if let (Some(id), []) = (id, removed.as_slice()) {
            let hint = Some("brokerctl tokens".to_owned());
            return Err(Failure::new(format!("there is no token {id}"), hint));
        }
        for token in &removed {
            tracing::info!(id = %token.id, "a token was revoked");
        }
        Ok(Reply::TokensRevoked {
            tokens: removed.iter().map(|token| status(token, None)).collect(),
            handed_out_until: self.handed_out_until(),
        })
    }

    /// A URL that signs in to the AWS console.
    pub(super) async fn sign_in(
        &self,
        process: ProcessId,
        wanted: &Wanted,
        service: Option<&str>,
        length: Option<Duration>,
    ) -> Result<Reply, Failure> {
        let (asking, ..) = self.granted(Way::Console, process, wanted).await?;
        let (decision, session) = self.serve(Way::Console, &asking, PATIENCE).await?;
        let partition = decision.access_role.role_arn.partition();
        let destination = sign_in::destination(partition, service, decision.region.as_ref());
        let url = self.federation.sign_in(&session.credentials, partition, length, &destination).await;
        let url = url.map_err(|error| Failure::new(error.to_string(), Some(error.hint().to_owned())))?;
        Ok(Reply::SignIn { url: SecretText::new(url), note: decision.fallback.clone() })
    }

    /// Every stage that an allowed application lists, and the one that each of its projects is on without anybody's
    /// doing, where it has a profile.
    pub(super) async fn aws_profiles(&self) -> Result<Reply, Failure> {
        self.permissions.refresh().await;
        let catalog = self.catalogs.current().await;
        let catalog =
            catalog.as_deref().map_err(|why| Failure::from(Refusal::NoCatalog { why: why.clone() }))?;
        let mut found: BTreeMap<(App, Stage), Option<Region>> = BTreeMap::new();
        for project in self.permissions.current().iter() {
            let listed =
                catalog.applications.get(&project.app).into_iter().flat_map(|known| known.stages.keys());
            for asked in listed.map(Some).chain([None]) {
                let Ok(decision) = self.plain_outcome(project, asked).await.0.result else { continue };
                let region = decision.region.clone();
                found
                    .entry((decision.app.clone(), decision.stage.clone()))
                    // Projects of one application may be in different regions: then none is the profile's.
                    .and_modify(|known| *known = known.take().filter(|known| Some(known) == region.as_ref()))
                    .or_insert(region);
            }
        }
        let profiles = found.into_iter().map(|((app, stage), region)| AwsProfile { app, stage, region });
        Ok(Reply::AwsProfiles { profiles: profiles.collect() })
    }
}

fn url(endpoints: &[String], decision: &Decision) -> Result<String, Failure> {
    let endpoint = endpoints.first().ok_or_else(|| Failure::new("brokerd listens nowhere", None))?;
    Ok(container::url(endpoint, &decision.app, &decision.stage))
}

fn status(token: &ContainerToken, last_used: Option<Timestamp>) -> TokenStatus {
    TokenStatus {
        id: token.id.clone(),
        label: token.label.clone(),
        app: token.app.clone(),
        stage: token.stage.clone(),
        profile: token.profile.clone(),
        config: token.config.clone(),
        since: token.since,
        until: token.until,
        life: token.life.clone(),
        made_by: token.made_by.to_string(),
        last_used,
        ended: token.ended.clone(),
    }
}
