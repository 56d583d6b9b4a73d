//! A service, checked against the safeguards of its stage's profile.

pub(super) mod agreement;
pub(super) mod printing;
pub(super) mod subject;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::commands::print_json;
use super::failure::Failure;
use crate::core::name::{App, Region, Stage};
use crate::core::protocol::Agreement;
use crate::core::safeguard::Engine;
use crate::core::safeguard::report::{Report, evaluate};
use crate::core::safeguard::sarif::{annotations, sarif};
use crate::core::serverless_cli::Invocation;
use subject::Subject;

#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "they are options of the command line")]
pub(super) struct Check {
    /// The project's directory or configuration file
    #[arg(default_value = ".")]
    path: PathBuf,
    /// The stage; else provider.stage, else dev
    #[arg(long, value_parser = Stage::parse)]
    stage: Option<Stage>,
    /// The region; else provider.region, else us-east-1
    #[arg(long, value_parser = Region::parse)]
    region: Option<Region>,
    /// The packaged service, as `serverless package --package DIR` leaves it
    #[arg(long, value_name = "DIR")]
    package: Option<PathBuf>,
    /// Package nothing: what serverless.yml does not tell is skipped
    #[arg(long, conflicts_with = "package")]
    no_package: bool,
    /// The version of the framework that packaged it; else that of the project's own CLI
    #[arg(long, value_name = "VERSION")]
    framework_version: Option<String>,
    /// Run the project's own CLI to package it although no daemon says that the project is allowed, as in CI
    #[arg(long, conflicts_with_all = ["package", "no_package"])]
    trust: bool,
    /// Take the safeguards from this catalog, not from the daemon
    #[arg(long, value_name = "FILE")]
    catalog: Option<PathBuf>,
    /// The application, for a configuration that names none; with --catalog, or without a daemon
    #[arg(long, value_name = "NAME", value_parser = App::parse)]
    app: Option<App>,
    /// Print JSON
    #[arg(long, group = "form")]
    json: bool,
    /// Print SARIF, for code scanning
    #[arg(long, group = "form")]
    sarif: bool,
    /// Print annotations of GitHub Actions
    #[arg(long, group = "form")]
    github: bool,
}

/// Packaging runs what the project brings: its own CLI, its plugins, its code.
fn not_trusted(subject: &Subject) -> Failure {
    Failure::refused(format!(
        "{} is not packaged: that runs the project's own programs, and no daemon says that it is allowed",
        subject.shown()
    ))
    .with_hint(
        "--trust if it is yours; --package DIR for what is packaged already; --no-package for the file alone",
    )
}

impl Check {
    pub(super) fn run(self, engine: Option<&dyn Engine>) -> Result<(), Failure> {
        let mut subject =
            Subject::find(&self.path, self.stage.as_ref(), self.region.as_ref(), Invocation::default())?;
        subject.framework_version.clone_from(&self.framework_version);
        let (agreed, is_allowed) = match &self.catalog {
            Some(catalog) => (agreement::of_catalog(catalog, &subject, self.app.as_ref())?, false),
            None => agreement::in_force(&subject, self.app.as_ref())?,
        };
        let inputs = match &self.package {
            Some(directory) => subject.packaged(directory)?,
            None if self.no_package => subject.unpackaged(),
            None => {
                let unpackaged = subject.unpackaged();
                // Most can be judged at once. The CLI takes seconds, so it is asked only for what is left.
                let report = unpackaged.report(&subject, engine, |service, file, document| {
                    evaluate(&agreed.safeguards, service, file, document, false)
                });
                if !report.lacks_package() {
                    unpackaged
                } else if is_allowed || self.trust {
                    subject.package()?
                } else {
                    return Err(not_trusted(&subject));
                }
            }
        };
        let report = inputs.report(&subject, engine, |service, file, document| {
            evaluate(&agreed.safeguards, service, file, document, !self.no_package)
        });
        self.print(&report, &agreed, &subject, &inputs.described)?;
        if report.blocks() {
            return Err(Failure::refused(printing::blocked(&report, &agreed))
                .with_hint("brokerctl safeguard explain ID tells what one wants, with examples"));
        }
        Ok(())
    }

    fn print(
        &self,
        report: &Report,
        agreed: &Agreement,
        subject: &Subject,
        inputs: &str,
    ) -> Result<(), Failure> {
        let file = subject.shown();
        if self.json {
            print_json(&printing::document(report, agreed))
        } else if self.sarif {
            print_json(&sarif(report, &file))
        } else if self.github {
            write!(std::io::stdout(), "{}", annotations(report, &file))?;
            Ok(())
        } else {
            printing::print(report, agreed, &file, inputs)
        }
    }
}
