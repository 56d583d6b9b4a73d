//! Approvals by a notification: one for each matter that waits, however many processes ask.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Broker;
use super::approvals::{Desktop, Pending};
use crate::core::approval::Matter;
use crate::core::catalog::Approve;
use crate::core::duration::format_duration;
use crate::edges::clock;
use crate::edges::notification::{self, Answer, Question};

impl Broker {
    /// Shows a notification for each matter that is to be asked about, until `stop` is cancelled. Each is taken back when
    /// what it asks for is over.
    pub(super) async fn ask_by_notifications(self: Arc<Self>, stop: CancellationToken) {
        let Some(mut matters) = self.approvals.for_desktop() else { return };
        let shown = TaskTracker::new();
        while let Some(Some(id)) = stop.run_until_cancelled(matters.recv()).await {
            shown.spawn(self.clone().ask_by_notification(id, stop.clone()));
        }
        shown.close();
        shown.wait().await;
    }

    async fn ask_by_notification(self: Arc<Self>, id: String, stop: CancellationToken) {
        let Some(pending) = self.approvals.pending(&id) else { return };
        let withdraw = stop.child_token();
        let (question, is_shown) = (question(&pending), || self.approvals.set_desktop(&id, Desktop::Shown));
        let asking = notification::ask(&question, is_shown, &withdraw);
        tokio::pin!(asking);
        let answer = tokio::select! {
            answer = &mut asking => answer,
            () = self.approvals.ended(&id) => {
                withdraw.cancel();
                asking.await
            }
        };
        match answer {
            Ok(Answer::Taken) => {
                // What it is about may have changed since it was shown; then nothing is approved.
                if let Err(failure) = self.carry_approval(&pending, Approve::Desktop, None, None).await {
                    tracing::warn!(%id, why = %failure, "an approval came to nothing");
                    self.approvals.settle_matter(&pending.matter);
                }
            }
            Ok(Answer::SentAway) => self.approvals.set_desktop(&id, Desktop::SentAway(clock::boot_now())),
            Ok(Answer::Gone) => self.approvals.set_desktop(&id, Desktop::NotAsked),
            Ok(Answer::Withdrawn) => {}
            Err(error) => {
                tracing::warn!(%error, "the desktop cannot be asked for an approval");
                self.approvals.set_desktop(&id, Desktop::Failed(error.to_string(), clock::boot_now()));
            }
        }
    }
}

/// What the notification says: who waits, started by whom, where, for which role of which account, for how long.
fn question(pending: &Pending) -> Question {
    let mut lines = Vec::new();
    if let Some(asked) = pending.asked.first() {
        lines.push(asked.caller.to_string());
        let parents: Vec<String> = asked.caller.parents.iter().map(ToString::to_string).collect();
        if !parents.is_empty() {
            lines.push(format!("started by {}", parents.join(", ")));
        }
    }
    let summary = match (&pending.matter, &pending.decision) {
        (Matter::Use(of), Some(decision)) => {
            lines.extend(decision.fallback.clone());
            lines.push(format!("project {}", of.config.display()));
            lines.push(format!("role {}", of.role));
            let (length, session) = (decision.profile.protection, decision.access_role.duration);
            if let Some(protection) = length {
                lines.push(format!(
                    "for {}; what is handed out meanwhile can be used for up to {} after that",
                    format_duration(protection.length),
                    format_duration(session)
                ));
            }
            format!("{}.{}: use profile {} in account {}?", of.app, of.stage, of.profile, of.role.account())
        }
        (Matter::Use(of), None) => format!("{}.{}: use profile {}?", of.app, of.stage, of.profile),
        (Matter::Loosening { profile, .. }, _) => {
            lines.extend(pending.what.clone());
            format!("The catalog loosens what protects profile {profile}: let it?")
        }
    };
    Question { summary, body: lines.join("\n"), action: "Approve".to_owned() }
}
