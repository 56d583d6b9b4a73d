//! Approvals as people give them, see them and take them back.

use std::sync::Arc;
use std::time::Duration;

use super::Broker;
use super::approvals::{About, Pending};
use super::control::Failure;
use super::gate::Shut;
use crate::core::allowed::AllowedProject;
use crate::core::approval::approver;
use crate::core::approval::guarded::Loosening;
use crate::core::approval::{Approval, Matter, Use, length};
use crate::core::audit::{AuditedApproval, AuditedCaller, Event, Record, Way};
use crate::core::caller::ProcessId;
use crate::core::catalog::{Approve, Protection};
use crate::core::decision::Decision;
use crate::core::mfa::MfaCode;
use crate::core::name::{App, Stage};
use crate::core::protocol::{ApprovalOverview, ApprovalQuestion, ApprovalStatus, ApprovalSubject, Approved};
use crate::core::refusal::Refusal;
use crate::edges::clock;

impl Broker {
    /// The approvals that hold, and what waits for one.
    pub(super) async fn approval_overview(&self) -> ApprovalOverview {
        let mut questions = self.edit_questions().await;
        for pending in self.approvals.all_pending().iter().filter(|pending| !pending.asked.is_empty()) {
            questions.extend(self.use_question(pending).await);
        }
        let given = self.approvals.given();
        ApprovalOverview {
            given: given.iter().map(ApprovalStatus::from).collect(),
            questions,
            now: clock::now(),
        }
    }

    /// What a process may be asked to approve: the uses that wait, and where application and stage are named, that of
    /// its own project and of the allowed ones too.
    pub(super) async fn approval_questions(
        &self,
        asker: ProcessId,
        app: Option<&App>,
        stage: Option<&Stage>,
        catalog: bool,
    ) -> Result<Vec<ApprovalQuestion>, Failure> {
        if catalog {
            return Ok(self.edit_questions().await);
        }
        if let (Some(app), Some(stage)) = (app, stage) {
            self.note_named(asker, app, stage).await?;
        }
        let mut questions = Vec::new();
        for pending in self.approvals.all_pending() {
            let is_meant = |of: &Use| {
                app.is_none_or(|app| of.app == *app) && stage.is_none_or(|stage| of.stage == *stage)
            };
            let is_shown = app.is_some() || !pending.asked.is_empty();
            if matches!(&pending.matter, Matter::Use(of) if is_shown && is_meant(of)) {
                questions.extend(self.use_question(&pending).await);
            }
        }
        Ok(questions)
    }

    /// Notes the uses that application and stage name, whether somebody waits for them or not. What cannot be approved
    /// since something else is in the way is an error that says so.
    async fn note_named(&self, asker: ProcessId, app: &App, stage: &Stage) -> Result<(), Failure> {
        let question = super::callers::Question { asked: Some(stage.clone()), ..Default::default() };
        let own = self.decide(asker, question).await.outcome;
        let allowed = self.permissions.current();
        let mut results = Vec::from_iter((own.app.as_ref() == Some(app)).then(|| own.result.clone()));
        let projects: Vec<&AllowedProject> = allowed.iter().filter(|project| project.app == *app).collect();
        for project in projects {
            results.push(self.plain_outcome(project, Some(stage)).await.0.result);
        }
        let (mut other, mut is_there) = (None, false);
        for result in results {
            match result {
                Ok(decision) => match self.open(&decision).await? {
                    Err(Shut { matter: matter @ Matter::Use(_), .. }) => {
                        self.approvals.note(&matter, About::Decision(decision), None);
                        is_there = true;
                    }
                    Err(shut) => other = Some(shut.refusal.into()),
                    Ok(Some(approval)) => {
                        let until = approval.until;
                        let hint = format!("brokerctl approvals revoke {app} {stage}");
                        other = Some(Failure::new(
                            format!("{} is approved until {until}", approval.of),
                            Some(hint),
                        ));
                    }
                    Ok(None) => {
                        let why =
                            format!("profile {} of {app}.{stage} is not protected", decision.profile.name);
                        other = Some(Failure::new(why, None));
                    }
                },
                Err(refusal) => other = Some(refusal.into()),
            }
        }
        if is_there {
            return Ok(());
        }
        Err(other.unwrap_or_else(|| {
            Failure::new(
                format!("no allowed project has application {app}"),
                Some("brokerctl allow PATH".to_owned()),
            )
        }))
    }

