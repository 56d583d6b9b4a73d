//! The two clocks: of the wall, and of the machine since its start.

use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(target_os = "linux")]
use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};

use crate::core::aws_clock::Reading;
use crate::core::moment::{BootTime, Timestamp};

/// The clock that goes on while the machine sleeps.
#[cfg(target_os = "linux")]
const BOOT: ClockId = ClockId::Boottime;
/// The same on macOS, where the clock without sleep is another (`man 3 clock_gettime`).
#[cfg(target_os = "macos")]
const BOOT: ClockId = ClockId::Monotonic;

/// The present moment of the wall clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// What both clocks show.
pub fn reading() -> Reading {
    Reading { wall: now(), boot: boot_now() }
}

/// The present moment in the time zone of the machine.
pub fn local_now() -> jiff::ZonedDateTime {
    jiff::ZonedDateTime::now()
}

/// The present moment since the machine's start, time asleep included.
pub fn boot_now() -> BootTime {
    let moment = clock_gettime(BOOT);
    let milliseconds = moment.tv_sec.saturating_mul(1000).saturating_add(moment.tv_nsec / 1_000_000);
    BootTime(u64::try_from(milliseconds).unwrap_or(0))
}

/// The present moment in clock ticks since the machine's start: what the kernel writes down as the start of a
/// process that is made now.
#[cfg(target_os = "linux")]
pub fn ticks() -> u64 {
    const SECOND: u128 = 1_000_000_000;
    let moment = clock_gettime(BOOT);
    let part = |number: i64| u128::try_from(number).unwrap_or(0);
    let nanoseconds = part(moment.tv_sec) * SECOND + part(moment.tv_nsec);
    u64::try_from(nanoseconds * u128::from(clock_ticks_per_second()) / SECOND).unwrap_or(u64::MAX)
}

/// The present moment in microseconds since 1970: what the kernel writes down as the start of a process that is made
/// now.
#[cfg(target_os = "macos")]
pub fn ticks() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// A text that names this start of the machine: pids, start times and the boot clock begin anew with each.
#[cfg(target_os = "macos")]
pub fn boot_id() -> String {
    use sysctl::{Ctl, Sysctl};
    Ctl::new("kern.bootsessionuuid").and_then(|found| found.value_string()).unwrap_or_default()
}

/// A text that names this start of the machine: pids, start times and the boot clock begin anew with each.
#[cfg(target_os = "linux")]
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Field 22 of `/proc/PID/stat`, counted after the name in parentheses.
    fn start(pid: u32) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat[stat.rfind(')').unwrap() + 1..].split_whitespace().nth(19).unwrap().parse().unwrap()
    }

    /// The rule of pins rests on this: what the clock says and what the kernel writes down is one count.
    #[test]
    fn a_process_starts_in_the_tick_that_the_clock_shows() {
        for _ in 0..200 {
            let before = ticks();
            let mut child = Command::new("true").spawn().unwrap();
            let after = ticks();
            let start = start(child.id());
            child.wait().unwrap();
            assert!((before..=after).contains(&start), "{before} {start} {after}");
        }
    }
}
