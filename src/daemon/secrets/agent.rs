//! Answers of the secrets interface, for one connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, WARNING};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;
use subtle::ConstantTimeEq;
use tokio::time::timeout;

use super::{Pick, Served};
use crate::core::audit::Way;
use crate::core::caller::{ProcessId, Unidentified};
use crate::core::decision::Decision;
use crate::core::refusal::Refusal;
use crate::core::secret::{SecretError, SecretFailure};
use crate::core::secrets_agent::{AgentRoute, Fault, HEALTHY, Miss, Shown, TOKEN_HEADERS, parameter, secret};
use crate::daemon::answer::{Answerer, SEARCH, slow};
use crate::daemon::callers::{Asking, Question};
use crate::daemon::container::{Container, Wiped};
use crate::daemon::endpoint::Answer;
use crate::edges::clock;

/// Clients of this interface wait longer than those of a metadata service, and the endpoint for any answer 5 seconds.
const PATIENCE: Duration = Duration::from_millis(4500);

/// An answer that the doors refused.
pub(in crate::daemon) fn shut() -> Answer {
    fault(&Fault::plain(StatusCode::BAD_REQUEST, "this request is not one of a client on this machine"))
}

impl Answerer {
    /// Answers a request of the secrets interface.
    pub(in crate::daemon) async fn secrets(
        &self,
        route: Result<AgentRoute, Miss>,
        headers: &HeaderMap,
    ) -> Answer {
        if route == Ok(AgentRoute::Ping) {
            return body("text/plain", HEALTHY.into());
        }
        let Some(asking) = self.presented(headers).await else {
            return fault(&Fault::plain(StatusCode::FORBIDDEN, "Bad Token"));
        };
        let route = match route {
            Ok(route) => route,
            Err(miss) => {
                let status = match miss {
                    Miss::NotFound => StatusCode::NOT_FOUND,
                    Miss::Method => StatusCode::METHOD_NOT_ALLOWED,
                    Miss::Query(_) => StatusCode::BAD_REQUEST,
                };
                return fault(&Fault::plain(status, &miss.to_string()));
            }
        };
        match self.give(&asking, &route).await {
            Ok(answer) => answer,
            Err(refusal) => fault(&Fault::of(&refusal)),
        }
    }

    /// Who asks, and what was decided about it; `None` if it presents nothing that it could only have from brokerd. A
    /// container token brings its own decision, everything else the caller's.
    async fn presented(&self, headers: &HeaderMap) -> Option<Asking> {
        let mut presented = TOKEN_HEADERS.iter().flat_map(|name| headers.get_all(*name));
        let (token, None) = (presented.next()?.as_bytes(), presented.next()) else { return None };
        let broker = &self.broker;
        if broker.secrets_token.as_ref().is_some_and(|own| own.is(token)) {
            return Some(self.decided(self.found().await).await);
        }
        if let Some(process) = self.bearer(token).await {
            return Some(self.decided(process).await);
        }
        if let Some(token) = broker.tokens.present(token) {
            let container = Container { broker, here: Some(self) };
            return Some(container.asking(token, None).await);
        }
        // What `exec --static` put into the environment is where clients of the Lambda extension look.
        let asking = self.decided(self.found().await).await;
        let decision = asking.outcome.result.as_ref().ok()?;
        if decision.unserved(Way::SecretsAgent, &clock::local_now()).is_some() {
            return None;
        }
        broker.gate(decision).await.ok()?;
        let session = broker.sessions.begin(broker.request(decision), decision)?;
        let is_own: bool = session.credentials.reveal().session_token.as_bytes().ct_eq(token).into();
        is_own.then_some(asking)
    }

    async fn found(&self) -> Result<ProcessId, Unidentified> {
        let found = timeout(SEARCH, self.identify()).await;
        found.unwrap_or_else(|_| Err(slow())).map(|holding| holding.process)
    }

    async fn decided(&self, process: Result<ProcessId, Unidentified>) -> Asking {
        match process {
            Ok(process) => self.broker.decide(process, Question::default()).await,
            Err(why) => Asking::refused(None, why.into()),
        }
    }

    async fn give(&self, asking: &Asking, route: &AgentRoute) -> Result<Answer, Refusal> {
        let decision = match &asking.outcome.result {
            Ok(decision) => &self.broker.as_listed(decision).await,
            Err(refusal) => {
                self.broker.refuse(Way::SecretsAgent, asking, refusal);
                return Err(refusal.clone());
            }
        };
        let (picked, asked, refresh) = match route {
            AgentRoute::Secret(query) => (Pick::secret(decision, query), &query.id, query.refresh),
            AgentRoute::Parameter(query) => (Pick::parameter(decision, query), &query.name, false),
            AgentRoute::Ping => return Ok(body("text/plain", HEALTHY.into())),
        };
        let pick = picked.map_err(|error| self.not_picked(asking, decision, asked, error))?;
        let picks = std::slice::from_ref(&pick);
        let served =
            self.broker.serve_secrets(Way::SecretsAgent, asking, decision, picks, refresh, PATIENCE).await?;
        let served = served.into_iter().next().unwrap_or_else(|| Err(pick.failed(SecretFailure::Pending)))?;
        answer(&served, route, decision)
            .ok_or_else(|| pick.failed(crate::core::secret::ContentError::Binary.into()).into())
    }

    fn not_picked(
        &self,
        asking: &Asking,
        decision: &Arc<Decision>,
        asked: &str,
        error: SecretError,
    ) -> Refusal {
        let refusal = Refusal::from(error);
        let called: String = asked.chars().filter(|c| !c.is_control()).take(128).collect();
        self.broker.no_secrets(Way::SecretsAgent, asking, decision, vec![called], &refusal);
        refusal
    }
}

fn answer(served: &Served, route: &AgentRoute, decision: &Decision) -> Option<Answer> {
    let shown = Shown {
        content: &served.content,
        name: served.name.as_ref().map(crate::core::name::SecretName::as_str),
        role: &decision.access_role.role_arn,
        region: decision.region.as_ref(),
        read: served.read,
    };
    let document = match route {
        AgentRoute::Parameter(_) => parameter(&shown)?,
        AgentRoute::Secret(_) | AgentRoute::Ping => secret(&shown),
    };
    let mut answer = body("application/json", Bytes::from_owner(Wiped(document)));
    if served.note.is_some() {
        // RFC 7234 section 5.5.1: what is served is past its time.
        answer.headers_mut().insert(WARNING, HeaderValue::from_static("110 - \"Response is Stale\""));
    }
    Some(answer)
}

fn fault(fault: &Fault) -> Answer {
    let kind = if fault.body.starts_with('{') { "application/json" } else { "text/plain" };
    let mut answer = body(kind, fault.body.clone().into());
    *answer.status_mut() = fault.status;
    answer
}

fn body(kind: &'static str, content: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(content));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
