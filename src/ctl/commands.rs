//! The commands: one function each.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::failure::{Failure, Kind};
use super::keeping::still_usable;
use super::wanted::WantedOptions;
use super::{client, explanation, listeners, paint, status as show};
use crate::core::name::Stage;
use crate::core::protocol::{Reply, Request};
use crate::edges::directories::Directories;
use crate::edges::surroundings::shadows_of;

pub(super) fn status(json: bool, wait: Option<Duration>) -> Result<(), Failure> {
    let reply = match wait {
        Some(patience) => client::ask_patiently(&Request::Status, patience),
        None => client::ask(&Request::Status),
    };
    let reply = reply.map_err(|failure| match (failure.kind, listeners::in_its_place()) {
        (Kind::NotRunning, Some(other)) => {
            Failure { message: format!("{}, and {other}", failure.message), ..failure }
        }
        _ => failure,
    })?;
    let Reply::Status(mut status) = reply else { return Err(unexpected()) };
    let strangers = listeners::strangers(&status.sockets);
    status.troubles.extend(strangers.iter().map(|stranger| stranger.sentence.clone()));
    if json {
        print_json(&status)?;
    } else {
        show::print(&mut anstream::stdout().lock(), &status, &shadows_of(&status.endpoints))?;
    }
    let in_its_place = strangers.iter().any(|stranger| stranger.is_somebody);
    if in_its_place { Err(listeners::refusal()) } else { Ok(()) }
}

pub(super) fn why(
    path: Option<PathBuf>,
    stage: Option<String>,
    pid: Option<u32>,
    json: bool,
) -> Result<(), Failure> {
    let path = path.map(|path| directory(&path)).transpose()?;
    let Reply::Why(explanation) = client::ask(&Request::Why { path, stage, pid })? else {
        return Err(unexpected());
    };
    if json { print_json(&explanation) } else { explanation::print(&explanation) }
}

pub(super) fn last_refusals(json: bool) -> Result<(), Failure> {
    let Reply::Refusals { refusals } = client::ask(&Request::LastRefusals)? else { return Err(unexpected()) };
    if json { print_json(&refusals) } else { explanation::print_refusals(&refusals) }
}

pub(super) fn allow(
    path: &Path,
    app: Option<String>,
    stage: Option<Stage>,
    worktrees: bool,
) -> Result<(), Failure> {
    let request = Request::Allow { path: absolute(path)?, app, stage, worktrees };
    let Reply::Allowed(permission) = client::ask(&request)? else { return Err(unexpected()) };
    let Reply::Status(status) = client::ask(&Request::Status)? else { return Err(unexpected()) };
    let mut out = anstream::stdout().lock();
    show::print_shadows(&mut out, &shadows_of(&status.endpoints))?;
    let org = permission.org.as_ref().map(|org| format!(" of {org}")).unwrap_or_default();
    let worktrees = if permission.worktrees { ", in every worktree of its repository" } else { "" };
    writeln!(
        out,
        "{} {} as application {}{org}{worktrees}",
        paint::good("allowed"),
        permission.config.display(),
        paint::strong(permission.app.as_str())
    )?;
    drop(out);
    explanation::print_verdict(&permission.decision.verdict)
}

pub(super) fn deny(path: &Path) -> Result<(), Failure> {
    let reply = client::ask(&Request::Deny { path: absolute(path)? })?;
    let Reply::Denied { config, app, handed_out_until } = reply else { return Err(unexpected()) };
    let mut out = anstream::stdout().lock();
    writeln!(out, "{} {} (application {app})", paint::bad("denied"), config.display())?;
    still_usable(&mut out, handed_out_until)
}

pub(super) fn credential_process(wanted: WantedOptions) -> Result<(), Failure> {
    // On a terminal the document would stand in its history for all to see.
    if std::io::stdout().is_terminal() {
        return Err(Failure::refused("this prints secrets, for a program to read").with_hint(
            "write `credential_process = brokerctl credential-process` into a profile of ~/.aws/config",
        ));
    }
    // Two requests: a daemon that knew no names would pass over them, and give the caller's own.
    let request = if wanted.is_empty() {
        Request::CredentialProcess
    } else {
        Request::NamedCredentials { wanted: wanted.into() }
    };
    let Reply::Credentials { document, note } = client::ask(&request)? else {
        return Err(unexpected());
    };
    if let Some(note) = note {
        anstream::eprintln!("brokerctl: {note}");
    }
    let mut out = std::io::stdout().lock();
    out.write_all(document.reveal().as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(())
}

pub(super) fn paths() -> Result<(), Failure> {
    let directories = Directories::from_environment().map_err(|error| Failure::refused(error.to_string()))?;
    let mut out = anstream::stdout().lock();
    for (name, path) in [
        ("config", directories.config_file()),
        ("catalog", directories.catalog_file()),
        ("allowed", directories.allow_file()),
        ("pins", directories.pins_file()),
        ("tokens", directories.tokens_file()),
        ("guarded", directories.protections_file()),
        ("audit", directories.audit_file()),
        ("locked", directories.locked_file()),
        ("control", directories.control_socket()),
        ("lock", directories.lock_file()),
    ] {
        writeln!(out, "{name:<8} {}", path.display())?;
    }
    Ok(())
}

pub(super) fn stop() -> Result<(), Failure> {
    let Reply::Stopping = client::ask(&Request::Stop)? else { return Err(unexpected()) };
    writeln!(anstream::stdout(), "brokerd is stopping")?;
    Ok(())
}

pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::refused(error.to_string()))?;
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

/// The real directory that a path names: itself, or a file's.
pub(super) fn directory(path: &Path) -> Result<PathBuf, Failure> {
    let real = std::fs::canonicalize(path).map_err(|error| at(path, &error))?;
    Ok(if real.is_dir() { real } else { real.parent().map(Path::to_owned).unwrap_or(real) })
}

/// A path that means the same to the daemon, which has a directory of its own. What is gone may still be denied.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    if path.is_dir() {
        return directory(path);
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (std::fs::canonicalize(parent), path.file_name()) {
        (Ok(parent), Some(name)) => Ok(parent.join(name)),
        _ => std::path::absolute(path).map_err(|error| at(path, &error)),
    }
}

fn at(path: &Path, error: &std::io::Error) -> Failure {
    Failure::refused(format!("{}: {error}", path.display()))
}

pub(super) fn unexpected() -> Failure {
    Failure::refused("the daemon answered something else than it was asked")
}
