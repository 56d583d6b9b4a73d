//! A service as policies look at it: what was packaged, what serverless.yml declares, and the deployment's context.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value as Json};

use super::violation::Missing;
use crate::core::serverless::Declared;

/// The artifact with the compiled CloudFormation template.
pub const TEMPLATE: &str = "cloudformation-template-update-stack.json";
/// The artifact with the declaration, every variable replaced.
pub const STATE: &str = "serverless-state.json";

/// Runs the text of the policy `javascript`. Whatever runs it gives it nothing of the machine.
pub trait Engine {
    /// Evaluates `source` with these globals, and gives whether its last value is truthy; the error says what it threw,
    /// or which limit it passed.
    fn evaluate(&self, source: &str, globals: &Json) -> Result<bool, String>;
}

/// A service that is to be deployed. Nothing in it is changed by a policy.
#[derive(Clone, Copy)]
pub struct Service<'a> {
    /// Every JSON artifact by its file name; empty if the service is not packaged.
    pub compiled: &'a BTreeMap<String, Json>,
    /// What serverless.yml declares.
    pub declaration: &'a Declared,
    /// The stage.
    pub stage: &'a str,
    /// The region, if it can be told.
    pub region: Option<&'a str>,
    /// The version of the framework that deploys.
    pub framework_version: Option<&'a str>,
    /// The moment, in the time zone of the machine.
    pub now: &'a jiff::ZonedDateTime,
    /// What runs `javascript`.
    pub engine: Option<&'a dyn Engine>,
}

impl fmt::Debug for Service<'_> {
    /// The context only: artifacts hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("compiled", &self.compiled.keys())
            .field("stage", &self.stage)
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// A Lambda function of the compiled template.
#[derive(Debug)]
pub(super) struct Function<'a> {
    /// Its logical id.
    pub(super) resource: &'a str,
    /// What serverless.yml calls it; none if it was written under `resources`, or made by the framework.
    pub(super) name: Option<String>,
    /// Its properties; null if there are none.
    pub(super) properties: &'a Json,
}

impl Function<'_> {
    /// What people call it.
    pub(super) fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or(self.resource)
    }

    /// What is wrong with it, at its key of serverless.yml.
    pub(super) fn violation(&self, message: impl Into<String>, key: &str) -> super::Violation {
        let violation = super::Violation::new(message);
        match &self.name {
            Some(name) => violation.at(&["functions", name, key]),
            None => violation,
        }
        .of(self.resource)
    }
}

impl<'a> Service<'a> {
    /// The resources of the compiled template.
    pub(super) fn resources(&self) -> Result<&'a Map<String, Json>, Missing> {
        let template = self.compiled.get(TEMPLATE).ok_or_else(|| {
            Missing("it looks at the compiled template, and nothing is packaged".to_owned())
        })?;
        let resources = template.get("Resources").and_then(Json::as_object);
        resources.ok_or_else(|| Missing(format!("{TEMPLATE} has no Resources")))
    }

    /// The resources of one type with their properties.
    pub(super) fn resources_of(
        &self,
        kind: &'static str,
    ) -> Result<impl Iterator<Item = (&'a str, &'a Json)>, Missing> {
        Ok(self
            .resources()?
            .iter()
            .filter(move |(_, resource)| resource.get("Type").and_then(Json::as_str) == Some(kind))
            .map(|(name, resource)| (name.as_str(), resource.get("Properties").unwrap_or(&Json::Null))))
    }

    /// The Lambda functions of the compiled template.
    pub(super) fn functions(&self) -> Result<Vec<Function<'a>>, Missing> {
        let declared = self.declared_functions().unwrap_or_default();
        let names: BTreeMap<String, String> =
            declared.into_iter().map(|name| (logical_id(&name), name)).collect();
        let functions = self.resources_of("AWS::Lambda::Function")?;
        Ok(functions
            .map(|(resource, properties)| Function {
                resource,
                name: names.get(resource).cloned(),
                properties,
            })
            .collect())
    }

    /// The names of the functions that serverless.yml declares.
    pub(super) fn declared_functions(&self) -> Result<Vec<String>, Missing> {
        self.declaration.keys(&["functions"]).map_err(Missing)
    }

    /// A value that serverless.yml declares; null is none.
    pub(super) fn declared(&self, path: &[&str]) -> Result<Option<&'a Json>, Missing> {
        self.declaration.get(path).map_err(Missing)
    }
}

/// The logical id that the framework gives the function of a name (`naming.js` of the Serverless Framework).
fn logical_id(name: &str) -> String {
    let normal = name.replace('-', "Dash").replace('_', "Underscore");
    let mut letters = normal.chars();
    let first: String = letters.next().map(|letter| letter.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}LambdaFunction", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logical_id_is_the_frameworks() {
        assert_eq!(logical_id("hello"), "HelloLambdaFunction");
        assert_eq!(logical_id("send-mail_now"), "SendDashmailUnderscorenowLambdaFunction");
    }
}
