//! Answers of the container endpoint.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::Full;
use tokio::time::{Instant, timeout};

use super::Broker;
use super::answer::{Answerer, slow};
use super::callers::{Asking, Question};
use super::endpoint::Answer;
use crate::core::audit::{AuditedToken, Way};
use crate::core::catalog::Deploy;
use crate::core::container::{self, ContainerPath};
use crate::core::container_token::ContainerToken;
use crate::core::decision::{Decision, Outcome, role_name};
use crate::core::name::{App, Stage};
use crate::core::refusal::{Refusal, RefusalClass};

/// JS SDKs give up after a second.
const PATIENCE: Duration = Duration::from_millis(700);
/// The token is what counts, so that its user is looked for no longer than this. Only where the profile is deployed with
/// the plugin does it have to be found.
const SEARCH: Duration = Duration::from_millis(200);

/// The container endpoint for one connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Container<'a> {
    pub(super) broker: &'a Broker,
    /// What can look for the process behind the connection; `None` where that is on another machine.
    pub(super) here: Option<&'a Answerer>,
}

impl Container<'_> {
    /// Answers a request below `/container`.
    pub(super) async fn answer(self, path: ContainerPath, method: &Method, headers: &HeaderMap) -> Answer {
        if method != Method::GET && method != Method::HEAD {
            let mut answer = error(StatusCode::METHOD_NOT_ALLOWED, "this path is for GET");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        let mut presented = headers.get_all(AUTHORIZATION).iter();
        let (Some(token), None) = (presented.next(), presented.next()) else {
            return error(StatusCode::UNAUTHORIZED, "one Authorization header with a token is needed");
        };
        let ContainerPath::Credentials(app, stage) = path else {
            return error(StatusCode::NOT_FOUND, "the path is /container/<app>/<stage>");
        };
        match self.give(token.as_bytes(), &app, &stage).await {
            Ok(answer) => answer,
            Err(refusal) => error(status(&refusal), &refusal.to_string()),
        }
    }

    async fn give(self, presented: &[u8], app: &App, stage: &Stage) -> Result<Answer, Refusal> {
        let end = Instant::now() + PATIENCE;
        let broker = self.broker;
        let Some(token) = broker.tokens.present(presented) else {
            let refusal = Refusal::UnknownToken;
            // Whoever can connect from elsewhere must not fill this user's disk with lines.
            if self.here.is_some() {
                broker.refuse(Way::Container, &self.user(None).await, &refusal);
            }
            return Err(refusal);
        };
        let asking = self.asking(token, Some((app, stage))).await;
        let left = end.saturating_duration_since(Instant::now());
        let (decision, session) = broker.serve(Way::Container, &asking, left).await?;
        let document = container::document(&session.credentials, &decision.access_role.role_arn);
        Ok(json(StatusCode::OK, Bytes::from_owner(Wiped(document))))
    }

    /// What a token gives to who uses it. `asked` is the application and stage that it is presented for, where the path
    /// names them.
    pub(super) async fn asking(self, token: ContainerToken, asked: Option<(&App, &Stage)>) -> Asking {
        let broker = self.broker;
        let mut decided = match asked {
            Some((app, stage)) if (&token.app, &token.stage) != (app, stage) => {
                let own = role_name(&token.app, &token.stage);
                Err(Refusal::TokenOther { asked: role_name(app, stage), own })
            }
            _ => broker.decision_of(&token).await.map(Arc::new),
        };
        if let Ok(decision) = &decided {
            broker.begin(decision).await;
        }
        let mut asking = self.user(Some(&token)).await;
        if decided.is_ok()
            && let Some(contradiction) = contradiction(&token, &asking.outcome)
        {
            decided = Err(contradiction);
        }
        // The token's own decision is not about who uses it, and whether that one deploys matters.
        if let Ok(decision) = &decided {
            let wants_plugin = decision.profile.deploy == Deploy::Plugin;
            if wants_plugin && self.here.is_some() && asking.caller.is_none() {
                let unknown = asking.outcome.result.as_ref().err().cloned();
                decided = Err(unknown.unwrap_or_else(|| slow().into()));
            } else if asking.deployment.is_some() {
                decided =
                    Ok(Arc::new(Decision { deployment: asking.deployment, ..Decision::clone(decision) }));
            }
        }
        asking.outcome = Arc::new(Outcome {
            app: Some(token.app),
            stage: Some(token.stage),
            result: decided,
            reasons: Vec::new(),
        });
        asking
    }

    /// Who uses a token, for the audit log, and what the rule says of that process where it can be told: nothing of
    /// that is needed for credentials, since the token is for processes that cannot be looked at.
    async fn user(self, token: Option<&ContainerToken>) -> Asking {
        let holding = match self.here {
            Some(here) => {
                timeout(SEARCH, here.identify()).await.unwrap_or_else(|_| Err(slow())).map_err(Into::into)
            }
            // Behind a connection from elsewhere nobody can be looked for.
            None => Err(Refusal::UnknownToken),
        };
        let mut asking = match holding {
            Ok(holding) => {
                let asked = token.map(|token| token.stage.clone());
                self.broker.decide(holding.process, Question { asked, ..Question::default() }).await
            }
            Err(refusal) => Asking::refused(None, refusal),
        };
        asking.token =
            token.map(|token| Arc::new(AuditedToken { id: token.id.clone(), label: token.label.clone() }));
        asking
    }
}

/// Why a token is not for its user, if so: a Serverless CLI on another stage of the same application would deploy that
/// stage into this one's account.
fn contradiction(token: &ContainerToken, user: &Outcome) -> Option<Refusal> {
    let refusal = user.result.as_ref().err().filter(|_| user.app.as_ref() == Some(&token.app))?;
    let why = match refusal {
        Refusal::OtherRole { why, .. } => why.clone(),
        Refusal::StageConflict { cli, .. } => format!("the Serverless CLI works on stage {cli}"),
        Refusal::UnknownStage { why } => format!("that of the Serverless CLI is not known: {why}"),
        _ => return None,
    };
    Some(Refusal::TokenStage { token: token.stage.clone(), why })
}

/// The status for a refusal (see the table in `docs/endpoint.md`).
fn status(refusal: &Refusal) -> StatusCode {
    match (refusal, refusal.class()) {
        (Refusal::UnknownToken, _) => StatusCode::UNAUTHORIZED,
        (_, RefusalClass::Later) => StatusCode::SERVICE_UNAVAILABLE,
        (_, RefusalClass::NoProject | RefusalClass::Denied) => StatusCode::FORBIDDEN,
    }
}

/// Bytes that are wiped when the connection has sent them.
pub(super) struct Wiped(pub(super) zeroize::Zeroizing<String>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// An answer that the doors refused.
pub(super) fn shut() -> Answer {
    error(StatusCode::BAD_REQUEST, "this request is not one of an AWS client on this machine")
}

fn error(status: StatusCode, message: &str) -> Answer {
    let code = match status {
        StatusCode::UNAUTHORIZED => "Unauthorized",
        StatusCode::FORBIDDEN => "AccessDenied",
        StatusCode::NOT_FOUND => "NotFound",
        StatusCode::METHOD_NOT_ALLOWED => "MethodNotAllowed",
        StatusCode::SERVICE_UNAVAILABLE => "NotReady",
        _ => "BadRequest",
    };
    json(status, container::error(code, message).into())
}

fn json(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
