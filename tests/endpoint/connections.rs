//! Connections: HTTP, and its limits.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use brokerd::daemon::Limits;

use crate::daemon::{Daemon, ROLES, Setting, TOKEN, TTL, read_answer};

fn within(limits: Limits) -> Daemon {
    Daemon::with(&Setting { limits, ..Setting::default() })
}

/// A request that leaves its connection open.
fn kept(method: &str, path: &str, token: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{TTL}: 60\r\n{TOKEN}: {token}\r\n\r\n")
}

/// What comes until the daemon closes the connection: it does, or the read fails after 20 seconds.
fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_kept_connection_serves_many_requests_in_order() {
    let daemon = Daemon::start(false, true);
    let mut stream = daemon.connect();
    write!(
        stream,
        "PUT /latest/api/token HTTP/1.1\r\nHost: localhost\r\n{TTL}: 60\r\nContent-Length: 0\r\n\r\n"
    )
    .unwrap();
    let token = read_answer(&mut stream);
    let token = token.body();
    // Pipelined: both are sent before either is answered.
    write!(
        stream,
        "GET {ROLES} HTTP/1.1\r\nHost: localhost\r\n{TOKEN}: {token}\r\n\r\nGET {ROLES}shop.dev HTTP/1.1\r\nHost: localhost\r\n{TOKEN}: {token}\r\n\r\n"
    )
    .unwrap();
    assert_eq!(read_answer(&mut stream).body(), "shop.dev");
    assert_eq!(read_answer(&mut stream).json()["AccessKeyId"], "ASIADEV");
    let mut old = daemon.connect();
    write!(old, "GET {ROLES} HTTP/1.0\r\nHost: localhost\r\n{TOKEN}: {token}\r\n\r\n").unwrap();
    let mut text = String::new();
    old.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.0 200") && text.ends_with("shop.dev"), "{text}");
}

#[test]
fn a_head_that_is_too_long_is_refused_and_harms_nobody() {
    let daemon = Daemon::start(false, true);
    let long = "x".repeat(64 * 1024);
    let mut stream = daemon.connect();
    // The daemon may close before it has read all of it.
    let _ = write!(stream, "GET {ROLES} HTTP/1.1\r\nHost: localhost\r\nX-Long: {long}\r\n\r\n");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(daemon.get(ROLES).status(), 200);
}

#[test]
fn pipelined_requests_are_answered_in_their_order_whatever_each_costs() {
    let daemon = Daemon::start(false, true);
    let token = daemon.token();
    let mut stream = daemon.connect();
    let slow = format!("{ROLES}shop.slow");
    let asked = [
        ("GET", slow.as_str(), 503),
        ("GET", ROLES, 200),
        ("PUT", "/latest/api/token", 200),
        ("GET", "/nowhere", 404),
        ("POST", ROLES, 405),
        ("GET", "/", 200),
    ];
    let all: String = asked.iter().map(|(method, path, _)| kept(method, path, &token)).collect();
    stream.write_all(all.as_bytes()).unwrap();
    for (method, path, status) in asked {
        assert_eq!(read_answer(&mut stream).status(), status, "{method} {path}");
    }
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let daemon = Daemon::start(false, true);
    let token = daemon.token();
    for path in ["/", ROLES, "/latest/meta-data/iam/security-credentials/shop.dev", "/nowhere"] {
        let [get, head] = ["GET", "HEAD"].map(|method| daemon.ask(method, path, &[(TOKEN, &token)]));
        assert_eq!((head.status(), head.body()), (get.status(), ""), "{path}");
        for header in ["content-length", "content-type", "server"] {
            assert_eq!(head.header(header), get.header(header), "{path} {header}");
        }
        assert_eq!(get.header("content-length"), Some(&*get.body().len().to_string()), "{path}");
        assert_eq!(get.header("server"), Some("EC2ws"), "{path}");
    }
}

#[test]
fn an_answer_leaves_in_one_piece() {
    let daemon = Daemon::start(false, true);
    let token = daemon.token();
    let mut stream = daemon.connect();
    for path in [ROLES, "/latest/meta-data/iam/security-credentials/shop.dev", "/nowhere"].repeat(20) {
        stream.write_all(kept("GET", path, &token).as_bytes()).unwrap();
        let mut bytes = [0; 16 * 1024];
        let length = stream.read(&mut bytes).unwrap();
        let text = std::str::from_utf8(&bytes[..length]).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{path}: {text}");
    }
}

#[test]
fn http_1_0_ends_after_an_answer_unless_it_asks_for_more() {
    let daemon = Daemon::start(false, true);
    let token = daemon.token();
    let request =
        |more: &str| format!("GET {ROLES} HTTP/1.0\r\nHost: localhost\r\n{TOKEN}: {token}\r\n{more}\r\n");
    assert!(daemon.raw(&request("")).0.ends_with("\r\n\r\nshop.dev"));
    let mut stream = daemon.connect();
    for _ in 0..2 {
        stream.write_all(request("Connection: keep-alive\r\n").as_bytes()).unwrap();
        assert_eq!(read_answer(&mut stream).body(), "shop.dev");
    }
}

