//! What is checked: a project on a stage, and what is known of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::ZonedDateTime;
use serde_json::Value as Json;

use crate::core::decision::DEFAULT_REGION;
use crate::core::name::{Region, Stage};
use crate::core::safeguard::report::Report;
use crate::core::safeguard::{Engine, STATE, Service};
use crate::core::serverless::{Declared, Document, Finding, Format, Inputs};
use crate::core::serverless_cli::Invocation;
use crate::ctl::failure::Failure;
use crate::edges::clock;
use crate::edges::directories::Directories;
use crate::edges::inclusion::{self, Findings};
use crate::edges::package::{self, Cli, PackageError};
use crate::edges::project_file::{self, ProjectFile};

/// A project on a stage.
pub(in crate::ctl) struct Subject {
    pub(in crate::ctl) file: ProjectFile,
    /// The configuration, unless it is a program.
    pub(super) document: Option<Document>,
    pub(super) inputs: Inputs,
    pub(in crate::ctl) stage: Stage,
    /// The region that was named on the command line.
    region: Option<Region>,
    pub(in crate::ctl) cli: Option<Cli>,
    /// The version of the framework, where that is known better than from the CLI.
    pub(super) framework_version: Option<String>,
    now: ZonedDateTime,
}

/// What policies look at.
pub(in crate::ctl) struct Knowledge {
    compiled: BTreeMap<String, Json>,
    declaration: Declared,
    region: Option<String>,
    /// Where it is from, in words.
    pub(in crate::ctl) described: String,
}

impl Subject {
    /// The project at a path, on the stage that a Serverless CLI would work on. `more` are other options that it has.
    pub(in crate::ctl) fn find(
        path: &Path,
        stage: Option<&Stage>,
        region: Option<&Region>,
        invocation: Invocation,
    ) -> Result<Self, Failure> {
        let directories =
            Directories::from_environment().map_err(|error| Failure::refused(error.to_string()))?;
        let file = project_file::named(path, &directories.home).ok_or_else(|| {
            Failure::refused(format!("no serverless configuration at {} or above", path.display()))
                .with_hint("name a directory with a serverless.yml")
        })?;
        let options = [
            stage.map(|stage| ("stage".to_owned(), stage.to_string())),
            region.map(|region| ("region".to_owned(), region.to_string())),
        ];
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let inputs = Inputs {
            options: invocation.options.into_iter().chain(options.into_iter().flatten()).collect(),
            parameters: invocation.parameters,
            environment: environment.collect(),
        };
        let document = if Format::of(&file.config).is_some() {
            let read = Document::parse(&file.config, &fs::read(file.real())?);
            let document = read.map_err(|fault| Failure::refused(fault.to_string()))?;
            let home = fs::canonicalize(&directories.home).unwrap_or(directories.home);
            Some(inclusion::complete(document, &inputs, &file, &home, &mut Findings::new()))
        } else {
            None
        };
        let stage = match stage {
            Some(stage) => stage.clone(),
            None => told_stage(document.as_ref(), &inputs)?,
        };
        let search_path = std::env::var_os("PATH").unwrap_or_default();
        let cli = Cli::find(file.directory(), &search_path);
        let now = clock::local_now();
        let (region, framework_version) = (region.cloned(), None);
        Ok(Self { file, document, inputs, stage, region, cli, framework_version, now })
    }

    /// The configuration as a person knows it: below the directory that the command was typed in, if it is there.
    pub(in crate::ctl) fn shown(&self) -> String {
        let here = std::env::current_dir().and_then(fs::canonicalize).unwrap_or_default();
        self.file.config.strip_prefix(&here).unwrap_or(&self.file.config).display().to_string()
    }

