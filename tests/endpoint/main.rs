//! The metadata endpoint of a daemon in this process, over real sockets. The caller is this test process
//! itself, in a project of its own; only STS is a stand-in.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod connections;
mod daemon;
mod doors;
mod protocol;
