//! The ring of edges: one outside thing each, with its own error.
//!
//! An edge may use the core, never a shell, and another edge only where one outside thing rests on another.

pub mod atomic_file;
pub mod audit_log;
pub mod aws_config_file;
pub mod base_credentials;
pub mod catalog_file;
pub mod clock;
pub mod control_socket;
pub mod decision_log;
pub mod directories;
mod disk;
pub mod federation;
pub mod harden;
pub mod https;
pub mod inclusion;
pub mod keychain;
pub mod line_file;
pub mod listen;
pub mod peer;
pub mod process_end;
pub mod project_file;
pub mod random;
pub mod repository;
pub mod settled;
pub mod single;
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
