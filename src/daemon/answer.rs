//! Answers of the metadata endpoint, for one connection.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue, SERVER};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use super::Broker;
use super::callers::{Asking, Question};
use super::container::{self, Container};
use super::endpoint::{Answer, end_with};
use super::places::Place;
use super::secrets;
use crate::core::audit::Way;
use crate::core::caller::{ProcessId, Unidentified};
use crate::core::decision::{Decision, Outcome, role_name};
use crate::core::imds::{self, InstanceFacts, Leaf, Miss, Route};
use crate::core::name::{App, Stage};
use crate::core::refusal::{Refusal, RefusalClass};
use crate::core::secrets_agent;
use crate::core::token::{Claims, TOKEN_HEADER, TTL_HEADER, parse_ttl};
use crate::edges::peer::{self, Holding, Observer, Socket};
use crate::edges::{clock, random};

/// AWS clients give up after a second, so an answer that needs STS waits less.
const PATIENCE: Duration = Duration::from_millis(700);
/// How long a token waits until it is known whose it is.
pub(super) const SEARCH: Duration = Duration::from_millis(500);
/// Stands in a role's name for a stage that cannot be told. No stage can be called that.
const NO_STAGE: &str = "_unresolved";

/// The other end of a connection.
#[derive(Debug)]
pub(super) struct Client {
    socket: Socket,
    /// The process found or checked on this connection, and where it held the socket.
    holding: Mutex<Option<Holding>>,
    place: Arc<Place>,
    /// Whether its process has more connections than it may.
    is_too_many: AtomicBool,
}

impl Client {
    pub(super) fn new(socket: Socket, place: Arc<Place>) -> Self {
        Self { socket, holding: Mutex::default(), place, is_too_many: AtomicBool::new(false) }
    }

    fn known(&self) -> Option<Holding> {
        *self.holding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, holding: Holding) {
        *self.holding.lock().unwrap_or_else(PoisonError::into_inner) = Some(holding);
        self.is_too_many.store(!self.place.belongs_to(holding.process), Ordering::Relaxed);
    }
}

/// Answers the requests of one connection.
#[derive(Debug)]
pub(super) struct Answerer {
    pub(super) broker: Arc<Broker>,
    client: Client,
}

impl Answerer {
    pub(super) fn new(broker: Arc<Broker>, client: Client) -> Self {
        Self { broker, client }
    }

