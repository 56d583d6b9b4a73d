//! The container endpoint of the two programs: a token as a container would use it, without a client.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;

use common::{CATALOG, CONFIG, Home, ran_as_ordinary_user, stderr, stdout};
use serde_json::Value;

/// Status and document of one request.
fn ask(home: &Home, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let status: Value = serde_json::from_slice(&home.ctl(&["status", "--json"]).stdout).unwrap();
    let endpoint = status["endpoints"][0].as_str().unwrap().to_owned();
    let address = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = headers.concat();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("Content-Type: application/json"), "{head}");
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or(Value::Null))
}

#[test]
fn every_error_has_its_status_code_and_sentence() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    home.write("shop/serverless.yml", "service: x\napp: shop\n");
    let _daemon = home.daemon();
    assert!(home.ctl(&["allow", "shop"]).status.success());
    let made = home.ctl(&["tokens", "add", "--app", "shop", "--stage", "dev", "--label", "box"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let token = stdout(&made);
    assert_eq!(token.len(), 43, "no newline: {token:?}");
    let right = ("Authorization", token.as_str());
    for (method, path, headers, status, code, message) in [
        ("GET", "/container/shop/dev", vec![], 401, "Unauthorized", "one Authorization header"),
        ("GET", "/container/shop/dev", vec![right, right], 401, "Unauthorized", "one Authorization header"),
        ("GET", "/container/shop/dev", vec![("Authorization", "wrong")], 401, "Unauthorized", "is not known"),
        (
            "GET",
            "/container/shop/prod",
            vec![right],
            403,
            "AccessDenied",
            "is for shop.dev, not for shop.prod",
        ),
        (
            "GET",
            "/container/other/dev",
            vec![right],
            403,
            "AccessDenied",
            "is for shop.dev, not for other.dev",
        ),
        (
            "GET",
            "/container/shop/dev",
            vec![right],
            403,
            "AccessDenied",
            "no base credentials: profile nowhere",
        ),
        ("GET", "//container/shop//dev/", vec![right], 403, "AccessDenied", "no base credentials"),
        ("GET", "/container/shop", vec![right], 404, "NotFound", "/container/<app>/<stage>"),
        ("GET", "/container/shop/d.v", vec![right], 404, "NotFound", "/container/<app>/<stage>"),
        ("POST", "/container/shop/dev", vec![right], 405, "MethodNotAllowed", "GET"),
        ("GET", "/container/shop/dev", vec![right, ("Origin", "null")], 400, "BadRequest", "AWS client"),
        (
            "GET",
            "/container/shop/dev",
            vec![right, ("X-Forwarded-For", "x")],
            400,
            "BadRequest",
            "AWS client",
        ),
    ] {
        let (found, document) = ask(&home, method, path, &headers);
        assert_eq!((found, document["code"].as_str()), (status, Some(code)), "{method} {path} {document}");
        assert!(document["message"].as_str().unwrap().contains(message), "{message}: {document}");
    }
    let refusals = stdout(&home.ctl(&["why", "--last"]));
    assert!(refusals.contains("the container token is for shop.dev, not for other.dev"), "{refusals}");
    assert!(!refusals.contains(&token));
}

#[test]
fn tokens_are_listed_revoked_and_only_those_kept_outlive_the_daemon() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    home.write("shop/serverless.yml", "service: x\napp: shop\n");
    let daemon = home.daemon();
    assert!(home.ctl(&["allow", "shop"]).status.success());
    let add = |more: &[&str]| home.ctl(&[&["tokens", "add", "--app", "shop"], more].concat());
    assert_eq!(add(&["--persist"]).status.code(), Some(2), "what outlives the daemon needs an end");
    assert_eq!(add(&["--for", "91d"]).status.code(), Some(2));
    assert_eq!(add(&["--stage", "a.b"]).status.code(), Some(2));
    let kept = stdout(&add(&["--for", "8h", "--persist", "--label", "ci"]));
    let short = stdout(&add(&[]));
    let listed = stdout(&home.ctl(&["tokens"]));
    assert!(listed.contains("kept over restarts") && listed.contains("\"ci\""), "{listed}");
    assert!(listed.contains("until brokerd ends") && listed.contains("not used"), "{listed}");
    drop(daemon);
    let _daemon = home.daemon();
    let status = |token: &str| ask(&home, "GET", "/container/shop/dev", &[("Authorization", token)]).0;
    assert_eq!((status(&kept), status(&short)), (403, 401), "known but without base credentials; not known");
    let tokens: Value = serde_json::from_slice(&home.ctl(&["tokens", "--json"]).stdout).unwrap();
    assert_eq!(tokens.as_array().unwrap().len(), 1);
    assert!(tokens[0]["last_used"].is_string());
    let id = tokens[0]["id"].as_str().unwrap();
    let unknown = home.ctl(&["tokens", "revoke", "00000000"]);
    assert_eq!(stderr(&unknown), "error: there is no token 00000000\nhint: brokerctl tokens\n");
    assert!(
        stdout(&home.ctl(&["tokens", "revoke", id])).contains(&format!("revoked token {id} for shop.dev"))
    );
    assert_eq!(status(&kept), 401);
    assert!(stdout(&home.ctl(&["tokens", "revoke", "--all"])).contains("there were no tokens"));
    let file = std::fs::read_to_string(home.path(".local/state/brokerd/tokens.json")).unwrap();
    assert!(!file.contains(&kept) && !file.contains(id), "{file}");
}

