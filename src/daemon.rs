//! The daemon: composes core and edges, and serves.

mod answer;
mod approvals;
mod approving;
mod broker;
mod callers;
mod catalogs;
mod container;
mod control;
mod desktop;
mod endpoint;
mod gate;
mod gathering;
mod keeper;
mod limits;
mod main;
mod named;
mod permissions;
mod pinning;
mod pins;
mod places;
mod projects;
mod refusals;
mod remote;
mod report;
mod run;
mod sessions;
mod settings;
mod tokenless;
mod tokens;
mod ways;

pub use broker::{Broker, BrokerError, Parts};
pub use limits::Limits;
pub use main::main;
pub use run::{Listeners, run, run_within};
