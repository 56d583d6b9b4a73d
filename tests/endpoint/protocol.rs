//! The metadata protocol, and what the rule makes of it.

use std::io::Write;
use std::os::unix::net::UnixStream;

use crate::daemon::{Daemon, HELD, ROLES, TOKEN, TTL, project};

#[test]
fn the_imdsv2_sequence_gives_the_projects_role() {
    let daemon = Daemon::start(false, true);
    let token = daemon.ask("PUT", "/latest/api/token", &[(TTL, "60")]);
    assert_eq!((token.status(), token.header(TTL)), (200, Some("60")));
    let token = token.body();
    let roles = daemon.ask("GET", ROLES, &[(TOKEN, token)]);
    assert_eq!((roles.status(), roles.body()), (200, "shop.dev"));
    let document = daemon.ask("GET", &format!("{ROLES}shop.dev"), &[(TOKEN, token)]);
    assert_eq!((document.status(), document.header("server")), (200, Some("EC2ws")));
    let document = document.json();
    assert_eq!(document["Code"], "Success");
    assert_eq!(document["AccessKeyId"], "ASIADEV");
    assert_eq!(document.get("AccountId"), None);
    let extended =
        daemon.ask("GET", "/latest/meta-data/iam/security-credentials-extended/shop.dev", &[(TOKEN, token)]);
    assert_eq!(extended.json()["AccountId"], "111111111111");
}

#[test]
fn every_path_of_the_status_table_answers_as_it_says() {
    let daemon = Daemon::start(false, true);
    let role = |name: &str| format!("{ROLES}{name}");
    for (path, status) in [
        (ROLES.to_owned(), 200),
        (ROLES.trim_end_matches('/').to_owned(), 200),
        ("//latest//meta-data/iam/security-credentials//".to_owned(), 200),
        (role("shop.dev"), 200),
        (role("shop.prod"), 200),
        (role("shop.denied"), 403),
        (role("shop.guarded"), 403),
        (role("shop.brief"), 403),
        (role("shop.nowhere"), 403),
        (role("shop.down"), 503),
        (role("shop.slow"), 503),
        (role("other.dev"), 404),
        (role("shop"), 404),
        (role("shop.dev.x"), 404),
        (role("shop._unresolved"), 404),
        ("/latest/meta-data/iam/info".to_owned(), 200),
        ("/latest/meta-data/placement/region".to_owned(), 200),
        ("/latest/meta-data/placement/availability-zone".to_owned(), 200),
        ("/latest/dynamic/instance-identity/document".to_owned(), 200),
        ("/latest/meta-data/".to_owned(), 200),
        ("/latest/meta-data/instance-id".to_owned(), 200),
        ("/latest/user-data".to_owned(), 404),
    ] {
        assert_eq!(daemon.get(&path).status(), status, "{path}");
    }
    assert_eq!(daemon.get("/latest/meta-data/placement/region").body(), "eu-central-1");
    assert_eq!(daemon.get("/latest/meta-data/placement/availability-zone/").body(), "eu-central-1a");
    assert_eq!(
        daemon.get("/latest/meta-data/iam/info").json()["InstanceProfileArn"],
        "arn:aws:iam::111111111111:instance-profile/shop.dev"
    );
    assert_eq!(daemon.get(&role("shop.prod")).json()["AccessKeyId"], "ASIALIVE");
    assert!(daemon.get("/latest/user-data").body().contains("<h1>404 - Not Found</h1>"));
}

#[test]
fn a_short_profile_is_refused_in_words_and_never_asked_of_sts() {
    let daemon = Daemon::start(false, true);
    assert_eq!(daemon.get(&format!("{ROLES}shop.brief")).status(), 403);
    let refusals = daemon.control(&serde_json::json!({ "request": "last-refusals" }));
    assert_eq!(
        refusals["refusals"][0]["refusal"],
        serde_json::json!({ "kind": "short", "profile": "brief" })
    );
    let status = daemon.control(&serde_json::json!({ "request": "status" }));
    assert!(status["sts_calls"].as_u64() <= Some(1), "shop.dev's at most, with the token");
}

