//! One value of a table, with its key and its place.

use std::fmt::Display;

use serde_json::Value as Json;
use toml::Spanned;
use toml::de::{DeInteger, DeString, DeValue};

use super::findings::quoted;
use super::{Findings, Table};
use crate::core::nearest::did_you_mean;

/// A value and the key it was given to. An element of an array has the key of the array.
#[derive(Clone, Copy)]
pub(crate) struct Value<'t> {
    key: &'t Spanned<DeString<'t>>,
    node: &'t Spanned<DeValue<'t>>,
}

impl<'t> Value<'t> {
    pub(super) fn new(key: &'t Spanned<DeString<'t>>, node: &'t Spanned<DeValue<'t>>) -> Self {
        Self { key, node }
    }

    /// Whether the parser put this in where the file has no value: such a one takes up no text.
    pub(super) fn is_gap(self) -> bool {
        self.node.span().is_empty()
    }

    /// The key, its quotes and escapes resolved.
    pub(crate) fn key(self) -> &'t str {
        self.key.get_ref()
    }

    /// The key as messages write it.
    pub(crate) fn name(self) -> String {
        quoted(self.key())
    }

    /// The byte offset of the key.
    pub(crate) fn key_at(self) -> usize {
        self.key.span().start
    }

    /// The byte offset of the value.
    pub(crate) fn at(self) -> usize {
        self.node.span().start
    }

    /// Notes that this value is wrong: the key, then why. `why` must not quote the value unless it is a name.
    pub(crate) fn wrong(self, why: impl Display, hint: Option<String>, findings: &mut Findings<'_>) {
        findings.add(self.at(), format!("{}: {why}", self.name()), hint);
    }

    /// Notes that the value has another type than the expected one.
    pub(crate) fn mistyped(self, expected: &str, hint: Option<String>, findings: &mut Findings<'_>) {
        let found = match self.node.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.wrong(format_args!("expected {expected}, found {found}"), hint, findings);
    }

    /// The text, if it is one; for readers that accept several types.
    pub(crate) fn as_str(self) -> Option<&'t str> {
        self.node.get_ref().as_str()
    }

    /// The truth value, if it is one; for readers that accept several types.
    pub(crate) fn as_bool(self) -> Option<bool> {
        self.node.get_ref().as_bool()
    }

    /// The table, if it is one; for readers that accept several types.
    pub(crate) fn as_table(self) -> Option<Table<'t>> {
        self.node.get_ref().as_table().map(|entries| Table { entries, at: self.at() })
    }

    /// The elements, if it is an array; for readers that accept several types.
    pub(crate) fn as_array(self) -> Option<Vec<Value<'t>>> {
        let nodes = self.node.get_ref().as_array()?;
        Some(nodes.iter().map(|node| Self { key: self.key, node }).collect())
    }

    /// The text; anything else is a fault.
    pub(crate) fn string(self, findings: &mut Findings<'_>) -> Option<&'t str> {
        self.or_mistyped(self.as_str(), "a string", findings)
    }

    /// A text that says something: empty, blank, or with a control character is a fault.
    pub(crate) fn filled(self, findings: &mut Findings<'_>) -> Option<&'t str> {
        let text = self.string(findings)?;
        if text.trim().is_empty() {
            self.wrong("the text is empty", None, findings);
            None
        } else if text.chars().any(char::is_control) {
            self.wrong("the text has a control character or a line break in it", None, findings);
            None
        } else {
            Some(text)
        }
    }

    /// A text for people, which may have several lines. Other control characters are a fault: a shared file
    /// could use them to rewrite a terminal.
    pub(crate) fn prose(self, findings: &mut Findings<'_>) -> Option<String> {
        let text = self.string(findings)?;
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
            self.wrong("the text has a control character in it", None, findings);
            return None;
        }
        Some(text.to_owned())
    }

    /// A whole number; anything else, and one of more than 64 bits, is a fault.
    pub(crate) fn integer(self, findings: &mut Findings<'_>) -> Option<i64> {
        let DeValue::Integer(digits) = self.node.get_ref() else {
            return self.or_mistyped(None, "a whole number", findings);
        };
        let number = integer(digits).and_then(|number| number.as_i64());
        self.or_wrong(number, "the number is too large (64 bits at most)", findings)
    }

    /// `true` or `false`; anything else is a fault.
    pub(crate) fn boolean(self, findings: &mut Findings<'_>) -> Option<bool> {
        self.or_mistyped(self.as_bool(), "true or false", findings)
    }

    /// The table; anything else is a fault.
    pub(crate) fn table(self, findings: &mut Findings<'_>) -> Option<Table<'t>> {
        self.or_mistyped(self.as_table(), "a table", findings)
    }

    /// The elements of the array; anything else is a fault.
    pub(crate) fn array(self, findings: &mut Findings<'_>) -> Option<Vec<Value<'t>>> {
        self.or_mistyped(self.as_array(), "an array", findings)
    }

    /// The text made into what it stands for; the error of `parse` becomes the fault.
    pub(crate) fn parsed<T, E: Display>(
        self,
        parse: impl FnOnce(&str) -> Result<T, E>,
        findings: &mut Findings<'_>,
    ) -> Option<T> {
        parse(self.string(findings)?).map_err(|error| self.wrong(error, None, findings)).ok()
    }

    /// The key made into what it stands for, such as a name; the error of `parse` becomes the fault.
    pub(crate) fn parsed_key<T, E: Display>(
        self,
        parse: impl FnOnce(&str) -> Result<T, E>,
        findings: &mut Findings<'_>,
    ) -> Option<T> {
        parse(self.key()).map_err(|error| findings.add(self.key_at(), error.to_string(), None)).ok()
    }

    /// The meaning of a word out of a short list; another word is a fault that names the list.
    pub(crate) fn choice<T: Copy>(self, choices: &[(&str, T)], findings: &mut Findings<'_>) -> Option<T> {
        let word = self.string(findings)?;
        let meaning = choices.iter().find(|(name, _)| *name == word).map(|(_, meaning)| *meaning);
        if meaning.is_none() {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            let hint = did_you_mean(word, choices.iter().map(|(name, _)| *name));
            self.wrong(format_args!("expected {}", names.join(" or ")), hint, findings);
        }
        meaning
    }

    /// The same value as JSON. A date or time becomes its text; a number that JSON does not have is a fault.
    pub(crate) fn json(self, findings: &mut Findings<'_>) -> Option<Json> {
        Some(match self.node.get_ref() {
            DeValue::String(text) => Json::from(text.as_ref()),
            DeValue::Boolean(truth) => Json::from(*truth),
            DeValue::Datetime(moment) => Json::from(moment.to_string()),
            DeValue::Integer(digits) => {
                self.or_wrong(integer(digits), "the number is too large (64 bits at most)", findings)?
            }
            DeValue::Float(digits) => {
                let number = digits.as_str().parse().ok().and_then(serde_json::Number::from_f64);
                self.or_wrong(number.map(Json::Number), "the number is not a finite one", findings)?
            }
            DeValue::Array(_) => {
                let items = self.as_array()?.into_iter().map(|item| item.json(findings));
                // Every element is looked at, so that each of its faults is noted.
                Json::Array(items.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?)
            }
            DeValue::Table(_) => {
                let entries = self.as_table()?.entries().map(|value| {
                    let key = value.key().to_owned();
                    value.json(findings).map(|json| (key, json))
                });
                Json::Object(entries.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?)
            }
        })
    }

    fn or_mistyped<T>(self, value: Option<T>, expected: &str, findings: &mut Findings<'_>) -> Option<T> {
        if value.is_none() {
            self.mistyped(expected, None, findings);
        }
        value
    }

    fn or_wrong<T>(self, value: Option<T>, why: &str, findings: &mut Findings<'_>) -> Option<T> {
        if value.is_none() {
            self.wrong(why, None, findings);
        }
        value
    }
}

/// A TOML integer as JSON; TOML lets a file write more digits than JSON readers agree on.
fn integer(digits: &DeInteger<'_>) -> Option<Json> {
    let (text, radix) = (digits.as_str(), digits.radix());
    i64::from_str_radix(text, radix)
        .map(Json::from)
        .or_else(|_| u64::from_str_radix(text, radix).map(Json::from))
        .ok()
}
