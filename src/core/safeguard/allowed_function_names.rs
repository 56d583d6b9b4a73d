//! `allowed-function-names`: how functions are called.

use std::sync::Arc;

use serde_json::Value as Json;

use super::config::{Config, ConfigFaults};
use super::pattern::Pattern;
use super::policy::{Example, Judge, Policy};
use super::violation::{Judgement, Missing};
use super::{Need, Service};

pub(super) static POLICY: Policy = Policy {
    id: "allowed-function-names",
    summary: "The names of functions follow a pattern.",
    inspects: "FunctionName of each AWS::Lambda::Function of the compiled template.",
    config: "A text: a regular expression that the whole name has to match, in which ${SERVICE}, ${STAGE} and ${FUNCTION} stand for the service, the stage and the function's name in serverless.yml (empty for one that is not there).",
    need: Need::Package,
    passing: Example {
        config: "'${SERVICE}-${STAGE}-(${FUNCTION}|custom-resource-.*)'",
        serverless: "service: shop\nfunctions:\n  hello: {handler: h.h}\n",
        template: r#"{"HelloLambdaFunction":{"Type":"AWS::Lambda::Function","Properties":{"FunctionName":"shop-dev-hello"}}}"#,
        ..Example::DEFAULT
    },
    failing: Example {
        config: "'${SERVICE}-${STAGE}-${FUNCTION}'",
        serverless: "service: shop\nfunctions:\n  hello: {handler: h.h}\n",
        template: r#"{"HelloLambdaFunction":{"Type":"AWS::Lambda::Function","Properties":{"FunctionName":"hello"}}}"#,
        ..Example::DEFAULT
    },
    differences: &[
        "A backslash is the regular expression's: \\d is a digit; the original evaluates the text as a JavaScript template first, where it has to be written twice.",
        "^ and $ bind the whole pattern, so that a|b means one of the two; in the original ^a|b$ is what comes of it.",
        "What stands for a name is compared as text; in the original a dot in a name is any character.",
        "A function without a FunctionName, or with an expression for one, fails; the original ends with a TypeError.",
    ],
    session: None,
    issue: None,
    read,
};

const EXAMPLE: &str = "config = '${SERVICE}-${STAGE}-${FUNCTION}'";

#[derive(Debug)]
struct Template(String);

fn read(config: &Config<'_>) -> Result<Arc<dyn Judge>, ConfigFaults> {
    let template = Template(config.text("a pattern", EXAMPLE)?.to_owned());
    let sample = template.pattern("a", "a", "a");
    let pattern = sample.map_err(|why| config.fault(format_args!("not a pattern: {why}"), EXAMPLE))?;
    if let Some(rest) = pattern.text().split("${").nth(1) {
        let name = rest.split('}').next().unwrap_or_default();
        return Err(config.fault(format_args!("${{{name}}} stands for nothing"), EXAMPLE));
    }
    Ok(Arc::new(template))
}

impl Template {
    fn pattern(&self, service: &str, stage: &str, function: &str) -> Result<Pattern, String> {
        let text = [("${SERVICE}", service), ("${STAGE}", stage), ("${FUNCTION}", function)]
            .iter()
            .fold(self.0.clone(), |text, (name, value)| text.replace(name, &fancy_regex::escape(value)));
        Pattern::new(&format!("^(?:{text})$"))
    }
}

impl Judge for Template {
    fn check(&self, service: &Service<'_>) -> Judgement {
        let name = match service.declared(&["serviceObject", "name"])? {
            Some(name) => Some(name),
            None => service.declared(&["service"])?,
        };
        let shop =
            name.and_then(Json::as_str).ok_or_else(|| Missing("the service has no name".to_owned()))?;
        let mut violations = Vec::new();
        for function in service.functions()? {
            let key = function.name.as_deref().unwrap_or_default();
            let pattern = self.pattern(shop, service.stage, key).map_err(Missing)?;
            let called = function.properties.get("FunctionName").and_then(Json::as_str);
            let why = match called {
                Some(called) if pattern.is_match(called) => continue,
                Some(_) => {
                    format!("Function \"{}\" doesn't match RegExp {pattern:?}.", function.shown())
                }
                None => format!("Function \"{}\" has no name that is known here.", function.shown()),
            };
            violations.push(function.violation(why, "name"));
        }
        Ok(violations)
    }
}
