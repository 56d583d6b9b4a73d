//! `brokerctl env`: the lines that lead every AWS tool to brokerd.

use std::io::{IsTerminal, Write};

use clap::Args;
use zeroize::Zeroizing;

use super::client;
use super::commands::unexpected;
use super::failure::Failure;
use crate::core::name::Region;
use crate::core::pointers::SECRETS_TOKEN;
use crate::core::protocol::{Reply, Request, Verdict};
use crate::core::shell::Shell;
use crate::edges::directories::Directories;
use crate::edges::surroundings::shell_lines;

/// `brokerctl env`.
#[derive(Debug, Args)]
pub(super) struct Env {
    /// bash, zsh, fish or pwsh; else by SHELL
    #[arg(long, value_name = "NAME", value_parser = known)]
    shell: Option<Shell>,
    /// The region; else that of the project here
    #[arg(long, value_parser = Region::parse)]
    region: Option<Region>,
    /// Set `AWS_SESSION_TOKEN` too, for clients of the Parameters and Secrets Lambda Extension: to the token of brokerd's
    /// secrets interface. Tools that take it for half of a set of keys fail
    #[arg(long)]
    lambda: bool,
}

impl Env {
    pub(super) fn run(self) -> Result<(), Failure> {
        let by_variable = || std::env::var("SHELL").ok().and_then(|path| Shell::named(&path));
        let shell = self.shell.or_else(by_variable).unwrap_or(Shell::Posix);
        let Reply::Status(status) = client::ask(&Request::Status)? else { return Err(unexpected()) };
        let here = status.here.and_then(|here| match here.verdict {
            Verdict::Profile { region, .. } => region,
            Verdict::Refused { .. } => None,
        });
        let mut out = std::io::stdout().lock();
        for line in shell_lines(shell, &status.endpoints, self.region.or(here).as_ref()) {
            writeln!(out, "{line}")?;
        }
        for line in token_lines(shell, self.lambda)? {
            writeln!(out, "{}", line.as_str())?;
        }
        Ok(())
    }
}

/// The lines that name the token of the secrets interface.
fn token_lines(shell: Shell, lambda: bool) -> Result<Vec<Zeroizing<String>>, Failure> {
    let directories = Directories::from_environment().map_err(|error| Failure::refused(error.to_string()))?;
    let file = directories.secrets_token_file();
    let mut lines = vec![Zeroizing::new(shell.set(SECRETS_TOKEN, &format!("file://{}", file.display())))];
    if lambda {
        if std::io::stdout().is_terminal() {
            return Err(Failure::refused("--lambda prints a token, for a shell to evaluate")
                .with_hint("eval \"$(brokerctl env --lambda)\""));
        }
        let token = std::fs::read_to_string(&file)
            .map(Zeroizing::new)
            .map_err(|error| Failure::refused(format!("{}: {error}", file.display())))?;
        lines.push(Zeroizing::new(shell.set("AWS_SESSION_TOKEN", &token)));
    }
    Ok(lines)
}

fn known(name: &str) -> Result<Shell, &'static str> {
    Shell::named(name).ok_or("bash, zsh, fish and pwsh are known")
}
