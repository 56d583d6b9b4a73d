//! A decision and its reasons, for people.

use std::io::Write;

use serde_json::Value as Json;

use super::failure::Failure;
use super::paint;
use crate::core::audit::Record;
use crate::core::decision::Matched;
use crate::core::protocol::{Explanation, Narrowed, Verdict};

/// Prints who, the steps, and what comes of it.
pub(super) fn print(explanation: &Explanation) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", paint::strong(&explanation.caller))?;
    let width = explanation.reasons.iter().map(|reason| reason.topic.len()).max().unwrap_or(0);
    for reason in &explanation.reasons {
        writeln!(out, "  {} {}", paint::faint(&format!("{:<width$}", reason.topic)), reason.text)?;
    }
    drop(out);
    print_verdict(&explanation.verdict)?;
    match &explanation.verdict {
        Verdict::Profile { narrowed: Some(narrowed), .. } => print_narrowed(narrowed),
        _ => Ok(()),
    }
}

/// Prints what AWS enforces in the session, and what that does not stop.
fn print_narrowed(narrowed: &Narrowed) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    let policy = narrowed.session_policy.as_deref().and_then(|text| serde_json::from_str::<Json>(text).ok());
    if let Some(policy) = policy {
        writeln!(out, "{}", paint::strong("session policy, enforced by AWS beside the role's:"))?;
        if let Some(version) = policy.get("Version").and_then(Json::as_str) {
            writeln!(out, "  {}", paint::faint(&format!("Version {version}")))?;
        }
        let statements = policy.get("Statement").map(|statements| match statements {
            Json::Array(statements) => statements.as_slice(),
            one => std::slice::from_ref(one),
        });
        for statement in statements.unwrap_or_default() {
            writeln!(out, "  {statement}")?;
        }
    }
    for arn in &narrowed.policy_arns {
        writeln!(out, "{} {arn}", paint::strong("managed session policy:"))?;
    }
    writeln!(out, "{}", paint::strong("it does not stop:"))?;
    for what in &narrowed.not_stopped {
        writeln!(out, "  {what}")?;
    }
    Ok(())
}

/// Prints what comes of a decision.
pub(super) fn print_verdict(verdict: &Verdict) -> Result<(), Failure> {
    write_verdict(&mut anstream::stdout().lock(), verdict)
}

/// The same, to wherever.
pub(super) fn write_verdict(out: &mut impl Write, verdict: &Verdict) -> Result<(), Failure> {
    match verdict {
        Verdict::Profile { app, stage, matched, profile, role, region, fallback, narrowed: _ } => {
            let profile = profile.as_str();
            let profile =
                if *matched == Matched::Exact { paint::good(profile) } else { paint::note(profile) };
            let region = region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
            writeln!(out, "{app}.{stage} has profile {profile}: {role}{region}")?;
            if let Some(fallback) = fallback {
                writeln!(out, "{} {fallback}", paint::note("note:"))?;
            }
        }
        Verdict::Refused { message, hint, .. } => {
            writeln!(out, "{} {message}", paint::bad("refused:"))?;
            if let Some(hint) = hint {
                writeln!(out, "{} {hint}", paint::note("hint:"))?;
            }
        }
    }
    Ok(())
}

/// Prints refusals, the last one last.
pub(super) fn print_refusals(refusals: &[Record]) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    if refusals.is_empty() {
        writeln!(out, "nothing was refused since brokerd started")?;
    }
    for record in refusals {
        let caller = record.caller.as_ref().map_or_else(|| "unknown caller".to_owned(), ToString::to_string);
        writeln!(out, "{} {caller}", paint::faint(&record.time.to_string()))?;
        if let Some(refusal) = &record.refusal {
            writeln!(out, "  {} {refusal}", paint::bad("refused:"))?;
            if let Some(hint) = refusal.hint() {
                writeln!(out, "  {} {hint}", paint::note("hint:"))?;
            }
        }
    }
    Ok(())
}
