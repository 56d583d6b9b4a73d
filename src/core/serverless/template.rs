//! A text with variables `${…}`, taken apart. Nothing here implements `Debug`: a literal may be a secret.

use super::reader::Reader;

/// A text with variables: its parts in order.
pub(super) struct Template {
    parts: Vec<Part>,
    escaped: bool,
}

/// A part of a text.
pub(super) enum Part {
    /// Text that stays as it is, escapes taken away.
    Text(String),
    /// A variable to be replaced.
    Variable(Variable),
}

/// One `${…}`: its sources in the order in which they are asked.
pub(super) struct Variable {
    pub(super) sources: Vec<Source>,
}

/// Where a variable can take its value from.
pub(super) enum Source {
    /// `kind(params):address`.
    Call(Call),
    /// A value written out; only as the last source.
    Literal(Literal),
    /// A variable in the place of a source: v4 takes it, the parser of v3 and osls refuses the file.
    Nested(Variable),
}

/// `kind(params):address`, and how that is written.
pub(super) struct Call {
    pub(super) kind: String,
    /// One that is left empty is `None`.
    pub(super) params: Vec<Option<Template>>,
    pub(super) address: Option<Template>,
    pub(super) written: String,
}

/// A value written out as a fallback.
pub(super) enum Literal {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
}

/// A text that the framework refuses: a variable that is not closed, or not written as one.
pub(super) struct Malformed(pub(super) &'static str);

impl Template {
    /// A text without variables.
    pub(super) fn literal(text: String) -> Self {
        Self { parts: vec![Part::Text(text)], escaped: false }
    }

    /// Reads a text. One that ends inside a variable is malformed; `${Foo}` and `${AWS::Region}` are no
    /// variables of the framework and stay as text, closed or not.
    pub(super) fn parse(text: &str) -> Result<Self, Malformed> {
        Reader::new(text).template()
    }

    /// The parts.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Whether backslashes were taken away before a `${`.
    pub(super) fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// The variable, if the text is nothing else: then it keeps its type.
    pub(super) fn whole(&self) -> Option<&Variable> {
        match &self.parts[..] {
            [Part::Variable(variable)] => Some(variable),
            _ => None,
        }
    }

    /// The variable, if the text is nothing else.
    pub(super) fn into_whole(mut self) -> Option<Variable> {
        match (self.parts.pop(), self.parts.is_empty()) {
            (Some(Part::Variable(variable)), true) => Some(variable),
            _ => None,
        }
    }
}

/// The parts of a text while it is read: text is collected, empty text is left out.
#[derive(Default)]
pub(super) struct Parts {
    finished: Vec<Part>,
    /// The text after the last variable.
    pub(super) text: String,
    /// Whether backslashes were taken away before a `${`.
    pub(super) escaped: bool,
}

impl Parts {
    /// Adds a variable.
    pub(super) fn variable(&mut self, variable: Variable) {
        self.flush();
        self.finished.push(Part::Variable(variable));
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            self.finished.push(Part::Text(std::mem::take(&mut self.text)));
        }
    }

    /// The text.
    pub(super) fn finish(mut self) -> Template {
        self.flush();
        Template { parts: self.finished, escaped: self.escaped }
    }

    /// The text, without the white space after the last part.
    pub(super) fn finish_trimmed(mut self) -> Template {
        self.text.truncate(self.text.trim_end().len());
        self.finish()
    }
}
