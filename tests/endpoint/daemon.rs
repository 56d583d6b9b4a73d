//! A daemon in the process of the test, and what speaks to it.

use std::io::{ErrorKind, Read, Write};
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
use brokerd::daemon::{Broker, Limits, Listeners, Parts, run_within};
use brokerd::edges::aws_clock::AwsClock;
use brokerd::edges::control_socket::ControlSocket;
use brokerd::edges::directories::Directories;
use brokerd::edges::keychain::{Chosen, How};
use brokerd::edges::state_file::StateFile;
use brokerd::edges::sts::{Issuer, Issuing};
use brokerd::edges::{clock, https, listen};
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
pub(crate) static HELD: Held = Held { asked: Semaphore::const_new(0), let_go: Semaphore::const_new(0) };

pub(crate) struct Held {
    pub(crate) asked: Semaphore,
    pub(crate) let_go: Semaphore,
}

/// The one project of this process: a process has one directory.
pub(crate) fn project() -> &'static Path {
    static PROJECT_DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    PROJECT_DIRECTORY.get_or_init(|| {
        let place = std::fs::canonicalize(tempfile::tempdir().unwrap().keep()).unwrap();
        std::fs::write(place.join("serverless.yml"), PROJECT).unwrap();
        std::env::set_current_dir(&place).unwrap();
        place
    })
}

/// What a test's daemon is like.
pub(crate) struct Setting {
    pub(crate) imds_v1: bool,
    pub(crate) is_allowed: bool,
    pub(crate) listen: &'static [&'static str],
    pub(crate) remote: &'static [&'static str],
    pub(crate) limits: Limits,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            imds_v1: false,
            is_allowed: true,
            listen: &["127.0.0.1:0"],
            remote: &[],
            limits: Limits::default(),
        }
    }
}

/// A daemon in this process; it ends with its runtime.
pub(crate) struct Daemon {
    pub(crate) address: SocketAddr,
    /// Every address, those that others can reach last.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) directories: Directories,
    pub(crate) runtime: tokio::runtime::Runtime,
    _home: tempfile::TempDir,
}

impl Daemon {
    pub(crate) fn start(imds_v1: bool, is_allowed: bool) -> Self {
        Self::with(&Setting { imds_v1, is_allowed, ..Setting::default() })
    }

    pub(crate) fn with(setting: &Setting) -> Self {
        let project = project();
        let home = tempfile::tempdir().unwrap();
        let directories = Directories::below(home.path());
        directories.make().unwrap();
        std::fs::write(directories.catalog_file(), CATALOG).unwrap();
        let mut allowed = AllowList::default();
        if setting.is_allowed {
            allowed.allow(AllowedProject {
                config: project.join("serverless.yml"),
                leads_to: None,
                app: App::parse("shop").unwrap(),
                named: false,
                stage: None,
                org: None,
                worktrees: None,
                since: Timestamp(0),
            });
        }
        StateFile::at(directories.allow_file()).change(|list: &mut AllowList| *list = allowed).unwrap();
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let config = Config {
            listen: addresses(setting.listen),
            remote: addresses(setting.remote),
            imds_v1: setting.imds_v1,
            ..Config::default()
        };
        let limits = setting.limits;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let addresses = runtime.block_on(async {
            let bind = |addresses: &[SocketAddr]| -> Vec<_> {
                addresses.iter().map(|address| listen::listen(*address).unwrap()).collect()
            };
            let (endpoints, remote) = (bind(&config.listen), bind(&config.remote));
            let all = endpoints.iter().chain(&remote);
            let addresses: Vec<_> = all.map(|listener| listener.local_addr().unwrap()).collect();
            let control = ControlSocket::bind(&directories.control_socket()).unwrap();
            let broker = Arc::new(
                Broker::new(Parts {
                    directories: directories.clone(),
                    config,
                    issuer: Arc::new(StandIn),
                    clock: AwsClock::default(),
                    keychain: Chosen::memory(How::Configured),
                    https: https::client(None).unwrap(),
                })
                .unwrap(),
            );
            let listeners = Listeners { endpoints, remote, control };
            let (reload, stop) = (Arc::new(Notify::new()), CancellationToken::new());
            tokio::spawn(run_within(limits, broker, listeners, reload, stop));
            addresses
        });
        Self { address: addresses[0], addresses, directories, runtime, _home: home }
    }

    pub(crate) fn edit_catalog(&self, from: &str, to: &str) {
        std::fs::write(self.directories.catalog_file(), CATALOG.replace(from, to)).unwrap();
    }

    /// Sends a request to the control socket, as `brokerctl` does.
    pub(crate) fn control(&self, body: &serde_json::Value) -> serde_json::Value {
        let mut stream = UnixStream::connect(self.directories.control_socket()).unwrap();
        let line = serde_json::json!({ "protocol": 1, "version": "test", "body": body });
        writeln!(stream, "{line}").unwrap();
        let reply: serde_json::Value = serde_json::from_reader(stream).unwrap();
        reply["body"].clone()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        Self::connect_to(self.address)
    }

    pub(crate) fn connect_to(address: SocketAddr) -> TcpStream {
        let stream = TcpStream::connect(address).unwrap();
        // Longer than anything takes here: a daemon that hangs is a failure, and no hanging test.
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends a whole request and reads the whole answer.
    pub(crate) fn raw(&self, request: &str) -> Answer {
        Self::raw_to(self.address, request)
    }

    pub(crate) fn raw_to(address: SocketAddr, request: &str) -> Answer {
        let mut stream = Self::connect_to(address);
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        // A reset after the answer is an end too: what was sent behind it was not read.
        if let Err(error) = stream.read_to_end(&mut bytes) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{}", String::from_utf8_lossy(&bytes));
        }
        Answer(String::from_utf8(bytes).unwrap())
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let host = if headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            ""
        } else {
            "Host: 127.0.0.1\r\n"
        };
        let headers: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.raw(&format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{}\r\n", headers.concat()))
    }

    pub(crate) fn token(&self) -> String {
        self.ask("PUT", "/latest/api/token", &[(TTL, "21600")]).body().to_owned()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[(TOKEN, &self.token())])
    }
}

pub(crate) const TTL: &str = "X-aws-ec2-metadata-token-ttl-seconds";
pub(crate) const TOKEN: &str = "X-aws-ec2-metadata-token";
pub(crate) const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

pub(crate) struct Answer(pub(crate) String);

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.0.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = self.0.split("\r\n\r\n").next()?;
        head.lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    pub(crate) fn body(&self) -> &str {
        self.0.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.body()).unwrap()
    }
}

/// Reads one answer of a connection that stays open.
pub(crate) fn read_answer(stream: &mut TcpStream) -> Answer {
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
