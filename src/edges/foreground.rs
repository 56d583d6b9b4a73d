//! A command in the foreground: it has the terminal, and whoever started it lives on to clean up after it.

use std::io;
use std::process::{Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use tokio::signal::unix::{SignalKind, signal};

/// Runs a command and waits for its end. What a terminal sends (interrupt, quit, hang-up) reaches the command by itself,
/// so that here it is only kept from ending this process first; a request to end (`SIGTERM`) is passed on.
///
/// # Errors
///
/// Those of starting it and of waiting for it.
pub fn run(command: Command) -> io::Result<ExitStatus> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut quit = signal(SignalKind::quit())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let mut end = signal(SignalKind::terminate())?;
        let mut child = tokio::process::Command::from(command).spawn()?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        loop {
            tokio::select! {
                status = child.wait() => return status,
                _ = interrupt.recv() => {}
                _ = quit.recv() => {}
                _ = hang_up.recv() => {}
                _ = end.recv() => {
                    // One that has ended meanwhile needs no signal.
                    let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
                }
            }
        }
    })
}
