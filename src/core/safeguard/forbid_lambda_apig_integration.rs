//! `forbid-lambda-apig-integration`: HTTP events use the proxy integration.

use std::sync::Arc;

use serde_json::Value as Json;

use super::config::{Config, ConfigFaults};
use super::policy::{Example, Judge, Policy};
use super::violation::{Judgement, Violation};
use super::{Need, Service};

pub(super) static POLICY: Policy = Policy {
    id: "forbid-lambda-apig-integration",
    summary: "HTTP events use the Lambda proxy integration of API Gateway.",
    inspects: "functions.NAME.events[].http.integration of serverless.yml; without one it is a proxy integration.",
    config: "None.",
    need: Need::Declaration,
    passing: Example {
        serverless: "functions:\n  hello:\n    events:\n      - http: {path: /, method: get, integration: lambda-proxy}\n      - http: GET /more\n",
        ..Example::DEFAULT
    },
    failing: Example {
        serverless: "functions:\n  hello:\n    events:\n      - http: {path: /, method: get, integration: lambda}\n",
        ..Example::DEFAULT
    },
    differences: &["A service without functions passes; the original ends with a TypeError."],
    session: None,
    issue: None,
    read,
};

#[derive(Debug)]
struct ForbidLambda;

fn read(config: &Config<'_>) -> Result<Arc<dyn Judge>, ConfigFaults> {
    config.none()?;
    Ok(Arc::new(ForbidLambda))
}

impl Judge for ForbidLambda {
    fn check(&self, service: &Service<'_>) -> Judgement {
        let mut violations = Vec::new();
        for name in service.declared_functions()? {
            let events = service.declared(&["functions", &name, "events"])?.and_then(Json::as_array);
            for (index, event) in events.into_iter().flatten().enumerate() {
                let integration = event.pointer("/http/integration").filter(|value| !value.is_null());
                let Some(integration) = integration else { continue };
                let kind = integration.as_str().unwrap_or_default();
                if ["", "LAMBDA_PROXY", "AWS_PROXY"]
                    .contains(&kind.to_uppercase().replacen('-', "_", 1).as_str())
                    && integration.is_string()
                {
                    continue;
                }
                let why = format!(
                    "Function \"{name}\" is using HTTP integration {integration}, which is not the Lambda proxy integration"
                );
                let index = index.to_string();
                violations.push(Violation::new(why).at(&[
                    "functions",
                    &name,
                    "events",
                    &index,
                    "http",
                    "integration",
                ]));
            }
        }
        Ok(violations)
    }
}
