//! A question on the desktop: a notification with an action (freedesktop.org Desktop Notifications Specification 1.2).
//!
//! Whoever owns `org.freedesktop.Notifications` on the session bus shows it, and only that connection, by its unique
//! name, is believed when it says that the action was taken: the bus itself writes the sender into each message.

#[cfg(all(feature = "desktop", target_os = "linux"))]
mod bus;

use tokio_util::sync::CancellationToken;

use crate::core::notice::Notice;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The first line.
    pub summary: String,
    /// The rest, as plain text.
    pub body: String,
    /// What the action is called.
    pub action: String,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The action was taken.
    Taken,
    /// The notification was sent away, or its time was over.
    SentAway,
    /// Whoever showed it has gone, and it with them.
    Gone,
    /// It was taken back.
    Withdrawn,
}

/// Why nothing can be asked.
#[derive(Debug, thiserror::Error)]
pub enum NotificationError {
    /// There is no session bus.
    #[error("no session bus can be reached: {0}")]
    NoBus(String),
    /// Nobody shows notifications there.
    #[error("nothing on the session bus shows notifications")]
    NoDesktop,
    /// Whoever does has no actions.
    #[error("{0} shows notifications without actions")]
    NoActions(String),
    /// It does not answer, or with an error.
    #[error("the desktop does not show the notification: {0}")]
    Failed(String),
    /// This build cannot.
    #[error("this build of brokerd has no desktop notifications")]
    NotBuilt,
}

/// Asks, calls `shown` once the question can be seen, and waits for what comes of it or until `withdraw` is cancelled.
#[cfg_attr(
    not(all(feature = "desktop", target_os = "linux")),
    allow(clippy::unused_async, reason = "as where it waits")
)]
pub async fn ask(
    question: &Question,
    shown: impl FnOnce() + Send,
    withdraw: &CancellationToken,
) -> Result<Answer, NotificationError> {
    #[cfg(all(feature = "desktop", target_os = "linux"))]
    return bus::ask(question, shown, withdraw).await;
    #[cfg(not(all(feature = "desktop", target_os = "linux")))]
    {
        let _ = (question, shown, withdraw);
        Err(NotificationError::NotBuilt)
    }
}

/// Tells something, for as long as the desktop shows such a thing.
#[cfg_attr(
    not(all(feature = "desktop", target_os = "linux")),
    allow(clippy::unused_async, reason = "as where it waits")
)]
pub async fn tell(notice: &Notice) -> Result<(), NotificationError> {
    #[cfg(all(feature = "desktop", target_os = "linux"))]
    return bus::tell(notice).await;
    #[cfg(not(all(feature = "desktop", target_os = "linux")))]
    {
        let _ = notice;
        Err(NotificationError::NotBuilt)
    }
}
