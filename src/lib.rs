//! brokerd: each Serverless project and stage gets its own AWS role, by directory.
//!
//! One library, two thin binaries: `brokerd` ([`daemon::main`]) and `brokerctl` ([`ctl::main`]). The code has
//! three rings, and a test reads the imports and fails on one that breaks them:
//!
//! - [`core`]: pure rules. What they need to know comes in as an argument, the present moment included.
//! - [`edges`]: one outside thing each: files, sockets, processes, STS. They use the core.
//! - the shells: [`daemon`] composes and serves, [`ctl`] asks the daemon and prints, [`demo`] shows it all.
//!
//! The way of a request: [`edges::peer`] finds the process on the other end of a connection,
//! [`core::decision`] turns it, its project and the catalog into a profile or a refusal, the daemon's sessions
//! hold what [`edges::sts`] gave for the profile's role, and [`core::imds`] says how it is answered.

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
compile_error!("brokerd identifies callers on Linux and macOS only");

pub mod core;
pub mod ctl;
pub mod daemon;
pub mod demo;
pub mod edges;
