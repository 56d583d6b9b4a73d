//! A policy: how it documents itself, reads its config and judges.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value as Json;

use super::config::{Config, ConfigFaults};
use super::service::Service;
use super::violation::Judgement;
use crate::core::session_policy::Partition;

/// What a policy has to know of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// Stage, region and moment.
    Context,
    /// The version of the framework too.
    FrameworkVersion,
    /// serverless.yml.
    Declaration,
    /// What the framework compiled.
    Package,
}

/// One policy with everything that is known of it. The documentation is made of it, and the tests run its examples.
#[derive(Debug, Serialize)]
pub struct Policy {
    /// Its id, the one of Serverless.
    pub id: &'static str,
    /// What it wants, in a sentence.
    pub summary: &'static str,
    /// What it looks at.
    pub inspects: &'static str,
    /// What may be configured, and what holds where nothing is.
    pub config: &'static str,
    /// What it has to know.
    pub need: Need,
    /// A service that keeps it.
    pub passing: Example,
    /// A service that breaks it.
    pub failing: Example,
    /// Where it judges otherwise than `@serverless/safeguards-plugin` 1.2.1, each with the reason.
    pub differences: &'static [&'static str],
    /// What `enforce = "session"` makes of it, if it can be enforced there.
    pub session: Option<SessionSupport>,
    /// What `enforce = "issue"` does, if it can be enforced there.
    pub issue: Option<&'static str>,
    #[serde(skip)]
    pub(super) read: fn(&Config<'_>) -> Result<Arc<dyn Judge>, ConfigFaults>,
}

/// What becomes of a policy in a session.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct SessionSupport {
    /// What AWS enforces.
    pub effect: &'static str,
    /// What it does not stop.
    pub not_stopped: &'static str,
}

/// A service that keeps or breaks a policy. What is empty is not there, or as in every other example.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Example {
    /// The config as TOML.
    pub config: &'static str,
    /// serverless.yml.
    pub serverless: &'static str,
    /// The resources of the compiled template, as JSON.
    pub template: &'static str,
    /// The stage.
    pub stage: &'static str,
    /// The region.
    pub region: &'static str,
    /// The framework's version.
    pub framework_version: &'static str,
    /// The moment.
    pub now: &'static str,
}

impl Example {
    /// What an example does not say.
    pub const DEFAULT: Self = Self {
        config: "",
        serverless: "",
        template: "",
        stage: "dev",
        region: "us-east-1",
        framework_version: "4.3.1",
        now: "2026-11-24T12:00:00+00:00[UTC]",
    };
}

/// What credentials are about to be issued for.
#[derive(Debug, Clone, Copy)]
pub struct Issue<'a> {
    /// The stage.
    pub stage: &'a str,
    /// The region; the error says why it cannot be told.
    pub region: Result<&'a str, &'a str>,
    /// The moment, in the time zone of the machine.
    pub now: &'a jiff::ZonedDateTime,
}

/// A policy with its config.
pub(super) trait Judge: fmt::Debug + Send + Sync {
    /// What of a service breaks it.
    fn check(&self, service: &Service<'_>) -> Judgement;

    /// The statements of a session policy that enforce it, Deny only. None for a policy without `session`.
    fn statements(&self, _partition: Partition) -> Vec<Json> {
        Vec::new()
    }

    /// Why nothing is issued, if so. Never for a policy without `issue`.
    fn withhold(&self, _issue: &Issue<'_>) -> Option<String> {
        None
    }
}

/// A policy with a config that it has read.
#[derive(Clone)]
pub struct Rule {
    policy: &'static Policy,
    config: Option<Json>,
    judge: Arc<dyn Judge>,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("policy", &self.policy.id)
            .field("judge", &self.judge)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Rule {
    /// Policy and config make the rule.
    fn eq(&self, other: &Self) -> bool {
        self.policy.id == other.policy.id && self.config == other.config
    }
}

impl Eq for Rule {}

impl Rule {
    /// The rule that a policy makes of a config, or everything that is wrong with that.
    pub fn read(policy: &'static Policy, config: Option<Json>) -> Result<Self, ConfigFaults> {
        let judge = (policy.read)(&Config::new(config.as_ref()))?;
        Ok(Self { policy, config, judge })
    }

    /// The policy.
    pub fn policy(&self) -> &'static Policy {
        self.policy
    }

    /// Its config, as it was written.
    pub fn config(&self) -> Option<&Json> {
        self.config.as_ref()
    }

    /// What of a service breaks it, or why that cannot be told.
    pub fn check(&self, service: &Service<'_>) -> Judgement {
        self.judge.check(service)
    }

    /// The statements of a session policy that enforce it, Deny only.
    pub fn statements(&self, partition: Partition) -> Vec<Json> {
        self.judge.statements(partition)
    }

    /// Why nothing is issued, if so.
    pub fn withhold(&self, issue: &Issue<'_>) -> Option<String> {
        self.judge.withhold(issue)
    }
}
