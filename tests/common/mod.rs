//! A home of its own for the programs, and an ordinary user to run them as.
//!
//! brokerd refuses root. Where the tests run as root, each runs itself once more as an ordinary user.

#![allow(dead_code, reason = "each test file uses what it needs")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

/// Names the directory of the programs in the run as an ordinary user.
const INNER: &str = "BROKERD_TEST_PROGRAMS";
/// A user who has no processes and no files.
const UID: u32 = 61_111;

/// Held while a program is copied and until it is started: a process that another test forks meanwhile would
/// keep the copy open for writing, and such a file cannot be run.
static FORKING: Mutex<()> = Mutex::new(());

/// As root, runs a program as it lies there, and waits for it.
pub(crate) fn output_as_root(command: &mut Command) -> Output {
    let alone = FORKING.lock().unwrap_or_else(PoisonError::into_inner);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(alone);
    child.wait_with_output().unwrap()
}

/// As root, runs the calling test again as an ordinary user and says that it is done.
pub(crate) fn ran_as_ordinary_user() -> bool {
    if !rustix::process::geteuid().is_root() {
        return false;
    }
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let alone = FORKING.lock().unwrap_or_else(PoisonError::into_inner);
    // The checkout of root is often closed to everybody else.
    for program in [env!("CARGO_BIN_EXE_brokerd"), env!("CARGO_BIN_EXE_brokerctl")] {
        fs::copy(program, place.path().join(Path::new(program).file_name().unwrap())).unwrap();
    }
    let tests = place.path().join("tests");
    fs::copy(std::env::current_exe().unwrap(), &tests).unwrap();
    let temporary = place.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    chown(&temporary, Some(UID), Some(UID)).unwrap();
    let thread = std::thread::current();
    let child = Command::new(tests)
        .args(["--exact", thread.name().unwrap(), "--nocapture"])
        .env(INNER, place.path())
        .env("TMPDIR", &temporary)
        .current_dir(&temporary)
        .uid(UID)
        .gid(UID)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(alone);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "as uid {UID}:\n{}", String::from_utf8_lossy(&output.stderr));
    true
}

/// A program of ours by its name, another one by its path.
pub(crate) fn program(name: &str) -> PathBuf {
    if name.starts_with('/') {
        return name.into();
    }
    match std::env::var_os(INNER) {
        Some(place) => Path::new(&place).join(name),
        None if name == "brokerd" => env!("CARGO_BIN_EXE_brokerd").into(),
        None => env!("CARGO_BIN_EXE_brokerctl").into(),
    }
}

/// A home with nothing in it but what a test puts there.
#[derive(Debug)]
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new(config: &str, catalog: &str) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.write(".config/brokerd/config.toml", config);
        home.write(".config/brokerd/catalog.toml", catalog);
        fs::create_dir(home.path("run")).unwrap();
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.0.path()).unwrap().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path(""))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .current_dir(self.path(""))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn ctl(&self, arguments: &[&str]) -> Output {
        self.command("brokerctl").args(arguments).output().unwrap()
    }

    /// `brokerctl credential-process`, run by a shell in a project.
    pub(crate) fn credential_process(&self, project: &str) -> Output {
        let mut shell = self.command("/bin/sh");
        shell.args(["-c", "\"$0\" credential-process; exit $?"]).arg(program("brokerctl"));
        shell.current_dir(self.path(project)).output().unwrap()
    }

    /// A daemon that answers.
    pub(crate) fn daemon(&self) -> Daemon {
        self.daemon_with(&[])
    }

    /// A daemon with more in its environment.
    pub(crate) fn daemon_with(&self, variables: &[(&str, &str)]) -> Daemon {
        let variables = variables.iter().copied();
        let child = self.command("brokerd").env("RUST_LOG", "off").envs(variables).spawn().unwrap();
        let daemon = Daemon(child);
        let ready = self.ctl(&["status", "--wait", "20s"]);
        assert!(ready.status.success(), "{}", stderr(&ready));
        daemon
    }
}

/// A running daemon, ended with its test.
#[derive(Debug)]
pub(crate) struct Daemon(pub(crate) Child);

impl Daemon {
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.0.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) const CONFIG: &str = "listen = [\"127.0.0.1:0\"]\nkeychain = \"memory\"\n";
pub(crate) const CATALOG: &str = "[profiles.dev.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/dev\"\n\
                       source = \"nowhere\"\n\
                       [applications.shop]\ndefault_profile = \"dev\"\n";
