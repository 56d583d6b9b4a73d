//! A profile of `~/.aws/config` as base credentials: where they begin, and which roles are assumed with them one after the
//! other (AWS SDKs and tools reference guide, "Assume role credential provider" and its neighbours).
//!
//! The SDK has such a reader too. This one exists since brokerd asks for MFA codes where the SDK passes over
//! `mfa_serial`, keeps tokens of IAM Identity Center where the SDK writes them into a file in clear, and never asks a
//! metadata service, which it is itself.

use std::fmt;

use zeroize::Zeroizing;

use super::name::{MfaSerial, Region};
use super::sso::SsoSession;

/// The sections of the shared files.
pub trait Sections {
    /// Whether there is a profile of that name.
    fn has_profile(&self, name: &str) -> bool;
    /// A key of a profile.
    fn profile(&self, name: &str, key: &str) -> Option<&str>;
    /// Whether there is an `[sso-session NAME]`.
    fn has_sso_session(&self, name: &str) -> bool;
    /// A key of one.
    fn sso_session(&self, name: &str, key: &str) -> Option<&str>;
}

/// Base credentials that a profile describes.
#[derive(Debug, PartialEq, Eq)]
pub struct BaseProfile {
    /// Where they begin.
    pub root: Root,
    /// The roles that are assumed with them, the first one first.
    pub steps: Vec<RoleStep>,
    /// The MFA device of the profile that they begin in.
    pub mfa_serial: Option<MfaSerial>,
}

/// Where base credentials begin.
#[derive(PartialEq, Eq)]
pub enum Root {
    /// Keys that stand in the file.
    Keys {
        /// Their id.
        access_key_id: String,
        /// Their secret half.
        secret_access_key: Zeroizing<String>,
        /// The token of a session; long-term keys have none.
        session_token: Option<Zeroizing<String>>,
    },
    /// A program that prints them. Its arguments may be secret.
    Process(Zeroizing<String>),
    /// A role that a token of an identity provider opens.
    WebIdentity {
        /// The role.
        role_arn: String,
        /// The file with the token.
        token_file: String,
        /// The session's name.
        session_name: Option<String>,
    },
    /// A role of IAM Identity Center.
    Sso {
        /// What a person logs in to.
        session: SsoSession,
        /// The account.
        account_id: String,
        /// The permission set.
        role_name: String,
    },
    /// A session of the console, by `aws login`.
    Login {
        /// Whose.
        session_arn: String,
    },
    /// Variables of the daemon: `credential_source = Environment`.
    Environment,
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keys { .. } => "Keys(redacted)",
            Self::Process(_) => "Process(redacted)",
            Self::WebIdentity { .. } => "WebIdentity",
            Self::Sso { .. } => "Sso",
            Self::Login { .. } => "Login",
            Self::Environment => "Environment",
        })
    }
}

/// A role on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleStep {
    /// The profile that names it.
    pub profile: String,
    /// The role.
    pub role_arn: String,
    /// Its external id.
    pub external_id: Option<String>,
    /// The session's name.
    pub session_name: Option<String>,
    /// The MFA device that it asks for.
    pub mfa_serial: Option<MfaSerial>,
}

