//! What is known of one session: itself, the call for it that is under way, and how earlier ones failed.

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{Outcome, Session};
use crate::core::catalog::Approve;
use crate::core::decision::Decision;
use crate::core::issue::IssueError;
use crate::core::moment::Timestamp;
use crate::core::session::SessionRequest;

/// A call to STS that is under way.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    /// Where its outcome comes out, for all who wait.
    pub(super) outcome: watch::Receiver<Option<Outcome>>,
    /// Notified when somebody waits for it.
    pub(super) hurry: Arc<Notify>,
}

/// How the calls for a session have failed since the last one that did not.
#[derive(Debug, Clone)]
pub(super) struct Failing {
    pub(super) error: IssueError,
    /// Until when it is remembered: STS is not asked before.
    pub(super) until: Instant,
    pub(super) since: Timestamp,
    pub(super) times: u32,
}

/// What is known of one session.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) session: Option<Arc<Session>>,
    /// Whether the session was made with a code of an MFA device that went into the call for it.
    pub(super) is_made_with_code: bool,
    pub(super) failing: Option<Failing>,
    pub(super) flight: Option<Flight>,
    pub(super) last_used: Option<Timestamp>,
    /// The decision that it was last asked for with, so that `status` can name it.
    pub(super) decision: Option<Arc<Decision>>,
    /// The task that renews or forgets it.
    pub(super) renewal: Option<AbortHandle>,
}

impl Slot {
    /// The last error, as long as it is remembered.
    pub(super) fn remembered(&self) -> Option<IssueError> {
        let failing = self.failing.as_ref().filter(|failing| Instant::now() < failing.until);
        failing.map(|failing| failing.error.clone())
    }

    /// Whether a code went into the session that there is, or has to: then none is asked for without one in its place.
    pub(super) fn is_only_by_code(&self) -> bool {
        (self.session.is_some() && self.is_made_with_code) || self.is_approved_by_code()
    }

    /// Whether AWS has to judge a code for each session.
    pub(super) fn is_approved_by_code(&self) -> bool {
        let protection = self.decision.as_ref().and_then(|decision| decision.profile.protection);
        protection.is_some_and(|protection| protection.approve == Approve::Mfa)
    }

    pub(super) fn tend(&mut self, task: AbortHandle) {
        if let Some(earlier) = self.renewal.replace(task) {
            earlier.abort();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(renewal) = self.renewal.take() {
            renewal.abort();
        }
    }
}

/// That a session comes only of a code that a person gives.
pub(super) fn needs_code(request: &SessionRequest) -> IssueError {
    let serial = request.access_role.mfa_serial.as_ref();
    IssueError::NeedsMfa {
        serial: serial.map_or_else(|| "the device".to_owned(), ToString::to_string),
        why: "the profile is approved by a code for each session".to_owned(),
    }
}
