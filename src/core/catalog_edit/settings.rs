//! What can be set of a profile and of an application, and where each stands in the file.

use super::EditError;
use super::splice::{self, Put};
use crate::core::catalog::{StagePattern, application_keys, profile_keys};
use crate::core::name::{
    App, ExternalId, MfaSerial, PolicyArn, ProfileName, Region, RoleArn, SessionName, SourceIdentity, Stage,
};
use crate::core::nearest::nearest;

/// What to set of a profile; what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileSettings {
    /// What people are told about it.
    pub description: Option<String>,
    /// The role.
    pub role_arn: Option<RoleArn>,
    /// What signs the request for it.
    pub source: Option<String>,
    /// How long a session lasts, as the file says it: `1h`.
    pub duration: Option<String>,
    /// Whether its sessions last less than an hour; `false` leaves it.
    pub short: bool,
    /// The external id.
    pub external_id: Option<ExternalId>,
    /// The session's name.
    pub session_name: Option<SessionName>,
    /// The region.
    pub region: Option<Region>,
    /// The managed policies, in place of those before; none leaves them.
    pub policy_arns: Vec<PolicyArn>,
    /// Session tags, beside those before.
    pub session_tags: Vec<(String, String)>,
    /// The session policy.
    pub session_policy: Option<String>,
    /// The tags that stay, in place of those before; none leaves them.
    pub transitive_tags: Vec<String>,
    /// Who is behind the session.
    pub source_identity: Option<SourceIdentity>,
    /// The MFA device.
    pub mfa_serial: Option<MfaSerial>,
    /// The profiles whose roles come before, in place of those before; none leaves them.
    pub via: Vec<ProfileName>,
    /// The file of an identity provider's token.
    pub web_identity_token_file: Option<String>,
}

impl ProfileSettings {
    /// Writes them into the text, each where it stands or belongs.
    pub(super) fn write(&self, text: &str, name: &ProfileName) -> Result<String, EditError> {
        let role = |key: &'static str, value: Option<&str>| {
            value.map(|value| (vec!["access_role", key], Put::Text(value.to_owned())))
        };
        let description = self.description.clone().map(|text| (vec!["description"], Put::Text(text)));
        let short = self.short.then_some((vec!["short"], Put::Flag(true)));
        let mut settings: Vec<(Vec<&str>, Put)> = [
            description,
            short,
            role("role_arn", self.role_arn.as_ref().map(RoleArn::as_str)),
            role("source", self.source.as_deref()),
            role("duration", self.duration.as_deref()),
            role("external_id", self.external_id.as_ref().map(ExternalId::as_str)),
            role("session_name", self.session_name.as_ref().map(SessionName::as_str)),
            role("region", self.region.as_ref().map(Region::as_str)),
            role("source_identity", self.source_identity.as_ref().map(SourceIdentity::as_str)),
            role("mfa_serial", self.mfa_serial.as_ref().map(MfaSerial::as_str)),
            role("web_identity_token_file", self.web_identity_token_file.as_deref()),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !self.policy_arns.is_empty() {
            let arns = self.policy_arns.iter().map(|arn| arn.as_str().to_owned()).collect();
            settings.push((vec!["access_role", "policy_arns"], Put::List(arns)));
        }
        if !self.via.is_empty() {
            let profiles = self.via.iter().map(ToString::to_string).collect();
            settings.push((vec!["access_role", "via"], Put::List(profiles)));
        }
        if !self.transitive_tags.is_empty() {
            settings.push((vec!["access_role", "transitive_tags"], Put::List(self.transitive_tags.clone())));
        }
        let tags = ["profiles", name.as_str(), "access_role", "session_tags"];
        if splice::is_set(text, &tags) {
            let tags = self.session_tags.iter();
            settings.extend(tags.map(|(key, value)| {
                (vec!["access_role", "session_tags", key.as_str()], Put::Text(value.clone()))
            }));
        } else if !self.session_tags.is_empty() {
            settings.push((vec!["access_role", "session_tags"], Put::Map(self.session_tags.clone())));
        }
        settings.extend(role("session_policy", self.session_policy.as_deref()));
        write_all(text, &["profiles", name.as_str()], settings)
    }
}

/// What to set of an application; what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApplicationSettings {
    /// The default profile.
    pub default_profile: Option<ProfileName>,
    /// What becomes of a stage that is not listed.
    pub unmatched: Option<Unmatching>,
    /// Stages with their profiles, beside those before.
    pub stages: Vec<(Stage, ProfileName)>,
}

