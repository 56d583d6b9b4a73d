//! Notifications that ask for nothing but attention: who waits for a login or a code, and what was blocked. Where there is
//! no desktop nothing happens: whoever was refused was told the same.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Broker;
use super::callers::Asking;
use crate::core::catalog::Approve;
use crate::core::decision::Decision;
use crate::core::issue::IssueError;
use crate::core::name::{App, Stage};
use crate::core::notice::{GATHERING, Kind, Notice, Notices as Pace, Turn};
use crate::core::refusal::Refusal;
use crate::edges::clock;
use crate::edges::notification;

/// What was told, and what waits to be.
#[derive(Debug, Clone, Default)]
pub(super) struct Notices(Arc<Mutex<Pace>>);

impl Notices {
    fn lock(&self) -> MutexGuard<'_, Pace> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells it now, later together with others of its kind, or not again.
    fn tell(&self, kind: Kind, subject: &str, notice: Notice) {
        let turn = self.lock().offer(kind, subject, notice, clock::boot_now());
        match turn {
            Turn::Now(notice) => drop(tokio::spawn(show(notice))),
            Turn::Gather => {
                let notices = self.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(GATHERING).await;
                    let gathered = notices.lock().gathered(kind, clock::boot_now());
                    if let Some(notice) = gathered {
                        show(notice).await;
                    }
                });
            }
            Turn::Gathered | Turn::Told => {}
        }
    }
}

async fn show(notice: Notice) {
    if let Err(error) = notification::tell(&notice).await {
        tracing::debug!(%error, summary = notice.summary, "nobody is told");
    }
}

impl Broker {
    /// Shows who waits, where what was decided is refused for want of a login or a code.
    pub(super) fn notify_waiting(&self, asking: &Asking, decision: &Decision, refusal: &Refusal) {
        let Some(caller) = &asking.caller else { return };
        let Some((kind, what)) = wanted(refusal) else { return };
        let Decision { app, stage, access_role, .. } = decision;
        let hint = refusal.hint().unwrap_or_default();
        let notice = Notice {
            summary: format!("{app}.{stage} waits for {what}"),
            body: format!("{caller}\nrole {}\n{hint}", access_role.role_arn),
        };
        self.notices.tell(kind, &what, notice);
    }

    /// Shows that safeguards blocked a deployment of this stage: `failed` names them, as the report does.
    pub fn notify_blocked(&self, app: &App, stage: &Stage, failed: &[String]) {
        self.notices.tell(Kind::Blocked, &format!("{app}.{stage}"), blocked(app, stage, failed));
    }
}

/// What a person has to give, if that is why.
fn wanted(refusal: &Refusal) -> Option<(Kind, String)> {
    Some(match refusal {
        Refusal::Issue { why: IssueError::NeedsMfa { serial, .. } } => {
            (Kind::Code, format!("a code of {serial}"))
        }
        Refusal::NeedsApproval { approve: Approve::Mfa, profile, .. } => {
            (Kind::Code, format!("an MFA code for profile {profile}"))
        }
        Refusal::Issue {
            why:
                IssueError::NeedsLogin { source_name, .. }
                | IssueError::BaseCredentialsExpired { source_name, .. },
        } => (Kind::Login, format!("a login to {source_name}")),
        _ => return None,
    })
}

fn blocked(app: &App, stage: &Stage, failed: &[String]) -> Notice {
    let mut body = failed.join("\n");
    if !body.is_empty() {
        body.push('\n');
    }
    body += "brokerctl check says why";
    Notice { summary: format!("A deployment of {app}.{stage} was blocked by safeguards"), body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_is_over_is_asked_for_by_its_source_and_other_refusals_by_nobody() {
        let expired = |source: &str| Refusal::Issue {
            why: IssueError::BaseCredentialsExpired {
                source_name: source.into(),
                why: "ExpiredToken".into(),
            },
        };
        let login = Refusal::Issue {
            why: IssueError::NeedsLogin {
                source_name: "profile work".into(),
                why: "it ended".into(),
                login: "brokerctl login work".into(),
            },
        };
        let to_work = Some((Kind::Login, "a login to profile work".to_owned()));
        assert_eq!([wanted(&login), wanted(&expired("profile work"))], [to_work.clone(), to_work]);
        let network = Refusal::Issue { why: IssueError::Network { why: "x".into() } };
        assert_eq!(wanted(&network), None);
    }

    #[test]
    fn what_was_blocked_says_by_what() {
        let (app, stage) = (App::parse("shop").unwrap(), Stage::parse("prod").unwrap());
        let notice = blocked(&app, &stage, &["allowed-regions".into(), "require-dlq".into()]);
        assert_eq!(notice.summary, "A deployment of shop.prod was blocked by safeguards");
        assert_eq!(notice.body, "allowed-regions\nrequire-dlq\nbrokerctl check says why");
    }
}
