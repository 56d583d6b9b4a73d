//! Tokens of the container endpoint: each opens one stage of one application, to whoever has it.
//!
//! They are for what cannot be identified: containers, tools behind a relay, clients with a metadata address of their
//! own. brokerd keeps only their digest. What a token gives was decided for the process that asked for it, and ends
//! as such a decision does: it never turns to another profile or role.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::allowed::{AllowList, RepositoryPlace};
use super::audit::AuditedCaller;
use super::caller::ProcessId;
use super::catalog::Catalog;
use super::decision::{Decision, Matched, profile, usable};
use super::duration::{DurationError, parse_duration};
use super::lasting::Lasting;
use super::moment::Timestamp;
use super::name::{App, ProfileName, Region, Stage};
use super::refusal::Refusal;
use super::session::RequestOnce;

/// No token lasts longer, if it has an end at all.
const LONGEST: Duration = Duration::from_hours(90 * 24);

/// Why a time is none for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LengthError {
    /// It is no duration.
    #[error(transparent)]
    Form(#[from] DurationError),
    /// It is none that a token may have.
    #[error("a token lasts from 1s to 90d")]
    Outside,
}

/// Reads how long a token shall be good.
pub fn parse_length(text: &str) -> Result<Duration, LengthError> {
    checked(parse_duration(text)?)
}

/// A length that a token may have.
pub fn checked(length: Duration) -> Result<Duration, LengthError> {
    let may_be = !length.is_zero() && length <= LONGEST;
    may_be.then_some(length).ok_or(LengthError::Outside)
}

/// The text of a token, from 32 random bytes: 43 characters that every header takes.
pub fn text(bytes: &Zeroizing<[u8; 32]>) -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))
}

/// What a token is called where it must not be shown: eight hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(String);

impl TokenId {
    /// A name from random bytes.
    pub fn new(bytes: [u8; 4]) -> Self {
        Self(format!("{:08x}", u32::from_be_bytes(bytes)))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The SHA-256 of a token's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of what somebody presents.
    pub fn of(text: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, text).as_ref());
        Self(bytes)
    }

    /// Whether two are equal, in a time that does not depend on where they differ.
    fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl TryFrom<String> for TokenDigest {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| "not a digest")?;
        bytes.try_into().map(Self).map_err(|_| "not a digest")
    }
}

impl From<TokenDigest> for String {
    fn from(digest: TokenDigest) -> Self {
        URL_SAFE_NO_PAD.encode(digest.0)
    }
}

/// How long a token lives, besides its own end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenLife {
    /// As long as the daemon.
    Daemon,
    /// Over restarts.
    Kept,
    /// As long as a process, over restarts of the daemon.
    Process {
        /// The process.
        #[serde(flatten)]
        process: ProcessId,
        /// The start of the machine during which it runs.
        boot: String,
    },
}

/// A token as brokerd knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainerToken {
    /// What it is called.
    pub id: TokenId,
    /// Its digest.
    pub digest: TokenDigest,
    /// What the person calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The configuration of the project that it was decided for.
    pub config: PathBuf,
    /// Where that lies in its repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<RepositoryPlace>,
    /// The application.
    pub app: App,
    /// The stage.
    pub stage: Stage,
    /// The profile.
    pub profile: ProfileName,
    /// The access role, as [`super::catalog::AccessRole::digest`] has it.
    pub role_digest: String,
    /// How the profile was found.
    pub matched: Matched,
    /// The sentence about a fall-back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// The region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Why the region cannot be told, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region_unknown: Option<String>,
    /// When it was made.
    pub since: Timestamp,
    /// When it ends, if a time was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// For whom.
    pub made_by: Arc<AuditedCaller>,
    /// How long it lives.
    pub life: TokenLife,
    /// Why it gives nothing any more, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
}

/// What a new token is made of, besides the decision.
#[derive(Debug)]
pub struct NewToken {
    /// What it is called.
    pub id: TokenId,
    /// Its digest.
    pub digest: TokenDigest,
    /// What the person calls it.
    pub label: Option<String>,
    /// Now.
    pub since: Timestamp,
    /// When it ends, if a time was said.
    pub until: Option<Timestamp>,
    /// For whom.
    pub made_by: Arc<AuditedCaller>,
    /// How long it lives.
    pub life: TokenLife,
}