#[test]
fn a_token_needs_a_time_to_live_and_a_get_needs_a_token() {
    let daemon = Daemon::start(false, true);
    for ttl in ["0", "21601", "-1", "x", ""] {
        assert_eq!(daemon.ask("PUT", "/latest/api/token", &[(TTL, ttl)]).status(), 400, "{ttl:?}");
    }
    assert_eq!(daemon.ask("PUT", "/latest/api/token", &[]).status(), 400);
    assert_eq!(daemon.ask("PUT", "/latest/api/token", &[(TTL, "5"), (TTL, "6")]).status(), 400);
    let token = daemon.token();
    let mut forged = token.clone().into_bytes();
    forged[40] ^= 1;
    let forged = String::from_utf8(forged).unwrap();
    let none: &[(&str, &str)] = &[];
    for headers in [none, &[(TOKEN, "")], &[(TOKEN, "x")], &[(TOKEN, &forged)]] {
        for path in [ROLES, "/latest/meta-data/", "/latest/meta-data/placement/region"] {
            assert_eq!(daemon.ask("GET", path, headers).status(), 401, "{path} {headers:?}");
        }
    }
    for method in ["POST", "DELETE", "GET", "HEAD"] {
        let answer = daemon.ask(method, "/latest/api/token", &[(TOKEN, &token)]);
        assert_eq!((answer.status(), answer.header("allow")), (405, Some("PUT")), "{method}");
    }
    let answer = daemon.ask("POST", ROLES, &[(TOKEN, &token)]);
    assert_eq!((answer.status(), answer.header("allow")), (405, Some("GET, HEAD")));
    let head = daemon.ask("HEAD", ROLES, &[(TOKEN, &token)]);
    assert_eq!((head.status(), head.body()), (200, ""));
}

#[test]
fn a_project_that_is_not_allowed_gets_a_token_and_no_role() {
    let daemon = Daemon::start(false, false);
    for path in [ROLES, "/latest/meta-data/iam/info", "/latest/meta-data/placement/region"] {
        assert_eq!(daemon.get(path).status(), 404, "{path}");
    }
    assert_eq!(daemon.get(&format!("{ROLES}shop.dev")).status(), 404);
}

#[test]
fn imdsv1_answers_only_where_it_is_switched_on() {
    let path = format!("{ROLES}shop.dev");
    assert_eq!(Daemon::start(false, true).ask("GET", &path, &[]).status(), 401);
    let answer = Daemon::start(true, true).ask("GET", &path, &[]);
    assert_eq!((answer.status(), answer.json()["AccessKeyId"].as_str()), (200, Some("ASIADEV")));
}

#[test]
fn requests_without_a_token_are_counted_by_program() {
    let daemon = Daemon::start(false, true);
    for _ in 0..3 {
        assert_eq!(daemon.ask("GET", ROLES, &[]).status(), 401);
    }
    let status = daemon.control(&serde_json::json!({ "request": "status" }));
    assert_eq!((&status["imds_v1"]["enabled"], &status["imds_v1"]["requests"]), (&false.into(), &3.into()));
    let client = &status["imds_v1"]["clients"][0];
    let program = std::env::current_exe().unwrap();
    assert_eq!(client["program"].as_str(), program.file_name().and_then(|name| name.to_str()));
    assert_eq!(client["requests"], 3);
}

