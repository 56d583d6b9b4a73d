//! Pins as a person sets them, takes them back and sees them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::core::caller::ProcessId;
use crate::core::decision::{Outcome, profile, usable};
use crate::core::name::{App, Stage};
use crate::core::pins::{Pin, PinPlace, Reach, length};
use crate::core::protocol::{PinStatus, Pinned, StageChoice, StageChoices, Unpinned};
use crate::core::refusal::Refusal;
use crate::core::stage::STAGE_VARIABLE;
use crate::edges::{clock, peer, project_file};

use super::Broker;
use super::callers::{Asking, Question};
use super::control::Failure;

impl Broker {
    /// Pins a stage for what is started in the asker's terminal, or in the project at `path`, from now on.
    pub(super) async fn pin(
        &self,
        asker: ProcessId,
        path: PathBuf,
        stage: Stage,
        duration: Option<Duration>,
        reach: Reach,
    ) -> Result<Pinned, Failure> {
        let length = length(duration, reach).map_err(|error| Failure::new(error.to_string(), None))?;
        // By name the stage is taken as it is, and everything after it is the rule's: project, profile, role.
        let question = Question { asked: Some(stage), directory: Some(path.clone()), ..Question::default() };
        let wanted = self.decide(asker, question).await.outcome.result.clone()?;
        let place = match reach {
            Reach::Project => PinPlace::Project(wanted.config.clone()),
            Reach::Terminal => PinPlace::Terminal(peer::terminal(asker).ok_or_else(|| {
                Failure::new(
                    "this is no terminal, so there is none to pin a stage in",
                    Some(format!("brokerctl use {} --everywhere", wanted.stage)),
                )
            })?),
        };
        let now = clock::now();
        // A start is known by the tick, which a process from just before this moment may share with one from just
        // after it. So the pin begins with the next tick, and whoever asked is answered once that has begun: what was
        // started before the question is earlier for certain, and what is started after the answer is later.
        let pin = Pin {
            place,
            app: wanted.app.clone(),
            stage: wanted.stage.clone(),
            since: now,
            until: now.after(length),
            boot: self.pins.boot().to_owned(),
            from: clock::ticks() + 1,
        };
        self.pins.set(pin.clone()).await?;
        while clock::ticks() < pin.from {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tracing::info!(app = %pin.app, stage = %pin.stage, until = %pin.until, place = ?pin.place, "pinned");

        let asking = self.new_process(asker, path).await;
        self.prefetch_for(&asking).await;
        let sessions = self.observer.sessions(asker);
        let mut notes = self.before(asker, &sessions, &pin, &wanted.config);
        if asking.outcome.stage.as_ref() != Some(&pin.stage) {
            notes.extend(wanted.fallback.clone());
        }
        Ok(Pinned { pin: status(&pin, &sessions), now, decision: self.explain(&asking).await, notes })
    }

    /// Takes back the asker's terminal's pin for the application of the project at `path`; the project's too if
    /// `everywhere`.
    pub(super) async fn unpin(
        &self,
        asker: ProcessId,
        path: PathBuf,
        everywhere: bool,
    ) -> Result<Unpinned, Failure> {
        let app = application(&self.new_process(asker, path.clone()).await.outcome)?;
        let config = project_file::named(&path, self.callers.home()).map(|file| file.config);
        let sessions = self.observer.sessions(asker);
        let (pins, mut places) = (self.pins.now().in_force(), Vec::new());
        // The one that counts here is the nearest one.
        places.extend(
            sessions
                .iter()
                .map(|leader| PinPlace::Terminal(*leader))
                .find(|place| pins.iter().any(|pin| pin.app == app && pin.place == *place)),
        );
        let project = config.map(PinPlace::Project);
        places.extend(project.clone().filter(|_| everywhere));
        let removed = self.pins.clear(places, &app).await?;
        for pin in &removed {
            tracing::info!(%app, stage = %pin.stage, place = ?pin.place, "pin taken back");
        }
        let left = self.pins.now().in_force();
        let left = left.iter().filter(|pin| pin.app == app && Some(&pin.place) == project.as_ref());
        Ok(Unpinned {
            pins: removed.iter().map(|pin| status(pin, &sessions)).collect(),
            decision: self.explain(&self.new_process(asker, path).await).await,
            notes: left.map(still_pinned).collect(),
            app,
        })
    }

    /// The stages of the application of the project at `path`, the one of a process that is started there now first.
    pub(super) async fn stage_choices(
        &self,
        asker: ProcessId,
        path: PathBuf,
    ) -> Result<StageChoices, Failure> {
        let outcome = self.new_process(asker, path).await.outcome;
        if let Err(refusal @ Refusal::UnknownApplication { .. }) = &outcome.result {
            return Err(refusal.clone().into());
        }
        let app = application(&outcome)?;
        let catalog = self.catalogs.current().await;
        let catalog =
            catalog.as_deref().map_err(|why| Failure::from(Refusal::NoCatalog { why: why.clone() }))?;
        let current = outcome.stage.as_ref();
        let choice = |stage: &Stage| {
            let found = profile(catalog, &app, stage);
            let mut choice = StageChoice {
                stage: stage.clone(),
                current: Some(stage) == current,
                matched: found.as_ref().ok().map(|(_, matched)| *matched),
                profile: found.as_ref().ok().map(|(profile, _)| profile.name.clone()),
                account: None,
                refusal: None,
            };
            match found.as_ref().map_err(Refusal::clone).and_then(|(profile, _)| usable(profile)) {
                Ok(role) => choice.account = Some(role.role_arn.account().to_owned()),
                Err(refusal) => choice.refusal = Some(refusal.to_string()),
            }
            choice
        };
        let configured = catalog.applications.get(&app).into_iter().flat_map(|found| found.stages.keys());
        let others = configured.filter(|stage| Some(*stage) != current);
        let stages = current.into_iter().chain(others).map(choice);
        // A current stage that the application does not have is no choice.
        let stages = stages.filter(|choice| choice.profile.is_some()).collect();
        Ok(StageChoices { app, stages })
    }

    /// The pins that count, as the asker sees them.
    pub(super) fn pins_of(&self, asker: Option<ProcessId>) -> Vec<PinStatus> {
        let sessions = asker.map(|asker| self.observer.sessions(asker)).unwrap_or_default();
        self.pins.now().in_force().iter().map(|pin| status(pin, &sessions)).collect()
    }

    /// What comes of a process that the asker starts in a directory now.
    async fn new_process(&self, asker: ProcessId, path: PathBuf) -> Asking {
        self.decide(asker, Question { directory: Some(path), ..Question::default() }).await
    }

    /// What comes before a pin where it was typed, in words.
    fn before(&self, asker: ProcessId, sessions: &[ProcessId], pin: &Pin, config: &Path) -> Vec<String> {
        let mut notes = Vec::new();
        let environment = self.observer.environment(asker).unwrap_or_default();
        let named = environment.get(STAGE_VARIABLE).filter(|named| !named.is_empty());
        if let Some(named) = named.filter(|named| *named != pin.stage.as_str()) {
            notes.push(format!(
                "{STAGE_VARIABLE} is {named} here and comes before a pin: unset {STAGE_VARIABLE}"
            ));
        }
        let pins = self.pins.now();
        let first = pins.inquiry(sessions, super::gathering::NOW).find(&pin.app, config);
        if let Some(first) = first.filter(|first| first.place != pin.place && first.stage != pin.stage) {
            let (reach, stage) = (first.place.reach(), &first.stage);
            notes.push(format!("{reach} ({stage}) comes before it: {}", reach.remedy()));
        }
        notes
    }
}

/// The application that a project is allowed as, whatever its stage is.
fn application(outcome: &Outcome) -> Result<App, Failure> {
    match (&outcome.result, &outcome.app) {
        (Ok(decision), _) => Ok(decision.app.clone()),
        (Err(Refusal::UnknownStage { .. }), Some(app)) => Ok(app.clone()),
        (Err(_), Some(app)) if outcome.stage.is_some() => Ok(app.clone()),
        (Err(refusal), _) => Err(refusal.clone().into()),
    }
}

fn still_pinned(pin: &Pin) -> String {
    let reach = pin.place.reach();
    format!("{reach} ({}) still counts: {}", pin.stage, reach.remedy())
}

fn status(pin: &Pin, sessions: &[ProcessId]) -> PinStatus {
    let (config, leader) = match &pin.place {
        PinPlace::Project(config) => (Some(config.clone()), None),
        PinPlace::Terminal(leader) => (None, Some(*leader)),
    };
    PinStatus {
        app: pin.app.clone(),
        stage: pin.stage.clone(),
        reach: pin.place.reach(),
        config,
        session: leader.map(|leader| leader.pid),
        terminal: leader.and_then(peer::terminal_name),
        this_terminal: leader.is_some_and(|leader| sessions.contains(&leader)),
        since: pin.since,
        until: pin.until,
    }
}
