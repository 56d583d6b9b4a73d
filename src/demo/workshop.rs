//! The place where the demo happens: a temporary home, and processes that live in it.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::process::{Child, Command};

use super::{DemoError, show_command};
use crate::core::protocol::Status;
use crate::edges::random;

/// The demo's catalog, as it is shown.
pub(super) const CATALOG: &str = r#"[profiles.dev]
access_role = { role_arn = "arn:aws:iam::111111111111:role/shop-dev" }
[profiles.prod]
access_role = { role_arn = "arn:aws:iam::222222222222:role/shop-prod" }
[profiles.books]
access_role = { role_arn = "arn:aws:iam::333333333333:role/billing" }

[applications.shop]
default_profile = "dev"
stages = { dev = "dev", prod = "prod" }
[applications.billing]
stages = { dev = "books" }
"#;
const CONFIG: &str = "listen = [\"127.0.0.1:0\"]\nkeychain = \"memory\"\n";
const SHOP: &str = "service: storefront\napp: shop\nprovider:\n  name: aws\n  region: eu-central-1\n";
const BILLING: &str = "service: invoices\napp: billing\nprovider:\n  name: aws\n  stage: dev\n";

/// The temporary home; it is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Workshop {
    home: PathBuf,
    program: PathBuf,
    sts: String,
    endpoint: String,
    /// Whom the processes run as, where we are root: brokerd serves ordinary users only.
    uid: Option<u32>,
}

impl Workshop {
    /// Makes the home, the projects and the catalog. `sts` is where AWS is taken to be.
    pub(super) fn furnish(sts: &str) -> Result<Self, DemoError> {
        let uid = rustix::process::geteuid().is_root().then(unused_uid);
        let home =
            std::env::temp_dir().join(format!("brokerd-demo-{:016x}", u64::from_ne_bytes(random::bytes())));
        DirBuilder::new().mode(0o700).create(&home)?;
        let home = fs::canonicalize(home)?;
        let program = home.join("bin/brokerd");
        let workshop = Self { home, program, sts: sts.to_owned(), endpoint: String::new(), uid };
        for (path, text) in [
            (".config/brokerd/config.toml", CONFIG),
            (".config/brokerd/catalog.toml", CATALOG),
            ("shop/serverless.yml", SHOP),
            ("billing/serverless.yml", BILLING),
            ("run/.keep", ""),
            ("bin/.keep", ""),
        ] {
            let path = workshop.home.join(path);
            fs::create_dir_all(path.parent().unwrap_or(&workshop.home))?;
            fs::write(path, text)?;
        }
        let own = std::env::current_exe()?;
        if uid.is_some() {
            // The checkout of root is often closed to everybody else.
            fs::copy(own, &workshop.program)?;
        } else {
            symlink(own, &workshop.program)?;
        }
        symlink(&workshop.program, workshop.home.join("bin/brokerctl"))?;
        if let Some(uid) = uid {
            give(&workshop.home, uid)?;
        }
        Ok(workshop)
    }

    /// Starts the daemon.
    pub(super) fn daemon(&self) -> Result<Child, DemoError> {
        let mut command = self.command(&self.program, "");
        command
            .env("AWS_ACCESS_KEY_ID", "AKIADEMODEMODEMODEMO")
            .env("AWS_SECRET_ACCESS_KEY", "what-signs-for-the-demo")
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ENDPOINT_URL_STS", &self.sts)
            .env("RUST_LOG", "error")
            .stdout(Stdio::null());
        Ok(command.spawn()?)
    }

    /// Runs `brokerctl` in a project.
    pub(super) async fn brokerctl(&mut self, project: &str, arguments: &[&str]) -> Result<Ran, DemoError> {
        let mut command = self.command(&self.home.join("bin/brokerctl"), project);
        let ran = Ran(command.args(arguments).output().await?);
        if self.endpoint.is_empty()
            && let Ok(status) = serde_json::from_slice::<Status>(&ran.0.stdout)
        {
            self.endpoint = status.endpoints.into_iter().next().unwrap_or_default();
        }
        Ok(ran)
    }

    /// Shows `brokerctl` in a project.
    pub(super) async fn show_brokerctl(
        &mut self,
        project: &str,
        arguments: &[&str],
    ) -> Result<(), DemoError> {
        prompt(project, &format!("brokerctl {}", arguments.join(" ")))?;
        self.brokerctl(project, arguments).await?.print()
    }

