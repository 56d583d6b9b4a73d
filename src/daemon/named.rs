//! What a command names, decided: another stage, an application of another allowed project, a profile.

use std::sync::Arc;

use super::Broker;
use super::callers::{Asking, Question};
use super::control::Failure;
use crate::core::allowed::AllowedProject;
use crate::core::caller::ProcessId;
use crate::core::decision::{Decision, Outcome};
use crate::core::name::{App, Stage};
use crate::core::refusal::{Refusal, shell_word};
use crate::core::wanted::{Wanted, stage_of};

/// A decision about what a command names.
pub(super) struct Named {
    pub(super) asking: Asking,
    /// Whether it is about the project of the process itself.
    pub(super) is_own: bool,
}

impl Broker {
    /// Decides for a process about what it names. A stage is asked for by name, under every rule. Another application
    /// must be that of an allowed project, and whoever asks must be in no project or in an allowed one: a cloned
    /// repository gets nothing by naming what is not its own.
    pub(super) async fn decide_named(&self, process: ProcessId, wanted: &Wanted) -> Result<Named, Failure> {
        let named = self.decide_stage(process, wanted.app.as_ref(), wanted.stage.as_ref()).await?;
        let Some(profile) = &wanted.profile else { return Ok(named) };
        let outcome = &named.asking.outcome;
        let Some(app) = outcome.app.clone() else { return Ok(named) };
        let catalog = self.catalogs.current().await;
        let catalog =
            catalog.as_deref().map_err(|why| Failure::from(Refusal::NoCatalog { why: why.clone() }))?;
        let stage = stage_of(catalog, &app, profile, outcome.stage.as_ref())
            .map_err(|why| Failure::new(why, Some("name the stage: --stage NAME".to_owned())))?;
        self.decide_stage(process, wanted.app.as_ref(), Some(&stage)).await
    }

    async fn decide_stage(
        &self,
        process: ProcessId,
        app: Option<&App>,
        stage: Option<&Stage>,
    ) -> Result<Named, Failure> {
        let own = self.decide(process, Question { asked: stage.cloned(), ..Question::default() }).await;
        let may_go_elsewhere = match &own.outcome.result {
            Ok(_) | Err(Refusal::NoProject { .. }) => true,
            // Allowed, and refused for another reason than that.
            Err(_) => own.outcome.app.is_some(),
        };
        match app.filter(|app| own.outcome.app.as_ref() != Some(app) && may_go_elsewhere) {
            None => Ok(Named { asking: own, is_own: true }),
            Some(app) => {
                let mut outcome = self.decide_elsewhere(process, app, stage).await?;
                // Whoever deploys does so wherever what it asks for belongs.
                if let Ok(decision) = &mut outcome.result {
                    *decision =
                        Arc::new(Decision { deployment: own.deployment, ..Decision::clone(decision) });
                }
                Ok(Named { asking: Asking { outcome: Arc::new(outcome), ..own }, is_own: false })
            }
        }
    }

    /// Decides about an application that is not the asker's own. Its projects must agree, since none of them is nearer
    /// than another: with a stage named they do, but for their region.
    async fn decide_elsewhere(
        &self,
        process: ProcessId,
        app: &App,
        stage: Option<&Stage>,
    ) -> Result<Outcome, Failure> {
        let allowed = self.permissions.current();
        let projects: Vec<&AllowedProject> = allowed.iter().filter(|project| project.app == *app).collect();
        let mut outcomes = Vec::new();
        for project in &projects {
            outcomes.push(if stage.is_some() {
                self.plain_outcome(project, stage).await.0
            } else {
                let directory = project.config.parent().map(ToOwned::to_owned);
                let question = Question { directory, ..Question::default() };
                (*self.decide(process, question).await.outcome).clone()
            });
        }
        let decisions: Vec<&Arc<Decision>> =
            outcomes.iter().filter_map(|outcome| outcome.result.as_ref().ok()).collect();
        let Some(first) = decisions.first() else {
            // All are refused: the first one's reason is as good as any.
            return outcomes.into_iter().next().ok_or_else(|| self.no_such_application(app));
        };
        let agree = |other: &&Arc<Decision>| {
            (&other.stage, &other.profile.name, &other.access_role)
                == (&first.stage, &first.profile.name, &first.access_role)
        };
        if !decisions.iter().all(agree) {
            let found: Vec<String> =
                decisions.iter().map(|each| format!("{} on {}", each.config.display(), each.stage)).collect();
            let why = format!("application {app} has projects on different stages: {}", found.join(", "));
            return Err(Failure::new(why, Some("name the stage: --stage NAME".to_owned())));
        }
        let region = |decision: &Decision| (decision.region.clone(), decision.region_unknown.clone());
        let one_region = decisions.iter().all(|other| region(other) == region(first));
        let decision = if one_region {
            Decision::clone(first)
        } else {
            let region_unknown = Some(format!("the projects of {app} are in different regions"));
            Decision { region: None, region_unknown, ..Decision::clone(first) }
        };
        Ok(Outcome {
            app: Some(decision.app.clone()),
            stage: Some(decision.stage.clone()),
            result: Ok(Arc::new(decision)),
            reasons: Vec::new(),
        })
    }

    fn no_such_application(&self, app: &App) -> Failure {
        let allowed = self.permissions.current();
        let mut known: Vec<String> = allowed
            .iter()
            .map(|project| format!("{} ({})", project.app, shell_word(&project.config)))
            .collect();
        known.sort();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Failure::new(
            format!("no allowed project has application {app}; allowed: {known}"),
            Some("brokerctl allow PATH".to_owned()),
        )
    }
}
