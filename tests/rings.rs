//! The rings of the code: an import that breaks them fails here.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// For each ring, what it may import of this crate. `ctl` sees only the edges that hold no credentials.
const RINGS: [(&str, &[&str]); 5] = [
    ("core", &["core"]),
    ("edges", &["core", "edges"]),
    ("daemon", &["core", "edges", "daemon", "demo"]),
    ("demo", &["core", "edges", "demo"]),
    (
        "ctl",
        &[
            "core",
            "ctl",
            "edges::atomic_file",
            "edges::audit_files",
            "edges::aws_config_file",
            "edges::catalog_file",
            "edges::clock",
            "edges::directories",
            "edges::file_modes",
            "edges::foreground",
            "edges::inclusion",
            "edges::link_local",
            "edges::package",
            "edges::peer",
            "edges::project_file",
            "edges::project_search",
            "edges::random",
            "edges::search_path",
            "edges::service_unit",
            "edges::single",
            "edges::settled",
            "edges::surroundings",
            "edges::token_request",
            "edges::user",
            "edges::watch",
        ],
    ),
];
/// What the core may not touch of the world.
const IMPURE: [&str; 12] = [
    "tokio",
    "std::fs",
    "std::env",
    "std::net::Tcp",
    "std::net::Udp",
    "std::os",
    "std::process",
    "SystemTime::now",
    "Instant::now",
    "rustix",
    "aws_config",
    "aws_sdk",
];

fn sources(ring: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut waiting = vec![root.join(ring), root.join(format!("{ring}.rs"))];
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, code_of(&text)));
        }
    }
    assert!(!found.is_empty(), "no source of {ring}");
    found
}

/// A source without its comments.
fn code_of(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Every path below `crate::` that a source names, groups of one level included.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let path: String =
            rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect();
        match rest[path.len()..].strip_prefix('{') {
            Some(group) if path.ends_with("::") => {
                let members = group.split('}').next().unwrap_or_default().split(',');
                found.extend(members.map(|member| format!("{path}{}", member.trim())));
            }
            _ => found.push(path),
        }
    }
    found
}

#[test]
fn imports_point_inward() {
    for (ring, allowed) in RINGS {
        for (path, code) in sources(ring) {
            for import in imports(&code) {
                let fits = |prefix: &&str| import == **prefix || import.starts_with(&format!("{prefix}::"));
                assert!(allowed.iter().any(fits), "{}: {ring} imports {import}", path.display());
            }
        }
    }
}

#[test]
fn the_core_is_pure() {
    for (path, code) in sources("core") {
        for word in IMPURE {
            assert!(!code.contains(word), "{}: the core names {word}", path.display());
        }
    }
}

#[test]
fn the_reader_of_imports_sees_groups() {
    let code = "use crate::core::name::App;\nuse crate::edges::{sts, clock};\ncrate::daemon::run();";
    assert_eq!(imports(code), ["core::name::App", "edges::sts", "edges::clock", "daemon::run"]);
}
