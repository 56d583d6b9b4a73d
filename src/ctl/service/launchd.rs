//! brokerd as an agent of launchd, the service manager of macOS (`man 1 launchctl`, `man 5 launchd.plist`).

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use serde::Serialize;

use super::address::choose;
use super::files::{Places, Planned};
use super::install::{describe, put, verb};
use crate::core::pointers::NO_PROXY;
use crate::core::protocol::{Reply, Request};
use crate::core::service::{AGENTS, Service};
use crate::ctl::commands::{print_json, unexpected};
use crate::ctl::failure::{Failure, Kind};
use crate::ctl::{client, paint};
use crate::edges::user;

/// So long the service may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(20);

/// The agents of this user.
struct Agents {
    places: Places,
    directory: PathBuf,
    log: PathBuf,
}

/// What `status` prints.
#[derive(Debug, Serialize)]
struct AgentStatus {
    installed: bool,
    loaded: bool,
    outdated: Vec<String>,
    log: PathBuf,
}

impl Agents {
    fn find() -> Result<Self, Failure> {
        let places = Places::find()?;
        let directory = places.directories.home.join("Library/LaunchAgents");
        let log = places.directories.state().join("brokerd.log");
        Ok(Self { places, directory, log })
    }

    fn path(&self, label: &str) -> PathBuf {
        self.directory.join(format!("{label}.plist"))
    }

    /// The agents with what they are to say, in the order of [`AGENTS`], and what `config.toml` is to say, where that is new.
    fn planned(&self) -> Result<(Service, Vec<Planned>, Option<Planned>), Failure> {
        let config = self.places.directories.config_file();
        let choice = choose(&config, "")?;
        let service = describe(&self.places, choice.listen)?;
        let texts = [
            service.agent(&self.places.directories.control_socket(), &self.log),
            service.environment_agent(),
        ];
        let files = AGENTS.iter().zip(texts).map(|(label, text)| Planned::own(self.path(label), text));
        Ok((service, files.collect(), choice.config.map(|text| Planned::own(config, text))))
    }
}

pub(super) fn install(dry_run: bool) -> Result<(), Failure> {
    let agents = Agents::find()?;
    let (_, files, config) = agents.planned()?;
    if let Some(config) = config {
        put(&config, dry_run)?;
    }
    for (label, file) in AGENTS.into_iter().zip(&files) {
        let (changed, was_loaded) = (put(file, dry_run)?, is_loaded(label));
        if was_loaded && changed {
            run(&["bootout", &target(label)], dry_run)?;
        }
        if changed || !was_loaded {
            run(&["bootstrap", &domain(), &file.path.display().to_string()], dry_run)?;
        }
    }
    if dry_run {
        return Ok(());
    }
    let answer = client::ask_patiently(&Request::Status, PATIENCE);
    let Reply::Status(status) = answer.map_err(|failure| failure.with_hint("brokerctl service logs"))? else {
        return Err(unexpected());
    };
    let mut out = anstream::stdout().lock();
    let at = status.endpoints.join(" ");
    writeln!(out, "{} {} answers at {at}, and starts at login", paint::good("brokerd"), status.version)?;
    writeln!(
        out,
        "Programs that are started from now on find it. Terminals that run do not; there, and in ~/.zshrc for"
    )?;
    writeln!(out, "logins by ssh: eval \"$(brokerctl env)\"")?;
    Ok(())
}

pub(super) fn uninstall(dry_run: bool) -> Result<(), Failure> {
    let agents = Agents::find()?;
    let names = agents.planned().map(|(service, ..)| service.variable_names());
    for label in AGENTS {
        if is_loaded(label) {
            run(&["bootout", &target(label)], dry_run)?;
        }
        let path = agents.path(label);
        if path.symlink_metadata().is_err() {
            continue;
        }
        writeln!(anstream::stdout(), "{} {}", verb(dry_run, "remove"), path.display())?;
        if !dry_run {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Failure::refused(format!("{}: {error}", path.display())));
                }
                _ => {}
            }
        }
    }
    // The list for proxies may have been somebody else's too.
    for name in names?.into_iter().filter(|name| *name != NO_PROXY) {
        run(&["unsetenv", name], dry_run)?;
    }
    Ok(())
}

pub(super) fn status(json: bool) -> Result<(), Failure> {
    let agents = Agents::find()?;
    let installed = AGENTS.iter().all(|label| agents.path(label).exists());
    let (_, files, _) = agents.planned()?;
    let outdated = files.iter().filter(|file| installed && file.current().is_none());
    let status = AgentStatus {
        installed,
        loaded: is_loaded(AGENTS[0]),
        outdated: outdated.map(|file| file.path.display().to_string()).collect(),
        log: agents.log.clone(),
    };
    if json {
        print_json(&status)?;
    } else {
        let word = |holds: bool, yes: &str, no: &str| if holds { paint::good(yes) } else { paint::bad(no) };
        let mut out = anstream::stdout().lock();
        writeln!(
            out,
            "{}, {}",
            word(status.installed, "installed", "not installed"),
            word(status.loaded, "loaded by launchd", "not loaded by launchd")
        )?;
        for path in &status.outdated {
            writeln!(out, "{} {path}: brokerctl service install", paint::bad("outdated:"))?;
        }
    }
    if status.installed && status.loaded && status.outdated.is_empty() {
        Ok(())
    } else {
        Err(Failure::refused("the service is not as it should be").with_hint("brokerctl service install"))
    }
}

/// Becomes `tail`.
pub(super) fn logs(follow: bool, lines: u32) -> Result<(), Failure> {
    let mut command = Command::new("/usr/bin/tail");
    command.args(["-n", &lines.to_string()]);
    if follow {
        command.arg("-F");
    }
    let error = command.arg(Agents::find()?.log).exec();
    Err(Failure { kind: Kind::NoCommand, message: format!("tail: {error}"), hint: None })
}

/// Where launchd keeps the agents of this user's login.
fn domain() -> String {
    format!("gui/{}", user::uid())
}

fn target(label: &str) -> String {
    format!("{}/{label}", domain())
}

fn is_loaded(label: &str) -> bool {
    launchctl(&["print", &target(label)]).is_ok_and(|done| done.status.success())
}

/// Runs `launchctl`, and says so; what it says on failure is the reason.
fn run(words: &[&str], dry_run: bool) -> Result<(), Failure> {
    let shown = format!("launchctl {}", words.join(" "));
    writeln!(anstream::stdout(), "{} {shown}", verb(dry_run, "run"))?;
    if dry_run {
        return Ok(());
    }
    let done = launchctl(words)?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(Failure::refused(format!("{shown}: {}", said.trim()))
        .with_hint(format!("launchctl print {}", target(AGENTS[0]))))
}

fn launchctl(words: &[&str]) -> Result<Output, Failure> {
    let done = Command::new("/bin/launchctl").args(words).output();
    done.map_err(|error| Failure::refused(format!("cannot run launchctl: {error}")))
}