    /// Shows a client with the AWS SDK in a project.
    pub(super) async fn show_client(
        &self,
        project: &str,
        variables: &[(&str, &str)],
    ) -> Result<(), DemoError> {
        let assignments: Vec<String> =
            variables.iter().map(|(name, value)| format!("{name}={value} ")).collect();
        let line = "sdk-client   # the AWS SDK for Rust: sts get-caller-identity";
        prompt(project, &format!("{}{line}", assignments.concat()))?;
        let mut command = self.command(&self.program, project);
        command.arg("demo-client").envs(variables.iter().copied()).env("AWS_ENDPOINT_URL_STS", &self.sts);
        Ran(command.output().await?).print()
    }

    /// Whether the processes of the demo can run the AWS CLI.
    pub(super) async fn has_aws(&self) -> bool {
        let mut command = self.command(Path::new("aws"), "");
        command.arg("--version").output().await.is_ok_and(|output| output.status.success())
    }

    /// Shows the AWS CLI in a project.
    pub(super) async fn show_aws(&self, project: &str, sts: &str) -> Result<(), DemoError> {
        prompt(project, "aws sts get-caller-identity --query Arn --output text")?;
        let mut command = self.command(Path::new("aws"), project);
        command.args([
            "sts",
            "get-caller-identity",
            "--query",
            "Arn",
            "--output",
            "text",
            "--endpoint-url",
            sts,
        ]);
        Ran(command.output().await?).print()
    }

    /// What another terminal needs to join in.
    pub(super) fn lines_to_paste(&self) -> Vec<String> {
        let home = self.home.display();
        let mut lines = vec![
            format!("export HOME={home} XDG_RUNTIME_DIR={home}/run PATH={home}/bin:$PATH"),
            format!("export AWS_EC2_METADATA_SERVICE_ENDPOINT={} AWS_REGION=eu-central-1", self.endpoint),
            "cd ~/shop && brokerctl status".to_owned(),
            format!("aws sts get-caller-identity --endpoint-url {}", self.sts),
        ];
        if let Some(uid) = self.uid {
            lines.insert(0, format!("setpriv --reuid {uid} --regid {uid} --clear-groups env -i PATH=\"$PATH\" TERM=\"$TERM\" sh"));
        }
        lines
    }

    /// A process in the temporary home: nothing of the caller's environment but where programs are.
    fn command(&self, program: &Path, project: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.home)
            .env("USER", "you")
            .env("XDG_RUNTIME_DIR", self.home.join("run"))
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &self.endpoint)
            .env("AWS_REGION", "eu-central-1")
            .current_dir(self.home.join(project))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if self.endpoint.is_empty() {
            command.env_remove("AWS_EC2_METADATA_SERVICE_ENDPOINT");
        }
        if let Some(uid) = self.uid {
            command.uid(uid).gid(uid);
        }
        command
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.home) {
            anstream::eprintln!("brokerd: {} cannot be removed: {error}", self.home.display());
        }
    }
}

fn prompt(project: &str, line: &str) -> Result<(), DemoError> {
    let place = if project.is_empty() { "~".to_owned() } else { format!("~/{project}") };
    show_command(&format!("{place} $ {line}"))
}

/// A program that ran.
pub(super) struct Ran(Output);

impl Ran {
    /// Fails with the program's own words.
    pub(super) fn expect_success(&self) -> Result<(), DemoError> {
        if self.0.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&self.0.stderr).trim().to_owned().into())
    }

    /// Prints what it printed.
    fn print(&self) -> Result<(), DemoError> {
        let mut out = anstream::stdout().lock();
        out.write_all(&self.0.stdout)?;
        out.write_all(&self.0.stderr)?;
        Ok(())
    }
}

/// A user of whom there is no process, from the range that systemd makes such users up in.
fn unused_uid() -> u32 {
    const FIRST: u32 = 61_184;
    const COUNT: u32 = 4_336;
    FIRST + u32::from_ne_bytes(random::bytes()) % COUNT
}

/// Gives a directory and all in it to a user.
fn give(path: &Path, uid: u32) -> io::Result<()> {
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            give(&entry.path(), uid)?;
        }
    }
    if path.is_symlink() {
        std::os::unix::fs::lchown(path, Some(uid), Some(uid))
    } else {
        chown(path, Some(uid), Some(uid))
    }
}
