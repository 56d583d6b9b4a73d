//! The two programs, run as a user would, in a home of their own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use common::{CATALOG, CONFIG, Home, output_as_root, program, ran_as_ordinary_user, stderr, stdout};

#[test]
fn root_is_refused() {
    if rustix::process::geteuid().is_root() {
        let output = output_as_root(&mut Command::new(env!("CARGO_BIN_EXE_brokerd")));
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("does not run as root"), "{}", stderr(&output));
    }
}

#[test]
fn without_a_daemon_the_exit_code_is_3_and_the_hint_says_what_to_type() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    for arguments in [
        &["status"][..],
        &["why"],
        &["allow"],
        &["use"],
        &["use", "--clear"],
        &["stop"],
        &["credential-process"],
        &["credential-process", "--app", "shop"],
        &["exec", "--", "true"],
        &["tokens"],
        &["tokens", "add"],
        &["tokens", "revoke", "--all"],
        &["env"],
        &["aws-config"],
        &["console"],
    ] {
        let output = home.ctl(arguments);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}");
        assert_eq!(stderr(&output), "error: brokerd is not running\nhint: brokerd &\n");
    }
    assert_eq!(home.ctl(&["status", "--wait", "10ms"]).status.code(), Some(2), "no such unit of time");
    assert_eq!(home.ctl(&["why", "--last", "--pid", "1"]).status.code(), Some(2));
    assert_eq!(home.ctl(&["paths"]).status.code(), Some(0));
    // A shell asks these before each line, and must be able to go on.
    for arguments in [&["prompt"][..], &["prompt", "--shell", "bash"]] {
        let output = home.ctl(arguments);
        assert!(
            output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(),
            "{output:?}"
        );
    }
}

#[test]
fn a_project_is_allowed_explained_and_denied() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    home.write("shop/serverless.yml", "service: x\napp: shop\n");
    home.write("nameless/serverless.yml", "service: x\n");
    let _daemon = home.daemon();

    let refused = home.ctl(&["why", "shop"]);
    assert!(stdout(&refused).contains("shop/serverless.yml is not allowed yet"), "{}", stdout(&refused));
    let allowed = home.ctl(&["allow", "shop"]);
    assert!(stdout(&allowed).contains("as application shop"), "{}{}", stdout(&allowed), stderr(&allowed));
    assert!(
        stdout(&allowed).contains("AWS_EC2_METADATA_SERVICE_ENDPOINT is not set"),
        "what shadows comes first"
    );
    assert!(stdout(&home.ctl(&["why", "shop"])).contains("shop.dev has profile dev"));
    assert!(
        stdout(&home.ctl(&["why", "shop", "--stage", "qa"])).contains("stage qa is not configured on shop")
    );

    let nameless = home.ctl(&["allow", "nameless"]);
    assert_eq!(nameless.status.code(), Some(1));
    assert!(
        stderr(&nameless).contains("names no application\nhint: add `app: NAME`"),
        "{}",
        stderr(&nameless)
    );
    assert!(home.ctl(&["allow", "nameless", "--app", "shop"]).status.success());
    assert_eq!(home.ctl(&["allow", "nowhere"]).status.code(), Some(1));

    let status: serde_json::Value = serde_json::from_slice(&home.ctl(&["status", "--json"]).stdout).unwrap();
    assert_eq!(status["projects"].as_array().unwrap().len(), 2);
    assert_eq!(status["projects"][1]["matched"], "default");

    assert!(home.ctl(&["deny", "shop"]).status.success());
    assert!(stdout(&home.ctl(&["why", "shop"])).contains("not allowed yet"));
    assert_eq!(home.ctl(&["deny", "shop"]).status.code(), Some(1), "there is nothing left to deny");
    for file in
        [".local/state/brokerd/allowed.json", ".local/state/brokerd/audit.jsonl", "run/brokerd/control.sock"]
    {
        assert_eq!(fs::metadata(home.path(file)).unwrap().mode() & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_profile_without_base_credentials_needs_a_login() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    home.write("shop/serverless.yml", "service: x\napp: shop\n");
    let _daemon = home.daemon();
    assert!(home.ctl(&["allow", "shop"]).status.success());
    let output =
        home.command("brokerctl").arg("credential-process").current_dir(home.path("shop")).output().unwrap();
    // The parent is this test, which is in no project.
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let output = home.credential_process("shop");
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("no base credentials: profile nowhere gives none"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_machine_without_certificates_is_told_so_and_not_panicked_at() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, &CATALOG.replace("nowhere", "env"));
    home.write("shop/serverless.yml", "service: x\napp: shop\n");
    let _daemon = home.daemon_with(&[
        ("SSL_CERT_FILE", "/nonexistent"),
        ("SSL_CERT_DIR", "/nonexistent"),
        ("AWS_ACCESS_KEY_ID", "AKIATEST"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        // Nobody listens on port 1.
        ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1"),
    ]);
    assert!(home.ctl(&["allow", "shop"]).status.success());
    let output = home.credential_process("shop");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("STS cannot be reached"), "{}", stderr(&output));
}

#[test]
fn a_second_daemon_and_a_taken_address_are_refused_by_name() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    let daemon = home.daemon();
    let second = home.command("brokerd").output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(
        stderr(&second).contains(&format!("brokerd runs already (pid {})", daemon.0.id())),
        "{}",
        stderr(&second)
    );

    let status: serde_json::Value = serde_json::from_slice(&home.ctl(&["status", "--json"]).stdout).unwrap();
    let endpoint = status["endpoints"][0].as_str().unwrap();
    let address = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let other = Home::new(&format!("listen = [\"{address}\"]\n"), CATALOG);
    let taken = other.command("brokerd").output().unwrap();
    let expected = format!("{address} is taken by brokerd (pid {})", daemon.0.id());
    // A daemon that shut its doors does not show its descriptors, so only its user can be told.
    let by_user = format!("{address} is taken by a process of uid");
    assert!(stderr(&taken).contains(&expected) || stderr(&taken).contains(&by_user), "{}", stderr(&taken));
}