    pub(super) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let mut answer = self.answer_to(&request).await;
        if self.client.is_too_many.load(Ordering::Relaxed) {
            answer = status(StatusCode::SERVICE_UNAVAILABLE);
            end_with(&mut answer);
        }
        // The path holds a role name at most; headers hold tokens and are left out.
        tracing::debug!(method = %request.method(), path = request.uri().path(), status = answer.status().as_u16(), "answered");
        answer
    }

    async fn answer_to(&self, request: &Request<Incoming>) -> Answer {
        let container_path = crate::core::container::path(request.uri().path());
        let agent_route = secrets_agent::route(request.method(), request.uri().path(), request.uri().query());
        let doors = &self.broker.doors;
        let opened = match agent_route {
            Some(_) => doors.check_agent(request.uri(), request.headers()),
            None => doors.check(request.uri(), request.headers(), None),
        };
        if let Err(shut) = opened {
            tracing::info!(%shut, "a request was refused at the door");
            if agent_route.is_some() {
                return secrets::shut();
            }
            return container_path.map_or_else(|| status(StatusCode::BAD_REQUEST), |_| container::shut());
        }
        if let Some(route) = agent_route {
            return self.secrets(route, request.headers()).await;
        }
        if let Some(path) = container_path {
            let container = Container { broker: &self.broker, here: Some(self) };
            return container.answer(path, request.method(), request.headers()).await;
        }
        match imds::route(request.method(), request.uri().path()) {
            Ok(Route::Token) => self.token(request.headers()).await,
            Ok(Route::Listing(names)) => match self.way(request.headers()).await {
                Ok(_) => text(names),
                Err(answer) => answer,
            },
            Ok(Route::Leaf(leaf)) => match self.way(request.headers()).await {
                Ok((way, process)) => self.leaf(leaf, way, process).await,
                Err(answer) => answer,
            },
            Err(Miss::NotFound) => status(StatusCode::NOT_FOUND),
            Err(Miss::Method(allowed)) => {
                let mut answer = status(StatusCode::METHOD_NOT_ALLOWED);
                answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
                answer
            }
        }
    }

    /// A token for whoever asks, known or not: an SDK that gets none falls back to IMDSv1. What its caller will
    /// ask for next is begun meanwhile.
    async fn token(&self, headers: &HeaderMap) -> Answer {
        let mut asked = headers.get_all(TTL_HEADER).iter();
        let ttl = asked.next().and_then(|value| value.to_str().ok()).and_then(parse_ttl);
        let Some(ttl) = ttl.filter(|_| asked.next().is_none()) else {
            return status(StatusCode::BAD_REQUEST);
        };
        // Looking for a process may meet a file server that does not answer; the token does not wait for it.
        let holding = tokio::time::timeout(SEARCH, self.identify()).await.ok().and_then(Result::ok);
        if let Some(holding) = holding {
            let broker = self.broker.clone();
            tokio::spawn(async move { broker.prefetch(holding.process).await });
        }
        let claims = Claims {
            caller: holding.map(|holding| holding.process),
            descriptor: holding.map_or(0, |holding| holding.descriptor),
            expires: clock::boot_now().after(ttl),
        };
        let mut answer = text(self.broker.sealer.seal(&claims, random::bytes()));
        answer.headers_mut().insert(TTL_HEADER, HeaderValue::from(ttl.as_secs()));
        answer
    }

    /// The process that asks, found by a search unless the one that this connection knows still holds it.
    pub(super) async fn identify(&self) -> Result<Holding, Unidentified> {
        if let Some(known) = self.client.known().and_then(|known| self.holds(known.process, known.descriptor))
        {
            return Ok(known);
        }
        let (observer, socket) = (self.broker.observer.clone(), self.client.socket);
        let remembered = self.broker.callers.remembered();
        let search = tokio::task::spawn_blocking(move || observer.search(socket, &remembered));
        let holding = search.await.map_err(|_| Unidentified::System("the search failed".to_owned()))??;
        self.client.learn(holding);
        Ok(holding)
    }

    /// By which way a request comes and whose it is; else the answer that refuses it.
    async fn way(&self, headers: &HeaderMap) -> Result<(Way, Result<ProcessId, Unidentified>), Answer> {
        let Some(token) = headers.get(TOKEN_HEADER) else {
            let found = tokio::time::timeout(SEARCH, self.identify()).await;
            let process = found.unwrap_or_else(|_| Err(slow())).map(|holding| holding.process);
            self.broker.tokenless.count(process.as_ref().ok().copied().and_then(peer::program));
            if !self.broker.config.imds_v1 {
                return Err(status(StatusCode::UNAUTHORIZED));
            }
            return Ok((Way::ImdsV1, process));
        };
        match self.bearer(token.as_bytes()).await {
            Some(process) => Ok((Way::Imds, process)),
            None => Err(status(StatusCode::UNAUTHORIZED)),
        }
    }

    /// Whose a token is that this endpoint gave; `None` for one that it did not give to who presents it.
    pub(super) async fn bearer(&self, token: &[u8]) -> Option<Result<ProcessId, Unidentified>> {
        let open = || self.broker.sealer.open(token, clock::boot_now());
        let mut claims = open();
        if claims.is_none() {
            // The key that sealed it may be on its way from the keychain.
            self.broker.keeper.first_answer().await;
            claims = open();
        }
        let claims = claims?;
        let Some(claimed) = claims.caller else {
            // Given when nobody knew to whom; perhaps it can be told now.
            let found = tokio::time::timeout(SEARCH, self.identify()).await;
            return Some(found.unwrap_or_else(|_| Err(slow())).map(|holding| holding.process));
        };
        let known = self.client.known().filter(|known| known.process == claimed);
        let descriptor = known.map_or(claims.descriptor, |known| known.descriptor);
        // A token of another process, or of one that ended: as if there were none.
        self.holds(claimed, descriptor).map(|_| Ok(claimed))
    }

    /// Whether a process holds this connection's other end now. It is asked for each request: a connection can be
    /// handed on. A process that this connection knows cannot have become another with the same pid meanwhile,
    /// since that one would not hold it.
    fn holds(&self, process: ProcessId, descriptor: u32) -> Option<Holding> {
        let is_known = self.client.known().is_some_and(|known| known.process == process);
        let socket = self.client.socket;
        let holding = if is_known {
            Observer::holds(socket, process, descriptor)
        } else {
            self.broker.observer.check(socket, process, descriptor)
        }?;
        self.client.learn(holding);
        Some(holding)
    }

    async fn leaf(&self, leaf: Leaf, way: Way, process: Result<ProcessId, Unidentified>) -> Answer {
        let asking = match process {
            Ok(process) => self.broker.decide(process, Question::default()).await,
            Err(why) => Asking::refused(None, why.into()),
        };
        match leaf {
            Leaf::RoleList => self.role_list(way, &asking).await,
            Leaf::Credentials { name, extended } => {
                self.credentials(way, process_of(&asking), asking, &name, extended).await
            }
            _ => match &asking.outcome.result {
                Ok(decision) => instance(&leaf, decision),
                Err(refusal) => status(refused(refusal)),
            },
        }
    }

    async fn role_list(&self, way: Way, asking: &Asking) -> Answer {
        match &asking.outcome.result {
            Ok(decision) => {
                // The name needs no session; waiting here gives the credential request a second of its own.
                if decision.unserved(way, &clock::local_now()).is_none()
                    && self.broker.gate(decision).await.is_ok()
                {
                    let _ = self.broker.session(decision, PATIENCE).await;
                }
                text(decision.role_name())
            }
            Err(refusal) if refusal.class() == RefusalClass::NoProject => {
                self.broker.refuse(way, asking, refusal);
                status(StatusCode::NOT_FOUND)
            }
            Err(_) => own_name(&asking.outcome).map_or_else(|| status(StatusCode::NOT_FOUND), text),
        }
    }

    async fn credentials(
        &self,
        way: Way,
        process: Option<ProcessId>,
        asking: Asking,
        name: &str,
        extended: bool,
    ) -> Answer {
        if let Err(refusal) = &asking.outcome.result
            && refusal.class() == RefusalClass::NoProject
        {
            self.broker.refuse(way, &asking, refusal);
            return status(StatusCode::NOT_FOUND);
        }
        let asking = if own_name(&asking.outcome).as_deref() == Some(name) {
            asking
        } else {
            // By name a caller may ask for another stage of its own application, under every rule.
            let Some((app, stage)) = taken_apart(name) else { return status(StatusCode::NOT_FOUND) };
            let Some(process) = process.filter(|_| asking.outcome.app.as_ref() == Some(&app)) else {
                let why = "it is another application's".to_owned();
                self.broker.refuse(way, &asking, &Refusal::OtherRole { asked: name.to_owned(), why });
                return status(StatusCode::NOT_FOUND);
            };
            let question = Question { asked: Some(stage), ..Question::default() };
            self.broker.decide(process, question).await
        };
        match self.broker.serve(way, &asking, PATIENCE).await {
            Ok((_, session)) => {
                body(if extended { session.extended.clone() } else { session.document.clone() })
            }
            Err(refusal) => status(refused(&refusal)),
        }
    }
}

