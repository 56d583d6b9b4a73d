//! What a shell's prompt and its completions ask, many times an hour and while somebody waits: answered from memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Broker;
use super::callers::Question;
use super::gathering::NOW;
use crate::core::caller::ProcessId;
use crate::core::catalog::{Application, Catalog, Profile};
use crate::core::decision::{Decision, Matched};
use crate::core::issue::IssueError;
use crate::core::name::App;
use crate::core::protocol::{KnownApplication, KnownNames, KnownProfile, PromptFlag, PromptState, Reply};
use crate::core::refusal::Refusal;
use crate::edges::clock;

impl Broker {
    /// What a process that the asker starts in this directory now gets. No session is begun for it, nothing is noted as
    /// waiting and nothing kept: a prompt must change nothing.
    pub(super) async fn prompt(&self, asker: ProcessId, path: PathBuf) -> Reply {
        let question = Question { directory: Some(path), ..Question::default() };
        let asking = self.decide(asker, question).await;
        let (outcome, locked) = (&asking.outcome, self.lock_now().is_some());
        let mut flags = Vec::from_iter(locked.then_some(PromptFlag::Locked));
        let state = match &outcome.result {
            Err(Refusal::NoProject { .. }) => None,
            Err(refusal) => {
                flags.push(match refusal {
                    Refusal::NotAllowed { .. } => PromptFlag::NotAllowed,
                    _ => PromptFlag::Refused,
                });
                Some(PromptState {
                    app: outcome.app.clone(),
                    stage: outcome.stage.clone(),
                    profile: None,
                    account: None,
                    expires: None,
                    now: self.sessions.clock().now(),
                    flags,
                })
            }
            Ok(decision) => {
                flags.extend(self.flags(asker, decision).await);
                Some(self.prompt_of(decision, flags))
            }
        };
        Reply::Prompt { state: state.map(Box::new) }
    }

    fn prompt_of(&self, decision: &Decision, flags: Vec<PromptFlag>) -> PromptState {
        PromptState {
            app: Some(decision.app.clone()),
            stage: Some(decision.stage.clone()),
            profile: Some(decision.profile.name.clone()),
            account: Some(decision.access_role.role_arn.account().to_owned()),
            expires: self.sessions.state(self.request(decision)).expires,
            now: self.sessions.clock().now(),
            flags,
        }
    }

    async fn flags(&self, asker: ProcessId, decision: &Arc<Decision>) -> Vec<PromptFlag> {
        let mut flags = Vec::new();
        if decision.withheld(&clock::local_now()).is_some() {
            flags.push(PromptFlag::Refused);
        }
        if self.is_protected(decision).await {
            flags.push(PromptFlag::Protected);
        }
        match self.gate(decision).await {
            Ok(_) => {}
            Err(refusal) if refusal.needs_person() => flags.push(PromptFlag::Approval),
            Err(_) => flags.push(PromptFlag::Refused),
        }
        match self.sessions.state(self.request(decision)).failing {
            None | Some((IssueError::Locked { .. }, _)) => {}
            Some((IssueError::NeedsMfa { .. }, _)) => flags.push(PromptFlag::Mfa),
            Some((error, _)) if error.needs_login() => flags.push(PromptFlag::Login),
            Some(_) => flags.push(PromptFlag::Failing),
        }
        if decision.matched == Matched::Default {
            flags.push(PromptFlag::Default);
        }
        let sessions = self.observer.sessions(asker);
        let pins = self.pins.now();
        let pin = pins.inquiry(&sessions, NOW).find(&decision.app, &decision.config);
        if pin.is_some_and(|pin| pin.stage == decision.stage) {
            flags.push(PromptFlag::Pinned);
        }
        flags
    }

    /// Whether the profile is protected in the catalog in force, whatever it was when this was decided.
    async fn is_protected(&self, decision: &Decision) -> bool {
        let catalog = self.known_catalog().await;
        let profile = catalog.as_ref().ok().and_then(|catalog| catalog.profiles.get(&decision.profile.name));
        profile.is_some_and(|profile| profile.protection.is_some())
    }

    /// The names that a person may type. `path` is where that person is.
    pub(super) async fn known_names(&self, path: Option<&Path>) -> Reply {
        let allowed = self.permissions.current();
        let here = path.and_then(|path| {
            path.ancestors().find_map(|above| Some(allowed.expected_in(above)?.app.clone()))
        });
        let mut names = self.known_catalog().await.map(|catalog| names_of(&catalog)).unwrap_or_default();
        for project in allowed.iter() {
            if names.applications.iter().all(|known| known.name != project.app) {
                names.applications.push(KnownApplication { name: project.app.clone(), stages: Vec::new() });
            }
        }
        Reply::Names(Box::new(KnownNames { here, ..names }))
    }
}

fn names_of(catalog: &Catalog) -> KnownNames {
    let application = |(name, application): (&App, &Arc<Application>)| KnownApplication {
        name: name.clone(),
        stages: application.stages.iter().map(|(stage, profile)| (stage.clone(), profile.clone())).collect(),
    };
    let profile = |profile: &Arc<Profile>| KnownProfile {
        name: profile.name.clone(),
        description: profile.description.clone(),
        secrets: profile.secrets.keys().cloned().collect(),
    };
    KnownNames {
        here: None,
        applications: catalog.applications.iter().map(application).collect(),
        profiles: catalog.profiles.values().map(profile).collect(),
    }
}
