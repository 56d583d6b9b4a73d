//! Completions for shells: a short script for each, which asks this program, which asks the daemon for the names that a
//! person may type. What the shell's line says is read and never run, and neither is anything of a project.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, StyledStr};
use clap::{Arg, Args, Command};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{Bash, CompleteEnv, EnvCompleter, Fish, Powershell, Shells, Zsh};

use super::failure::Failure;
use super::{client, command};
use crate::core::protocol::{KnownNames, Reply, Request};

/// The variable by which the scripts ask. One of our own: the usual `COMPLETE` may be set for another purpose.
const VARIABLE: &str = "_BROKERCTL_COMPLETE";
const PROGRAM: &str = "brokerctl";
/// Whoever pressed the key does not wait longer for names.
const PATIENCE: Duration = Duration::from_millis(200);
const SHELLS: &[&dyn EnvCompleter] = &[&Bash, &Zsh, &Fish, &Powershell];

/// `brokerctl completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_parser = PossibleValuesParser::new(["bash", "zsh", "fish", "powershell"]))]
    shell: String,
}

impl Completions {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        match SHELLS.iter().find(|shell| shell.is(&self.shell)) {
            // The usual one has PowerShell evaluate the line to take it apart, with what is in its parentheses.
            Some(_) if self.shell == "powershell" => script.extend(POWERSHELL.as_bytes()),
            Some(shell) => shell.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)?,
            None => return Err(Failure::refused(format!("there are no completions for {}", self.shell))),
        }
        let text = String::from_utf8_lossy(&script);
        writeln!(io::stdout(), "{}", text.trim())?;
        Ok(())
    }
}

const POWERSHELL: &str = r#"
Register-ArgumentCompleter -Native -CommandName brokerctl -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements |
        Where-Object { $_.Extent.StartOffset -lt $cursorPosition } |
        ForEach-Object { $_.Extent.Text })
    if ($wordToComplete -eq '') { $words += '' }
    $before = $env:_BROKERCTL_COMPLETE
    $env:_BROKERCTL_COMPLETE = 'powershell'
    try { $found = & brokerctl -- @words } finally { $env:_BROKERCTL_COMPLETE = $before }
    $found | ForEach-Object {
        $value, $help = $_.Split("`t", 2)
        if (-not $help) { $help = $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $help)
    }
}
"#;

/// Answers a script, if it is one that asks. Nothing else may have been written before.
pub(super) fn answered() -> Option<ExitCode> {
    std::env::var_os(VARIABLE).filter(|shell| !shell.is_empty())?;
    let completing =
        CompleteEnv::with_factory(|| with_names(command(), "")).var(VARIABLE).shells(Shells(SHELLS));
    // Whatever goes wrong, a word in the middle of the person's line would be worse than no completion.
    let done = completing.try_complete(std::env::args_os(), std::env::current_dir().ok().as_deref());
    Some(if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The command with completions for each argument that takes a name, by what it is called. `parent` is the command's own
/// name.
fn with_names(command: Command, parent: &str) -> Command {
    let completed = |arg: Arg| {
        let candidates: fn(&KnownNames) -> Vec<CompletionCandidate> = match (parent, arg.get_id().as_str()) {
            (_, "app") | ("app", "name") => applications,
            (_, "stage") => stages,
            (_, "profile" | "default_profile" | "via") | ("profile", "name") => profiles,
            ("secret", "name" | "names") => secrets,
            _ => return arg,
        };
        arg.add(ArgValueCompleter::new(move |current: &OsStr| begun_with(current, candidates)))
    };
    // The commands below `profile`, `app` and `secret` are about what those are called.
    let parent = if matches!(parent, "profile" | "app" | "secret") { parent } else { command.get_name() };
    let parent = parent.to_owned();
    command.mut_args(completed).mut_subcommands(|below| with_names(below, &parent))
}

fn begun_with(
    current: &OsStr,
    candidates: fn(&KnownNames) -> Vec<CompletionCandidate>,
) -> Vec<CompletionCandidate> {
    let path = std::env::current_dir().ok();
    let Ok(Reply::Names(names)) = client::ask_briefly(&Request::Names { path }, PATIENCE) else {
        return Vec::new();
    };
    let begun = current.as_encoded_bytes();
    let mut found = candidates(&names);
    found.retain(|candidate| candidate.get_value().as_encoded_bytes().starts_with(begun));
    found
}

fn candidate(name: &str, help: Option<String>) -> CompletionCandidate {
    CompletionCandidate::new(name).help(help.map(StyledStr::from))
}

fn applications(names: &KnownNames) -> Vec<CompletionCandidate> {
    let help = |stages: usize| Some(super::status::counted(stages, "stage"));
    names.applications.iter().map(|app| candidate(app.name.as_str(), help(app.stages.len()))).collect()
}

/// Those of the application that the line names, else of the one here, else all.
fn stages(names: &KnownNames) -> Vec<CompletionCandidate> {
    let words = words();
    let on_line = names.applications.iter().find(|app| words.iter().any(|word| word == app.name.as_str()));
    let here = || names.applications.iter().find(|app| Some(&app.name) == names.here.as_ref());
    let of = on_line.or_else(here).map_or(names.applications.as_slice(), std::slice::from_ref);
    let mut found: Vec<CompletionCandidate> = Vec::new();
    for (stage, profile) in of.iter().flat_map(|app| &app.stages) {
        if found.iter().all(|known| known.get_value() != stage.as_str()) {
            found.push(candidate(stage.as_str(), Some(format!("profile {profile}"))));
        }
    }
    found
}

fn profiles(names: &KnownNames) -> Vec<CompletionCandidate> {
    names.profiles.iter().map(|known| candidate(known.name.as_str(), known.description.clone())).collect()
}

/// Those of the profile that the line names, else of all.
fn secrets(names: &KnownNames) -> Vec<CompletionCandidate> {
    let words = words();
    let is_named = |name: &str| {
        let is_other_word = |word: &OsString| word == name || word == format!("--profile={name}").as_str();
        words.iter().any(is_other_word)
    };
    let on_line = names.profiles.iter().find(|known| is_named(known.name.as_str()));
    let of = on_line.map_or(names.profiles.as_slice(), std::slice::from_ref);
    let mut found: Vec<CompletionCandidate> = Vec::new();
    for known in of {
        for secret in &known.secrets {
            if found.iter().all(|other| other.get_value() != secret.as_str()) {
                found.push(candidate(secret.as_str(), Some(format!("of profile {}", known.name))));
            }
        }
    }
    found
}

/// The words of the line that is completed, but for the program and the word that is being typed.
fn words() -> Vec<OsString> {
    let mut words: Vec<_> = std::env::args_os().skip_while(|word| word != "--").skip(2).collect();
    words.pop();
    words
}
