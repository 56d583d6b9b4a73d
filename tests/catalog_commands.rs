//! `brokerctl profile`, `app`, `stage` and `catalog`, run as a user would.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Stdio;

use common::{CATALOG, CONFIG, Home, ran_as_ordinary_user, stderr, stdout};

const FILE: &str = ".config/brokerd/catalog.toml";
const ROLE: &str = "arn:aws:iam::222222222222:role/deploy";

fn text(home: &Home) -> String {
    fs::read_to_string(home.path(FILE)).unwrap()
}

/// That a command succeeds, and what it printed.
fn done(home: &Home, arguments: &[&str]) -> String {
    let output = home.ctl(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    assert_eq!(stderr(&output), "", "{arguments:?}");
    stdout(&output)
}

/// That a command fails with an exit code, and what it said.
fn failed(home: &Home, arguments: &[&str], code: i32) -> String {
    let before = fs::read_to_string(home.path(FILE)).ok();
    let output = home.ctl(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stdout(&output));
    assert_eq!(fs::read_to_string(home.path(FILE)).ok(), before, "{arguments:?} wrote");
    stderr(&output)
}

#[test]
fn a_catalog_is_made_edited_and_emptied_without_a_daemon() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, "");
    fs::remove_dir_all(home.path(".config")).unwrap();
    assert_eq!(
        done(&home, &["profile", "list"]),
        "no profile yet; brokerctl profile add NAME --role-arn ARN\n"
    );

    let add = ["profile", "add", "dev", "--role-arn", ROLE, "--source", "work"];
    let shown = done(&home, &[&add[..], &["--dry-run"]].concat());
    let lines =
        format!("@@ -0,0 +1,3 @@\n+[profiles.dev.access_role]\n+role_arn = \"{ROLE}\"\n+source = \"work\"\n");
    let path = home.path(FILE);
    assert_eq!(shown, format!("{}\n{lines}dry run: nothing is written\n", path.display()));
    assert!(!home.path(".config").exists(), "a dry run makes no directory");

    assert_eq!(done(&home, &add), format!("{0}\n{lines}made {0}\n", path.display()));
    let mode = |name: &str| fs::metadata(home.path(name)).unwrap().mode() & 0o777;
    assert_eq!((mode(FILE), mode(".config/brokerd")), (0o600, 0o700));

    done(&home, &["app", "add", "shop", "--default-profile", "dev", "--unmatched", "pr-*,x"]);
    done(&home, &["profile", "add", "prod", "--role-arn", ROLE, "--tag", "team=shop", "--duration", "2h"]);
    done(&home, &["stage", "add", "shop", "prod", "prod"]);
    assert_eq!(done(&home, &["stage", "list", "shop"]), "prod  prod\n");
    assert_eq!(done(&home, &["stage", "show", "shop", "prod"]), "stage prod of shop has profile prod\n");
    done(&home, &["profile", "edit", "prod", "--unset", "session-tags", "--description", "ours"]);
    assert_eq!(
        text(&home),
        format!(
            "[profiles.dev.access_role]\nrole_arn = \"{ROLE}\"\nsource = \"work\"\n\n\
             [profiles.prod]\ndescription = \"ours\"\n[profiles.prod.access_role]\nrole_arn = \"{ROLE}\"\n\
             duration = \"2h\"\n\n[applications.shop]\ndefault_profile = \"dev\"\nunmatched = [\"pr-*\", \"x\"]\n\
             [applications.shop.stages]\nprod = \"prod\"\n"
        )
    );
    assert!(
        done(&home, &["app", "edit", "shop", "--default-profile", "dev"]).starts_with("nothing to change")
    );

    let in_use = failed(&home, &["profile", "remove", "dev"], 1);
    assert!(in_use.contains("brokerctl app edit shop --default-profile OTHER"), "{in_use}");
    done(&home, &["stage", "edit", "shop", "prod", "dev"]);
    done(&home, &["profile", "remove", "prod"]);
    done(&home, &["app", "remove", "shop"]);
    done(&home, &["profile", "remove", "dev"]);
    assert_eq!(text(&home), "");
}

