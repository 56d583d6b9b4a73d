//! `brokerctl init`: from nothing to a first session, step by step. Every step says what it will write before it does.

mod asking;
mod choosing;
mod found;
mod starting;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use super::catalog_commands::editing::show;
use super::commands::unexpected;
use super::failure::Failure;
use super::{client, paint};
use crate::core::catalog::Catalog;
use crate::core::catalog_edit::{EditError, edit};
use crate::core::first_run::{Choice, edits};
use crate::core::name::{App, RoleArn, Stage};
use crate::core::protocol::{Reply, Request, Verdict};
use crate::core::wanted::Wanted;
use crate::edges::catalog_file::CatalogFile;
use crate::edges::directories::Directories;
use asking::Asking;
use found::Found;

/// `brokerctl init`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "one for each option")]
pub(super) struct Init {
    /// Directories that hold projects
    #[arg(default_value = ".")]
    directories: Vec<PathBuf>,
    /// Ask nothing: take what --role and --profile name, and leave out the rest
    #[arg(long)]
    yes: bool,
    /// Show what would be written and done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// A stage and the role that it gets
    #[arg(long = "role", value_name = "APP.STAGE=ARN", value_parser = role)]
    roles: Vec<(App, Stage, RoleArn)>,
    /// A stage and the profile that it gets: of the catalog, or of ~/.aws/config
    #[arg(long = "profile", value_name = "APP.STAGE=PROFILE", value_parser = profile)]
    profiles: Vec<(App, Stage, String)>,
    /// The profile of ~/.aws/config that may assume the roles of --role; without it the SDK's own chain
    #[arg(long, value_name = "PROFILE")]
    source: Option<String>,
    /// Allow no project
    #[arg(long)]
    no_allow: bool,
    /// Install no service, and start no daemon
    #[arg(long)]
    no_service: bool,
    /// Ask AWS for no session
    #[arg(long)]
    no_test: bool,
}

