//! `brokerctl service`: brokerd as a service of this user.

mod address;
mod files;
mod install;
mod launchd;
mod manager;
mod report;
mod uninstall;

use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Subcommand;

use super::failure::{Failure, Kind};
use crate::core::service::UNITS;

pub(super) use files::units;

/// `brokerctl service`.
#[derive(Debug, Subcommand)]
pub(super) enum Service {
    /// Put the units in place, start them, and lead what a login starts to brokerd; again after an upgrade
    Install {
        /// Show what would be written and run, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// Stop a brokerd that runs outside of the service
        #[arg(long)]
        replace: bool,
    },
    /// End the service and take away all that `install` wrote; catalog, settings and state stay
    Uninstall {
        /// Show what would be removed and run, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Show whether the service is installed, up to date, enabled and at work; exit code 1 if not
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what the service logged, by journalctl
    Logs {
        /// Go on showing what it logs
        #[arg(long, short)]
        follow: bool,
        /// How many lines
        #[arg(long, short = 'n', default_value_t = 100)]
        lines: u32,
    },
}

impl Service {
    pub(super) fn run(self) -> Result<(), Failure> {
        if cfg!(target_os = "macos") {
            return self.run_by_launchd();
        }
        match self {
            Self::Install { dry_run, replace } => install::run(dry_run, replace),
            Self::Uninstall { dry_run } => uninstall::run(dry_run),
            Self::Status { json } => report::run(json),
            Self::Logs { follow, lines } => logs(follow, lines),
        }
    }

    /// The same where launchd is the service manager.
    fn run_by_launchd(self) -> Result<(), Failure> {
        match self {
            Self::Install { dry_run, .. } => launchd::install(dry_run),
            Self::Uninstall { dry_run } => launchd::uninstall(dry_run),
            Self::Status { json } => launchd::status(json),
            Self::Logs { follow, lines } => launchd::logs(follow, lines),
        }
    }
}

/// Becomes `journalctl`.
fn logs(follow: bool, lines: u32) -> Result<(), Failure> {
    let mut command = Command::new("journalctl");
    command.args(["--user", "--unit", UNITS[0], "--lines", &lines.to_string()]);
    if follow {
        command.arg("--follow");
    }
    let error = command.exec();
    Err(Failure {
        kind: Kind::NoCommand,
        message: format!("journalctl: {error}"),
        hint: Some("systemctl --user status brokerd shows the last lines".to_owned()),
    })
}