    /// What serverless.yml tells by itself.
    pub(super) fn unpackaged(&self) -> Knowledge {
        let declaration = self.document.as_ref().map(|document| document.declared(&self.inputs));
        let declaration = declaration.unwrap_or_else(|| Declared::unknown("the configuration is a program"));
        let region = match (&self.region, self.document.as_ref().map(|file| file.region(&self.inputs))) {
            (Some(region), _) => Some(region.to_string()),
            (None, Some(Finding::Known(known))) => Some(known.value),
            (None, Some(Finding::Absent)) => Some(DEFAULT_REGION.to_owned()),
            (None, Some(Finding::Unknown(_)) | None) => None,
        };
        Knowledge {
            compiled: BTreeMap::new(),
            declaration,
            region,
            described: "serverless.yml, not packaged".to_owned(),
        }
    }

    /// What the artifacts in a directory tell.
    pub(in crate::ctl) fn packaged(&self, directory: &Path) -> Result<Knowledge, Failure> {
        self.of_artifacts(directory, format!("{}", directory.display()))
    }

    /// What the project's own CLI makes of it now.
    pub(super) fn package(&self) -> Result<Knowledge, Failure> {
        let cli = self.cli.as_ref().ok_or(PackageError::NoCli)?;
        let region = self.region.as_ref().map(Region::as_str);
        let packaged = cli.package(&self.file.config, self.stage.as_str(), region)?;
        let version = cli.version.as_deref().unwrap_or("of unknown version");
        let name = cli.program.file_name().map(PathBuf::from).unwrap_or_default();
        self.of_artifacts(packaged.directory(), format!("packaged by {} {version}", name.display()))
    }

    fn of_artifacts(&self, directory: &Path, described: String) -> Result<Knowledge, Failure> {
        let compiled = package::read(directory)?;
        let service = compiled[STATE].get("service").cloned().unwrap_or_default();
        let said = |key: &str| service.pointer(&format!("/provider/{key}")).and_then(Json::as_str);
        let region = self.region.as_ref().map(ToString::to_string);
        let region = region.or_else(|| said("region").map(str::to_owned));
        Ok(Knowledge {
            declaration: Declared::resolved(service),
            region: Some(region.unwrap_or_else(|| DEFAULT_REGION.to_owned())),
            compiled,
            described,
        })
    }
}

impl Knowledge {
    /// `provider.profile`, whose credentials a CLI would use instead of what it is started with.
    pub(in crate::ctl) fn own_profile(&self) -> Option<&str> {
        self.declaration.get(&["provider", "profile"]).ok().flatten().and_then(Json::as_str)
    }

    /// Whether the CLI reads a `.env` file.
    pub(in crate::ctl) fn uses_dotenv(&self) -> bool {
        let setting = self.declaration.get(&["useDotenv"]).ok().flatten();
        setting.is_some_and(|setting| !setting.is_null() && setting.as_bool() != Some(false))
    }

    /// What `evaluate` makes of it.
    pub(in crate::ctl) fn report(
        &self,
        subject: &Subject,
        engine: Option<&dyn Engine>,
        evaluate: impl FnOnce(&Service<'_>, &Path, Option<&Document>) -> Report,
    ) -> Report {
        let service = Service {
            compiled: &self.compiled,
            declaration: &self.declaration,
            stage: subject.stage.as_str(),
            region: self.region.as_deref(),
            framework_version: subject
                .framework_version
                .as_deref()
                .or_else(|| subject.cli.as_ref().and_then(|cli| cli.version.as_deref())),
            now: &subject.now,
            engine,
        };
        evaluate(&service, &subject.file.config, subject.document.as_ref())
    }
}

impl From<PackageError> for Failure {
    fn from(error: PackageError) -> Self {
        let failure = Self::refused(error.to_string());
        match error.hint() {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}

/// The stage of a CLI without `--stage`.
fn told_stage(document: Option<&Document>, inputs: &Inputs) -> Result<Stage, Failure> {
    let unknown = |why: String| {
        Failure::refused(format!("the stage is not known: {why}")).with_hint("name it: --stage NAME")
    };
    let text = match document.map(|document| document.stage(inputs)) {
        None => return Err(unknown("the configuration is a program".to_owned())),
        Some(Finding::Unknown(why)) => return Err(unknown(why.reason)),
        Some(Finding::Known(known)) => known.value,
        Some(Finding::Absent) => "dev".to_owned(),
    };
    Stage::parse(&text).map_err(|error| unknown(error.to_string()))
}
