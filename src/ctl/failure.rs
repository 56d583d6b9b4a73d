//! How a command fails: words, a hint, an exit code.

use std::io::ErrorKind;
use std::process::ExitCode;

use super::paint;

/// What kind of failure it is: it decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Refused or failed.
    Refused,
    /// Something that must be said was not.
    Usage,
    /// The daemon is not running.
    NotRunning,
    /// A login, an MFA code or an approval is needed.
    NeedsPerson,
    /// The command that was to be run cannot be.
    NotRunnable,
    /// There is no such command to run.
    NoCommand,
    /// Whoever read our output has gone: no failure of ours.
    Unheard,
}

/// A failure of a command.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Failure {
    pub(super) fn refused(message: impl Into<String>) -> Self {
        Self { kind: Kind::Refused, message: message.into(), hint: None }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says it on standard error, and gives the exit code.
    pub(super) fn tell(self) -> ExitCode {
        let code = match self.kind {
            Kind::Unheard => return ExitCode::SUCCESS,
            Kind::Refused => 1,
            Kind::Usage => 2,
            Kind::NotRunning => 3,
            Kind::NeedsPerson => 4,
            Kind::NotRunnable => 126,
            Kind::NoCommand => 127,
        };
        anstream::eprintln!("{} {}", paint::bad("error:"), self.message);
        if let Some(hint) = self.hint {
            anstream::eprintln!("{} {hint}", paint::note("hint:"));
        }
        ExitCode::from(code)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let kind = if error.kind() == ErrorKind::BrokenPipe { Kind::Unheard } else { Kind::Refused };
        Self { kind, message: error.to_string(), hint: None }
    }
}