/// The search for a process took longer than its client would wait.
pub(super) fn slow() -> Unidentified {
    Unidentified::System("the search for the process took too long".to_owned())
}

fn process_of(asking: &Asking) -> Option<ProcessId> {
    asking.caller.as_ref().map(|caller| caller.process)
}

/// The role name of a caller: also where its stage cannot be told, since a caller that is refused gets a role
/// that it may not have, and not the idea that there is none.
fn own_name(outcome: &Outcome) -> Option<String> {
    let app = outcome.app.as_ref()?;
    Some(match &outcome.stage {
        Some(stage) => role_name(app, stage),
        None => format!("{app}.{NO_STAGE}"),
    })
}

fn taken_apart(name: &str) -> Option<(App, Stage)> {
    let (app, stage) = name.split_once('.')?;
    Some((App::parse(app).ok()?, Stage::parse(stage).ok()?))
}

fn instance(leaf: &Leaf, decision: &Decision) -> Answer {
    let role_name = decision.role_name();
    let facts = InstanceFacts { role_name: &role_name, role: &decision.access_role.role_arn };
    match (leaf, &decision.region) {
        (Leaf::Info, _) => text(imds::info(facts, clock::now())),
        (Leaf::InstanceId, _) => text(facts.instance_id()),
        (Leaf::Partition, _) => text(facts.role.partition().to_owned()),
        (Leaf::Domain, _) => text(imds::domain(facts.role.partition())),
        (Leaf::Region, Some(region)) => text(region.to_string()),
        (Leaf::Zone, Some(region)) => text(format!("{region}a")),
        (Leaf::IdentityDocument, Some(region)) => text(imds::identity_document(facts, region)),
        _ => status(StatusCode::NOT_FOUND),
    }
}

/// The status for a refusal (see the table in `docs/endpoint.md`).
fn refused(refusal: &Refusal) -> StatusCode {
    match refusal.class() {
        RefusalClass::NoProject => StatusCode::NOT_FOUND,
        RefusalClass::Denied => StatusCode::FORBIDDEN,
        RefusalClass::Later => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn text(content: impl Into<Bytes>) -> Answer {
    body(content.into())
}

fn body(content: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(content));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer.headers_mut().insert(SERVER, HeaderValue::from_static("EC2ws"));
    answer
}

/// The answer with a status and its page.
pub(super) fn status(code: StatusCode) -> Answer {
    let mut answer = body(imds::page(code).into());
    *answer.status_mut() = code;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=iso-8859-1"));
    answer
}
