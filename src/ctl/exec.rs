//! `brokerctl exec`: becomes a command that has container credentials.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;

use super::commands::unexpected;
use super::failure::{Failure, Kind};
use super::secret_pipe::SecretPipe;
use super::status::brief;
use super::wanted::WantedOptions;
use super::{client, paint, secret};
use crate::core::command_environment::{Change, changes};
use crate::core::name::{Region, SecretName};
use crate::core::protocol::{ExecAccess, ExecGrant, GivenSecret, GivenValue, Reply, Request, SecretGrant};
use crate::core::secret::write_dotenv;
use crate::core::shadow::DefaultSections;
use crate::core::wanted::Wanted;
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
    #[command(flatten)]
    secrets: SecretOptions,
    /// Set `AWS_SESSION_TOKEN` too, for clients of the Parameters and Secrets Lambda Extension. Tools that take it for half
    /// of a set of keys fail
    #[arg(long, conflicts_with = "keys")]
    lambda: bool,
    /// The command and its arguments, after --
    #[arg(required = true, last = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Which secrets a command gets, and how.
#[derive(Debug, Args)]
struct SecretOptions {
    /// Put secrets of the profile into its environment: all of them, or --secrets=A,B
    #[arg(long = "secrets", value_name = "NAMES", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    names: Option<String>,
    /// Give them as a file of variables instead, which is a pipe that can be read once: its path stands in
    /// `BROKERD_ENV_FILE`, and wherever the command line has {env-file}
    #[arg(long)]
    env_file: bool,
    /// Let secrets take the place of variables that are there
    #[arg(long = "override")]
    replace: bool,
}

impl Exec {
    /// Becomes the command, so that signals, job control, the terminal and the exit status are its own. The process
    /// stays the same to the kernel, and the token ends with it.
    pub(super) fn run(self) -> Result<(), Failure> {
        let wanted: Wanted = self.wanted.into();
        let names = names(self.secrets.names.as_deref())?;
        let with_secrets = self.secrets.names.is_some() || self.secrets.env_file;
        // First: without them there is no command, and no token for it.
        let secrets = if with_secrets { Some(secret::ask_for(wanted.clone(), names)?) } else { None };
        let request = Request::Exec { wanted, keys: self.keys };
        let Reply::Exec(grant) = client::ask(&request)? else { return Err(unexpected()) };
        let changes = prepared(&grant, self.region.as_ref(), self.lambda);
        let mut words = self.command;
        let mut pipe = None;
        let mut given = Vec::new();
        if let Some(secrets) = &secrets {
            given = texts(secrets)?;
            if self.secrets.env_file {
                let made = SecretPipe::new(&write_dotenv(&given))?;
                words = words.into_iter().map(|word| with_path(word, made.path())).collect();
                pipe = Some(made);
                given.clear();
            } else if !self.secrets.replace {
                refuse_clashes(&given, &changes)?;
            }
        }
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        for change in &changes {
            match &change.value {
                Some(value) => command.env(change.name, value.as_str()),
                None => command.env_remove(change.name),
            };
        }
        for (name, value) in given {
            command.env(name.as_str(), value);
        }
        if let Some(pipe) = &pipe {
            command.env("BROKERD_ENV_FILE", pipe.path());
        }
        become_it(command).map(|never| match never {})
    }
}

/// What leads a command to what it was granted; what must be said about that is said.
pub(super) fn prepared(grant: &ExecGrant, region: Option<&Region>, lambda: bool) -> Vec<Change> {
    let defaults = default_sections();
    tell(grant, defaults);
    changes(grant, region, defaults, lambda, &|name: &str| std::env::var(name).ok())
}

/// The names of `--secrets=A,B`; `None` is all.
fn names(list: Option<&str>) -> Result<Option<Vec<SecretName>>, Failure> {
    let Some(list) = list.filter(|list| !list.is_empty()) else { return Ok(None) };
    let names = list.split(',').map(|name| SecretName::parse(name.trim()));
    let names: Result<Vec<_>, _> = names.collect();
    names.map(Some).map_err(|error| Failure {
        kind: Kind::Usage,
        message: format!("--secrets: {error}"),
        hint: Some("--secrets=NAME,NAME -- CMD".to_owned()),
    })
}

/// The values as texts, which is what variables hold.
fn texts(secrets: &SecretGrant) -> Result<Vec<(&SecretName, &str)>, Failure> {
    let text = |secret: &'_ GivenSecret| -> Result<(), Failure> {
        let why = match &secret.value {
            GivenValue::Text(text) if !text.reveal().contains('\0') => return Ok(()),
            GivenValue::Text(_) => "has a NUL character in it",
            GivenValue::Base64(_) => "is binary",
        };
        Err(Failure::refused(format!("secret {} {why}, which no variable can hold", secret.name)).with_hint(
            format!("name the others: --secrets=A,B; or brokerctl secret get {} > FILE", secret.name),
        ))
    };
    secrets.secrets.iter().try_for_each(text)?;
    Ok(secrets
        .secrets
        .iter()
        .filter_map(|secret| match &secret.value {
            GivenValue::Text(text) => Some((&secret.name, text.reveal())),
            GivenValue::Base64(_) => None,
        })
        .collect())
}

/// A variable that is there would be lost, and what this program sets would not be what it says.
fn refuse_clashes(given: &[(&SecretName, &str)], changes: &[Change]) -> Result<(), Failure> {
    let is_set = |name: &str| {
        let change = changes.iter().rfind(|change| change.name == name);
        change.map_or_else(|| std::env::var_os(name).is_some(), |change| change.value.is_some())
    };
    let clashing: Vec<&str> =
        given.iter().map(|(name, _)| name.as_str()).filter(|name| is_set(name)).collect();
    if clashing.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(format!("the environment has {} already", clashing.join(", ")))
        .with_hint("--override lets the secrets take their place; --secrets=A,B names others"))
}

/// A word of the command line with the path of the pipe in it.
fn with_path(word: OsString, path: &str) -> OsString {
    match word.to_str() {
        Some(text) if text.contains("{env-file}") => text.replace("{env-file}", path).into(),
        _ => word,
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
