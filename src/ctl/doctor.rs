//! `brokerctl doctor`: what could keep an AWS tool here from getting the right credentials.

mod collection;
mod printing;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::commands::{directory, print_json};
use super::failure::{Failure, Kind};
use crate::core::doctor::{Finding, Level};
use crate::edges::file_modes;
use collection::Collected;

/// `brokerctl doctor`.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// The project's directory
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Do what is safe: close files that are open to others, make missing directories
    #[arg(long)]
    fix: bool,
    /// Ask AWS for a new session of the role here too
    #[arg(long)]
    online: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A repair that was tried.
#[derive(Debug, Serialize)]
struct Repaired {
    /// The finding.
    id: &'static str,
    /// What was done, as a command.
    command: String,
    /// Whether the finding is gone.
    gone: bool,
    /// Why it could not be done, if so.
    error: Option<String>,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report<'r> {
    version: &'static str,
    path: &'r std::path::Path,
    findings: &'r [Finding],
    repairs: &'r [Repaired],
}

impl Doctor {
    pub(super) fn run(self) -> Result<(), Failure> {
        let path = directory(&self.path)?;
        let mut collected = Collected::collect(&path, self.online)?;
        let mut repairs = Vec::new();
        if self.fix {
            repairs = repair(&collected.findings, self.json);
            if !repairs.is_empty() {
                collected = Collected::collect(&path, false)?.with_online_of(collected);
                for repaired in &mut repairs {
                    let is_left = |finding: &Finding| finding.fix.as_deref() == Some(&repaired.command);
                    repaired.gone = repaired.error.is_none() && !collected.findings.iter().any(is_left);
                }
            }
        }
        let findings = &collected.findings;
        if self.json {
            let version = env!("CARGO_PKG_VERSION");
            print_json(&Report { version, path: &path, findings, repairs: &repairs })?;
        } else {
            printing::print(&path, findings, &repairs)?;
        }
        verdict(&collected)
    }
}

/// Does what is safe, saying each before it is done: on standard error, which is not for a program to read.
fn repair(findings: &[Finding], quiet: bool) -> Vec<Repaired> {
    let mut done = Vec::new();
    for finding in findings {
        let Some(repair) = &finding.repair else { continue };
        let command = repair.to_string();
        if !quiet {
            anstream::eprintln!("{command}");
        }
        let error = file_modes::repair(repair).err().map(|error| error.to_string());
        done.push(Repaired { id: finding.id, command, gone: false, error });
    }
    done
}

fn verdict(collected: &Collected) -> Result<(), Failure> {
    let problems = collected.findings.iter().filter(|finding| finding.level == Level::Problem).count();
    if let Some(failure) = &collected.not_running {
        return Err(Failure {
            kind: Kind::NotRunning,
            message: failure.message.clone(),
            hint: failure.hint.clone(),
        });
    }
    match problems {
        0 => Ok(()),
        1 => Err(Failure::refused("1 problem")),
        count => Err(Failure::refused(format!("{count} problems"))),
    }
    .map_err(|failure| {
        let fixable = collected.findings.iter().any(|finding| finding.fixable);
        failure.with_hint(if fixable { "brokerctl doctor --fix" } else { "type what stands beside each" })
    })
}
