//! Notifications that say who waits for a code of an MFA device.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Broker;
use super::callers::Asking;
use crate::core::catalog::Approve;
use crate::core::decision::Decision;
use crate::core::issue::IssueError;
use crate::core::moment::BootTime;
use crate::core::refusal::Refusal;
use crate::edges::clock;
use crate::edges::notification::{self, Notice};

/// The same code is not asked for again in so long, however many processes wait for it.
const QUIET: Duration = Duration::from_mins(5);

/// When which code was last asked for.
#[derive(Debug, Default)]
pub(super) struct CodeNotices(Mutex<HashMap<String, BootTime>>);

impl CodeNotices {
    /// Whether to ask for a code now; if so it counts as asked for.
    fn is_due(&self, what: &str, now: BootTime) -> bool {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.retain(|_, last| last.after(QUIET) > now);
        !asked.contains_key(what) && asked.insert(what.to_owned(), now).is_none()
    }
}

impl Broker {
    /// Shows who waits, where what was decided is refused for want of a code. Where there is no desktop nothing happens:
    /// the refusal says the same.
    pub(super) fn notice_code(&self, asking: &Asking, decision: &Decision, refusal: &Refusal) {
        let what = match refusal {
            Refusal::Issue { why: IssueError::NeedsMfa { serial, .. } } => format!("a code of {serial}"),
            Refusal::NeedsApproval { approve: Approve::Mfa, profile, .. } => {
                format!("an MFA code for profile {profile}")
            }
            _ => return,
        };
        let (Some(caller), true) = (&asking.caller, self.code_notices.is_due(&what, clock::boot_now()))
        else {
            return;
        };
        let hint = refusal.hint().unwrap_or_default();
        let notice = Notice {
            summary: format!("{}.{} waits for {what}", decision.app, decision.stage),
            body: format!("{caller}\nrole {}\n{hint}", decision.access_role.role_arn),
        };
        tokio::spawn(async move {
            if let Err(error) = notification::tell(&notice).await {
                tracing::debug!(%error, "nobody is told that a code is wanted");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_code_is_asked_for_once_in_a_while() {
        let (notices, now) = (CodeNotices::default(), clock::boot_now());
        assert!(notices.is_due("one", now) && !notices.is_due("one", now));
        assert!(notices.is_due("another", now));
        assert!(!notices.is_due("one", now.after(QUIET / 2)));
        assert!(notices.is_due("one", now.after(QUIET)));
    }
}
