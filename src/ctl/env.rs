//! `brokerctl env`: the lines that lead every AWS tool to brokerd.

use std::io::Write;

use clap::Args;

use super::client;
use super::commands::unexpected;
use super::failure::Failure;
use crate::core::name::Region;
use crate::core::protocol::{Reply, Request, Verdict};
use crate::core::shell::Shell;
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
        Ok(())
    }
}

fn known(name: &str) -> Result<Shell, &'static str> {
    Shell::named(name).ok_or("bash, zsh, fish and pwsh are known")
}
