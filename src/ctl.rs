//! `brokerctl`: asks the daemon, and prints. It holds no credentials and links no AWS SDK.

mod aws_config;
mod catalog_commands;
mod client;
mod commands;
mod console;
mod env;
mod exec;
mod explanation;
mod failure;
mod inspect;
mod listeners;
mod login;
mod paint;
mod picker;
mod pins;
mod status;
mod terminal;
mod tokens;
mod wanted;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::core::duration::parse_duration;
use crate::core::name::Stage;
use crate::core::pins::parse_length;

/// Asks brokerd who gets what, and says yes to projects.
///
/// Exit codes: 0 ok, 1 refused or failed, 2 usage, 3 the daemon is not running, 4 a login is needed;
/// of exec those of the command, 126 it cannot be run, 127 there is none.
#[derive(Debug, Parser)]
#[command(name = "brokerctl", version, disable_help_subcommand = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the daemon, its projects with stage, profile, role and remaining time, and what shadows it here
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Wait for the daemon to answer, at most so long (like 5s)
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        wait: Option<Duration>,
    },
    /// Explain which profile a process gets, and by which steps
    Why {
        /// Of a process in this directory
        #[arg(conflicts_with_all = ["pid", "last"])]
        path: Option<PathBuf>,
        /// Of a Serverless CLI with this --stage
        #[arg(long, conflicts_with_all = ["pid", "last"])]
        stage: Option<String>,
        /// Of this process
        #[arg(long, conflicts_with = "last")]
        pid: Option<u32>,
        /// The last refusals
        #[arg(long)]
        last: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let processes in a project have its application's profiles
    Allow {
        /// The project's directory or configuration file
        #[arg(default_value = ".")]
        path: PathBuf,
        /// The application, for a configuration that names none
        #[arg(long, value_name = "NAME")]
        app: Option<String>,
        /// The stage, for a configuration that does not tell it: one that is a program, or that asks AWS
        #[arg(long, value_name = "STAGE", value_parser = Stage::parse)]
        stage: Option<Stage>,
        /// Every worktree of its Git repository too
        #[arg(long)]
        worktrees: bool,
    },
    /// Show how configurations are read: application, stage, region, and where each is from; needs no daemon
    Inspect(inspect::Inspect),
    /// Take back what `allow` gave; running processes get nothing from then on
    Deny {
        /// The project's directory or configuration file
        #[arg(default_value = ".")]
        path: PathBuf,
    },
    /// Pin a stage for what is started in this terminal from now on; a Serverless CLI that differs is refused
    Use {
        /// The stage; left out, a list to pick from
        #[arg(value_parser = Stage::parse, conflicts_with = "clear")]
        stage: Option<Stage>,
        /// How long, at most 24h; else as long as the terminal, at most 12h, and 1h with --everywhere
        #[arg(long = "for", value_name = "TIME", value_parser = parse_length, conflicts_with = "clear")]
        length: Option<Duration>,
        /// For this project in every terminal, not for this terminal
        #[arg(long)]
        everywhere: bool,
        /// Take the pin of this terminal back, and with --everywhere the project's
        #[arg(long)]
        clear: bool,
    },
    /// Show and edit the deployment profiles of the catalog
    #[command(subcommand)]
    Profile(catalog_commands::Profile),
    /// Show and edit the applications of the catalog
    #[command(subcommand)]
    App(catalog_commands::App),
    /// Show and edit the stages of an application that have a profile of their own
    #[command(subcommand)]
    Stage(catalog_commands::Stage),
    /// Check a catalog, or print the schema of one
    #[command(subcommand)]
    Catalog(catalog_commands::Catalog),
    /// Give brokerd what signs its calls to AWS
    Login(login::Login),
    /// Print the lines that lead every AWS tool to brokerd, for the shell: eval "$(brokerctl env)"
    Env(env::Env),
    /// Become a command that has credentials, wherever it goes: its own for as long as it runs
    Exec(exec::Exec),
    /// Show, make and revoke tokens for containers and for tools that cannot be identified
    Tokens(tokens::Tokens),
    /// Print credentials for the calling program: for `credential_process` in ~/.aws/config
    CredentialProcess(wanted::WantedOptions),
    /// Print a profile for ~/.aws/config for each application and stage, or put them there
    AwsConfig(aws_config::AwsConfig),
    /// Sign in to the AWS console, in a browser
    Console(console::Console),
    /// Print where brokerd keeps its files
    Paths,
    /// End the daemon
    Stop,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Status { json, wait } => commands::status(json, wait),
        Command::Why { last: true, json, .. } => commands::last_refusals(json),
        Command::Why { path, stage, pid, json, .. } => commands::why(path, stage, pid, json),
        Command::Allow { path, app, stage, worktrees } => commands::allow(&path, app, stage, worktrees),
        Command::Inspect(inspect) => inspect.run(),
        Command::Deny { path } => commands::deny(&path),
        Command::Use { clear: true, everywhere, .. } => pins::unpin(everywhere),
        Command::Use { stage, length, everywhere, .. } => pins::pin(stage, length, everywhere),
        Command::Profile(command) => command.run(),
        Command::App(command) => command.run(),
        Command::Stage(command) => command.run(),
        Command::Catalog(command) => command.run(),
        Command::Login(login) => login.run(),
        Command::Env(env) => env.run(),
        Command::Exec(exec) => exec.run(),
        Command::Tokens(tokens) => tokens.run(),
        Command::CredentialProcess(wanted) => commands::credential_process(wanted),
        Command::AwsConfig(command) => command.run(),
        Command::Console(console) => console.run(),
        Command::Paths => commands::paths(),
        Command::Stop => commands::stop(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}
