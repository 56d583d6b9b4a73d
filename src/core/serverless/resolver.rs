//! Computes what a value of the configuration is once its variables are replaced (Serverless Framework, Variables).
//!
//! It answers only if it is sure: a source that cannot be read here makes the value unknown, and never lets a
//! fallback speak in its place.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::finding::{Finding, Known, Origin, Unknown, shown};
use super::inclusion::Need;
use super::node::{Content, Node};
use super::sources::{to_bool, unreadable};
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
pub(super) type Reason = String;

/// The path of the stage, whose variables are resolved before all others.
const STAGE: [&str; 2] = ["provider", "stage"];
/// What every object of JavaScript has: such a key finds a function there, and nothing in osls@4.
const INHERITED: [&str; 8] = [
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
    "__proto__",
];

/// Looks up one field; the next field gets a new one.
pub(super) struct Resolver<'a> {
    pub(super) document: &'a Document,
    pub(super) inputs: &'a Inputs,
    /// What has to be found before the answer is final.
    pub(super) needs: BTreeSet<Need>,
    /// Whether `provider.stage` is being resolved, which the framework does before it reads `.env` files.
    pub(super) in_stage: bool,
    /// The environment variables that the stage asked for and that are not set.
    pub(super) unset: Vec<String>,
    /// The included file in which the content stands that was found last; none for the document.
    pub(super) landed: Option<PathBuf>,
    steps: usize,
    chain: usize,
    /// The texts of the document that are being resolved, by where they lie in memory.
    active: Vec<*const u8>,
    /// How many outcomes of variables had a `${` again.
    rereads: usize,
    pub(super) via: Vec<String>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(document: &'a Document, inputs: &'a Inputs) -> Self {
        Self {
            document,
            inputs,
            needs: BTreeSet::new(),
            in_stage: false,
            unset: Vec::new(),
            landed: None,
            steps: 0,
            chain: 0,
            active: Vec::new(),
            rereads: 0,
            via: Vec::new(),
        }
    }

    /// What the field at `path` is, as a name.
    pub(super) fn field(&mut self, path: &[&str]) -> Finding {
        let mut reached = Reached::default();
        let name = if path == STAGE {
            self.stage_of_file(&mut reached)
        } else {
            self.walk(path, &mut reached).and_then(|content| name_of(&content))
        };
        let origin = Origin {
            file: reached.file.unwrap_or_else(|| self.document.file.clone()),
            place: reached.place,
            via: std::mem::take(&mut self.via),
        };
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
        matches!(self.walk(path, &mut Reached::default()), Ok(Content::Map(_)))
    }

    /// `provider.stage` as a name; nothing if there is none.
    fn stage_of_file(&mut self, reached: &mut Reached) -> Result<Option<String>, Reason> {
        let (was_in_stage, unset) = (std::mem::replace(&mut self.in_stage, true), self.unset.len());
        let name = self.walk(&STAGE, reached).and_then(|content| name_of(&content));
        self.in_stage = was_in_stage;
        let unset = self.unset.split_off(unset);
        let name = name?;
        if !was_in_stage {
            self.check_unset(&unset, name.as_deref())?;
        }
        Ok(name)
    }

    /// A value of the document with its variables replaced, the inside of lists and mappings left as it is.
    pub(super) fn value(&mut self, content: &Content) -> Result<Content, String> {
        self.resolved(content)
    }

    /// The value at `path` with its variables replaced, also those of the sections on the way; null if there is
    /// none. `reached` becomes the place of the last value on the path.
    pub(super) fn walk(&mut self, path: &[&str], reached: &mut Reached) -> Result<Content, Reason> {
        let Some(root) = &self.document.root else {
            return Err(format!(
                "{} is a program, which brokerd never runs",
                self.document.file.file_name().unwrap_or_default().display()
            ));
        };
        let mut content = root.content.clone();
        self.landed = None;
        for key in path {
            let Some(node) = child(&content, key)? else { return Ok(Content::Null) };
            if node.place.is_some() || self.landed.is_some() {
                reached.place = node.place;
                reached.file.clone_from(&self.landed);
            }
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
        let here = self.landed.clone();
        let outcome = self.text(text, 0);
        self.active.pop();
        if matches!(outcome, Ok(Content::Text(_))) {
            self.landed = here;
        }
        outcome
    }

    fn last_source(&self) -> String {
        self.via.last().map(|source| format!(" through ${{{source}}}")).unwrap_or_default()
    }

    /// Counts the reading of a text, and ends what would read for too long.
    pub(super) fn pay_for(&mut self, text: &str) -> Result<(), Reason> {
        self.steps += 1 + text.len() / STEP;
        if self.steps > MAX_STEPS {
            return Err(format!("its variables need too many steps{}", self.last_source()));
        }
        Ok(())
    }

    /// A text with its variables replaced. `round` counts how often the text came out of a variable: the
    /// outcome of a variable is read for variables again, as the framework does.
    pub(super) fn text(&mut self, text: &Arc<str>, round: usize) -> Result<Content, Reason> {
        if text.len() > MAX_TEXT {
            return Err(format!("the text is longer than {} KiB", MAX_TEXT / 1024));
        }
        self.pay_for(text)?;
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
        let mut params = Vec::with_capacity(call.params.len());
        for param in &call.params {
            params.push(match param {
                Some(param) => self.template(param, round)?,
                None => Content::Null,
            });
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
        let name = source_name(call, round);
        match (call.kind.as_str(), address.as_deref()) {
            ("opt", Some(option)) => Ok(self.option(option)),
            ("env", Some(variable)) if !variable.is_empty() => self.environment(variable),
            ("self", None | Some("")) => self.walk(&[], &mut Reached::default()),
            ("self", Some(path)) => self.walk(&path.split('.').collect::<Vec<_>>(), &mut Reached::default()),
            ("sls", Some("stage")) => self.effective_stage().map(Content::text),
            ("param", Some(parameter)) if !parameter.is_empty() => self.parameter(parameter),
            ("strToBool", _) => to_bool(&name, params.first()),
            ("file", address) => self.file(&name, params.first(), address, round),
            ("git", Some(what @ ("branch" | "commit"))) => self.head(&name, what),
            (kind, _) => Err(unreadable(kind, &name, round)),
        }
    }
}

/// Where a path led.
#[derive(Default)]
pub(super) struct Reached {
    /// The included file, if it led to one.
    file: Option<PathBuf>,
    place: Option<Place>,
}

/// The value under a key, as JavaScript finds it; nothing if there is none.
pub(super) fn child(content: &Content, key: &str) -> Result<Option<Node>, Reason> {
    let found = match content {
        Content::Map(map) => map.get(key).cloned(),
        Content::List(items) => index(key).and_then(|index| items.get(index).cloned()),
        Content::Intrinsic => return Err(format!("{} has no parts that are known here", content.kind())),
        _ => None,
    };
    let of_javascript = match content {
        Content::Text(_) => key == "length" || index(key).is_some(),
        Content::List(_) => key == "length",
        _ => false,
    };
    let has_object = !matches!(content, Content::Null);
    if found.is_none() && (of_javascript || (has_object && INHERITED.contains(&key))) {
        return Err(format!("{} is no part of the configuration, but of {}", shown(key), content.kind()));
    }
    Ok(found)
}

/// A value as a name, or nothing if there is none.
pub(super) fn name_of(content: &Content) -> Result<Option<String>, Reason> {
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
