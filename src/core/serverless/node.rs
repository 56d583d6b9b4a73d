//! The parsed configuration as a tree: what stands there, and where.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::number;
use crate::core::fault::{Fault, Place};

/// The most nodes of a configuration, everything that aliases repeat counted again.
pub(super) const MAX_NODES: usize = 200_000;
/// The most levels of lists and mappings inside each other, also through aliases.
pub(super) const MAX_DEPTH: usize = 128;

/// A value of the configuration and its place, if the format tells places.
///
/// Neither this nor [`Content`] implements `Debug`: what stands in a configuration may be a secret.
#[derive(Clone, PartialEq)]
pub(super) struct Node {
    pub(super) place: Option<Place>,
    pub(super) content: Content,
}

/// What stands at a node. Copies share what they hold, so an alias costs no memory.
#[derive(Clone, PartialEq)]
pub(super) enum Content {
    Null,
    Bool(bool),
    /// A number as JavaScript keeps it; always finite.
    Number(f64),
    Text(Arc<str>),
    /// A plain `2020-01-31`: serverless@3 reads a moment and writes it out in full, osls@4 reads this text.
    Date(Arc<str>),
    /// A value with a tag that gives it another meaning, such as CloudFormation's `!Ref`.
    Intrinsic,
    List(Arc<[Node]>),
    Map(Arc<BTreeMap<String, Node>>),
}

impl Content {
    /// A text.
    pub(super) fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// JavaScript's `String(value)` of a scalar that has the same one for every CLI, else nothing.
    pub(super) fn scalar_text(&self) -> Option<Arc<str>> {
        match self {
            Self::Text(text) => Some(Arc::clone(text)),
            Self::Bool(value) => Some(if *value { "true" } else { "false" }.into()),
            Self::Number(value) => Some(number::to_text(*value).into()),
            Self::Null | Self::Date(_) | Self::Intrinsic | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// What this is, to say that it is not a name.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Date(_) => "a date",
            Self::Intrinsic => "an intrinsic function",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// The root if it is a mapping, as every CLI demands, else what is wrong with it.
pub(super) fn checked_root(file: &std::path::Path, root: Node) -> Result<Node, Fault> {
    match root.content {
        Content::Map(_) => Ok(root),
        Content::Null => Err(Fault::new(file, None, "the configuration is empty")),
        other => {
            let message = format!("the configuration has to be a mapping, not {}", other.kind());
            Err(Fault::new(file, root.place, message))
        }
    }
}