/// Why a profile describes no base credentials. Names of profiles and keys only, never a value that may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseProfileError {
    /// It is not there.
    #[error("there is no profile {name}{}", .of.as_ref().map(|of| format!(", which source_profile of {of} names")).unwrap_or_default())]
    NoProfile {
        /// Its name.
        name: String,
        /// Who names it.
        of: Option<String>,
    },
    /// Its profiles name each other.
    #[error("the source_profile of {0} leads in a circle")]
    Circle(String),
    /// Its role has nothing that signs.
    #[error("profile {0} has a role_arn and neither source_profile nor credential_source")]
    NoSource(String),
    /// Its role has two things that sign.
    #[error("profile {0} has both source_profile and credential_source")]
    TwoSources(String),
    /// It would have brokerd ask itself.
    #[error(
        "credential_source = {source_name} of profile {profile} is left out: it is a metadata or container endpoint, and brokerd would ask itself"
    )]
    LeftOut {
        /// The profile.
        profile: String,
        /// `Ec2InstanceMetadata` or `EcsContainer`.
        source_name: &'static str,
    },
    /// Its `credential_source` is none.
    #[error("credential_source of profile {0} is none of Environment, Ec2InstanceMetadata and EcsContainer")]
    UnknownSource(String),
    /// A key is missing beside others.
    #[error("profile {profile} has no {key}")]
    Missing {
        /// The profile.
        profile: String,
        /// The key.
        key: &'static str,
    },
    /// A key has a value of another form.
    #[error("{key} of profile {profile} is {rule}")]
    Form {
        /// The profile.
        profile: String,
        /// The key.
        key: &'static str,
        /// What it is not.
        rule: &'static str,
    },
    /// Its SSO session is not there.
    #[error("there is no [sso-session {session}], which profile {profile} names")]
    NoSsoSession {
        /// The profile.
        profile: String,
        /// The session.
        session: String,
    },
    /// There is nothing in it that gives credentials.
    #[error("profile {0} has nothing that gives credentials")]
    Nothing(String),
}

/// Reads the profile of that name.
pub fn read(sections: &impl Sections, name: &str) -> Result<BaseProfile, BaseProfileError> {
    let mut steps = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    let mut current = name;
    let mut of = None;
    let root = loop {
        if !sections.has_profile(current) {
            return Err(BaseProfileError::NoProfile { name: current.to_owned(), of });
        }
        if seen.contains(&current) {
            return Err(BaseProfileError::Circle(current.to_owned()));
        }
        seen.push(current);
        let get = |key| sections.profile(current, key);
        // Keys win in a profile that another one names, as in every SDK.
        let has_keys = seen.len() > 1 && get("aws_access_key_id").is_some();
        let is_chained = get("role_arn").is_some() && get("web_identity_token_file").is_none();
        if has_keys || !is_chained {
            break root(sections, current)?;
        }
        steps.push(step(sections, current)?);
        match (get("source_profile"), get("credential_source")) {
            (Some(_), Some(_)) => return Err(BaseProfileError::TwoSources(current.to_owned())),
            (None, None) => return Err(BaseProfileError::NoSource(current.to_owned())),
            (None, Some(_)) => break root(sections, current)?,
            // Its own keys sign for its role.
            (Some(source), None) if source == current => break root(sections, current)?,
            (Some(source), None) => {
                of = Some(current.to_owned());
                // The name lives as long as the sections.
                current = source;
            }
        }
    };
    steps.reverse();
    let mfa_serial = device(sections, current)?;
    Ok(BaseProfile { root, steps, mfa_serial })
}

/// The MFA device that a profile names.
fn device(sections: &impl Sections, profile: &str) -> Result<Option<MfaSerial>, BaseProfileError> {
    let Some(text) = sections.profile(profile, "mfa_serial") else { return Ok(None) };
    MfaSerial::parse(text).map(Some).map_err(|_| form(profile, "mfa_serial", "no MFA device"))
}

fn form(profile: &str, key: &'static str, rule: &'static str) -> BaseProfileError {
    BaseProfileError::Form { profile: profile.to_owned(), key, rule }
}

fn step(sections: &impl Sections, profile: &str) -> Result<RoleStep, BaseProfileError> {
    let get = |key| sections.profile(profile, key).map(str::to_owned);
    Ok(RoleStep {
        profile: profile.to_owned(),
        role_arn: get("role_arn").unwrap_or_default(),
        external_id: get("external_id"),
        session_name: get("role_session_name"),
        mfa_serial: device(sections, profile)?,
    })
}

