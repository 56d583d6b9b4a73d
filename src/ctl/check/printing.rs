//! A report, for people and as JSON.

use std::io::Write;

use serde::Serialize;

use crate::core::protocol::Agreement;
use crate::core::safeguard::report::{Entry, Report, Verdict};
use crate::ctl::failure::Failure;
use crate::ctl::paint;

/// The report with what it is about: the stable form of `--json`.
#[derive(Serialize)]
pub(super) struct Printed<'a> {
    app: &'a str,
    stage: &'a str,
    profile: &'a str,
    fallback: Option<&'a str>,
    passed: usize,
    failed: usize,
    warned: usize,
    skipped: usize,
    #[serde(flatten)]
    report: &'a Report,
}

pub(super) fn document<'a>(report: &'a Report, agreed: &'a Agreement) -> Printed<'a> {
    Printed {
        app: agreed.app.as_str(),
        stage: agreed.stage.as_str(),
        profile: agreed.profile.as_str(),
        fallback: agreed.fallback.as_deref(),
        passed: report.count(Verdict::Passed),
        failed: report.count(Verdict::Failed),
        warned: report.count(Verdict::Warned),
        skipped: report.count(Verdict::Skipped),
        report,
    }
}

/// The sentence of a deployment that must not go on.
pub(in crate::ctl) fn blocked(report: &Report, agreed: &Agreement) -> String {
    let failed = report.count(Verdict::Failed);
    let what = if failed == 1 { "safeguard is" } else { "safeguards are" };
    format!("{failed} {what} broken that {}.{} must keep", agreed.app, agreed.stage)
}

pub(in crate::ctl) fn print(
    report: &Report,
    agreed: &Agreement,
    file: &str,
    inputs: &str,
) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    let name = format!("{}.{}", agreed.app, agreed.stage);
    writeln!(
        out,
        "{} with profile {}, by {inputs}",
        paint::strong(&name),
        paint::strong(agreed.profile.as_str())
    )?;
    if let Some(fallback) = &agreed.fallback {
        writeln!(out, "{} {fallback}", paint::note("note:"))?;
    }
    if report.entries.is_empty() {
        writeln!(out, "the profile has no safeguard")?;
        return Ok(());
    }
    writeln!(out)?;
    for entry in &report.entries {
        let title = entry.title.as_ref().map(|title| format!(": {title}")).unwrap_or_default();
        writeln!(out, "  {}  {}{title}", verdict(entry), entry.policy)?;
    }
    for entry in report.entries.iter().filter(|entry| entry.verdict != Verdict::Passed) {
        writeln!(out, "\n{} {}", verdict(entry), paint::strong(entry.shown()))?;
        for finding in &entry.findings {
            let place = finding.place.map(|place| format!(":{place}")).unwrap_or_default();
            let resource =
                finding.violation.resource.as_ref().map(|id| format!("  {id}")).unwrap_or_default();
            writeln!(out, "  {}", paint::faint(&format!("{file}{place}{resource}")))?;
            writeln!(out, "    {}", finding.violation.message)?;
        }
        if let Some(why) = &entry.skipped {
            writeln!(out, "    {why}")?;
        }
        for line in entry.description.iter().flat_map(|text| text.lines()) {
            writeln!(out, "  {} {line}", paint::faint("|"))?;
        }
    }
    let counts = [Verdict::Passed, Verdict::Failed, Verdict::Warned, Verdict::Skipped]
        .into_iter()
        .map(|verdict| (report.count(verdict), verdict))
        .filter(|(count, _)| *count > 0)
        .map(|(count, verdict)| format!("{count} {verdict}"));
    writeln!(out, "\n{}", counts.collect::<Vec<_>>().join(", "))?;
    Ok(())
}

fn verdict(entry: &Entry) -> String {
    let word = format!("{:<7}", entry.verdict);
    match entry.verdict {
        Verdict::Passed => paint::good(&word),
        Verdict::Failed => paint::bad(&word),
        Verdict::Warned => paint::note(&word),
        Verdict::Skipped => paint::faint(&word),
    }
}
