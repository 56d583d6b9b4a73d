//! Looking at everything once, and letting the checks judge it.

use std::net::SocketAddr;
use std::path::Path;

use crate::core::aws_sections::{AwsFile, sections};
use crate::core::catalog::Catalog;
use crate::core::config::Config;
use crate::core::doctor::aws_files::AwsText;
use crate::core::doctor::catalog::Reading;
use crate::core::doctor::endpoint::{Occupied, Probe};
use crate::core::doctor::{
    Finding, aws_files, catalog, clock, daemon, endpoint, environment, files, hardening, keychain, limits,
    link_local as redirect, logins, online, projects, service, tools,
};
use crate::core::fault::Faults;
use crate::core::link_local::{ENDPOINT, State};
use crate::core::protocol::{Explanation, Reply, Request, Status};
use crate::core::wanted::Wanted;
use crate::ctl::commands::unexpected;
use crate::ctl::failure::{Failure, Kind};
use crate::ctl::{client, link_local, listeners, service as installed};
use crate::edges::catalog_file::{CatalogFile, CatalogFileError};
use crate::edges::directories::Directories;
use crate::edges::peer::listener;
use crate::edges::surroundings::{AwsPlace, Here};
use crate::edges::{file_modes, search_path, token_request, user, watch};

/// All that was found.
pub(super) struct Collected {
    pub(super) findings: Vec<Finding>,
    /// That the daemon does not run.
    pub(super) not_running: Option<Failure>,
}

impl Collected {
    /// Looks at everything; at AWS only if `online`.
    pub(super) fn collect(path: &Path, online: bool) -> Result<Self, Failure> {
        let directories =
            Directories::from_environment().map_err(|error| Failure::refused(error.to_string()))?;
        let mut findings = Vec::new();
        let config = read_file(&directories.config_file(), Config::parse);
        let asked = ask(path);
        let mut endpoints = match &asked {
            Ok((status, _)) => status.endpoints.clone(),
            Err(_) => expected(&config).iter().map(|address| format!("http://{address}/")).collect(),
        };
        let mut not_running = None;
        let mut here = None;
        match asked {
            Ok((status, explanation)) => {
                here = projects::here(&explanation);
                of_daemon(&status, &explanation, &mut findings);
                if of_redirect(&status, &mut findings) {
                    endpoints.push(ENDPOINT.to_owned());
                }
            }
            Err(failure) => {
                let runs = failure.kind != Kind::NotRunning;
                findings.push(daemon::absent(runs, &failure.message, failure.hint.clone()));
                findings.extend(expected(&config).into_iter().filter_map(of_free));
                not_running = (!runs).then_some(failure);
            }
        }
        let stage = here.as_ref().map(|here| here.stage.as_str());
        of_surroundings(&endpoints, stage, &directories, &mut findings);
        findings.extend(tools::judge(&search_path::programs(tools::names())));
        findings.extend(catalog::judge_config(&directories.config_file(), &config));
        let agreed = read_file(&directories.catalog_file(), Catalog::parse);
        findings.extend(catalog::judge(&directories.catalog_file(), &agreed));
        findings.extend(limits::judge(&watch::usage()));
        let (units, outdated) = installed::units()?;
        findings.extend(service::judge(&units, outdated.map_err(|failure| failure.message)));
        if online && not_running.is_none() {
            let outcome = here.as_ref().map(refresh).transpose()?;
            findings.push(online::judge(here.as_ref(), outcome));
            findings.retain(|finding| finding.id != "clock-skew");
            findings
                .extend(ask(path).ok().into_iter().flat_map(|(status, _)| clock::judge(status.clock_ahead)));
        }
        Ok(Self { findings, not_running })
    }

    /// What was found now, and what AWS said earlier: it is not asked twice.
    pub(super) fn with_online_of(mut self, earlier: Self) -> Self {
        self.findings.extend(earlier.findings.into_iter().filter(|finding| finding.id.starts_with("online")));
        self
    }
}

fn ask(path: &Path) -> Result<(Box<Status>, Box<Explanation>), Failure> {
    let Reply::Status(status) = client::ask(&Request::Status)? else { return Err(unexpected()) };
    let why = Request::Why { path: Some(path.to_owned()), stage: None, pid: None };
    let Reply::Why(explanation) = client::ask(&why)? else { return Err(unexpected()) };
    Ok((status, explanation))
}

