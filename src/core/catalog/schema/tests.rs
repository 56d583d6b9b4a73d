use std::collections::BTreeSet;
use std::path::Path;

use super::super::tests::{EXAMPLE, errors};
use super::super::{access_role, application, profile, protection, safeguard, secret};
use super::*;
use crate::core::table;

/// The text as JSON, by the reader of TOML that the catalog has.
fn json_of(text: &str) -> Json {
    table::read(Path::new("c.toml"), text, |root, findings| {
        let entries = root.entries().map(|value| (value.key().to_owned(), value.json(findings).unwrap()));
        Json::Object(entries.collect())
    })
    .unwrap()
}

/// Whether a value has the form that a schema says. Only the keywords that the schema uses are known, and any
/// other is a failure of the test, so that none is skipped.
fn fits(root: &Json, schema: &Json, value: &Json) -> bool {
    let within = |size: usize, least: bool, limit: &Json| {
        let limit = usize::try_from(limit.as_u64().unwrap()).unwrap();
        if least { size >= limit } else { size <= limit }
    };
    let text = value.as_str();
    let characters = text.map(|text| text.chars().count());
    schema.as_object().unwrap().iter().all(|(keyword, says)| match keyword.as_str() {
        "$schema" | "$defs" | "title" | "description" => true,
        "$ref" => fits(root, root.pointer(says.as_str().unwrap().trim_start_matches('#')).unwrap(), value),
        "type" => match says.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            other => panic!("type {other}"),
        },
        "enum" => says.as_array().unwrap().contains(value),
        "const" => says == value,
        "anyOf" => says.as_array().unwrap().iter().any(|form| fits(root, form, value)),
        "pattern" => {
            text.is_none_or(|text| regex_lite::Regex::new(says.as_str().unwrap()).unwrap().is_match(text))
        }
        "minLength" => characters.is_none_or(|size| within(size, true, says)),
        "maxLength" => characters.is_none_or(|size| within(size, false, says)),
        "minItems" => value.as_array().is_none_or(|items| within(items.len(), true, says)),
        "maxItems" => value.as_array().is_none_or(|items| within(items.len(), false, says)),
        "maxProperties" => value.as_object().is_none_or(|entries| within(entries.len(), false, says)),
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| fits(root, says, item))),
        "required" => value.as_object().is_none_or(|entries| {
            says.as_array().unwrap().iter().all(|key| entries.contains_key(key.as_str().unwrap()))
        }),
        "properties" => value.as_object().is_none_or(|entries| {
            let form = |key: &String| says.get(key);
            entries.iter().all(|(key, value)| form(key).is_none_or(|form| fits(root, form, value)))
        }),
        "propertyNames" => value
            .as_object()
            .is_none_or(|entries| entries.keys().all(|key| fits(root, says, &Json::from(key.as_str())))),
        "additionalProperties" => value.as_object().is_none_or(|entries| {
            let known = |key: &String| schema.get("properties").is_some_and(|known| known.get(key).is_some());
            entries
                .iter()
                .filter(|(key, _)| !known(key))
                .all(|(_, value)| says != false && fits(root, says, value))
        }),
        other => panic!("the keyword {other}"),
    })
}

fn accepts(text: &str) -> bool {
    let schema = schema();
    fits(&schema, &schema, &json_of(text))
}

/// A catalog with everything in it.
const FULL: &str = r#"
[profiles.full]
description = "Everything"
protected = { approve = "mfa", for = "15m" }
short = true
deploy = "plugin"
[profiles.full.access_role]
role_arn = "arn:aws-us-gov:iam::111111111111:role/team/deploy"
source = "env"
duration = "45m"
external_id = "brokerd-at-acme"
session_name = "ann"
session_tags = { team = "shop", "cost centre" = "7" }
session_policy = '{"Version":"2012-10-17"}'
policy_arns = ["arn:aws:iam::aws:policy/ReadOnlyAccess"]
region = "us-gov-west-1"
mfa_serial = "arn:aws:iam::111111111111:mfa/ann"
transitive_tags = ["team"]
source_identity = "ann"
[profiles.token.access_role]
role_arn = "arn:aws:iam::111111111111:role/a"
web_identity_token_file = "~/token"
[profiles.later.access_role]
role_arn = "arn:aws:iam::111111111111:role/b"
via = ["token"]
[profiles.full.secrets]
A = "keychain"
B = { ssm = "/a" }
C = { secretsmanager = "a", key = "k", version_stage = "AWSPREVIOUS" }
D = { env = "D" }
E = { command = ["op", "read", "op://x"] }
F = { file = "~/x" }
[[profiles.full.safeguards]]
policy = "restricted-deploy-times"
level = "error"
title = "Stages"
description = "Only ours"
config = { time = 2026-01-01, duration = "P1D" }
enforce = "issue"
[applications.shop]
default_profile = "full"
unmatched = ["pr-*", "*"]
stages = { prod = "full" }
[applications.other]
stages.dev = "full"
unmatched = "refuse"
"#;

