//! What brokerd does where its files and directories are not this user's alone, or not what they should be.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use common::{CATALOG, CONFIG, Home, ran_as_ordinary_user, stderr, stdout};

const STATE: &str = ".local/state/brokerd";
const ALLOWED: &str = ".local/state/brokerd/allowed.json";
const AUDIT: &str = ".local/state/brokerd/audit.jsonl";

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

/// A home in which a daemon has run and allowed a project.
fn used_home() -> Home {
    let home = Home::new(CONFIG, CATALOG);
    home.write("shop/serverless.yml", "service: x\napp: shop\n");
    let _daemon = home.daemon();
    assert!(home.ctl(&["allow", "shop"]).status.success());
    home
}

fn start(home: &Home) -> Output {
    home.command("brokerd").env("RUST_LOG", "off").output().unwrap()
}

/// The last line says what to type; a shell types it.
fn mend(output: &Output) {
    let said = stderr(output);
    let command = said.lines().last().and_then(|line| line.strip_prefix("hint: ")).unwrap();
    assert!(Command::new("/bin/sh").args(["-c", command]).status().unwrap().success(), "{command}");
}

#[test]
fn what_others_could_have_written_is_refused_until_its_command_is_typed() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = used_home();
    for name in [STATE, ALLOWED, AUDIT, ".config/brokerd", "run/brokerd", ".local/state", ".config"] {
        let path = home.path(name);
        let before = mode(&path);
        for open in [0o777, 0o722] {
            set_mode(&path, open);
            let refused = start(&home);
            assert_eq!(refused.status.code(), Some(1), "{name}");
            let shown = path.display();
            let audit = if name == AUDIT { "cannot open the audit log: " } else { "" };
            assert_eq!(
                stderr(&refused),
                format!("brokerd: {audit}{shown} can be written by other users\nhint: chmod go-w {shown}\n"),
                "{name} {open:o}"
            );
            assert_eq!(mode(&path), open, "it is left as it was");
            mend(&refused);
        }
        let daemon = home.daemon();
        assert!(stdout(&home.ctl(&["status"])).contains("shop.dev"), "{name}");
        drop(daemon);
        set_mode(&path, before);
    }
}

#[test]
fn settings_that_others_could_have_written_are_refused() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = used_home();
    let path = home.path(".config/brokerd/config.toml");
    set_mode(&path, 0o666);
    for arguments in [&[][..], &["--check"]] {
        let refused = home.command("brokerd").args(arguments).output().unwrap();
        assert_eq!(refused.status.code(), Some(1));
        let expected = format!("can be written by other users (chmod go-w {})", path.display());
        assert!(stderr(&refused).contains(&expected), "{}", stderr(&refused));
    }
    set_mode(&path, 0o644);
    home.daemon();
}

#[test]
fn what_others_could_only_read_is_closed() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = used_home();
    for name in [STATE, ".config/brokerd", "run/brokerd"] {
        set_mode(&home.path(name), 0o755);
    }
    set_mode(&home.path(AUDIT), 0o644);
    let _daemon = home.daemon();
    for (name, expected) in
        [(STATE, 0o700), (".config/brokerd", 0o700), ("run/brokerd", 0o700), (AUDIT, 0o600)]
    {
        assert_eq!(mode(&home.path(name)), expected, "{name}");
    }
}

#[test]
fn what_is_not_ours_is_refused_with_its_command() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = used_home();
    let audit = home.path(AUDIT);
    fs::remove_file(&audit).unwrap();
    // An ordinary user cannot give a file away; what a link leads to stands for one that somebody else put there.
    symlink("/dev/null", &audit).unwrap();
    let refused = start(&home);
    assert_eq!(refused.status.code(), Some(1));
    let shown = audit.display();
    let said = stderr(&refused);
    assert!(
        said.starts_with(&format!("brokerd: cannot open the audit log: {shown} belongs to uid 0")),
        "{said}"
    );
    let (_, hint) = said.split_once("\nhint: chown ").unwrap();
    assert!(hint.ends_with(&format!(" {shown}\n")), "{said}");
    fs::remove_file(&audit).unwrap();

    let state = home.path(STATE);
    let elsewhere = home.path("elsewhere");
    fs::rename(&state, &elsewhere).unwrap();
    fs::write(&state, "").unwrap();
    let refused = start(&home);
    assert!(stderr(&refused).contains(&format!("{}: ", state.display())), "{}", stderr(&refused));
}

#[test]
fn a_list_that_is_none_is_refused_and_left_alone() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = used_home();
    home.write(ALLOWED, "{\"form\": 1, \"proj");
    let refused = start(&home);
    assert_eq!(refused.status.code(), Some(1));
    let said = stderr(&refused);
    let shown = home.path(ALLOWED).display().to_string();
    assert!(said.starts_with(&format!("brokerd: {shown} is not a list of allowed projects: ")), "{said}");
    assert!(said.contains(&format!("mv {shown} {shown}.bad\n")), "{said}");
    fs::rename(&shown, format!("{shown}.bad")).unwrap();
    let _daemon = home.daemon();
    assert!(stdout(&home.ctl(&["status"])).contains("no project is allowed yet"));
}

#[test]
fn a_running_daemon_says_that_its_list_is_not_to_be_trusted_any_more() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = used_home();
    home.write("other/serverless.yml", "service: x\napp: shop\n");
    let _daemon = home.daemon();
    let path = home.path(ALLOWED);
    set_mode(&path, 0o666);
    let refused = home.ctl(&["allow", "other"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(
        stderr(&refused),
        format!("error: {0} can be written by other users\nhint: chmod go-w {0}\n", path.display())
    );
    let status = stdout(&home.ctl(&["status"]));
    assert!(status.contains("the allowed projects stay as they were: "), "{status}");
    assert!(status.contains("shop.dev"), "{status}");
    mend(&refused);
    assert!(home.ctl(&["allow", "other"]).status.success());
    assert!(!stdout(&home.ctl(&["status"])).contains("stay as they were"));
}

#[test]
fn a_second_daemon_on_one_state_directory_is_refused_by_name() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    fs::create_dir(home.path("run2")).unwrap();
    let first = home.daemon();
    let second = home.command("brokerd").env("XDG_RUNTIME_DIR", home.path("run2")).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let said = stderr(&second);
    assert!(said.contains(&format!("brokerd runs already (pid {})", first.0.id())), "{said}");
}
