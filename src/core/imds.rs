//! The EC2 instance metadata service as a protocol: paths, documents and error pages, as pure functions.
//!
//! The reference is EC2's own service (AWS EC2 user guide, "Use instance metadata"). Where brokerd differs
//! on purpose, `docs/endpoint.md` says so.

mod document;
mod page;
mod route;
mod version;

pub(in crate::core) use document::object;
pub use document::{InstanceFacts, credentials, domain, identity_document, info};
pub use page::page;
pub use route::{Leaf, Miss, Route, route};
