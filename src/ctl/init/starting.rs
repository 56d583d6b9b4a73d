//! Getting brokerd to run: as a service where that can be, else until logout.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::asking::Asking;
use crate::core::protocol::Request;
use crate::ctl::failure::{Failure, Kind};
use crate::ctl::{client, paint};
use crate::edges::search_path;

/// It starts in milliseconds.
const START: Duration = Duration::from_secs(20);

/// Whether it runs afterwards.
pub(super) fn start(asking: Asking, left_out: bool) -> Result<bool, Failure> {
    let mut out = anstream::stdout();
    let runs = runs()?;
    if left_out {
        writeln!(out, "{} by --no-service", paint::note("left out:"))?;
        return Ok(runs);
    }
    if install(asking, runs)? && self::runs()? {
        return Ok(true);
    }
    if runs {
        writeln!(out, "brokerd runs already")?;
        return Ok(true);
    }
    let Some(program) = search_path::beside("brokerd") else {
        writeln!(
            out,
            "{} there is no brokerd beside brokerctl: start yours, and come back",
            paint::note("note:")
        )?;
        return Ok(false);
    };
    let question = format!("Start {} now? It runs until you log out, or brokerctl stop", program.display());
    if !asking.confirm(&question)? {
        writeln!(out, "{} brokerd does not run", asking.why_not())?;
        return Ok(false);
    }
    // A group of its own: Ctrl-C in this terminal is not meant for it.
    let mut command = Command::new(&program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/")
        .process_group(0);
    let mut child = command.spawn()?;
    match client::ask_patiently(&Request::Status, START) {
        Ok(_) => {
            writeln!(out, "{} brokerd (pid {})", paint::good("started"), child.id())?;
            Ok(true)
        }
        Err(failure) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(Failure::refused(format!("brokerd does not start: {}", failure.message))
                .with_hint(format!("{} says why", program.display())))
        }
    }
}

fn runs() -> Result<bool, Failure> {
    match client::ask(&Request::Status) {
        Ok(_) => Ok(true),
        Err(Failure { kind: Kind::NotRunning, .. }) => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Installs the service, if this brokerctl can, in place of a daemon that `runs` without one. Whether it did.
fn install(asking: Asking, runs: bool) -> Result<bool, Failure> {
    let mut out = anstream::stdout();
    let own = std::env::current_exe()?;
    let knows = Command::new(&own)
        .args(["service", "install", "--help"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if !knows.success() {
        writeln!(out, "{} this brokerctl installs no service", paint::note("left out:"))?;
        return Ok(false);
    }
    if asking == Asking::DryRun {
        let shown = Command::new(&own)
            .args(["service", "install", "--replace", "--dry-run"])
            .stdin(Stdio::null())
            .status()?;
        return Ok(shown.success());
    }
    let instead = if runs { " One that runs outside of it is stopped for it;" } else { "" };
    if !asking.confirm(&format!(
        "Install brokerd as a service of yours, started at login?{instead} brokerctl service uninstall takes it back"
    ))? {
        return Ok(false);
    }
    let done = Command::new(&own).args(["service", "install", "--replace"]).stdin(Stdio::null()).status()?;
    if !done.success() {
        writeln!(out, "{} the service is not installed", paint::note("note:"))?;
    }
    Ok(done.success())
}