/// What becomes of a stage that an application does not list, as the command line says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmatching {
    /// `default` or `refuse`.
    Word(&'static str),
    /// `pr-*,feature-*`.
    Patterns(Vec<StagePattern>),
}

impl ApplicationSettings {
    /// The profiles that they name.
    pub(super) fn profiles(&self) -> impl Iterator<Item = &ProfileName> {
        self.default_profile.iter().chain(self.stages.iter().map(|(_, profile)| profile))
    }

    /// Writes them into the text, each where it stands or belongs.
    pub(super) fn write(&self, text: &str, app: &App) -> Result<String, EditError> {
        let mut settings: Vec<(Vec<&str>, Put)> = Vec::new();
        if let Some(profile) = &self.default_profile {
            settings.push((vec!["default_profile"], Put::Text(profile.to_string())));
        }
        settings.extend(self.unmatched.as_ref().map(|unmatched| {
            let put = match unmatched {
                Unmatching::Word(word) => Put::Text((*word).to_owned()),
                Unmatching::Patterns(patterns) => {
                    Put::List(patterns.iter().map(ToString::to_string).collect())
                }
            };
            (vec!["unmatched"], put)
        }));
        for (stage, profile) in &self.stages {
            settings.push((vec!["stages", stage.as_str()], Put::Text(profile.to_string())));
        }
        write_all(text, &["applications", app.as_str()], settings)
    }
}

fn write_all(text: &str, above: &[&str], settings: Vec<(Vec<&str>, Put)>) -> Result<String, EditError> {
    settings.into_iter().try_fold(text.to_owned(), |text, (path, put)| {
        let path = [above, path.as_slice()].concat();
        splice::set(&text, &path, &put).ok_or(EditError::Unclear)
    })
}

/// Takes keys out of a profile. Those of its access role need not say so: `region` is `access_role.region`.
pub(super) fn unset_of_profile(text: &str, name: &ProfileName, keys: &[String]) -> Result<String, EditError> {
    let known = profile_keys();
    unset_all(text, &["profiles", name.as_str()], &format!("profile {name}"), keys, |key| {
        let of_role = format!("access_role.{key}");
        let is = |candidate: &str| known.iter().any(|known| candidate == known);
        let first = |candidate: &str| {
            let below = ["access_role.session_tags.", "secrets."];
            is(candidate)
                || below.iter().any(|table| candidate.len() > table.len() && candidate.starts_with(table))
        };
        let full = [key, &of_role].into_iter().find(|candidate| first(candidate)).map(str::to_owned);
        let names = known.iter().map(|known| known.strip_prefix("access_role.").unwrap_or(known));
        full.ok_or_else(|| nearest(key, names).map(str::to_owned))
    })
}

/// Takes keys out of an application.
pub(super) fn unset_of_application(text: &str, app: &App, keys: &[String]) -> Result<String, EditError> {
    let known = application_keys();
    unset_all(text, &["applications", app.as_str()], &format!("application {app}"), keys, |key| {
        let is_stage = key.strip_prefix("stages.").is_some_and(|stage| !stage.is_empty());
        if is_stage || known.iter().any(|known| key == known) {
            return Ok(key.to_owned());
        }
        Err(nearest(key, known.iter().map(String::as_str)).map(str::to_owned))
    })
}

/// Takes keys out of a table; `full` gives the whole name of a key, or the nearest one if there is no such key.
fn unset_all(
    text: &str,
    above: &[&str],
    what: &str,
    keys: &[String],
    full: impl Fn(&str) -> Result<String, Option<String>>,
) -> Result<String, EditError> {
    keys.iter().try_fold(text.to_owned(), |text, key| {
        // As an option it is spelt `--external-id`. What follows a table's name is the user's own word.
        let (table, rest) =
            key.split_once('.').map_or((key.as_str(), None), |(table, rest)| (table, Some(rest)));
        let mut spelt = table.replace('-', "_");
        if let Some(rest) = rest {
            spelt = format!("{spelt}.{rest}");
        }
        let full = full(&spelt).map_err(|nearest| EditError::UnknownKey {
            key: key.clone(),
            what: what.to_owned(),
            nearest,
        })?;
        let parts: Vec<&str> = match full.strip_prefix("access_role.session_tags.") {
            // The key of a tag may have dots of its own.
            Some(tag) => vec!["access_role", "session_tags", tag],
            None => full.split('.').collect(),
        };
        let path = [above, parts.as_slice()].concat();
        if !splice::is_set(&text, &path) {
            return Err(EditError::NotSet { key: full, what: what.to_owned() });
        }
        splice::unset(&text, &path).ok_or(EditError::Unclear)
    })
}
