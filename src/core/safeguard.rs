//! Safeguards: the sixteen policies that Serverless had, each in a file of its own.
//!
//! A policy is a [`Policy`]: it documents itself, reads its config and judges a [`Service`]. [`report::evaluate`]
//! applies a profile's safeguards to a service; [`crate::core::session_policy`] makes statements of those that AWS
//! can enforce. Inputs, defaults and messages are those of `@serverless/safeguards-plugin` 1.2.1, and where that does
//! not do what its documentation says, the documentation counts: `differences` of each policy has the list.

mod allowed_function_names;
mod allowed_regions;
mod allowed_runtimes;
mod allowed_stages;
mod config;
pub mod documentation;
mod expression;
mod forbid_lambda_apig_integration;
mod forbid_s3_http_access;
mod framework_version;
mod javascript;
mod names;
mod no_secret_env_vars;
mod no_wild_iam_role_statements;
mod pattern;
mod policy;
pub mod report;
mod require_cfn_role;
mod require_description;
mod require_dlq;
mod require_global_vpc;
mod required_stack_tags;
mod restricted_deploy_times;
pub mod sarif;
mod service;
#[cfg(test)]
mod tests;
mod violation;

pub use config::{ConfigFault, ConfigFaults};
pub use policy::{Example, Issue, Need, Policy, Rule, SessionSupport};
pub use service::{Engine, STATE, Service, TEMPLATE};
pub use violation::{Judgement, Missing, Violation};

/// Every policy, by id.
pub static POLICIES: [&Policy; 16] = [
    &allowed_function_names::POLICY,
    &allowed_regions::POLICY,
    &allowed_runtimes::POLICY,
    &allowed_stages::POLICY,
    &forbid_lambda_apig_integration::POLICY,
    &forbid_s3_http_access::POLICY,
    &framework_version::POLICY,
    &javascript::POLICY,
    &no_secret_env_vars::POLICY,
    &no_wild_iam_role_statements::POLICY,
    &require_cfn_role::POLICY,
    &require_description::POLICY,
    &require_dlq::POLICY,
    &require_global_vpc::POLICY,
    &required_stack_tags::POLICY,
    &restricted_deploy_times::POLICY,
];

/// The policy with this id.
pub fn policy(id: &str) -> Option<&'static Policy> {
    POLICIES.into_iter().find(|policy| policy.id == id)
}

/// Texts as a list in a message: `["a","b"]`.
fn listed(texts: &[String]) -> String {
    serde_json::Value::from(texts).to_string()
}
