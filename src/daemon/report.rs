//! What the daemon tells people about itself.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::core::allowed::AllowedProject;
use crate::core::caller::ProcessId;
use crate::core::decision::{Decision, Inquiry, Outcome, Project, decide};
use crate::core::duration::format_duration;
use crate::core::fault::Fault;
use crate::core::issue::IssueError;
use crate::core::name::Stage;
use crate::core::protocol::{CatalogStatus, Explanation, ImdsV1, Narrowed, ProjectStatus, Status, Verdict};
use crate::core::refusal::Refusal;
use crate::core::serverless::Inputs;
use crate::core::serverless::inclusion::is_program;
use crate::core::stage::Cli;
use crate::edges::{clock, harden, project_file, repository, trust};

use super::Broker;
use super::callers::{Asking, Question};
use super::gathering::NOW;
use super::run::Surface;

/// So long whoever asks for the state waits for a search that only that brings about.
const SEARCH: Duration = Duration::from_secs(2);

impl Broker {
    /// The state of everything, for a process that asks.
    pub(super) async fn status(&self, asker: Option<ProcessId>, surface: &Surface) -> Status {
        self.permissions.refresh().await;
        let catalog = self.catalogs.current().await;
        let mut projects = Vec::new();
        for project in self.permissions.current().iter() {
            projects.extend(self.project(project).await);
        }
        if self.discovery.is_on_demand() {
            // One that takes longer shows how far it is.
            let _ = tokio::time::timeout(SEARCH, self.discovery.search()).await;
        }
        let (search, found) = self.discovery.status(self.permissions.current()).await;
        let here = match asker {
            Some(process) => Some(self.explain(&self.decide(process, Question::default()).await).await),
            None => None,
        };
        let locked = *self.lock_now();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: self.started,
            now: clock::now(),
            endpoints: surface.endpoints(),
            sockets: surface.sockets(),
            imds_v1: ImdsV1 {
                enabled: self.config.imds_v1,
                requests: self.tokenless.requests(),
                clients: self.tokenless.clients(),
            },
            hardening: harden::measures(),
            catalog: CatalogStatus {
                path: self.catalogs.path().to_owned(),
                profiles: catalog.as_ref().map_or(0, |catalog| catalog.profiles.len()),
                applications: catalog.as_ref().map_or(0, |catalog| catalog.applications.len()),
                faults: self.catalogs.faults(),
            },
            keychain: self.keeper.status().await,
            logins: self.login_status(),
            locked,
            clock_ahead: self.sessions.clock().ahead(),
            projects,
            search,
            found,
            pins: self.pins_of(asker),
            approvals: Some(Box::new(self.approval_overview().await)),
            here,
            sts_calls: self.sessions.calls(),
            issues: self.issued(),
            refusals: self.refused(),
            audit_lost: self.audit.lost(),
            troubles: surface
                .troubles()
                .into_iter()
                .chain(surface.other_addresses(&self.config.listen))
                .chain(self.discovery.faults())
                .chain(self.permissions.fault())
                .chain(self.callers.trouble())
                .chain(self.approvals.trouble())
                .collect(),
        }
    }

    /// A project as a plain process in it would find it, and each further stage of it that is in use.
    async fn project(&self, project: &AllowedProject) -> Vec<ProjectStatus> {
        let (outcome, stale) = self.plain_outcome(project, None).await;
        let mut shown: HashSet<_> = outcome.result.iter().map(|decision| decision.role_name()).collect();
        let mut rows = vec![self.row(project, &outcome).await];
        rows[0].notes.extend(stale.map(|fault| format!("its last good reading counts: {fault}")));
        let (catalog, allowed) = (self.catalogs.current().await, self.permissions.current());
        let catalog = catalog.as_deref().map_err(String::as_str);
        for decision in self.sessions.decisions(&project.config) {
            if decision.ended(catalog, &allowed).is_none() && shown.insert(decision.role_name()) {
                let outcome = Outcome {
                    app: Some(decision.app.clone()),
                    stage: Some(decision.stage.clone()),
                    result: Ok(decision),
                    reasons: Vec::new(),
                };
                rows.push(self.row(project, &outcome).await);
            }
        }
        rows
    }

    /// What a process would get in a project that has nothing to do with its stage: no variable, no CLI; or that asks
    /// for one by name.
    pub(super) async fn plain_outcome(
        &self,
        project: &AllowedProject,
        asked: Option<&Stage>,
    ) -> (Outcome, Option<Fault>) {
        let refused =
            |refusal| (Outcome { app: Some(project.app.clone()), ..Outcome::refused(refusal) }, None);
        let Some(file) = project_file::at(&project.config) else {
            return refused(Refusal::ConfigurationMissing { config: project.config.clone() });
        };
        if let Err(refusal) = trust::check(file.real()) {
            return refused(refusal);
        }
        let reading = self.projects.read(&file, &Inputs::default()).await;
        let place = repository::place(&file.config);
        let (catalog, allowed) = (self.catalogs.current().await, self.permissions.current());
        let pins = self.pins.now();
        let environment = std::collections::BTreeMap::new();
        let inquiry = Inquiry {
            project: Project {
                config: &file.config,
                leads_to: file.leads_to.as_deref(),
                reading: reading.document.as_ref().map(Arc::as_ref),
                stale: reading.stale.as_ref(),
                place: place.as_ref(),
            },
            allowed: &allowed,
            cli: Cli::None,
            environment: Some(&environment),
            pins: pins.inquiry(&[], NOW),
            asked,
            reported: None,
        };
        (decide(&inquiry, catalog.as_deref().map_err(String::as_str)), reading.stale.clone())
    }

    async fn row(&self, project: &AllowedProject, outcome: &Outcome) -> ProjectStatus {
        let mut row = ProjectStatus {
            config: project.config.clone(),
            app: project.app.clone(),
            stage: outcome.stage.clone(),
            matched: None,
            profile: None,
            role: None,
            account: None,
            region: None,
            expires: None,
            stale_since: None,
            safeguards_not_evaluated: 0,
            notes: Vec::new(),
            error: None,
            hint: None,
        };
        if is_program(&project.config) {
            row.notes.push(
                "its configuration is a program, which is never run: what you named when allowing it counts"
                    .to_owned(),
            );
        }
        match &outcome.result {
            Ok(decision) => {
                self.fill(&mut row, decision);
                match self.gate(decision).await {
                    Ok(None) => {}
                    Ok(Some(approval)) => {
                        row.notes.push(format!("approved {} until {}", approval.approve, approval.until));
                    }
                    Err(refusal) => {
                        row.error = Some(refusal.to_string());
                        row.hint = refusal.hint();
                    }
                }
            }
            Err(refusal) => {
                row.error = Some(refusal.to_string());
                row.hint = refusal.hint();
            }
        }
        row
    }

    /// That a session lasts less than its profile says: STS gives one role an hour of another at most.
    fn shortened(&self, decision: &Decision) -> Option<String> {
        let (life, asked) = (self.sessions.life(self.request(decision))?, decision.access_role.duration);
        let (life, asked) = (life.as_secs().div_ceil(60) * 60, asked.as_secs());
        (life < asked).then(|| {
            let [life, asked] = [life, asked].map(|seconds| format_duration(Duration::from_secs(seconds)));
            format!("sessions last {life}, not {asked}: what signs for the role is itself a role's session")
        })
    }

    fn fill(&self, row: &mut ProjectStatus, decision: &Decision) {
        let role = &decision.access_role.role_arn;
        let state = self.sessions.state(self.request(decision));
        row.matched = Some(decision.matched);
        row.profile = Some(decision.profile.name.clone());
        row.role = Some(role.clone());
        row.account = Some(role.account().to_owned());
        row.region.clone_from(&decision.region);
        row.expires = state.expires;
        let hellos = self.hellos.of(&decision.config, &decision.stage);
        if hellos.is_empty() {
            row.safeguards_not_evaluated =
                decision.profile.safeguards.iter().filter(|safeguard| safeguard.enforce.is_none()).count();
        }
        for (process, stage_reported) in hellos {
            let reports = if stage_reported { ", and reports the stage" } else { "" };
            row.notes.push(format!("the plugin in pid {} evaluates its safeguards{reports}", process.pid));
        }
        if let Some(refusal) = decision.withheld(&clock::local_now()) {
            (row.error, row.hint) = (Some(refusal.to_string()), refusal.hint());
            row.notes.extend(decision.fallback.clone());
            return;
        }
        row.notes.extend(decision.fallback.clone());
        row.notes.extend(self.shortened(decision));
        if let (Some(end), Some((_, since))) = (state.expires, &state.failing) {
            row.notes
                .push(format!("served stale: STS fails since {since}; this session is served until {end}"));
            row.stale_since = Some(*since);
        }
        let failure = state.failing.map(|(error, _)| error);
        row.hint = failure.as_ref().and_then(IssueError::hint);
        row.error = failure.map(|error| error.to_string());
    }
}

/// A decision in words.
pub(super) fn explain(asking: &Asking) -> Explanation {
    let caller = asking
        .caller
        .as_ref()
        .map_or_else(|| "a process that cannot be looked at".to_owned(), ToString::to_string);
    let refused = |refusal: &Refusal| Verdict::Refused {
        refusal: refusal.clone(),
        message: refusal.to_string(),
        hint: refusal.hint(),
    };
    let result = asking.outcome.result.as_ref();
    let withheld = result.ok().and_then(|decision| decision.withheld(&clock::local_now()));
    let verdict = match result {
        Ok(_) if let Some(refusal) = &withheld => refused(refusal),
        Ok(decision) => Verdict::Profile {
            app: decision.app.clone(),
            stage: decision.stage.clone(),
            matched: decision.matched,
            profile: decision.profile.name.clone(),
            role: decision.access_role.role_arn.clone(),
            region: decision.region.clone(),
            fallback: decision.fallback.clone(),
            narrowed: Narrowed::of(&decision.profile, &decision.access_role).map(Box::new),
        },
        Err(refusal) => refused(refusal),
    };
    Explanation { caller, reasons: asking.outcome.reasons.clone(), verdict }
}