#[test]
fn the_schema_accepts_what_the_reader_accepts() {
    for text in ["", EXAMPLE, FULL, "[profiles.a]\n", "[profiles.a]\nprotected = false\n"] {
        assert_eq!(errors(text), "", "{text}");
        assert!(accepts(text), "{text}");
    }
}

#[test]
fn the_schema_rejects_what_the_reader_rejects() {
    for text in [
        "profile.x = 1\n",
        "[profiles.dev]\nacces_role = {}\n",
        "[profiles.'a b']\n",
        "[profiles.dev.access_role]\nsource = \"work\"\n",
        "[profiles.dev.access_role]\nrole_arn = \"arn:aws:iam::1:role/x\"\n",
        "[profiles.dev.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/x\"\nregion = \"Frankfurt\"\n",
        "[profiles.dev.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/x\"\nduration = \"3600\"\n",
        "[profiles.dev.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/x\"\nrol = 1\n",
        "[profiles.dev.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/x\"\nmfa_serial = \"ann\"\n",
        "[profiles.dev.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/x\"\nvia = []\n",
        "[profiles.dev.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/x\"\nweb_identity_token_file = \"t\"\n",
        "[profiles.dev]\nprotected = { aprove = \"mfa\" }\n",
        "[profiles.dev]\nprotected = { approve = \"teminal\" }\n",
        "[profiles.dev.secrets]\nS = \"sk_live\"\n",
        "[profiles.dev.secrets]\nS = { ssm = \"a\", env = \"b\" }\n",
        "[profiles.dev.secrets]\nS = { ssm = \"a\", key = \"b\" }\n",
        "[profiles.dev.secrets]\n2FA = \"keychain\"\n",
        "[[profiles.dev.safeguards]]\npolicy = \"allowed-region\"\n",
        "[[profiles.dev.safeguards]]\npolicy = \"allowed-regions\"\nlevle = \"error\"\n",
        "[applications.shop]\n",
        "[profiles.d]\n[applications.shop]\ndefault_profile = \"d\"\nunmatched = \"refus\"\n",
        "[profiles.d]\n[applications.shop]\ndefault_profil = \"d\"\nstages.a = \"d\"\n",
    ] {
        assert!(!errors(text).is_empty(), "{text}");
        assert!(!accepts(text), "{text}");
    }
}

#[test]
fn the_keys_are_those_that_the_reader_knows() {
    let schema = schema();
    let keys = |place: &str| -> BTreeSet<String> {
        schema.pointer(place).unwrap().as_object().unwrap().keys().cloned().collect()
    };
    let expect = |place: &str, known: &[&str]| {
        let known: BTreeSet<String> = known.iter().map(|key| (*key).to_owned()).collect();
        assert_eq!(keys(place), known, "{place}");
    };
    expect("/properties", &super::super::KEYS);
    expect("/$defs/profile/properties", &profile::KEYS);
    expect("/$defs/profile/properties/protected/anyOf/1/properties", &protection::KEYS);
    expect("/$defs/access_role/properties", &access_role::KEYS);
    expect("/$defs/safeguard/properties", &safeguard::KEYS);
    expect("/$defs/application/properties", &application::KEYS);
    let forms = schema["$defs"]["secret"]["anyOf"].as_array().unwrap();
    let of_secrets = forms.iter().filter_map(|form| form["properties"].as_object()).flat_map(Map::keys);
    let known: BTreeSet<&str> =
        secret::SOURCES.iter().chain(&secret::DETAILS).chain([&secret::TTL]).copied().collect();
    assert_eq!(of_secrets.map(String::as_str).collect::<BTreeSet<_>>(), known);
}
