//! Findings, for people: what matters most stands last, where the eye is.

use std::io::Write;
use std::path::Path;

use super::Repaired;
use crate::core::doctor::{Finding, Level};
use crate::ctl::failure::Failure;
use crate::ctl::paint;

pub(super) fn print(path: &Path, findings: &[Finding], repairs: &[Repaired]) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    for repaired in repairs {
        let state = if repaired.gone { paint::good("fixed:") } else { paint::bad("not fixed:") };
        let why = repaired.error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
        writeln!(out, "{state} {}{why}", repaired.command)?;
    }
    writeln!(out, "in {}:", path.display())?;
    for level in [Level::Ok, Level::Note, Level::Warning, Level::Problem] {
        for finding in findings.iter().filter(|finding| finding.level == level) {
            one(&mut out, finding)?;
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let [problems, warnings, notes] = [Level::Problem, Level::Warning, Level::Note].map(count);
    writeln!(out, "\nproblems {problems}, warnings {warnings}, notes {notes}")?;
    Ok(())
}

fn one(out: &mut impl Write, finding: &Finding) -> Result<(), Failure> {
    let Finding { id, level, sentence, place, affects, fix, .. } = finding;
    let word = match level {
        Level::Ok => paint::good("ok"),
        Level::Note => paint::faint("note"),
        Level::Warning => paint::note("warning"),
        Level::Problem => paint::bad("problem"),
    };
    let id = if *level == Level::Ok { String::new() } else { paint::faint(&format!(" [{id}]")) };
    writeln!(out, "{word}: {sentence}{id}")?;
    if let Some(place) = place {
        writeln!(out, "  {} {place}", paint::faint("where:"))?;
    }
    if !affects.is_empty() {
        writeln!(out, "  {} {}", paint::faint("reaches:"), affects.join(", "))?;
    }
    if let Some(fix) = fix {
        writeln!(out, "  {} {fix}", paint::faint("fix:"))?;
    }
    Ok(())
}
