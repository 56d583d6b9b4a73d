//! Computes what a value of the configuration is once its variables are replaced (Serverless Framework, Variables).
//!
//! It answers only if it is sure: a source that cannot be read here makes the value unknown, and never lets a
//! fallback speak in its place.

use std::sync::Arc;

use super::finding::{Finding, Known, Origin, Unknown, shown};
use super::node::{Content, Node};
use super::template::{Call, Literal, Malformed, Part, Source, Template, Variable};
use super::{Document, Inputs};
use crate::core::fault::Place;

/// The longest text that is read for variables or put together of them.
const MAX_TEXT: usize = 64 * 1024;
/// The most texts that are looked at for one field; a long text counts as several.
const MAX_STEPS: usize = 10_000;
/// How much of a text one step pays for.
const STEP: usize = 1024;
/// The most variables that are being resolved because of each other.
const MAX_CHAIN: usize = 64;
/// How often the outcome of a variable may hold variables again.
const MAX_ROUNDS: usize = 10;

/// Why something cannot be known.
type Reason = String;

/// Looks up one field; the next field gets a new one.
pub(super) struct Resolver<'a> {
    document: &'a Document,
    inputs: &'a Inputs,
    steps: usize,
    chain: usize,
    /// The texts of the document that are being resolved, by where they lie in memory.
    active: Vec<*const u8>,
    /// How many outcomes of variables had a `${` again.
    rereads: usize,
    via: Vec<String>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(document: &'a Document, inputs: &'a Inputs) -> Self {
        Self { document, inputs, steps: 0, chain: 0, active: Vec::new(), rereads: 0, via: Vec::new() }
    }

    /// What the field at `path` is, as a name.
    pub(super) fn field(mut self, path: &[&str]) -> Finding {
        let mut place = None;
        let name = self.walk(path, &mut place).and_then(|content| name_of(&content));
        let origin = Origin { file: self.document.file.clone(), place, via: self.via };
        match name {
            Ok(None) => Finding::Absent,
            Ok(Some(value)) => Finding::Known(Known { value, origin }),
            Err(reason) => {
                Finding::Unknown(Unknown { reason: format!("{}: {reason}", path.join(".")), origin })
            }
        }
    }

    /// Whether the value at `path` is a mapping.
    pub(super) fn has_mapping(&mut self, path: &[&str]) -> bool {
        matches!(self.walk(path, &mut None), Ok(Content::Map(_)))
    }

    /// A value of the document with its variables replaced, the inside of lists and mappings left as it is.
    pub(super) fn value(&mut self, content: &Content) -> Result<Content, String> {
        self.resolved(content)
    }

    /// The value at `path` with its variables replaced, also those of the sections on the way; null if there is
    /// none. `place` becomes the place of the last value that the path reached.
    fn walk(&mut self, path: &[&str], place: &mut Option<Place>) -> Result<Content, Reason> {
        let mut content = self.document.root.content.clone();
        for key in path {
            let child: Option<Node> = match &content {
                Content::Map(map) => map.get(*key).cloned(),
                Content::List(items) => index(key).and_then(|index| items.get(index).cloned()),
                Content::Intrinsic => {
                    return Err(format!("{} has no parts that are known here", content.kind()));
                }
                _ => None,
            };
            let Some(node) = child else { return Ok(Content::Null) };
            *place = node.place.or(*place);
            content = self.resolved(&node.content)?;
        }
        Ok(content)
    }

    /// A value of the document with its variables replaced. The inside of lists and mappings stays as it is
    /// until somebody asks for it.
    fn resolved(&mut self, content: &Content) -> Result<Content, Reason> {
        let Content::Text(text) = content else { return Ok(content.clone()) };
        let identity = text.as_ptr();
        if self.active.contains(&identity) {
            return Err(format!("its variables lead in a circle{}", self.last_source()));
        }
        self.active.push(identity);
        let outcome = self.text(text, 0);
        self.active.pop();
        outcome
    }

    fn last_source(&self) -> String {
        self.via.last().map(|source| format!(" through ${{{source}}}")).unwrap_or_default()
    }

    /// A text with its variables replaced. `round` counts how often the text came out of a variable: the
    /// outcome of a variable is read for variables again, as the framework does.
    fn text(&mut self, text: &Arc<str>, round: usize) -> Result<Content, Reason> {
        if text.len() > MAX_TEXT {
            return Err(format!("the text is longer than {} KiB", MAX_TEXT / 1024));
        }
        self.steps += 1 + text.len() / STEP;
        if self.steps > MAX_STEPS {
            return Err(format!("its variables need too many steps{}", self.last_source()));
        }
        if !text.contains("${") {
            return Ok(Content::Text(Arc::clone(text)));
        }
        self.rereads += usize::from(round > 0);
        let template = Template::parse(text).map_err(|Malformed(why)| why.to_owned())?;
        let has_variables = template.parts().iter().any(|part| matches!(part, Part::Variable(_)));
        if has_variables && round > MAX_ROUNDS {
            return Err(format!("its variables give variables again, too often{}", self.last_source()));
        }
        self.template(&template, round)
    }

    fn template(&mut self, template: &Template, round: usize) -> Result<Content, Reason> {
        if let Some(variable) = template.whole() {
            return self.variable(variable, round);
        }
        let rereads = self.rereads;
        let mut joined = String::new();
        for part in template.parts() {
            match part {
                Part::Text(text) => joined.push_str(text),
                Part::Variable(variable) => {
                    let content = self.variable(variable, round)?;
                    let text = content.scalar_text().ok_or_else(|| {
                        format!(
                            "{} gives {} in the midst of a text",
                            written(variable, round),
                            content.kind()
                        )
                    })?;
                    joined.push_str(&text);
                }
            }
            if joined.len() > MAX_TEXT {
                return Err(format!("the text becomes longer than {} KiB", MAX_TEXT / 1024));
            }
        }
        // The framework then reads the whole text again, and what was escaped is a variable to it after all.
        if template.is_escaped() && self.rereads > rereads {
            return Err("an escaped variable stands beside one that gives variables again".into());
        }
        Ok(Content::text(joined))
    }

    /// The value of a variable, unless too many others are waiting for it.
    fn variable(&mut self, variable: &Variable, round: usize) -> Result<Content, Reason> {
        if self.chain >= MAX_CHAIN {
            return Err(format!("its variables need too many others{}", self.last_source()));
        }
        self.chain += 1;
        let outcome = self.first_value(variable, round);
        self.chain -= 1;
        outcome
    }

    /// The value of the first source that has one.
    fn first_value(&mut self, variable: &Variable, round: usize) -> Result<Content, Reason> {
        for source in &variable.sources {
            let before = self.via.len();
            let content = match source {
                Source::Literal(literal) => {
                    self.via.push("literal".to_owned());
                    self.again(literal_content(literal), round)?
                }
                Source::Nested(nested) => self.variable(nested, round)?,
                Source::Call(call) => {
                    self.via.push(source_name(call, round));
                    match self.call(call, round)? {
                        Content::Null => {
                            self.via.truncate(before);
                            continue;
                        }
                        content => self.again(content, round)?,
                    }
                }
            };
            return Ok(content);
        }
        let name = written(variable, round);
        Err(if variable.sources.len() > 1 {
            format!("none of the sources of {name} has a value")
        } else {
            format!("{name} has no value and no fallback")
        })
    }

    /// The outcome of a variable, read for variables once more.
    fn again(&mut self, content: Content, round: usize) -> Result<Content, Reason> {
        match content {
            Content::Text(text) => self.text(&text, round + 1),
            content => Ok(content),
        }
    }

    /// What one source says; null if it has no value, an error if that cannot be told.
    fn call(&mut self, call: &Call, round: usize) -> Result<Content, Reason> {
        for param in &call.params {
            self.template(param, round)?;
        }
        let address = match &call.address {
            None => None,
            Some(template) => match self.template(template, round)? {
                Content::Null => None,
                content => Some(content.scalar_text().ok_or_else(|| {
                    format!("${{{}}} has an address that is {}", source_name(call, round), content.kind())
                })?),
            },
        };
        let absent_or =
            |value: Option<&String>| value.map_or(Content::Null, |value| Content::text(value.as_str()));
        match (call.kind.as_str(), address.as_deref()) {
            ("opt", Some(name)) => Ok(absent_or(self.inputs.options.get(name))),
            ("env", Some(name)) if !name.is_empty() => Ok(absent_or(self.inputs.environment.get(name))),
            ("self", None | Some("")) => self.walk(&[], &mut None),
            ("self", Some(path)) => self.walk(&path.split('.').collect::<Vec<_>>(), &mut None),
            ("sls", Some("stage")) => self.stage(),
            ("opt" | "env" | "sls", _) => {
                Err(format!("${{{}}} does not name something that is known here", source_name(call, round)))
            }
            (kind, _) if round == 0 => Err(format!(
                "${{{}}} needs the source \"{}\", which this version cannot read",
                source_name(call, round),
                shown(kind)
            )),
            _ => Err("the outcome of a variable needs a source that this version cannot read".into()),
        }
    }

    /// `sls:stage`: the stage of the command line, else the file's, else `dev`.
    fn stage(&mut self) -> Result<Content, Reason> {
        if let Some(stage) = self.inputs.options.get("stage").filter(|stage| !stage.is_empty()) {
            return Ok(Content::text(stage.as_str()));
        }
        let content = self.walk(&["provider", "stage"], &mut None)?;
        Ok(Content::text(name_of(&content)?.unwrap_or_else(|| "dev".to_owned())))
    }
}