#[test]
fn what_has_ended_stays_so_over_a_restart() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = Home::new(CONFIG, CATALOG);
    home.write("shop/serverless.yml", "service: x\napp: shop\n");
    let daemon = home.daemon();
    assert!(home.ctl(&["allow", "shop"]).status.success());
    let token = stdout(&home.ctl(&["tokens", "add", "--app", "shop", "--for", "1h", "--persist"]));
    let sentence = || {
        let (_, document) = ask(&home, "GET", "/container/shop/dev", &[("Authorization", &token)]);
        document["message"].as_str().unwrap().to_owned()
    };
    home.write(".config/brokerd/catalog.toml", &CATALOG.replace("role/dev", "role/other"));
    assert!(sentence().contains("the catalog changed since it was made for profile dev"), "{}", sentence());
    home.write(".config/brokerd/catalog.toml", CATALOG);
    assert!(sentence().contains("the catalog changed"), "an edit taken back brings nothing back");
    drop(daemon);
    let _daemon = home.daemon();
    assert!(sentence().contains("the catalog changed"), "{}", sentence());
    assert!(stdout(&home.ctl(&["tokens"])).contains("ended: the catalog changed"));
}

#[test]
fn another_application_is_named_only_from_where_one_may_ask() {
    if ran_as_ordinary_user() {
        return;
    }
    let catalog = format!("{CATALOG}[applications.books]\nstages = {{ dev = \"dev\", prod = \"dev\" }}\n");
    let home = Home::new(CONFIG, &catalog);
    home.write("shop/serverless.yml", "service: x\napp: shop\n");
    home.write("books/a/serverless.yml", "service: a\napp: books\n");
    home.write("books/b/serverless.yml", "service: b\napp: books\nprovider:\n  stage: prod\n");
    home.write("foreign/serverless.yml", "service: x\napp: shop\n");
    let _daemon = home.daemon();
    for project in ["shop", "books/a", "books/b"] {
        assert!(home.ctl(&["allow", project]).status.success());
    }
    let add = |directory: &str, words: &[&str]| {
        let mut command = home.command("brokerctl");
        command.args(["tokens", "add"]).args(words).current_dir(home.path(directory));
        stderr(&command.output().unwrap())
    };
    assert!(add("", &["--app", "shop"]).contains("for shop.dev"), "from outside of every project");
    assert!(add("shop", &[]).contains("for shop.dev"), "its own");
    assert!(add("shop", &["--profile", "dev"]).contains("for shop.dev"));
    assert!(add("shop", &["--app", "books", "--stage", "prod"]).contains("for books.prod"));
    assert!(
        add("shop", &["--stage", "pr-1"])
            .contains("stage pr-1 is not configured on shop: default profile dev")
    );
    for (directory, words, expected) in [
        ("", vec![], "is in no project"),
        ("", vec!["--app", "nope"], "no allowed project has application nope; allowed: books ("),
        ("", vec!["--app", "books"], "application books has projects on different stages: "),
        ("", vec!["--app", "books", "--profile", "dev", "--stage", "x"], "cannot be used with"),
        ("foreign", vec!["--app", "shop"], "foreign/serverless.yml is not allowed yet"),
        ("foreign", vec!["--app", "books", "--stage", "dev"], "foreign/serverless.yml is not allowed yet"),
        ("shop", vec!["--app", "books", "--stage", "qa"], "stage qa is not configured on books"),
        ("shop", vec!["--profile", "nope"], "no stage of shop has profile nope"),
    ] {
        let said = add(directory, &words);
        assert!(said.contains(expected), "{directory} {words:?}: {said}");
    }
}
