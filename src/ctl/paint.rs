//! Colours, which the streams drop where there is no terminal or `NO_COLOR` is set.

use anstyle::{AnsiColor, Style};

fn painted(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// What works.
pub(super) fn good(text: &str) -> String {
    painted(AnsiColor::Green.on_default(), text)
}

/// What does not.
pub(super) fn bad(text: &str) -> String {
    painted(AnsiColor::Red.on_default().bold(), text)
}

/// What should be read.
pub(super) fn note(text: &str) -> String {
    painted(AnsiColor::Yellow.on_default(), text)
}

/// What may be passed over.
pub(super) fn faint(text: &str) -> String {
    painted(Style::new().dimmed(), text)
}

/// A heading.
pub(super) fn strong(text: &str) -> String {
    painted(Style::new().bold(), text)
}
