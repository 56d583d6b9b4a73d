//! The role that a profile assumes, and with what.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::session_tags;
use crate::core::duration::parse_duration;
use crate::core::name::{
    ExternalId, KeysName, MfaSerial, PolicyArn, Region, RoleArn, SessionName, SourceIdentity,
};
use crate::core::nearest::did_you_mean;
use crate::core::session_policy::LONGEST;
use crate::core::table::{Findings, Table, Value};

const HOUR: Duration = Duration::from_hours(1);

/// The least that `AssumeRole` grants (AWS STS API reference, `AssumeRole`, `DurationSeconds`).
const SHORTEST: Duration = Duration::from_mins(15);

/// The keys of the table `access_role`.
pub(super) const KEYS: [&str; 14] = [
    "role_arn",
    "source",
    "duration",
    "external_id",
    "session_name",
    "session_tags",
    "transitive_tags",
    "source_identity",
    "session_policy",
    "policy_arns",
    "region",
    "mfa_serial",
    "via",
    "web_identity_token_file",
];

/// `PolicyArns` of `AssumeRole`: at most ten (AWS STS API reference, `AssumeRole`, request parameters).
const POLICY_ARNS: usize = 10;

/// The IAM role that a profile assumes, with the parameters of `AssumeRole`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AccessRole {
    /// The role.
    pub role_arn: RoleArn,
    /// What signs the request.
    pub source: Source,
    /// How long a session lasts: 1 to 12 hours, an hour if the catalog says nothing; of a profile that is `short`,
    /// 15 to 59 minutes, 15 if it says nothing. The role's own maximum may be less.
    pub duration: Duration,
    /// What the trust policy of a role of somebody else's account asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    /// The session's name in CloudTrail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_name: Option<SessionName>,
    /// The session's tags: at most 50.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub session_tags: BTreeMap<String, String>,
    /// The tags of the session that stay with it where it assumes another role. Each is one of `session_tags`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitive_tags: Vec<String>,
    /// Who is behind the session, for CloudTrail; no role that is assumed with it can change that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<SourceIdentity>,
    /// A policy that narrows the session: the JSON of an object, at most 2048 characters. It is as it was written, with
    /// the statements of the profile's safeguards that are enforced in the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_policy: Option<String>,
    /// Managed policies that narrow the session: at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policy_arns: Vec<PolicyArn>,
    /// The region whose STS is asked, and which the session's user is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// The MFA device whose code AWS is given for the role, by way of an MFA session where that is possible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mfa_serial: Option<MfaSerial>,
    /// The roles that are assumed before it, each with the session of the one before; `source` signs for the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<AccessRole>,
    /// A file with the token of an identity provider, with which the role is assumed instead of with a `source`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_identity_token_file: Option<PathBuf>,
}

impl AccessRole {
    /// A role of which nothing else is set.
    pub fn of(role_arn: RoleArn) -> Self {
        Self {
            role_arn,
            source: Source::Chain,
            duration: HOUR,
            external_id: None,
            session_name: None,
            session_tags: BTreeMap::new(),
            transitive_tags: Vec::new(),
            source_identity: None,
            session_policy: None,
            policy_arns: Vec::new(),
            region: None,
            mfa_serial: None,
            via: Vec::new(),
            web_identity_token_file: None,
        }
    }

    /// A text that is the same for equal roles and tells nothing of what is in one: SHA-256 in base64. What a role does
    /// not set is left out of it, so that one more thing that can be set makes no other text of it.
    pub fn digest(&self) -> String {
        // None of its parts has a form that JSON lacks, and its maps are sorted.
        let text = serde_json::to_vec(self).unwrap_or_default();
        STANDARD.encode(digest(&SHA256, &text))
    }
}

/// Where the base credentials come from, those that sign `AssumeRole`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The SDK's own chain; the catalog says nothing.
    Chain,
    /// The environment of the daemon: `env`.
    Environment,
    /// A profile of `~/.aws/config`, by its name.
    Named(String),
    /// Long-term keys that a person put into the keychain: `keychain`, or `keychain:NAME`.
    Keychain(KeysName),
}

/// What keys in the keychain are called where nobody names them.
pub const DEFAULT_KEYS: &str = "default";

/// Reads the table `access_role` of a profile that is `short` or not. Its `via` is left to [`super::via`], since that
/// names other profiles.
pub(super) fn read(table: Table<'_>, short: bool, findings: &mut Findings<'_>) -> Option<AccessRole> {
    table.only(&KEYS, findings);
    let role_arn = table
        .required("role_arn", "role_arn = \"arn:aws:iam::111111111111:role/deploy\"", findings)
        .and_then(|value| value.parsed(RoleArn::parse, findings));
    let source = table.get("source").and_then(|value| read_source(value, findings));
    let duration = table.get("duration").and_then(|value| read_duration(value, short, findings));
    let external_id = table.parsed("external_id", ExternalId::parse, findings);
    let session_name = table.parsed("session_name", SessionName::parse, findings);
    let session_tags = table.get("session_tags").map(|value| session_tags::read(value, findings));
    let session_policy = table.get("session_policy").and_then(|value| read_policy(value, findings));
    let policy_arns = read_policy_arns(table, findings);
    let region = table.parsed("region", Region::parse, findings);
    let tags = session_tags.unwrap_or_default();
    let transitive_tags = read_transitive(table, &tags, findings);
    let source_identity = table.parsed("source_identity", SourceIdentity::parse, findings);
    let mfa_serial = table.parsed("mfa_serial", MfaSerial::parse, findings);
    let web_identity_token_file = read_token_file(table, findings);
    Some(AccessRole {
        role_arn: role_arn?,
        source: source.unwrap_or(Source::Chain),
        duration: duration.unwrap_or(if short { SHORTEST } else { HOUR }),
        external_id,
        session_name,
        session_tags: tags,
        transitive_tags,
        source_identity,
        session_policy,
        policy_arns,
        region,
        mfa_serial,
        via: Vec::new(),
        web_identity_token_file,
    })
}

