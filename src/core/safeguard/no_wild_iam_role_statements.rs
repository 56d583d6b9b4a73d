//! `no-wild-iam-role-statements`: no role may do everything of a service, or something to everything.

use std::sync::Arc;

use serde_json::Value as Json;

use super::config::{Config, ConfigFaults};
use super::expression::{alternatives, text};
use super::policy::{Example, Judge, Policy};
use super::violation::{Judgement, Violation};
use super::{Need, Service};

pub(super) static POLICY: Policy = Policy {
    id: "no-wild-iam-role-statements",
    summary: "No IAM policy of the service grants a wildcard for a whole service or for every resource.",
    inspects: "Each Allow statement of the compiled template, in the inline policies of roles, users and groups, in managed policies and in policies that are resources of their own. An action fails if it is * or SERVICE:*, a resource if it is *, or if its service, type or name is *; NotAction and NotResource fail, since they grant all but what they name. Both sides of an Fn::If are looked at, and a statement that AWS::Include brings fails, because nobody knows it yet.",
    config: "None.",
    need: Need::Package,
    passing: Example {
        template: r#"{"Role":{"Type":"AWS::IAM::Role","Properties":{"Policies":[{"PolicyDocument":{"Statement":[{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::shop/*"}]}}]}}}"#,
        ..Example::DEFAULT
    },
    failing: Example {
        template: r#"{"Role":{"Type":"AWS::IAM::Role","Properties":{"Policies":[{"PolicyDocument":{"Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":"*"}]}}]}}}"#,
        ..Example::DEFAULT
    },
    differences: &[
        "An action that is a text, not a list, is compared whole; the original looks at each of its letters, so that s3:Get* fails.",
        "Managed policies, policies that are resources of their own, and those of users and groups are looked at; the original sees the inline policies of roles only.",
        "NotAction and NotResource fail; on a statement with NotAction the original ends with a TypeError, and NotResource alone it lets pass.",
        "A single statement that is not in a list, Fn::If and AWS::Include are understood; the original ends with a TypeError or lets them pass.",
    ],
    session: None,
    issue: None,
    read,
};

#[derive(Debug)]
struct NoWildcards;

fn read(config: &Config<'_>) -> Result<Arc<dyn Judge>, ConfigFaults> {
    config.none()?;
    Ok(Arc::new(NoWildcards))
}

/// The documents of a resource: its own, or those of its inline policies.
fn documents<'a>(kind: &str, properties: &'a Json) -> Vec<&'a Json> {
    let own = properties.get("PolicyDocument");
    let inline = properties.get("Policies").map(alternatives).unwrap_or_default();
    match kind {
        "Role" | "User" | "Group" => {
            inline.into_iter().map(|policy| policy.get("PolicyDocument").unwrap_or(policy)).collect()
        }
        "Policy" | "ManagedPolicy" | "RolePolicy" | "UserPolicy" | "GroupPolicy" => own.into_iter().collect(),
        _ => Vec::new(),
    }
}

fn statements(document: &Json) -> impl Iterator<Item = &Json> {
    alternatives(document)
        .into_iter()
        .flat_map(|document| document.get("Statement").map_or_else(|| vec![document], alternatives))
}

/// Whether a resource names all of a kind: `*`, or `*` as the service, the type or the name in an ARN.
fn is_wild(resource: &str) -> Option<&'static str> {
    if resource == "*" {
        return Some("Wildcard resources");
    }
    let parts: Vec<&str> = split(resource);
    let wild = [2, 5, 6].into_iter().any(|index| parts.get(index) == Some(&"*"));
    wild.then_some("Wildcard resources or resourcetypes")
}

/// The parts of an ARN; a colon inside `${…}` separates nothing.
fn split(arn: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (index, byte) in arn.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 => {
                parts.push(&arn[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&arn[start..]);
    parts
}

fn faults(statement: &Json) -> Vec<String> {
    if statement.get("Fn::Transform").is_some() {
        return vec![
            "a statement comes from a transform (AWS::Include), so that what it grants is not known".into(),
        ];
    }
    if statement.get("Effect").and_then(Json::as_str) == Some("Deny") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    let of = |key: &str| statement.get(key).map(alternatives).unwrap_or_default();
    for action in of("Action").into_iter().filter_map(text) {
        if action == "*" || action.split(':').nth(1) == Some("*") {
            faults.push(format!(
                "iamRoleStatement granting Action='{action}'. Wildcard actions in iamRoleStatements are not permitted."
            ));
        }
    }
    for resource in of("Resource") {
        let Some(shown) = text(resource) else { continue };
        if let Some(what) = is_wild(&shown) {
            faults.push(format!(
                "iamRoleStatement granting Resource='{shown}'. {what} in iamRoleStatements are not permitted."
            ));
        }
    }
    for key in ["NotAction", "NotResource"] {
        if statement.get(key).is_some_and(|value| !value.is_null()) {
            faults.push(format!(
                "iamRoleStatement granting by {key}. It grants everything but what it names, which is not permitted."
            ));
        }
    }
    faults
}

impl Judge for NoWildcards {
    fn check(&self, service: &Service<'_>) -> Judgement {
        let mut violations = Vec::new();
        for (name, resource) in service.resources()? {
            let kind = resource.get("Type").and_then(Json::as_str).unwrap_or_default();
            let (Some(kind), Some(properties)) =
                (kind.strip_prefix("AWS::IAM::"), resource.get("Properties"))
            else {
                continue;
            };
            for statement in documents(kind, properties).into_iter().flat_map(statements) {
                violations.extend(faults(statement).into_iter().map(|why| {
                    let violation = Violation::new(why);
                    // The role that the framework makes of provider.iam.
                    if name == "IamRoleLambdaExecution" {
                        violation.at(&["provider", "iam", "role", "statements"]).of(name)
                    } else {
                        violation.of(name)
                    }
                }));
            }
        }
        Ok(violations)
    }
}
