//! What a Serverless CLI with the plugin says to the daemon and gets. The CLI is a copy of perl by that name, which speaks
//! to the control socket as the plugin does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use common::{CONFIG, Home, ran_as_ordinary_user, stderr, stdout};
use serde_json::{Value, json};

const CATALOG: &str = r#"
[profiles.dev]
deploy = "plugin"
access_role = { role_arn = "arn:aws:iam::111111111111:role/dev", source = "nowhere" }
safeguards = [{ policy = "require-description" }]
[profiles.dev.secrets]
KEY = "keychain"
DB = { secretsmanager = "db", key = "password" }
[profiles.free]
access_role = { role_arn = "arn:aws:iam::222222222222:role/free", source = "nowhere" }
safeguards = [{ policy = "require-description" }]
[applications.shop]
default_profile = "dev"
stages = { free = "free" }
"#;
const SERVICE: &str = "service: storefront\napp: shop\nprovider: {name: aws}\n";
const SPEAK: &str = r#"use IO::Socket::UNIX; $| = 1; while (my $line = <STDIN>) {
    my $socket = IO::Socket::UNIX->new(Peer => "$ENV{XDG_RUNTIME_DIR}/brokerd/control.sock");
    if (!$socket) { print "{\"body\":{\"reply\":\"no daemon\"}}\n"; next }
    print $socket $line; print scalar(<$socket>);
}"#;

/// A Serverless CLI that asks what it is told to ask.
struct Cli {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Cli {
    fn start(home: &Home, project: &str, words: &[&str]) -> Self {
        let program = home.path("bin/serverless");
        if !program.exists() {
            fs::create_dir_all(home.path("bin")).unwrap();
            fs::copy("/usr/bin/perl", &program).unwrap();
        }
        let mut command = home.command(program.to_str().unwrap());
        command.args(["-e", SPEAK]).args(words).current_dir(home.path(project));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (asks, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, asks, answers: BufReader::new(answers) }
    }

    fn ask(&mut self, body: &Value) -> Value {
        writeln!(self.asks, "{}", json!({ "protocol": 1, "version": "test", "body": body })).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()["body"].clone()
    }

    fn hello(&mut self, app: Option<&str>, stage: &str) -> Value {
        self.hello_as("deploy", app, stage)
    }

    fn hello_as(&mut self, command: &str, app: Option<&str>, stage: &str) -> Value {
        self.ask(&json!({
            "request": "plugin-hello", "org": null, "app": app, "service": "storefront", "stage": stage,
            "region": "eu-west-1", "command": command, "config": null,
            "framework": { "name": "osls", "version": "4.3.1" }, "plugin_version": "0.1.0",
        }))
    }

    /// Whether it is given something: a token, since nothing here speaks to STS.
    fn exec(&mut self) -> Value {
        let wanted = json!({ "app": null, "stage": null, "profile": null });
        self.ask(&json!({ "request": "exec", "wanted": wanted, "keys": false }))
    }

