//! `allowed-regions`: the regions that may be deployed to.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::config::{Config, ConfigFaults, every};
use super::policy::{Example, Issue, Judge, Policy, SessionSupport};
use super::violation::{Judgement, Missing, Violation};
use super::{Need, Service, listed};
use crate::core::name::Region;
use crate::core::session_policy::{Partition, global_actions};

pub(super) static POLICY: Policy = Policy {
    id: "allowed-regions",
    summary: "Only these regions are deployed to.",
    inspects: "The region of the deployment: --region, else provider.region, else us-east-1.",
    config: "A list of regions; it has to be written.",
    need: Need::Context,
    passing: Example { config: r#"["us-east-1", "eu-west-1"]"#, region: "eu-west-1", ..Example::DEFAULT },
    failing: Example {
        config: r#"["us-east-1", "eu-west-1"]"#,
        region: "ap-southeast-2",
        ..Example::DEFAULT
    },
    differences: &[],
    session: Some(SessionSupport {
        effect: "every action in another region is denied, except those of global services",
        not_stopped: "what the services on the list of global ones do, wherever it takes effect",
    }),
    issue: Some("no credentials where the region of the project is another, or cannot be told"),
    read,
};

const EXAMPLE: &str = r#"config = ["us-east-1", "eu-west-1"]"#;

#[derive(Debug)]
struct Regions(Vec<String>);

fn read(config: &Config<'_>) -> Result<Arc<dyn Judge>, ConfigFaults> {
    let regions = every(config.items("a list of regions", EXAMPLE)?, |item| {
        let text = item.text("a region", EXAMPLE)?;
        Region::parse(text).map_err(|error| item.fault(error, ""))?;
        Ok(text.to_owned())
    })?;
    Ok(Arc::new(Regions(regions)))
}

impl Regions {
    fn fault(&self, region: &str) -> Option<String> {
        let fits = self.0.iter().any(|allowed| allowed == region);
        (!fits).then(|| format!("Region \"{region}\" not in list of permitted regions: {}", listed(&self.0)))
    }
}

impl Judge for Regions {
    fn check(&self, service: &Service<'_>) -> Judgement {
        let missing = || Missing("the region cannot be told without packaging".to_owned());
        let fault = self.fault(service.region.ok_or_else(missing)?);
        Ok(fault.map(|why| Violation::new(why).at(&["provider", "region"])).into_iter().collect())
    }

    fn statements(&self, partition: Partition) -> Vec<Json> {
        vec![json!({
            "Effect": "Deny",
            "NotAction": global_actions(partition),
            "Resource": "*",
            "Condition": { "StringNotEquals": { "aws:RequestedRegion": self.0 } },
        })]
    }

    fn withhold(&self, issue: &Issue<'_>) -> Option<String> {
        match issue.region {
            Ok(region) => self.fault(region),
            Err(why) => Some(format!("the region cannot be told: {why}")),
        }
    }
}
