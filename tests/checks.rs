//! `brokerctl check` and safeguards that are enforced, with the two programs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{CONFIG, Home, ran_as_ordinary_user, stderr, stdout};

const CATALOG: &str = r#"
[profiles.dev]
access_role = { role_arn = "arn:aws:iam::111111111111:role/dev" }
[[profiles.dev.safeguards]]
policy = "allowed-runtimes"
title = "Runtimes that we patch"
description = "Ask in #cloud."
config = "^nodejs"
[[profiles.dev.safeguards]]
policy = "required-stack-tags"
level = "warning"
config = { team = "." }
[[profiles.dev.safeguards]]
policy = "require-description"
[profiles.eu]
access_role = { role_arn = "arn:aws:iam::222222222222:role/eu" }
[[profiles.eu.safeguards]]
policy = "allowed-regions"
config = ["eu-west-1"]
enforce = "session"
[[profiles.eu.safeguards]]
policy = "allowed-stages"
config = ["eu"]
enforce = "issue"
[applications.shop]
default_profile = "dev"
[applications.shop.stages]
eu = "eu"
other = "eu"
"#;

const SERVICE: &str = "service: shop\napp: shop\nprovider:\n  name: aws\n  runtime: nodejs22.x\nfunctions:\n  \
                       report:\n    handler: report.run\n    runtime: ruby3.4\n";

#[test]
fn a_service_is_checked_without_a_daemon_and_with_one() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    home.write("shop/serverless.yml", SERVICE);
    let project = home.path("shop").display().to_string();
    let check = |words: &[&str]| home.ctl(&[&["check", project.as_str()], words].concat());
    let expected = "shop.dev with profile dev, by serverless.yml, not packaged\n\
                    note: stage dev is not configured on shop: default profile dev\n\n  \
                    failed   allowed-runtimes: Runtimes that we patch\n  \
                    warned   required-stack-tags\n  \
                    skipped  require-description\n\n\
                    failed  Runtimes that we patch\n";
    let by_itself = check(&["--no-package"]);
    assert_eq!(by_itself.status.code(), Some(1));
    assert!(stdout(&by_itself).starts_with(expected), "{}", stdout(&by_itself));
    assert!(stdout(&by_itself).contains("serverless.yml:9:14\n    Runtime of function report not permitted"));
    assert!(stdout(&by_itself).ends_with("\n1 failed, 1 warned, 1 skipped\n"), "{}", stdout(&by_itself));
    assert!(stderr(&by_itself).starts_with("error: 1 safeguard is broken that shop.dev must keep\nhint: "));
    let json: serde_json::Value = serde_json::from_slice(&check(&["--no-package", "--json"]).stdout).unwrap();
    assert_eq!((&json["failed"], &json["entries"][0]["findings"][0]["line"]), (&1.into(), &9.into()));
    let sarif: serde_json::Value =
        serde_json::from_slice(&check(&["--no-package", "--sarif"]).stdout).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "allowed-runtimes");
    let annotations = stdout(&check(&["--no-package", "--github"]));
    assert!(annotations.starts_with("::error file="), "{annotations}");
    assert!(annotations.contains(",line=9,col=14,title=Runtimes that we patch::Runtime of function report"));
    // What needs the package runs the project's own programs, which nobody said yes to; and there is no CLI.
    let untrusted = check(&[]);
    assert_eq!(untrusted.status.code(), Some(1));
    assert!(stderr(&untrusted).contains("hint: --trust if it is yours"), "{}", stderr(&untrusted));
    let packaged = check(&["--trust"]);
    assert_eq!(packaged.status.code(), Some(1));
    assert!(stderr(&packaged).contains("no Serverless CLI"), "{}", stderr(&packaged));
    let elsewhere = check(&["--package", project.as_str()]);
    assert!(stderr(&elsewhere).contains("holds no packaged service"), "{}", stderr(&elsewhere));

    let _daemon = home.daemon();
    let not_allowed = check(&["--no-package"]);
    assert!(stderr(&not_allowed).contains("is not allowed yet"), "{}", stderr(&not_allowed));
    assert_eq!(home.ctl(&["allow", project.as_str()]).status.code(), Some(0));
    assert_eq!(stdout(&check(&["--no-package"])), stdout(&by_itself));
    let eu = check(&["--stage", "eu", "--region", "eu-west-1"]);
    assert_eq!(eu.status.code(), Some(0), "{}", stderr(&eu));
    assert!(stdout(&eu).ends_with("\n2 passed\n"), "{}", stdout(&eu));
}

#[test]
fn why_shows_what_is_enforced_and_what_is_not_stopped() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    home.write("shop/serverless.yml", SERVICE);
    let project = home.path("shop").display().to_string();
    let _daemon = home.daemon();
    assert_eq!(home.ctl(&["allow", project.as_str()]).status.code(), Some(0));
    let why = |stage: &str| stdout(&home.ctl(&["why", project.as_str(), "--stage", stage]));
    let eu = why("eu");
    for line in [
        "allowed-regions is in the session policy, which AWS enforces: every action in another region is denied",
        "allowed-stages holds at issue: no credentials for another stage",
        "\"aws:RequestedRegion\":[\"eu-west-1\"]",
        "it does not stop:\n",
        "CloudFormation with its service role",
    ] {
        assert!(eu.contains(line), "{line}\n{eu}");
    }
    let other = why("other");
    let refusal = "refused: safeguard allowed-stages of profile eu: Stage name \"other\" not in list of permitted \
                   names: [\"eu\"]\nhint: brokerctl safeguard explain allowed-stages\n";
    assert!(other.ends_with(refusal), "{other}");
}

#[test]
fn policies_explain_themselves() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    let list = stdout(&home.ctl(&["safeguard", "list"]));
    assert_eq!(list.lines().count(), 16);
    let explained = stdout(&home.ctl(&["safeguard", "explain", "allowed-regions"]));
    for part in ["inspects", "config", "enforce", "passes", "fails", "eu-west-1"] {
        assert!(explained.contains(part), "{part}\n{explained}");
    }
    let unknown = home.ctl(&["safeguard", "explain", "alowed-regions"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("did you mean \"allowed-regions\"?"), "{}", stderr(&unknown));
    let json = home.ctl(&["safeguard", "list", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json[0]["id"], "allowed-function-names");
}
