//! `require-global-vpc`: every function runs inside a VPC.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::config::{Config, ConfigFaults};
use super::policy::{Example, Judge, Policy, SessionSupport};
use super::violation::Judgement;
use super::{Need, Service};
use crate::core::session_policy::Partition;

pub(super) static POLICY: Policy = Policy {
    id: "require-global-vpc",
    summary: "Every function runs inside a VPC, in enough subnets.",
    inspects: "VpcConfig of each AWS::Lambda::Function of the compiled template.",
    config: "minNumSubnets; { minNumSubnets = 2 } where nothing is written.",
    need: Need::Package,
    passing: Example {
        template: r#"{"HelloLambdaFunction":{"Type":"AWS::Lambda::Function","Properties":{"VpcConfig":{"SecurityGroupIds":["sg-1"],"SubnetIds":["subnet-1","subnet-2"]}}}}"#,
        ..Example::DEFAULT
    },
    failing: Example {
        config: "{ minNumSubnets = 3 }",
        template: r#"{"HelloLambdaFunction":{"Type":"AWS::Lambda::Function","Properties":{"VpcConfig":{"SecurityGroupIds":["sg-1"],"SubnetIds":["subnet-1","subnet-2"]}}}}"#,
        ..Example::DEFAULT
    },
    differences: &[
        "A config without minNumSubnets means 2, as none does; in the original it switches the count off.",
    ],
    session: Some(SessionSupport {
        effect: "no function is created or reconfigured outside a VPC",
        not_stopped: "too few subnets, and functions that were outside before",
    }),
    issue: None,
    read,
};

#[derive(Debug)]
struct Subnets {
    least: u64,
}

fn read(config: &Config<'_>) -> Result<Arc<dyn Judge>, ConfigFaults> {
    if config.value().is_some() {
        let example = "config = { minNumSubnets = 2 }";
        config.entries("a table with minNumSubnets", example, Some(&["minNumSubnets"]))?;
    }
    Ok(Arc::new(Subnets { least: config.key("minNumSubnets").number(2)? }))
}

/// Whether a list is there. One that is an expression is, and its length is known to CloudFormation alone.
fn is_there(value: Option<&Json>) -> bool {
    value.is_some_and(|value| !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty()))
}

impl Judge for Subnets {
    fn check(&self, service: &Service<'_>) -> Judgement {
        let mut violations = Vec::new();
        for function in service.functions()? {
            let (name, vpc) = (function.shown(), function.properties.get("VpcConfig").unwrap_or(&Json::Null));
            let subnets = vpc.get("SubnetIds");
            let why = if !is_there(vpc.get("SecurityGroupIds")) || !is_there(subnets) {
                format!("Function \"{name}\" doesn't satisfy global VPC requirement.")
            } else if subnets.and_then(Json::as_array).is_some_and(|ids| (ids.len() as u64) < self.least) {
                format!(
                    "Function \"{name}\" doesn't satisfy the global VPC requirement of at least {} subnets.",
                    self.least
                )
            } else {
                continue;
            };
            violations.push(function.violation(why, "vpc"));
        }
        Ok(violations)
    }

    fn statements(&self, _partition: Partition) -> Vec<Json> {
        // The example of the Lambda Developer Guide, "Using IAM condition keys for VPC settings"; only these two actions
        // have the key (Service Authorization Reference, AWS Lambda; looked up 2026-11-29).
        vec![json!({
            "Effect": "Deny",
            "Action": ["lambda:CreateFunction", "lambda:UpdateFunctionConfiguration"],
            "Resource": "*",
            "Condition": { "Null": { "lambda:VpcIds": "true" } },
        })]
    }
}
