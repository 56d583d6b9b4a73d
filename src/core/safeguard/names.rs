//! Names that a config permits: a list, or a regular expression.

use serde_json::Value as Json;

use super::config::{Config, ConfigFaults};
use super::pattern::Pattern;

/// Names that are permitted.
#[derive(Debug)]
pub(super) enum Names {
    /// Exactly these.
    Listed(Vec<String>),
    /// Those of which some part matches.
    Matching(Pattern),
}

impl Names {
    /// Reads a list or a text; `example` is a config that would do.
    pub(super) fn read(config: &Config<'_>, example: &str) -> Result<Self, ConfigFaults> {
        if let Some(Json::String(_)) = config.value() {
            return Ok(Self::Matching(config.pattern("a regular expression", example)?));
        }
        Ok(Self::Listed(config.texts("a list of names or a regular expression", example)?))
    }

    /// Whether a name is one of them.
    pub(super) fn include(&self, name: &str) -> bool {
        match self {
            Self::Listed(names) => names.iter().any(|listed| listed == name),
            Self::Matching(pattern) => pattern.is_match(name),
        }
    }
}
