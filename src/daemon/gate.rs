//! The gate before everything that is handed out: what is protected needs a person's yes, and what an edit of the catalog
//! loosened too.

use std::sync::Arc;

use super::Broker;
use super::approvals::About;
use super::callers::Asking;
use super::report::explain;
use crate::core::approval::guarded::{Guarded, Loosening};
use crate::core::approval::{Approval, Matter, Use};
use crate::core::catalog::{AccessRole, Approve, Catalog};
use crate::core::decision::{Decision, Reason};
use crate::core::protocol::{Explanation, Verdict};
use crate::core::refusal::Refusal;

/// Why a decision is not carried out now, and what would change that.
pub(super) struct Shut {
    pub(super) matter: Matter,
    approve: Approve,
    pub(super) refusal: Refusal,
}

impl Broker {
    /// Whether what was decided may be carried out now: under which approval, if it needs one. Everything that asks STS
    /// or hands something out comes through here.
    pub(super) async fn gate(&self, decision: &Decision) -> Result<Option<Approval>, Refusal> {
        self.open(decision).await?.map_err(|shut| shut.refusal)
    }

    pub(super) async fn open(&self, decision: &Decision) -> Result<Result<Option<Approval>, Shut>, Refusal> {
        let catalog = self.known_catalog().await?;
        // The profile as it is now, whatever it was when this was decided.
        let Some(profile) = catalog.profiles.get(&decision.profile.name) else {
            let why = format!("the catalog has no profile {} any more", decision.profile.name);
            return Err(Refusal::Ended { why });
        };
        if let Some(refusal) = self.unchecked(decision, profile.deploy).await {
            return Err(refusal);
        }
        let guarded = self.approvals.guarded(&catalog).await;
        let (app, stage) = (&decision.app, &decision.stage);
        if let Some(loosening) = guarded.loosened(app, stage, profile) {
            // What a person approves is all that the edits take from the profile, not only what this stage is about.
            let all = guarded.loosenings(&catalog);
            let whole = all.into_iter().find(|whole| whole.profile == loosening.profile);
            return Ok(Err(self.shut_by_edit(&whole.unwrap_or(loosening))));
        }
        let Some(protection) = profile.protection else { return Ok(Ok(None)) };
        let of = Use::from(decision);
        // Where AWS decides, only a session counts that the code went into; it is not renewed without another.
        let is_decided = protection.approve != Approve::Mfa || self.is_made_with_code(decision);
        if let Some(approval) = self.approvals.find(&of, protection).filter(|_| is_decided) {
            return Ok(Ok(Some(approval)));
        }
        let matter = Matter::Use(of);
        let refusal = Refusal::NeedsApproval {
            app: app.clone(),
            stage: stage.clone(),
            profile: profile.name.clone(),
            approve: protection.approve,
            fallback: decision.fallback.clone(),
            trouble: self.trouble_of(&matter),
        };
        Ok(Err(Shut { matter, approve: protection.approve, refusal }))
    }

    fn shut_by_edit(&self, loosening: &Loosening) -> Shut {
        let matter = Matter::Loosening { profile: loosening.profile.clone(), digest: loosening.digest() };
        let approve = loosening.method();
        let refusal = Refusal::Loosened {
            profile: loosening.profile.clone(),
            approve,
            what: loosening.what.clone(),
            trouble: self.trouble_of(&matter),
        };
        Shut { matter, approve, refusal }
    }

    fn trouble_of(&self, matter: &Matter) -> Option<String> {
        self.approvals.pending(&matter.id()).and_then(|pending| pending.desktop.trouble())
    }

