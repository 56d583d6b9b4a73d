//! What must not come in.

use crate::daemon::{Daemon, ROLES, Setting, TOKEN, TTL};

#[test]
fn the_doors_are_shut_for_every_method_and_before_the_token_counts() {
    let daemon = Daemon::start(false, true);
    let token = daemon.token();
    for header in [
        ("X-Forwarded-For", "10.0.0.1"),
        ("x-FORWARDED-for", ""),
        ("Forwarded", "for=x"),
        ("Via", "1.1 proxy"),
        ("Origin", "null"),
        ("Referer", "http://evil.example/"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Host", "evil.example"),
        ("Host", "169.254.169.253"),
    ] {
        assert_eq!(
            daemon.ask("PUT", "/latest/api/token", &[(TTL, "60"), header]).status(),
            400,
            "{header:?}"
        );
        assert_eq!(daemon.ask("GET", ROLES, &[(TOKEN, &token), header]).status(), 400, "{header:?}");
    }
    assert_eq!(daemon.ask("GET", ROLES, &[(TOKEN, &token), (TOKEN, &token)]).status(), 400);
    let absolute =
        format!("GET http://127.0.0.1{ROLES} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    assert_eq!(daemon.raw(&absolute).status(), 400);
    let connect = "CONNECT 127.0.0.1:443 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    assert_eq!(daemon.raw(connect).status(), 400);
    let hostless = format!("GET {ROLES} HTTP/1.1\r\nConnection: close\r\n\r\n");
    assert_eq!(daemon.raw(&hostless).status(), 400);
    for host in ["localhost", "169.254.169.254", "[::1]:1"] {
        assert_eq!(daemon.ask("GET", ROLES, &[(TOKEN, &token), ("Host", host)]).status(), 200, "{host}");
    }
}

/// Every path that gives something, and the method for it.
fn everything() -> Vec<(&'static str, String)> {
    let paths = ["iam/security-credentials/", "iam/security-credentials/shop.dev", "iam/info", "instance-id"];
    let below = paths.map(|path| ("GET", format!("/latest/meta-data/{path}")));
    let others = ["/", "/latest/dynamic/instance-identity/document"].map(|path| ("GET", path.to_owned()));
    let token = ("PUT", "/latest/api/token".to_owned());
    below.into_iter().chain(others).chain([token]).collect()
}

#[test]
fn what_was_forwarded_or_comes_from_a_page_is_refused_in_any_case_and_repetition_and_number() {
    let daemon = Daemon::start(false, true);
    let token = daemon.token();
    for (method, path) in everything() {
        for headers in [
            vec![("X-Forwarded-For", "127.0.0.1")],
            vec![("x-forwarded-for", "127.0.0.1"), ("X-FORWARDED-FOR", "127.0.0.1")],
            vec![("X-Forwarded-Host", "localhost")],
            vec![("X-Forwarded-Anything", "")],
            vec![("fORWARDED", "for=127.0.0.1")],
            vec![("VIA", "1.1 x")],
            vec![("X-Real-Ip", "127.0.0.1")],
            vec![("Proxy-Connection", "keep-alive")],
            vec![("Origin", "http://127.0.0.1:9254")],
            vec![("REFERER", "http://localhost/")],
            vec![("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image")],
            vec![("sec-fetch-site", "same-origin")],
            vec![("Sec-WebSocket-Key", "x"), ("Upgrade", "websocket")],
        ] {
            let given = [(TOKEN, token.as_str()), (TTL, "60")].into_iter().chain(headers.clone());
            let answer = daemon.ask(method, &path, &given.collect::<Vec<_>>());
            assert_eq!(answer.status(), 400, "{method} {path} {headers:?}");
            assert!(!answer.0.to_ascii_lowercase().contains("access-control"), "no word of CORS");
        }
    }
}

#[test]
fn a_page_whose_name_leads_here_is_refused_by_its_host() {
    let daemon = Daemon::start(false, true);
    let token = daemon.token();
    let own = daemon.address.to_string();
    for (host, open) in [
        (own.as_str(), true),
        ("127.0.0.1", true),
        ("evil.example:9254", false),
        ("127.0.0.1.nip.io", false),
        ("localhost.", false),
        ("0", false),
        ("0.0.0.0:9254", false),
        ("2130706433", false),
        ("127.1", false),
        ("[::]", false),
        ("192.168.0.1", false),
        ("", false),
        ("127.0.0.1, evil.example", false),
        ("127.0.0.1 evil.example", false),
    ] {
        for (method, path) in everything() {
            let answer = daemon.ask(method, &path, &[(TOKEN, &token), (TTL, "60"), ("Host", host)]);
            assert_eq!(answer.status() == 200, open, "{method} {path} {host:?}");
            assert!(open || answer.status() == 400, "{method} {path} {host:?}");
        }
    }
    let twice = format!(
        "GET / HTTP/1.1\r\nHost: {own}\r\nHost: {own}\r\nConnection: close\r\n{TOKEN}: {token}\r\n\r\n"
    );
    assert_eq!(daemon.raw(&twice).status(), 400);
}

#[test]
fn a_target_for_a_proxy_is_refused() {
    let daemon = Daemon::start(false, true);
    let token = daemon.token();
    for line in [
        format!("GET http://127.0.0.1{ROLES} HTTP/1.1"),
        format!("GET http://evil.example{ROLES} HTTP/1.1"),
        "PUT http://127.0.0.1/latest/api/token HTTP/1.1".to_owned(),
        "CONNECT 127.0.0.1:443 HTTP/1.1".to_owned(),
        "CONNECT sts.amazonaws.com:443 HTTP/1.1".to_owned(),
    ] {
        let request = format!(
            "{line}\r\nHost: 127.0.0.1\r\nConnection: close\r\n{TTL}: 60\r\n{TOKEN}: {token}\r\n\r\n"
        );
        assert_eq!(daemon.raw(&request).status(), 400, "{line}");
    }
    let star = "OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    assert_eq!(daemon.raw(star).status(), 404);
}

#[test]
fn tricks_with_the_path_lead_nowhere() {
    let daemon = Daemon::start(false, true);
    let token = daemon.token();
    for path in [
        "/latest/meta-data/%2e%2e/meta-data/iam/info",
        "/latest/meta-data/../meta-data/iam/info",
        "/latest/./meta-data/iam/info",
        "/latest/meta-data/iam/info%00",
        "/latest/meta-data/iam/info%20",
        "/latest/meta-data/iam/info;a=b",
        "/latest/meta-data/iam/info/.",
        "/latest/meta-data/iam%2finfo",
        "/latest%2fmeta-data/iam/info",
        "/latest/meta-data/iam\\info",
        "/LATEST/meta-data/iam/info",
        "/latest/meta-data/iam/security-credentials/%73hop.dev",
        "/latest/meta-data/iam/security-credentials/shop.dev%00",
        "/latest/meta-data/iam/security-credentials/shop.dev;x",
        "/latest/meta-data/iam/security-credentials/SHOP.DEV",
        "/latest/meta-data/iam/security-credentials/shop%2edev",
        "/latest/meta-data/iam/security-credentials/../security-credentials/shop.dev",
        "/evil.example/latest/meta-data/iam/info",
    ] {
        assert_eq!(daemon.ask("GET", path, &[(TOKEN, &token)]).status(), 404, "{path}");
    }
    // Folded, since SDKs send them, and no host.
    for path in ["//latest/meta-data/iam/info", "/latest//meta-data///iam/info//"] {
        assert_eq!(daemon.ask("GET", path, &[(TOKEN, &token)]).status(), 200, "{path}");
    }
    // What follows a question mark means nothing here.
    assert_eq!(
        daemon.ask("GET", "/latest/meta-data/iam/info?role=other.dev", &[(TOKEN, &token)]).status(),
        200
    );
    for path in ["/latest/meta-data/iam/info\0", "/latest/meta data", "latest/meta-data/iam/info"] {
        assert_eq!(daemon.ask("GET", path, &[(TOKEN, &token)]).status(), 400, "{path:?}");
    }
}

#[test]
fn another_applications_role_is_not_found_and_the_attempt_is_told() {
    let daemon = Daemon::start(false, true);
    for name in ["other.dev", "other.prod"] {
        assert_eq!(daemon.get(&format!("{ROLES}{name}")).status(), 404);
    }
    let refusals = daemon.control(&serde_json::json!({ "request": "last-refusals" }));
    let last = refusals["refusals"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["refusal"]["kind"], &last["refusal"]["asked"]),
        (&"other-role".into(), &"other.prod".into())
    );
}

#[test]
fn two_tokens_are_none_whichever_is_right() {
    let daemon = Daemon::start(false, true);
    let token = daemon.token();
    for (first, second) in [(&*token, &*token), (&*token, "x"), ("x", &*token)] {
        let name = "x-AWS-ec2-metadata-TOKEN";
        assert_eq!(daemon.ask("GET", ROLES, &[(TOKEN, first), (name, second)]).status(), 400);
    }
    assert_eq!(daemon.ask("GET", ROLES, &[(TOKEN, &format!("{token},{token}"))]).status(), 401);
    assert_eq!(
        daemon.ask("GET", ROLES, &[(TOKEN, &format!(" {token} "))]).status(),
        200,
        "RFC 9110, section 5.5"
    );
}

#[test]
fn what_hides_behind_a_body_is_never_read() {
    let daemon = Daemon::start(false, true);
    let token = daemon.token();
    let hidden = format!("GET {ROLES} HTTP/1.1\r\nHost: localhost\r\n{TOKEN}: {token}\r\n\r\n");
    let length = hidden.len();
    for lengths in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        "Transfer-Encoding: chunked\r\n".to_owned(),
        "Transfer-Encoding: identity\r\n".to_owned(),
        "Transfer-Encoding: chunked, chunked\r\n".to_owned(),
        format!("Content-Length: {length}\r\n"),
        "Content-Length: 5\r\n".to_owned(),
        format!("Content-Length: {length}\r\nContent-Length: 0\r\n"),
        "Content-Length: +0\r\n".to_owned(),
        "Content-Length: 99999999999999999999\r\n".to_owned(),
    ] {
        let text = daemon.raw(&format!(
            "PUT /latest/api/token HTTP/1.1\r\nHost: localhost\r\n{TTL}: 60\r\n{lengths}\r\n0\r\n\r\n{hidden}"
        ));
        assert_eq!(text.0.matches("HTTP/1.1 ").count(), 1, "{lengths}{}", text.0);
        assert!(!text.0.contains("shop.dev"), "{lengths}");
    }
}

