//! The state of the daemon, for people.

use std::io::Write;
use std::time::Duration;

use super::failure::Failure;
use super::{approvals, explanation, paint, pins};
use crate::core::aws_clock::skew_sentence;
use crate::core::decision::Matched;
use crate::core::duration::format_duration;
use crate::core::keychain::Keychain;
use crate::core::locked::Lock;
use crate::core::moment::Timestamp;
use crate::core::protocol::{
    FoundStatus, KeychainChoice, KeychainStatus, ProjectStatus, SearchStatus, Status,
};
use crate::core::shadow::Shadow;

/// Prints all of it: first what keeps tools here from asking brokerd, since that is what people trip over.
pub(super) fn print(out: &mut impl Write, status: &Status, shadows: &[Shadow]) -> Result<(), Failure> {
    print_shadows(out, shadows)?;
    writeln!(
        out,
        "{} {} (pid {}), up {}, at {}",
        paint::strong("brokerd"),
        status.version,
        status.pid,
        brief(status.now.remaining(status.started)),
        status.endpoints.join(" ")
    )?;
    let catalog = &status.catalog;
    writeln!(
        out,
        "catalog {}: {}, {}",
        catalog.path.display(),
        counted(catalog.profiles, "profile"),
        counted(catalog.applications, "application")
    )?;
    for fault in &catalog.faults {
        writeln!(out, "  {} {fault}", paint::bad("fault:"))?;
    }
    if let Some(search) = &status.search {
        writeln!(out, "{}", searched(search, status))?;
    }
    if let Some(lock) = &status.locked {
        let Lock { since, by } = lock;
        writeln!(
            out,
            "{} since {since}, by {by}: nothing is given; brokerctl unlock",
            paint::bad("locked:")
        )?;
    }
    if let Some(ahead) = status.clock_ahead {
        writeln!(out, "{} {}", paint::note("clock:"), skew_sentence(ahead))?;
    }
    print_keychain(out, &status.keychain, status.now)?;
    for login in &status.logins {
        let left = login.expires.remaining(status.now);
        let state = match (login.is_renewed, left.is_zero()) {
            (true, _) => "renewed by itself".to_owned(),
            (false, false) => format!("for {}, then {}", brief(left), login.login),
            (false, true) => format!("ended; {}", login.login),
        };
        writeln!(out, "login {}: {state}", login.what)?;
    }
    for trouble in &status.troubles {
        writeln!(out, "{} {trouble}", paint::note("note:"))?;
    }
    if status.audit_lost > 0 {
        let lost = usize::try_from(status.audit_lost).unwrap_or(usize::MAX);
        writeln!(
            out,
            "{} {} of the audit log could not be written",
            paint::bad("lost:"),
            counted(lost, "line")
        )?;
    }
    if status.imds_v1.enabled || status.imds_v1.requests > 0 {
        let state = if status.imds_v1.enabled { "on" } else { "off" };
        let clients = status.imds_v1.clients.iter();
        let clients: Vec<_> =
            clients.map(|client| format!("{} {}", client.program, client.requests)).collect();
        let clients = if clients.is_empty() { String::new() } else { format!(" ({})", clients.join(", ")) };
        writeln!(out, "IMDSv1 is {state}; requests without a token: {}{clients}", status.imds_v1.requests)?;
    }
    writeln!(
        out,
        "since start: {} handed out, {} refused, {} of STS",
        status.issues,
        status.refusals,
        counted(usize::try_from(status.sts_calls).unwrap_or(usize::MAX), "session")
    )?;
    writeln!(out)?;
    if status.projects.is_empty() {
        writeln!(out, "no project is allowed yet; in a project: brokerctl allow")?;
    } else {
        // Sessions end by AWS's clock.
        let aws_now = Timestamp(status.now.0 - status.clock_ahead.unwrap_or(0));
        table(out, &status.projects, aws_now)?;
    }
    print_found(out, &status.found)?;
    if !status.pins.is_empty() {
        writeln!(out)?;
        pins::print(out, &status.pins, status.now)?;
    }
    if let Some(overview) = status.approvals.as_ref().filter(|overview| !overview.is_empty()) {
        writeln!(out)?;
        approvals::print(out, overview)?;
    }
    if let Some(here) = &status.here {
        writeln!(out)?;
        write!(out, "here: ")?;
        explanation::write_verdict(out, &here.verdict)?;
    }
    Ok(())
}

