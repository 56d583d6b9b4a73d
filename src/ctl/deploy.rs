//! `brokerctl deploy`: packages a service, checks it against its safeguards, and deploys what was checked. It needs no
//! plugin in the project.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use clap::Args;

use super::check::subject::{Knowledge, Subject};
use super::check::{agreement, printing};
use super::commands::unexpected;
use super::failure::{Failure, Kind};
use super::{client, exec, paint};
use crate::core::command_environment::Change;
use crate::core::name::{Region, Stage};
use crate::core::protocol::{Agreement, Reply, Request};
use crate::core::safeguard::Engine;
use crate::core::safeguard::report::{Report, Verdict, evaluate};
use crate::core::serverless::dotenv;
use crate::core::serverless_cli::Invocation;
use crate::core::wanted::Wanted;
use crate::edges::foreground;
use crate::edges::package::{PackageError, Packaged};

/// Options of `deploy` that `package` does not have.
const DEPLOY_ONLY: [&str; 5] =
    ["--force", "--conceal", "--enforce-hash-update", "--aws-s3-accelerate", "--no-aws-s3-accelerate"];

/// `brokerctl deploy`.
#[derive(Debug, Args)]
pub(super) struct Deploy {
    /// The stage; else provider.stage, else dev
    #[arg(long, short, value_parser = Stage::parse)]
    stage: Option<Stage>,
    /// The region; else provider.region, else us-east-1
    #[arg(long, short, value_parser = Region::parse)]
    region: Option<Region>,
    /// More options of the Serverless CLI, after --
    #[arg(last = true, value_name = "OPTIONS")]
    options: Vec<String>,
}

impl Deploy {
    pub(super) fn run(self, engine: Option<&dyn Engine>) -> Result<(), Failure> {
        let words = self.words()?;
        let invocation = Invocation::of_arguments(&words).map_err(usage)?;
        let option = |name: &str| invocation.option(name);
        let stage =
            option("stage").map(Stage::parse).transpose().map_err(|error| usage(error.to_string()))?;
        let region = option("region").map(Region::parse).transpose();
        let region = region.map_err(|error| usage(error.to_string()))?;
        let here = std::env::current_dir()?;
        let path = option("config").map_or_else(|| here.clone(), |config| here.join(config));
        let subject = Subject::find(&path, stage.as_ref(), region.as_ref(), invocation.clone())?;
        let words = settled(words, &invocation, &subject);
        let agreed = agreement::of_daemon(&subject)?;
        let cli = subject.cli.as_ref().ok_or(PackageError::NoCli)?;

        let changes = credentials(&subject, &agreed, region.as_ref())?;
        let packaged = Packaged::new()?;
        let command = |name: &str, words: &[&String]| {
            let mut command = Command::new(&cli.program);
            command.current_dir(subject.file.directory()).arg(name);
            command.arg("--package").arg(packaged.directory()).args(words);
            apply(&mut command, &changes, &subject.stage);
            command
        };
        let shared: Vec<&String> =
            words.iter().filter(|word| !DEPLOY_ONLY.contains(&word.as_str())).collect();
        run(&cli.program, "package", command("package", &shared))?;
        let knowledge = subject.packaged(packaged.directory())?;
        refuse_own_profile(&knowledge)?;
        refuse_dotenv(&subject, &knowledge)?;
        check(&subject, &agreed, &knowledge, engine)?;
        run(&cli.program, "deploy", command("deploy", &words.iter().collect::<Vec<_>>()))
    }

    /// The options for the Serverless CLI.
    fn words(&self) -> Result<Vec<String>, Failure> {
        let stage = self.stage.iter().flat_map(|stage| ["--stage".to_owned(), stage.to_string()]);
        let region = self.region.iter().flat_map(|region| ["--region".to_owned(), region.to_string()]);
        let words: Vec<String> = stage.chain(region).chain(self.options.iter().cloned()).collect();
        if let Some(first) = self.options.first().filter(|first| !first.starts_with('-')) {
            return Err(usage(format!(
                "\"{first}\" is no option: brokerctl deploy deploys the whole service"
            )));
        }
        let is = |word: &str, option: &str| {
            word.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        };
        for (option, why) in [
            ("--package", "the package is made, checked and deployed here"),
            ("-p", "the package is made, checked and deployed here"),
            ("--aws-profile", "the credentials are the deployment profile's"),
        ] {
            if words.iter().any(|word| is(word, option)) {
                return Err(usage(format!("{option} does not go with brokerctl deploy: {why}")));
            }
        }
        Ok(words)
    }
}

fn usage(message: impl Into<String>) -> Failure {
    Failure {
        kind: Kind::Usage,
        message: message.into(),
        hint: Some("brokerctl deploy --stage NAME -- --verbose".to_owned()),
    }
}

