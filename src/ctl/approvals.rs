//! `brokerctl approvals`: what was approved and what waits, and taking approvals back.

use std::io::Write;

use clap::{Args, Subcommand};

use super::approve::afterlife;
use super::commands::{print_json, unexpected};
use super::failure::Failure;
use super::status::brief;
use super::{client, paint};
use crate::core::name::{App, Stage};
use crate::core::protocol::{ApprovalOverview, ApprovalQuestion, ApprovalSubject, Reply, Request};

/// `brokerctl approvals`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Approvals {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<ApprovalCommand>,
}

#[derive(Debug, Subcommand)]
enum ApprovalCommand {
    /// Take approvals back; what runs on them gets nothing from then on
    Revoke {
        /// Of this application
        #[arg(value_parser = App::parse, required_unless_present = "all", conflicts_with = "all")]
        app: Option<App>,
        /// Of this stage only
        #[arg(value_parser = Stage::parse)]
        stage: Option<Stage>,
        /// Every one
        #[arg(long)]
        all: bool,
    },
}

impl Approvals {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            None => list(self.json),
            Some(ApprovalCommand::Revoke { app, stage, .. }) => revoke(app, stage),
        }
    }
}

fn list(json: bool) -> Result<(), Failure> {
    let Reply::Approvals(overview) = client::ask(&Request::Approvals)? else { return Err(unexpected()) };
    if json {
        return print_json(&overview);
    }
    let mut out = anstream::stdout().lock();
    if overview.is_empty() {
        writeln!(out, "nothing is approved, and nothing waits for it")?;
    }
    print(&mut out, &overview)
}

/// Prints what was approved and what waits.
pub(super) fn print(out: &mut impl Write, overview: &ApprovalOverview) -> Result<(), Failure> {
    for given in &overview.given {
        let left = brief(given.until.remaining(overview.now));
        let by = given.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        writeln!(out, "{} {}, {left} left", paint::good("approved:"), given.of)?;
        let how = format!("{} at {}{by}; {}", given.approve, given.since, afterlife(given));
        writeln!(out, "  {}", paint::faint(&how))?;
    }
    for question in &overview.questions {
        print_question(out, question)?;
    }
    Ok(())
}

/// Prints something that waits, with the command that approves it.
pub(super) fn print_question(out: &mut impl Write, question: &ApprovalQuestion) -> Result<(), Failure> {
    let command = match &question.subject {
        ApprovalSubject::Use { of, .. } => {
            writeln!(out, "{} {of}, to be approved {}", paint::note("waits:"), question.approve)?;
            format!("brokerctl approve {} {}", of.app, of.stage)
        }
        ApprovalSubject::Catalog { profile, what } => {
            let method = question.approve;
            writeln!(
                out,
                "{} the catalog loosens what protects profile {profile}, to be approved {method}",
                paint::note("waits:")
            )?;
            for what in what {
                writeln!(out, "  {what}")?;
            }
            "brokerctl approve --catalog".to_owned()
        }
    };
    if let Some(waits) = question.waiting.first() {
        writeln!(out, "  {}", paint::faint(&format!("asked for by {waits}")))?;
    }
    if let Some(trouble) = &question.trouble {
        writeln!(out, "  {} {trouble}", paint::bad("trouble:"))?;
    }
    writeln!(out, "  {} {command}", paint::note("hint:"))?;
    Ok(())
}

fn revoke(app: Option<App>, stage: Option<Stage>) -> Result<(), Failure> {
    let Reply::ApprovalsRevoked { revoked, now } = client::ask(&Request::RevokeApprovals { app, stage })?
    else {
        return Err(unexpected());
    };
    let mut out = anstream::stdout().lock();
    if revoked.is_empty() {
        writeln!(out, "nothing was approved")?;
    }
    for given in &revoked {
        writeln!(out, "{} {}", paint::bad("revoked"), given.of)?;
        // What was handed out at this moment lasts as long as a session does.
        let session = given.usable_until.remaining(given.until);
        writeln!(
            out,
            "credentials already handed out can be used until {} at the latest",
            now.after(session)
        )?;
    }
    Ok(())
}
