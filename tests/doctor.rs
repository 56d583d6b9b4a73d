//! `brokerctl doctor`, run as a user would, and the page that is made of its checks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use brokerd::core::doctor::documentation;
use common::{CATALOG, CONFIG, Home, ran_as_ordinary_user, stderr, stdout};
use serde_json::Value;

/// docs/doctor.md is made here: `BROKERD_WRITE_DOCS=1 cargo test --test doctor` writes it anew.
#[test]
fn the_page_is_what_the_checks_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/doctor.md");
    let made = documentation::markdown();
    if std::env::var_os("BROKERD_WRITE_DOCS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == made, "BROKERD_WRITE_DOCS=1 cargo test --test doctor");
}

/// The findings of a report that matter, by id and level.
fn found(output: &Output) -> Vec<(String, String)> {
    let report: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(output)));
    let findings = report["findings"].as_array().unwrap().iter();
    let pair = |finding: &Value| {
        (finding["id"].as_str().unwrap().to_owned(), finding["level"].as_str().unwrap().to_owned())
    };
    findings.map(pair).filter(|(_, level)| level != "ok").collect()
}

fn has(output: &Output, id: &str, level: &str) -> bool {
    found(output).contains(&(id.to_owned(), level.to_owned()))
}

#[test]
fn without_a_daemon_the_rest_is_looked_at_and_the_exit_code_is_3() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, "[profiles.dev]\naccess_rol = {}\n");
    home.write(".aws/config", "[default]\nregion = eu-west-1\n");
    let output = home.ctl(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    for (id, level) in [
        ("daemon-not-running", "problem"),
        ("catalog-fault", "problem"),
        ("default-stops-osls", "warning"),
        ("service-not-installed", "note"),
    ] {
        assert!(has(&output, id, level), "{id}: {:?}", found(&output));
    }
    let text = stdout(&home.ctl(&["doctor"]));
    assert!(text.contains("/.aws/config:1") && text.contains("/catalog.toml:2:1"), "{text}");
    assert_eq!(home.ctl(&["doctor", "nowhere"]).status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for key in ["version", "path", "findings", "repairs"] {
        assert!(!report[key].is_null(), "{key}");
    }
}

#[test]
fn what_is_open_is_closed_by_fix_and_by_nothing_else() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    home.write(".aws/credentials", "[work]\naws_access_key_id = AKIAMARKED\n");
    home.write("shop/serverless.yml", "service: x\napp: shop\n");
    let _daemon = home.daemon();
    assert!(home.ctl(&["allow", "shop"]).status.success());
    let allowed = home.path(".local/state/brokerd/allowed.json");
    let keys = home.path(".aws/credentials");
    for path in [&allowed, &keys] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let output = home.ctl(&["doctor", "--json", "shop"]);
    assert!(
        has(&output, "file-open", "problem") && has(&output, "aws-file-open", "warning"),
        "{:?}",
        found(&output)
    );
    assert_eq!([mode(&allowed), mode(&keys)], [0o644, 0o644], "looking changes nothing");
    let fixed = home.ctl(&["doctor", "--fix", "--json", "shop"]);
    assert_eq!([mode(&allowed), mode(&keys)], [0o600, 0o600]);
    assert!(!has(&fixed, "file-open", "problem"), "{:?}", found(&fixed));
    let report: Value = serde_json::from_slice(&fixed.stdout).unwrap();
    let repairs = report["repairs"].as_array().unwrap();
    assert!(repairs.iter().all(|repair| repair["gone"] == true), "{repairs:?}");
    assert!(repairs.iter().any(|repair| repair["id"] == "file-open"), "{repairs:?}");
    assert!(!stdout(&fixed).contains("AKIAMARKED"));
    let again = home.ctl(&["doctor", "--fix", "shop"]);
    assert!(!stdout(&again).contains("fixed:"), "{}", stdout(&again));
}

#[test]
fn a_directory_in_no_project_is_a_note_and_one_that_is_not_allowed_a_problem() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    home.write("shop/serverless.yml", "service: x\napp: shop\n");
    home.write("plain/x", "");
    let _daemon = home.daemon();
    assert!(has(&home.ctl(&["doctor", "--json", "plain"]), "no-project", "note"));
    let here = home.ctl(&["doctor", "--json", "shop"]);
    assert!(
        has(&here, "project-not-allowed", "problem") && here.status.code() == Some(1),
        "{:?}",
        found(&here)
    );
    assert!(has(&here, "env-endpoint", "problem"));
    assert!(home.ctl(&["allow", "shop"]).status.success());
    assert!(!has(&home.ctl(&["doctor", "--json", "shop"]), "project-not-allowed", "problem"));
}

#[test]
fn a_port_that_somebody_has_is_named_before_brokerd_starts() {
    if ran_as_ordinary_user() {
        return;
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let home = Home::new(&format!("listen = [\"{address}\"]\n"), CATALOG);
    let output = home.ctl(&["doctor", "--json"]);
    assert!(has(&output, "port-conflict", "problem"), "{:?}", found(&output));
    assert!(stdout(&output).contains(&address.to_string()));
}
