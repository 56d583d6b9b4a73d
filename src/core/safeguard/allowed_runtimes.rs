//! `allowed-runtimes`: the runtimes that functions may have.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::config::{Config, ConfigFaults};
use super::names::Names;
use super::policy::{Example, Judge, Policy};
use super::violation::{Judgement, Violation};
use super::{Need, Service, listed};

pub(super) static POLICY: Policy = Policy {
    id: "allowed-runtimes",
    summary: "Every function has one of these runtimes.",
    inspects: "The runtime of each function of serverless.yml, else provider.runtime. A function without either, such as a container image, fails.",
    config: "A list of runtimes, or a text with a regular expression that some part of the runtime has to match.",
    need: Need::Declaration,
    passing: Example {
        config: r#""^(nodejs2|python3)""#,
        serverless: "provider:\n  runtime: nodejs22.x\nfunctions:\n  hello: {handler: hello.handler}\n  report: {handler: report.run, runtime: python3.13}\n",
        ..Example::DEFAULT
    },
    failing: Example {
        config: r#"["nodejs22.x"]"#,
        serverless: "provider:\n  runtime: nodejs22.x\nfunctions:\n  report: {handler: report.run, runtime: ruby3.4}\n",
        ..Example::DEFAULT
    },
    differences: &[
        "A text is a regular expression, as the documentation has it; the original looks whether the text contains the runtime.",
        "A service without functions passes; the original ends with a TypeError.",
        "A function that is a container image has no runtime, and fails; the original takes provider.runtime for it.",
    ],
    session: None,
    issue: None,
    read,
};

#[derive(Debug)]
struct Runtimes(Names);

fn read(config: &Config<'_>) -> Result<Arc<dyn Judge>, ConfigFaults> {
    let example = r#"config = ["nodejs22.x", "python3.13"], or config = "^nodejs""#;
    if let Some(Json::Array(_) | Json::String(_)) = config.value() {
        return Ok(Arc::new(Runtimes(Names::read(config, example)?)));
    }
    Err(config.fault("expected a list of runtimes or a regular expression", example))
}

impl Judge for Runtimes {
    fn check(&self, service: &Service<'_>) -> Judgement {
        let mut violations = Vec::new();
        for name in service.declared_functions()? {
            let own = service.declared(&["functions", &name, "runtime"])?;
            let image = service.declared(&["functions", &name, "image"])?.is_some();
            let runtime = match own {
                None if image => None,
                None => service.declared(&["provider", "runtime"])?,
                own => own,
            };
            if runtime.and_then(Json::as_str).is_some_and(|runtime| self.0.include(runtime)) {
                continue;
            }
            let permitted = match &self.0 {
                Names::Listed(names) => format!("in list of permitted runtimes: {}", listed(names)),
                Names::Matching(pattern) => format!("permitted by RegExp: {}", json!(pattern.text())),
            };
            violations.push(Violation::new(format!("Runtime of function {name} not {permitted}")).at(&[
                "functions",
                &name,
                "runtime",
            ]));
        }
        Ok(violations)
    }
}
