//! Safeguards beside the original: its verdicts on the same services, and the page that is made of the policies.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use brokerd::core::safeguard::{Rule, STATE, Service, TEMPLATE, documentation, policy};
use brokerd::core::serverless::Declared;
use brokerd::edges::javascript::QuickJs;
use serde::Deserialize;
use serde_json::{Value, json};

/// One case: a policy with a config on a service. `tests/safeguards/original.js` reads the same file.
#[derive(Deserialize)]
struct Case {
    name: String,
    policy: String,
    #[serde(default)]
    config: Option<Value>,
    service: String,
    #[serde(default = "dev")]
    stage: String,
    #[serde(default = "us_east_1")]
    region: String,
    /// Why ours judges otherwise, if it does.
    #[serde(default)]
    differs: Option<String>,
}

fn dev() -> String {
    "dev".to_owned()
}

fn us_east_1() -> String {
    "us-east-1".to_owned()
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/safeguards")
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> T {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The artifacts of a service: a directory as a CLI packaged it, or one file with both.
fn artifacts(service: &str) -> BTreeMap<String, Value> {
    let path = here().join("services").join(service);
    if path.is_dir() {
        return brokerd::edges::package::read(&path).unwrap();
    }
    let both: Value = read(&path.with_extension("json"));
    [
        (TEMPLATE.to_owned(), json!({ "Resources": both["resources"] })),
        (STATE.to_owned(), json!({ "service": both["service"] })),
    ]
    .into()
}

fn verdict(case: &Case) -> String {
    let Ok(rule) = Rule::read(policy(&case.policy).unwrap(), case.config.clone()) else {
        return "fault".to_owned();
    };
    let compiled = artifacts(&case.service);
    let declaration = Declared::resolved(compiled[STATE]["service"].clone());
    let now = "2026-11-24T12:00:00Z[UTC]".parse().unwrap();
    let service = Service {
        compiled: &compiled,
        declaration: &declaration,
        stage: &case.stage,
        region: Some(&case.region),
        framework_version: Some("4.3.1"),
        now: &now,
        engine: Some(&QuickJs),
    };
    match rule.check(&service) {
        Ok(violations) if violations.is_empty() => "passed".to_owned(),
        Ok(_) => "failed".to_owned(),
        Err(_) => "missing".to_owned(),
    }
}

/// `verdicts.json` is what the original said; `tests/real/test_safeguards.py` lets it say so again.
#[test]
fn each_verdict_is_the_originals_or_differs_for_a_reason() {
    let cases: Vec<Case> = read(&here().join("cases.json"));
    let original: BTreeMap<String, String> = read(&here().join("verdicts.json"));
    assert_eq!(cases.len(), original.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let (ours, theirs) = (verdict(case), &original[&case.name]);
        match &case.differs {
            None if ours != *theirs => wrong.push(format!("{}: {ours}, the original {theirs}", case.name)),
            Some(reason) if ours == *theirs => {
                wrong.push(format!("{}: {ours} as well, and not: {reason}", case.name));
            }
            Some(reason) if !policy(&case.policy).unwrap().differences.contains(&reason.as_str()) => {
                wrong.push(format!("{}: its policy does not say: {reason}", case.name));
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for policy in brokerd::core::safeguard::POLICIES {
        assert!(
            cases.iter().filter(|case| case.policy == policy.id).count() >= 2,
            "{} has no cases",
            policy.id
        );
    }
}

/// docs/safeguards.md is made here: `BROKERD_WRITE_DOCS=1 cargo test --test safeguards` writes it anew.
#[test]
fn the_page_is_what_the_policies_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/safeguards.md");
    let made = documentation::markdown();
    if std::env::var_os("BROKERD_WRITE_DOCS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == made, "BROKERD_WRITE_DOCS=1 cargo test --test safeguards");
}

/// The daemon holds credentials: its program does not contain what runs other people's programs.
#[test]
fn only_brokerctl_contains_the_engine() {
    let marks = |program: &str| {
        let bytes = fs::read(program).unwrap();
        // A message of QuickJS, and a word of JSONata's own source.
        ["Maximum call stack size exceeded", "jsonata"]
            .map(|mark| bytes.windows(mark.len()).any(|window| window == mark.as_bytes()))
    };
    assert_eq!(marks(env!("CARGO_BIN_EXE_brokerctl")), [true, true]);
    assert!(!marks(env!("CARGO_BIN_EXE_brokerd"))[0]);
}
