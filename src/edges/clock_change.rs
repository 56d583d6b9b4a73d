//! Being told that the wall clock was set, or that the machine comes back from sleep.

#[cfg(target_os = "linux")]
use {
    rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
    std::os::fd::OwnedFd,
    tokio::io::unix::AsyncFd,
};

/// Tells of it. The kernel ends the wait for a moment that never comes, once its clock is set (`man 2
/// timerfd_settime`, `TFD_TIMER_CANCEL_ON_SET`); coming back from sleep sets it. Nothing wakes up for it meanwhile.
#[derive(Debug)]
pub struct ClockChange {
    #[cfg(target_os = "linux")]
    timer: AsyncFd<OwnedFd>,
}

impl ClockChange {
    /// Begins to wait, within a runtime. The error is the system's.
    #[cfg(target_os = "linux")]
    pub fn new() -> std::io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Realtime, flags)?;
        arm(&timer)?;
        #[allow(
            deprecated,
            reason = "its successor is unsafe, and an owned descriptor is what both are sound with"
        )]
        let timer = AsyncFd::new(timer)?;
        Ok(Self { timer })
    }

    /// The same where the system tells nobody.
    #[cfg(not(target_os = "linux"))]
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// Waits for the next change.
    #[cfg(target_os = "linux")]
    pub async fn next(&mut self) {
        loop {
            let Ok(mut ready) = self.timer.readable().await else { return std::future::pending().await };
            let read = rustix::io::read(self.timer.get_ref(), &mut [0; 8]);
            ready.clear_ready();
            if read != Err(rustix::io::Errno::AGAIN) {
                if arm(self.timer.get_ref()).is_err() {
                    return std::future::pending().await;
                }
                return;
            }
        }
    }

    /// Waits for ever.
    #[cfg(not(target_os = "linux"))]
    pub async fn next(&mut self) {
        std::future::pending::<()>().await;
    }
}

#[cfg(target_os = "linux")]
fn arm(timer: &OwnedFd) -> rustix::io::Result<()> {
    /// The year 2262, near the end of what the kernel counts.
    const NEVER: i64 = 9_223_372_000;
    let nothing = Timespec { tv_sec: 0, tv_nsec: 0 };
    let never = Itimerspec { it_interval: nothing, it_value: Timespec { tv_sec: NEVER, tv_nsec: 0 } };
    timerfd_settime(timer, TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &never).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The clock of a machine that others share is not set for a test, so this tries the rest: the kernel takes the
    /// timer, and wakes nobody while nothing happens.
    #[tokio::test]
    async fn nothing_happens_until_it_does() {
        let mut change = ClockChange::new().unwrap();
        let waited = tokio::time::timeout(std::time::Duration::from_millis(50), change.next()).await;
        assert!(waited.is_err());
    }
}
