//! What is here already: profiles of `~/.aws`, and projects.

use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use crate::core::first_run::{Offer, offer};
use crate::core::name::{App, Stage};
use crate::core::serverless::{Finding, Inputs};
use crate::core::stage::DEFAULT_STAGE;
use crate::ctl::commands::directory;
use crate::ctl::failure::Failure;
use crate::ctl::{inspect, paint};
use crate::edges::directories::Directories;
use crate::edges::inclusion::Findings;
use crate::edges::project_file::ProjectFile;
use crate::edges::project_search::{Progress, search};
use crate::edges::surroundings::Here;

/// So long each directory is searched at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// A project whose application and stage are known.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) config: PathBuf,
    pub(super) app: App,
    pub(super) stage: Stage,
}

/// What is here.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) offer: Offer,
    pub(super) projects: Vec<Project>,
    /// Configurations that do not tell their application or stage, and why.
    left_out: Vec<(PathBuf, String)>,
    /// Directories that were not searched to the end.
    unfinished: Vec<PathBuf>,
}

impl Found {
    pub(super) fn look(roots: &[PathBuf], directories: &Directories) -> Result<Self, Failure> {
        let here = Here::look();
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let offer = offer(&text(&here.config.text), &text(&here.credentials.text));
        let mut found = Self { offer, projects: Vec::new(), left_out: Vec::new(), unfinished: Vec::new() };
        let home = std::fs::canonicalize(&directories.home).unwrap_or_else(|_| directories.home.clone());
        for root in roots {
            let root = directory(root)?;
            let (files, ended) = files_below(&root);
            if !ended {
                found.unfinished.push(root);
            }
            for file in files {
                match read(&file, &home) {
                    Ok(project) if found.projects.iter().all(|known| known.config != project.config) => {
                        found.projects.push(project);
                    }
                    Ok(_) => {}
                    Err(why) => found.left_out.push((file.config, why)),
                }
            }
        }
        found.projects.sort_by(|one, other| one.config.cmp(&other.config));
        Ok(found)
    }

    pub(super) fn print(&self) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        for Project { config, app, stage } in &self.projects {
            writeln!(out, "project {} is {}", config.display(), paint::strong(&format!("{app}.{stage}")))?;
        }
        for (config, why) in &self.left_out {
            writeln!(out, "{} {}: {why}", paint::note("left out:"), config.display())?;
        }
        for root in &self.unfinished {
            writeln!(
                out,
                "{} {} is big, and was not searched to its end",
                paint::note("note:"),
                root.display()
            )?;
        }
        for candidate in &self.offer.candidates {
            let arn = candidate.settings.role_arn.as_ref().map(ToString::to_string).unwrap_or_default();
            let source = candidate.settings.source.as_deref().unwrap_or("env");
            writeln!(out, "profile {} of ~/.aws/config is {arn}, by {source}", candidate.name)?;
        }
        for (name, why) in &self.offer.left_out {
            writeln!(out, "{} profile {name} of ~/.aws/config: {why}", paint::note("left out:"))?;
        }
        if !self.offer.sources.is_empty() {
            writeln!(out, "can sign: {}", self.offer.sources.join(", "))?;
        }
        if self.projects.is_empty() {
            writeln!(out, "no project was found; name its directory: brokerctl init DIRECTORY")?;
        }
        Ok(())
    }
}

/// Every configuration below a directory, and whether all of it was searched.
fn files_below(root: &std::path::Path) -> (Vec<ProjectFile>, bool) {
    let progress = Progress::default();
    let (done, waiting) = mpsc::channel();
    std::thread::scope(|scope| {
        let progress = &progress;
        scope.spawn(move || {
            if waiting.recv_timeout(PATIENCE).is_err() {
                progress.stop();
            }
        });
        let searched = search(root, None, progress, &|file| file);
        // Nobody listens any more where the time was over.
        let _ = done.send(());
        (searched.projects, !progress.is_stopped())
    })
}

/// What a configuration says to a CLI without options.
fn read(file: &ProjectFile, home: &std::path::Path) -> Result<Project, String> {
    let inputs = Inputs { environment: std::env::vars().collect(), ..Inputs::default() };
    let document = inspect::read(file, &inputs, home, &mut Findings::new())?;
    let known = |what: &str, finding: Finding, default: Option<&str>| match (finding, default) {
        (Finding::Known(known), _) => Ok(known.value),
        (Finding::Absent, Some(default)) => Ok(default.to_owned()),
        (Finding::Absent, None) => Err(format!("it names no {what}; brokerctl allow --app NAME")),
        (Finding::Unknown(unknown), _) => Err(format!("its {what} is not known: {}", unknown.reason)),
    };
    let app = known("app", document.app(&inputs), None)?;
    let stage = known("stage", document.stage(&inputs), Some(DEFAULT_STAGE))?;
    Ok(Project {
        config: file.config.clone(),
        app: App::parse(&app).map_err(|error| error.to_string())?,
        stage: Stage::parse(&stage).map_err(|error| error.to_string())?,
    })
}
