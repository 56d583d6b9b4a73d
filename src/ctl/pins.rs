//! `brokerctl use`: pins a stage, takes it back, and shows what is pinned.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::commands::{directory, unexpected};
use super::failure::Failure;
use super::picker::pick;
use super::status::brief;
use super::{client, explanation, paint};
use crate::core::moment::Timestamp;
use crate::core::name::Stage;
use crate::core::protocol::{PinStatus, Reply, Request};

/// Pins a stage for what is started from now on; without one the person picks it.
pub(super) fn pin(stage: Option<Stage>, length: Option<Duration>, everywhere: bool) -> Result<(), Failure> {
    let path = directory(Path::new("."))?;
    let stage = stage.map_or_else(|| picked(&path), Ok)?;
    let seconds = length.map(|length| length.as_secs());
    let Reply::Pinned(pinned) = client::ask(&Request::Pin { path, stage, seconds, everywhere })? else {
        return Err(unexpected());
    };
    let pin = &pinned.pin;
    writeln!(
        anstream::stdout(),
        "{} {}.{} {} for {}, until {}",
        paint::good("pinned"),
        pin.app,
        paint::strong(pin.stage.as_str()),
        place(pin),
        brief(pin.until.remaining(pinned.now)),
        pin.until
    )?;
    explanation::print_verdict(&pinned.decision.verdict)?;
    print_notes(&pinned.notes)?;
    writeln!(anstream::stdout(), "what runs already keeps the stage that it has")?;
    Ok(())
}

/// The stage that the person picks.
fn picked(path: &Path) -> Result<Stage, Failure> {
    let Reply::Stages(choices) = client::ask(&Request::Stages { path: path.to_owned() })? else {
        return Err(unexpected());
    };
    pick(&choices)
}

/// Takes the pin of this terminal back, and with `everywhere` the project's.
pub(super) fn unpin(everywhere: bool) -> Result<(), Failure> {
    let request = Request::Unpin { path: directory(Path::new("."))?, everywhere };
    let Reply::Unpinned(unpinned) = client::ask(&request)? else { return Err(unexpected()) };
    let mut out = anstream::stdout().lock();
    for pin in &unpinned.pins {
        writeln!(out, "{} {}.{} {}", paint::good("cleared"), pin.app, pin.stage, place(pin))?;
    }
    if unpinned.pins.is_empty() {
        let reach = if everywhere { ", here or everywhere" } else { " in this terminal" };
        writeln!(out, "nothing was pinned for {}{reach}", unpinned.app)?;
    }
    drop(out);
    explanation::print_verdict(&unpinned.decision.verdict)?;
    print_notes(&unpinned.notes)
}

/// Prints the pins that count, a line each.
pub(super) fn print(out: &mut impl Write, pins: &[PinStatus], now: Timestamp) -> Result<(), Failure> {
    for pin in pins {
        let left = brief(pin.until.remaining(now));
        writeln!(out, "{} {}.{} {}, {left} left", paint::note("pinned:"), pin.app, pin.stage, place(pin))?;
    }
    Ok(())
}

fn print_notes(notes: &[String]) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    for note in notes {
        writeln!(out, "{} {note}", paint::note("note:"))?;
    }
    Ok(())
}

/// Where a pin counts, in words.
fn place(pin: &PinStatus) -> String {
    match (&pin.config, pin.session, &pin.terminal) {
        (Some(config), ..) => {
            let project = config.parent().unwrap_or(config);
            format!("everywhere in {}", project.display())
        }
        _ if pin.this_terminal => "in this terminal".to_owned(),
        (None, Some(leader), Some(name)) => format!("in terminal {name} (pid {leader})"),
        (None, Some(leader), None) => format!("in the terminal of pid {leader}"),
        (None, None, _) => "in a terminal".to_owned(),
    }
}
