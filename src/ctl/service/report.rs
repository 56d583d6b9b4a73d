//! `brokerctl service status`.

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::files::Places;
use super::manager;
use crate::core::protocol::{Reply, Request};
use crate::core::service::{UNITS, addresses};
use crate::ctl::commands::print_json;
use crate::ctl::failure::Failure;
use crate::ctl::{client, paint};

/// How the service is doing; the shape of `--json`.
#[derive(Debug, Serialize)]
struct ServiceStatus {
    installed: bool,
    /// Files that this version would write otherwise, and those that are missing.
    outdated: Vec<PathBuf>,
    enabled: bool,
    /// Of the sockets: `active`, `inactive`, `failed`.
    socket: String,
    /// Of the daemon: `active`, `inactive`, `failed`, `activating`.
    service: String,
    pid: u32,
    restarts: u32,
    /// Files that change the units.
    drop_ins: Vec<String>,
    listen: Vec<String>,
    /// Of the daemon that runs.
    daemon_version: Option<String>,
    brokerctl_version: &'static str,
    /// What is not as it should be, each with what to type.
    troubles: Vec<String>,
}

/// Prints it; a service with troubles is a failure.
pub(super) fn run(json: bool) -> Result<(), Failure> {
    let status = look()?;
    if json {
        print_json(&status)?;
    } else {
        print(&status)?;
    }
    match status.troubles.first() {
        None => Ok(()),
        Some(_) if json => Err(Failure::refused(status.troubles.join("; "))),
        Some(_) => Err(Failure::refused("the service is not as it should be: see above")),
    }
}

fn look() -> Result<ServiceStatus, Failure> {
    let places = Places::find()?;
    let units = places.units();
    let listen = addresses(&places.installed_socket());
    let installed = units.is_installed() && units.has_socket;
    manager::reach()?;
    let names = "ActiveState,UnitFileState,DropInPaths,MainPID,NRestarts,NeedDaemonReload";
    let [service, socket] = UNITS.map(|unit| manager::properties(unit, names));
    let (service, socket) = (service?, socket?);
    let value = |found: &std::collections::BTreeMap<String, String>, name: &str| {
        found.get(name).cloned().unwrap_or_default()
    };
    let number = |name: &str| value(&service, name).parse().unwrap_or(0);
    let state = value(&service, "ActiveState");
    let outdated = if installed { places.outdated()? } else { Vec::new() };
    let enabled = [&service, &socket].iter().all(|unit| value(unit, "UnitFileState") == "enabled");
    let drop_ins = [&service, &socket]
        .iter()
        .flat_map(|unit| value(unit, "DropInPaths").split(' ').map(str::to_owned).collect::<Vec<_>>())
        .filter(|path| !path.is_empty())
        .collect();
    // Asking one that is not there would start it.
    let daemon_version = (state == "active").then(|| client::ask(&Request::Status).ok()).flatten();
    let daemon_version = daemon_version.and_then(|reply| match reply {
        Reply::Status(status) => Some(status.version),
        _ => None,
    });
    let own = env!("CARGO_PKG_VERSION");
    let socket_state = value(&socket, "ActiveState");
    let mut troubles = Vec::new();
    if installed {
        if !outdated.is_empty() {
            let shown: Vec<String> = outdated.iter().map(|path| path.display().to_string()).collect();
            troubles.push(format!("outdated: {}: brokerctl service install", shown.join(", ")));
        }
        if !enabled {
            troubles.push("it does not start at login: brokerctl service install".to_owned());
        }
        if socket_state != "active" {
            troubles.push(format!("its sockets are {socket_state}: systemctl --user status brokerd.socket"));
        }
        if state == "failed" {
            troubles.push("it failed: brokerctl service logs".to_owned());
        }
        if [&service, &socket].iter().any(|unit| value(unit, "NeedDaemonReload") == "yes") {
            troubles
                .push("its files changed since they were read: systemctl --user daemon-reload".to_owned());
        }
    } else {
        troubles.push("it is not installed: brokerctl service install".to_owned());
    }
    if let Some(version) = daemon_version.as_deref().filter(|version| *version != own) {
        troubles.push(format!(
            "brokerd {version} runs, and brokerctl is {own}: systemctl --user restart brokerd.service"
        ));
    }
    Ok(ServiceStatus {
        installed,
        outdated,
        enabled,
        socket: socket_state,
        service: state,
        pid: number("MainPID"),
        restarts: number("NRestarts"),
        drop_ins,
        listen: listen.iter().map(ToString::to_string).collect(),
        daemon_version,
        brokerctl_version: own,
        troubles,
    })
}

fn print(status: &ServiceStatus) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    if status.installed {
        let version = status.daemon_version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
        let enabled = if status.enabled { "starts at login" } else { "does not start at login" };
        writeln!(
            out,
            "{}{version}: {}, pid {}, {enabled}",
            paint::strong("brokerd"),
            status.service,
            status.pid
        )?;
        writeln!(out, "sockets: {}, at {}", status.socket, status.listen.join(" "))?;
        if status.restarts > 0 {
            writeln!(out, "restarted after a failure: {} times", status.restarts)?;
        }
        for path in &status.drop_ins {
            writeln!(out, "{} {path}", paint::note("drop-in:"))?;
        }
    }
    for trouble in &status.troubles {
        writeln!(out, "{} {trouble}", paint::bad("trouble:"))?;
    }
    Ok(())
}
