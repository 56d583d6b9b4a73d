//! Each policy by tables, and the examples that the policies carry.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::*;
use crate::core::serverless::{Declared, Document, Inputs};

mod context;
mod declaration;
mod template;

/// What a config is in TOML, as JSON.
pub(super) fn toml(text: &str) -> Option<Json> {
    if text.is_empty() {
        return None;
    }
    let read = crate::core::table::read(Path::new("c"), &format!("config = {text}"), |root, findings| {
        root.get("config").and_then(|value| value.json(findings))
    });
    read.unwrap()
}

fn rule(id: &str, config: Option<Json>) -> Result<Rule, String> {
    Rule::read(policy(id).unwrap(), config)
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

/// Stands for the engine, which is an edge with tests of its own: it knows the two programs of the examples.
struct Puppet;

impl Engine for Puppet {
    fn evaluate(&self, source: &str, globals: &Json) -> Result<bool, String> {
        if source.contains("memorySize") {
            Ok(globals["declaration"]["provider"]["memorySize"].as_u64() <= Some(512))
        } else if source.contains("timeout") {
            Ok(globals["declaration"]["functions"]["hello"]["timeout"].as_u64() <= Some(10))
        } else {
            Err("Error: nobody knows".to_owned())
        }
    }
}

/// The messages of a policy on an example, one a line; `passed` if there is none.
fn judge(id: &str, example: &Example) -> String {
    let rule = rule(id, toml(example.config)).unwrap();
    let declaration = if example.serverless.is_empty() {
        Declared::resolved(json!({}))
    } else {
        Document::parse(Path::new("serverless.yml"), example.serverless.as_bytes())
            .unwrap()
            .declared(&Inputs::default())
    };
    let mut compiled = BTreeMap::new();
    if !example.template.is_empty() {
        let resources: Json = serde_json::from_str(example.template).unwrap();
        compiled.insert(TEMPLATE.to_owned(), json!({ "Resources": resources }));
    }
    let now = example.now.parse().unwrap();
    let service = Service {
        compiled: &compiled,
        declaration: &declaration,
        stage: example.stage,
        region: Some(example.region),
        framework_version: Some(example.framework_version),
        now: &now,
        engine: Some(&Puppet),
    };
    match rule.check(&service) {
        Ok(violations) if violations.is_empty() => "passed".to_owned(),
        Ok(violations) => {
            violations.into_iter().map(|violation| violation.message).collect::<Vec<_>>().join("\n")
        }
        Err(missing) => format!("missing: {missing}"),
    }
}

#[test]
fn the_examples_do_what_they_say() {
    for policy in POLICIES {
        assert_eq!(judge(policy.id, &policy.passing), "passed", "{}", policy.id);
        let said = judge(policy.id, &policy.failing);
        assert!(said != "passed" && !said.starts_with("missing"), "{}: {said}", policy.id);
    }
}

#[test]
fn policies_are_sorted_and_each_is_found_by_its_id() {
    assert!(POLICIES.is_sorted_by_key(|policy| policy.id));
    for known in POLICIES {
        assert_eq!(policy(known.id).map(|policy| policy.id), Some(known.id));
    }
    assert!(policy("no-such").is_none());
}

#[test]
fn a_policy_documents_only_what_it_does() {
    use crate::core::session_policy::Partition;
    for policy in POLICIES {
        let rule = rule(policy.id, toml(policy.passing.config)).unwrap();
        let denials = rule.statements(Partition::Commercial);
        assert_eq!(denials.is_empty(), policy.session.is_none(), "{}", policy.id);
        assert!(denials.iter().all(|statement| statement["Effect"] == "Deny"), "{}", policy.id);
        // At the moment, stage and region that break it, a policy that holds at issue withholds.
        let broken = self::rule(policy.id, toml(policy.failing.config)).unwrap();
        let now = policy.failing.now.parse().unwrap();
        let issue = Issue { stage: policy.failing.stage, region: Ok(policy.failing.region), now: &now };
        assert_eq!(broken.withhold(&issue).is_some(), policy.issue.is_some(), "{}", policy.id);
    }
}
