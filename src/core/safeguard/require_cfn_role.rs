//! `require-cfn-role`: CloudFormation works with a role of its own.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::config::{Config, ConfigFaults};
use super::policy::{Example, Judge, Policy, SessionSupport};
use super::violation::{Judgement, Violation};
use super::{Need, Service};
use crate::core::session_policy::Partition;

pub(super) static POLICY: Policy = Policy {
    id: "require-cfn-role",
    summary: "CloudFormation deploys with a service role, not with the rights of whoever calls it.",
    inspects: "provider.iam.deploymentRole, or provider.cfnRole as it was called before.",
    config: "None.",
    need: Need::Declaration,
    passing: Example {
        serverless: "provider:\n  iam:\n    deploymentRole: arn:aws:iam::111111111111:role/cloudformation\n",
        ..Example::DEFAULT
    },
    failing: Example { serverless: "provider:\n  name: aws\n", ..Example::DEFAULT },
    differences: &[
        "provider.iam.deploymentRole satisfies it; the original knows only the property's old name, cfnRole.",
    ],
    session: Some(SessionSupport {
        effect: "a stack is created, changed, rolled back or deleted with a service role only, named in the call",
        not_stopped: "what the service role itself may do, and changes that do not go through CloudFormation",
    }),
    issue: None,
    read,
};

#[derive(Debug)]
struct RequireRole;

fn read(config: &Config<'_>) -> Result<Arc<dyn Judge>, ConfigFaults> {
    config.none()?;
    Ok(Arc::new(RequireRole))
}

/// Whether a value counts as set, as JavaScript has it.
fn is_set(value: Option<&Json>) -> bool {
    value.is_some_and(|value| !matches!(value, Json::Null | Json::Bool(false)) && *value != "" && *value != 0)
}

impl Judge for RequireRole {
    fn check(&self, service: &Service<'_>) -> Judgement {
        let old = service.declared(&["provider", "cfnRole"])?;
        if is_set(old) || is_set(service.declared(&["provider", "iam", "deploymentRole"])?) {
            return Ok(Vec::new());
        }
        Ok(vec![
            Violation::new("no cfnRole set: provider.iam.deploymentRole is missing").at(&["provider", "iam"]),
        ])
    }

    fn statements(&self, _partition: Partition) -> Vec<Json> {
        // The actions that have the key cloudformation:RoleArn (Service Authorization Reference, AWS CloudFormation;
        // looked up 2026-11-29), but for those on stack sets, which never work with the caller's rights.
        let actions = [
            "CreateStack",
            "UpdateStack",
            "DeleteStack",
            "CreateChangeSet",
            "ContinueUpdateRollback",
            "RollbackStack",
        ]
        .map(|action| format!("cloudformation:{action}"));
        vec![json!({
            "Effect": "Deny",
            "Action": actions,
            "Resource": "*",
            "Condition": { "Null": { "cloudformation:RoleArn": "true" } },
        })]
    }
}
