//! What a policy finds.

use serde::{Deserialize, Serialize};

/// One thing that breaks a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// What is wrong, in words that name it.
    pub message: String,
    /// The logical id of the CloudFormation resource that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// The keys that lead to it in serverless.yml, as far as they are known: `["functions", "hello", "runtime"]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

impl Violation {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), resource: None, keys: Vec::new() }
    }

    /// Where it stands in serverless.yml.
    #[must_use]
    pub(super) fn at(mut self, keys: &[&str]) -> Self {
        self.keys = keys.iter().map(|key| (*key).to_owned()).collect();
        self
    }

    /// Of which resource. One that is written under `resources` stands there.
    #[must_use]
    pub(super) fn of(mut self, resource: &str) -> Self {
        self.resource = Some(resource.to_owned());
        if self.keys.is_empty() {
            self.keys = ["resources", "Resources", resource].map(str::to_owned).into();
        }
        self
    }
}

/// Why a policy cannot be judged: an input that is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Missing(pub String);

/// What a policy says of a service: what breaks it, nothing if it is kept.
pub type Judgement = Result<Vec<Violation>, Missing>;
