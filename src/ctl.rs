//! `brokerctl`: asks the daemon, and prints. It holds no credentials and links no AWS SDK.

mod approvals;
mod approve;
mod audit;
mod aws_config;
mod browser;
mod catalog_commands;
mod check;
mod client;
mod commands;
mod completions;
mod console;
mod deploy;
mod doctor;
mod env;
mod exec;
mod explanation;
mod failure;
mod init;
mod inspect;
mod keeping;
mod link_local;
mod listeners;
mod login;
mod mfa;
mod paint;
mod picker;
mod pins;
mod plugin;
mod prompt;
mod safeguard;
mod secret;
mod secret_pipe;
mod service;
mod status;
mod terminal;
mod tokens;
mod wanted;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};

use crate::core::duration::parse_duration;
use crate::core::name::Stage;
use crate::core::pins::parse_length;
use crate::core::safeguard::Engine;

/// Asks brokerd who gets what, and says yes to projects.
///
/// Exit codes: 0 ok, 1 refused or failed, 2 usage, 3 the daemon is not running, 4 a login, an MFA code or an approval
/// is needed;
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
        /// Show it again and again, in place, until q or Ctrl-C
        #[arg(long, value_name = "EVERY", num_args = 0..=1, require_equals = true, default_missing_value = watch::USUAL)]
        #[arg(value_parser = watch::parse_interval, conflicts_with_all = ["json", "wait"])]
        watch: Option<Duration>,
    },
    /// Print application, stage, profile and remaining time for a shell's prompt; nothing outside of projects
    Prompt(prompt::Prompt),
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
    /// Approve the use of a protected profile for a while, at a terminal that is not the one that waits
    Approve(approve::Approve),
    /// Show what is approved and what waits for it, and take approvals back
    Approvals(approvals::Approvals),
    /// Show and edit the deployment profiles of the catalog
    #[command(subcommand)]
    Profile(Box<catalog_commands::Profile>),
    /// Show and edit the applications of the catalog
    #[command(subcommand)]
    App(catalog_commands::App),
    /// Show and edit the stages of an application that have a profile of their own
    #[command(subcommand)]
    Stage(catalog_commands::Stage),
    /// Check a catalog, or print the schema of one
    #[command(subcommand)]
    Catalog(catalog_commands::Catalog),
    /// Check a service against the safeguards of its stage's profile; exit code 1 if one fails
    Check(check::Check),
    /// Package a service, check it as `check` does, and deploy what was checked, with the profile's credentials
    Deploy(deploy::Deploy),
    /// Put the Serverless plugin into a project
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Read about the policies that safeguards may have
    #[command(subcommand)]
    Safeguard(safeguard::Safeguard),
    /// Log in to IAM Identity Center, or give brokerd keys: what signs its calls to AWS
    Login(login::Login),
    /// Give AWS a code of an MFA device, for the roles that need one
    Mfa(mfa::Mfa),
    /// Print the lines that lead every AWS tool to brokerd, for the shell: eval "$(brokerctl env)"
    Env(env::Env),
    /// Become a command that has credentials, wherever it goes: its own for as long as it runs
    Exec(exec::Exec),
    /// Read, keep and list the secrets of a profile
    #[command(subcommand)]
    Secret(secret::Secret),
    /// Show, make and revoke tokens for containers and for tools that cannot be identified
    Tokens(tokens::Tokens),
    /// Lead 169.254.169.254 to brokerd for this user's processes, so that no tool needs a variable; asks for sudo
    #[command(subcommand)]
    LinkLocal(link_local::LinkLocal),
    /// Print credentials for the calling program: for `credential_process` in ~/.aws/config
    CredentialProcess(wanted::WantedOptions),
    /// Print a profile for ~/.aws/config for each application and stage, or put them there
    AwsConfig(aws_config::AwsConfig),
    /// Sign in to the AWS console, in a browser
    Console(console::Console),
    /// Get a new session now, in place of the one that there is
    Refresh(keeping::Refresh),
    /// Drop every session, and give none until `unlock`
    Lock,
    /// Give sessions again
    Unlock,
    /// Drop every session, and take what is cached out of every keychain
    Forget(keeping::Forget),
    /// Show who was given what, and who was refused and why
    Audit(audit::Audit),
    /// Print the completions of a shell, for its configuration; see docs/prompt.md
    Completions(completions::Completions),
    /// Set brokerd up: catalog, service, projects, and a first session
    Init(init::Init),
    /// Find what keeps AWS tools here from getting the right credentials, and what mends it
    Doctor(doctor::Doctor),
    /// Start brokerd at login, lead what a login starts to it, and show how it is doing
    #[command(subcommand)]
    Service(service::Service),
    /// Print where brokerd keeps its files
    Paths,
    /// End the daemon
    Stop,
}

/// What the program takes, for its manual pages.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the program. `engine` runs what safeguards say in JavaScript; the daemon's program comes without one.
pub fn main(engine: Option<&dyn Engine>) -> ExitCode {
    if let Some(code) = completions::answered() {
        return code;
    }
    let command = prompt::asked_for().map_or_else(|| Arguments::parse().command, Command::Prompt);
    let outcome = match command {
        Command::Status { watch: Some(interval), .. } => watch::watch(interval),
        Command::Status { json, wait, .. } => commands::status(json, wait),
        Command::Prompt(prompt) => prompt.run(),
        Command::Why { last: true, json, .. } => commands::last_refusals(json),
        Command::Why { path, stage, pid, json, .. } => commands::why(path, stage, pid, json),
        Command::Allow { path, app, stage, worktrees } => commands::allow(&path, app, stage, worktrees),
        Command::Inspect(inspect) => inspect.run(),
        Command::Deny { path } => commands::deny(&path),
        Command::Use { clear: true, everywhere, .. } => pins::unpin(everywhere),
        Command::Use { stage, length, everywhere, .. } => pins::pin(stage, length, everywhere),
        Command::Approve(approve) => approve.run(),
        Command::Approvals(approvals) => approvals.run(),
        Command::Profile(command) => command.run(),
        Command::App(command) => command.run(),
        Command::Stage(command) => command.run(),
        Command::Catalog(command) => command.run(),
        Command::Check(check) => check.run(engine),
        Command::Deploy(deploy) => deploy.run(engine),
        Command::Plugin(command) => command.run(),
        Command::Safeguard(command) => command.run(),
        Command::Login(login) => login.run(),
        Command::Mfa(mfa) => mfa.run(),
        Command::Env(env) => env.run(),
        Command::Exec(exec) => exec.run(),
        Command::Secret(command) => command.run(),
        Command::Tokens(tokens) => tokens.run(),
        Command::LinkLocal(command) => command.run(),
        Command::CredentialProcess(wanted) => commands::credential_process(wanted),
        Command::AwsConfig(command) => command.run(),
        Command::Console(console) => console.run(),
        Command::Refresh(command) => command.run(),
        Command::Lock => keeping::lock(),
        Command::Unlock => keeping::unlock(),
        Command::Forget(command) => command.run(),
        Command::Audit(command) => command.run(),
        Command::Completions(completions) => completions.run(),
        Command::Init(command) => command.run(),
        Command::Doctor(command) => command.run(),
        Command::Service(command) => command.run(),
        Command::Paths => commands::paths(),
        Command::Stop => commands::stop(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}
