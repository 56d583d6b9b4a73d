//! `brokerctl service install`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::address::choose;
use super::files::{Places, Planned};
use super::manager;
use crate::core::protocol::{Reply, Request};
use crate::core::service::{Service, UNITS};
use crate::ctl::commands::unexpected;
use crate::ctl::failure::Failure;
use crate::ctl::{client, paint};
use crate::edges::peer::listener;
use crate::edges::{atomic_file, search_path};

/// So long the service may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Writes what is not there yet, starts it, and asks it something.
pub(super) fn run(dry_run: bool) -> Result<(), Failure> {
    let places = Places::find()?;
    let choice = choose(&places.directories.config_file())?;
    let service = describe(&places, choice.listen)?;
    if !dry_run {
        manager::reach()?;
    }
    let mut files: Vec<Planned> = places.files(&service).into();
    files.extend(choice.config.map(|text| Planned::own(places.directories.config_file(), text)));
    let mut changed = false;
    for file in &files {
        changed |= put(file, dry_run)?;
    }
    let active = is_active(UNITS[1]);
    if !active && let Some(found) = listener::of(service.listen[0]) {
        let why = format!("{found} listens at {} already, outside of the service", service.listen[0]);
        let hint = "brokerctl stop, and the same command again";
        if !dry_run {
            return Err(Failure::refused(why).with_hint(hint));
        }
        writeln!(anstream::stdout(), "{} {why}: {hint}", paint::note("note:"))?;
    }
    let [unit, socket] = UNITS;
    let mut commands: Vec<Vec<&str>> = vec![vec!["daemon-reload"], vec!["enable", unit, socket]];
    // The manager gives up sockets that are another unit's now only while the daemon is not there.
    if changed && active {
        commands.extend([vec!["stop", unit], vec!["restart", socket]]);
    }
    commands.push(vec!["start", socket, unit]);
    for words in commands {
        writeln!(anstream::stdout(), "{} {}", verb(dry_run, "run"), manager::shown(&words))?;
        if !dry_run {
            manager::run(&words)?;
        }
    }
    if dry_run {
        return Ok(());
    }
    let Reply::Status(status) = client::ask_patiently(&Request::Status, PATIENCE)
        .map_err(|failure| failure.with_hint("brokerctl service logs"))?
    else {
        return Err(unexpected());
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

fn verb(dry_run: bool, word: &str) -> String {
    if dry_run { format!("would {word}") } else { word.to_owned() }
}

/// The service with these addresses.
pub(super) fn describe(places: &Places, listen: Vec<std::net::SocketAddr>) -> Result<Service, Failure> {
    let differs = |name: &'static str, default: &str| {
        let value = std::env::var(name).ok().filter(|value| Path::new(value).is_absolute())?;
        (Path::new(&value) != places.directories.home.join(default)).then_some((name, value))
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
fn put(file: &Planned, dry_run: bool) -> Result<bool, Failure> {
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

fn is_active(unit: &str) -> bool {
    manager::properties(unit, "ActiveState")
        .is_ok_and(|found| found.get("ActiveState").is_some_and(|state| state == "active"))
}
