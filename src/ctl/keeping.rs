//! Refreshing sessions, locking brokerd, forgetting what it keeps.

use std::io::{IsTerminal, Write};

use clap::Args;

use super::commands::unexpected;
use super::failure::{Failure, Kind};
use super::{client, paint, terminal};
use crate::core::moment::Timestamp;
use crate::core::name::{App, Stage};
use crate::core::protocol::{KeychainItem, Reply, Request};
use crate::core::wanted::Wanted;

/// `brokerctl refresh`.
#[derive(Debug, Args)]
pub(super) struct Refresh {
    /// An application of an allowed project, and its stage; else those of the project here
    #[arg(value_parser = App::parse, requires = "stage")]
    app: Option<App>,
    /// The stage
    #[arg(value_parser = Stage::parse)]
    stage: Option<Stage>,
}

/// `brokerctl forget`.
#[derive(Debug, Args)]
pub(super) struct Forget {
    /// Also what you gave to be kept: long-term keys and values of secrets
    #[arg(long)]
    all: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Refresh {
    pub(super) fn run(self) -> Result<(), Failure> {
        let wanted = Wanted { app: self.app, stage: self.stage, profile: None };
        let Reply::Refreshed(fresh) = client::ask(&Request::Refresh { wanted })? else {
            return Err(unexpected());
        };
        let mut out = anstream::stdout().lock();
        if let Some(note) = &fresh.note {
            writeln!(out, "{} {note}", paint::note("note:"))?;
        }
        writeln!(
            out,
            "{} {}.{}: {}, until {}",
            paint::good("refreshed"),
            fresh.app,
            fresh.stage,
            fresh.access_key_id,
            fresh.expires
        )?;
        if let Some((key, end)) = &fresh.before {
            writeln!(out, "{key}, where it was handed out, can be used until {end}: AWS takes none back")?;
        }
        Ok(())
    }
}

pub(super) fn lock() -> Result<(), Failure> {
    let Reply::Locked(reply) = client::ask(&Request::Lock)? else { return Err(unexpected()) };
    let mut out = anstream::stdout().lock();
    writeln!(
        out,
        "{} since {}: every session is dropped, and none is given until brokerctl unlock",
        paint::bad("locked"),
        reply.lock.since
    )?;
    still_usable(&mut out, reply.handed_out_until)?;
    drop(out);
    match reply.trouble {
        None => Ok(()),
        Some(why) => Err(Failure::refused(format!("the keychain may still hold sessions: {why}"))
            .with_hint("brokerd takes them out when it can; see brokerctl status")),
    }
}

pub(super) fn unlock() -> Result<(), Failure> {
    let Reply::Unlocked { was } = client::ask(&Request::Unlock)? else { return Err(unexpected()) };
    let mut out = anstream::stdout().lock();
    match was {
        Some(lock) => {
            writeln!(out, "{} it was locked since {}, by {}", paint::good("unlocked:"), lock.since, lock.by)?;
        }
        None => writeln!(out, "it was not locked")?,
    }
    Ok(())
}

impl Forget {
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.all && !self.yes {
            ask_first()?;
        }
        let Reply::Forgotten(forgotten) = client::ask(&Request::Forget { all: self.all })? else {
            return Err(unexpected());
        };
        let mut out = anstream::stdout().lock();
        writeln!(out, "{} every session in memory", paint::bad("forgotten"))?;
        for KeychainItem { label, keychain } in &forgotten.removed {
            writeln!(out, "{} {label} ({keychain})", paint::bad("removed"))?;
        }
        still_usable(&mut out, forgotten.handed_out_until)?;
        drop(out);
        if forgotten.troubles.is_empty() {
            return Ok(());
        }
        Err(Failure::refused(format!("something may be left: {}", forgotten.troubles.join("; ")))
            .with_hint("unlock that keychain, and brokerctl forget again"))
    }
}

/// Asks before what a person gave is thrown away.
fn ask_first() -> Result<(), Failure> {
    let Reply::DurableItems { items } = client::ask(&Request::DurableItems)? else {
        return Err(unexpected());
    };
    for KeychainItem { label, keychain } in &items {
        anstream::eprintln!("{label} ({keychain})");
    }
    if items.is_empty() {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        let message = "these would be removed for good, and there is no terminal to ask on".to_owned();
        return Err(Failure {
            kind: Kind::Usage,
            message,
            hint: Some("brokerctl forget --all --yes".to_owned()),
        });
    }
    match terminal::line("Remove these for good? yes or no")?.as_str() {
        "yes" => Ok(()),
        _ => Err(Failure::refused("nothing was forgotten")),
    }
}

/// Says until when what was handed out is good: nothing that brokerd does ends it before.
pub(super) fn still_usable(out: &mut impl Write, until: Option<Timestamp>) -> Result<(), Failure> {
    match until {
        Some(end) => writeln!(
            out,
            "credentials already handed out can be used until {end} at the latest: AWS takes none back"
        )?,
        None => writeln!(out, "no credentials that were handed out can still be used")?,
    }
    Ok(())
}