#[test]
fn where_others_can_connect_nothing_is_served_but_what_a_token_alone_opens() {
    let daemon = Daemon::with(&Setting { imds_v1: true, remote: &["127.0.0.1:0"], ..Setting::default() });
    let token = daemon.token();
    let role = format!("{ROLES}shop.dev");
    assert_eq!(daemon.ask("GET", &role, &[(TOKEN, &token)]).status(), 200);
    let [_, remote] = daemon.addresses[..] else { panic!("two addresses") };
    let host = remote.to_string();
    for (method, path) in everything() {
        let headers = format!("Host: {host}\r\nConnection: close\r\n{TTL}: 60\r\n{TOKEN}: {token}\r\n");
        let answer = Daemon::raw_to(remote, &format!("{method} {path} HTTP/1.1\r\n{headers}\r\n"));
        assert_eq!(answer.status(), 404, "{method} {path}");
        let forged = headers.replace(&host, "evil.example");
        let answer = Daemon::raw_to(remote, &format!("{method} {path} HTTP/1.1\r\n{forged}\r\n"));
        assert_eq!(answer.status(), 400, "{method} {path}");
    }
    let wanted = serde_json::json!({ "app": "shop", "stage": "dev", "profile": null });
    let made = serde_json::json!({ "request": "make-token", "wanted": wanted, "label": null, "seconds": null, "persist": false });
    let made = daemon.control(&made);
    let container = |stage: &str, host: &str, token: &str| {
        let headers = format!("Host: {host}\r\nConnection: close\r\nAuthorization: {token}\r\n");
        Daemon::raw_to(remote, &format!("GET /container/shop/{stage} HTTP/1.1\r\n{headers}\r\n"))
    };
    let secret = made["token"].as_str().unwrap();
    assert_eq!(container("dev", &host, secret).json()["AccessKeyId"], "ASIADEV");
    for (stage, host, presented, status) in [
        ("prod", host.as_str(), secret, 403),
        ("dev", &host, "wrong", 401),
        ("dev", &host, &token, 401),
        ("dev", "evil.example", secret, 400),
    ] {
        assert_eq!(container(stage, host, presented).status(), status, "{stage} {host}");
    }
    let status = daemon.control(&serde_json::json!({ "request": "status" }));
    assert_eq!(status["endpoints"], serde_json::json!([format!("http://{}/", daemon.address)]));
    assert_eq!(status["sockets"][1]["remote"], true);
}
