//! The Serverless plugin: its hello, and what it gets after that.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Broker;
use super::callers::{Asking, Question};
use super::control::Failure;
use super::hellos::Hello;
use crate::core::audit::{Record, Way};
use crate::core::caller::ProcessId;
use crate::core::catalog::Deploy;
use crate::core::credential_process;
use crate::core::decision::Decision;
use crate::core::name::SecretName;
use crate::core::plugin_report::PluginReport;
use crate::core::protocol::{PluginSecret, PluginWelcome, Reply, SecretText};
use crate::core::refusal::Refusal;
use crate::edges::{clock, peer, process_end};

/// The plugin is not bound to the one second of AWS clients.
const PATIENCE: Duration = Duration::from_secs(30);

impl Broker {
    /// Decides for the process of a Serverless CLI, and remembers what its plugin reports for as long as it runs. What is
    /// reported counts only where brokerd cannot tell it itself; where both know, both must say the same.
    pub(super) async fn plugin_hello(
        self: &Arc<Self>,
        process: ProcessId,
        report: PluginReport,
    ) -> Result<Reply, Failure> {
        if !report.is_plausible() {
            return Err(Failure::new("the report of the plugin is too long", None));
        }
        let report = Arc::new(report);
        let question = Question { reported: Some(report.clone()), ..Question::default() };
        let asking = self.decide(process, question).await;
        let decision = match &asking.outcome.result {
            Ok(decision) => decision.clone(),
            Err(refusal) => return Err(self.no_plugin_gets(&asking, refusal)),
        };
        // A decision of before the hello was not made with the report at hand.
        for (what, ours) in [("app", decision.app.as_str()), ("stage", decision.stage.as_str())] {
            if let Err(refusal) = report.compare(&decision.config, what, ours) {
                return Err(self.no_plugin_gets(&asking, &refusal));
            }
        }
        let hello = Hello::Plugin {
            report,
            config: decision.config.clone(),
            stage: decision.stage.clone(),
            stage_reported: decision.stage_reported,
        };
        self.remember_hello(process, hello)?;
        self.prefetch_for(&asking).await;
        Ok(Reply::PluginWelcome(Box::new(self.welcome(&decision))))
    }

    /// Takes a process at its word that it evaluated the safeguards of what it is about to deploy.
    pub(super) async fn plugin_stand_in(
        self: &Arc<Self>,
        process: ProcessId,
        question: Question,
        failed: &[String],
    ) -> Result<Reply, Failure> {
        let asking = self.decide(process, question).await;
        let decision = asking.outcome.result.as_ref().map_err(Refusal::clone)?;
        if failed.is_empty() {
            let (config, stage) = (decision.config.clone(), decision.stage.clone());
            self.remember_hello(process, Hello::StandIn { config, stage })?;
        } else {
            self.note_blocked(&asking, decision, failed);
        }
        Ok(Reply::PluginNoted)
    }

    fn remember_hello(self: &Arc<Self>, process: ProcessId, hello: Hello) -> Result<(), Failure> {
        let is_first = self.hellos.remember(process, hello);
        if is_first.map_err(|error| Failure::new(error.to_string(), None))? {
            let broker = self.clone();
            tokio::spawn(async move {
                process_end::end_of(process).await;
                // Where the system does not tell the end, it is swept out later.
                if !peer::is_alive(process) {
                    broker.hellos.forget(process);
                }
            });
        }
        Ok(())
    }

    fn no_plugin_gets(&self, asking: &Asking, refusal: &Refusal) -> Failure {
        self.refuse(Way::Plugin, asking, refusal);
        refusal.clone().into()
    }

    fn welcome(&self, decision: &Decision) -> PluginWelcome {
        PluginWelcome {
            app: decision.app.clone(),
            stage: decision.stage.clone(),
            profile: decision.profile.name.clone(),
            matched: decision.matched,
            note: decision.fallback.clone(),
            account: Some(decision.access_role.role_arn.account().to_owned()),
            region: decision.region.clone(),
            expires: self.sessions.state(self.request(decision)).expires,
            deploy: decision.profile.deploy,
            safeguards: decision.profile.safeguards.len(),
            secrets: PluginSecret::of(decision),
            brokerctl: brokerctl(),
        }
    }

