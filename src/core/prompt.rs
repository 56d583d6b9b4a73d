//! The text of a shell's prompt: a format with placeholders, filled in and coloured for the shell that shows it.

use std::fmt::Write as _;
use std::time::Duration;

use super::duration::format_duration;
use super::name::{App, ProfileName, Stage};
use super::nearest::did_you_mean;
use super::protocol::{PromptFlag, PromptState};

/// The format of whoever names none.
pub const DEFAULT: &str = "{app}{.stage}{protected}{ profile}{ remaining}{ [flags]}";
/// A session that ends sooner than this is shown as something to look at.
const SOON: Duration = Duration::from_mins(5);

/// What a placeholder stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    App,
    Stage,
    Protected,
    Profile,
    Account,
    Remaining,
    Flags,
}

const FIELDS: [(&str, Field); 7] = [
    ("app", Field::App),
    ("stage", Field::Stage),
    ("protected", Field::Protected),
    ("profile", Field::Profile),
    ("account", Field::Account),
    ("remaining", Field::Remaining),
    ("flags", Field::Flags),
];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// A value, with what stands before and after it where there is one.
    Value {
        before: String,
        field: Field,
        after: String,
    },
}

/// A format: text and placeholders such as `{app}`. What stands beside the name in the braces, such as the brackets of
/// `{ [flags]}`, is shown only with a value; `{{` and `}}` are braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format(Vec<Piece>);

/// Why a text is no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A brace without its other one.
    #[error("column {column}: a {brace} without its other one; {{{{ and }}}} stand for braces themselves")]
    Brace {
        /// Where, from 1.
        column: usize,
        /// Which.
        brace: char,
    },
    /// Braces without a name that is known.
    #[error("column {column}: there is no {{{name}}}; {hint}")]
    Unknown {
        /// Where the braces begin, from 1.
        column: usize,
        /// The name.
        name: String,
        /// The nearest name, or all of them.
        hint: String,
    },
    /// A control character, which would move the cursor without the shell's knowing.
    #[error("column {column}: a control character; colours are brokerctl's, by --shell")]
    Control {
        /// Where, from 1.
        column: usize,
    },
}

impl Format {
    /// Reads a format.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut characters = text.chars().enumerate().map(|(at, c)| (at + 1, c)).peekable();
        while let Some((column, c)) = characters.next() {
            match c {
                c if c.is_control() => return Err(FormatError::Control { column }),
                '{' | '}' if characters.next_if(|(_, next)| *next == c).is_some() => plain.push(c),
                '}' => return Err(FormatError::Brace { column, brace: '}' }),
                '{' => {
                    let mut inner = String::new();
                    loop {
                        match characters.next() {
                            Some((_, '}')) => break,
                            Some((column, c)) if c.is_control() => {
                                return Err(FormatError::Control { column });
                            }
                            None | Some((_, '{')) => return Err(FormatError::Brace { column, brace: '{' }),
                            Some((_, c)) => inner.push(c),
                        }
                    }
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(value(&inner, column)?);
                }
                other => plain.push(other),
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }

    /// The prompt, without a newline.
    pub fn show(&self, state: &PromptState, palette: Palette) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => palette.plain(&mut out, text),
                Piece::Value { before, field, after } => {
                    let value = field.value(state);
                    if !value.is_empty() {
                        // Nothing stands before the first value but what the format says without one.
                        let before = if out.is_empty() { before.trim_start() } else { before };
                        palette.plain(&mut out, before);
                        palette.painted(&mut out, &value, field.colour(state));
                        palette.plain(&mut out, after);
                    }
                }
            }
        }
        out
    }
}

/// What is in the braces: a name of small letters, and around it what is none.
fn value(inner: &str, column: usize) -> Result<Piece, FormatError> {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    let begin = inner.find(is_letter).unwrap_or(inner.len());
    let end =
        inner.rfind(is_letter).map_or(begin, |at| at + inner[at..].chars().next().map_or(0, char::len_utf8));
    let name = &inner[begin..end];
    let (_, field) = FIELDS.iter().find(|(known, _)| *known == name).ok_or_else(|| {
        let names = FIELDS.iter().map(|(known, _)| *known);
        let all = || names.clone().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(" ");
        let hint = did_you_mean(name, names.clone()).unwrap_or_else(|| format!("there are {}", all()));
        FormatError::Unknown { column, name: name.to_owned(), hint }
    })?;
    let (before, after) = (inner[..begin].to_owned(), inner[end..].to_owned());
    Ok(Piece::Value { before, field: *field, after })
}

