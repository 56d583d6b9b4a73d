//! Words to the service manager that started us (`man 3 sd_notify`); nothing where there is none.

use sd_notify::NotifyState;

/// The daemon answers requests.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The daemon reads its files anew.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(moment) => tell(&[NotifyState::Reloading, moment]),
        Err(error) => tracing::warn!(%error, "the service manager cannot be told of the reload"),
    }
}

/// The daemon is on its way out.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
