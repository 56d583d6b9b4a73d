//! `brokerctl use` without a terminal, run as a user would. With terminals: `tests/real/test_pins.py`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Output;

use common::{CONFIG, Home, ran_as_ordinary_user, stderr, stdout};
use serde_json::Value;

const CATALOG: &str = r#"
[profiles.dev.access_role]
role_arn = "arn:aws:iam::111111111111:role/dev"
[profiles.live.access_role]
role_arn = "arn:aws:iam::222222222222:role/live"
[profiles.paper]
description = "no role yet"
[profiles.guarded]
deploy = "plugin"
access_role = { role_arn = "arn:aws:iam::333333333333:role/guarded" }

[applications.shop]
default_profile = "dev"
stages = { prod = "live", paper = "paper", guarded = "guarded" }
[applications.strict]
stages = { prod = "live" }
"#;
const PINS: &str = ".local/state/brokerd/pins.json";

/// A home with allowed projects.
struct Projects(Home);

impl Projects {
    fn new() -> Self {
        let home = Home::new(CONFIG, CATALOG);
        home.write("shop/serverless.yml", "service: x\napp: shop\n");
        home.write("shop/src/note", "");
        home.write("second/serverless.yml", "service: y\napp: shop\n");
        home.write("strict/serverless.yml", "service: z\napp: strict\n");
        home.write("unknown/serverless.yml", "service: u\napp: shopp\n");
        home.write("stranger/serverless.yml", "service: s\napp: shop\n");
        Self(home)
    }

    fn allow(&self) {
        for project in ["shop", "second", "strict", "unknown"] {
            assert!(self.0.ctl(&["allow", project]).status.success());
        }
    }

    /// `brokerctl use` in a directory. `setsid` takes away the terminal that these tests may have been started in.
    fn pin(&self, directory: &str, words: &[&str]) -> Output {
        self.pin_with(directory, words, &[])
    }

    fn pin_with(&self, directory: &str, words: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = self.0.command("/usr/bin/setsid");
        command.arg("--wait").arg(common::program("brokerctl")).arg("use").args(words);
        command.envs(variables.iter().copied()).current_dir(self.0.path(directory)).output().unwrap()
    }

    /// That it succeeds, and what it printed.
    fn pinned(&self, directory: &str, words: &[&str]) -> String {
        let output = self.pin(directory, words);
        assert!(output.status.success(), "{words:?}: {}", stderr(&output));
        stdout(&output)
    }

    /// That it fails, and what it said.
    fn refused(&self, directory: &str, words: &[&str], code: i32) -> String {
        let output = self.pin(directory, words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}{}", stdout(&output), stderr(&output));
        stderr(&output)
    }

    fn why(&self, directory: &str) -> String {
        stdout(&self.0.ctl(&["why", directory]))
    }

    fn status(&self) -> Value {
        serde_json::from_slice(&self.0.ctl(&["status", "--json"]).stdout).unwrap()
    }

