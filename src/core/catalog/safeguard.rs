//! A safeguard: a policy that a deployment has to satisfy.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::core::nearest::did_you_mean;
use crate::core::safeguard::{self, POLICIES, Policy, Rule};
use crate::core::table::{Findings, Value};

/// The keys of a safeguard.
pub(super) const KEYS: [&str; 6] = ["policy", "level", "title", "description", "config", "enforce"];

/// A policy with a level and a config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Safeguard {
    /// The policy with its config.
    pub rule: Rule,
    /// What follows if the policy is not satisfied.
    pub level: Level,
    /// What people read instead of the id.
    pub title: Option<String>,
    /// Why the team wants it.
    pub description: Option<String>,
    /// Where it is to hold beyond the check before a deployment. Its policy can be enforced there.
    pub enforce: Option<Enforce>,
}

impl Safeguard {
    /// The policy's id.
    pub fn policy(&self) -> &'static str {
        self.rule.policy().id
    }
}

/// A safeguard as it travels and as JSON shows it: as the catalog writes it.
#[derive(Serialize, Deserialize)]
struct Written {
    policy: String,
    level: Level,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    config: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enforce: Option<Enforce>,
}

impl From<Safeguard> for Written {
    fn from(safeguard: Safeguard) -> Self {
        Self {
            policy: safeguard.policy().to_owned(),
            level: safeguard.level,
            title: safeguard.title,
            description: safeguard.description,
            config: safeguard.rule.config().cloned(),
            enforce: safeguard.enforce,
        }
    }
}

impl TryFrom<Written> for Safeguard {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let policy = safeguard::policy(&written.policy)
            .ok_or_else(|| format!("there is no safeguard {:?}", written.policy))?;
        let rule = Rule::read(policy, written.config).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            format!("safeguard {}: {}", policy.id, faults.join("; "))
        })?;
        let Written { level, title, description, enforce, .. } = written;
        Ok(Self { rule, level, title, description, enforce })
    }
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
        .and_then(|value| value.choice(&[("error", Level::Error), ("warning", Level::Warning)], findings))
        .unwrap_or_default();
    let title = table.get("title").and_then(|value| value.prose(findings));
    let description = table.get("description").and_then(|value| value.prose(findings));
    let config = table.get("config");
    let json = match config {
        Some(value) => Some(value.json(findings)?),
        None => None,
    };
    let policy = policy?;
    let enforce = table.get("enforce").and_then(|value| read_enforce(value, policy, level, findings));
    let rule = match Rule::read(policy, json) {
        Ok(rule) => rule,
        Err(faults) => {
            for fault in faults {
                let (at, deeper) = config.map_or((table.at(), &[][..]), |value| deepest(value, &fault.path));
                let within =
                    if deeper.is_empty() { String::new() } else { format!("{}: ", deeper.join(".")) };
                findings.add(at, format!("`config` of {}: {within}{}", policy.id, fault.message), fault.hint);
            }
            return None;
        }
    };
    Some(Safeguard { rule, level, title, description, enforce })
}

/// The place of what a path leads to, as deep as the file goes, and what is left of the path there.
fn deepest<'p>(value: Value<'_>, path: &'p [String]) -> (usize, &'p [String]) {
    let Some((key, rest)) = path.split_first() else { return (value.at(), path) };
    let child = match (value.as_table(), value.as_array()) {
        (Some(table), _) => table.get(key),
        (None, Some(items)) => key.parse().ok().and_then(|index: usize| items.get(index).copied()),
        (None, None) => None,
    };
    child.map_or((value.at(), path), |child| deepest(child, rest))
}

fn read_policy(value: Value<'_>, findings: &mut Findings<'_>) -> Option<&'static Policy> {
    let id = value.string(findings)?;
    let policy = safeguard::policy(id);
    if policy.is_none() {
        let ids = POLICIES.map(|policy| policy.id);
        let hint = did_you_mean(id, ids).unwrap_or_else(|| format!("the safeguards are: {}", ids.join(", ")));
        value.wrong("there is no such safeguard", Some(hint), findings);
    }
    policy
}

