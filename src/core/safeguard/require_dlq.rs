//! `require-dlq`: what an asynchronous function cannot process is kept.

use std::sync::Arc;

use serde_json::Value as Json;

use super::config::{Config, ConfigFaults};
use super::policy::{Example, Judge, Policy};
use super::violation::Judgement;
use super::{Need, Service};

pub(super) static POLICY: Policy = Policy {
    id: "require-dlq",
    summary: "Functions that are invoked asynchronously have a dead-letter queue.",
    inspects: "DeadLetterConfig of each AWS::Lambda::Function of the compiled template that has no event, or one of s3, sns, alexaSkill, iot, cloudwatchEvent, cloudwatchLog, cognitoUserPool, alexaSmartHome in serverless.yml. Functions that the framework adds for custom resources are passed over.",
    config: "None.",
    need: Need::Package,
    passing: Example {
        serverless: "functions:\n  hello:\n    events: [{http: GET /}]\n  work:\n    events: [{sns: jobs}]\n",
        template: r#"{"HelloLambdaFunction":{"Type":"AWS::Lambda::Function","Properties":{"FunctionName":"s-dev-hello"}},"WorkLambdaFunction":{"Type":"AWS::Lambda::Function","Properties":{"FunctionName":"s-dev-work","DeadLetterConfig":{"TargetArn":"arn:aws:sns:us-east-1:111111111111:failed"}}}}"#,
        ..Example::DEFAULT
    },
    failing: Example {
        serverless: "functions:\n  work:\n    events: [{sns: jobs}]\n",
        template: r#"{"WorkLambdaFunction":{"Type":"AWS::Lambda::Function","Properties":{"FunctionName":"s-dev-work"}}}"#,
        ..Example::DEFAULT
    },
    differences: &[
        "A function name that is an expression is looked at like any other, and events that are written as plain names are understood; the original ends with a TypeError.",
    ],
    session: None,
    issue: None,
    read,
};

/// The events that invoke asynchronously.
const ASYNCHRONOUS: [&str; 8] = [
    "s3",
    "sns",
    "alexaSkill",
    "iot",
    "cloudwatchEvent",
    "cloudwatchLog",
    "cognitoUserPool",
    "alexaSmartHome",
];

#[derive(Debug)]
struct RequireQueue;

fn read(config: &Config<'_>) -> Result<Arc<dyn Judge>, ConfigFaults> {
    config.none()?;
    Ok(Arc::new(RequireQueue))
}

fn is_asynchronous(event: &Json) -> bool {
    let kind = event.as_str().or_else(|| event.as_object()?.keys().next().map(String::as_str));
    // The keys of an event are not in the order of the file; only one of them names the event.
    let among =
        event.as_object().is_some_and(|event| event.keys().any(|key| ASYNCHRONOUS.contains(&key.as_str())));
    among || kind.is_some_and(|kind| ASYNCHRONOUS.contains(&kind))
}

impl Judge for RequireQueue {
    fn check(&self, service: &Service<'_>) -> Judgement {
        let mut violations = Vec::new();
        for function in service.functions()? {
            let target = function.properties.pointer("/DeadLetterConfig/TargetArn");
            let name = function.properties.get("FunctionName").and_then(Json::as_str);
            if target.is_some_and(|target| !target.is_null() && *target != "")
                || name.is_some_and(|name| name.contains("custom-resource-"))
            {
                continue;
            }
            let events = match &function.name {
                Some(name) => service.declared(&["functions", name, "events"])?.and_then(Json::as_array),
                None => None,
            };
            let events = events.map(Vec::as_slice).unwrap_or_default();
            if events.is_empty() || events.iter().any(is_asynchronous) {
                let why =
                    format!("Function \"{}\" doesn't have a Dead Letter Queue configured.", function.shown());
                violations.push(function.violation(why, "onError"));
            }
        }
        Ok(violations)
    }
}