#[test]
fn what_cannot_be_is_refused_with_what_to_type() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    home.write("policy.json", "{ \"marked\": }\n");
    for (arguments, code, expected) in [
        (&["profile", "add", "dev", "--role-arn", ROLE][..], 1, "hint: brokerctl profile edit dev\n"),
        (
            &["profile", "show", "dve"],
            1,
            "there is no profile dve (did you mean \"dev\"?)\nhint: brokerctl profile add",
        ),
        (&["app", "show", "shpo"], 1, "did you mean \"shop\"?"),
        (&["stage", "show", "shop", "prod"], 1, "hint: brokerctl stage add shop prod PROFILE\n"),
        (&["app", "edit", "shop", "--unset", "default_profile"], 1, "has neither default_profile nor stages"),
        (
            &["profile", "edit", "dev", "--session-policy-file", "policy.json"],
            1,
            "catalog.toml:4:18: `session_policy`",
        ),
        (&["profile", "edit", "dev", "--session-policy-file", "none.json"], 1, "cannot read none.json"),
        (&["profile", "edit", "dev", "--duration", "13h"], 1, "at least 1h and at most 12h"),
        (&["profile", "edit", "dev", "--duration", "60"], 2, "needs a unit"),
        (&["profile", "add", "new"], 2, "--role-arn"),
        (&["profile", "add", "new", "--role-arn", "deploy"], 2, "like arn:aws:iam::111111111111:role/deploy"),
        (&["app", "add", "new"], 2, "--default-profile"),
        (&["stage", "add", "shop", "a/b", "dev"], 2, "is not a stage name"),
    ] {
        let said = failed(&home, arguments, code);
        assert!(said.contains(expected) && !said.contains("marked"), "{arguments:?}: {said}");
    }
    home.write(FILE, "[profiles.dev]\nshrt = true\n");
    for arguments in [&["profile", "remove", "dev"][..], &["profile", "list"]] {
        let said = failed(&home, arguments, 1);
        assert!(said.contains("catalog.toml:2:1: unknown key `shrt` (did you mean \"short\"?)"), "{said}");
    }
    home.write(FILE, CATALOG);
    fs::set_permissions(home.path(FILE), fs::Permissions::from_mode(0o666)).unwrap();
    let said = failed(&home, &["profile", "edit", "dev", "--duration", "2h"], 1);
    assert!(said.contains("hint: chmod go-w"), "{said}");
}