/// A value as a name, or nothing if there is none.
fn name_of(content: &Content) -> Result<Option<String>, Reason> {
    match content {
        Content::Null => Ok(None),
        // serverless@3 takes its default for an empty name; osls@4 refuses to start with one.
        Content::Text(text) if text.is_empty() => Ok(None),
        // serverless@3 takes its default for these as well, but osls@4 makes a name of them.
        Content::Bool(false) => Err("false without quotes is read differently by the CLI versions".into()),
        Content::Number(number) if *number == 0.0 => {
            Err("0 without quotes is read differently by the CLI versions".into())
        }
        Content::Date(_) => Err("a date without quotes is read differently by the CLI versions".into()),
        content => match content.scalar_text() {
            Some(text) if text.len() > MAX_TEXT => Err("the text is too long for a name".into()),
            Some(text) => Ok(Some(text.as_ref().to_owned())),
            None => Err(format!("{} stands where a name is needed", content.kind())),
        },
    }
}

fn literal_content(literal: &Literal) -> Content {
    match literal {
        Literal::Null => Content::Null,
        Literal::Bool(value) => Content::Bool(*value),
        Literal::Number(value) => Content::Number(*value),
        Literal::Text(text) => Content::text(text.as_str()),
    }
}

/// The index that a path's key is in a list, written as JavaScript writes it.
fn index(key: &str) -> Option<usize> {
    key.parse().ok().filter(|index: &usize| index.to_string() == key)
}

/// A source as it is written in the file. A text that came out of a variable may be an environment value, so
/// of its sources no more than a known kind is told.
fn source_name(call: &Call, round: usize) -> String {
    match call.kind.as_str() {
        _ if round == 0 => shown(&call.written),
        kind @ ("opt" | "env" | "self" | "sls") => format!("{kind}:…"),
        _ => "…".to_owned(),
    }
}

/// A variable as it is written in the file; literals are left out, since they are values.
fn written(variable: &Variable, round: usize) -> String {
    let sources = variable.sources.iter().filter_map(|source| match source {
        Source::Call(call) => Some(source_name(call, round)),
        Source::Nested(nested) => Some(written(nested, round)),
        Source::Literal(_) => None,
    });
    format!("${{{}}}", sources.collect::<Vec<_>>().join(", "))
}
