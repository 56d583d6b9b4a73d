//! The config of a safeguard as a policy reads it: JSON, with every fault at its path.

use std::fmt::Display;

use serde_json::{Map, Value as Json};

use super::pattern::Pattern;
use crate::core::nearest::did_you_mean;

/// One thing that is wrong in a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// The keys and indexes that lead from the config to what is wrong; empty for the config itself.
    pub path: Vec<String>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Display for ConfigFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path.join("."))?;
        }
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

/// All that is wrong in a config; never empty.
pub type ConfigFaults = Vec<ConfigFault>;

/// A config, or a part of one, with the path to it. `value` is none where the catalog says nothing.
#[derive(Debug, Clone)]
pub(super) struct Config<'a> {
    value: Option<&'a Json>,
    path: Vec<String>,
}

impl<'a> Config<'a> {
    pub(super) fn new(value: Option<&'a Json>) -> Self {
        Self { value, path: Vec::new() }
    }

    pub(super) fn value(&self) -> Option<&'a Json> {
        self.value
    }

    /// What is wrong with this part.
    pub(super) fn fault(&self, message: impl Display, hint: &str) -> ConfigFaults {
        let hint = (!hint.is_empty()).then(|| hint.to_owned());
        vec![ConfigFault { path: self.path.clone(), message: message.to_string(), hint }]
    }

    fn child(&self, key: impl Display, value: Option<&'a Json>) -> Self {
        Self { value, path: self.path.iter().cloned().chain([key.to_string()]).collect() }
    }

    /// Nothing must be set.
    pub(super) fn none(&self) -> Result<(), ConfigFaults> {
        match self.value {
            None => Ok(()),
            Some(_) => Err(self.fault("the policy has no config", "take the config out")),
        }
    }

    /// A text that is not blank.
    pub(super) fn text(&self, what: &str, example: &str) -> Result<&'a str, ConfigFaults> {
        match self.value {
            Some(Json::String(text)) if !text.trim().is_empty() => Ok(text),
            Some(Json::String(_)) => Err(self.fault("the text is empty", example)),
            _ => Err(self.fault(format_args!("expected {what}"), example)),
        }
    }

    /// The elements of a list that has some.
    pub(super) fn items(&self, what: &str, example: &str) -> Result<Vec<Self>, ConfigFaults> {
        match self.value {
            Some(Json::Array(items)) if !items.is_empty() => {
                Ok(items.iter().enumerate().map(|(index, item)| self.child(index, Some(item))).collect())
            }
            Some(Json::Array(_)) => {
                Err(self.fault(format_args!("the list is empty: expected {what}"), example))
            }
            _ => Err(self.fault(format_args!("expected {what}"), example)),
        }
    }

    /// A list of texts that has some.
    pub(super) fn texts(&self, what: &str, example: &str) -> Result<Vec<String>, ConfigFaults> {
        every(self.items(what, example)?, |item| item.text("a text", example).map(str::to_owned))
    }

    /// The entries of a table; with `known`, other keys are faults.
    pub(super) fn entries(
        &self,
        what: &str,
        example: &str,
        known: Option<&[&str]>,
    ) -> Result<&'a Map<String, Json>, ConfigFaults> {
        let Some(Json::Object(map)) = self.value else {
            return Err(self.fault(format_args!("expected {what}"), example));
        };
        let Some(known) = known else { return Ok(map) };
        let unknown: ConfigFaults = map
            .keys()
            .filter(|key| !known.contains(&key.as_str()))
            .flat_map(|key| {
                let hint = did_you_mean(key, known.iter().copied())
                    .unwrap_or_else(|| format!("the keys here are: {}", known.join(", ")));
                self.child(key, map.get(key)).fault(format_args!("unknown key `{key}`"), &hint)
            })
            .collect();
        if unknown.is_empty() { Ok(map) } else { Err(unknown) }
    }

    /// One part of a table.
    pub(super) fn key(&self, key: &str) -> Self {
        self.child(key, self.value.and_then(|value| value.get(key)))
    }

    /// A whole number, or what holds where none is written.
    pub(super) fn number(&self, otherwise: u64) -> Result<u64, ConfigFaults> {
        match self.value {
            None => Ok(otherwise),
            Some(value) => value.as_u64().ok_or_else(|| self.fault("expected a whole number, 0 or more", "")),
        }
    }

    /// A regular expression.
    pub(super) fn pattern(&self, what: &str, example: &str) -> Result<Pattern, ConfigFaults> {
        let text = self.text(what, example)?;
        Pattern::new(text).map_err(|why| self.fault(format_args!("not a regular expression: {why}"), example))
    }
}

/// Reads every element, and gives the faults of all.
pub(super) fn every<I, T>(
    items: impl IntoIterator<Item = I>,
    mut read: impl FnMut(I) -> Result<T, ConfigFaults>,
) -> Result<Vec<T>, ConfigFaults> {
    let (mut all, mut faults) = (Vec::new(), ConfigFaults::new());
    for item in items {
        match read(item) {
            Ok(value) => all.push(value),
            Err(more) => faults.extend(more),
        }
    }
    if faults.is_empty() { Ok(all) } else { Err(faults) }
}
