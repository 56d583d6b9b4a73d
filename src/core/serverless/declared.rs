//! A configuration whole, its variables replaced as far as that can be done without a CLI.

use serde_json::{Map, Number, Value as Json};

use super::node::{Content, MAX_DEPTH, MAX_NODES, Node};
use super::resolver::Resolver;
use super::{Document, Inputs};
use crate::core::fault::Place;

/// What a configuration declares, with what cannot be told here marked as such.
#[derive(Clone, Default, PartialEq)]
pub struct Declared {
    value: Json,
    /// Where something stands that cannot be told, and why.
    unknown: Vec<(Vec<String>, String)>,
}

impl std::fmt::Debug for Declared {
    /// Nothing of it: what stands in a configuration may be a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Declared").finish_non_exhaustive()
    }
}

impl Declared {
    /// One that a CLI has resolved whole.
    pub fn resolved(value: Json) -> Self {
        Self { value, unknown: Vec::new() }
    }

    /// One of which nothing can be told.
    pub fn unknown(why: &str) -> Self {
        Self { value: Json::Null, unknown: vec![(Vec::new(), why.to_owned())] }
    }

    /// The whole value, if all of it can be told; else why not.
    pub fn whole(&self) -> Result<&Json, String> {
        self.get(&[]).map(|value| value.unwrap_or(&Json::Null))
    }

    /// The value at a path, if it and all inside it can be told; else why not. Null is none.
    pub fn get(&self, path: &[&str]) -> Result<Option<&Json>, String> {
        self.told(path, true)?;
        Ok(self.find(path).filter(|value| !value.is_null()))
    }

    /// The keys of the mapping at a path; of lists of mappings those of all, as the framework merges them.
    pub fn keys(&self, path: &[&str]) -> Result<Vec<String>, String> {
        self.told(path, false)?;
        Ok(self.find(path).and_then(Json::as_object).into_iter().flat_map(Map::keys).cloned().collect())
    }

    fn find(&self, path: &[&str]) -> Option<&Json> {
        path.iter().try_fold(&self.value, |value, key| match value {
            Json::Array(items) => items.get(key.parse::<usize>().ok()?),
            _ => value.get(key),
        })
    }

    /// Fails if something on the way to `path` cannot be told, and with `inside` something below it.
    fn told(&self, path: &[&str], inside: bool) -> Result<(), String> {
        let concerns = |unknown: &[String]| {
            let shared = unknown.len().min(path.len());
            unknown[..shared].iter().zip(path).all(|(a, b)| a == b) && (inside || unknown.len() <= path.len())
        };
        match self.unknown.iter().find(|(at, _)| concerns(at)) {
            Some((at, why)) if at.is_empty() => Err(format!("it cannot be told without packaging: {why}")),
            Some((at, why)) => Err(format!("{} cannot be told without packaging: {why}", at.join("."))),
            None => Ok(()),
        }
    }
}

impl Document {
    /// The whole configuration with its variables replaced.
    pub fn declared(&self, inputs: &Inputs) -> Declared {
        let Some(root) = &self.root else { return Declared::unknown("the configuration is a program") };
        let mut growing =
            Growing { document: self, inputs, unknown: Vec::new(), path: Vec::new(), values: 0 };
        let value = growing.value(root);
        let mut unknown = growing.unknown;
        // `functions` may be a list of mappings, which the framework merges into one.
        let value = merged_functions(value, &mut unknown);
        Declared { value, unknown }
    }

    /// The place of the deepest value that the keys lead to, if the format tells places.
    pub fn place(&self, keys: &[String]) -> Option<Place> {
        let (mut node, mut place) = (self.root.as_ref()?, None);
        for key in keys {
            let child = match &node.content {
                Content::Map(map) => map.get(key.as_str()),
                Content::List(items) => key.parse().ok().and_then(|index: usize| items.get(index)),
                _ => None,
            };
            let Some(child) = child else { break };
            place = child.place.or(place);
            node = child;
        }
        place
    }
}