    /// The same for a process that asks: where it is refused for want of an approval, it waits for one from then on.
    pub(super) async fn permit(&self, asking: &Asking, decision: &Arc<Decision>) -> Result<(), Refusal> {
        let Err(shut) = self.open(decision).await? else { return Ok(()) };
        let asked = match &asking.caller {
            Some(caller) => {
                let (observer, process) = (self.observer.clone(), caller.process);
                let lineage = tokio::task::spawn_blocking(move || observer.lineage(process)).await.ok();
                lineage.map(|lineage| (caller.clone(), lineage))
            }
            None => None,
        };
        let about = match &shut.refusal {
            Refusal::Loosened { what, .. } => About::Edit(what.clone()),
            _ => About::Decision(decision.clone()),
        };
        self.approvals.note(&shut.matter, about, asked);
        let mut refusal = shut.refusal;
        if shut.approve == Approve::Desktop {
            let now = self.approvals.ask_desktop(&shut.matter, false).await;
            if let Refusal::NeedsApproval { trouble, .. } | Refusal::Loosened { trouble, .. } = &mut refusal {
                *trouble = now;
            }
        }
        Err(refusal)
    }

    /// A decision in words, with what the gate says of it.
    pub(super) async fn explain(&self, asking: &Asking) -> Explanation {
        let mut explanation = explain(asking);
        if let Ok(decision) = &asking.outcome.result {
            explanation.reasons.extend(self.evaluation(decision).await);
            match self.gate(decision).await {
                Ok(None) => {}
                Ok(Some(approval)) => {
                    let text = format!("it is approved {} until {}", approval.approve, approval.until);
                    explanation.reasons.push(Reason { topic: "approval".to_owned(), text });
                }
                Err(refusal) => {
                    let (message, hint) = (refusal.to_string(), refusal.hint());
                    explanation.verdict = Verdict::Refused { refusal, message, hint };
                }
            }
        }
        explanation
    }

    /// What becomes of the safeguards of a deployment, in words.
    async fn evaluation(&self, decision: &Decision) -> Option<Reason> {
        let count = decision.profile.safeguards.len();
        let cli = decision.deployment.filter(|_| count > 0)?;
        let text = if self.is_evaluated(decision, cli).await {
            format!("{} evaluated before pid {} deploys", counted(count), cli.pid)
        } else {
            let why = match self.hellos.report(cli) {
                Some(report) => format!("the plugin evaluates none for {} of", report.shown_command()),
                None => "no plugin in".to_owned(),
            };
            format!("{} not evaluated: {why} pid {}", counted(count), cli.pid)
        };
        Some(Reason { topic: "safeguards".to_owned(), text })
    }

    pub(super) async fn known_catalog(&self) -> Result<Arc<Catalog>, Refusal> {
        let known = match self.catalogs.known() {
            Ok(catalog) => Ok(catalog),
            Err(_) => self.catalogs.current().await,
        };
        known.map_err(|why| Refusal::NoCatalog { why })
    }

    /// Takes over what the catalog in force makes stricter, and drops the sessions that nobody approves any more.
    pub(super) async fn review_approvals(&self, catalog: &Arc<Catalog>) {
        let guarded = self.approvals.guarded(catalog).await;
        self.drop_unapproved(catalog, &guarded);
    }

    /// Drops the sessions that nobody approves any more. An edit that waits for its approval does not set any free.
    pub(super) fn drop_unapproved(&self, catalog: &Catalog, guarded: &Guarded) {
        self.sessions.retain_those(|request, decision| {
            let Some(decision) = decision else { return is_free(catalog, guarded, &request.access_role) };
            let profile = catalog.profiles.get(&decision.profile.name);
            let protection = profile.and_then(|profile| profile.protection);
            match protection {
                Some(protection) => self.approvals.find(&decision.into(), protection).is_some(),
                None => is_free(catalog, guarded, &request.access_role),
            }
        });
    }
}

/// Whether nothing protects what assumes this role, as the catalog is or as it was before edits that nobody approved.
pub(super) fn is_free(catalog: &Catalog, guarded: &Guarded, role: &AccessRole) -> bool {
    catalog.protection_of(role).is_none() && !guarded.has_role(&role.role_arn)
}

fn counted(count: usize) -> String {
    format!("{count} safeguard{}", if count == 1 { "" } else { "s" })
}
