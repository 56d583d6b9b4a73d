//! `required-stack-tags`: tags that the stack has to carry.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::config::{Config, ConfigFaults, every};
use super::pattern::Pattern;
use super::policy::{Example, Judge, Policy};
use super::violation::{Judgement, Violation};
use super::{Need, Service};

pub(super) static POLICY: Policy = Policy {
    id: "required-stack-tags",
    summary: "The stack carries these tags.",
    inspects: "provider.stackTags.",
    config: "A table: for each tag a regular expression that some part of its value has to match.",
    need: Need::Declaration,
    passing: Example {
        config: r#"{ team = "^(web|data)$", cost-center = "." }"#,
        serverless: "provider:\n  stackTags:\n    team: web\n    cost-center: 4711\n",
        ..Example::DEFAULT
    },
    failing: Example {
        config: r#"{ team = "^(web|data)$" }"#,
        serverless: "provider:\n  stackTags:\n    team: nobody\n",
        ..Example::DEFAULT
    },
    differences: &[
        "A value that is a number or a truth value is compared as its text; the original ends with a TypeError.",
    ],
    session: None,
    issue: None,
    read,
};

#[derive(Debug)]
struct Tags(Vec<(String, Pattern)>);

fn read(config: &Config<'_>) -> Result<Arc<dyn Judge>, ConfigFaults> {
    let example = r#"config = { team = "^(web|data)$" }"#;
    let table = config.entries("a table of tags, each with a regular expression", example, None)?;
    if table.is_empty() {
        return Err(config.fault("the table has no tag", example));
    }
    let tags = every(table.keys(), |key| {
        Ok((key.clone(), config.key(key).pattern("a regular expression", example)?))
    })?;
    Ok(Arc::new(Tags(tags)))
}

/// A scalar as CloudFormation writes it.
fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(_) | Json::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

impl Judge for Tags {
    fn check(&self, service: &Service<'_>) -> Judgement {
        let mut violations = Vec::new();
        for (tag, pattern) in &self.0 {
            let path = ["provider", "stackTags", tag.as_str()];
            let why = match service.declared(&path)? {
                None => format!("Required stack tag {tag} not set"),
                Some(value) => match text(value) {
                    Some(value) if pattern.is_match(&value) => continue,
                    Some(value) => format!(
                        "Required stack tag {tag} value {value} does not match RegExp: {}",
                        pattern.text()
                    ),
                    None => format!(
                        "Required stack tag {tag} value {} is an expression, which is not known before the deployment",
                        json!(value)
                    ),
                },
            };
            violations.push(Violation::new(why).at(&path));
        }
        Ok(violations)
    }
}
