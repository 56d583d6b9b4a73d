//! `brokerctl service install`.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::address::choose;
use super::files::{Places, Planned};
use super::manager;
use crate::core::protocol::{Reply, Request, Status};
use crate::core::service::{Service, UNITS, addresses};
use crate::ctl::commands::unexpected;
use crate::ctl::failure::{Failure, Kind};
use crate::ctl::{client, paint};
use crate::edges::peer::listener;
use crate::edges::single::{LockError, Single};
use crate::edges::{atomic_file, search_path};

/// So long the service may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(20);
/// So long a daemon that runs may take.
const MOMENT: Duration = Duration::from_secs(2);

/// Writes what is not there yet, starts it, and asks it something. `replace` stops a daemon that runs outside of the service.
pub(super) fn run(dry_run: bool, replace: bool) -> Result<(), Failure> {
    let places = Places::find()?;
    let installed = places.installed_socket();
    let choice = choose(&places.directories.config_file(), &installed)?;
    let service = describe(&places, choice.listen)?;
    if !dry_run {
        manager::reach()?;
    }
    let active = manager::state(UNITS[1]) == "active";
    let held = if active { addresses(&installed) } else { Vec::new() };
    let stopped = replace
        && !active
        && outside(&service, &held, active).is_some()
        && stop(&places.directories.lock_file(), dry_run)?;
    let will_be_free = stopped && dry_run;
    if !will_be_free && let Some(why) = outside(&service, &held, active) {
        let hint = "brokerctl stop, and the same command again; or brokerctl service install --replace";
        if !dry_run {
            return Err(Failure::refused(why).with_hint(hint));
        }
        writeln!(anstream::stdout(), "{} {why}: {hint}", paint::note("note:"))?;
    }
    let [unit, socket] = UNITS;
    let mut files: Vec<Planned> = places.files(&service).into();
    let moved = active && installed != service.socket();
    files.extend(choice.config.map(|text| Planned::own(places.directories.config_file(), text)));
    let mut changed = false;
    for file in &files {
        changed |= put(file, dry_run)?;
    }
    let mut commands: Vec<Vec<&str>> = vec![vec!["daemon-reload"], vec!["enable", unit, socket]];
    // The manager gives up sockets that are another unit's now only while the daemon is not there.
    if moved {
        commands.extend([vec!["stop", unit], vec!["restart", socket]]);
    } else if changed && manager::state(unit) == "active" {
        commands.push(vec!["restart", unit]);
    }
    // What failed too often is not started before it is forgiven.
    for name in UNITS {
        if manager::state(name) == "failed" {
            commands.push(vec!["reset-failed", name]);
        }
    }
    commands.push(vec!["start", socket, unit]);
    for words in commands {
        say_and_run(&words, dry_run)?;
    }
    if dry_run {
        return Ok(());
    }
    // The files of an upgrade are the same, and the daemon is the one that was started before it.
    let status = match ask() {
        Ok(status) if status.version == env!("CARGO_PKG_VERSION") => status,
        Err(failure) if failure.kind == Kind::NotRunning => {
            return Err(failure.with_hint("brokerctl service logs"));
        }
        _ => {
            say_and_run(&["restart", unit], dry_run)?;
            ask().map_err(|failure| failure.with_hint("brokerctl service logs"))?
        }
    };
    let mut out = anstream::stdout().lock();
    writeln!(
        out,
        "{} {} answers at {}, and starts at login",
        paint::good("brokerd"),
        status.version,
        status.endpoints.join(" ")
    )?;
    writeln!(
        out,
        "Terminals and programs of your next login find it. This does not reach logins by ssh, a tmux that runs"
    )?;
    writeln!(out, "and this shell: there, and in ~/.bashrc or ~/.zshrc for good: eval \"$(brokerctl env)\"")?;
    Ok(())
}

pub(super) fn verb(dry_run: bool, word: &str) -> String {
    if dry_run { format!("would {word}") } else { word.to_owned() }
}

