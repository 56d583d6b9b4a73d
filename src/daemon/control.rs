//! The daemon's side of the control socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::core::allowed::AllowedProject;
use crate::core::approval::Use;
use crate::core::audit::Way;
use crate::core::caller::ProcessId;
use crate::core::catalog::Source;
use crate::core::credential_process;
use crate::core::decision::{self, Decision};
use crate::core::keychain::Item;
use crate::core::locked::LockedBy;
use crate::core::long_term_keys::LongTermKeys;
use crate::core::name::{App, KeysName, Stage};
use crate::core::pins::Reach;
use crate::core::protocol::{Agreement, Line, MAX_REQUEST, PROTOCOL, Permission, Reply, Request, SecretText};
use crate::core::refusal::Refusal;
use crate::core::secret::SecretError;
use crate::core::serverless::{Finding, Inputs};
use crate::edges::control_socket::{ControlSocket, peer_pid};
use crate::edges::keychain::{DurableError, durable_items};
use crate::edges::project_file::{self, ProjectFile};
use crate::edges::state_file::StateFileError;
use crate::edges::{clock, repository, trust};

use super::Broker;
use super::callers::{Asking, Question};
use super::run::Surface;

/// A request must come within this time.
const REQUEST: Duration = Duration::from_secs(5);
/// `brokerctl credential-process` is not bound to the one second of AWS clients.
const PATIENCE: Duration = Duration::from_secs(30);

