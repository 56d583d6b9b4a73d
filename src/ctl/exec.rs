//! `brokerctl exec`: becomes a command that has container credentials.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;

use super::commands::unexpected;
use super::failure::{Failure, Kind};
use super::status::brief;
use super::wanted::WantedOptions;
use super::{client, paint};
use crate::core::command_environment::changes;
use crate::core::name::Region;
use crate::core::protocol::{ExecAccess, ExecGrant, Reply, Request};
use crate::core::shadow::DefaultSections;
use crate::edges::surroundings::default_sections;

/// `brokerctl exec`.
#[derive(Debug, Args)]
pub(super) struct Exec {
    #[command(flatten)]
    wanted: WantedOptions,
    /// The region for the command; else the project's
    #[arg(long, value_parser = Region::parse)]
    region: Option<Region>,
    /// Put the keys themselves into its environment, for a tool that knows nothing else: they are not renewed
    #[arg(long = "static")]
    keys: bool,
    /// The command and its arguments, after --
    #[arg(required = true, last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl Exec {
    /// Becomes the command, so that signals, job control, the terminal and the exit status are its own. The process
    /// stays the same to the kernel, and the token ends with it.
    pub(super) fn run(self) -> Result<(), Failure> {
        let request = Request::Exec { wanted: self.wanted.into(), keys: self.keys };
        let Reply::Exec(grant) = client::ask(&request)? else { return Err(unexpected()) };
        let defaults = default_sections();
        tell(&grant, defaults);
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]);
        let variable = |name: &str| std::env::var(name).ok();
        for change in changes(&grant, self.region.as_ref(), defaults, &variable) {
            match change.value {
                Some(value) => command.env(change.name, value.as_str()),
                None => command.env_remove(change.name),
            };
        }
        become_it(command).map(|never| match never {})
    }
}

/// What must be said before the command has the terminal.
fn tell(grant: &ExecGrant, defaults: DefaultSections) {
    let warn = |text: &str| anstream::eprintln!("brokerctl: {} {text}", paint::note("note:"));
    if let Some(note) = &grant.note {
        warn(note);
    }
    match &grant.access {
        ExecAccess::Keys { expires, now, .. } => warn(&format!(
            "these keys of {}.{} end at {expires}, in {}, and are not renewed",
            grant.app,
            grant.stage,
            brief(expires.remaining(*now))
        )),
        ExecAccess::Token { .. } => {
            for (is_there, file) in [(defaults.in_credentials, "credentials"), (defaults.in_config, "config")]
            {
                if is_there {
                    warn(&format!(
                        "~/.aws/{file} has a [default] section, so the command does not see that file"
                    ));
                }
            }
        }
    }
}

/// Returns only if the command cannot be run, with the exit codes of `env`: 127 where there is none, else 126.
fn become_it(mut command: Command) -> Result<Infallible, Failure> {
    let error = command.exec();
    let kind = if error.kind() == ErrorKind::NotFound { Kind::NoCommand } else { Kind::NotRunnable };
    let message = format!("cannot run {}: {error}", command.get_program().to_string_lossy());
    Err(Failure { kind, message, hint: None })
}
