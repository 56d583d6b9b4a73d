//! What of a profile's safeguards goes into the STS session policy, where AWS enforces it for every tool.
//!
//! A session has what its role grants and its session policies grant as well; an explicit Deny in either wins
//! (IAM User Guide, "Policies and permissions", session policies). Inline and managed session policies form one set, so
//! that an Allow in either counts. brokerd adds Deny statements only, and one `Allow * *` where the profile has no
//! session policy at all: without any Allow in the set the session could do nothing.

mod global_actions;

use serde_json::{Value as Json, json};

pub use global_actions::{GLOBAL_ACTIONS_SOURCE, Partition, global_actions};

/// `Policy` of `AssumeRole`: at most 2048 characters as plain text (STS API Reference, request parameters).
pub const LONGEST: usize = 2048;

/// What is wrong with statements that were to be added to a session policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionPolicyError {
    /// Managed session policies without an inline one.
    #[error(
        "policy_arns without session_policy would leave it to those policies what a session may do beside the denials"
    )]
    OnlyManaged,
    /// It does not fit into the request.
    #[error(
        "with what the safeguards add, the session policy has {0} characters and STS accepts at most {LONGEST}"
    )]
    TooLong(usize),
    /// The policy of the catalog has statements of a form that IAM does not know.
    #[error("`Statement` of session_policy is neither a statement nor a list of them")]
    Malformed,
}

impl SessionPolicyError {
    /// What to write instead.
    pub fn hint(&self) -> String {
        match self {
            Self::OnlyManaged => {
                "write session_policy too, with an Allow for what policy_arns is to permit".to_owned()
            }
            Self::TooLong(_) => {
                "shorten session_policy, or move part of it to a managed policy and name that in policy_arns"
                    .to_owned()
            }
            Self::Malformed => r#"like {"Version":"2012-10-17","Statement":[...]}"#.to_owned(),
        }
    }
}

/// The inline session policy with `denials` added: `written` is the profile's own, `has_managed` whether it names
/// managed ones. Without denials it is what was written.
pub fn with_denials(
    written: Option<&str>,
    has_managed: bool,
    denials: Vec<Json>,
) -> Result<Option<String>, SessionPolicyError> {
    if denials.is_empty() {
        return Ok(written.map(str::to_owned));
    }
    let mut policy: Json = match written {
        Some(text) => serde_json::from_str(text).map_err(|_| SessionPolicyError::Malformed)?,
        None if has_managed => return Err(SessionPolicyError::OnlyManaged),
        None => {
            json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "*", "Resource": "*" }] })
        }
    };
    let statements = match policy.get_mut("Statement") {
        Some(Json::Array(statements)) => std::mem::take(statements),
        Some(statement @ Json::Object(_)) => vec![statement.take()],
        _ => return Err(SessionPolicyError::Malformed),
    };
    policy["Statement"] = statements.into_iter().chain(denials).collect();
    let text = policy.to_string();
    let length = text.chars().count();
    if length > LONGEST { Err(SessionPolicyError::TooLong(length)) } else { Ok(Some(text)) }
}

/// What a session policy does not stop, whatever is in it.
pub const NOT_STOPPED: [&str; 3] = [
    "what a service does with a role of its own, such as CloudFormation with its service role",
    "roles that the session assumes next: those sessions have their own policies",
    "users, keys and roles that the session creates: they act without this policy",
];

#[cfg(test)]
mod evaluator;
#[cfg(test)]
mod tests;
