//! `brokerctl inspect`: how a configuration is read, without a daemon.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::paint;
use crate::core::serverless::{Document, Finding, Inputs, MAX_BYTES};
use crate::core::stage::DEFAULT_STAGE;
use crate::edges::directories::Directories;
use crate::edges::inclusion::{self, Findings};
use crate::edges::project_file::{self, ProjectFile};
use crate::edges::settled;

/// The region of every CLI where nothing names one.
const DEFAULT_REGION: &str = "us-east-1";

#[derive(Debug, Args)]
pub(super) struct Inspect {
    /// Configurations, or directories of projects
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// As if a Serverless CLI were given this --stage
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// As if it were given this option, like region=eu-west-1 or param=key=value
    #[arg(long = "opt", value_name = "NAME=VALUE", value_parser = pair)]
    options: Vec<(String, String)>,
    /// Print JSON, one line for each path
    #[arg(long)]
    json: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it has to be NAME=VALUE".to_owned()),
    }
}

/// How one configuration is read.
#[derive(Debug, Default, Serialize)]
struct Shown {
    path: PathBuf,
    service: Option<String>,
    app: Option<String>,
    org: Option<String>,
    stage: Option<String>,
    region: Option<String>,
    /// Where each answer is from.
    from: BTreeMap<&'static str, String>,
    /// What stands there and cannot be known, and why.
    unknown: BTreeMap<&'static str, String>,
    /// The files that were looked at beside the configuration, and whether they were there.
    sources: Vec<Looked>,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Looked {
    path: PathBuf,
    present: bool,
}

impl Inspect {
    pub(super) fn run(self) -> Result<(), Failure> {
        let directories =
            Directories::from_environment().map_err(|error| Failure::refused(error.to_string()))?;
        let home = std::fs::canonicalize(&directories.home).unwrap_or(directories.home);
        let inputs = self.inputs();
        let mut out = anstream::stdout().lock();
        let mut failed = 0_usize;
        for path in &self.paths {
            let shown = inspect(path, &inputs, &home);
            failed += usize::from(shown.error.is_some());
            if self.json {
                let line =
                    serde_json::to_string(&shown).map_err(|error| Failure::refused(error.to_string()))?;
                writeln!(out, "{line}")?;
            } else {
                print(&mut out, &shown)?;
            }
        }
        match failed {
            0 => Ok(()),
            _ => Err(Failure::refused(format!("{failed} of {} cannot be read", self.paths.len()))),
        }
    }

    fn inputs(&self) -> Inputs {
        let mut inputs = Inputs { environment: std::env::vars().collect(), ..Inputs::default() };
        for (name, value) in &self.options {
            match (name.as_str(), value.split_once('=')) {
                ("param", Some((name, value))) => inputs.parameters.insert(name.to_owned(), value.to_owned()),
                _ => inputs.options.insert(name.clone(), value.clone()),
            };
        }
        if let Some(stage) = &self.stage {
            inputs.options.insert("stage".to_owned(), stage.clone());
        }
        inputs
    }
}

fn inspect(path: &Path, inputs: &Inputs, home: &Path) -> Shown {
    let failed =
        |path: &Path, error: String| Shown { path: path.to_owned(), error: Some(error), ..Shown::default() };
    let Some(file) = project_file::named(path, home) else {
        return failed(path, format!("no serverless configuration at {} or above", path.display()));
    };
    let mut findings = Findings::new();
    match read(&file, inputs, home, &mut findings) {
        Ok(document) => shown(&file, &document, inputs, &findings),
        Err(error) => failed(&file.config, error),
    }
}

pub(super) fn read(
    file: &ProjectFile,
    inputs: &Inputs,
    home: &Path,
    findings: &mut Findings,
) -> Result<Document, String> {
    let (_, bytes) = settled::read_blocking(file.real(), MAX_BYTES as u64)
        .map_err(|error| format!("{}: {error}", file.real().display()))?;
    let document = Document::parse(file.real(), &bytes).map_err(|fault| fault.to_string())?;
    Ok(inclusion::complete(document, inputs, file, home, findings))
}

fn shown(file: &ProjectFile, document: &Document, inputs: &Inputs, findings: &Findings) -> Shown {
    let mut shown = Shown { path: file.config.clone(), ..Shown::default() };
    for source in findings.values().flat_map(|finding| &finding.sources) {
        shown.sources.push(Looked { path: source.path.clone(), present: source.was_there() });
    }
    let mut tell = |name, finding: Finding, default: Option<&str>| match finding {
        Finding::Known(known) => {
            shown.from.insert(name, known.origin.to_string());
            Some(known.value)
        }
        Finding::Absent => {
            let default = default?;
            shown.from.insert(name, "the default, since nothing names one".to_owned());
            Some(default.to_owned())
        }
        Finding::Unknown(unknown) => {
            shown.unknown.insert(name, format!("{} ({})", unknown.reason, unknown.origin));
            None
        }
    };
    let service = tell("service", document.service(inputs), None);
    let app = tell("app", document.app(inputs), None);
    let org = tell("org", document.org(inputs), None);
    let stage = tell("stage", document.stage(inputs), Some(DEFAULT_STAGE));
    let region = tell("region", document.region(inputs), Some(DEFAULT_REGION));
    let mut given = |name: &'static str, found: Option<String>| {
        let option = inputs.options.get(name).filter(|value| !value.is_empty());
        option.map_or(found, |value| {
            shown.unknown.remove(name);
            shown.from.insert(name, format!("--{name}"));
            Some(value.clone())
        })
    };
    let (stage, region) = (given("stage", stage), given("region", region));
    Shown { service, app, org, stage, region, ..shown }
}

fn print(out: &mut impl Write, shown: &Shown) -> std::io::Result<()> {
    writeln!(out, "{}", paint::strong(&shown.path.display().to_string()))?;
    if let Some(error) = &shown.error {
        return writeln!(out, "  {} {error}", paint::bad("error"));
    }
    let fields = [
        ("service", &shown.service),
        ("app", &shown.app),
        ("org", &shown.org),
        ("stage", &shown.stage),
        ("region", &shown.region),
    ];
    for (name, value) in fields {
        let from = shown.from.get(name).map(|from| format!("  {from}")).unwrap_or_default();
        match (value, shown.unknown.get(name)) {
            (Some(value), _) => writeln!(out, "  {name:<8} {}{from}", paint::strong(value))?,
            (None, Some(why)) => writeln!(out, "  {name:<8} {}: {why}", paint::bad("unknown"))?,
            (None, None) => writeln!(out, "  {name:<8} -")?,
        }
    }
    for source in shown.sources.iter().filter(|source| source.present) {
        writeln!(out, "  {:<8} {}", "reads", source.path.display())?;
    }
    Ok(())
}
