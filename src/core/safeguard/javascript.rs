//! `javascript`: a rule that a team writes itself.

use std::sync::Arc;

use serde_json::json;

use super::config::{Config, ConfigFaults};
use super::policy::{Example, Judge, Policy};
use super::violation::{Judgement, Missing, Violation};
use super::{Need, Service};

pub(super) static POLICY: Policy = Policy {
    id: "javascript",
    summary: "A rule of your own, in JavaScript.",
    inspects: "Whatever it looks at: the globals compiled (the artifacts by file name), declaration (serverless.yml, resolved), provider (getStage(), getRegion(), stage, region), frameworkVersion, and jsonata(QUERY), which tells whether a JSONata query on these finds something. It has a second and 64 MiB, and nothing of the machine: no file, network, module or environment.",
    config: "A text with a program; the policy is kept if the value of its last expression is truthy.",
    need: Need::Package,
    passing: Example {
        config: r#"'''declaration.provider.memorySize <= 512 && jsonata("declaration.functions.*")'''"#,
        serverless: "service: shop\nprovider:\n  memorySize: 256\nfunctions:\n  hello: {handler: h.h}\n",
        template: "{}",
        ..Example::DEFAULT
    },
    failing: Example {
        config: "'''
            const functions = Object.values(declaration.functions);
            functions.every((f) => f.timeout <= 10)'''",
        serverless: "service: shop\nfunctions:\n  hello: {handler: h.h, timeout: 30}\n",
        template: "{}",
        ..Example::DEFAULT
    },
    differences: &[
        "The config is the program; the original wants it as JSON once more (a quoted text in quotes). A text that is the JSON of a text is taken for what it says.",
        "It runs without Node: no process, no console, no require, and provider has only what is named above; in the original every constructor leads to the whole machine.",
        "It ends after a second; the original waits for ever.",
        "The failure tells what was thrown; the original repeats the program.",
        "jsonata() of a query that finds nothing is false; the original ends with a TypeError where the query gives null.",
    ],
    session: None,
    issue: None,
    read,
};

#[derive(Debug)]
struct Program(String);

fn read(config: &Config<'_>) -> Result<Arc<dyn Judge>, ConfigFaults> {
    let example = "config = 'declaration.provider.memorySize <= 512'";
    let text = config.text("a text with a program", example)?;
    let text = text.trim();
    let unquoted = serde_json::from_str::<String>(text).ok();
    Ok(Arc::new(Program(unquoted.unwrap_or_else(|| text.to_owned()))))
}

impl Judge for Program {
    fn check(&self, service: &Service<'_>) -> Judgement {
        if service.compiled.is_empty() {
            return Err(Missing("it may look at the compiled template, and nothing is packaged".to_owned()));
        }
        let engine =
            service.engine.ok_or_else(|| Missing("this program has no engine for JavaScript".to_owned()))?;
        let globals = json!({
            "compiled": service.compiled,
            "declaration": service.declaration.whole().map_err(Missing)?,
            "provider": { "stage": service.stage, "region": service.region },
            "frameworkVersion": service.framework_version,
        });
        Ok(match engine.evaluate(&self.0, &globals) {
            Ok(true) => Vec::new(),
            Ok(false) => vec![Violation::new("Must comply with all of the configured queries.")],
            Err(why) => vec![Violation::new(format!("Error in the policy statement: {why}"))],
        })
    }
}