fn merged_functions(mut value: Json, unknown: &mut [(Vec<String>, String)]) -> Json {
    if let Some(functions) = value.get_mut("functions")
        && let Json::Array(items) = functions
    {
        let merged: Map<String, Json> =
            items.iter().filter_map(Json::as_object).flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        *functions = Json::Object(merged);
        for (path, _) in unknown.iter_mut().filter(|(path, _)| path.len() > 1 && path[0] == "functions") {
            path.remove(1);
        }
    }
    value
}

struct Growing<'a> {
    document: &'a Document,
    inputs: &'a Inputs,
    unknown: Vec<(Vec<String>, String)>,
    path: Vec<String>,
    /// How many values there are so far.
    values: usize,
}

impl Growing<'_> {
    fn value(&mut self, node: &Node) -> Json {
        self.values += 1;
        // A configuration may hold itself, and lists of lists grow without end.
        if self.values > MAX_NODES || self.path.len() > MAX_DEPTH {
            return self.cannot("there is too much in it, or it holds itself".to_owned());
        }
        // A resolver for each value: what one of them costs does not count for the next.
        match Resolver::new(self.document, self.inputs).value(&node.content) {
            Ok(content) => self.json(&content),
            Err(reason) => self.cannot(reason),
        }
    }

    fn cannot(&mut self, reason: String) -> Json {
        self.unknown.push((self.path.clone(), reason));
        Json::Null
    }

    fn json(&mut self, content: &Content) -> Json {
        match content {
            Content::Null => Json::Null,
            Content::Bool(truth) => Json::Bool(*truth),
            Content::Number(number) => whole(*number)
                .map(Json::from)
                .or_else(|| Number::from_f64(*number).map(Json::Number))
                .unwrap_or(Json::Null),
            Content::Text(text) | Content::Date(text) => Json::from(text.as_ref()),
            Content::Intrinsic => self.cannot("it is an intrinsic function of CloudFormation".to_owned()),
            Content::List(items) => {
                let items = items.iter().enumerate();
                items.map(|(index, item)| self.below(&index.to_string(), item)).collect()
            }
            Content::Map(map) => map.iter().map(|(key, item)| (key.clone(), self.below(key, item))).collect(),
        }
    }

    fn below(&mut self, key: &str, node: &Node) -> Json {
        self.path.push(key.to_owned());
        let value = self.value(node);
        self.path.pop();
        value
    }
}

/// A number without a fraction as JSON writes it: without a point.
#[allow(clippy::cast_possible_truncation, reason = "it is within what a float holds exactly")]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::path::Path;

    #[test]
    fn what_can_be_told_is_and_the_rest_says_why_not() {
        let text = "provider:\n  name: aws\n  region: ${self:custom.where}\n  memory: 128\ncustom:\n  where: eu-west-1\n\
                    functions:\n  - a:\n      runtime: ${ssm:/x}\n      events:\n        - sns: t\n  - b: {runtime: nodejs22.x}\n";
        let document = Document::parse(Path::new("serverless.yml"), text.as_bytes()).unwrap();
        let declared = document.declared(&Inputs::default());
        assert_eq!(
            declared.get(&["provider"]),
            Ok(Some(&json!({ "name": "aws", "region": "eu-west-1", "memory": 128 })))
        );
        assert_eq!(declared.keys(&["functions"]), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(declared.get(&["functions", "b", "runtime"]), Ok(Some(&json!("nodejs22.x"))));
        assert_eq!(declared.get(&["functions", "a", "events"]), Ok(Some(&json!([{ "sns": "t" }]))));
        let why = declared.get(&["functions", "a", "runtime"]).unwrap_err();
        assert!(why.starts_with("functions.a.runtime cannot be told without packaging: "), "{why}");
        assert!(declared.whole().is_err());
        let keys = ["provider", "region"].map(str::to_owned);
        assert_eq!(document.place(&keys), Some(Place { line: 3, column: 11 }));
        let beyond = ["provider", "nothing", "deeper"].map(str::to_owned);
        assert_eq!(document.place(&beyond).map(|place| place.line), Some(2));
    }
}
