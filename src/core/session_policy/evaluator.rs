//! Evaluates IAM statements as the IAM User Guide documents it ("Policy evaluation logic", "JSON policy elements"), as
//! far as generated policies use it. It stands in for AWS in tests: no stand-in of AWS enforces policies.

use std::collections::BTreeMap;

use serde_json::Value as Json;

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) action: &'static str,
    pub(super) resource: &'static str,
    pub(super) context: BTreeMap<&'static str, &'static str>,
}

/// Whether a policy allows a request: some Allow applies, and no Deny does.
pub(super) fn allows(policy: &Json, request: &Request) -> bool {
    let statements = policy["Statement"].as_array().unwrap();
    let some = |effect: &str| {
        statements.iter().any(|statement| statement["Effect"] == effect && applies(statement, request))
    };
    some("Allow") && !some("Deny")
}

fn applies(statement: &Json, request: &Request) -> bool {
    for key in statement.as_object().unwrap().keys() {
        assert!(
            ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"]
                .contains(&key.as_str()),
            "the evaluator does not know {key}"
        );
    }
    // Actions are compared without regard to case, resources with it.
    let action = request.action.to_lowercase();
    let among = |value: &Json, text: &str, fold: bool| {
        list(value)
            .iter()
            .any(|pattern| if fold { matches(&pattern.to_lowercase(), text) } else { matches(pattern, text) })
    };
    let by_action = match (statement.get("Action"), statement.get("NotAction")) {
        (Some(actions), None) => among(actions, &action, true),
        (None, Some(actions)) => !among(actions, &action, true),
        _ => panic!("one of Action and NotAction"),
    };
    let by_resource = match (statement.get("Resource"), statement.get("NotResource")) {
        (Some(resources), None) => among(resources, request.resource, false),
        (None, Some(resources)) => !among(resources, request.resource, false),
        _ => panic!("one of Resource and NotResource"),
    };
    let conditions = statement.get("Condition").and_then(Json::as_object).into_iter().flatten();
    by_action && by_resource && conditions.into_iter().all(|(operator, keys)| holds(operator, keys, request))
}

/// All keys of an operator have to hold, each with any of its values. A negated one holds where the key is not there.
fn holds(operator: &str, keys: &Json, request: &Request) -> bool {
    keys.as_object().unwrap().iter().all(|(key, values)| {
        let found = request.context.get(key.as_str()).copied();
        let values = list(values);
        match operator {
            "StringEquals" => found.is_some_and(|found| values.contains(&found)),
            "StringNotEquals" => found.is_none_or(|found| !values.contains(&found)),
            "Null" => values.iter().any(|value| (*value == "true") == found.is_none()),
            "Bool" => found.is_some_and(|found| values.contains(&found)),
            _ => panic!("the evaluator does not know {operator}"),
        }
    })
}

fn list(value: &Json) -> Vec<&str> {
    match value {
        Json::Array(items) => items.iter().map(|item| item.as_str().unwrap()).collect(),
        one => vec![one.as_str().unwrap()],
    }
}

/// `*` is any run of characters, `?` one.
fn matches(pattern: &str, text: &str) -> bool {
    match (pattern.as_bytes().first(), text.as_bytes().first()) {
        (None, None) => true,
        (Some(b'*'), _) => matches(&pattern[1..], text) || (!text.is_empty() && matches(pattern, &text[1..])),
        (Some(b'?'), Some(_)) => matches(&pattern[1..], &text[1..]),
        (Some(a), Some(b)) if a == b => matches(&pattern[1..], &text[1..]),
        _ => false,
    }
}
