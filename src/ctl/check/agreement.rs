//! The safeguards that hold: the daemon's word, or the catalog's.

use std::path::Path;

use super::subject::Subject;
use crate::core::catalog::Catalog;
use crate::core::decision;
use crate::core::name::App;
use crate::core::protocol::{Agreement, Reply, Request};
use crate::core::refusal::Refusal;
use crate::core::serverless::Finding;
use crate::ctl::client;
use crate::ctl::commands::unexpected;
use crate::ctl::failure::{Failure, Kind};
use crate::edges::catalog_file::CatalogFile;
use crate::edges::directories::Directories;

/// What the daemon says, which is of an allowed project; without a running one what its catalog says. Gives which.
pub(super) fn in_force(subject: &Subject, app: Option<&App>) -> Result<(Agreement, bool), Failure> {
    match of_daemon(subject) {
        Ok(agreement) => Ok((agreement, true)),
        Err(Failure { kind: Kind::NotRunning, .. }) => {
            let directories =
                Directories::from_environment().map_err(|error| Failure::refused(error.to_string()))?;
            Ok((of_catalog(&directories.catalog_file(), subject, app)?, false))
        }
        Err(failure) => Err(failure),
    }
}

/// What the daemon says.
pub(in crate::ctl) fn of_daemon(subject: &Subject) -> Result<Agreement, Failure> {
    let request = Request::Safeguards { path: subject.file.config.clone(), stage: subject.stage.to_string() };
    match client::ask(&request)? {
        Reply::Safeguards(agreement) => Ok(*agreement),
        _ => Err(unexpected()),
    }
}

/// What a catalog says.
pub(super) fn of_catalog(path: &Path, subject: &Subject, app: Option<&App>) -> Result<Agreement, Failure> {
    let file = CatalogFile::read(path)?;
    if !file.exists() {
        return Err(Failure::refused(format!("there is no catalog at {}", path.display()))
            .with_hint("name one: --catalog FILE"));
    }
    let catalog = Catalog::parse(path, file.text()).map_err(|faults| {
        Failure::refused(format!("the catalog has faults:\n{faults}")).with_hint("mend these in the file")
    })?;
    let app = match app {
        Some(app) => app.clone(),
        None => declared(subject)?,
    };
    let (profile, matched) =
        decision::profile(&catalog, &app, &subject.stage).map_err(|refusal| refused(&refusal))?;
    let fallback = (matched == decision::Matched::Default)
        .then(|| decision::fallback(&catalog, &app, &subject.stage, &profile));
    Ok(Agreement::new(&app, &subject.stage, &profile, fallback))
}

/// The application that the configuration names.
fn declared(subject: &Subject) -> Result<App, Failure> {
    let unknown = |why: &str| {
        Failure::refused(format!("the application of {} is not known: {why}", subject.shown()))
            .with_hint("name it: --app NAME")
    };
    let document = subject.document.as_ref().ok_or_else(|| unknown("the file is a program"))?;
    match document.app(&subject.inputs) {
        Finding::Known(known) => App::parse(&known.value).map_err(|error| unknown(&error.to_string())),
        Finding::Absent => Err(unknown("the file names none")),
        Finding::Unknown(why) => Err(unknown(&why.reason)),
    }
}

fn refused(refusal: &Refusal) -> Failure {
    let failure = Failure::refused(refusal.to_string());
    match refusal.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}
