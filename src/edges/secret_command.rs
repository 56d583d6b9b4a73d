//! Programs that print the value of one secret, such as `op read`.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::core::secret::{Content, ContentError, LONGEST};

/// A program that asks a person to touch a key or to type a password has so long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What a program has of the daemon's environment: where it finds programs, its own files, and the agents and the desktop
/// that it may speak to. Nothing else, AWS's variables least of all.
const PASSED: [&str; 19] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "XDG_STATE_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "SSH_AUTH_SOCK",
    "GNUPGHOME",
];

/// Why a program gives no value. Nothing that it printed is in the texts, nor its arguments: people put keys there.
#[derive(Debug, thiserror::Error)]
pub enum SecretCommandError {
    /// It cannot be started.
    #[error("cannot run {program}: {source}")]
    NotStarted {
        /// Which.
        program: String,
        /// The system's words.
        source: io::Error,
    },
    /// It says that it failed.
    #[error("{program} failed: {status}")]
    Failed {
        /// Which.
        program: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// It does not end.
    #[error("{program} did not end within {} s, and was killed", .patience.as_secs())]
    TooSlow {
        /// Which.
        program: String,
        /// How long was waited.
        patience: Duration,
    },
    /// What it printed cannot be read.
    #[error("what {program} prints cannot be read: {source}")]
    Unreadable {
        /// Which.
        program: String,
        /// The system's words.
        source: io::Error,
    },
    /// What it printed is no value.
    #[error("{program}: {why}")]
    Content {
        /// Which.
        program: String,
        /// Why not.
        why: ContentError,
    },
}

/// Runs a program without a shell, in the home, and takes what it prints. Its standard error goes nowhere, since it may
/// repeat a value. It and what it started are killed when it takes too long, prints too much, or nobody waits any more.
pub async fn run(argv: &[String], home: &Path, patience: Duration) -> Result<Content, SecretCommandError> {
    let Some((program, arguments)) = argv.split_first() else {
        let source = io::ErrorKind::InvalidInput.into();
        return Err(SecretCommandError::NotStarted { program: String::new(), source });
    };
    let named = || program.clone();
    let passed = PASSED.iter().filter_map(|name| std::env::var_os(name).map(|value| (name, value)));
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(passed)
        .current_dir(home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|source| SecretCommandError::NotStarted { program: named(), source })?;
    let mut group = Group::new(child);
    let ended = timeout(patience, take(&mut group.child)).await;
    let ended = ended.map_err(|_| SecretCommandError::TooSlow { program: named(), patience })?;
    let (bytes, status) =
        ended.map_err(|source| SecretCommandError::Unreadable { program: named(), source })?;
    match status {
        Some(status) if !status.success() => Err(SecretCommandError::Failed { program: named(), status }),
        _ => Content::of_text(bytes).map_err(|why| SecretCommandError::Content { program: named(), why }),
    }
}

/// What a program prints, and how it ends; without an end if it prints too much.
async fn take(child: &mut Child) -> io::Result<(Zeroizing<Vec<u8>>, Option<ExitStatus>)> {
    // Room for all of it, a line end and a byte too many: a buffer that grows would leave copies behind.
    const ROOM: usize = LONGEST + 3;
    let mut bytes = Zeroizing::new(vec![0; ROOM]);
    let mut length = 0;
    if let Some(out) = child.stdout.as_mut() {
        loop {
            match out.read(&mut bytes[length..]).await? {
                0 if length == ROOM => return Ok((bytes, None)),
                0 => break,
                more => length += more,
            }
        }
    }
    bytes.truncate(length);
    Ok((bytes, Some(child.wait().await?)))
}

/// A program and whatever it starts.
struct Group {
    child: Child,
    leader: Option<Pid>,
}

impl Group {
    fn new(child: Child) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Self { child, leader }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Once it was waited for, its number may be another's.
        if self.child.id().is_some()
            && let Some(leader) = self.leader
        {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    async fn sh(script: &str) -> Result<Content, String> {
        let argv = ["/bin/sh", "-c", script].map(str::to_owned);
        run(&argv, Path::new("/"), LONG).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn what_a_program_prints_is_the_value() {
        assert_eq!(sh("echo value").await.unwrap().reveal(), b"value");
        assert_eq!(sh("printf '\\377\\0\\n'").await.unwrap().reveal(), b"\xff\0\n");
        assert_eq!(sh("head -c 65536 /dev/zero | tr '\\0' a; echo").await.unwrap().reveal().len(), LONGEST);
        assert_eq!(sh("pwd; echo marked >&2").await.unwrap().reveal(), b"/");
    }

    #[tokio::test]
    async fn how_a_program_fails_is_said_without_a_word_of_it() {
        for (script, said) in [
            ("echo marked; echo marked >&2; exit 3", "/bin/sh failed: exit status: 3"),
            ("kill -9 $$", "/bin/sh failed: signal: 9 (SIGKILL)"),
            ("true", "/bin/sh: the value is empty"),
            ("head -c 1000000 /dev/zero | tr '\\0' m", "/bin/sh: the value is longer than 65536 bytes"),
        ] {
            assert_eq!(sh(script).await.unwrap_err(), said);
        }
        let argv = ["/nowhere/op".to_owned(), "marked".to_owned()];
        let error = run(&argv, Path::new("/"), LONG).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot run /nowhere/op: No such file or directory (os error 2)");
    }

    #[tokio::test]
    async fn one_that_hangs_is_killed_with_what_it_started() {
        let place = tempfile::tempdir().unwrap();
        let pids = place.path().join("pids");
        let script = format!("sleep 1000 & echo $! $$ > {}; wait", pids.display());
        let argv = ["/bin/sh".to_owned(), "-c".to_owned(), script];
        let hanging = tokio::spawn(async move { run(&argv, Path::new("/"), Duration::from_secs(2)).await });
        let error = hanging.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "/bin/sh did not end within 2 s, and was killed");
        let pids = std::fs::read_to_string(&pids).unwrap();
        for pid in pids.split_whitespace() {
            // Dead, or dead and not yet waited for by whoever inherited it.
            let gone = async {
                loop {
                    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                    if stat.is_empty() || stat.contains(") Z ") {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            };
            timeout(LONG, gone).await.unwrap();
        }
    }

    #[tokio::test]
    async fn its_environment_is_its_own() {
        let found = sh("env | cut -d= -f1 | sort | tr '\\n' ' '").await.unwrap();
        let own = ["PWD", "OLDPWD", "SHLVL", "_"];
        for name in found.text().unwrap().split_whitespace() {
            assert!(PASSED.contains(&name) || own.contains(&name), "{name}");
        }
    }
}