/// Accepts until told to stop.
pub(super) async fn serve(
    broker: Arc<Broker>,
    socket: ControlSocket,
    surface: Arc<Surface>,
    stop: CancellationToken,
) {
    let conversations = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok(stream) => {
                let control =
                    Control { broker: broker.clone(), surface: surface.clone(), stop: stop.clone() };
                conversations.spawn(control.converse(stream));
            }
            Err(error) => {
                surface.not_accepted(&error);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    conversations.close();
    conversations.wait().await;
}

/// One conversation.
struct Control {
    broker: Arc<Broker>,
    surface: Arc<Surface>,
    stop: CancellationToken,
}

/// A refusal in words, for the one reply that carries it.
pub(super) struct Failure {
    message: String,
    hint: Option<String>,
    needs_person: bool,
    needs_hello: bool,
}

impl Failure {
    pub(super) fn new(message: impl Into<String>, hint: Option<String>) -> Self {
        Self { message: message.into(), hint, needs_person: false, needs_hello: false }
    }

    /// One that the plugin mends by saying hello.
    pub(super) fn needs_hello() -> Self {
        let message = "the plugin of this process has not said hello to this daemon";
        Self { needs_hello: true, ..Self::new(message, Some("run the command again".to_owned())) }
    }

    /// The same, with what holds in spite of it.
    pub(super) fn but(self, holds: &str) -> Self {
        Self { message: format!("{holds}: {}", self.message), ..self }
    }

    /// One that a person can mend, by an approval.
    pub(super) fn for_person(message: String, hint: &str) -> Self {
        Self { needs_person: true, ..Self::new(message, Some(hint.to_owned())) }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl Failure {
    /// Both, with the hint of the first.
    pub(super) fn and(self, other: &Self) -> Self {
        Self { message: format!("{}; {}", self.message, other.message), ..self }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let needs_person = refusal.needs_person();
        Self { needs_person, ..Self::new(refusal.to_string(), refusal.hint()) }
    }
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<DurableError> for Failure {
    fn from(error: DurableError) -> Self {
        Self::new(error.to_string(), error.hint())
    }
}

impl From<StateFileError> for Failure {
    fn from(error: StateFileError) -> Self {
        Self::new(error.to_string(), error.hint())
    }
}

impl Control {
    async fn converse(self, mut stream: UnixStream) {
        // Another user cannot open the socket; this is the second lock on the same door.
        let Some(pid) = peer_pid(&stream) else { return };
        let asker = self.broker.observer.process(pid);
        let (reading, mut writing) = stream.split();
        // It may hold keys: room for the longest line, since a buffer that grows would leave copies of them behind.
        let mut line = Zeroizing::new(Vec::with_capacity(MAX_REQUEST));
        let mut limited = reading.take(MAX_REQUEST as u64);
        let read = async {
            while line.last() != Some(&b'\n') && limited.read_buf(&mut *line).await.is_ok_and(|more| more > 0)
            {
            }
        };
        if tokio::time::timeout(REQUEST, read).await.is_err() || line.last() != Some(&b'\n') {
            return;
        }
        let reply = self.reply(&line, asker).await;
        let stop = matches!(reply, Reply::Stopping);
        // Room for a whole credential document: a buffer that grows would leave copies of it behind.
        let mut answer = Zeroizing::new(Vec::with_capacity(16 * 1024));
        if serde_json::to_writer(&mut *answer, &Line::new(reply)).is_ok() {
            answer.push(b'\n');
            let _ = writing.write_all(&answer).await;
            let _ = writing.shutdown().await;
        }
        if stop {
            self.stop.cancel();
        }
    }

    async fn reply(&self, line: &[u8], asker: Option<ProcessId>) -> Reply {
        let outcome = match serde_json::from_slice::<Line<Request>>(line) {
            Ok(line) if line.protocol != PROTOCOL => Err(Failure::new(
                format!(
                    "brokerctl {} speaks protocol {}, and this daemon ({}) protocol {PROTOCOL}",
                    line.version,
                    line.protocol,
                    env!("CARGO_PKG_VERSION")
                ),
                Some("start the daemon again after an upgrade".to_owned()),
            )),
            Ok(line) => self.carry_out(line.body, asker).await,
            // The words of the parser quote what they stumbled over, which may be a key.
            Err(error) => {
                Err(Failure::new(format!("the request cannot be read at column {}", error.column()), None))
            }
        };
        outcome.unwrap_or_else(|Failure { message, hint, needs_person, needs_hello }| Reply::Failed {
            message,
            hint,
            needs_person,
            needs_hello,
        })
    }

    #[allow(clippy::too_many_lines, reason = "a line or two for each request")]
    async fn carry_out(&self, request: Request, asker: Option<ProcessId>) -> Result<Reply, Failure> {
        match request {
            Request::Status => Ok(Reply::Status(Box::new(self.broker.status(asker, &self.surface).await))),
            Request::Why { path, stage, pid } => self.why(asker, path, stage, pid).await,
            Request::Prompt { path } => Ok(self.broker.prompt(known(asker)?, path).await),
            Request::Names { path } => Ok(self.broker.known_names(path.as_deref()).await),
            Request::Safeguards { path, stage } => self.safeguards(known(asker)?, path, stage).await,
            Request::LastRefusals => Ok(Reply::Refusals { refusals: self.broker.refusals.list() }),
            Request::Allow { path, app, stage, worktrees } => {
                let named = Named { app, stage };
                self.allow(known(asker)?, &path, named, worktrees).await
            }
            Request::Deny { path } => self.deny(asker, &path).await,
            Request::Stages { path } => {
                Ok(Reply::Stages(self.broker.stage_choices(known(asker)?, path).await?))
            }
            Request::Pin { path, stage, seconds, everywhere } => {
                let length = seconds.map(Duration::from_secs);
                let reach = if everywhere { Reach::Project } else { Reach::Terminal };
                let pinned = self.broker.pin(known(asker)?, path, stage, length, reach).await?;
                Ok(Reply::Pinned(Box::new(pinned)))
            }
            Request::Unpin { path, everywhere } => {
                Ok(Reply::Unpinned(Box::new(self.broker.unpin(known(asker)?, path, everywhere).await?)))
            }
            Request::Approvals => Ok(Reply::Approvals(Box::new(self.broker.approval_overview().await))),
            Request::ApprovalQuestions { app, stage, catalog } => {
                let asker = known(asker)?;
                let questions =
                    self.broker.approval_questions(asker, app.as_ref(), stage.as_ref(), catalog).await?;
                Ok(Reply::ApprovalQuestions { questions })
            }
            Request::Approve { id, digits, code, seconds } => {
                let length = seconds.map(Duration::from_secs);
                let approved = self.broker.approve(known(asker)?, &id, &digits, code, length).await?;
                Ok(Reply::Approved(Box::new(approved)))
            }
            Request::RevokeApprovals { app, stage } => {
                let which = move |of: &Use| {
                    app.as_ref().is_none_or(|app| of.app == *app)
                        && stage.as_ref().is_none_or(|stage| of.stage == *stage)
                };
                let revoked = self.broker.revoke_approvals(asker, which).await?;
                Ok(Reply::ApprovalsRevoked { revoked, now: clock::now() })
            }
            Request::Affected => Ok(Reply::Affected {
                processes: self.broker.affected().await,
                handed_out_until: self.broker.handed_out_until(),
            }),
            Request::CredentialProcess => self.credentials(known(asker)?).await,
            Request::NamedCredentials { wanted } => {
                let parent = self.parent(known(asker)?)?;
                self.broker.named_credentials(parent, &wanted).await
            }
            Request::Exec { wanted, keys } => {
                self.broker.exec(known(asker)?, &wanted, keys, self.surface.endpoints()).await
            }
            Request::MakeToken { wanted, label, seconds, persist } => {
                let (length, endpoints) = (seconds.map(Duration::from_secs), self.surface.endpoints());
                self.broker.make_token(known(asker)?, &wanted, label, length, persist, &endpoints).await
            }
            Request::Tokens => Ok(self.broker.token_list().await),
            Request::RevokeTokens { id } => self.broker.revoke_tokens(id.as_deref()).await,
            Request::AwsProfiles => self.broker.aws_profiles().await,
            Request::SignIn { wanted, service, seconds } => {
                let length = seconds.map(Duration::from_secs);
                self.broker.sign_in(known(asker)?, &wanted, service.as_deref(), length).await
            }
            Request::KeepKeys { name, keys } => self.keep_keys(&name, &keys).await,
            Request::ForgetKeys { name } => {
                let were_there = self.broker.keeper.chosen.durable().remove(Item::keys(&name)).await?;
                self.broker.sessions.forget_source(&Source::Keychain(name));
                let handed_out_until = self.broker.handed_out_until();
                Ok(Reply::KeysForgotten { were_there, handed_out_until })
            }
            Request::Refresh { wanted } => self.broker.refresh(known(asker)?, &wanted).await,
            Request::Lock => self.broker.lock(LockedBy::Person).await,
            Request::Unlock => self.broker.unlock(LockedBy::Person).await,
            Request::Forget { all } => Ok(self.broker.forget(all).await),
            Request::DurableItems => {
                Ok(Reply::DurableItems { items: durable_items(&self.broker.keeper.chosen).await })
            }
            Request::BeginLogin { target, by_code } => self.broker.begin_login(&target, by_code).await,
            Request::AwaitLogin { id } => self.broker.await_login(&id).await,
            Request::ForgetLogin { target } => self.broker.forget_login(&target).await,
            Request::WantedCode { profile } => {
                let (serial, _) = self.broker.wanted_code(profile.as_deref()).await?;
                Ok(Reply::MfaWanted { serial: serial.to_string() })
            }
            Request::TakeCode { profile, code } => self.broker.take_code(profile.as_deref(), code).await,
            Request::Secrets { wanted, names } => {
                self.broker.give_secrets(known(asker)?, &wanted, names.as_deref()).await
            }
            Request::SecretList { wanted } => self.broker.list_secrets(known(asker)?, &wanted).await,
            Request::RefreshSecrets { wanted, names } => {
                self.broker.refresh_secrets(known(asker)?, &wanted, &names).await
            }
            Request::CheckSecrets { wanted, names } => {
                self.broker.check_secrets(known(asker)?, &wanted, &names).await
            }
            Request::KeepSecret { wanted, name, value } => {
                self.broker.keep_secret(known(asker)?, &wanted, &name, &value).await
            }
            Request::ForgetSecret { wanted, name } => {
                self.broker.forget_secret(known(asker)?, &wanted, &name).await
            }
            Request::PluginHello(report) => self.broker.plugin_hello(known(asker)?, *report).await,
            Request::PluginCredentials => self.broker.plugin_credentials(known(asker)?).await,
            Request::PluginSecrets { names } => self.broker.plugin_secrets(known(asker)?, &names).await,
            Request::PluginBlocked { failed } => self.broker.plugin_blocked(known(asker)?, &failed).await,
            Request::PluginStandIn { path, stage, failed } => {
                let question = deployment_of(path, stage);
                self.broker.plugin_stand_in(known(asker)?, question, &failed).await
            }
            Request::Stop => Ok(Reply::Stopping),
            Request::Unknown => Err(Failure::new("this version does not know the request", None)),
        }
    }

    async fn keep_keys(&self, name: &KeysName, keys: &LongTermKeys) -> Result<Reply, Failure> {
        let chosen = &self.broker.keeper.chosen;
        chosen.durable().write(Item::keys(name), keys.to_bytes()).await?;
        self.broker.sessions.forget_source(&Source::Keychain(name.clone()));
        tracing::info!(%name, access_key_id = keys.access_key_id(), keychain = %chosen.kind, "keys kept");
        Ok(Reply::KeysKept { keychain: chosen.kind })
    }

    async fn why(
        &self,
        asker: Option<ProcessId>,
        path: Option<PathBuf>,
        stage: Option<String>,
        pid: Option<u32>,
    ) -> Result<Reply, Failure> {
        let process = match pid {
            Some(pid) => self
                .broker
                .observer
                .process(pid)
                .ok_or_else(|| Failure::new(format!("no process of this user has pid {pid}"), None))?,
            None => known(asker)?,
        };
        let question = Question { directory: path, imagined_stage: stage, ..Question::default() };
        Ok(Reply::Why(Box::new(self.broker.explain(&self.broker.decide(process, question).await).await)))
    }

    /// The safeguards of the stage that a Serverless CLI in a project would deploy.
    async fn safeguards(&self, asker: ProcessId, path: PathBuf, stage: String) -> Result<Reply, Failure> {
        let asking = self.broker.decide(asker, deployment_of(path, stage)).await;
        let decision = asking.outcome.result.as_ref().map_err(Refusal::clone)?;
        let Decision { app, stage, profile, fallback, .. } = &**decision;
        Ok(Reply::Safeguards(Box::new(Agreement::new(app, stage, profile, fallback.clone()))))
    }

    async fn allow(
        &self,
        asker: ProcessId,
        path: &Path,
        named: Named,
        worktrees: bool,
    ) -> Result<Reply, Failure> {
        let broker = &self.broker;
        let file = project_file::named(path, broker.callers.home()).ok_or_else(|| {
            Failure::new(
                format!("no serverless configuration at {} or above", path.display()),
                Some("name a directory with a serverless.yml".to_owned()),
            )
        })?;
        trust::check(&file.config)?;
        trust::check(file.real())?;
        let environment = broker.observer.environment(asker).unwrap_or_default();
        let inputs = Inputs { environment, ..Inputs::default() };
        let project = self.permission(&file, &inputs, named, worktrees).await?;
        let (app, org) = (project.app.clone(), project.org.clone());
        broker.permissions.allow(project).await?;
        self.surface.permissions_changed();
        tracing::info!(%app, config = %file.config.display(), "allowed");

        let question = Question { directory: Some(file.directory().to_owned()), ..Question::default() };
        let asking = broker.decide(asker, question).await;
        broker.prefetch_for(&asking).await;
        let decision = broker.explain(&asking).await;
        Ok(Reply::Allowed(Box::new(Permission { config: file.config, app, org, worktrees, decision })))
    }

    /// The entry for a configuration: what it is now is what the user says yes to.
    async fn permission(
        &self,
        file: &ProjectFile,
        inputs: &Inputs,
        named: Named,
        worktrees: bool,
    ) -> Result<AllowedProject, Failure> {
        let config = file.config.display();
        let stage = named.stage;
        let named = named
            .app
            .map(|name| App::parse(&name).map_err(|error| Failure::new(error.to_string(), None)))
            .transpose()?;
        let document = self.broker.projects.read(file, inputs).await;
        // What is allowed is what the file says now, so an older reading does not do.
        let document = match (document.document, document.stale) {
            (Ok(document), None) => document,
            (Err(fault), _) | (_, Some(fault)) => {
                return Err(Failure::new(fault.to_string(), fault.hint));
            }
        };
        if let (Some(stage), false) = (&stage, matches!(document.stage(inputs), Finding::Unknown(_))) {
            return Err(Failure::new(
                format!("{config} tells its stage itself, so {stage} would not count"),
                Some("leave out --stage; brokerctl use pins a stage for a while".to_owned()),
            ));
        }
        let (app, named) = match (document.app(inputs), named) {
            (Finding::Known(known), None) => (
                App::parse(&known.value).map_err(|error| Failure::new(format!("{config}: {error}"), None))?,
                false,
            ),
            (Finding::Known(known), Some(named)) if known.value == named.as_str() => (named, false),
            (Finding::Known(known), Some(named)) => {
                return Err(Failure::new(
                    format!("{config} names application {}, not {named}", known.value),
                    Some("leave out --app".to_owned()),
                ));
            }
            (Finding::Absent | Finding::Unknown(_), Some(named)) => (named, true),
            (Finding::Absent, None) => {
                return Err(Failure::new(
                    format!("{config} names no application"),
                    Some("add `app: NAME` (or `custom: {brokerd: {app: NAME}}`) to it, or brokerctl allow --app NAME".to_owned()),
                ));
            }
            (Finding::Unknown(unknown), None) => {
                return Err(Failure::new(
                    format!("the application of {config} cannot be told: {}", unknown.reason),
                    Some("brokerctl allow --app NAME".to_owned()),
                ));
            }
        };
        let org =
            decision::org(&document, inputs).map_err(|why| Failure::new(format!("{config}: {why}"), None))?;
        let worktrees = worktrees
            .then(|| {
                repository::place(&file.config).ok_or_else(|| {
                    Failure::new(
                        format!("{config} is in no Git repository"),
                        Some("leave out --worktrees".to_owned()),
                    )
                })
            })
            .transpose()?;
        Ok(AllowedProject {
            config: file.config.clone(),
            leads_to: file.leads_to.clone(),
            app,
            named,
            stage,
            org,
            worktrees,
            since: clock::now(),
        })
    }

    async fn deny(&self, asker: Option<ProcessId>, path: &Path) -> Result<Reply, Failure> {
        let broker = &self.broker;
        let allowed = broker.permissions.current();
        // The file may be gone by now: an entry of that very path, or of that directory, counts too.
        let config = project_file::named(path, broker.callers.home())
            .map(|file| file.config)
            .filter(|config| allowed.find(config, repository::place(config).as_ref()).is_some())
            .or_else(|| allowed.find(path, None).map(|project| project.config.clone()))
            .or_else(|| allowed.expected_in(path).map(|project| project.config.clone()))
            .ok_or_else(|| Failure::new(format!("{} is not allowed anyway", path.display()), None))?;
        let place = repository::place(&config);
        let removed = broker
            .permissions
            .deny(config.clone(), place)
            .await?
            .ok_or_else(|| Failure::new(format!("{} is not allowed anyway", config.display()), None))?;
        // Whoever says yes to the project again has not approved anything by that.
        broker.revoke_approvals(asker, |of| of.config == removed.config).await?;
        self.surface.permissions_changed();
        tracing::info!(app = %removed.app, config = %removed.config.display(), "denied");
        let now = broker.sessions.clock().now();
        let handed_out_until = broker.handed_out().until(&config, now);
        Ok(Reply::Denied { config: removed.config, app: removed.app, handed_out_until })
    }

    fn parent(&self, asker: ProcessId) -> Result<ProcessId, Failure> {
        self.broker.observer.parent(asker).ok_or_else(|| {
            Failure::new(
                "the process that runs brokerctl cannot be told: it ended or is another user's",
                None,
            )
        })
    }

    /// Credentials for the process that runs `brokerctl credential-process`: by then the SDK is its parent.
    async fn credentials(&self, asker: ProcessId) -> Result<Reply, Failure> {
        let parent = self.parent(asker)?;
        let asking: Asking = self.broker.decide(parent, Question::default()).await;
        let (decision, session) = self.broker.serve(Way::CredentialProcess, &asking, PATIENCE).await?;
        let account = decision.access_role.role_arn.account();
        let document = SecretText::new(credential_process::document(&session.credentials, account));
        Ok(Reply::Credentials { document, note: decision.fallback.clone() })
    }
}

/// What a Serverless CLI would get that deploys a stage of a project, which is named by its configuration or directory.
fn deployment_of(path: PathBuf, stage: String) -> Question {
    let name = path.file_name().filter(|_| path.is_file()).map(|name| name.to_string_lossy().into_owned());
    let directory = if name.is_some() { path.parent().map(Path::to_owned) } else { Some(path) };
    Question { directory, imagined_stage: Some(stage), imagined_config: name, ..Question::default() }
}

/// What the user named because a configuration does not tell it.
struct Named {
    app: Option<String>,
    stage: Option<Stage>,
}

fn known(asker: Option<ProcessId>) -> Result<ProcessId, Failure> {
    asker.ok_or_else(|| Failure::new("the process that asks has ended", None))
}
