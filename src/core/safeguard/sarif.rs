//! A report in the forms that CI reads.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use super::report::{Entry, Finding, Report, Verdict};
use super::{Policy, policy};

/// The entries that somebody has to look at, with each of their findings.
fn broken(report: &Report) -> impl Iterator<Item = (&Entry, &Finding)> {
    report
        .entries
        .iter()
        .filter(|entry| matches!(entry.verdict, Verdict::Failed | Verdict::Warned))
        .flat_map(|entry| entry.findings.iter().map(move |finding| (entry, finding)))
}

/// SARIF 2.1.0 (OASIS), for code scanning. `file` is the configuration relative to the repository.
pub fn sarif(report: &Report, file: &str) -> Json {
    let rules: Vec<Json> =
        report.entries.iter().filter_map(|entry| policy(&entry.policy)).map(rule).collect();
    let results: Vec<Json> = broken(report)
        .map(|(entry, finding)| {
            let mut location = json!({ "physicalLocation": { "artifactLocation": { "uri": file } } });
            if let Some(place) = finding.place {
                location["physicalLocation"]["region"] =
                    json!({ "startLine": place.line, "startColumn": place.column });
            }
            if let Some(resource) = &finding.violation.resource {
                location["logicalLocations"] = json!([{ "name": resource, "kind": "resource" }]);
            }
            json!({
                "ruleId": entry.policy,
                "level": if entry.verdict == Verdict::Failed { "error" } else { "warning" },
                "message": { "text": finding.violation.message },
                "locations": [location],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "brokerctl check", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "results": results,
        }],
    })
}

fn rule(policy: &Policy) -> Json {
    json!({
        "id": policy.id,
        "shortDescription": { "text": policy.summary },
        "fullDescription": { "text": policy.inspects },
    })
}

/// Workflow commands of GitHub Actions, one a line: `::error file=…,line=…::message`.
pub fn annotations(report: &Report, file: &str) -> String {
    let mut text = String::new();
    for (entry, finding) in broken(report) {
        let level = if entry.verdict == Verdict::Failed { "error" } else { "warning" };
        let _ = write!(text, "::{level} file={}", property(file));
        if let Some(place) = finding.place {
            let _ = write!(text, ",line={},col={}", place.line, place.column);
        }
        let _ = writeln!(text, ",title={}::{}", property(entry.shown()), data(&finding.violation.message));
    }
    text
}

/// What a workflow command carries (github.com/actions/toolkit, command.ts): percent signs and line ends are escaped.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What stands in a property, where colons and commas separate.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
