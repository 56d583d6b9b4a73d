//! The ring of edges: one outside thing each, with its own error.
//!
//! An edge may use the core, never a shell, and another edge only where one outside thing rests on another.

pub mod atomic_file;
pub mod audit_files;
pub mod audit_log;
pub mod aws_clock;
pub mod aws_config_file;
pub mod base_credentials;
pub mod catalog_file;
pub mod clock;
pub mod clock_change;
pub mod control_socket;
pub mod decision_log;
pub mod directories;
mod disk;
pub mod federation;
pub mod harden;
pub mod https;
pub mod javascript;
pub mod keychain;
pub mod line_file;
pub mod listen;
pub mod logins;
pub mod mfa_process;
pub mod notification;
pub mod package;
pub mod peer;
pub mod process_end;
pub mod profile_session;
pub mod project_file;
pub mod project_search;
pub mod random;
pub mod repository;
#[cfg(target_os = "linux")]
pub mod screen_lock;
pub mod secret_command;
pub mod secret_file;
pub mod secrets_manager;
pub mod secrets_token;
pub mod settled;
pub mod single;
pub mod sources;
pub mod ssm;
pub mod sso;
pub mod sso_cache;
pub mod state_file;
pub mod sts;
pub mod supervisor;
pub mod surroundings;
pub mod taker;
pub mod token_files;
pub mod trace_log;
pub mod trust;
pub mod user;
pub mod watch;
pub mod writer;
