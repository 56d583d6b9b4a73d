//! The daemon: composes core and edges, and serves.

mod answer;
mod broker;
mod callers;
mod catalogs;
mod container;
mod control;
mod endpoint;
mod gathering;
mod keeper;
mod main;
mod named;
mod permissions;
mod pinning;
mod pins;
mod projects;
mod refusals;
mod report;
mod run;
mod sessions;
mod settings;
mod tokens;
mod ways;

pub use broker::{Broker, BrokerError, Parts};
pub use main::main;
pub use run::{Listeners, run};
