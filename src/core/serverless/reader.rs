//! The reader of `${…}` (Serverless Framework, Variables). It accepts and refuses what the framework's own
//! parser does, a few oddities included, since a text read in another way would be another stage.

use super::number;
use super::template::{Call, Literal, Malformed, Parts, Source, Template, Variable};

/// The most variables inside each other in one text.
const MAX_NESTING: usize = 10;

/// What follows a source.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Comma,
    Brace,
}

/// What `${` turned out to begin.
enum Opened {
    Variable(Variable),
    /// Text, and still open: its `}` is to come.
    Foreign,
    /// Text, and closed already, or the text is at its end.
    Text,
}

/// Every character with a meaning is ASCII, so bytes are looked at, and slices end beside such characters.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    nesting: usize,
}

const UNCLOSED: Malformed = Malformed("a variable is not closed");
const NO_SOURCE: Malformed = Malformed("a variable has a source that is not written as one");
const NO_ADDRESS: Malformed = Malformed("a variable has an address that is not written as one");
const NO_PARAMETER: Malformed = Malformed("a variable has a parameter that is not written as one");

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, nesting: 0 }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.at += usize::from(byte.is_some());
        byte
    }

    /// Goes on while `accept` says so, and gives what was passed.
    fn pass(&mut self, accept: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(&accept) {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Passes one whole character, if there is one.
    fn pass_char(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.chars().next().map_or(0, char::len_utf8);
        self.at += length;
        &rest[..length]
    }

    fn skip_blanks(&mut self) {
        self.pass(|byte| byte == b' ');
    }

    /// The whole text.
    pub(super) fn template(mut self) -> Result<Template, Malformed> {
        let mut parts = Parts::default();
        let mut foreign = 0_usize;
        loop {
            let in_foreign = foreign > 0;
            parts.text.push_str(self.pass(|byte| match byte {
                b'$' => false,
                b'\\' => in_foreign,
                b'}' => !in_foreign,
                _ => true,
            }));
            match self.peek() {
                None => return Ok(parts.finish()),
                Some(b'\\') => self.backslashes(&mut parts),
                Some(b'$') => foreign += usize::from(self.dollar(&mut parts, false)?),
                Some(_) => {
                    parts.text.push_str(self.pass_char());
                    foreign = foreign.saturating_sub(1);
                }
            }
        }
    }

    /// Backslashes count only before `${`: then each pair is one, and an odd one makes the `${` text.
    fn backslashes(&mut self, parts: &mut Parts) {
        let slashes = self.pass(|byte| byte == b'\\');
        let rest = self.text.get(self.at..).unwrap_or_default();
        let escaped = slashes.len() % 2 == 1;
        if rest.starts_with("${") {
            parts.escaped = true;
            parts.text.push_str(&slashes[..slashes.len() / 2]);
            if escaped {
                parts.text.push_str("${");
                self.at += 2;
            }
        } else {
            parts.text.push_str(slashes);
            if escaped && rest.starts_with('$') {
                parts.text.push('$');
                self.at += 1;
            }
        }
    }

    /// At a `$`: a variable, or text. True if a foreign `${` was opened, whose `}` is text as well.
    ///
    /// Of several `$` before a `{` the variable begins with the first, and after `$` without `{` the next
    /// character never has a meaning; both are the framework's way.
    fn dollar(&mut self, parts: &mut Parts, inside: bool) -> Result<bool, Malformed> {
        let start = self.at;
        self.pass(|byte| byte == b'$');
        let mut foreign = false;
        if self.peek() == Some(b'{') {
            self.at += 1;
            match self.opened(inside)? {
                Opened::Variable(variable) => {
                    parts.variable(variable);
                    return Ok(false);
                }
                Opened::Foreign => foreign = true,
                Opened::Text => {}
            }
        } else {
            self.pass_char();
        }
        parts.text.push_str(self.text.get(start..self.at).unwrap_or_default());
        Ok(foreign)
    }

    /// After `${`. Inside another variable (`inside`) it has to be a variable; elsewhere it may be foreign.
    fn opened(&mut self, inside: bool) -> Result<Opened, Malformed> {
        let start = self.at;
        let is_type = self.peek().is_some_and(|byte| byte.is_ascii_lowercase());
        let kind = if is_type { self.pass(is_word) } else { "" };
        match self.peek() {
            Some(b':' | b'(') if is_type => match self.variable(start, kind, inside)? {
                Some(variable) => Ok(Opened::Variable(variable)),
                None => Ok(Opened::Foreign),
            },
            _ if inside => Err(Malformed("a variable inside another has no source")),
            None => Ok(Opened::Text),
            Some(b'}') => {
                self.at += 1;
                Ok(Opened::Text)
            }
            // Its character is not passed: it may be the `$` of a variable.
            Some(b'$') => Ok(Opened::Foreign),
            Some(_) => {
                self.pass_char();
                Ok(Opened::Foreign)
            }
        }
    }

    /// At the `:` or `(` after the kind of the first source; nothing if `${kind::` makes it foreign after all.
    fn variable(&mut self, start: usize, kind: &str, inside: bool) -> Result<Option<Variable>, Malformed> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(Malformed("too many variables stand inside each other"));
        }
        let mut sources = Vec::new();
        if !inside && self.is_doubled_colon() {
            self.nesting -= 1;
            return Ok(None);
        }
        let (call, mut end) = self.call(start, kind)?;
        sources.push(Source::Call(call));
        while end == End::Comma {
            let (source, next) = self.fallback()?;
            sources.push(source);
            end = next;
        }
        self.nesting -= 1;
        Ok(Some(Variable { sources }))
    }

    /// Passes `::`, with blanks between or without, if it is there.
    fn is_doubled_colon(&mut self) -> bool {
        let Some(rest) = self.text.get(self.at..).and_then(|rest| rest.strip_prefix(':')) else {
            return false;
        };
        let trimmed = rest.trim_start_matches(' ');
        let doubled = trimmed.starts_with(':');
        if doubled {
            self.at = self.text.len() - trimmed.len() + 1;
        }
        doubled
    }

    /// At the `:` or `(` of a source that began at `start`.
    fn call(&mut self, start: usize, kind: &str) -> Result<(Call, End), Malformed> {
        let mut params = Vec::new();
        let has_address = if self.next() == Some(b'(') {
            self.params(&mut params)?;
            self.skip_blanks();
            let colon = self.peek() == Some(b':');
            self.at += usize::from(colon);
            colon
        } else {
            true
        };
        let address = if has_address { self.address()? } else { None };
        let written = self.text.get(start..self.at).unwrap_or_default().trim_end().to_owned();
        let end = self.end(NO_ADDRESS)?;
        Ok((Call { kind: kind.to_owned(), params, address, written }, end))
    }

    /// The parameters up to `)`.
    fn params(&mut self, params: &mut Vec<Option<Template>>) -> Result<(), Malformed> {
        loop {
            self.skip_blanks();
            match self.peek() {
                None => return Err(UNCLOSED),
                Some(b'}') => return Err(NO_PARAMETER),
                Some(b')') => {}
                Some(b',') => params.push(None),
                Some(b'"' | b'\'') => {
                    params.push(Some(Template::literal(self.string()?)));
                    self.skip_blanks();
                }
                Some(_) => params.push(Some(self.nested_text(|byte| matches!(byte, b',' | b')' | b'}'))?)),
            }
            match self.next() {
                None => return Err(UNCLOSED),
                Some(b')') => return Ok(()),
                Some(b',') => {}
                Some(_) => return Err(NO_PARAMETER),
            }
        }
    }

    /// The address after `:`, up to the `,` or `}` that ends it.
    fn address(&mut self) -> Result<Option<Template>, Malformed> {
        self.skip_blanks();
        match self.peek() {
            None => Err(UNCLOSED),
            Some(b',' | b'}') => Ok(None),
            Some(b':') => Err(NO_ADDRESS),
            Some(b'"' | b'\'') => {
                let text = self.string()?;
                self.skip_blanks();
                Ok(Some(Template::literal(text)))
            }
            Some(_) => {
                let address = self.nested_text(|byte| matches!(byte, b',' | b'}'))?;
                Ok((!address.parts().is_empty()).then_some(address))
            }
        }
    }

    /// Text with variables inside a variable, up to a character that ends it.
    fn nested_text(&mut self, ends: impl Fn(u8) -> bool) -> Result<Template, Malformed> {
        let mut parts = Parts::default();
        loop {
            parts.text.push_str(self.pass(|byte| byte != b'$' && !ends(byte)));
            match self.peek() {
                None => return Err(UNCLOSED),
                Some(b'$') => self.dollar(&mut parts, true)?,
                Some(_) => return Ok(parts.finish_trimmed()),
            };
        }
    }

    /// A source after a comma.
    fn fallback(&mut self) -> Result<(Source, End), Malformed> {
        self.skip_blanks();
        let start = self.at;
        match self.peek() {
            None => Err(UNCLOSED),
            Some(b'"' | b'\'') => {
                let literal = Literal::Text(self.string()?);
                self.last(literal)
            }
            Some(b'$') => {
                let mut parts = Parts::default();
                self.dollar(&mut parts, true)?;
                self.skip_blanks();
                let variable = parts.finish().into_whole().ok_or(NO_SOURCE)?;
                Ok((Source::Nested(variable), self.end(NO_SOURCE)?))
            }
            Some(_) => {
                let word = self.pass(|byte| is_word(byte) || byte == b' ');
                match self.peek() {
                    Some(b':' | b'(') if is_kind(word) => {
                        let (call, end) = self.call(start, word)?;
                        Ok((Source::Call(call), end))
                    }
                    _ => {
                        let literal = literal(word.trim_end()).ok_or(NO_SOURCE)?;
                        self.last(literal)
                    }
                }
            }
        }
    }

    /// A literal has to be the last source.
    fn last(&mut self, literal: Literal) -> Result<(Source, End), Malformed> {
        self.skip_blanks();
        match self.end(NO_SOURCE)? {
            End::Brace => Ok((Source::Literal(literal), End::Brace)),
            End::Comma => Err(NO_SOURCE),
        }
    }

    fn end(&mut self, otherwise: Malformed) -> Result<End, Malformed> {
        match self.next() {
            Some(b',') => Ok(End::Comma),
            Some(b'}') => Ok(End::Brace),
            Some(_) => Err(otherwise),
            None => Err(UNCLOSED),
        }
    }

    /// A quoted string: in single quotes as it stands, in double quotes with the escapes of JSON.
    fn string(&mut self) -> Result<String, Malformed> {
        let start = self.at;
        let quote = self.next();
        loop {
            match self.next() {
                None => return Err(UNCLOSED),
                Some(b'\\') if quote == Some(b'"') => {
                    self.pass_char();
                }
                byte if byte == quote => break,
                Some(_) => {}
            }
        }
        let written = self.text.get(start..self.at).unwrap_or_default();
        if quote == Some(b'\'') {
            return Ok(written.trim_matches('\'').to_owned());
        }
        serde_json::from_str(written)
            .map_err(|_| Malformed("a variable has a text in double quotes that is not JSON"))
    }
}

/// A character of the word that may be a kind or a literal.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-'
}

/// Whether a word can be the kind of a source: `[a-z][a-zA-Z0-9]*`.
fn is_kind(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase()) && word.chars().all(|c| c.is_ascii_alphanumeric())
}

fn literal(word: &str) -> Option<Literal> {
    match word {
        "true" => Some(Literal::Bool(true)),
        "false" => Some(Literal::Bool(false)),
        "null" => Some(Literal::Null),
        number => number::of_literal(number).map(Literal::Number),
    }
}