#[test]
fn what_is_no_request_is_refused_and_harms_nobody() {
    let daemon = Daemon::start(false, true);
    let many = (0..200).map(|number| format!("X-{number}: x\r\n")).collect::<Vec<_>>().concat();
    for (text, status) in [
        ("\x16\x03\x01\x02\0\x01\0\x01\u{7f}\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("GET /\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost : localhost\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n".to_owned(), 400),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"), 431),
        (
            format!("GET /{} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "x".repeat(15_000)),
            404,
        ),
    ] {
        let answer = daemon.raw(&text);
        let shown: String = text.chars().take(60).collect();
        assert_eq!(answer.status(), status, "{shown:?}: {}", answer.0);
        assert_eq!(daemon.get(ROLES).status(), 200);
    }
}

#[test]
fn connections_that_say_nothing_make_room_for_those_that_ask() {
    let daemon = within(Limits { connections: 4, of_one_process: 4, ..Limits::default() });
    let mut silent: Vec<_> = (0..12).map(|_| daemon.connect()).collect();
    for stream in &mut silent {
        // Half a head is as little as nothing; where the connection has made room already there is nobody to take it.
        let _ = stream.write_all(b"GET / HT");
    }
    for _ in 0..5 {
        assert_eq!(daemon.get(ROLES).body(), "shop.dev");
    }
    assert_eq!(rest(&mut silent[0]), "", "the oldest was closed without a word");
}

#[test]
fn kept_connections_make_room_the_longest_idle_first() {
    let daemon = within(Limits { connections: 3, of_one_process: 3, ..Limits::default() });
    let token = daemon.token();
    let mut kept_open: Vec<_> = (0..3).map(|_| daemon.connect()).collect();
    for stream in &mut kept_open {
        stream.write_all(kept("GET", ROLES, &token).as_bytes()).unwrap();
        assert_eq!(read_answer(stream).body(), "shop.dev");
    }
    assert_eq!(daemon.ask("GET", ROLES, &[(TOKEN, &token)]).status(), 200);
    assert_eq!(rest(&mut kept_open[0]), "");
    kept_open[2].write_all(kept("GET", ROLES, &token).as_bytes()).unwrap();
    assert_eq!(read_answer(&mut kept_open[2]).body(), "shop.dev");
}

#[test]
fn a_process_that_keeps_too_many_connections_loses_its_own() {
    let daemon = within(Limits { of_one_process: 2, ..Limits::default() });
    let token = daemon.token();
    let mut streams: Vec<_> = (0..3).map(|_| daemon.connect()).collect();
    for stream in &mut streams {
        stream.write_all(kept("GET", ROLES, &token).as_bytes()).unwrap();
        assert_eq!(read_answer(stream).body(), "shop.dev");
    }
    assert_eq!(rest(&mut streams[0]), "");
}

#[test]
fn a_head_that_does_not_come_in_time_is_not_waited_for() {
    let daemon = within(Limits { head: Duration::from_millis(50), ..Limits::default() });
    let mut stream = daemon.connect();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localh").unwrap();
    let answer = rest(&mut stream);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    // Nor is a further request on a connection that is kept.
    let mut stream = daemon.connect();
    stream.write_all(kept("GET", "/nowhere", "x").as_bytes()).unwrap();
    assert!(rest(&mut stream).starts_with("HTTP/1.1 404"));
}

#[test]
fn who_reads_no_answers_is_given_up() {
    let daemon = within(Limits { taking: Duration::from_millis(50), ..Limits::default() });
    let mut stream = daemon.connect();
    let requests = kept("GET", "/nowhere", "x").repeat(1000);
    // Until both buffers are full, and the daemon has closed what nobody reads.
    let error = loop {
        if let Err(error) = stream.write_all(requests.as_bytes()) {
            break error;
        }
    };
    assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    assert_eq!(daemon.get(ROLES).status(), 200);
}

#[test]
fn a_body_that_does_not_come_holds_up_nothing() {
    let daemon = Daemon::start(false, true);
    let mut stream = daemon.connect();
    write!(
        stream,
        "PUT /latest/api/token HTTP/1.1\r\nHost: localhost\r\n{TTL}: 60\r\nContent-Length: 100\r\n\r\nx"
    )
    .unwrap();
    let text = rest(&mut stream);
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("Connection: close"), "{text}");
}

#[test]
fn every_address_answers_and_knows_who_asks() {
    let listen = &["127.0.0.1:0", "127.0.0.2:0", "[::1]:0"];
    let daemon = Daemon::with(&Setting { listen, ..Setting::default() });
    let token = daemon.token();
    for address in &daemon.addresses {
        let request = kept("GET", ROLES, &token).replace("localhost", &address.to_string());
        let mut stream = Daemon::connect_to(*address);
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(read_answer(&mut stream).body(), "shop.dev", "{address}");
    }
    let status = daemon.control(&serde_json::json!({ "request": "status" }));
    assert_eq!(status["endpoints"].as_array().unwrap().len(), 3);
}
