//! A decision and its reasons, for people.

use std::io::Write;

use super::failure::Failure;
use super::paint;
use crate::core::audit::Record;
use crate::core::decision::Matched;
use crate::core::protocol::{Explanation, Verdict};

/// Prints who, the steps, and what comes of it.
pub(super) fn print(explanation: &Explanation) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", paint::strong(&explanation.caller))?;
    let width = explanation.reasons.iter().map(|reason| reason.topic.len()).max().unwrap_or(0);
    for reason in &explanation.reasons {
        writeln!(out, "  {} {}", paint::faint(&format!("{:<width$}", reason.topic)), reason.text)?;
    }
    drop(out);
    print_verdict(&explanation.verdict)
}

/// Prints what comes of a decision.
pub(super) fn print_verdict(verdict: &Verdict) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    match verdict {
        Verdict::Profile { app, stage, matched, profile, role, region, fallback } => {
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