    /// A use that waits, unless it need not any more.
    async fn use_question(&self, pending: &Pending) -> Option<ApprovalQuestion> {
        let (Matter::Use(of), Some(decision)) = (&pending.matter, &pending.decision) else { return None };
        let (protection, _) = self.asked_protection(decision).await.ok()?;
        Some(ApprovalQuestion {
            id: pending.matter.id(),
            approve: protection.approve,
            account: of.role.account().to_owned(),
            subject: ApprovalSubject::Use {
                of: of.clone(),
                fallback: decision.fallback.clone(),
                seconds: protection.length.as_secs(),
                session_seconds: decision.access_role.duration.as_secs(),
            },
            waiting: waiting(Some(pending)),
            trouble: pending.desktop.trouble(),
        })
    }

    /// The protection that a use would have to be approved under, if it still has to be.
    async fn asked_protection(&self, decision: &Decision) -> Result<(Protection, Use), Refusal> {
        let catalog = self.known_catalog().await?;
        if let Some(why) = decision.ended(Ok(&catalog), &self.permissions.current()) {
            return Err(Refusal::Ended { why });
        }
        match self.open(decision).await? {
            Err(Shut { matter: Matter::Use(of), .. }) => {
                let profile = catalog.profiles.get(&decision.profile.name);
                let protection = profile.and_then(|profile| profile.protection);
                Ok((protection.unwrap_or_default(), of))
            }
            Err(shut) => Err(shut.refusal),
            Ok(_) => Err(Refusal::Ended { why: "it needs no approval any more".to_owned() }),
        }
    }

    /// What edits of the catalog wait with.
    async fn edit_questions(&self) -> Vec<ApprovalQuestion> {
        let Ok(catalog) = self.catalogs.current().await else { return Vec::new() };
        let loosenings = self.approvals.guarded(&catalog).await.loosenings(&catalog);
        let question = |loosening: Loosening| {
            let matter = Matter::Loosening { profile: loosening.profile.clone(), digest: loosening.digest() };
            let pending = self.approvals.pending(&matter.id());
            if pending.is_none() {
                self.approvals.note(&matter, About::Edit(loosening.what.clone()), None);
            }
            ApprovalQuestion {
                id: matter.id(),
                approve: loosening.method(),
                trouble: pending.as_ref().and_then(|pending| pending.desktop.trouble()),
                waiting: waiting(pending.as_ref()),
                account: loosening.account,
                subject: ApprovalSubject::Catalog { profile: loosening.profile, what: loosening.what },
            }
        };
        loosenings.into_iter().map(question).collect()
    }

