//! `brokerctl tokens`: makes container tokens, lists them, takes them back.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use clap::{Args, Subcommand};

use super::commands::{print_json, unexpected};
use super::failure::Failure;
use super::keeping::still_usable;
use super::status::brief;
use super::wanted::WantedOptions;
use super::{client, paint};
use crate::core::container_token::{TokenLife, parse_length};
use crate::core::moment::Timestamp;
use crate::core::protocol::{Reply, Request, TokenStatus};

/// `brokerctl tokens`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Tokens {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<TokenCommand>,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token for a container, or for a tool that cannot be identified. It is printed once, without a newline,
    /// to a file or a pipe
    Add {
        #[command(flatten)]
        wanted: WantedOptions,
        /// What to call it, for the list and the audit log
        #[arg(long, value_name = "TEXT")]
        label: Option<String>,
        /// How long it is good, at most 90d; else as long as brokerd runs
        #[arg(long = "for", value_name = "TIME", value_parser = parse_length)]
        length: Option<Duration>,
        /// Let it outlive brokerd and the machine's next start
        #[arg(long, requires = "length")]
        persist: bool,
        /// Print it even to a terminal
        #[arg(long)]
        show: bool,
    },
    /// Take a token back
    Revoke {
        /// Which, as the list names it
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<String>,
        /// Every one, those of running commands too
        #[arg(long)]
        all: bool,
    },
}

impl Tokens {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.command {
            None => list(self.json),
            Some(TokenCommand::Add { wanted, label, length, persist, show }) => {
                if !show && std::io::stdout().is_terminal() {
                    return Err(Failure::refused("a token would stand in the terminal's history")
                        .with_hint("redirect it into a file, or say --show"));
                }
                let seconds = length.map(|length| length.as_secs());
                add(&Request::MakeToken { wanted: wanted.into(), label, seconds, persist })
            }
            Some(TokenCommand::Revoke { id, .. }) => revoke(id),
        }
    }
}

fn add(request: &Request) -> Result<(), Failure> {
    let Reply::TokenMade(made) = client::ask(request)? else { return Err(unexpected()) };
    if let Some(note) = &made.note {
        anstream::eprintln!("brokerctl: {} {note}", paint::note("note:"));
    }
    let mut out = std::io::stdout().lock();
    out.write_all(made.token.reveal().as_bytes())?;
    if out.is_terminal() {
        out.write_all(b"\n")?;
    }
    out.flush()?;
    let TokenStatus { id, app, stage, .. } = &made.status;
    anstream::eprintln!("{} token {id} for {app}.{stage}", paint::good("made"));
    anstream::eprintln!("AWS_CONTAINER_CREDENTIALS_FULL_URI={}", made.url);
    Ok(())
}

fn list(json: bool) -> Result<(), Failure> {
    let Reply::Tokens { tokens, now } = client::ask(&Request::Tokens)? else { return Err(unexpected()) };
    if json {
        return print_json(&tokens);
    }
    let mut out = anstream::stdout().lock();
    if tokens.is_empty() {
        writeln!(out, "there are no tokens")?;
    }
    for token in &tokens {
        writeln!(
            out,
            "{} {}.{} {}, {}",
            paint::strong(token.id.as_str()),
            token.app,
            token.stage,
            life(token, now),
            used(token, now)
        )?;
        let label = token.label.as_ref().map(|label| format!("\"{label}\", ")).unwrap_or_default();
        writeln!(
            out,
            "  {}",
            paint::faint(&format!("{label}made at {} for {}", token.since, token.made_by))
        )?;
        if let Some(ended) = &token.ended {
            writeln!(out, "  {} {ended}", paint::bad("ended:"))?;
        }
    }
    Ok(())
}

fn life(token: &TokenStatus, now: Timestamp) -> String {
    let until = match (&token.life, token.until) {
        (TokenLife::Process { process, .. }, _) => return format!("until pid {} ends", process.pid),
        (_, Some(until)) => format!("{} left", brief(until.remaining(now))),
        (_, None) => "until brokerd ends".to_owned(),
    };
    if token.life == TokenLife::Kept { format!("{until}, kept over restarts") } else { until }
}

fn used(token: &TokenStatus, now: Timestamp) -> String {
    token
        .last_used
        .map_or_else(|| "not used".to_owned(), |used| format!("used {} ago", brief(now.remaining(used))))
}

fn revoke(id: Option<String>) -> Result<(), Failure> {
    let reply = client::ask(&Request::RevokeTokens { id })?;
    let Reply::TokensRevoked { tokens, handed_out_until } = reply else { return Err(unexpected()) };
    let mut out = anstream::stdout().lock();
    for token in &tokens {
        writeln!(out, "{} token {} for {}.{}", paint::bad("revoked"), token.id, token.app, token.stage)?;
    }
    if tokens.is_empty() {
        writeln!(out, "there were no tokens")?;
    } else {
        still_usable(&mut out, handed_out_until)?;
    }
    Ok(())
}
