//! `brokerctl status --watch`: the state again and again, in place.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use rustix::termios::tcgetwinsize;

use super::commands::unexpected;
use super::failure::{Failure, Kind};
use super::terminal::Keys;
use super::{client, paint, status as show, terminal};
use crate::core::duration::{format_duration, parse_duration};
use crate::core::protocol::{Reply, Request, Status};
use crate::edges::surroundings::shadows_of;

/// How often, where nobody says it.
pub(super) const USUAL: &str = "2s";
/// A daemon that takes longer is said to be silent; keys wait so long at most.
const PATIENCE: Duration = Duration::from_secs(3);
/// What ends it: `q`, Ctrl-C, Ctrl-D.
const ENDS: [u8; 4] = [b'q', b'Q', 3, 4];

/// Reads how often to look: every second at most.
pub(super) fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text).map_err(|error| error.to_string())?;
    if interval.is_zero() { Err("at least 1s".to_owned()) } else { Ok(interval) }
}

/// Shows it until a key ends it. A daemon that ends, or another that starts, is shown and does not end it.
pub(super) fn watch(interval: Duration) -> Result<(), Failure> {
    let is_dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
    if is_dumb || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let what = if is_dumb { "this terminal cannot be drawn on again" } else { "there is no terminal" };
        let hint = Some("brokerctl status, and for programs brokerctl status --json".to_owned());
        return Err(Failure { kind: Kind::Usage, message: format!("--watch: {what}"), hint });
    }
    let _keys = Keys::take_at_intervals()?;
    let mut screen = Screen::begin(interval)?;
    let mut known = None;
    loop {
        let text = frame(&mut known)?;
        let asked = Instant::now();
        screen.draw(&text)?;
        while asked.elapsed() < interval {
            match terminal::key()? {
                Some(key) if ENDS.contains(&key) => return Ok(()),
                // Any other key looks again at once.
                Some(_) => break,
                None if screen.was_resized()? => screen.draw(&text)?,
                None => {}
            }
        }
    }
}

/// What is shown now. `known` is the process of the daemon that was shown last.
fn frame(known: &mut Option<u32>) -> Result<String, Failure> {
    let mut text = Vec::new();
    match client::ask_briefly(&Request::Status, PATIENCE) {
        Ok(Reply::Status(status)) => {
            if known.is_some_and(|known| known != status.pid) {
                writeln!(text, "{} brokerd has started again", paint::note("note:"))?;
            }
            known.get_or_insert(status.pid);
            write_status(&mut text, &status)?;
        }
        Ok(_) => return Err(unexpected()),
        Err(failure) => {
            let Failure { message, hint, .. } = failure;
            writeln!(text, "{} {message}", paint::bad("no answer:"))?;
            if let Some(hint) = hint {
                writeln!(text, "{} {hint}", paint::note("hint:"))?;
            }
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn write_status(text: &mut Vec<u8>, status: &Status) -> Result<(), Failure> {
    show::print(text, status, &shadows_of(&status.endpoints))
}

/// The terminal while it is drawn on.
struct Screen {
    interval: Duration,
    size: (usize, usize),
    is_coloured: bool,
}

impl Screen {
    /// Takes the whole of it; what it showed is scrolled up, not lost.
    fn begin(interval: Duration) -> io::Result<Self> {
        let is_coloured = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
        let screen = Self { interval, size: size()?, is_coloured };
        io::stdout().write_all("\n".repeat(screen.size.0.saturating_sub(1)).as_bytes())?;
        Ok(screen)
    }

    fn was_resized(&mut self) -> io::Result<bool> {
        let before = std::mem::replace(&mut self.size, size()?);
        Ok(self.size != before)
    }

    /// Draws over what is there, in one piece and without clearing it first, so that nothing flickers.
    fn draw(&self, text: &str) -> io::Result<()> {
        let (rows, columns) = self.size;
        let plain;
        let text = if self.is_coloured {
            text
        } else {
            plain = anstream::adapter::strip_str(text).to_string();
            &plain
        };
        let mut drawn = "\x1b[?25l\x1b[H".to_owned();
        for line in shown(text, rows.saturating_sub(1)) {
            drawn += &fitted(&line, columns);
            drawn += "\x1b[K\n";
        }
        let foot = format!("every {}; q ends", format_duration(self.interval));
        let foot = if self.is_coloured { paint::faint(&foot) } else { foot };
        drawn += &fitted(&foot, columns);
        drawn += "\x1b[K\x1b[J";
        let mut out = io::stdout().lock();
        out.write_all(drawn.as_bytes())?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = io::stdout().write_all(b"\n\x1b[?25h");
    }
}

fn size() -> io::Result<(usize, usize)> {
    let size = tcgetwinsize(io::stdout())?;
    let or = |given: u16, usual| if given == 0 { usual } else { usize::from(given) };
    Ok((or(size.ws_row, 24), or(size.ws_col, 80)))
}

/// The lines that fit; the last one says how many do not.
fn shown(text: &str, rows: usize) -> Vec<String> {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    match lines.len().checked_sub(rows) {
        None | Some(0) => lines,
        Some(more) if rows > 0 => {
            let last = format!("and {} more lines: brokerctl status", more + 1);
            lines.into_iter().take(rows - 1).chain([last]).collect()
        }
        Some(_) => Vec::new(),
    }
}

/// As much of a line as fits beside each other: what is longer would wrap and push the rest down.
fn fitted(line: &str, columns: usize) -> String {
    let (mut fitted, mut width, mut is_code) = (String::new(), 0, false);
    for c in line.chars() {
        if is_code {
            is_code = !c.is_ascii_alphabetic();
        } else if c == '\x1b' {
            is_code = true;
        } else {
            // Wide for certain is only what is wide; what may be is taken to be.
            width += if c < '\u{1100}' { 1 } else { 2 };
            if width > columns {
                fitted += "\x1b[0m";
                break;
            }
        }
        fitted.push(c);
    }
    fitted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_where_the_terminal_ends_and_its_colour_with_it() {
        for (line, columns, expected) in [
            ("abcdef", 10, "abcdef"),
            ("abcdef", 6, "abcdef"),
            ("abcdef", 3, "abc\x1b[0m"),
            ("\x1b[31mabcdef\x1b[0m", 6, "\x1b[31mabcdef\x1b[0m"),
            ("\x1b[31mabcdef\x1b[0m", 2, "\x1b[31mab\x1b[0m"),
            ("日本語", 4, "日本\x1b[0m"),
        ] {
            assert_eq!(fitted(line, columns), expected, "{line:?} in {columns}");
        }
    }

    #[test]
    fn what_does_not_fit_below_each_other_is_counted() {
        assert_eq!(shown("a\nb\nc", 3), ["a", "b", "c"]);
        assert_eq!(shown("a\nb\nc\nd", 3), ["a", "b", "and 2 more lines: brokerctl status"]);
        assert_eq!(shown("a\nb", 1), ["and 2 more lines: brokerctl status"]);
        assert!(shown("a", 0).is_empty());
    }

    #[test]
    fn it_looks_every_second_at_most() {
        assert_eq!(parse_interval("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_interval("0s"), Err("at least 1s".to_owned()));
        assert!(parse_interval("5").unwrap_err().contains("needs a unit"));
    }
}
