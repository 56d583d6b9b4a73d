//! serverless.json as a tree. JSON says no places: only a syntax error has one.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::node::{Content, MAX_NODES, Node};
use crate::core::fault::{Fault, Place};

/// The tree of a JSON text. Of a repeated key the last counts, as with `JSON.parse` (ECMAScript, §25.5.1);
/// the depth is limited by `serde_json` itself, to 128 like a YAML text's.
pub(super) fn parse(file: &Path, text: &str) -> Result<Node, Fault> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        let full = error.to_string();
        // The place is told in its own field; what is left names a rule of the syntax and no content.
        let reason = full.rfind(" at line ").map_or(full.as_str(), |end| &full[..end]);
        let one_based = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let place = Place { line: one_based(error.line()), column: one_based(error.column()) };
        Fault::new(file, Some(place), format!("not valid JSON: {reason}"))
    })?;
    let mut nodes = 0;
    tree(value, &mut nodes)
        .ok_or_else(|| Fault::new(file, None, format!("the configuration has more than {MAX_NODES} values")))
}

/// The tree of a JSON value, or nothing if it has too many nodes.
fn tree(value: Value, nodes: &mut usize) -> Option<Node> {
    *nodes += 1;
    if *nodes > MAX_NODES {
        return None;
    }
    let content = match value {
        Value::Null => Content::Null,
        Value::Bool(value) => Content::Bool(value),
        Value::Number(number) => match number.as_f64() {
            Some(value) if value.is_finite() => Content::Number(value),
            _ => Content::Null,
        },
        Value::String(text) => Content::text(text),
        Value::Array(items) => {
            Content::List(items.into_iter().map(|item| tree(item, nodes)).collect::<Option<Arc<[_]>>>()?)
        }
        Value::Object(entries) => Content::Map(Arc::new(
            entries
                .into_iter()
                .map(|(key, value)| Some((key, tree(value, nodes)?)))
                .collect::<Option<_>>()?,
        )),
    };
    Some(Node { place: None, content })
}
