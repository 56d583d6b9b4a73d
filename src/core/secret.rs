//! The secrets of a profile: where each value is read, how long it is used, and why there is none.
//!
//! A value is never shown: its type has no `Display`, and its `Debug` is redacted.

mod address;
mod content;
mod dotenv;
mod error;
mod freshness;
mod identity;

pub use address::{Address, Spot, Version};
pub use content::{Content, ContentError, LONGEST, Origin};
pub use dotenv::{DotenvError, Entry, parse as parse_dotenv, write as write_dotenv};
pub use error::{SecretError, SecretFailure};
pub use freshness::{Freshness, freshness};
pub use identity::{is_parameter, is_secret, region_of};