#[test]
fn a_daemon_stops_cleanly_by_word_and_by_signal() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    let mut daemon = home.daemon();
    assert!(home.ctl(&["stop"]).status.success());
    assert_eq!(daemon.0.wait().unwrap().code(), Some(0));
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let mut daemon = home.daemon();
        daemon.signal(rustix::process::Signal::HUP);
        assert!(home.ctl(&["status"]).status.success(), "a reload is no end");
        daemon.signal(signal);
        assert_eq!(daemon.0.wait().unwrap().code(), Some(0));
        assert!(!home.path("run/brokerd/control.sock").exists());
    }
}

#[test]
fn a_check_names_every_fault_with_its_place() {
    if ran_as_ordinary_user() {
        return;
    }
    let good = Home::new(CONFIG, CATALOG);
    assert_eq!(
        stdout(&good.command("brokerd").arg("--check").output().unwrap()),
        "config.toml and catalog.toml are in order\n"
    );
    let bad = Home::new(
        "lisen = []\n",
        "[profiles.dev]\naccess_rol = {}\n[applications.shop]\ndefault_profile = \"dve\"\n",
    );
    let output = bad.command("brokerd").arg("--check").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    for expected in [
        "config.toml:1:1: ",
        "catalog.toml:2:1: ",
        "catalog.toml:4:19: ",
        "did you mean \"listen\"?",
        "did you mean \"dev\"?",
    ] {
        assert!(stderr(&output).contains(expected), "{expected}: {}", stderr(&output));
    }
}

#[test]
fn a_catalog_that_never_was_good_is_said_to_be_none() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, "[profiles.dev\n");
    home.write("shop/serverless.yml", "service: x\napp: shop\n");
    let _daemon = home.daemon();
    assert!(home.ctl(&["allow", "shop"]).status.success());
    let why = stdout(&home.ctl(&["why", "shop"]));
    assert!(why.contains("there is no catalog in force: ") && why.contains("catalog.toml:1:"), "{why}");
}

#[test]
fn what_mends_an_untrusted_catalog_mends_it() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    let _daemon = home.daemon();
    let directory = home.path(".config/brokerd");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o777)).unwrap();
    // Only its directory changed, so the file must be touched for it to be looked at again.
    home.write(".config/brokerd/catalog.toml", &format!("{CATALOG}# edited\n"));
    let status = stdout(&home.ctl(&["status"]));
    assert!(status.contains("can be written by other users (chmod go-w"), "{status}");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    let status = stdout(&home.ctl(&["status"]));
    assert!(!status.contains("fault:"), "{status}");
}

#[test]
fn a_helper_of_brokerd_that_asks_brokerd_is_refused_at_once() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, &CATALOG.replace("nowhere", "work"));
    home.write("shop/serverless.yml", "service: x\napp: shop\n");
    home.write(
        ".aws/config",
        &format!(
            "[profile work]\ncredential_process = {} credential-process\n",
            program("brokerctl").display()
        ),
    );
    let _daemon = home.daemon();
    assert!(home.ctl(&["allow", "shop"]).status.success());
    assert_eq!(home.credential_process("shop").status.code(), Some(4));
    let refusals = stdout(&home.ctl(&["why", "--last"]));
    assert!(refusals.contains("brokerd itself started the process that asks"), "{refusals}");
}

#[test]
fn a_bad_catalog_keeps_the_last_good_one_in_force() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    home.write("shop/serverless.yml", "service: x\napp: shop\n");
    let _daemon = home.daemon();
    assert!(home.ctl(&["allow", "shop"]).status.success());
    home.write(".config/brokerd/catalog.toml", "[profiles.dev\n");
    let status = stdout(&home.ctl(&["status"]));
    assert!(status.contains("1 profile, 1 application") && status.contains("fault:"), "{status}");
    assert!(stdout(&home.ctl(&["why", "shop"])).contains("shop.dev has profile dev"));
    home.write(".config/brokerd/catalog.toml", CATALOG);
    assert!(!stdout(&home.ctl(&["status"])).contains("fault:"));
}
