//! serverless.json as a tree.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use super::node::{Content, MAX_NODES, Node};
use super::places::Places;
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
    let mut walk = Walk { text, places: Places::of(text), nodes: 0 };
    walk.node(value, text.trim_start())
        .ok_or_else(|| Fault::new(file, None, format!("the configuration has more than {MAX_NODES} values")))
}

/// Makes the tree, and finds the place of each value in the text.
struct Walk<'a> {
    text: &'a str,
    places: Places<'a>,
    nodes: usize,
}

impl Walk<'_> {
    /// The tree of a value that is written as `written`, or nothing if it has too many nodes.
    fn node(&mut self, value: Value, written: &str) -> Option<Node> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return None;
        }
        let place = offset_of(written, self.text).map(|offset| self.places.at(offset));
        let content = match value {
            Value::Null => Content::Null,
            Value::Bool(value) => Content::Bool(value),
            Value::Number(number) => match number.as_f64() {
                Some(value) if value.is_finite() => Content::Number(value),
                _ => Content::Null,
            },
            Value::String(text) => Content::text(text),
            Value::Array(items) => {
                let written: Vec<&RawValue> = serde_json::from_str(written).unwrap_or_default();
                let mut written = written.into_iter().map(RawValue::get);
                let items = items.into_iter().map(|item| self.node(item, written.next().unwrap_or_default()));
                Content::List(items.collect::<Option<Arc<[_]>>>()?)
            }
            Value::Object(entries) => {
                let written: BTreeMap<String, &RawValue> = serde_json::from_str(written).unwrap_or_default();
                let entries = entries.into_iter().map(|(key, value)| {
                    let written = written.get(&key).map_or("", |written| written.get());
                    Some((key, self.node(value, written)?))
                });
                Content::Map(Arc::new(entries.collect::<Option<_>>()?))
            }
        };
        Some(Node { place, content })
    }
}

/// Where a part of a text begins, known by where it lies in memory; none of what is no part of it.
fn offset_of(part: &str, text: &str) -> Option<usize> {
    let offset = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    (!part.is_empty() && offset < text.len()).then_some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        parse(Path::new("s.json"), text).unwrap()
    }

    fn at<'a>(node: &'a Node, path: &[&str]) -> &'a Node {
        path.iter().fold(node, |node, key| match &node.content {
            Content::Map(entries) => &entries[*key],
            Content::List(items) => &items[key.parse::<usize>().unwrap()],
            _ => panic!("{key}"),
        })
    }

    #[test]
    fn each_value_has_its_place() {
        let text = " {\"app\": \"shop\",\n  \"é\": {\"a\": [1,\n \"\\u0061\"]}, \"x\": 1, \"x\":\n\n\tnull}";
        let root = node(text);
        for (path, line, column) in [
            (&[][..], 1, 2),
            (&["app"], 1, 10),
            (&["é"], 2, 8),
            (&["é", "a", "0"], 2, 15),
            (&["é", "a", "1"], 3, 2),
            (&["x"], 5, 2),
        ] {
            assert_eq!(at(&root, path).place, Some(Place { line, column }), "{path:?}");
        }
    }

    #[test]
    fn a_deep_text_of_the_greatest_size_is_read() {
        let (open, close) = ("[".repeat(100), "]".repeat(100));
        let filling = " ".repeat(super::super::MAX_BYTES - 201);
        assert!(at(&node(&format!("{open}{filling}1{close}")), &["0"; 100]).place.is_some());
    }
}
