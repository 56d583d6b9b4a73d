//! `brokerctl service uninstall`.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::files::Places;
use super::manager;
use crate::core::service::{UNITS, addresses};
use crate::ctl::failure::Failure;

/// Ends the service and removes its files; what is not there is no error.
pub(super) fn run(dry_run: bool) -> Result<(), Failure> {
    let places = Places::find()?;
    let mut out = anstream::stdout().lock();
    let files = [places.units.join(UNITS[0]), places.units.join(UNITS[1]), places.environment.clone()];
    let there: Vec<&Path> =
        files.iter().map(std::path::PathBuf::as_path).filter(|path| path.exists()).collect();
    if there.is_empty() && !places.starts_at_login() {
        writeln!(out, "the service is not installed")?;
        return Ok(());
    }
    // Even without a manager the files can be taken away.
    let reached = manager::reach();
    let socket = places.in_force(UNITS[1]).map(|(_, text)| text).unwrap_or_default();
    let names = super::install::describe(&places, addresses(&socket)).map(|service| service.variable_names());
    let [unit, socket] = UNITS;
    let run = |out: &mut dyn Write, words: &[&str]| -> Result<(), Failure> {
        if reached.is_ok() {
            writeln!(out, "{}run {}", if dry_run { "would " } else { "" }, manager::shown(words))?;
            if !dry_run {
                manager::run(words)?;
            }
        }
        Ok(())
    };
    if UNITS.iter().all(|name| places.in_force(name).is_some()) {
        run(&mut out, &["disable", "--now", socket, unit])?;
    }
    for path in there {
        writeln!(out, "{}remove {}", if dry_run { "would " } else { "" }, path.display())?;
        if !dry_run {
            match fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Failure::refused(format!("{}: {error}", path.display())));
                }
                _ => {}
            }
        }
    }
    run(&mut out, &["daemon-reload"])?;
    if let Ok(names) = names {
        // The list for proxies may have been somebody else's too.
        let own: Vec<&str> =
            names.into_iter().filter(|name| *name != crate::core::pointers::NO_PROXY).collect();
        run(&mut out, &[&["unset-environment"], own.as_slice()].concat())?;
    }
    Ok(())
}
