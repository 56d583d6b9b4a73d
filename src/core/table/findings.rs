//! What is wrong in one TOML file: the parser's complaints, then the readers'.

use std::ops::Range;
use std::path::Path;

use crate::core::fault::{Fault, Place};

/// The parser's words for a key or a table that stands there twice.
const REPEATED: &str = "duplicate key";

/// The faults of a file as they are found.
///
/// After a syntax error the parser guesses on. What it made of the rest of that table is not judged, nor
/// quoted: text that was meant as a value, perhaps a secret, may have become a key there.
pub(crate) struct Findings<'t> {
    file: &'t Path,
    text: &'t str,
    faults: Vec<Fault>,
    /// The tables with a syntax error, in bytes of the text, headers included.
    doubtful: Vec<Range<usize>>,
}

impl<'t> Findings<'t> {
    /// The findings of a text with the errors that the parser reported in it.
    pub(super) fn of_syntax(file: &'t Path, text: &'t str, errors: &[toml::de::Error]) -> Self {
        let mut findings = Self { file, text, faults: Vec::new(), doubtful: Vec::new() };
        let (repeated, mut broken): (Vec<_>, Vec<_>) =
            errors.iter().partition(|error| error.message() == REPEATED);
        broken.sort_by_key(|error| error.span().map(|span| span.start));
        findings.add_broken(&broken);
        for error in repeated {
            findings.add_repeated(error);
        }
        findings
    }

    /// Notes the syntax errors, the first of each line: the others on it are mostly its consequences.
    fn add_broken(&mut self, errors: &[&toml::de::Error]) {
        let headers: Vec<usize> = table_headers(self.text).collect();
        let mut last_line = None;
        for error in errors {
            let place = error.span().map(|span| Place::of_offset(self.text, span.start));
            self.doubtful.push(match error.span() {
                None => 0..usize::MAX,
                // An error at the very end of a table has the offset at which the next one begins.
                Some(span) => {
                    let before = span.start.saturating_sub(1);
                    let start = headers[..headers.partition_point(|header| *header <= before)].last();
                    let end = headers.get(headers.partition_point(|header| *header <= span.start));
                    start.copied().unwrap_or(0)..end.copied().unwrap_or(usize::MAX)
                }
            });
            let line = place.map(|place| place.line);
            if last_line != Some(line) {
                last_line = Some(line);
                self.push(
                    place,
                    format!("not valid TOML: {}", error.message()),
                    syntax_hint(error.message()),
                );
            }
        }
    }

    /// Notes a key or table that stands there twice. The parser keeps the first value, or both tables' keys,
    /// so the rest can be judged as usual.
    fn add_repeated(&mut self, error: &toml::de::Error) {
        let Some(span) = error.span() else {
            return;
        };
        let key = self.text.get(span.clone()).unwrap_or_default().trim_matches(['"', '\'']);
        let message = format!("the key {} is written twice in one table", quoted(key));
        self.add(span.start, message, Some("keep one of the two".to_owned()));
    }

    /// Notes that something at the byte offset `at` is wrong, and what to do about it.
    ///
    /// The message must not quote a value, except one that is a name.
    pub(crate) fn add(&mut self, at: usize, message: impl Into<String>, hint: Option<String>) {
        if !self.doubtful.iter().any(|table| table.contains(&at)) {
            self.push(Some(Place::of_offset(self.text, at)), message.into(), hint);
        }
    }

    /// Notes that something is not there. In a file with a syntax error nothing is noted, because what seems
    /// to be missing may stand on the broken line.
    pub(crate) fn add_missing(&mut self, at: usize, message: impl Into<String>, hint: Option<String>) {
        if self.doubtful.is_empty() {
            self.add(at, message, hint);
        }
    }

    fn push(&mut self, place: Option<Place>, message: String, hint: Option<String>) {
        let fault = Fault::new(self.file, place, printable(message)).with_hint(hint.map(printable));
        self.faults.push(fault);
    }

    /// Everything that was found, once: the parser reports some repeated tables both at their header and at
    /// their end.
    pub(super) fn into_faults(mut self) -> Vec<Fault> {
        self.faults.sort_by_key(|fault| fault.place);
        self.faults.dedup();
        self.faults
    }
}

/// The byte offsets of the lines that look like a `[header]`, which is enough to tell tables apart.
fn table_headers(text: &str) -> impl Iterator<Item = usize> {
    let mut at = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        let start = at;
        at += line.len();
        line.trim_start().starts_with('[').then_some(start)
    })
}

/// What to write instead, for the slips that people make most.
fn syntax_hint(message: &str) -> Option<String> {
    let hint = if message.starts_with("string values must be quoted") {
        "write the text in quotes, as in key = \"text\""
    } else if message.starts_with("invalid basic string") || message.starts_with("invalid literal string") {
        "a text ends, on the same line, with the quote it began with"
    } else {
        return None;
    };
    Some(hint.to_owned())
}

/// A key in backquotes, cut to a length that a message can bear.
pub(super) fn quoted(key: &str) -> String {
    format!("`{}`", key.chars().take(80).collect::<String>())
}

/// The text without control characters, which a shared file could use to rewrite a terminal.
fn printable(text: String) -> String {
    if text.chars().any(char::is_control) {
        text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
    } else {
        text
    }
}
