//! `brokerctl service uninstall`.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::files::Places;
use super::manager;
use crate::core::service::{UNITS, addresses};
use crate::ctl::failure::Failure;

/// Ends the service and removes its files; what is not there is no error.
pub(super) fn run(dry_run: bool) -> Result<(), Failure> {
    let places = Places::find()?;
    let mut out = anstream::stdout().lock();
    let files = [places.units.join(UNITS[0]), places.units.join(UNITS[1]), places.environment.clone()];
    let links = places.links();
    let is_there = |path: &Path| path.symlink_metadata().is_ok();
    let there: Vec<&Path> =
        files.iter().chain(&links).map(PathBuf::as_path).filter(|path| is_there(path)).collect();
    if there.is_empty() {
        writeln!(out, "the service is not installed")?;
        return Ok(());
    }
    // Even without a manager the files can be taken away.
    let reached = manager::reach();
    let socket = places.installed_socket();
    let names = super::install::describe(&places, addresses(&socket)).map(|service| service.variable_names());
    let run = |out: &mut dyn Write, words: &[&str]| -> Result<(), Failure> {
        if reached.is_ok() {
            writeln!(out, "{}run {}", if dry_run { "would " } else { "" }, manager::shown(words))?;
            if !dry_run {
                manager::run(words)?;
            }
        }
        Ok(())
    };
    // The socket first: it would start the daemon anew.
    let mut by_manager = Vec::new();
    for index in [1, 0] {
        if reached.is_err() {
            continue;
        }
        if places.in_force(UNITS[index]).is_some() {
            run(&mut out, &["disable", "--now", UNITS[index]])?;
            by_manager.push(links[index].as_path());
        } else if manager::state(UNITS[index]) == "active" {
            run(&mut out, &["stop", UNITS[index]])?;
        }
    }
    // Without its file the manager disables nothing, and the link would stay.
    for path in there.into_iter().filter(|path| !by_manager.contains(path)) {
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