#[test]
fn every_listing_names_what_is_there_and_versions_are_prefixes() {
    let daemon = Daemon::start(false, true);
    let token = daemon.token();
    let get = |path: &str| daemon.ask("GET", path, &[(TOKEN, &token)]);
    let mut waiting = vec!["/latest/".to_owned(), "/2021-07-15/".to_owned(), "/1.0/".to_owned()];
    let mut found = Vec::new();
    while let Some(directory) = waiting.pop() {
        let listing = get(&directory);
        assert_eq!(
            (listing.status(), listing.header("content-type")),
            (200, Some("text/plain")),
            "{directory}"
        );
        assert!(!listing.body().ends_with('\n'));
        for name in listing.body().lines() {
            let path = format!("{directory}{name}");
            // EC2 leaves the slash out at the top level.
            let is_directory = name.ends_with('/') || directory.matches('/').count() == 2;
            if name == "security-credentials/" || name == "security-credentials-extended/" {
                assert_eq!(get(&path).body(), "shop.dev");
            } else if is_directory {
                waiting.push(format!("{}/", path.trim_end_matches('/')));
            } else {
                assert_eq!(get(&path).status(), 200, "{path}");
                found.push(name.to_owned());
            }
        }
    }
    assert_eq!(found.len(), 3 * 7, "{found:?}");
    let versions = get("/");
    assert!(versions.body().starts_with("1.0\n") && versions.body().ends_with("\nlatest"));
}

#[test]
fn the_made_up_instance_is_the_same_on_all_paths() {
    let daemon = Daemon::start(false, true);
    let id = daemon.get("/latest/meta-data/instance-id");
    assert!(id.body().starts_with("i-brokerd-"), "{}", id.0);
    let document = daemon.get("/latest/dynamic/instance-identity/document");
    assert_eq!(document.json()["instanceId"], id.body());
    assert_eq!(daemon.get("/latest/meta-data/services/domain").body(), "amazonaws.com");
    assert_eq!(daemon.get("/latest/meta-data/services/partition").body(), "aws");
}

#[test]
fn a_catalog_edit_ends_what_a_process_has_by_every_name_and_for_good() {
    let daemon = Daemon::start(false, true);
    let own = format!("{ROLES}shop.dev");
    let by_name = format!("{ROLES}shop.prod");
    assert_eq!((daemon.get(&own).status(), daemon.get(&by_name).status()), (200, 200));
    // The profile's role changes: whoever has it is refused, and never gets the other account's.
    daemon.edit_catalog("222222222222:role/live", "999999999999:role/other");
    assert_eq!((daemon.get(&own).status(), daemon.get(&by_name).status()), (200, 403));
    daemon.edit_catalog("stages = { dev = \"dev\"", "stages = { dev = \"live\"");
    assert_eq!((daemon.get(&own).status(), daemon.get(&by_name).status()), (403, 403));
    assert_eq!(daemon.get(&format!("{ROLES}shop.down")).status(), 503, "what did not end goes on");
    assert_eq!(daemon.get(ROLES).body(), "shop.dev");
    daemon.edit_catalog("", "");
    assert_eq!(daemon.get(&own).status(), 403, "an edit taken back brings nothing back");
    let refusals = daemon.control(&serde_json::json!({ "request": "last-refusals" }));
    assert_eq!(refusals["refusals"][0]["refusal"]["kind"], "ended");
}

#[test]
fn a_no_that_comes_while_sts_is_asked_counts() {
    let daemon = Daemon::start(false, true);
    std::thread::scope(|threads| {
        let asking = threads.spawn(|| daemon.get(&format!("{ROLES}shop.held")).status());
        daemon.runtime.block_on(HELD.asked.acquire()).unwrap().forget();
        let denied = daemon.control(&serde_json::json!({ "request": "deny", "path": project() }));
        assert_eq!(denied["reply"], "denied");
        HELD.let_go.add_permits(1);
        assert_eq!(asking.join().unwrap(), 403);
    });
}

#[test]
fn a_stop_of_another_protocol_is_refused_and_stops_nothing() {
    let daemon = Daemon::start(false, true);
    let mut stream = UnixStream::connect(daemon.directories.control_socket()).unwrap();
    writeln!(stream, r#"{{"protocol":99,"version":"9.0","body":{{"request":"stop"}}}}"#).unwrap();
    let reply: serde_json::Value = serde_json::from_reader(stream).unwrap();
    assert_eq!(reply["body"]["reply"], "failed");
    assert_eq!(daemon.control(&serde_json::json!({ "request": "status" }))["reply"], "status");
}
