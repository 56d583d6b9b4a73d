//! The role that a profile assumes, and with what.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::session_tags;
use crate::core::duration::parse_duration;
use crate::core::name::{ExternalId, KeysName, PolicyArn, Region, RoleArn, SessionName};
use crate::core::session_policy::LONGEST;
use crate::core::table::{Findings, Table, Value};

const HOUR: Duration = Duration::from_hours(1);

/// The least that `AssumeRole` grants (AWS STS API reference, `AssumeRole`, `DurationSeconds`).
const SHORTEST: Duration = Duration::from_mins(15);

/// The keys of the table `access_role`.
pub(super) const KEYS: [&str; 10] = [
    "role_arn",
    "source",
    "duration",
    "external_id",
    "session_name",
    "session_tags",
    "session_policy",
    "policy_arns",
    "region",
    "mfa_serial",
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
}

impl AccessRole {
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

/// Reads the table `access_role` of a profile that is `short` or not; what it sets and this version does not enforce
/// is added to `not_enforced`.
pub(super) fn read(
    table: Table<'_>,
    short: bool,
    not_enforced: &mut Vec<String>,
    findings: &mut Findings<'_>,
) -> Option<AccessRole> {
    table.only(&KEYS, findings);
    if table.string("mfa_serial", findings).is_some() {
        not_enforced.push("access_role.mfa_serial".to_owned());
    }
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
    Some(AccessRole {
        role_arn: role_arn?,
        source: source.unwrap_or(Source::Chain),
        duration: duration.unwrap_or(if short { SHORTEST } else { HOUR }),
        external_id,
        session_name,
        session_tags: session_tags.unwrap_or_default(),
        session_policy,
        policy_arns,
        region,
    })
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
mod tests {
    use super::*;
    use crate::core::catalog::Catalog;
    use crate::core::catalog::tests::errors;
    use crate::core::name::ProfileName;
    use std::path::Path;

    const HEAD: &str = "[profiles.p.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/deploy\"\n";

    fn role(lines: &str) -> AccessRole {
        let catalog = Catalog::parse(Path::new("c.toml"), &format!("{HEAD}{lines}")).unwrap();
        catalog.profiles[&ProfileName::parse("p").unwrap()].access_role.clone().unwrap()
    }

    #[test]
    fn only_the_role_has_to_be_written() {
        assert_eq!(
            role(""),
            AccessRole {
                role_arn: RoleArn::parse("arn:aws:iam::111111111111:role/deploy").unwrap(),
                source: Source::Chain,
                duration: HOUR,
                external_id: None,
                session_name: None,
                session_tags: BTreeMap::new(),
                session_policy: None,
                policy_arns: vec![],
                region: None,
            }
        );
    }

    #[test]
    fn every_parameter_is_read() {
        let policy = r#"{"Statement":[]}"#;
        let role = role(&format!(
            "source = \"env\"\nduration = \"12h\"\nexternal_id = \"id:1\"\nsession_name = \
             \"ann\"\nregion = \"eu-central-1\"\n\
             session_tags = {{ team = \"web\" }}\nsession_policy = '{policy}'\npolicy_arns = \
             [\"arn:aws:iam::aws:policy/ReadOnlyAccess\"]\n",
        ));
        assert_eq!((role.source, role.duration), (Source::Environment, 12 * HOUR));
        assert_eq!(role.external_id, Some(ExternalId::parse("id:1").unwrap()));
        assert_eq!(role.session_name, Some(SessionName::parse("ann").unwrap()));
        assert_eq!(role.region, Some(Region::parse("eu-central-1").unwrap()));
        assert_eq!(role.session_tags, BTreeMap::from([("team".to_owned(), "web".to_owned())]));
        assert_eq!(role.session_policy.as_deref(), Some(policy));
        assert_eq!(role.policy_arns, [PolicyArn::parse("arn:aws:iam::aws:policy/ReadOnlyAccess").unwrap()]);
    }

    #[test]
    fn a_digest_is_the_same_for_every_version() {
        assert_eq!(role("").digest(), "jnuMJgrkV1Q10axGYp4z3LJ6d+8LmHR0EmxMKxnEYXw=");
        assert_ne!(role("").digest(), role("external_id = \"an-id\"").digest());
    }

    #[test]
    fn a_short_profile_has_sessions_of_15_to_59_minutes() {
        let read = |duration: &str| {
            let text = format!("[profiles.p]\nshort = true\n{HEAD}{duration}");
            Catalog::parse(Path::new("c.toml"), &text).map_err(|faults| faults.to_string()).map(|catalog| {
                let profile = &catalog.profiles[&ProfileName::parse("p").unwrap()];
                assert!(profile.short && profile.not_enforced.is_empty());
                profile.access_role.as_ref().unwrap().duration.as_secs() / 60
            })
        };
        for (line, minutes) in [("", 15), ("duration = \"15m\"", 15), ("duration = \"59m\"", 59)] {
            assert_eq!(read(line), Ok(minutes), "{line}");
        }
        for line in ["duration = \"14m59s\"", "duration = \"1h\"", "duration = \"12h\""] {
            let fault = "c.toml:5:12: `duration`: with short = true a session lasts 15m to 59m (leave short out \
                         for a longer one)";
            assert_eq!(read(line), Err(fault.to_owned()), "{line}");
        }
    }

    #[test]
    fn names_each_fault() {
        let long = format!("session_policy = '{{\"a\":\"{}\"}}'", "ü".repeat(2041));
        let many = format!("policy_arns = [{}]", "\"arn:aws:iam::aws:policy/A\",".repeat(11));
        for (line, expected) in [
            ("source = \"\"", "3:10: `source`: the text is empty"),
            (
                "source = \"keychain:\"",
                "3:10: `source`: \"\" is not a name for keys: letters, digits, - and _, beginning with a \
                 letter or digit, at most 128",
            ),
            (
                "duration = \"59m\"",
                "3:12: `duration`: a session lasts at least 1h and at most 12h (short = true in the profile \
                 allows 15m to 59m, for brokerctl credential-process only)",
            ),
            ("duration = \"14m\"", "3:12: `duration`: a session lasts at least 1h and at most 12h"),
            ("duration = \"12h1s\"", "3:12: `duration`: a session lasts at least 1h and at most 12h"),
            (
                "duration = 3600",
                "3:12: `duration`: expected a string, found an integer (write it with its unit, as in \
                 \"1h\")",
            ),
            (
                "duration = \"3600\"",
                "3:12: `duration`: a duration needs a unit after each number: d, h, m or s, as in 1h30m",
            ),
            ("region = \"Frankfurt\"", "3:10: `region`: this is not an AWS region: like eu-central-1"),
            (
                "session_name = \"x\"",
                "3:16: `session_name`: this is not a session name: 2 to 64 letters, digits or any of \
                 _+=,.@-",
            ),
            (
                "external_id = \"x\"",
                "3:15: `external_id`: this is not an external id: 2 to 1224 letters, digits or any of \
                 _+=,.@:/-",
            ),
            (
                "policy_arns = [\"ReadOnlyAccess\", 1]",
                "3:16: `policy_arns`: this is not the ARN of an IAM policy: like \
                 arn:aws:iam::aws:policy/ReadOnlyAccess\nc.toml:3:34: `policy_arns`: expected a string, \
                 found an integer",
            ),
            (&many, "3:296: `policy_arns`: STS accepts at most 10 policies for a session"),
            ("mfa_serial = 1", "3:14: `mfa_serial`: expected a string, found an integer"),
            (
                "session_policy = 'marked'",
                "3:18: `session_policy`: the policy is not JSON: see line 1, column 1 of its text",
            ),
            (
                "session_policy = '[]'",
                "3:18: `session_policy`: the policy is not a JSON object: it begins with { and ends with }",
            ),
            (
                &long,
                "3:18: `session_policy`: the policy has 2049 characters and STS accepts at most 2048 \
                 (shorten it, or move \
                 it to a managed policy and name that in policy_arns)",
            ),
            ("rol_arn = 1", "3:1: unknown key `rol_arn` (did you mean \"role_arn\"?)"),
        ] {
            assert_eq!(errors(&format!("{HEAD}{line}\n")), format!("c.toml:{expected}"), "{line}");
        }
        assert_eq!(
            errors("[profiles.p]\n[profiles.p.access_role]\n"),
            "c.toml:2:1: missing key `role_arn` (add role_arn = \"arn:aws:iam::111111111111:role/deploy\")"
        );
        assert_eq!(
            errors("[profiles.p.access_role]\nrole_arn = \"deploy\"\n"),
            "c.toml:2:12: `role_arn`: this is not the ARN of an IAM role: like \
             arn:aws:iam::111111111111:role/deploy"
        );
    }
}
