//! Doors that a process can shut behind itself.

#[cfg(target_os = "linux")]
use std::{fs, path::Path};

use rustix::fs::Mode;
#[cfg(target_os = "linux")]
use rustix::process::{DumpableBehavior, dumpable_behavior, set_dumpable_behavior};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

use crate::core::hardening::{Measure, MeasureKind};
#[cfg(target_os = "linux")]
use crate::core::hardening::{cgroup, forbids_swap, has_no_swap, is_filtered};

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

/// No core dumps, no `ptrace` or `/proc/PID/mem` by other processes of this user, new files for this user only, no new
/// privileges for this process and whatever it starts, and no swapping where the system lets us say so.
///
/// This is no wall against a process of the same user, which can imitate its owner in other ways; it closes the
/// way to all sessions at once. What the system refuses is left as it is: each of these only narrows, and [`measures`]
/// says what came of it. To be called before there is a second thread.
pub fn shut_doors() {
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    umask(PRIVATE);
    #[cfg(target_os = "linux")]
    {
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        let _ = rustix::thread::set_no_new_privs(true);
        lock_memory();
    }
}

const PRIVATE: Mode = Mode::RWXG.union(Mode::RWXO);

/// Locks all memory, also what is still to come, where there is no limit to it: with one, an allocation that reaches it
/// would fail and end the daemon (`man 2 mlockall`). Pages that nobody has touched stay unused.
#[cfg(target_os = "linux")]
fn lock_memory() {
    use rustix::mm::{MlockAllFlags, mlockall};
    if getrlimit(Resource::Memlock).current.is_none() {
        let _ = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT);
    }
}

/// Which measures are in force, by what the system says of this process now.
pub fn measures() -> Vec<Measure> {
    vec![
        no_core_dumps(),
        private_files(),
        #[cfg(target_os = "linux")]
        not_dumpable(),
        #[cfg(target_os = "linux")]
        no_new_privileges(),
        #[cfg(target_os = "linux")]
        system_call_filter(),
        #[cfg(target_os = "linux")]
        not_swapped(),
    ]
}

fn no_core_dumps() -> Measure {
    let limit = getrlimit(Resource::Core).maximum;
    let detail = limit.map_or_else(|| "no limit".to_owned(), |limit| format!("limit {limit}"));
    Measure { kind: MeasureKind::NoCoreDumps, holds: limit == Some(0), detail }
}

fn private_files() -> Measure {
    // There is no way to read it but to set it.
    let mask = umask(PRIVATE);
    umask(mask);
    let detail = format!("umask {:03o}", mask.as_raw_mode());
    Measure { kind: MeasureKind::PrivateFiles, holds: mask.contains(PRIVATE), detail }
}

#[cfg(target_os = "linux")]
fn not_dumpable() -> Measure {
    let holds = dumpable_behavior().is_ok_and(|behavior| behavior != DumpableBehavior::Dumpable);
    let detail = if holds { "so the kernel says" } else { "the kernel lets it be dumped" };
    Measure { kind: MeasureKind::NotDumpable, holds, detail: detail.to_owned() }
}

#[cfg(target_os = "linux")]
fn no_new_privileges() -> Measure {
    let holds = rustix::thread::no_new_privs().unwrap_or(false);
    let detail = if holds { "so the kernel says" } else { "the kernel refused it" };
    Measure { kind: MeasureKind::NoNewPrivileges, holds, detail: detail.to_owned() }
}

/// brokerd sets no filter itself: what it starts would have it too, and nobody can say what a `credential_process` of the
/// user's needs. Its service has one, which a drop-in can change.
#[cfg(target_os = "linux")]
fn system_call_filter() -> Measure {
    let holds = fs::read_to_string("/proc/self/status").is_ok_and(|status| is_filtered(&status));
    let detail =
        if holds { "by the service manager" } else { "only as a service: brokerctl service install" };
    Measure { kind: MeasureKind::SystemCallFilter, holds, detail: detail.to_owned() }
}

#[cfg(target_os = "linux")]
fn not_swapped() -> Measure {
    let detail = if locked_kilobytes() > 0 {
        Ok("all memory is locked")
    } else if forbids_swap(swap_limits().iter().map(String::as_str)) {
        Ok("its cgroup may not swap")
    } else if fs::read_to_string("/proc/swaps").is_ok_and(|swaps| has_no_swap(&swaps)) {
        Ok("this machine has no swap")
    } else {
        Err("the limit of locked memory (ulimit -l) is not unlimited, and no cgroup forbids swapping")
    };
    let holds = detail.is_ok();
    let detail = detail.unwrap_or_else(|why| why).to_owned();
    Measure { kind: MeasureKind::MemoryNotSwapped, holds, detail }
}

/// How much memory of this process is locked (`VmLck`).
#[cfg(target_os = "linux")]
fn locked_kilobytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
    line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok()).unwrap_or(0)
}

/// What each cgroup from this process's own up may swap.
#[cfg(target_os = "linux")]
fn swap_limits() -> Vec<String> {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(path) = cgroup(&text) else { return Vec::new() };
    let above = Path::new(path).ancestors().map(|path| Path::new("/sys/fs/cgroup").join(path));
    above.filter_map(|path| fs::read_to_string(path.join("memory.swap.max")).ok()).collect()
}
