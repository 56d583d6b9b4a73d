//! The two clocks: of the wall, and of the machine since its start.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::core::moment::{BootTime, Timestamp};

/// The present moment of the wall clock.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// The present moment since the machine's start, time asleep included.
pub fn boot_now() -> BootTime {
    let moment = clock_gettime(ClockId::Boottime);
    let milliseconds = moment.tv_sec.saturating_mul(1000).saturating_add(moment.tv_nsec / 1_000_000);
    BootTime(u64::try_from(milliseconds).unwrap_or(0))
}

/// A text that names this start of the machine: pids, start times and the boot clock begin anew with each.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}
