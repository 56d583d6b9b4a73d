//! The user's systemd, by `systemctl --user`.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::process::{Command, Output};

use crate::ctl::failure::Failure;

/// What to do on a machine where no service manager can start brokerd.
const WITHOUT: &str =
    "start brokerd from your shell's profile: brokerctl status >/dev/null 2>&1 || brokerd 2>/dev/null &";

/// The command as a person would type it.
pub(super) fn shown(words: &[&str]) -> String {
    format!("systemctl --user {}", words.join(" "))
}

/// Runs it; what it says on failure is the reason.
pub(super) fn run(words: &[&str]) -> Result<(), Failure> {
    let done = output(words)?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(Failure::refused(format!("{}: {}", shown(words), said.trim()))
        .with_hint("systemctl --user status brokerd.socket brokerd.service"))
}

/// That there is a manager of this user that answers.
pub(super) fn reach() -> Result<(), Failure> {
    let done = output(&["show", "--property", "Version"])?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(Failure::refused(format!("no service manager of this user answers: {}", said.trim()))
        .with_hint(WITHOUT))
}

/// What the manager says of a unit. One that it does not know has a `LoadState` of `not-found`.
pub(super) fn properties(unit: &str, names: &str) -> Result<BTreeMap<String, String>, Failure> {
    let done = output(&["show", unit, "--property", names])?;
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// A variable of the manager's own environment, which it looks for units by and gives to what it starts; `None` also where
/// there is no manager.
pub(super) fn variable(name: &str) -> Option<String> {
    let done = output(&["show-environment"]).ok()?;
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
}

/// Whether a unit is `active`, `failed` and so on; empty where nobody knows.
pub(super) fn state(unit: &str) -> String {
    properties(unit, "ActiveState").ok().and_then(|mut found| found.remove("ActiveState")).unwrap_or_default()
}

fn output(words: &[&str]) -> Result<Output, Failure> {
    Command::new("systemctl").arg("--user").args(words).output().map_err(|error| {
        if error.kind() == ErrorKind::NotFound {
            Failure::refused("there is no systemd here: systemctl is not installed").with_hint(WITHOUT)
        } else {
            Failure::refused(format!("systemctl: {error}"))
        }
    })
}