fn of_daemon(status: &Status, explanation: &Explanation, findings: &mut Vec<Finding>) {
    findings.extend(daemon::judge(status, env!("CARGO_PKG_VERSION")));
    findings.extend(keychain::judge(&status.keychain));
    let strangers: Vec<Occupied> = listeners::strangers(&status.sockets)
        .into_iter()
        .map(|stranger| Occupied { sentence: stranger.sentence, is_somebody: stranger.is_somebody })
        .collect();
    let own = status.sockets.iter().filter(|socket| !socket.remote);
    let probes: Vec<Probe> = own.map(|socket| probe(socket.address)).collect();
    findings.extend(endpoint::judge(&probes, &strangers));
    findings.extend(projects::judge(explanation, &status.projects, &status.found));
    findings.extend(logins::judge(&status.logins, status.now));
    findings.extend(clock::judge(status.clock_ahead));
    findings.extend(hardening::judge(&status.hardening));
}

/// Looks at 169.254.169.254. Whether the daemon answers there.
fn of_redirect(status: &Status, findings: &mut Vec<Finding>) -> bool {
    let found = link_local::look(link_local::port_of(status));
    let is_on = found.as_ref().is_ok_and(|found| found.state == State::On);
    findings.push(match found {
        Ok(found) => redirect::judge(&found),
        Err(failure) => Finding::unseen(ENDPOINT, failure.message),
    });
    is_on
}

fn probe(address: SocketAddr) -> Probe {
    let failure = token_request::send(address).err().map(|error| error.to_string());
    Probe { url: format!("http://{address}/"), failure }
}

/// Where brokerd would listen.
fn expected(config: &Reading<Config>) -> Vec<SocketAddr> {
    let listen = match config {
        Reading::Good(config) => config.listen.clone(),
        _ => Config::default().listen,
    };
    listen.into_iter().filter(|address| address.port() != 0).collect()
}

fn of_free(address: SocketAddr) -> Option<Finding> {
    let who = listener::of(address).map(|found| found.to_string());
    endpoint::judge_free(&address.to_string(), who.as_deref())
}

fn of_surroundings(
    endpoints: &[String],
    stage: Option<&str>,
    directories: &Directories,
    findings: &mut Vec<Finding>,
) {
    let here = Here::look();
    let mut texts = Vec::new();
    for (file, AwsPlace { path, text }) in
        [(AwsFile::Config, &here.config), (AwsFile::Credentials, &here.credentials)]
    {
        if let (Some(path), Some(text)) = (path, text) {
            texts.push(AwsText { file, path, text });
        }
    }
    let profiles: Vec<String> = texts
        .iter()
        .flat_map(|text| {
            let sections = sections(text.text);
            sections
                .iter()
                .filter_map(|section| section.profile(text.file).map(str::to_owned))
                .collect::<Vec<_>>()
        })
        .collect();
    findings.extend(
        here.surroundings(endpoints, |surroundings| environment::judge(surroundings, stage, &profiles)),
    );
    let mut named =
        ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"].into_iter().filter_map(|name| std::env::var(name).ok());
    let profile = named.find(|name| !name.is_empty());
    findings.extend(aws_files::judge(&texts, profile.as_deref(), endpoints));
    let looked = file_modes::look(directories, here.config.path.as_deref(), here.credentials.path.as_deref());
    findings.extend(files::judge(&looked, user::uid()));
}

/// Reads a file as the daemon does: what others can write is refused.
fn read_file<T>(path: &Path, parse: fn(&Path, &str) -> Result<T, Faults>) -> Reading<T> {
    let file = match CatalogFile::read(path) {
        Ok(file) => file,
        Err(error @ CatalogFileError::Untrusted { .. }) => {
            return Reading::Unreadable(error.to_string(), error.hint());
        }
        Err(error) => return Reading::Unreadable(error.to_string(), None),
    };
    if !file.exists() {
        return Reading::Absent;
    }
    match parse(path, file.text()) {
        Ok(value) => Reading::Good(value),
        Err(faults) => Reading::Faulty(faults),
    }
}

/// Asks AWS for a new session of the role here.
fn refresh(here: &projects::Here) -> Result<Result<String, (String, Option<String>)>, Failure> {
    let wanted = Wanted { app: Some(here.app.clone()), stage: Some(here.stage.clone()), profile: None };
    match client::ask(&Request::Refresh { wanted }) {
        Ok(Reply::Refreshed(fresh)) => Ok(Ok(fresh.expires.to_string())),
        Ok(_) => Err(unexpected()),
        Err(failure) if failure.kind == Kind::NotRunning => Err(failure),
        Err(failure) => Ok(Err((failure.message, failure.hint))),
    }
}
