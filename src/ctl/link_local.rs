//! `brokerctl link-local`: 169.254.169.254 leads to this user's brokerd.
//!
//! What changes the machine runs as root: a user's command shows it, and has `sudo` run the same command with everything
//! that it found out as arguments. Root's command trusts none of them.

mod probe;

use std::ffi::OsString;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use clap::{Args, Subcommand};

use super::commands::{print_json, unexpected};
use super::failure::{Failure, Kind};
use super::{client, paint};
use crate::core::link_local::{ADDRESS, Holder, Redirect, State, Status, Step, Surroundings, linux, macos};
use crate::core::protocol::{self, Reply, Request};
use crate::edges::link_local::{LinkLocalError, at_boot, carry_out, surroundings};
use crate::edges::user;

/// Where brokerd listens unless it is told otherwise.
const DEFAULT_PORT: u16 = 9254;

/// `brokerctl link-local`.
#[derive(Debug, Subcommand)]
pub(super) enum LinkLocal {
    /// Lead 169.254.169.254:80 to brokerd, for this user's processes only
    Enable(Enable),
    /// Take back what `enable` did; other users keep theirs
    Disable(Disable),
    /// Show whether tools here come to brokerd without any setting
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Enable {
    /// Show what would be run as root, and run nothing
    #[arg(long)]
    dry_run: bool,
    /// Even where this machine has a metadata service of its own: this user's tools lose its roles
    #[arg(long)]
    replace_real_imds: bool,
    /// At each start of the machine too, by a system unit
    #[arg(long)]
    boot: bool,
    /// As root: whose connections, by name or number; else whoever called sudo
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// As root: the port of that user's brokerd; else 9254
    #[arg(long)]
    port: Option<u16>,
}

#[derive(Debug, Args)]
pub(super) struct Disable {
    /// Show what would be run as root, and run nothing
    #[arg(long)]
    dry_run: bool,
    /// As root: whose connections, by name or number; else whoever called sudo
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

impl LinkLocal {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Enable(enable) => enable.run(),
            Self::Disable(disable) => disable.run(),
            Self::Status { json } => status(json),
        }
    }
}

impl Enable {
    fn run(self) -> Result<(), Failure> {
        let redirect = if is_root() {
            let port = self.port.unwrap_or(DEFAULT_PORT);
            redirect(named(self.user.as_deref())?, port)?
        } else {
            only_root_names(self.user.is_some() || self.port.is_some())?;
            redirect(user::uid(), own_port()?)?
        };
        let found = surroundings()?;
        self.refuse_real(&found)?;
        let steps = if cfg!(target_os = "macos") {
            if self.boot {
                return Err(Failure::refused("--boot is by a unit of systemd, which macOS has not")
                    .with_hint("leave it out, and enable it after each start"));
            }
            macos::enable(redirect, &found)
        } else {
            linux::enable(redirect, &found, self.boot)
        };
        if self.dry_run {
            return show(&steps);
        }
        if is_root() {
            carry_out_all(&steps)?;
            return said(&format!(
                "the connections of uid {} to {ADDRESS} lead to port {}",
                redirect.uid(),
                redirect.port()
            ));
        }
        let port = redirect.port().to_string();
        let mut words = vec!["enable", "--port", &port];
        words.extend(self.boot.then_some("--boot"));
        words.extend(self.replace_real_imds.then_some("--replace-real-imds"));
        by_sudo(&steps, &words)?;
        match probe::state(&surroundings()?, Some(redirect.port())) {
            State::On => Ok(()),
            state => Err(Failure::refused(state.sentence()).with_hint("brokerctl link-local status")),
        }
    }

    fn refuse_real(&self, found: &Surroundings) -> Result<(), Failure> {
        let real = match &found.address {
            Holder::Interface(name) => {
                Some(format!("{ADDRESS} is an address of {name}: something else serves there"))
            }
            _ => found.real.clone(),
        };
        match real {
            Some(why) if !self.replace_real_imds => Err(Failure::refused(format!(
                "{why}; with a redirect this user's tools would lose that service"
            ))
            .with_hint(
                "brokerctl link-local enable --replace-real-imds, or eval \"$(brokerctl env)\" instead",
            )),
            _ => Ok(()),
        }
    }
}

impl Disable {
    fn run(self) -> Result<(), Failure> {
        let uid = if is_root() {
            named(self.user.as_deref())?
        } else {
            only_root_names(self.user.is_some())?;
            user::uid()
        };
        let found = surroundings()?;
        let kept = at_boot();
        let others: Vec<u32> = kept.iter().copied().filter(|other| *other != uid).collect();
        let steps = if cfg!(target_os = "macos") {
            macos::disable(uid, &found)
        } else {
            linux::disable(uid, &found, kept.contains(&uid).then_some(others.as_slice()))
        };
        if self.dry_run {
            return show(&steps);
        }
        if steps.is_empty() {
            return said("there was no redirect");
        }
        if !is_root() {
            // Only root sees the rules, which stay when the address goes.
            return by_sudo(&steps, &["disable"]);
        }
        carry_out_all(&steps)?;
        said(&format!("the connections of uid {uid} to {ADDRESS} go where they went before"))
    }
}

