//! The metadata endpoint of a daemon in this process, over real sockets. The caller is this test process
//! itself, in a project of its own; only STS is a stand-in.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use brokerd::core::allowed::{AllowList, AllowedProject};
use brokerd::core::config::Config;
use brokerd::core::credentials::SessionCredentials;
use brokerd::core::issue::IssueError;
use brokerd::core::moment::Timestamp;
use brokerd::core::name::App;
use brokerd::core::session::SessionRequest;
use brokerd::daemon::{Broker, Listeners, Parts, run};
use brokerd::edges::allow_file::AllowFile;
use brokerd::edges::control_socket::ControlSocket;
use brokerd::edges::directories::Directories;
use brokerd::edges::keychain::{Chosen, How};
use brokerd::edges::sts::{Issuer, Issuing};
use brokerd::edges::{clock, listen};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

const CATALOG: &str = r#"
[profiles.dev.access_role]
role_arn = "arn:aws:iam::111111111111:role/dev"
[profiles.live.access_role]
role_arn = "arn:aws:iam::222222222222:role/live"
[profiles.denied.access_role]
role_arn = "arn:aws:iam::333333333333:role/denied"
[profiles.slow.access_role]
role_arn = "arn:aws:iam::333333333333:role/slow"
[profiles.down.access_role]
role_arn = "arn:aws:iam::333333333333:role/down"
[profiles.held.access_role]
role_arn = "arn:aws:iam::333333333333:role/held"
[profiles.guarded]
protected = true
access_role = { role_arn = "arn:aws:iam::333333333333:role/guarded" }
[profiles.brief]
short = true
access_role = { role_arn = "arn:aws:iam::333333333333:role/brief" }
[applications.shop]
stages = { dev = "dev", prod = "live", denied = "denied", slow = "slow", down = "down", guarded = "guarded", held = "held", brief = "brief" }
"#;
const PROJECT: &str = "app: shop\nservice: storefront\nprovider:\n  name: aws\n  region: eu-central-1\n";

/// Gives a session whose key names its role, or fails as the role's name says.
#[derive(Debug)]
struct StandIn;

impl Issuer for StandIn {
    fn issue(&self, request: SessionRequest) -> Issuing {
        let role = request.access_role.role_arn;
        Box::pin(async move {
            match role.role_name() {
                "denied" => Err(IssueError::AccessDenied {
                    source_name: "test".into(),
                    role: role.to_string(),
                    why: "no".into(),
                }),
                "down" => Err(IssueError::Network { why: "no route".into() }),
                "slow" => std::future::pending().await,
                "held" => {
                    HELD.asked.add_permits(1);
                    HELD.let_go.acquire().await.unwrap().forget();
                    Ok(session("held"))
                }
                name => Ok(session(name)),
            }
        })
    }
}

fn session(role: &str) -> SessionCredentials {
    let (now, key) = (clock::now(), format!("ASIA{}", role.to_uppercase()));
    SessionCredentials::new(key, "secret".into(), "token".into(), now, now.after(Duration::from_hours(1)))
}

/// The role `held` waits here until a test lets it go.
static HELD: Held = Held { asked: Semaphore::const_new(0), let_go: Semaphore::const_new(0) };

struct Held {
    asked: Semaphore,
    let_go: Semaphore,
}

/// The one project of this process: a process has one directory.
fn project() -> &'static Path {
    static PROJECT_DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    PROJECT_DIRECTORY.get_or_init(|| {
        let place = std::fs::canonicalize(tempfile::tempdir().unwrap().keep()).unwrap();
        std::fs::write(place.join("serverless.yml"), PROJECT).unwrap();
        std::env::set_current_dir(&place).unwrap();
        place
    })
}

/// A daemon in this process; it ends with its runtime.
struct Daemon {
    address: SocketAddr,
    directories: Directories,
    runtime: tokio::runtime::Runtime,
    _home: tempfile::TempDir,
}

impl Daemon {
    fn start(imds_v1: bool, is_allowed: bool) -> Self {
        let project = project();
        let home = tempfile::tempdir().unwrap();
        let directories = Directories::below(home.path());
        directories.make().unwrap();
        std::fs::write(directories.catalog_file(), CATALOG).unwrap();
        let mut allowed = AllowList::default();
        if is_allowed {
            allowed.allow(AllowedProject {
                config: project.join("serverless.yml"),
                leads_to: None,
                app: App::parse("shop").unwrap(),
                named: false,
                org: None,
                worktrees: None,
                since: Timestamp(0),
            });
        }
        AllowFile::at(directories.allow_file()).change(|list| *list = allowed).unwrap();
        let config = Config { listen: vec!["127.0.0.1:0".parse().unwrap()], imds_v1, ..Config::default() };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let address = runtime.block_on(async {
            let endpoint = listen::listen(config.listen[0]).unwrap();
            let address = endpoint.local_addr().unwrap();
            let control = ControlSocket::bind(&directories.control_socket()).unwrap();
            let broker = Arc::new(
                Broker::new(Parts {
                    directories: directories.clone(),
                    config,
                    issuer: Arc::new(StandIn),
                    keychain: Chosen::memory(How::Configured),
                })
                .unwrap(),
            );
            let listeners = Listeners { endpoints: vec![endpoint], remote: Vec::new(), control };
            tokio::spawn(run(broker, listeners, Arc::new(Notify::new()), CancellationToken::new()));
            address
        });
        Self { address, directories, runtime, _home: home }
    }

    fn edit_catalog(&self, from: &str, to: &str) {
        std::fs::write(self.directories.catalog_file(), CATALOG.replace(from, to)).unwrap();
    }

    /// Sends a request to the control socket, as `brokerctl` does.
    fn control(&self, body: &serde_json::Value) -> serde_json::Value {
        let mut stream = UnixStream::connect(self.directories.control_socket()).unwrap();
        let line = serde_json::json!({ "protocol": 1, "version": "test", "body": body });
        writeln!(stream, "{line}").unwrap();
        let reply: serde_json::Value = serde_json::from_reader(stream).unwrap();
        reply["body"].clone()
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends a whole request and reads the whole answer.
    fn raw(&self, request: &str) -> Answer {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        Answer(text)
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let host = if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            ""
        } else {
            "Host: 127.0.0.1\r\n"
        };
        let headers: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.raw(&format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{}\r\n", headers.concat()))
    }

    fn token(&self) -> String {
        self.ask("PUT", "/latest/api/token", &[(TTL, "21600")]).body().to_owned()
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[(TOKEN, &self.token())])
    }
}

const TTL: &str = "X-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "X-aws-ec2-metadata-token";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

struct Answer(String);

impl Answer {
    fn status(&self) -> u16 {
        self.0.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let head = self.0.split("\r\n\r\n").next()?;
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.body()).unwrap()
    }
}

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

/// Reads one answer of a connection that stays open.
fn read_answer(stream: &mut TcpStream) -> Answer {
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with("\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        text.push(char::from(byte[0]));
    }
    let length: usize = Answer(text.clone()).header("content-length").unwrap().parse().unwrap();
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    text.push_str(std::str::from_utf8(&body).unwrap());
    Answer(text)
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