    /// What was decided for a process that has said hello.
    async fn of_plugin(&self, process: ProcessId) -> Result<Asking, Failure> {
        if self.hellos.report(process).is_none() {
            return Err(Failure::needs_hello());
        }
        Ok(self.decide(process, Question::default()).await)
    }

    /// Credentials for a process that has said hello.
    pub(super) async fn plugin_credentials(&self, process: ProcessId) -> Result<Reply, Failure> {
        let asking = self.of_plugin(process).await?;
        let (decision, session) = self.serve(Way::Plugin, &asking, PATIENCE).await?;
        let account = decision.access_role.role_arn.account();
        let document = SecretText::new(credential_process::document(&session.credentials, account));
        Ok(Reply::Credentials { document, note: decision.fallback.clone() })
    }

    /// Values of secrets for a process that has said hello.
    pub(super) async fn plugin_secrets(
        &self,
        process: ProcessId,
        names: &[SecretName],
    ) -> Result<Reply, Failure> {
        let asking = self.of_plugin(process).await?;
        match &asking.outcome.result {
            Ok(decision) => self.secret_grant(Way::Plugin, &asking, decision, Some(names)).await,
            Err(refusal) => Err(self.no_plugin_gets(&asking, refusal)),
        }
    }

    /// Writes down that safeguards kept a deployment from going on.
    pub(super) async fn plugin_blocked(
        &self,
        process: ProcessId,
        failed: &[String],
    ) -> Result<Reply, Failure> {
        let asking = self.of_plugin(process).await?;
        self.note_blocked(&asking, asking.outcome.result.as_ref().map_err(Refusal::clone)?, failed);
        Ok(Reply::PluginNoted)
    }

    fn note_blocked(&self, asking: &Asking, decision: &Decision, failed: &[String]) {
        const MOST: usize = 64;
        let shown = |title: &String| title.chars().filter(|c| !c.is_control()).take(200).collect();
        let failed: Vec<String> = failed.iter().take(MOST).map(shown).collect();
        tracing::info!(app = %decision.app, stage = %decision.stage, ?failed, "safeguards blocked a deployment");
        self.notify_blocked(&decision.app, &decision.stage, &failed);
        self.audit.write(Record::blocked(clock::now(), asking.caller.clone(), decision, &failed));
    }

    /// Whether the safeguards of what a Serverless CLI deploys are evaluated: its plugin said hello, or it runs below
    /// `brokerctl deploy`.
    pub(super) async fn is_evaluated(&self, decision: &Decision, cli: ProcessId) -> bool {
        let covers = |line: &[ProcessId]| self.hellos.covers(line, &decision.config, &decision.stage);
        if covers(&[cli]) {
            return true;
        }
        let observer = self.observer.clone();
        let line = tokio::task::spawn_blocking(move || observer.lineage(cli).line).await;
        line.is_ok_and(|line| covers(&line))
    }

    /// What keeps a deployment without the plugin from a profile that wants it.
    pub(super) async fn unchecked(&self, decision: &Decision, deploy: Deploy) -> Option<Refusal> {
        let cli = decision.deployment.filter(|_| deploy == Deploy::Plugin)?;
        if self.is_evaluated(decision, cli).await {
            return None;
        }
        if let Some(report) = self.hellos.report(cli) {
            let command = report.shown_command();
            return Some(Refusal::NotEvaluated {
                profile: decision.profile.name.clone(),
                pid: cli.pid,
                command,
            });
        }
        Some(Refusal::NoPlugin { profile: decision.profile.name.clone(), pid: cli.pid })
    }
}

/// The `brokerctl` beside this program.
fn brokerctl() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok()?.with_file_name("brokerctl");
    beside.is_file().then_some(beside)
}