fn read_transitive(
    table: Table<'_>,
    tags: &BTreeMap<String, String>,
    findings: &mut Findings<'_>,
) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for item in table.array("transitive_tags", findings) {
        let Some(key) = item.filled(findings) else { continue };
        if !tags.contains_key(key) {
            let near = did_you_mean(key, tags.keys().map(String::as_str));
            let hint = near.or_else(|| Some("a tag that is passed on is one of session_tags".to_owned()));
            item.wrong("session_tags has no tag of that key", hint, findings);
        } else if keys.iter().any(|known| known == key) {
            item.wrong("the tag is listed twice", Some("keep one of the two".to_owned()), findings);
        } else {
            keys.push(key.to_owned());
        }
    }
    keys
}

/// What `AssumeRoleWithWebIdentity` does not take (AWS STS API reference, `AssumeRoleWithWebIdentity`): there, tags and
/// the source identity are claims of the token.
const NOT_WITH_A_TOKEN: [&str; 7] =
    ["source", "via", "mfa_serial", "external_id", "session_tags", "transitive_tags", "source_identity"];

fn read_token_file(table: Table<'_>, findings: &mut Findings<'_>) -> Option<PathBuf> {
    let value = table.get("web_identity_token_file")?;
    for other in NOT_WITH_A_TOKEN.iter().filter_map(|key| table.get(key)) {
        let what = "a role that is assumed with web_identity_token_file takes none";
        other.wrong(what, Some("keep one of the two".to_owned()), findings);
    }
    let path = value.filled(findings)?;
    if path.starts_with('/') || path.starts_with("~/") {
        return Some(PathBuf::from(path));
    }
    value.wrong(
        "expected a path from the root, or from home with ~/",
        Some("the daemon has no directory that it could be below".to_owned()),
        findings,
    );
    None
}

fn read_source(value: Value<'_>, findings: &mut Findings<'_>) -> Option<Source> {
    match value.filled(findings)? {
        "env" => Some(Source::Environment),
        "keychain" => KeysName::parse(DEFAULT_KEYS).ok().map(Source::Keychain),
        text if text.starts_with("keychain:") => {
            value.parsed(|text| KeysName::parse(&text["keychain:".len()..]), findings).map(Source::Keychain)
        }
        name => Some(Source::Named(name.to_owned())),
    }
}

/// A duration within what `AssumeRole` grants. That a session shorter than an hour needs `short` is brokerd's own
/// rule: such a one cannot be served by a metadata service, whose clients count on 25 minutes.
fn read_duration(value: Value<'_>, short: bool, findings: &mut Findings<'_>) -> Option<Duration> {
    if value.as_str().is_none() {
        value.mistyped("a string", Some("write it with its unit, as in \"1h\"".to_owned()), findings);
        return None;
    }
    let duration = value.parsed(parse_duration, findings)?;
    let may_be_short = (SHORTEST..HOUR).contains(&duration);
    if (short && may_be_short) || (!short && (HOUR..=12 * HOUR).contains(&duration)) {
        return Some(duration);
    }
    let (what, hint) = if short {
        ("with short = true a session lasts 15m to 59m", "leave short out for a longer one")
    } else {
        (
            "a session lasts at least 1h and at most 12h",
            "short = true in the profile allows 15m to 59m, for brokerctl credential-process only",
        )
    };
    let hint = (short || may_be_short).then(|| hint.to_owned());
    value.wrong(what, hint, findings);
    None
}

/// The text of a session policy. Only its shape is checked here; what it may say is for STS to judge.
fn read_policy(value: Value<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let text = value.string(findings)?;
    let length = text.chars().count();
    if length > LONGEST {
        value.wrong(
            format_args!("the policy has {length} characters and STS accepts at most {LONGEST}"),
            Some("shorten it, or move it to a managed policy and name that in policy_arns".to_owned()),
            findings,
        );
        return None;
    }
    match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(_)) => return Some(text.to_owned()),
        Ok(_) => {
            value.wrong("the policy is not a JSON object: it begins with { and ends with }", None, findings);
        }
        // The parser's own words are left out, because they may quote the text.
        Err(error) => value.wrong(
            format_args!(
                "the policy is not JSON: see line {}, column {} of its text",
                error.line(),
                error.column()
            ),
            None,
            findings,
        ),
    }
    None
}

fn read_policy_arns(table: Table<'_>, findings: &mut Findings<'_>) -> Vec<PolicyArn> {
    let items = table.array("policy_arns", findings);
    if let Some(excess) = items.get(POLICY_ARNS) {
        excess.wrong(
            format_args!("STS accepts at most {POLICY_ARNS} policies for a session"),
            None,
            findings,
        );
    }
    items.into_iter().filter_map(|item| item.parsed(PolicyArn::parse, findings)).collect()
}

#[cfg(test)]
mod tests;
