//! A safeguard: a policy that a deployment has to satisfy.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::core::nearest::did_you_mean;
use crate::core::table::{Findings, Value};

/// The policies there are, by the ids that Serverless gave them in its safeguards plugin.
pub const SAFEGUARDS: [&str; 16] = [
    "allowed-function-names",
    "allowed-regions",
    "allowed-runtimes",
    "allowed-stages",
    "forbid-lambda-apig-integration",
    "forbid-s3-http-access",
    "framework-version",
    "javascript",
    "no-secret-env-vars",
    "no-wild-iam-role-statements",
    "require-cfn-role",
    "require-description",
    "require-dlq",
    "require-global-vpc",
    "required-stack-tags",
    "restricted-deploy-times",
];

/// The keys of a safeguard.
pub(super) const KEYS: [&str; 6] = ["policy", "level", "title", "description", "config", "enforce"];

/// A policy with a level and a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Safeguard {
    /// The policy's id, one of [`SAFEGUARDS`].
    pub policy: String,
    /// What follows if the policy is not satisfied.
    pub level: Level,
    /// What people read instead of the id.
    pub title: Option<String>,
    /// Why the team wants it.
    pub description: Option<String>,
    /// The policy's settings, which the policy itself checks.
    pub config: Option<Json>,
    /// Where it is to hold beyond the check before a deployment.
    pub enforce: Option<Enforce>,
}

/// What follows if a policy is not satisfied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// The deployment is blocked; also what holds if the catalog says nothing.
    #[default]
    Error,
    /// The deployment goes on with a warning.
    Warning,
}

/// Where a safeguard is to hold beyond the check before a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Enforce {
    /// In the session, as a session policy that AWS enforces.
    Session,
    /// When credentials are issued.
    Issue,
}

/// Reads one element of the array `safeguards`.
pub(super) fn read(item: Value<'_>, findings: &mut Findings<'_>) -> Option<Safeguard> {
    let table = item.table(findings)?;
    table.only(&KEYS, findings);
    let policy = table
        .required("policy", "policy = \"allowed-regions\"", findings)
        .and_then(|value| read_policy(value, findings));
    let level = table
        .get("level")
        .and_then(|value| value.choice(&[("error", Level::Error), ("warning", Level::Warning)], findings));
    let title = table.get("title").and_then(|value| value.prose(findings));
    let description = table.get("description").and_then(|value| value.prose(findings));
    let config = table.get("config").and_then(|value| value.json(findings));
    let enforce = table.get("enforce").and_then(|value| {
        value.choice(&[("session", Enforce::Session), ("issue", Enforce::Issue)], findings)
    });
    Some(Safeguard { policy: policy?, level: level.unwrap_or_default(), title, description, config, enforce })
}

fn read_policy(value: Value<'_>, findings: &mut Findings<'_>) -> Option<String> {
    let id = value.string(findings)?;
    if SAFEGUARDS.contains(&id) {
        return Some(id.to_owned());
    }
    let hint = did_you_mean(id, SAFEGUARDS)
        .unwrap_or_else(|| format!("the safeguards are: {}", SAFEGUARDS.join(", ")));
    value.wrong("there is no such safeguard", Some(hint), findings);
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalog::Catalog;
    use crate::core::catalog::tests::errors;
    use crate::core::name::ProfileName;
    use serde_json::json;
    use std::path::Path;

    fn safeguards(text: &str) -> Vec<Safeguard> {
        let catalog = Catalog::parse(Path::new("c"), text).unwrap();
        catalog.profiles[&ProfileName::parse("p").unwrap()].safeguards.clone()
    }

    #[test]
    fn both_forms_of_an_array_are_the_same() {
        let expected = vec![
            Safeguard {
                policy: "framework-version".into(),
                level: Level::Warning,
                title: Some("t".into()),
                description: Some("d".into()),
                config: Some(json!(">=4")),
                enforce: Some(Enforce::Issue),
            },
            Safeguard {
                policy: "require-dlq".into(),
                level: Level::Error,
                title: None,
                description: None,
                config: None,
                enforce: None,
            },
        ];
        let inline = "profiles.p.safeguards = [{ policy = \"framework-version\", level = \"warning\", \
         title = \"t\", \
                      description = \"d\", config = \">=4\", enforce = \"issue\" }, { policy = \
                      \"require-dlq\" }]";
        let headers = "[[profiles.p.safeguards]]\npolicy = \"framework-version\"\nlevel = \
         \"warning\"\ntitle = \"t\"\n\
                       description = \"d\"\nconfig = \">=4\"\nenforce = \"issue\"\n\
                       [[profiles.p.safeguards]]\npolicy = \"require-dlq\"\nlevel = \"error\"\n";
        assert_eq!(safeguards(inline), expected);
        assert_eq!(safeguards(headers), expected);
    }

    #[test]
    fn a_config_is_any_json() {
        for (toml, json) in [
            ("[\"us-east-1\", \"eu-west-1\"]", json!(["us-east-1", "eu-west-1"])),
            ("{ minNumSubnets = 2, on = true }", json!({ "minNumSubnets": 2, "on": true })),
            (
                "[{ time = 2019-03-06, duration = \"P2D\" }]",
                json!([{ "time": "2019-03-06", "duration": "P2D" }]),
            ),
            ("1979-05-27T07:32:00Z", json!("1979-05-27T07:32:00Z")),
            ("-1_000", json!(-1000)),
            ("0xff", json!(255)),
            ("18446744073709551615", json!(u64::MAX)),
            ("2.5", json!(2.5)),
        ] {
            let text = format!("[[profiles.p.safeguards]]\npolicy = \"javascript\"\nconfig = {toml}\n");
            assert_eq!(safeguards(&text)[0].config, Some(json), "{toml}");
        }
    }

    #[test]
    fn names_each_fault() {
        let all = SAFEGUARDS.join(", ");
        let unknown = format!("2:10: `policy`: there is no such safeguard (the safeguards are: {all})");
        for (lines, expected) in [
            ("level = \"error\"", "1:1: missing key `policy` (add policy = \"allowed-regions\")"),
            (
                "policy = \"alowed-regions\"",
                "2:10: `policy`: there is no such safeguard (did you mean \"allowed-regions\"?)",
            ),
            ("policy = \"marked\"", &unknown),
            (
                "policy = \"javascript\"\nlevel = \"warn\"\nenforce = \"sesion\"",
                "3:9: `level`: expected \"error\" or \"warning\"\n\
                 c.toml:4:11: `enforce`: expected \"session\" or \"issue\" (did you mean \"session\"?)",
            ),
            (
                "policy = \"javascript\"\nconfig = [inf, { a = 99999999999999999999 }]",
                "3:11: `config`: the number is not a finite one\n\
                 c.toml:3:22: `a`: the number is too large (64 bits at most)",
            ),
            (
                "policy = \"javascript\"\nstage = \"x\"",
                "3:1: unknown key `stage` (the keys here are: policy, level, title, description, \
                 config, enforce)",
            ),
        ] {
            assert_eq!(
                errors(&format!("[[profiles.p.safeguards]]\n{lines}\n")),
                format!("c.toml:{expected}"),
                "{lines}"
            );
        }
        assert_eq!(
            errors("profiles.p.safeguards = [1]"),
            "c.toml:1:26: `safeguards`: expected a table, found an integer"
        );
    }
}
