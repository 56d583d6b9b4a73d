//! What `libproc` and `sysctl` say of a process.

use std::collections::BTreeMap;
use std::path::PathBuf;

use libproc::libproc::bsd_info::BSDInfo;
use libproc::libproc::pid_rusage::{RUsageInfoV0, pidrusage};
use libproc::libproc::proc_pid::{self, pidinfo, pidpath};
use libproc::processes::{ProcFilter, pids_by_type};
use ring::digest::{SHA256, digest};
use sysctl::{Ctl, CtlValue, Sysctl};
use zeroize::Zeroizing;

use crate::core::caller::{Image, Process, ProcessId};
use crate::core::darwin::{self, Started};

/// The number of a process as the system's calls take it.
pub(super) fn number(pid: u32) -> Option<i32> {
    i32::try_from(pid).ok()
}

fn information(pid: u32) -> Option<BSDInfo> {
    pidinfo::<BSDInfo>(number(pid)?, 0).ok()
}

/// The processes of this machine.
pub(in crate::edges::peer) fn all() -> impl Iterator<Item = u32> {
    pids_by_type(ProcFilter::All).unwrap_or_default().into_iter()
}

/// The start time of a process, in microseconds since 1970; `None` if it is not there.
pub(in crate::edges::peer) fn start(pid: u32) -> Option<u64> {
    information(pid).map(|found| moment(&found))
}

fn moment(found: &BSDInfo) -> u64 {
    found.pbi_start_tvsec.saturating_mul(1_000_000).saturating_add(found.pbi_start_tvusec)
}

/// What a process runs, and its start time: the executable's own identifier, and a digest of what it was started with,
/// since nothing here tells where the kernel laid it out.
pub(in crate::edges::peer) fn image(pid: u32) -> Option<(u64, Image)> {
    let identifier = pidrusage::<RUsageInfoV0>(number(pid)?).ok()?.ri_uuid;
    let digest = digest(&SHA256, &started_bytes(pid)?);
    let mut image = [0; 6];
    for (word, bytes) in image.iter_mut().zip(identifier.chunks(8).chain(digest.as_ref().chunks(8))) {
        *word = u64::from_le_bytes(bytes.try_into().ok()?);
    }
    // The start time last: if it is right now, all of the above was that process.
    Some((start(pid)?, Image(image)))
}

/// The process that started a process, or that it was given to when that one ended.
pub(in crate::edges::peer) fn parent(pid: u32) -> Option<u32> {
    information(pid).map(|found| found.pbi_ppid)
}

/// The user whose process it is. No process hides that here.
pub(in crate::edges::peer) fn owner(pid: u32) -> Option<u32> {
    uid(pid)
}

/// The user that a process runs as.
pub(in crate::edges::peer) fn uid(pid: u32) -> Option<u32> {
    information(pid).map(|found| found.pbi_uid)
}

/// The executable.
pub(in crate::edges::peer) fn executable(pid: u32) -> Option<PathBuf> {
    pidpath(number(pid)?).ok().map(PathBuf::from)
}

/// The name of a process.
pub(in crate::edges::peer) fn name(pid: u32) -> Option<String> {
    proc_pid::name(number(pid)?).ok()
}

/// Reads a process.
pub(in crate::edges::peer) fn read(id: ProcessId) -> Process {
    let arguments = started(id.pid).map(|started| started.arguments);
    Process {
        id,
        executable: executable(id.pid),
        arguments: arguments.filter(|arguments| !arguments.is_empty()),
    }
}

/// The environment of a process as it was at its start; `None` if it cannot be read.
pub(in crate::edges::peer) fn environment(pid: u32) -> Option<BTreeMap<String, String>> {
    started(pid)?.environment
}

fn started(pid: u32) -> Option<Started> {
    darwin::started(&started_bytes(pid)?)
}

/// What a process was started with, secrets perhaps among it.
fn started_bytes(pid: u32) -> Option<Zeroizing<Vec<u8>>> {
    /// `CTL_KERN`, `KERN_PROCARGS2`.
    const STARTED_WITH: [i32; 2] = [1, 49];
    let asked = STARTED_WITH.into_iter().chain([number(pid)?]).collect();
    match Ctl::Oid(asked).value().ok()? {
        CtlValue::Node(bytes) | CtlValue::Struct(bytes) => Some(Zeroizing::new(bytes)),
        _ => None,
    }
}

/// The session of a process: the process id of its leader.
pub(in crate::edges::peer) fn session(pid: u32) -> Option<u32> {
    let pid = rustix::process::Pid::from_raw(number(pid)?)?;
    let leader = rustix::process::getsid(Some(pid)).ok()?;
    u32::try_from(leader.as_raw_nonzero().get()).ok()
}

/// The device number of the terminal that controls a process; `None` if there is none.
pub(in crate::edges::peer) fn terminal(pid: u32) -> Option<u32> {
    const NONE: [u32; 2] = [0, u32::MAX];
    information(pid).map(|found| found.e_tdev).filter(|device| !NONE.contains(device))
}

/// The name of a terminal.
pub(in crate::edges::peer) use crate::core::darwin::terminal_name;
