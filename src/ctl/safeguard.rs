//! The policies that there are, for reading.

use std::io::Write;

use clap::Subcommand;

use super::commands::print_json;
use super::failure::Failure;
use super::paint;
use crate::core::nearest::did_you_mean;
use crate::core::safeguard::documentation::{enforceable, topics, wrapped};
use crate::core::safeguard::{POLICIES, policy};

#[derive(Debug, Subcommand)]
pub(super) enum Safeguard {
    /// List the policies
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Explain one: what it looks at, its config, an example that passes and one that fails
    Explain {
        /// Its id
        #[arg(value_name = "ID")]
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl Safeguard {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::List { json: true } => print_json(&POLICIES),
            Self::List { json: false } => list(),
            Self::Explain { id, json } => explain(&id, json),
        }
    }
}

fn list() -> Result<(), Failure> {
    let width = POLICIES.iter().map(|policy| policy.id.len()).max().unwrap_or(0);
    let mut out = anstream::stdout().lock();
    for policy in POLICIES {
        let enforceable = enforceable(policy);
        let enforce = if enforceable.is_empty() {
            String::new()
        } else {
            paint::faint(&format!(" (enforce: {})", enforceable.join(", ")))
        };
        writeln!(out, "{} {}{enforce}", paint::strong(&format!("{:<width$}", policy.id)), policy.summary)?;
    }
    Ok(())
}

fn explain(id: &str, json: bool) -> Result<(), Failure> {
    let Some(policy) = policy(id) else {
        let hint = did_you_mean(id, POLICIES.map(|policy| policy.id));
        return Err(Failure::refused(format!("there is no safeguard {id:?}"))
            .with_hint(hint.unwrap_or_else(|| "brokerctl safeguard list".to_owned())));
    };
    if json {
        return print_json(policy);
    }
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}: {}", paint::strong(policy.id), policy.summary)?;
    for (topic, paragraphs) in topics(policy) {
        writeln!(out, "\n{}", paint::note(topic))?;
        let is_example = matches!(topic, "passes" | "fails");
        for paragraph in paragraphs {
            let lines =
                if is_example { paragraph.lines().map(str::to_owned).collect() } else { wrapped(&paragraph) };
            for line in lines {
                if line.starts_with("# ") {
                    writeln!(out, "  {}", paint::faint(&line))?;
                } else {
                    writeln!(out, "  {line}")?;
                }
            }
        }
    }
    Ok(())
}
