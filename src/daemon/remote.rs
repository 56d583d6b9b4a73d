//! Answers of the addresses that containers and other machines can reach.
//!
//! Nobody can say which process is behind such a connection, nor whose. So nothing is served here that a process
//! gets for what it is: only container credentials, for which a token is the whole authority.

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, StatusCode};
use hyper::body::Incoming;

use super::Broker;
use super::answer::status;
use super::container::Container;
use super::endpoint::Answer;
use crate::core::container;

/// Answers the requests of one connection.
#[derive(Debug)]
pub(super) struct RemoteAnswerer {
    broker: Arc<Broker>,
    /// The address that was connected to.
    here: SocketAddr,
}

impl RemoteAnswerer {
    pub(super) fn new(broker: Arc<Broker>, here: SocketAddr) -> Self {
        Self { broker, here }
    }

    pub(super) async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let container_path = container::path(request.uri().path());
        let shut = self.broker.doors.check(request.uri(), request.headers(), Some(self.here.ip()));
        if let Err(shut) = shut {
            tracing::info!(%shut, here = %self.here, "a request was refused at the door");
            return container_path
                .map_or_else(|| status(StatusCode::BAD_REQUEST), |_| super::container::shut());
        }
        if let Some(path) = container_path {
            let container = Container { broker: &self.broker, here: None };
            return container.answer(path, request.method(), request.headers()).await;
        }
        tracing::info!(
            path = request.uri().path(),
            here = %self.here,
            "not served at an address that others can reach: only container credentials with a token are"
        );
        status(StatusCode::NOT_FOUND)
    }
}