/// What a profile gives by itself, in the order of the SDKs.
fn root(sections: &impl Sections, profile: &str) -> Result<Root, BaseProfileError> {
    let get = |key| sections.profile(profile, key);
    let missing = |key| BaseProfileError::Missing { profile: profile.to_owned(), key };
    let need = |key: &'static str| get(key).map(str::to_owned).ok_or_else(|| missing(key));
    if let Some(source) = get("credential_source") {
        let source_name = match source {
            "Environment" => return Ok(Root::Environment),
            "Ec2InstanceMetadata" => "Ec2InstanceMetadata",
            "EcsContainer" => "EcsContainer",
            _ => return Err(BaseProfileError::UnknownSource(profile.to_owned())),
        };
        return Err(BaseProfileError::LeftOut { profile: profile.to_owned(), source_name });
    }
    if let Some(token_file) = get("web_identity_token_file") {
        return Ok(Root::WebIdentity {
            role_arn: need("role_arn")?,
            token_file: token_file.to_owned(),
            session_name: get("role_session_name").map(str::to_owned),
        });
    }
    if ["sso_session", "sso_start_url", "sso_account_id", "sso_role_name"]
        .iter()
        .any(|key| get(key).is_some())
    {
        return Ok(Root::Sso {
            session: sso_session_of(sections, profile)?,
            account_id: need("sso_account_id")?,
            role_name: need("sso_role_name")?,
        });
    }
    if let Some(session_arn) = get("login_session") {
        return Ok(Root::Login { session_arn: session_arn.to_owned() });
    }
    if let Some(command) = get("credential_process") {
        return Ok(Root::Process(Zeroizing::new(command.to_owned())));
    }
    if get("aws_access_key_id").is_some() || get("aws_secret_access_key").is_some() {
        return Ok(Root::Keys {
            access_key_id: need("aws_access_key_id")?,
            secret_access_key: Zeroizing::new(need("aws_secret_access_key")?),
            session_token: get("aws_session_token")
                .filter(|token| !token.is_empty())
                .map(|token| Zeroizing::new(token.to_owned())),
        });
    }
    Err(BaseProfileError::Nothing(profile.to_owned()))
}

fn sso_session_of(sections: &impl Sections, profile: &str) -> Result<SsoSession, BaseProfileError> {
    if let Some(name) = sections.profile(profile, "sso_session") {
        if !sections.has_sso_session(name) {
            return Err(BaseProfileError::NoSsoSession {
                profile: profile.to_owned(),
                session: name.to_owned(),
            });
        }
        return sso_session(sections, name);
    }
    let need = |key: &'static str| {
        let found = sections.profile(profile, key);
        found.ok_or_else(|| BaseProfileError::Missing { profile: profile.to_owned(), key })
    };
    Ok(SsoSession {
        name: None,
        start_url: need("sso_start_url")?.to_owned(),
        region: Region::parse(need("sso_region")?)
            .map_err(|_| form(profile, "sso_region", "no AWS region"))?,
        scopes: Vec::new(),
        profile: Some(profile.to_owned()),
    })
}

/// The `[sso-session NAME]` of that name.
pub fn sso_session(sections: &impl Sections, name: &str) -> Result<SsoSession, BaseProfileError> {
    let section = format!("[sso-session {name}]");
    if !sections.has_sso_session(name) {
        return Err(BaseProfileError::NoProfile { name: section, of: None });
    }
    let need = |key: &'static str| {
        let found = sections.sso_session(name, key);
        found.ok_or_else(|| BaseProfileError::Missing { profile: section.clone(), key })
    };
    let scopes = sections.sso_session(name, "sso_registration_scopes").unwrap_or_default();
    Ok(SsoSession {
        name: Some(name.to_owned()),
        start_url: need("sso_start_url")?.to_owned(),
        region: Region::parse(need("sso_region")?)
            .map_err(|_| form(&section, "sso_region", "no AWS region"))?,
        scopes: scopes
            .split(',')
            .map(str::trim)
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect(),
        profile: None,
    })
}

#[cfg(test)]
mod tests;