impl ContainerToken {
    /// A token that gives what was decided.
    pub fn new(new: NewToken, decision: &Decision) -> Self {
        Self {
            id: new.id,
            digest: new.digest,
            label: new.label,
            config: decision.config.clone(),
            place: decision.place.clone(),
            app: decision.app.clone(),
            stage: decision.stage.clone(),
            profile: decision.profile.name.clone(),
            role_digest: decision.access_role.digest(),
            matched: decision.matched,
            fallback: decision.fallback.clone(),
            region: decision.region.clone(),
            region_unknown: decision.region_unknown.clone(),
            since: new.since,
            until: new.until,
            made_by: new.made_by,
            life: new.life,
            ended: None,
        }
    }

    /// What it gives under the catalog in force, or why it gives nothing.
    pub fn decision(
        &self,
        catalog: Result<&Catalog, &str>,
        allowed: &AllowList,
    ) -> Result<Decision, Refusal> {
        let ended = |why: String| Refusal::TokenEnded { id: self.id.to_string(), why };
        if let Some(why) = &self.ended {
            return Err(ended(why.clone()));
        }
        let (app, stage) = (&self.app, &self.stage);
        if allowed.find(&self.config, self.place.as_ref()).is_none_or(|record| record.app != *app) {
            return Err(ended(format!("{} is no longer allowed as {app}", self.config.display())));
        }
        // Without a catalog nobody knows whether it has ended.
        let catalog = catalog.map_err(|why| Refusal::NoCatalog { why: why.to_owned() })?;
        let given = format!("the catalog changed since it was made for profile {}", self.profile);
        let (profile, matched) =
            profile(catalog, app, stage).map_err(|refusal| ended(format!("{given}: {refusal}")))?;
        if profile.name != self.profile {
            return Err(ended(format!("{given}: stage {stage} of {app} has profile {} now", profile.name)));
        }
        let same = matched == self.matched || matched == Matched::Exact;
        let role = usable(&profile).ok().filter(|role| same && role.digest() == self.role_digest);
        let access_role = role.cloned().ok_or_else(|| ended(given))?;
        Ok(Decision {
            config: self.config.clone(),
            place: self.place.clone(),
            app: app.clone(),
            stage: stage.clone(),
            access_role,
            profile,
            matched: self.matched,
            fallback: self.fallback.clone(),
            region: self.region.clone(),
            request: RequestOnce::default(),
            region_unknown: self.region_unknown.clone(),
            deployment: None,
            stage_reported: false,
        })
    }

    /// Whether it has passed its time or outlived its process.
    fn is_over(&self, now: Timestamp, boot: &str, is_alive: &dyn Fn(ProcessId) -> bool) -> bool {
        let alive = match &self.life {
            TokenLife::Process { process, boot: its } => its == boot && is_alive(*process),
            TokenLife::Daemon | TokenLife::Kept => true,
        };
        !alive || self.until.is_some_and(|until| until <= now)
    }
}

/// The tokens.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TokenList {
    tokens: Vec<ContainerToken>,
}

impl Lasting for TokenList {
    const WHAT: &'static str = "a list of tokens";
}

impl TokenList {
    /// Adds a token, in place of one of the same name.
    pub fn set(&mut self, token: ContainerToken) {
        self.tokens.retain(|known| known.id != token.id);
        self.tokens.push(token);
    }

    /// Adds all of another list.
    pub fn extend(&mut self, other: Self) {
        other.tokens.into_iter().for_each(|token| self.set(token));
    }

    /// Removes tokens, and gives them back.
    pub fn remove(&mut self, which: impl Fn(&ContainerToken) -> bool) -> Vec<ContainerToken> {
        self.tokens.extract_if(.., |token| which(token)).collect()
    }

    /// Removes what has passed its time or outlived its process, and gives it back.
    pub fn sweep(
        &mut self,
        now: Timestamp,
        boot: &str,
        is_alive: &dyn Fn(ProcessId) -> bool,
    ) -> Vec<ContainerToken> {
        self.remove(|token| token.is_over(now, boot, is_alive))
    }

    /// The token of this digest. Each one is compared, whichever it is.
    pub fn find(&self, digest: &TokenDigest) -> Option<&ContainerToken> {
        self.tokens
            .iter()
            .fold(None, |found, token| if token.digest.is(digest) { Some(token) } else { found })
    }

    /// All tokens, in the order in which they were made.
    pub fn iter(&self) -> impl Iterator<Item = &ContainerToken> {
        self.tokens.iter()
    }

    /// All tokens, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut ContainerToken> {
        self.tokens.iter_mut()
    }
}

#[cfg(test)]
mod tests;
