//! serverless.toml as a tree.

use std::path::Path;
use std::sync::Arc;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::node::{Content, MAX_NODES, Node};
use super::number;
use super::places::Places;
use crate::core::fault::{Fault, Place};

/// The tree of a TOML text. The depth is limited by the parser itself.
pub(super) fn parse(file: &Path, text: &str) -> Result<Node, Fault> {
    let root = DeTable::parse(text).map_err(|error| {
        let place = error.span().map(|span| Place::of_offset(text, span.start));
        // The parser's words may go on with what stands there.
        let rule = error.message().lines().next().unwrap_or_default();
        Fault::new(file, place, format!("not valid TOML: {rule}"))
    })?;
    let mut builder = Builder { places: Places::of(text), nodes: 0 };
    let at = root.span().start;
    builder
        .table(root.get_ref(), at)
        .ok_or_else(|| Fault::new(file, None, format!("the configuration has more than {MAX_NODES} values")))
}

struct Builder<'t> {
    places: Places<'t>,
    nodes: usize,
}

impl Builder<'_> {
    /// A table, or nothing if there are too many values.
    fn table(&mut self, table: &DeTable<'_>, at: usize) -> Option<Node> {
        let entries: Option<_> = table
            .iter()
            .map(|(key, value)| Some((key.get_ref().clone().into_owned(), self.value(value)?)))
            .collect();
        Some(self.node(Content::Map(Arc::new(entries?)), at))
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Node> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return None;
        }
        let at = value.span().start;
        let content = match value.get_ref() {
            DeValue::String(text) => Content::text(text.as_ref()),
            DeValue::Integer(integer) => {
                let digits = integer.as_str().trim_start_matches(['+', '-']);
                let value = number::of_digits(digits, integer.radix()).unwrap_or_default();
                Content::Number(if integer.as_str().starts_with('-') { -value } else { value })
            }
            DeValue::Float(float) => match float.as_str().parse::<f64>() {
                Ok(value) if value.is_finite() => Content::Number(value),
                _ => Content::Null,
            },
            DeValue::Boolean(value) => Content::Bool(*value),
            DeValue::Datetime(moment) => Content::Date(moment.to_string().into()),
            DeValue::Array(items) => {
                Content::List(items.iter().map(|item| self.value(item)).collect::<Option<Arc<[_]>>>()?)
            }
            DeValue::Table(table) => return self.table(table, at),
        };
        Some(self.node(content, at))
    }

    fn node(&self, content: Content, at: usize) -> Node {
        Node { place: Some(self.places.at(at)), content }
    }
}
