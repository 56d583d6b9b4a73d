//! The end of a process that is not our child.

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::peer;
use crate::core::caller::ProcessId;

/// Waits until a process has ended. Its number alone could be another's by then, so the descriptor is taken first and
/// the start time looked at second. Returns at once where the system cannot tell (Linux before 5.3): whether a
/// process is alive is to be asked each time anyway.
pub async fn end_of(process: ProcessId) {
    let Some(descriptor) = system::open(process).filter(|_| peer::is_alive(process)) else { return };
    #[allow(
        deprecated,
        reason = "its successor is unsafe, and an owned descriptor is what both are sound with"
    )]
    let registered = AsyncFd::with_interest(descriptor, Interest::READABLE);
    if let Ok(registered) = registered {
        let _ = registered.readable().await;
    }
}

/// What becomes readable when the process ends, if it has not.
#[cfg(target_os = "linux")]
mod system {
    use std::os::fd::OwnedFd;

    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::ProcessId;

    pub(super) fn open(process: ProcessId) -> Option<OwnedFd> {
        let pid = Pid::from_raw(i32::try_from(process.pid).ok()?)?;
        pidfd_open(pid, PidfdFlags::empty()).ok()
    }
}

/// A queue in which the end of the process is an event (`man 2 kqueue`).
#[cfg(target_os = "macos")]
mod system {
    use kqueue::{EventFilter, FilterFlag, Watcher};

    use super::ProcessId;

    pub(super) fn open(process: ProcessId) -> Option<Watcher> {
        let mut queue = Watcher::new().ok()?;
        let pid = i32::try_from(process.pid).ok()?;
        queue.add_pid(pid, EventFilter::EVFILT_PROC, FilterFlag::NOTE_EXIT).ok()?;
        queue.watch().ok()?;
        Some(queue)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_end_is_noticed_when_it_comes() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let pid = child.id();
        let process = peer::Observer::new().unwrap().process(pid).unwrap();
        let waiting = end_of(process);
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(Duration::from_millis(20), waiting.as_mut()).await.is_err());
        drop(child.stdin.take());
        waiting.await;
        child.wait().unwrap();
        end_of(process).await;
        end_of(ProcessId { pid: std::process::id(), start: 0 }).await;
    }
}
