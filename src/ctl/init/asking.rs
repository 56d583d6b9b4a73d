//! Plain questions, a line each: they work over ssh and in any terminal. Ctrl-C ends the program; what was written
//! until then is whole.

use std::io::{IsTerminal, Write};

use crate::ctl::failure::{Failure, Kind};
use crate::ctl::{paint, terminal};

/// So often an answer that is none is asked for again.
const PATIENCE: usize = 5;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    /// A person at the terminal.
    Person,
    /// Nobody: only what the options name is taken.
    Nobody,
    /// Nobody, and nothing is done.
    DryRun,
}

impl Asking {
    pub(super) fn new(yes: bool, dry_run: bool) -> Result<Self, Failure> {
        match (yes, dry_run) {
            (_, true) => Ok(Self::DryRun),
            (true, false) => Ok(Self::Nobody),
            (false, false) if std::io::stdin().is_terminal() => Ok(Self::Person),
            (false, false) => Err(Failure {
                kind: Kind::Usage,
                message: "there is no terminal to ask at".to_owned(),
                hint: Some("brokerctl init --yes, with --role APP.STAGE=ARN for each stage".to_owned()),
            }),
        }
    }

    /// Whether what is done is done without a person.
    pub(super) fn is_nobody(self) -> bool {
        matches!(self, Self::Nobody)
    }

    /// Whether to go on; a person's empty line is a yes.
    pub(super) fn confirm(self, question: &str) -> Result<bool, Failure> {
        match self {
            Self::Nobody => Ok(true),
            Self::DryRun => {
                writeln!(anstream::stdout(), "would ask: {question}")?;
                Ok(false)
            }
            Self::Person => {
                for _ in 0..PATIENCE {
                    match terminal::line(&format!("{question} [Y/n]"))?.to_ascii_lowercase().as_str() {
                        "" | "y" | "yes" => return Ok(true),
                        "n" | "no" => return Ok(false),
                        _ => anstream::eprintln!("y or n"),
                    }
                }
                Err(Failure::refused("no answer was given").with_hint("brokerctl init"))
            }
        }
    }

    /// One of the options by its number; an empty line is `default`. `None` where nobody is there to say.
    pub(super) fn choose(
        self,
        question: &str,
        options: &[String],
        default: usize,
    ) -> Result<Option<usize>, Failure> {
        if self != Self::Person {
            return Ok(None);
        }
        anstream::eprintln!("{question}");
        for (position, option) in options.iter().enumerate() {
            anstream::eprintln!("  {}) {option}", position + 1);
        }
        for _ in 0..PATIENCE {
            let answer = terminal::line(&format!("number [{}]", default + 1))?;
            let number = if answer.is_empty() { Some(default + 1) } else { answer.parse().ok() };
            match number.filter(|number| (1..=options.len()).contains(number)) {
                Some(number) => return Ok(Some(number - 1)),
                None => anstream::eprintln!("a number from 1 to {}", options.len()),
            }
        }
        Err(Failure::refused("no answer was given").with_hint("brokerctl init"))
    }

    /// A line that `parse` takes; `None` for an empty one, or where nobody is there.
    pub(super) fn line<T, E: std::fmt::Display>(
        self,
        question: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Failure> {
        if self != Self::Person {
            return Ok(None);
        }
        for _ in 0..PATIENCE {
            let answer = terminal::line(question)?;
            if answer.is_empty() {
                return Ok(None);
            }
            match parse(&answer) {
                Ok(value) => return Ok(Some(value)),
                Err(error) => anstream::eprintln!("{error}"),
            }
        }
        Err(Failure::refused("no answer was given").with_hint("brokerctl init"))
    }

    /// Why something was not done.
    pub(super) fn why_not(self) -> String {
        paint::note(if self == Self::DryRun { "dry run:" } else { "left out:" })
    }
}
