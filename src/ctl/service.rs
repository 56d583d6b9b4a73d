//! `brokerctl service`: brokerd as a service of this user.

mod address;
mod install;
mod manager;
mod report;
mod uninstall;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use clap::Subcommand;

use super::failure::{Failure, Kind};
use crate::core::service::{ENVIRONMENT, Service as Description, UNITS};
use crate::edges::directories::Directories;

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
            return Err(by_hand_on_macos());
        }
        match self {
            Self::Install { dry_run, replace } => install::run(dry_run, replace),
            Self::Uninstall { dry_run } => uninstall::run(dry_run),
            Self::Status { json } => report::run(json),
            Self::Logs { follow, lines } => logs(follow, lines),
        }
    }
}

/// What to do where launchd is the service manager.
fn by_hand_on_macos() -> Failure {
    Failure::refused("brokerctl service speaks to systemd, and this is macOS, which has launchd").with_hint(
        "fill in what is in @ in launchd/dev.brokerd.plist of the source, put it into ~/Library/LaunchAgents, and \
         launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/dev.brokerd.plist (launchctl bootout ends it)",
    )
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

/// Where the files of the service are.
struct Places {
    directories: Directories,
    units: PathBuf,
    environment: PathBuf,
}

/// The variable that says where a user's configuration is (XDG Base Directory Specification).
const CONFIG_HOME: &str = "XDG_CONFIG_HOME";

impl Places {
    fn find() -> Result<Self, Failure> {
        let directories =
            Directories::from_environment().map_err(|error| Failure::refused(error.to_string()))?;
        // The manager reads both of them by its own environment, not by that of this shell.
        let config = manager::variable(CONFIG_HOME)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| directories.home.join(".config"));
        Ok(Self {
            directories,
            units: config.join("systemd/user"),
            environment: config.join("environment.d").join(ENVIRONMENT),
        })
    }

    /// The socket unit as it is installed; empty if it is not.
    fn installed_socket(&self) -> String {
        fs::read_to_string(self.units.join(UNITS[1])).unwrap_or_default()
    }

    /// The links by which a login starts the units (`WantedBy=`), in the order of [`UNITS`].
    fn links(&self) -> [PathBuf; 2] {
        let [unit, socket] = UNITS;
        [("default.target", unit), ("sockets.target", socket)]
            .map(|(target, name)| self.units.join(format!("{target}.wants")).join(name))
    }

    /// The files with their texts.
    fn files(&self, service: &Description) -> [(PathBuf, String); 3] {
        let [unit, socket] = UNITS.map(|name| self.units.join(name));
        [
            (unit, service.unit()),
            (socket, service.socket()),
            (self.environment.clone(), service.environment()),
        ]
    }
}
