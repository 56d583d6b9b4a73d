//! `allowed-stages`: the stages that may be deployed.

use std::sync::Arc;

use serde_json::Value as Json;

use super::config::{Config, ConfigFaults};
use super::names::Names;
use super::policy::{Example, Issue, Judge, Policy};
use super::violation::{Judgement, Violation};
use super::{Need, Service, listed};

pub(super) static POLICY: Policy = Policy {
    id: "allowed-stages",
    summary: "Only these stages are deployed.",
    inspects: "The stage of the deployment: --stage, else provider.stage, else dev.",
    config: "A list of names, or a text with a regular expression that some part of the name has to match.",
    need: Need::Context,
    passing: Example { config: r#""^(dev|qa|prod)$""#, stage: "prod", ..Example::DEFAULT },
    failing: Example { config: r#"["dev", "qa", "prod"]"#, stage: "prodd", ..Example::DEFAULT },
    differences: &[],
    session: None,
    issue: Some("no credentials for another stage"),
    read,
};

#[derive(Debug)]
struct Stages(Names);

fn read(config: &Config<'_>) -> Result<Arc<dyn Judge>, ConfigFaults> {
    let example = r#"config = ["dev", "prod"], or config = "^(dev|prod)$""#;
    if let Some(Json::Array(_) | Json::String(_)) = config.value() {
        return Ok(Arc::new(Stages(Names::read(config, example)?)));
    }
    Err(config.fault("expected a list of stages or a regular expression", example))
}

impl Stages {
    fn fault(&self, stage: &str) -> Option<String> {
        match &self.0 {
            names if names.include(stage) => None,
            Names::Listed(names) => {
                Some(format!("Stage name \"{stage}\" not in list of permitted names: {}", listed(names)))
            }
            Names::Matching(pattern) => {
                Some(format!("Stage name \"{stage}\" not permitted by RegExp: \"{}\"", pattern.text()))
            }
        }
    }
}

impl Judge for Stages {
    fn check(&self, service: &Service<'_>) -> Judgement {
        let fault = self.fault(service.stage);
        Ok(fault.map(|why| Violation::new(why).at(&["provider", "stage"])).into_iter().collect())
    }

    fn withhold(&self, issue: &Issue<'_>) -> Option<String> {
        self.fault(issue.stage)
    }
}