fn stage_and<T>(
    text: &str,
    form: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<(App, Stage, T), String> {
    let parts = text.split_once('=').and_then(|(name, value)| Some((name.split_once('.')?, value)));
    let ((app, stage), value) = parts.ok_or_else(|| format!("expected APP.STAGE={form}"))?;
    let app = App::parse(app).map_err(|error| error.to_string())?;
    let stage = Stage::parse(stage).map_err(|error| error.to_string())?;
    Ok((app, stage, read(value)?))
}

fn role(text: &str) -> Result<(App, Stage, RoleArn), String> {
    stage_and(text, "ARN", |arn| RoleArn::parse(arn).map_err(|error| error.to_string()))
}

fn profile(text: &str) -> Result<(App, Stage, String), String> {
    stage_and(text, "PROFILE", |name| Ok(name.to_owned()))
}

impl Init {
    pub(super) fn run(self) -> Result<(), Failure> {
        let asking = Asking::new(self.yes, self.dry_run)?;
        let directories =
            Directories::from_environment().map_err(|error| Failure::refused(error.to_string()))?;
        let path = directories.catalog_file();
        let file = CatalogFile::read(&path)?;
        let catalog = Catalog::parse(&path, file.text()).map_err(EditError::Faulty)?;
        let found = Found::look(&self.directories, &directories)?;
        heading("1. What is here")?;
        found.print()?;

        heading("2. The catalog")?;
        let choices = choosing::choose(&self, asking, &found, &catalog)?;
        let catalog = write_catalog(asking, &path, &file, &catalog, &choices)?;

        heading("3. brokerd")?;
        let runs = starting::start(asking, self.no_service)?;

        heading("4. Projects")?;
        let allowed = self.allow(asking, &found, &catalog, runs)?;

        heading("5. A first session")?;
        self.test(asking, &allowed, runs)?;
        writeln!(
            anstream::stdout(),
            "\nin each shell: eval \"$(brokerctl env)\"\nwhat may still be in the way: brokerctl doctor"
        )?;
        Ok(())
    }

    /// Whether an option names this application.
    fn names(&self, app: &App) -> bool {
        let of_roles = self.roles.iter().map(|(named, _, _)| named);
        of_roles.chain(self.profiles.iter().map(|(named, _, _)| named)).any(|named| named == app)
    }

    /// Allows each project whose application the catalog has. Gives those that are.
    fn allow(
        &self,
        asking: Asking,
        found: &Found,
        catalog: &Catalog,
        runs: bool,
    ) -> Result<Vec<(App, Stage)>, Failure> {
        let mut allowed = Vec::new();
        let mut out = anstream::stdout();
        let known = found.projects.iter().filter(|project| catalog.applications.contains_key(&project.app));
        for project in known {
            let (config, app) = (project.config.display(), &project.app);
            if self.no_allow || !runs {
                let why = if self.no_allow { "by --no-allow" } else { "brokerd does not run" };
                writeln!(out, "not allowed ({why}): brokerctl allow {config}")?;
                continue;
            }
            // A cloned repository may name any application: without a person only what the options name is allowed.
            if asking.is_nobody() && !self.names(app) {
                writeln!(out, "not allowed (no option names {app}): brokerctl allow {config}")?;
                continue;
            }
            if !asking.confirm(&format!("Let processes in {config} have the roles of application {app}?"))? {
                writeln!(out, "{} {config} is not allowed", asking.why_not())?;
                continue;
            }
            let request =
                Request::Allow { path: project.config.clone(), app: None, stage: None, worktrees: false };
            let Reply::Allowed(permission) = client::ask(&request)? else { return Err(unexpected()) };
            writeln!(out, "{} {config} as application {}", paint::good("allowed"), permission.app)?;
            allowed.push((project.app.clone(), project.stage.clone()));
        }
        if found.projects.is_empty() {
            writeln!(out, "none was found; later, in a project: brokerctl allow")?;
        }
        Ok(allowed)
    }

    /// Asks AWS for a session of the first project that is allowed, and says who that is.
    fn test(&self, asking: Asking, allowed: &[(App, Stage)], runs: bool) -> Result<(), Failure> {
        let mut out = anstream::stdout();
        let Some((app, stage)) = allowed.first().filter(|_| runs && !self.no_test) else {
            writeln!(out, "AWS is not asked; later, in a project: brokerctl doctor --online")?;
            return Ok(());
        };
        if !asking.confirm(&format!("Ask AWS for a session of {app}.{stage} now?"))? {
            writeln!(out, "{} AWS is not asked", asking.why_not())?;
            return Ok(());
        }
        let wanted = Wanted { app: Some(app.clone()), stage: Some(stage.clone()), profile: None };
        let Reply::Refreshed(fresh) = client::ask(&Request::Refresh { wanted })? else {
            return Err(unexpected());
        };
        let role = role_of(app, stage)?;
        writeln!(
            out,
            "{} in {app}.{stage} you are role {} of account {} ({}), until {}",
            paint::good("it works:"),
            role.role_name(),
            role.account(),
            fresh.access_key_id,
            fresh.expires
        )?;
        Ok(())
    }
}

/// Shows what is added, and writes it in one piece once that is confirmed. Gives the catalog that is in force then.
fn write_catalog(
    asking: Asking,
    path: &std::path::Path,
    file: &CatalogFile,
    catalog: &Catalog,
    choices: &[(App, Stage, Choice)],
) -> Result<Catalog, Failure> {
    let text = edits(catalog, choices)
        .iter()
        .try_fold(file.text().to_owned(), |text, wanted| edit(path, &text, wanted))?;
    if text == file.text() {
        writeln!(anstream::stdout(), "nothing to add to {}", path.display())?;
        return Ok(catalog.clone());
    }
    show(path, file.text(), &text)?;
    if !asking.confirm(&format!("Write this to {}?", path.display()))? {
        writeln!(anstream::stdout(), "{} nothing is written", asking.why_not())?;
        return Ok(catalog.clone());
    }
    file.replace(&text)?;
    let done = if file.exists() { "changed" } else { "made" };
    writeln!(anstream::stdout(), "{} {}", paint::good(done), path.display())?;
    Catalog::parse(path, &text).map_err(|faults| EditError::WouldBeFaulty(faults).into())
}

/// The role of a stage, as the daemon has it.
fn role_of(app: &App, stage: &Stage) -> Result<RoleArn, Failure> {
    let Reply::Status(status) = client::ask(&Request::Status)? else { return Err(unexpected()) };
    let row = status.projects.iter().find(|row| row.app == *app && row.stage.as_ref() == Some(stage));
    let here = status.here.as_ref().and_then(|here| match &here.verdict {
        Verdict::Profile { app: own, stage: current, role, .. } if own == app && current == stage => {
            Some(role)
        }
        _ => None,
    });
    row.and_then(|row| row.role.as_ref()).or(here).cloned().ok_or_else(unexpected)
}

fn heading(text: &str) -> Result<(), Failure> {
    writeln!(anstream::stdout(), "\n{}", paint::strong(text))?;
    Ok(())
}