    /// Approves what the person at the asker's terminal saw and typed the digits for, or has AWS judge the code that a
    /// person gave.
    pub(super) async fn approve(
        self: &Arc<Self>,
        asker: ProcessId,
        id: &str,
        digits: &str,
        code: Option<MfaCode>,
        wanted: Option<Duration>,
    ) -> Result<Approved, Failure> {
        let gone = || {
            Failure::new(
                "what was to be approved is another by now, or over",
                Some("brokerctl approve".to_owned()),
            )
        };
        let pending = self.approvals.pending(id).ok_or_else(gone)?;
        let (method, account) = self.method_of(&pending).await?;
        if method == Approve::Mfa {
            return self.approve_by_code(asker, &pending, code, wanted).await;
        }
        if method != Approve::Terminal {
            let trouble = self.approvals.ask_desktop(&pending.matter, true).await;
            return Err(asked_elsewhere(method, trouble));
        }
        let observer = self.observer.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let caller = observer.describe(asker).ok().map(|caller| Arc::new(AuditedCaller::from(&caller)));
            (observer.approver(asker), caller)
        });
        let (Some(approver), Some(by)) = looked.await.unwrap_or_default() else {
            return Err(Failure::new("the process that would approve cannot be looked at", None));
        };
        // Whoever asked while this was typed waits too.
        let waiting = self.approvals.pending(id).ok_or_else(gone)?.waiting();
        if let Err(unfit) = approver::check(&approver, &waiting) {
            tracing::warn!(%by, %unfit, "an approval was refused");
            return Err(Failure::for_person(unfit.to_string(), unfit.hint()));
        }
        if let Err(wrong) = self.approvals.check(digits, &account) {
            tracing::warn!(%by, %wrong, "an approval was refused");
            return Err(Failure::for_person(wrong.to_string(), "brokerctl approve"));
        }
        self.carry_approval(&pending, Approve::Terminal, Some(by), wanted).await
    }

    /// Has AWS decide: the code goes into the call for the session itself, and only a session that was made so is handed
    /// out. Who gives the code does not matter.
    async fn approve_by_code(
        self: &Arc<Self>,
        asker: ProcessId,
        pending: &Pending,
        code: Option<MfaCode>,
        wanted: Option<Duration>,
    ) -> Result<Approved, Failure> {
        let decision = pending.decision.as_ref();
        let decision = decision.ok_or_else(|| Failure::new("it is not known what was decided", None))?;
        let code = code.ok_or_else(|| {
            Failure::for_person("this is approved by a code of an MFA device".to_owned(), "brokerctl approve")
        })?;
        let (protection, _) = self.asked_protection(decision).await?;
        // What is wrong with the time is said before the code is used up.
        length(wanted, protection).map_err(|why| Failure::new(why, Some("leave out --for".to_owned())))?;
        if let Some(refusal) = decision.withheld(&clock::local_now()) {
            return Err(refusal.into());
        }
        self.mint_with_code(decision, code).await.map_err(Refusal::from)?;
        let observer = self.observer.clone();
        let by = tokio::task::spawn_blocking(move || observer.describe(asker).ok()).await.ok().flatten();
        let by = by.map(|caller| Arc::new(AuditedCaller::from(&caller)));
        self.carry_approval(pending, Approve::Mfa, by, wanted).await
    }

    /// How something is approved, and the account that it is about; the failure says why it cannot be any more.
    async fn method_of(&self, pending: &Pending) -> Result<(Approve, String), Failure> {
        match (&pending.matter, &pending.decision) {
            (Matter::Use(_), Some(decision)) => {
                let (protection, of) = self.asked_protection(decision).await?;
                Ok((protection.approve, of.role.account().to_owned()))
            }
            (Matter::Use(_), None) => Err(Failure::new("it is not known what was decided", None)),
            (Matter::Loosening { profile, digest }, _) => {
                let catalog = self.known_catalog().await?;
                let loosenings = self.approvals.guarded(&catalog).await.loosenings(&catalog);
                let same = |known: &&Loosening| known.profile == *profile && known.digest() == *digest;
                let found = loosenings.iter().find(same).ok_or_else(|| {
                    Failure::new(
                        "the catalog is another than the one that was shown",
                        Some("brokerctl approve --catalog".to_owned()),
                    )
                })?;
                Ok((found.method(), found.account.clone()))
            }
        }
    }

    /// Carries out what a person approved, and writes it down.
    pub(super) async fn carry_approval(
        self: &Arc<Self>,
        pending: &Pending,
        approve: Approve,
        by: Option<Arc<AuditedCaller>>,
        asked: Option<Duration>,
    ) -> Result<Approved, Failure> {
        let now = clock::now();
        let way = if approve == Approve::Desktop { Way::Desktop } else { Way::Terminal };
        match (&pending.matter, &pending.decision) {
            (Matter::Loosening { profile, digest }, _) => {
                let catalog = self.known_catalog().await?;
                let loosenings = self.approvals.guarded(&catalog).await.loosenings(&catalog);
                let same = |known: &Loosening| known.profile == *profile && known.digest() == *digest;
                // What was shown must be all that it takes away now.
                let what = loosenings.into_iter().find(same).map(|found| found.what);
                let what = what.ok_or_else(|| {
                    Failure::new(
                        "the catalog is another than the one that was shown",
                        Some("brokerctl approve --catalog".to_owned()),
                    )
                })?;
                self.approvals.settle(&catalog, Some(profile.clone())).await.1?;
                self.approvals.settle_matter(&pending.matter);
                tracing::info!(%profile, what = what.join("; "), "an edit of the catalog was approved");
                let audited = AuditedApproval { what: what.clone(), ..AuditedApproval::default() };
                self.audit.write(Record::approval(
                    now,
                    Event::Approval,
                    way,
                    by,
                    profile.clone(),
                    None,
                    audited,
                ));
                Ok(Approved { given: None, what, now })
            }
            (Matter::Use(_), Some(decision)) => {
                let (protection, of) = self.asked_protection(decision).await?;
                let length = length(asked, protection)
                    .map_err(|why| Failure::new(why, Some("leave out --for".to_owned())))?;
                let approval = Approval {
                    of,
                    approve,
                    by: by.clone(),
                    since: now,
                    until: now.after(length),
                    ends: clock::boot_now().after(length),
                    session: decision.access_role.duration,
                };
                tracing::info!(of = %approval.of, until = %approval.until, "approved {approve}");
                let status = ApprovalStatus::from(&approval);
                self.write_approval(Event::Approval, way, by, &approval);
                self.approvals.give(approval);
                self.end_after(length);
                Ok(Approved { given: Some(status), what: Vec::new(), now })
            }
            (Matter::Use(_), None) => Err(Failure::new("it is not known what was decided", None)),
        }
    }

    fn write_approval(&self, event: Event, way: Way, by: Option<Arc<AuditedCaller>>, approval: &Approval) {
        let audited = AuditedApproval { until: Some(approval.until), ..AuditedApproval::default() };
        let (profile, of) = (approval.of.profile.clone(), Some(&approval.of));
        self.audit.write(Record::approval(clock::now(), event, way, by, profile, of, audited));
    }

    /// Drops the sessions of an approval when that is over. Until it has come to that, the gate sees it.
    fn end_after(self: &Arc<Self>, length: Duration) {
        let broker = self.clone();
        tokio::spawn(async move {
            // The gate counts in milliseconds; the timer may be a little early.
            tokio::time::sleep(length + Duration::from_millis(10)).await;
            if let Ok(catalog) = broker.known_catalog().await {
                let guarded = broker.approvals.guarded(&catalog).await;
                broker.drop_unapproved(&catalog, &guarded);
            }
        });
    }

    /// Takes approvals back. What running processes and tokens were given under them has ended.
    pub(super) async fn revoke_approvals(
        &self,
        by: Option<ProcessId>,
        which: impl Fn(&Use) -> bool,
    ) -> Result<Vec<ApprovalStatus>, Failure> {
        let revoked = self.approvals.revoke(which);
        if revoked.is_empty() {
            return Ok(Vec::new());
        }
        let caller = match by {
            Some(process) => {
                let observer = self.observer.clone();
                let described = tokio::task::spawn_blocking(move || observer.describe(process).ok()).await;
                described.ok().flatten().map(|caller| Arc::new(AuditedCaller::from(&caller)))
            }
            None => None,
        };
        for approval in &revoked {
            tracing::info!(of = %approval.of, "an approval was taken back");
            self.write_approval(Event::Revocation, Way::Terminal, caller.clone(), approval);
        }
        let why = "its approval was taken back";
        let is_revoked = |of: &Use| revoked.iter().any(|approval| approval.of == *of);
        self.callers.end(|decision| is_revoked(&decision.into()), why);
        let catalog = self.known_catalog().await?;
        let guarded = self.approvals.guarded(&catalog).await;
        self.drop_unapproved(&catalog, &guarded);
        let of_token = |config: &_, app: &_, stage: &_| {
            revoked.iter().any(|approval| {
                let Use { config: own, app: own_app, stage: own_stage, .. } = &approval.of;
                (own, own_app, own_stage) == (config, app, stage)
            })
        };
        self.tokens.end(|token| of_token(&token.config, &token.app, &token.stage), why).await;
        Ok(revoked.iter().map(ApprovalStatus::from).collect())
    }
}

fn waiting(pending: Option<&Pending>) -> Vec<AuditedCaller> {
    pending.into_iter().flat_map(|pending| &pending.asked).map(|asked| (*asked.caller).clone()).collect()
}

/// That something is approved by another method than at a terminal.
fn asked_elsewhere(method: Approve, trouble: Option<String>) -> Failure {
    match trouble {
        None => Failure::for_person(
            format!("this is approved {method}: a notification asks now"),
            "approve it in the notification",
        ),
        Some(why) => Failure::for_person(
            format!("this is approved {method}, which cannot be asked: {why}"),
            "log in to a desktop that shows notifications",
        ),
    }
}