    fn credentials(&mut self) -> Value {
        self.ask(&json!({ "request": "plugin-credentials" }))
    }
}

impl Drop for Cli {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn message(reply: &Value) -> &str {
    assert_eq!(reply["reply"], "failed", "{reply}");
    reply["message"].as_str().unwrap()
}

fn home(service: &str) -> Home {
    let home = Home::new(CONFIG, CATALOG);
    home.write("shop/serverless.yml", service);
    home
}

fn allow(home: &Home, more: &[&str]) {
    let path = home.path("shop").display().to_string();
    let allowed = home.ctl(&[&["allow", path.as_str()], more].concat());
    assert!(allowed.status.success(), "{}", stderr(&allowed));
}

#[test]
fn a_deployment_without_the_plugin_gets_nothing_where_the_profile_wants_it() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = home(SERVICE);
    let _daemon = home.daemon();
    allow(&home, &[]);
    for words in [&["deploy"][..], &["remove", "--verbose"]] {
        let refused = Cli::start(&home, "shop", words).exec();
        assert!(message(&refused).starts_with("profile dev is deployed with the plugin only"), "{refused}");
        assert!(refused["hint"].as_str().unwrap().contains("plugins: [serverless-brokerd]"), "{refused}");
    }
    for words in [&["info"][..], &["package"], &["deploy", "--stage", "free"]] {
        let given = Cli::start(&home, "shop", words).exec();
        assert_eq!(given["reply"], "exec", "{words:?} {given}");
    }
    let free = Cli::start(&home, "shop", &["deploy", "--stage", "free"]);
    let why = stdout(&home.ctl(&["why", "--pid", &free.child.id().to_string()]));
    assert!(why.contains("1 safeguard not evaluated: no plugin in pid"), "{why}");
}

#[test]
fn the_plugin_says_hello_and_is_given_what_was_decided() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = home(SERVICE);
    let daemon = home.daemon();
    allow(&home, &[]);
    let mut cli = Cli::start(&home, "shop", &["deploy"]);
    let early = cli.credentials();
    assert!(early["needs_hello"] == true && message(&early).contains("hello"), "{early}");
    let welcome = cli.hello(Some("shop"), "dev");
    let expected = json!({
        "reply": "plugin-welcome", "app": "shop", "stage": "dev", "profile": "dev", "matched": "default",
        "note": "stage dev is not configured on shop: default profile dev", "account": "111111111111",
        "region": "eu-west-1", "deploy": "plugin", "safeguards": 1, "brokerctl": welcome["brokerctl"],
        "secrets": [
            { "name": "DB", "source": "secretsmanager",
              "reference": "{{resolve:secretsmanager:db:SecretString:password}}" },
            { "name": "KEY", "source": "keychain" },
        ],
    });
    assert_eq!(welcome, expected);
    assert!(welcome["brokerctl"].as_str().unwrap().ends_with("/brokerctl"));
    assert_eq!(cli.exec()["reply"], "exec", "its deployment is evaluated now");
    // There is no STS here, which is another reason than a missing hello.
    let failed = cli.credentials();
    assert!(failed.get("needs_hello").is_none() && message(&failed).contains("nowhere"), "{failed}");
    let unlisted = cli.ask(&json!({ "request": "plugin-secrets", "names": ["NOPE"] }));
    assert!(message(&unlisted).contains("NOPE"), "{unlisted}");
    assert_eq!(
        cli.ask(&json!({ "request": "plugin-blocked", "failed": ["no descriptions"] }))["reply"],
        "plugin-noted"
    );
    let audit = stdout(&home.ctl(&["audit", "--json"]));
    assert!(audit.contains("\"event\":\"blocked\"") && audit.contains("no descriptions"), "{audit}");
    assert!(audit.contains("\"way\":\"plugin\""), "{audit}");
    let why = stdout(&home.ctl(&["why", "--pid", &cli.child.id().to_string()]));
    assert!(why.contains("1 safeguard evaluated before pid"), "{why}");
    let status: Value = serde_json::from_slice(&home.ctl(&["status", "--json"]).stdout).unwrap();
    assert_eq!(status["projects"][0]["safeguards_not_evaluated"], 0, "{status}");
    // The next daemon knows nobody's hello, and is told again.
    drop(daemon);
    assert_eq!(cli.credentials()["reply"], "no daemon");
    let _daemon = home.daemon();
    assert_eq!(cli.credentials()["needs_hello"], true);
    assert!(message(&cli.exec()).contains("with the plugin only"));
    assert_eq!(cli.hello(Some("shop"), "dev")["reply"], "plugin-welcome");
    assert_eq!(cli.exec()["reply"], "exec");
    // A hello is nobody else's.
    let mut other = Cli::start(&home, "shop", &["deploy"]);
    assert_eq!(other.credentials()["needs_hello"], true);
}

#[test]
fn what_the_framework_reads_differently_is_refused_with_both_readings() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = home(SERVICE);
    let _daemon = home.daemon();
    allow(&home, &[]);
    let mut cli = Cli::start(&home, "shop", &["deploy"]);
    let stage = cli.hello(Some("shop"), "prod");
    assert!(message(&stage).contains("osls 4.3.1 works on stage \"prod\""), "{stage}");
    assert!(message(&stage).ends_with("and brokerd reads \"dev\""), "{stage}");
    assert!(message(&cli.hello(Some("bank"), "dev")).contains("app \"bank\""));
    assert_eq!(cli.credentials()["needs_hello"], true, "a refused hello is none");
    // Also after it was given something.
    let mut info = Cli::start(&home, "shop", &["info"]);
    assert_eq!(info.exec()["reply"], "exec");
    assert!(message(&info.hello(Some("shop"), "prod")).contains("brokerd reads \"dev\""));
    let other = Cli::start(&home, "", &["deploy"]).hello(Some("shop"), "dev");
    assert!(message(&other).contains("is in no project"), "{other}");
}

