//! `require-description`: every function says what it is for.

use std::sync::Arc;

use serde_json::Value as Json;

use super::config::{Config, ConfigFaults};
use super::policy::{Example, Judge, Policy};
use super::violation::Judgement;
use super::{Need, Service};

pub(super) static POLICY: Policy = Policy {
    id: "require-description",
    summary: "Every function has a description of a useful length.",
    inspects: "Description of each AWS::Lambda::Function of the compiled template.",
    config: "minLength and maxLength in characters; { minLength = 30, maxLength = 256 } where nothing is written.",
    need: Need::Package,
    passing: Example {
        config: "{ minLength = 10 }",
        template: r#"{"HelloLambdaFunction":{"Type":"AWS::Lambda::Function","Properties":{"Description":"Says hello to whoever asks"}}}"#,
        ..Example::DEFAULT
    },
    failing: Example {
        template: r#"{"HelloLambdaFunction":{"Type":"AWS::Lambda::Function","Properties":{"Description":"Says hello"}}}"#,
        ..Example::DEFAULT
    },
    differences: &[
        "A length of 0 is 0; the original takes it for the default.",
        "A description that is an expression counts as one whose length is not known, and fails; the original lets it pass.",
    ],
    session: None,
    issue: None,
    read,
};

#[derive(Debug)]
struct Lengths {
    least: u64,
    most: u64,
}

fn read(config: &Config<'_>) -> Result<Arc<dyn Judge>, ConfigFaults> {
    let example = "config = { minLength = 30, maxLength = 256 }";
    if config.value().is_some() {
        config.entries("a table with minLength and maxLength", example, Some(&["minLength", "maxLength"]))?;
    }
    let (least, most) = (config.key("minLength").number(30)?, config.key("maxLength").number(256)?);
    if least > most {
        return Err(config.fault("minLength is more than maxLength", example));
    }
    Ok(Arc::new(Lengths { least, most }))
}

impl Judge for Lengths {
    fn check(&self, service: &Service<'_>) -> Judgement {
        let mut violations = Vec::new();
        for function in service.functions()? {
            let name = function.shown();
            let why = match function.properties.get("Description") {
                None | Some(Json::Null) => format!("Function \"{name}\" has no description"),
                Some(Json::String(text)) if text.is_empty() => {
                    format!("Function \"{name}\" has no description")
                }
                Some(Json::String(text)) => {
                    // As Lambda and JavaScript count.
                    let length = text.encode_utf16().count() as u64;
                    let fault = match length {
                        length if length > self.most => "long",
                        length if length < self.least => "short",
                        _ => continue,
                    };
                    format!("Description for function \"{name}\" is too {fault}")
                }
                Some(_) => format!("Description for function \"{name}\" is an expression of unknown length"),
            };
            violations.push(function.violation(why, "description"));
        }
        Ok(violations)
    }
}