/// Where a policy is to be enforced, if it can be there.
fn read_enforce(
    value: Value<'_>,
    policy: &Policy,
    level: Level,
    findings: &mut Findings<'_>,
) -> Option<Enforce> {
    let enforce = value.choice(&[("session", Enforce::Session), ("issue", Enforce::Issue)], findings)?;
    let can = |policy: &Policy| match enforce {
        Enforce::Session => policy.session.is_some(),
        Enforce::Issue => policy.issue.is_some(),
    };
    if !can(policy) {
        let able: Vec<_> =
            POLICIES.into_iter().filter(|policy| can(policy)).map(|policy| policy.id).collect();
        let what = match enforce {
            Enforce::Session => "cannot be enforced in a session",
            Enforce::Issue => "cannot be enforced when credentials are issued",
        };
        let hint = Some(format!("these can: {}", able.join(", ")));
        value.wrong(format_args!("{} {what}", policy.id), hint, findings);
        return None;
    }
    if level == Level::Warning {
        let hint = Some("level = \"error\", or take enforce out".to_owned());
        value.wrong("a warning is not enforced", hint, findings);
        return None;
    }
    Some(enforce)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalog::Catalog;
    use crate::core::catalog::tests::errors;
    use crate::core::name::ProfileName;
    use serde_json::json;
    use std::path::Path;

    fn rule(id: &str, config: Option<Json>) -> Rule {
        Rule::read(safeguard::policy(id).unwrap(), config).unwrap()
    }

    fn safeguards(text: &str) -> Vec<Safeguard> {
        let catalog = Catalog::parse(Path::new("c"), text).unwrap();
        catalog.profiles[&ProfileName::parse("p").unwrap()].safeguards.clone()
    }

    #[test]
    fn both_forms_of_an_array_are_the_same() {
        let expected = vec![
            Safeguard {
                rule: rule("framework-version", Some(json!(">=4"))),
                level: Level::Warning,
                title: Some("t".into()),
                description: Some("d".into()),
                enforce: None,
            },
            Safeguard {
                rule: rule("require-dlq", None),
                level: Level::Error,
                title: None,
                description: None,
                enforce: None,
            },
        ];
        let inline = "profiles.p.safeguards = [{ policy = \"framework-version\", level = \"warning\", \
         title = \"t\", \
                      description = \"d\", config = \">=4\" }, { policy = \
                      \"require-dlq\" }]";
        let headers = "[[profiles.p.safeguards]]\npolicy = \"framework-version\"\nlevel = \
         \"warning\"\ntitle = \"t\"\n\
                       description = \"d\"\nconfig = \">=4\"\n\
                       [[profiles.p.safeguards]]\npolicy = \"require-dlq\"\nlevel = \"error\"\n";
        assert_eq!(safeguards(inline), expected);
        assert_eq!(safeguards(headers), expected);
    }

    #[test]
    fn a_safeguard_travels_as_the_catalog_writes_it() {
        let text = "[[profiles.p.safeguards]]\npolicy = \"restricted-deploy-times\"\nenforce = \"issue\"\n\
                    config = [{ time = 2019-03-06, duration = \"P2D\" }]\n";
        let read = safeguards(text);
        let json = serde_json::to_value(&read).unwrap();
        let config = json!([{ "time": "2019-03-06", "duration": "P2D" }]);
        assert_eq!(
            json,
            json!([{ "policy": "restricted-deploy-times", "level": "error", "config": config, "enforce": "issue" }])
        );
        assert_eq!(serde_json::from_value::<Vec<Safeguard>>(json).unwrap(), read);
        let fault =
            serde_json::from_value::<Safeguard>(json!({ "policy": "allowed-stages", "level": "error" }));
        assert!(fault.unwrap_err().to_string().contains("expected a list of stages"));
    }

    #[test]
    fn names_each_fault() {
        let all = POLICIES.map(|policy| policy.id).join(", ");
        let unknown = format!("2:10: `policy`: there is no such safeguard (the safeguards are: {all})");
        for (lines, expected) in [
            ("level = \"error\"", "1:1: missing key `policy` (add policy = \"allowed-regions\")"),
            (
                "policy = \"alowed-regions\"",
                "2:10: `policy`: there is no such safeguard (did you mean \"allowed-regions\"?)",
            ),
            ("policy = \"marked\"", &unknown),
            (
                "policy = \"require-dlq\"\nlevel = \"warn\"\nenforce = \"sesion\"",
                "3:9: `level`: expected \"error\" or \"warning\"\n\
                 c.toml:4:11: `enforce`: expected \"session\" or \"issue\" (did you mean \"session\"?)",
            ),
            (
                "policy = \"require-dlq\"\nenforce = \"session\"",
                "3:11: `enforce`: require-dlq cannot be enforced in a session (these can: allowed-regions, \
                 require-cfn-role, require-global-vpc)",
            ),
            (
                "policy = \"require-cfn-role\"\nenforce = \"issue\"",
                "3:11: `enforce`: require-cfn-role cannot be enforced when credentials are issued (these can: \
                 allowed-regions, allowed-stages, restricted-deploy-times)",
            ),
            (
                "policy = \"require-cfn-role\"\nenforce = \"session\"\nlevel = \"warning\"",
                "3:11: `enforce`: a warning is not enforced (level = \"error\", or take enforce out)",
            ),
            (
                "policy = \"allowed-regions\"",
                "1:1: `config` of allowed-regions: expected a list of regions (config = [\"us-east-1\", \
                 \"eu-west-1\"])",
            ),
            (
                "policy = \"allowed-regions\"\nconfig = [\"us-east-1\", \"Frankfurt\"]",
                "3:24: `config` of allowed-regions: this is not an AWS region: like eu-central-1",
            ),
            (
                "policy = \"restricted-deploy-times\"\nconfig = [{ time = 2019-03-06, duration = \"2 days\" }]",
                "3:43: `config` of restricted-deploy-times: not a duration as ISO 8601 writes it (like P2DT18H, \
                 P1W or PT90M)",
            ),
            (
                "policy = \"restricted-deploy-times\"\nconfig = [{ time = 2019-03-06 }]",
                "3:11: `config` of restricted-deploy-times: duration: expected a duration (config = { time = \
                 \"2019-03-08T17:00:00Z\", duration = \"P2DT15H\", interval = \"P1W\" })",
            ),
            (
                "policy = \"require-description\"\nconfig = { minLenght = 3 }",
                "3:24: `config` of require-description: unknown key `minLenght` (did you mean \"minLength\"?)",
            ),
            (
                "policy = \"require-dlq\"\nconfig = [inf, { a = 99999999999999999999 }]",
                "3:11: `config`: the number is not a finite one\n\
                 c.toml:3:22: `a`: the number is too large (64 bits at most)",
            ),
            (
                "policy = \"require-dlq\"\nstage = \"x\"",
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