#[test]
fn what_brokerd_cannot_tell_is_what_the_plugin_reports_for_that_process_alone() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = home("service: storefront\napp: shop\nprovider: {name: aws, stage: \"${ssm:/stage}\"}\n");
    let _daemon = home.daemon();
    allow(&home, &[]);
    let mut cli = Cli::start(&home, "shop", &["deploy"]);
    assert!(message(&cli.exec()).contains("the stage is not known"));
    assert!(message(&cli.hello(Some("bank"), "free")).contains("app \"bank\""), "no other application");
    let welcome = cli.hello(Some("shop"), "free");
    assert_eq!((&welcome["stage"], &welcome["profile"]), (&json!("free"), &json!("free")), "{welcome}");
    assert_eq!(cli.exec()["stage"], "free");
    let why = stdout(&home.ctl(&["why", "--pid", &cli.child.id().to_string()]));
    assert!(why.contains("it is free: reported by the plugin, since brokerd cannot tell it"), "{why}");
    assert!(message(&Cli::start(&home, "shop", &["deploy"]).exec()).contains("the stage is not known"));
    // Nobody allowed this one, whatever it reports.
    home.write("stranger/serverless.yml", "service: x\napp: shop\nprovider: {name: aws}\n");
    let stranger = Cli::start(&home, "stranger", &["deploy"]).hello(Some("shop"), "free");
    assert!(message(&stranger).contains("is not allowed yet"), "{stranger}");
}

#[test]
fn what_the_plugin_does_not_evaluate_is_not_deployed_by_its_hello() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = home(SERVICE);
    let _daemon = home.daemon();
    allow(&home, &[]);
    let mut function = Cli::start(&home, "shop", &["deploy", "function", "-f", "report"]);
    assert_eq!(function.hello_as("deploy function", Some("shop"), "dev")["reply"], "plugin-welcome");
    let refused = function.exec();
    assert!(message(&refused).contains("evaluates none for \"deploy function\""), "{refused}");
    let why = stdout(&home.ctl(&["why", "--pid", &function.child.id().to_string()]));
    assert!(why.contains("1 safeguard not evaluated: the plugin evaluates none"), "{why}");
    let mut whole = Cli::start(&home, "shop", &["deploy"]);
    assert_eq!(whole.hello_as("deploy", Some("shop"), "dev")["reply"], "plugin-welcome");
    assert_eq!(whole.exec()["reply"], "exec");
}

#[test]
fn a_deployment_that_is_refused_for_its_own_project_gets_nothing_by_naming_another_application() {
    if ran_as_ordinary_user() {
        return;
    }
    let home = home("service: storefront\napp: books\nprovider: {name: aws}\n");
    home.write("real/serverless.yml", SERVICE);
    let _daemon = home.daemon();
    allow(&home, &[]);
    assert!(home.ctl(&["allow", "real"]).status.success());
    let wanted = json!({ "app": "shop", "stage": "dev", "profile": null });
    let asked = json!({ "request": "exec", "wanted": wanted, "keys": false });
    // The catalog does not know books, so that its own decision is a refusal.
    let refused = Cli::start(&home, "shop", &["deploy"]).ask(&asked);
    assert!(message(&refused).starts_with("profile dev is deployed with the plugin only"), "{refused}");
    assert_eq!(Cli::start(&home, "shop", &["info"]).ask(&asked)["reply"], "exec");
}

#[test]
fn a_token_does_not_pass_over_the_plugin_where_the_deployment_is_refused_by_itself() {
    const FETCH: &str = r#"use IO::Socket::INET; my $socket = IO::Socket::INET->new($ENV{AT}) or die;
        print $socket "GET /container/shop/dev HTTP/1.1\r\nHost: $ENV{AT}\r\nConnection: close\r\nAuthorization: $ENV{TOKEN}\r\n\r\n";
        print <$socket>;"#;
    if ran_as_ordinary_user() {
        return;
    }
    let home = home("service: storefront\napp: books\nprovider: {name: aws}\n");
    home.write("real/serverless.yml", SERVICE);
    let _daemon = home.daemon();
    allow(&home, &[]);
    assert!(home.ctl(&["allow", "real"]).status.success());
    let token = stdout(&home.ctl(&["tokens", "add", "--app", "shop", "--stage", "dev"]));
    let status: Value = serde_json::from_slice(&home.ctl(&["status", "--json"]).stdout).unwrap();
    let at = status["endpoints"][0].as_str().unwrap().trim_start_matches("http://").trim_end_matches('/');
    drop(Cli::start(&home, "shop", &["info"]));
    let fetch = |word: &str| {
        let mut command = home.command(home.path("bin/serverless").to_str().unwrap());
        command.args(["-e", FETCH, word]).current_dir(home.path("shop")).env("AT", at).env("TOKEN", &token);
        stdout(&command.output().unwrap())
    };
    let refused = fetch("deploy");
    assert!(refused.contains("profile dev is deployed with the plugin only"), "{refused}");
    // There is no STS here, which is another reason than a missing hello.
    let given = fetch("info");
    assert!(given.contains("no base credentials"), "{given}");
}