/// Prints what shadows brokerd.
pub(super) fn print_shadows(out: &mut impl Write, shadows: &[Shadow]) -> Result<(), Failure> {
    for shadow in shadows {
        writeln!(out, "{} {}: {}", paint::note("shadowed:"), shadow.what, shadow.effect)?;
        writeln!(out, "  {} {}", paint::faint("fix:"), shadow.fix)?;
    }
    if !shadows.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

fn table(out: &mut impl Write, projects: &[ProjectStatus], now: Timestamp) -> Result<(), Failure> {
    let heading = ["APP.STAGE", "MATCHED", "PROFILE", "ACCOUNT", "ROLE", "EXPIRES"].map(str::to_owned);
    let rows: Vec<[String; 6]> = projects.iter().map(|project| row(project, now)).collect();
    let width = |column: usize| {
        std::iter::once(&heading).chain(&rows).map(|row| row[column].chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    writeln!(out, "{}", paint::faint(&line(&heading)))?;
    for (project, row) in projects.iter().zip(&rows) {
        let text = line(row);
        let painted = match (&project.error, project.matched) {
            (Some(_), _) => paint::bad(&text),
            (None, Some(Matched::Default)) => paint::note(&text),
            (None, _) => text,
        };
        writeln!(out, "{painted}")?;
        writeln!(out, "  {}", paint::faint(&project.config.display().to_string()))?;
        for note in &project.notes {
            writeln!(out, "  {} {note}", paint::note("note:"))?;
        }
        if project.safeguards_not_evaluated > 0 {
            let count = counted(project.safeguards_not_evaluated, "safeguard");
            writeln!(
                out,
                "  {} {count} not evaluated: no plugin; brokerctl check does",
                paint::note("note:")
            )?;
        }
        if let Some(error) = &project.error {
            writeln!(out, "  {} {error}", paint::bad("error:"))?;
        }
        if let Some(hint) = &project.hint {
            writeln!(out, "  {} {hint}", paint::note("hint:"))?;
        }
    }
    Ok(())
}

/// The search for projects in a line.
fn searched(search: &SearchStatus, status: &Status) -> String {
    let roots: Vec<_> = search.roots.iter().map(|root| root.display().to_string()).collect();
    let roots = roots.join(" ");
    if search.searching {
        let (directories, projects) = (search.directories, counted(search.projects, "project"));
        return format!("searching {roots}: {projects} in {directories} directories so far");
    }
    let allowed = status.found.iter().filter(|found| found.allowed).count();
    let took = search.took_ms.map(|took| format!(", searched in {took}ms")).unwrap_or_default();
    let ago = search.finished.map(|finished| brief(status.now.remaining(finished)));
    let ago = ago.filter(|_| search.on_demand).map(|ago| format!(" {ago} ago")).unwrap_or_default();
    format!("projects {roots}: {} found, {allowed} allowed{took}{ago}", search.projects)
}

/// The projects that were found and that nobody allowed.
fn print_found(out: &mut impl Write, found: &[FoundStatus]) -> Result<(), Failure> {
    const SHOWN: usize = 10;
    let others: Vec<_> = found.iter().filter(|found| !found.allowed).collect();
    if others.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    writeln!(out, "found and not allowed; in one of them: brokerctl allow")?;
    for found in others.iter().take(SHOWN) {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let name = format!("{}.{}", or_dash(&found.app), or_dash(&found.stage));
        writeln!(out, "  {name}  {}", paint::faint(&found.config.display().to_string()))?;
        if let Some(error) = &found.error {
            writeln!(out, "    {} {error}", paint::bad("error:"))?;
        }
    }
    if let Some(more) = others.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        writeln!(out, "  and {more} more: brokerctl status --json")?;
    }
    Ok(())
}

/// The keychain in a line, and what is wrong with it.
fn print_keychain(out: &mut impl Write, state: &KeychainStatus, now: Timestamp) -> Result<(), Failure> {
    let kept = match (state.keychain, state.saved) {
        (Keychain::Memory, _) => "sessions end with the daemon".to_owned(),
        (_, Some(saved)) => {
            let unsaved = if state.unsaved { ", with changes since" } else { "" };
            format!(
                "keeps {}, written {} ago{unsaved}",
                counted(state.sessions, "session"),
                brief(now.remaining(saved))
            )
        }
        (_, None) => format!("held {}", counted(state.sessions, "session")),
    };
    let choice = match &state.choice {
        KeychainChoice::Configured => "configured".to_owned(),
        KeychainChoice::Remembered { since } => format!("chosen {since}"),
        KeychainChoice::Found => "chosen at this start".to_owned(),
        KeychainChoice::NoneFound => "no other was found".to_owned(),
    };
    writeln!(out, "keychain {} ({choice}): {kept}", state.keychain)?;
    if let Some(trouble) = &state.trouble {
        writeln!(out, "  {} {trouble}; sessions are in memory only", paint::bad("trouble:"))?;
    }
    if let Some(note) = &state.note {
        writeln!(out, "  {} {note}", paint::note("note:"))?;
    }
    if let Some(hint) = &state.hint {
        writeln!(out, "  {} {hint}", paint::note("hint:"))?;
    }
    Ok(())
}

fn row(project: &ProjectStatus, now: Timestamp) -> [String; 6] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        format!("{}.{}", project.app, or_dash(project.stage.as_ref().map(ToString::to_string))),
        or_dash(project.matched.map(|matched| matched.to_string())),
        or_dash(project.profile.as_ref().map(ToString::to_string)),
        or_dash(project.account.clone()),
        or_dash(project.role.as_ref().map(|role| role.role_name().to_owned())),
        or_dash(project.expires.map(|expires| format!("in {}", brief(expires.remaining(now))))),
    ]
}

/// A duration without what nobody needs: seconds count below an hour, minutes below a day.
pub(super) fn brief(duration: Duration) -> String {
    const HOUR: u64 = 3600;
    let seconds = duration.as_secs();
    let unit = if seconds < HOUR {
        1
    } else if seconds < 24 * HOUR {
        60
    } else {
        HOUR
    };
    format_duration(Duration::from_secs(seconds - seconds % unit))
}

pub(super) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