#[test]
fn a_shared_catalog_behind_a_link_keeps_its_place_and_mode() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    home.write("dotfiles/catalog.toml", CATALOG);
    fs::set_permissions(home.path("dotfiles/catalog.toml"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::remove_file(home.path(FILE)).unwrap();
    symlink(home.path("dotfiles/catalog.toml"), home.path(FILE)).unwrap();
    done(&home, &["profile", "edit", "dev", "--region", "eu-west-1"]);
    assert!(home.path(FILE).is_symlink());
    let found = fs::metadata(home.path("dotfiles/catalog.toml")).unwrap();
    assert_eq!(found.mode() & 0o777, 0o644);
    assert!(text(&home).contains("region = \"eu-west-1\""));
    assert_eq!(fs::read_dir(home.path("dotfiles")).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn secrets_are_shown_by_name_and_source() {
    if ran_as_ordinary_user() {
        return;
    }
    let catalog = format!(
        "{CATALOG}[profiles.dev.secrets]\nSTRIPE = \"keychain\"\nA = {{ ssm = \"/a\" }}\n\
         B = {{ command = [\"op\", \"marked\"] }}\n[[profiles.dev.safeguards]]\npolicy = \"require-dlq\"\n"
    );
    let home = Home::new(CONFIG, &catalog);
    let shown = done(&home, &["profile", "show", "dev"]);
    assert_eq!(
        shown,
        "dev\n  role_arn  arn:aws:iam::111111111111:role/dev\n  source    nowhere\n  duration  1h\n  \
         secret    A from ssm /a\n  secret    B from command op\n  secret    STRIPE from keychain\n  \
         safeguard require-dlq\n  used by   shop: default profile\n"
    );
    let json = |arguments: &[&str]| -> serde_json::Value {
        let text = done(&home, arguments);
        assert!(!text.contains("marked"), "{text}");
        serde_json::from_str(&text).unwrap()
    };
    let profile = json(&["profile", "show", "dev", "--json"]);
    assert_eq!(profile["secrets"]["STRIPE"], "keychain");
    assert_eq!(profile["access_role"]["duration"], "1h");
    assert_eq!(json(&["profile", "list", "--json"]), serde_json::json!([profile]));
    let app =
        serde_json::json!({ "name": "shop", "default_profile": "dev", "unmatched": "default", "stages": {} });
    assert_eq!(json(&["app", "show", "shop", "--json"]), app);
    assert_eq!(json(&["app", "list", "--json"]), serde_json::json!([app]));
    assert_eq!(json(&["stage", "list", "shop", "--json"]), serde_json::json!([]));
    assert_eq!(done(&home, &["app", "list"]), "shop  default dev  others get dev\n");
}

#[test]
fn a_catalog_is_validated_for_ci() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, "");
    home.write("good.toml", CATALOG);
    fs::set_permissions(home.path("good.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    home.write("bad.toml", "profile = 1\n[profiles.dev]\nshrt = true\n");
    assert_eq!(
        done(&home, &["catalog", "validate", "good.toml"]),
        "good.toml is in order: 1 profile, 1 application\n"
    );
    let bad = home.ctl(&["catalog", "validate", "bad.toml"]);
    assert_eq!(bad.status.code(), Some(1));
    assert_eq!(
        stdout(&bad),
        "bad.toml:1:1: unknown key `profile` (did you mean \"profiles\"?)\n\
         bad.toml:3:1: unknown key `shrt` (did you mean \"short\"?)\n"
    );
    assert_eq!(stderr(&bad), "error: bad.toml has 2 faults\n");
    let bad = home.ctl(&["catalog", "validate", "bad.toml", "--json"]);
    assert_eq!(bad.status.code(), Some(1));
    let found: serde_json::Value = serde_json::from_slice(&bad.stdout).unwrap();
    assert_eq!(found["faults"][1]["place"], serde_json::json!({ "line": 3, "column": 1 }));
    assert_eq!(home.ctl(&["catalog", "validate", "none.toml"]).status.code(), Some(1));
    let schema: serde_json::Value = serde_json::from_str(&done(&home, &["catalog", "schema"])).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[test]
fn an_edit_says_which_running_processes_lose_what_they_have() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    home.write("shop/serverless.yml", "service: x\napp: shop\n");
    let _daemon = home.daemon();
    assert!(home.ctl(&["allow", "shop"]).status.success());
    // A shell that asked, and goes on running until its input ends.
    let mut shell = home.command("/bin/sh");
    shell.args(["-c", "\"$0\" credential-process; echo asked; read line"]).arg(common::program("brokerctl"));
    shell.current_dir(home.path("shop")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut shell = shell.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "asked\n");

    let harmless = done(&home, &["profile", "edit", "dev", "--description", "d"]);
    assert!(!harmless.contains("affected"), "{harmless}");
    let shown = done(&home, &["profile", "edit", "dev", "--role-arn", ROLE, "--dry-run"]);
    assert!(!shown.contains("affected"), "{shown}");
    let told = done(&home, &["profile", "edit", "dev", "--role-arn", ROLE]);
    let directory = home.path("shop");
    let expected = format!(") in {}: shop.dev, profile dev\n", directory.display());
    assert!(told.contains("affected: 1 running process"), "{told}");
    assert!(told.contains(&format!("  pid {} (", shell.id())) && told.contains(&expected), "{told}");
    assert!(told.ends_with("no credentials that were handed out can still be used\n"), "{told}");
    drop(shell.stdin.take());
    shell.wait().unwrap();
    let told = done(&home, &["profile", "edit", "dev", "--region", "eu-west-1"]);
    assert!(!told.contains("affected"), "it has ended: {told}");
}