    fn stage(&self, project: usize) -> String {
        self.status()["projects"][project]["stage"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_projects_pin_is_set_shown_replaced_and_taken_back() {
    if ran_as_ordinary_user() {
        return;
    }
    let projects = Projects::new();
    let _daemon = projects.0.daemon();
    projects.allow();

    let said = projects.pinned("shop/src", &["prod", "--everywhere"]);
    let place = projects.0.path("shop");
    assert!(
        said.starts_with(&format!("pinned shop.prod everywhere in {} for 1h, until 20", place.display()))
    );
    assert!(
        said.ends_with(
            "shop.prod has profile live: arn:aws:iam::222222222222:role/live\n\
             what runs already keeps the stage that it has\n"
        ),
        "{said}"
    );
    assert_eq!(fs::metadata(projects.0.path(PINS)).unwrap().mode() & 0o777, 0o600);
    let why = projects.why("shop");
    assert!(why.contains("stage       it is prod: the pin of this project, until 20"), "{why}");
    assert!(projects.why("second").contains("shop.dev has profile dev"), "another project");
    assert_eq!((projects.stage(0), projects.stage(1)), ("dev".to_owned(), "prod".to_owned()));

    let status = projects.status();
    let pin = &status["pins"][0];
    assert_eq!(
        (&pin["app"], &pin["stage"], &pin["reach"], &pin["this_terminal"], &pin["session"]),
        (&"shop".into(), &"prod".into(), &"project".into(), &false.into(), &Value::Null)
    );
    assert_eq!(pin["config"], place.join("serverless.yml").to_str().unwrap());
    let text = stdout(&projects.0.ctl(&["status"]));
    assert!(text.contains(&format!("pinned: shop.prod everywhere in {}, ", place.display())), "{text}");

    assert!(projects.pinned("shop", &["dev", "--everywhere", "--for", "24h"]).contains(" for 1d, until "));
    assert_eq!(projects.status()["pins"].as_array().unwrap().len(), 1, "the newer one replaces it");
    // Without --everywhere only a terminal's pin is taken back, and there is none.
    let left = projects.pinned("shop", &["--clear"]);
    assert!(
        left.starts_with("nothing was pinned for shop in this terminal\nshop.dev has profile dev"),
        "{left}"
    );
    assert!(
        left.ends_with(
            "note: the pin of this project (dev) still counts: brokerctl use --clear --everywhere\n"
        ),
        "{left}"
    );
    let cleared = projects.pinned("shop", &["--clear", "--everywhere"]);
    assert!(
        cleared.starts_with(&format!("cleared shop.dev everywhere in {}\n", place.display())),
        "{cleared}"
    );
    assert!(cleared.contains("shop.dev has profile dev"), "what a new process gets now: {cleared}");
    let again = projects.pinned("shop", &["--clear", "--everywhere"]);
    assert!(again.starts_with("nothing was pinned for shop, here or everywhere\n"), "{again}");
    assert_eq!(projects.status()["pins"], Value::Array(Vec::new()));
}

#[test]
fn what_cannot_be_pinned_is_refused_in_the_words_of_why() {
    if ran_as_ordinary_user() {
        return;
    }
    let projects = Projects::new();
    let _daemon = projects.0.daemon();
    projects.allow();
    let everywhere = |directory, stage| projects.refused(directory, &[stage, "--everywhere"], 1);
    for (said, expected) in [
        (
            everywhere("strict", "prdo"),
            "stage prdo is not configured on strict (did you mean prod?), and strict has no default profile",
        ),
        (everywhere("shop", "paper"), "profile paper has no access role"),
        (
            everywhere("stranger", "prod"),
            "stranger/serverless.yml is not allowed yet\nhint: brokerctl allow ",
        ),
        (everywhere("", "prod"), "is in no project"),
        (everywhere("unknown", "prod"), "the catalog has no application shopp (did you mean shop?)"),
        (projects.refused("unknown", &[], 1), "the catalog has no application shopp (did you mean shop?)"),
        (projects.refused("stranger", &[], 1), "stranger/serverless.yml is not allowed yet"),
        (
            projects.refused("shop", &["prod"], 1),
            "this is no terminal, so there is none to pin a stage in\nhint: brokerctl use prod --everywhere",
        ),
    ] {
        assert!(said.starts_with("error: ") && said.contains(expected), "{said}");
    }
    for (words, expected) in [
        (&["a.b", "--everywhere"][..], "\"a.b\" is not a stage name"),
        (&["prod", "--for", "25h"], "a pin lasts from 1s to 24h"),
        (&["prod", "--for", "0s"], "a pin lasts from 1s to 24h"),
        (&["prod", "--for", "10"], "a duration needs a unit"),
        (&["prod", "--clear"], "cannot be used with"),
        (&["--clear", "--for", "1h"], "cannot be used with"),
        (&[], "which stage? shop has dev, guarded, paper, prod\nhint: brokerctl use STAGE"),
        (&["--everywhere"], "which stage? shop has dev, guarded, paper, prod"),
    ] {
        let said = projects.refused("shop", words, 2);
        assert!(said.contains(expected), "{words:?}: {said}");
    }
    assert_eq!(projects.status()["pins"], Value::Array(Vec::new()), "nothing was pinned");
    assert!(!projects.0.path(PINS).exists());
}

#[test]
fn a_fall_back_and_a_variable_that_comes_first_are_said() {
    if ran_as_ordinary_user() {
        return;
    }
    let projects = Projects::new();
    let _daemon = projects.0.daemon();
    projects.allow();
    let fallback = "note: stage prdo is not configured on shop: default profile dev (did you mean prod?)\n";
    let said = projects.pinned("shop", &["prdo", "--everywhere"]);
    assert!(said.contains(fallback), "{said}");

    let output = projects.pin_with("shop", &["prdo", "--everywhere"], &[("BROKERD_STAGE", "prod")]);
    let said = stdout(&output);
    assert!(said.contains("shop.prod has profile live"), "what a process from here gets: {said}");
    assert!(said.contains("note: BROKERD_STAGE is prod here and comes before a pin: unset BROKERD_STAGE\n"));
    assert!(said.contains(fallback), "{said}");
    let output = projects.pin_with("shop", &["prod", "--everywhere"], &[("BROKERD_STAGE", "prod")]);
    assert!(!stdout(&output).contains("BROKERD_STAGE"), "{}", stdout(&output));
}

#[test]
fn an_imagined_serverless_cli_is_refused_under_a_pin_that_differs() {
    if ran_as_ordinary_user() {
        return;
    }
    let projects = Projects::new();
    let _daemon = projects.0.daemon();
    projects.allow();
    projects.pinned("shop", &["prod", "--everywhere"]);
    let why = |stage| stdout(&projects.0.ctl(&["why", "shop", "--stage", stage]));
    let refused = why("dev");
    assert!(
        refused.contains(
            "the pin of this project is prod, but the Serverless CLI works on stage dev: no pin applies to it"
        ),
        "{refused}"
    );
    assert!(
        refused.contains("hint: brokerctl use --clear --everywhere, or give the CLI --stage prod"),
        "{refused}"
    );
    assert!(why("prod").contains("shop.prod has profile live"));
}

#[test]
fn pins_outlive_the_daemon_and_end_by_themselves() {
    if ran_as_ordinary_user() {
        return;
    }
    let projects = Projects::new();
    let daemon = projects.0.daemon();
    projects.allow();
    projects.pinned("shop", &["prod", "--everywhere"]);
    drop(daemon);
    let daemon = projects.0.daemon();
    assert!(projects.why("shop").contains("it is prod: the pin of this project"));
    drop(daemon);

    let path = projects.0.path(PINS);
    let stored = |change: &dyn Fn(&mut Value)| {
        let mut pins: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut pins["pins"][0]);
        fs::write(&path, pins.to_string()).unwrap();
    };
    // As after a start of the machine: every process is a later one.
    stored(&|pin| {
        pin["boot"] = "an-earlier-start".into();
        pin["from"] = u64::MAX.into();
    });
    let daemon = projects.0.daemon();
    assert!(projects.why("shop").contains("it is prod: the pin of this project"));
    drop(daemon);
    stored(&|pin| pin["until"] = "2026-01-01T00:00:00Z".into());
    let _daemon = projects.0.daemon();
    assert!(projects.why("shop").contains("shop.dev has profile dev"));
    assert_eq!(projects.status()["pins"], Value::Array(Vec::new()));
    // What has ended leaves the file with the next change.
    projects.pinned("second", &["prod", "--everywhere"]);
    let pins: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(pins["pins"].as_array().unwrap().len(), 1);
}

#[test]
fn a_file_of_pins_that_cannot_be_read_is_named_with_its_remedy() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    home.write(PINS, "{\"form\":7,\"pins\":[]}");
    fs::set_permissions(home.path(PINS), fs::Permissions::from_mode(0o600)).unwrap();
    let output = home.command("brokerd").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "{0} is not a list of pins: it has form 7, and this version reads form 1\nhint: move it away, and what it held \
         is to be said again: mv {0} {0}.bad",
        home.path(PINS).display()
    );
    assert!(stderr(&output).contains(&expected), "{}", stderr(&output));
    assert!(stdout(&home.ctl(&["paths"])).contains(&format!("pins     {}", home.path(PINS).display())));
}
