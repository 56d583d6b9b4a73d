//! The pure ring: words and rules.
//!
//! Nothing in here reads a file, the environment, a socket or a clock. What it needs to know comes in as
//! an argument, the present moment included, so every rule can be tested as a table.

pub mod allowed;
pub mod approval;
pub mod audit;
pub mod aws_profiles;
pub mod cache;
pub mod caller;
pub mod catalog;
pub mod catalog_edit;
pub mod command_environment;
pub mod config;
pub mod container;
pub mod container_token;
pub mod credential_process;
pub mod credentials;
pub mod decision;
pub mod doors;
pub mod duration;
pub mod fault;
pub mod imds;
pub mod issue;
pub mod kept;
pub mod keychain;
pub mod lasting;
pub mod lease;
pub mod line_diff;
pub mod long_term_keys;
pub mod moment;
pub mod name;
pub mod nearest;
pub mod pins;
pub mod pointers;
pub mod protocol;
pub mod recent;
pub mod refusal;
pub mod relay;
pub mod serverless;
pub mod serverless_cli;
pub mod session;
pub mod shadow;
pub mod shell;
pub mod shell_lines;
pub mod sign_in;
pub mod stage;
pub mod table;
pub mod token;
pub mod wanted;
