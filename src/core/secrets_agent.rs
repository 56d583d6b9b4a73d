//! The interface of the AWS Secrets Manager Agent and of the AWS Parameters and Secrets Lambda Extension: paths,
//! documents and errors, as pure functions.
//!
//! The reference for secrets is the agent's source (`aws-secretsmanager-agent` 2, `parse.rs`, `server.rs`); for
//! parameters the extension's documentation (AWS Systems Manager user guide, "Using Parameter Store parameters in AWS
//! Lambda functions"), which shares the header and the port with it.

mod document;
mod route;

pub use document::{Fault, Shown, parameter, secret};
pub use route::{AgentRoute, Miss, ParameterQuery, SecretQuery, route};

/// The headers in which a token is looked for: the documented one, and the other that the agent takes by default.
pub const TOKEN_HEADERS: [&str; 2] = ["x-aws-parameters-secrets-token", "x-vault-token"];
/// What `/ping` says.
pub const HEALTHY: &str = "healthy";