/// The service with these addresses.
pub(super) fn describe(places: &Places, listen: Vec<SocketAddr>) -> Result<Service, Failure> {
    let differs = |name: &'static str, default: &str| {
        let default = places.directories.home.join(default);
        let own = std::env::var(name).ok().filter(|value| Path::new(value).is_absolute());
        let is_default = own.as_ref().is_none_or(|value| Path::new(value) == default);
        // A daemon has the environment of the manager, and must find what this brokerctl finds.
        let would_have_another = is_default
            && manager::variable(name)
                .is_some_and(|value| Path::new(&value).is_absolute() && Path::new(&value) != default);
        let value = own.unwrap_or_else(|| default.display().to_string());
        (!is_default || would_have_another).then_some((name, value))
    };
    Ok(Service {
        program: program()?,
        listen,
        variables: [("XDG_CONFIG_HOME", ".config"), ("XDG_STATE_HOME", ".local/state")]
            .into_iter()
            .filter_map(|(name, default)| differs(name, default))
            .collect(),
        secrets_token: places.directories.secrets_token_file(),
    })
}

/// The daemon that lies beside this program.
fn program() -> Result<PathBuf, Failure> {
    search_path::beside("brokerd").ok_or_else(|| {
        Failure::refused("there is no brokerd beside brokerctl")
            .with_hint("install brokerd and brokerctl into one directory, as cargo install does")
    })
}

/// Writes a file unless it has this text, and says so.
pub(super) fn put(file: &Planned, dry_run: bool) -> Result<bool, Failure> {
    let mut out = anstream::stdout().lock();
    if let Some(current) = file.current() {
        writeln!(out, "{} {}", paint::faint("as it is"), current.display())?;
        return Ok(false);
    }
    let Planned { path, text, .. } = file;
    writeln!(out, "{} {}", verb(dry_run, "write"), path.display())?;
    if dry_run {
        for line in text.lines() {
            writeln!(out, "  {}", paint::faint(line))?;
        }
        return Ok(true);
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)
            .map_err(|error| Failure::refused(format!("{}: {error}", directory.display())))?;
    }
    atomic_file::replace(path, text.as_bytes()).map_err(|error| {
        let (failure, hint) = (Failure::refused(error.to_string()), error.hint());
        if let Some(hint) = hint { failure.with_hint(hint) } else { failure }
    })?;
    Ok(true)
}

/// Stops the daemon that runs, if it is brokerd, and waits until it has given back the lock: another would not start before.
/// Whether there was one.
fn stop(lock: &Path, dry_run: bool) -> Result<bool, Failure> {
    const PAUSE: Duration = Duration::from_millis(20);
    let Ok(Reply::Status(status)) = client::ask_briefly(&Request::Status, MOMENT) else { return Ok(false) };
    writeln!(
        anstream::stdout(),
        "{} brokerd (pid {}), which runs outside of the service",
        verb(dry_run, "stop"),
        status.pid
    )?;
    if dry_run {
        return Ok(true);
    }
    client::ask(&Request::Stop)?;
    let end = Instant::now() + PATIENCE;
    while matches!(Single::acquire(lock), Err(LockError::Running { .. })) && Instant::now() < end {
        std::thread::sleep(PAUSE);
    }
    Ok(true)
}

/// Runs a command of the manager, and says so.
fn say_and_run(words: &[&str], dry_run: bool) -> Result<(), Failure> {
    writeln!(anstream::stdout(), "{} {}", verb(dry_run, "run"), manager::shown(words))?;
    if dry_run { Ok(()) } else { manager::run(words) }
}

/// How the daemon is, once it answers.
fn ask() -> Result<Status, Failure> {
    match client::ask_patiently(&Request::Status, PATIENCE)? {
        Reply::Status(status) => Ok(*status),
        _ => Err(unexpected()),
    }
}

/// Why the service could not have what it needs: somebody listens outside of it, at an address of its own or as a brokerd
/// that has other ones.
fn outside(service: &Service, held: &[SocketAddr], active: bool) -> Option<String> {
    let mut free = service.listen.iter().filter(|address| !held.contains(address));
    let taken = free.find_map(|address| Some((listener::of(*address)?, address)));
    if let Some((found, address)) = taken {
        return Some(format!("{found} listens at {address} already, outside of the service"));
    }
    let runs = !active && client::ask_briefly(&Request::Status, MOMENT).is_ok();
    runs.then(|| "brokerd runs already, outside of the service".to_owned())
}