/// What leads the CLI to the credentials of the stage, as `brokerctl exec` does.
fn credentials(
    subject: &Subject,
    agreed: &Agreement,
    region: Option<&Region>,
) -> Result<Vec<Change>, Failure> {
    let wanted = Wanted { app: Some(agreed.app.clone()), stage: Some(subject.stage.clone()), profile: None };
    let Reply::Exec(grant) = client::ask(&Request::Exec { wanted, keys: false })? else {
        return Err(unexpected());
    };
    Ok(exec::prepared(&grant, region, false))
}

/// Sets what leads to the credentials, and takes out what these CLIs would prefer to it.
fn apply(command: &mut Command, changes: &[Change], stage: &Stage) {
    let of_stage = stage.as_str().to_uppercase();
    for name in ["PROFILE", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"] {
        command.env_remove(OsString::from(format!("AWS_{of_stage}_{name}")));
    }
    for change in changes {
        match &change.value {
            Some(value) => command.env(change.name, value.as_str()),
            None => command.env_remove(change.name),
        };
    }
}

fn run(program: &Path, what: &str, command: Command) -> Result<(), Failure> {
    let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let status = foreground::run(command)
        .map_err(|error| Failure::refused(format!("cannot run {}: {error}", program.display())))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::refused(format!("{name} {what} failed ({status}); what it said is above")))
}

fn refuse_own_profile(knowledge: &Knowledge) -> Result<(), Failure> {
    let Some(profile) = knowledge.own_profile() else { return Ok(()) };
    Err(Failure::refused(format!(
        "not deployed: provider.profile is {profile}, whose credentials the CLI would use instead of the profile's"
    ))
    .with_hint("take provider.profile out of the configuration"))
}

/// The options for the CLI, with the stage that was checked and not one that it computes once more, and with the
/// configuration as its directory has it, where the CLI is started.
fn settled(words: Vec<String>, invocation: &Invocation, subject: &Subject) -> Vec<String> {
    let mut settled = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--config" | "-c" => drop(words.next()),
            _ if word.starts_with("--config=") || word.starts_with("-c=") => {}
            _ => settled.push(word),
        }
    }
    if let (Some(_), Some(name)) = (invocation.option("config"), subject.file.config.file_name()) {
        settled.extend(["--config".to_owned(), name.to_string_lossy().into_owned()]);
    }
    if invocation.option("stage").is_none() {
        settled.extend(["--stage".to_owned(), subject.stage.to_string()]);
    }
    settled
}

/// Refuses a service whose `.env` file would give the CLI other credentials: it sets again what is taken out here
/// (serverless@3 and osls read one file, where `useDotenv` says so).
fn refuse_dotenv(subject: &Subject, knowledge: &Knowledge) -> Result<(), Failure> {
    if !knowledge.uses_dotenv() {
        return Ok(());
    }
    let directory = subject.file.directory();
    let of_stage = directory.join(format!(".env.{}", subject.stage));
    let file = if of_stage.exists() { of_stage } else { directory.join(".env") };
    let Ok(text) = fs::read_to_string(&file) else { return Ok(()) };
    let leading = leading_names(&subject.stage);
    let Some(name) = dotenv::parse(&text).into_keys().find(|name| leading.contains(name)) else {
        return Ok(());
    };
    Err(Failure::refused(format!(
        "not deployed: {} sets {name}, which the CLI would use instead of the profile's credentials",
        file.display()
    ))
    .with_hint(format!("take {name} out of it")))
}

/// The variables that lead these CLIs to credentials.
fn leading_names(stage: &Stage) -> Vec<String> {
    let of_stage = stage.as_str().to_uppercase();
    let general = ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "PROFILE"];
    let mut names: Vec<String> = general.iter().map(|name| format!("AWS_{name}")).collect();
    names.extend(general.iter().map(|name| format!("AWS_{of_stage}_{name}")));
    names.push("AWS_DEFAULT_PROFILE".to_owned());
    names
}

/// Checks what was packaged, and tells the daemon how that went.
fn check(
    subject: &Subject,
    agreed: &Agreement,
    knowledge: &Knowledge,
    engine: Option<&dyn Engine>,
) -> Result<(), Failure> {
    let report = knowledge.report(subject, engine, |service, file, document| {
        evaluate(&agreed.safeguards, service, file, document, true)
    });
    printing::print(&report, agreed, &subject.shown(), &knowledge.described)?;
    let failed = failed(&report);
    let request = Request::PluginStandIn {
        path: subject.file.config.clone(),
        stage: subject.stage.to_string(),
        failed: failed.clone(),
    };
    let told = client::ask(&request);
    if report.blocks() {
        let message = format!("not deployed: {}", printing::blocked(&report, agreed));
        if let Err(failure) = told {
            anstream::eprintln!("{} {}", paint::note("note:"), failure.message);
        }
        return Err(Failure::refused(message)
            .with_hint("brokerctl safeguard explain ID tells what one wants, with examples"));
    }
    told.map(drop)
}

/// The titles of the safeguards that keep a deployment from going on.
fn failed(report: &Report) -> Vec<String> {
    let failed = report.entries.iter().filter(|entry| entry.verdict == Verdict::Failed);
    failed.map(|entry| entry.shown().to_owned()).collect()
}
