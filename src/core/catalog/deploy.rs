//! What becomes of a deployment that no plugin checks.

use serde::{Deserialize, Serialize};

use crate::core::table::{Findings, Value};

/// Whether a Serverless CLI may deploy without the plugin that evaluates the safeguards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deploy {
    /// It may, and people are told that the safeguards were not evaluated.
    #[default]
    Warn,
    /// It may not: its `deploy` and `remove` get nothing until the plugin has said hello.
    Plugin,
}

impl Deploy {
    /// The words of the catalog.
    pub const WORDS: [(&'static str, Self); 2] = [("warn", Self::Warn), ("plugin", Self::Plugin)];
}

/// Reads `deploy`. One that cannot be read is a fault, and counts as the stricter one for the rest of the reading.
pub(super) fn read(value: Value<'_>, findings: &mut Findings<'_>) -> Deploy {
    value.choice(&Deploy::WORDS, findings).unwrap_or(Deploy::Plugin)
}