impl Field {
    /// Empty where there is none.
    fn value(self, state: &PromptState) -> String {
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        let has = |flag| state.flags.contains(&flag);
        match self {
            Self::App => text(state.app.as_ref().map(App::as_str)),
            Self::Stage => text(state.stage.as_ref().map(Stage::as_str)),
            Self::Profile => text(state.profile.as_ref().map(ProfileName::as_str)),
            Self::Account => text(state.account.as_deref()),
            Self::Protected => text(has(PromptFlag::Protected).then_some("!")),
            Self::Remaining => state.expires.map(|_| brief(left(state))).unwrap_or_default(),
            Self::Flags => {
                let words: Vec<&str> = state.flags.iter().filter_map(|flag| word(*flag)).collect();
                words.join(", ")
            }
        }
    }

    fn colour(self, state: &PromptState) -> Colour {
        let has = |flags: &[PromptFlag]| flags.iter().any(|flag| state.flags.contains(flag));
        let shut = [PromptFlag::Locked, PromptFlag::NotAllowed, PromptFlag::Refused];
        match self {
            Self::Stage | Self::Protected if has(&[PromptFlag::Protected]) => Colour::Alarm,
            Self::Stage | Self::Flags if has(&shut) => Colour::Red,
            Self::Stage if has(&[PromptFlag::Default]) => Colour::Yellow,
            Self::Stage => Colour::Green,
            Self::Flags => Colour::Yellow,
            Self::Remaining if left(state) < SOON => Colour::Yellow,
            Self::Remaining | Self::Profile | Self::Account => Colour::Faint,
            Self::App | Self::Protected => Colour::None,
        }
    }
}

fn left(state: &PromptState) -> Duration {
    state.expires.map(|end| end.remaining(state.now)).unwrap_or_default()
}

/// Minutes, and below one seconds: a prompt stands there for a while.
fn brief(left: Duration) -> String {
    let seconds = left.as_secs();
    format_duration(Duration::from_secs(if seconds < 60 { seconds } else { seconds - seconds % 60 }))
}

/// What is said of a flag; that a profile is protected is said beside the stage.
fn word(flag: PromptFlag) -> Option<&'static str> {
    Some(match flag {
        PromptFlag::Locked => "locked",
        PromptFlag::NotAllowed => "not allowed",
        PromptFlag::Refused => "refused",
        PromptFlag::Approval => "approval needed",
        PromptFlag::Login => "login needed",
        PromptFlag::Mfa => "MFA code needed",
        PromptFlag::Failing => "STS failing",
        PromptFlag::Default => "default profile",
        PromptFlag::Pinned => "pinned",
        PromptFlag::Protected | PromptFlag::Unknown => return None,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colour {
    None,
    Faint,
    Green,
    Yellow,
    Red,
    /// White on red: what must not be overlooked.
    Alarm,
}

impl Colour {
    fn code(self) -> Option<&'static str> {
        Some(match self {
            Self::None => return None,
            Self::Faint => "\u{1b}[2m",
            Self::Green => "\u{1b}[32m",
            Self::Yellow => "\u{1b}[33m",
            Self::Red => "\u{1b}[31m",
            Self::Alarm => "\u{1b}[1;97;41m",
        })
    }
}

/// The shell that shows the prompt: it must know how wide its text is, so what only colours it stands between marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// A terminal, or fish, which knows colours when it sees them.
    None,
    /// bash, by the marks of readline: what bash writes as `\[` and `\]` it reads only in `PS1` itself, not in what a
    /// command puts there.
    Readline,
    /// zsh, where a per cent sign begins something.
    Zsh,
}

/// How a prompt is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    /// For whom.
    pub marks: Marks,
    /// Whether in colours.
    pub coloured: bool,
}

impl Palette {
    fn plain(self, out: &mut String, text: &str) {
        for c in text.chars() {
            match c {
                '%' if self.marks == Marks::Zsh => out.push_str("%%"),
                // No name and no format has any; a shell would take it for a command to its terminal.
                c if c.is_control() => {}
                c => out.push(c),
            }
        }
    }

    fn painted(self, out: &mut String, text: &str, colour: Colour) {
        const RESET: &str = "\u{1b}[0m";
        let Some(code) = colour.code().filter(|_| self.coloured) else { return self.plain(out, text) };
        let (begin, end) = match self.marks {
            Marks::None => ("", ""),
            Marks::Readline => ("\u{1}", "\u{2}"),
            Marks::Zsh => ("%{", "%}"),
        };
        // Writing into a String cannot fail.
        let _ = write!(out, "{begin}{code}{end}");
        self.plain(out, text);
        let _ = write!(out, "{begin}{RESET}{end}");
    }
}

#[cfg(test)]
mod tests;