/// How it stands with a daemon at this port of 127.0.0.1, if one runs.
pub(super) fn look(port: Option<u16>) -> Result<Status, Failure> {
    let found = surroundings()?;
    Ok(Status {
        state: probe::state(&found, port),
        at_boot: at_boot().contains(&user::uid()),
        address: found.address,
        real_service: found.real,
    })
}

fn status(json: bool) -> Result<(), Failure> {
    let port = own_port().ok();
    let status = look(port)?;
    if json {
        return print_json(&status);
    }
    let mut out = anstream::stdout().lock();
    let state = status.state.to_string();
    let state = if status.state == State::On { paint::good(&state) } else { paint::note(&state) };
    writeln!(out, "{state}: {}", status.state.sentence())?;
    if status.at_boot {
        writeln!(out, "it comes back at each start of the machine")?;
    }
    if let Some(real) = &status.real_service {
        writeln!(out, "{} {real}", paint::note("note:"))?;
    }
    match status.state {
        State::Off => writeln!(out, "{} brokerctl link-local enable", paint::note("hint:"))?,
        State::Unanswered if port.is_none() => writeln!(out, "{} brokerd &", paint::note("hint:"))?,
        State::Unanswered | State::Foreign => {
            writeln!(
                out,
                "{} brokerctl link-local enable, which puts the rules right",
                paint::note("hint:")
            )?;
        }
        State::On => {}
    }
    Ok(())
}

fn is_root() -> bool {
    user::uid() == 0
}

/// The user that root means.
fn named(user: Option<&str>) -> Result<u32, Failure> {
    let caller = std::env::var("SUDO_UID").ok();
    let Some(name) = user.or(caller.as_deref()) else {
        return Err(Failure {
            kind: Kind::Usage,
            message: "root must say whose connections: brokerd serves one user".to_owned(),
            hint: Some("brokerctl link-local enable --user NAME".to_owned()),
        });
    };
    let number = user::number(name).ok_or_else(|| Failure::refused(format!("there is no user {name:?}")))?;
    // What cannot be is refused in one place, also where there is no port to speak of.
    redirect(number, DEFAULT_PORT).map(Redirect::uid)
}

fn redirect(uid: u32, port: u16) -> Result<Redirect, Failure> {
    Redirect::new(uid, port).map_err(|error| Failure {
        kind: Kind::Usage,
        message: error.to_string(),
        hint: None,
    })
}

fn only_root_names(named: bool) -> Result<(), Failure> {
    if !named {
        return Ok(());
    }
    Err(Failure {
        kind: Kind::Usage,
        message: "--user and --port are for root: yours are known".to_owned(),
        hint: Some("leave them out".to_owned()),
    })
}

/// The port of a daemon on 127.0.0.1, where a redirect leads to.
pub(super) fn port_of(status: &protocol::Status) -> Option<u16> {
    let mut local = status.sockets.iter().filter(|socket| !socket.remote);
    let found = local.find(|socket| socket.address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST));
    found.map(|socket| socket.address.port())
}

/// [`port_of`] this user's daemon.
fn own_port() -> Result<u16, Failure> {
    let Reply::Status(status) = client::ask(&Request::Status)? else { return Err(unexpected()) };
    port_of(&status).ok_or_else(|| {
        Failure::refused("brokerd does not listen on 127.0.0.1, where a redirect leads")
            .with_hint("add \"127.0.0.1:9254\" to `listen` in config.toml, and start it anew")
    })
}

fn show(steps: &[Step]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for step in steps {
        writeln!(out, "{step}")?;
    }
    Ok(())
}

/// Shows the steps, and has sudo run this command with these words.
fn by_sudo(steps: &[Step], words: &[&str]) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", paint::strong("as root, by sudo:"))?;
    for line in steps.iter().flat_map(|step| step.to_string().lines().map(str::to_owned).collect::<Vec<_>>())
    {
        writeln!(out, "  {line}")?;
    }
    out.flush()?;
    drop(out);
    let uid = user::uid().to_string();
    let program = std::env::current_exe()?;
    let mut all: Vec<OsString> = vec!["--".into(), program.into(), "link-local".into()];
    all.extend(words.iter().map(OsString::from));
    all.extend(["--user".into(), uid.into()]);
    let typed: Vec<_> = all[1..].iter().map(|word| word.to_string_lossy()).collect();
    let hint = format!("as root: {}", typed.join(" "));
    match Command::new("sudo").args(&all).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::refused(format!("sudo: {status}")).with_hint(hint)),
        Err(error) => Err(Failure::refused(format!("sudo cannot be run: {error}")).with_hint(hint)),
    }
}

/// Runs the steps in turn. What failed half-way is told with what has been done, and done again it goes on from there.
fn carry_out_all(steps: &[Step]) -> Result<(), Failure> {
    for (done, step) in steps.iter().enumerate() {
        if let Err(error) = carry_out(step) {
            let message = match done {
                0 => error.to_string(),
                done => format!("{error}; {done} of {} steps are done", steps.len()),
            };
            let hint = error.hint().unwrap_or("brokerctl link-local disable takes back what was done");
            return Err(Failure::refused(message).with_hint(hint));
        }
    }
    Ok(())
}

fn said(sentence: &str) -> Result<(), Failure> {
    Ok(writeln!(anstream::stdout(), "{sentence}")?)
}

impl From<LinkLocalError> for Failure {
    fn from(error: LinkLocalError) -> Self {
        let hint = error.hint();
        let failure = Self::refused(error.to_string());
        match hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}
