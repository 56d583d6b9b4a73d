//! Doors that a process can shut behind itself.

use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit, umask,
};

/// Why brokerd does not start as this user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("brokerd does not run as root: it serves one user, and root's view of /proc is not a user's")]
pub struct RunsAsRoot;

/// Refuses root, real or effective.
pub fn refuse_root() -> Result<(), RunsAsRoot> {
    if rustix::process::getuid().is_root() || rustix::process::geteuid().is_root() {
        Err(RunsAsRoot)
    } else {
        Ok(())
    }
}

/// How many files this process may have open (`man 2 getrlimit`, `RLIMIT_NOFILE`).
pub fn open_files() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// No core dumps, no `ptrace` or `/proc/PID/mem` by other processes of this user, new files for this user only.
///
/// This is no wall against a process of the same user, which can imitate its owner in other ways; it closes the
/// way to all sessions at once. What the system refuses is left as it is: each of these only narrows.
pub fn shut_doors() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    umask(Mode::RWXG | Mode::RWXO);
}
