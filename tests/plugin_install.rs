//! The plugin that `brokerctl plugin install` brings.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use common::{CATALOG, CONFIG, Home, ran_as_ordinary_user, stderr, stdout};

/// Every file below a directory, by its path in it.
fn files(top: &Path, below: &str, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(top.join(below)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if top.join(&path).is_dir() {
            files(top, &path, found);
        } else {
            found.insert(path.clone(), fs::read_to_string(top.join(&path)).unwrap());
        }
    }
}

#[test]
fn the_package_is_installed_whole_and_once() {
    // What is in the package by npm's rules; the checkout of root is closed to the user that the programs run as, so that
    // this is held against what the program has in it before.
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugin");
    let mut package = BTreeMap::new();
    if rustix::process::geteuid().is_root() || source.is_dir() {
        files(&source, "lib", &mut package);
        for name in ["package.json", "README.md"] {
            package.insert(name.to_owned(), fs::read_to_string(source.join(name)).unwrap());
        }
        let manifest: serde_json::Value = serde_json::from_str(&package["package.json"]).unwrap();
        assert_eq!(manifest["files"], serde_json::json!(["lib"]));
        let program = fs::read(env!("CARGO_BIN_EXE_brokerctl")).unwrap();
        for (name, text) in &package {
            let is_in = program.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(is_in, "{name} is not in brokerctl as it is in plugin/");
        }
    }
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    home.write("shop/serverless.yml", "service: shop\nplugins: # ours\n  - other\n");
    let project = home.path("shop").display().to_string();
    let install = |more: &[&str]| home.ctl(&[&["plugin", "install", project.as_str()], more].concat());
    let configuration = || fs::read_to_string(home.path("shop/serverless.yml")).unwrap();
    let dry = install(&["--dry-run"]);
    assert!(dry.status.success() && stdout(&dry).contains("would change"), "{}", stderr(&dry));
    assert!(!configuration().contains("brokerd") && !home.path("shop/.serverless_plugins").exists());
    let done = install(&[]);
    assert!(done.status.success(), "{}", stderr(&done));
    assert_eq!(configuration(), "service: shop\nplugins: # ours\n  - serverless-brokerd\n  - other\n");
    let mut installed = BTreeMap::new();
    files(&home.path("shop/.serverless_plugins/serverless-brokerd"), "", &mut installed);
    if !package.is_empty() {
        assert_eq!(installed, package);
    }
    let again = install(&[]);
    assert!(stdout(&again).contains("has it already"), "{}", stdout(&again));
    home.write("shop/serverless.yml", "service: shop\nplugins:\n  localPath: x\n  modules: []\n");
    let by_hand = install(&[]);
    assert_eq!(by_hand.status.code(), Some(1));
    assert!(stderr(&by_hand).contains("plugins: [serverless-brokerd]"), "{}", stderr(&by_hand));
}

/// A repository may have a link where the plugin goes, to a file of whoever installs it.
#[test]
fn nothing_is_written_through_a_link_or_over_another_package() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    home.write("shop/serverless.yml", "service: shop\n");
    home.write("keys", "mine\n");
    let place = home.path("shop/.serverless_plugins/serverless-brokerd");
    fs::create_dir_all(&place).unwrap();
    std::os::unix::fs::symlink(home.path("keys"), place.join("README.md")).unwrap();
    let project = home.path("shop").display().to_string();
    let refused = home.ctl(&["plugin", "install", project.as_str()]);
    assert!(
        !refused.status.success() && stderr(&refused).contains("is a symbolic link"),
        "{}",
        stderr(&refused)
    );
    assert_eq!(fs::read_to_string(home.path("keys")).unwrap(), "mine\n");
    assert!(!place.join("package.json").exists());
    fs::remove_file(place.join("README.md")).unwrap();
    fs::write(place.join("package.json"), r#"{"name": "theirs"}"#).unwrap();
    let refused = home.ctl(&["plugin", "install", project.as_str()]);
    assert!(stderr(&refused).contains("holds another package"), "{}", stderr(&refused));
}
