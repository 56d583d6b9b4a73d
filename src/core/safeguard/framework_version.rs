//! `framework-version`: the versions of the framework that may deploy.

use std::sync::Arc;

use nodejs_semver::{Range, Version};

use super::config::{Config, ConfigFaults};
use super::policy::{Example, Judge, Policy};
use super::violation::{Judgement, Missing, Violation};
use super::{Need, Service};

pub(super) static POLICY: Policy = Policy {
    id: "framework-version",
    summary: "The framework that deploys has a version in this range.",
    inspects: "The version of the project's own CLI: serverless or osls in node_modules, else in PATH.",
    config: "A range of versions as npm writes them: \">=3.40 <5\", \"^4\", \"3.x || 4.x\".",
    need: Need::FrameworkVersion,
    passing: Example { config: r#"">=3.40 <5""#, framework_version: "4.3.1", ..Example::DEFAULT },
    failing: Example { config: r#"">=3.40 <5""#, framework_version: "2.72.4", ..Example::DEFAULT },
    differences: &[
        "A range that is not one is a fault of the catalog; to the original no version satisfies it.",
    ],
    session: None,
    issue: None,
    read,
};

#[derive(Debug)]
struct Versions(Range);

fn read(config: &Config<'_>) -> Result<Arc<dyn Judge>, ConfigFaults> {
    let example = r#"config = ">=3.40 <5""#;
    let text = config.text("a range of versions", example)?;
    let range = Range::parse(text).map_err(|_| config.fault("not a range of versions", example))?;
    Ok(Arc::new(Versions(range)))
}

impl Judge for Versions {
    fn check(&self, service: &Service<'_>) -> Judgement {
        let missing =
            || Missing("the version of the framework is not known: no CLI of it was found".to_owned());
        let text = service.framework_version.ok_or_else(missing)?;
        let version = Version::parse(text).map_err(|_| Missing(format!("{text:?} is no version")))?;
        if version.satisfies(&self.0) {
            return Ok(Vec::new());
        }
        let why =
            format!("Serverless Framework version {text} does not satisfy version requirement: {}", self.0);
        Ok(vec![Violation::new(why).at(&["frameworkVersion"])])
    }
}
