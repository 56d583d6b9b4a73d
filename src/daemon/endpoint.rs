//! The metadata endpoint: connections and their limits. What is answered is in [`super::answer`].

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answer::{Answerer, Client, status};
use super::places::{Place, Places};
use super::remote::RemoteAnswerer;
use super::run::Surface;
use super::{Broker, Limits};
use crate::core::caller::Unidentified;
use crate::edges::peer::Connection;
use crate::edges::taker::Taker;

/// While it stops, the endpoint goes on to accept so long, and waits so long for the request of a new connection.
const LAST_CALL: Duration = Duration::from_millis(50);
const FIRST_REQUEST: Duration = Duration::from_millis(500);
/// A longer head is refused. The longest that an SDK sends has well under 2 KiB.
const LONGEST_HEAD: usize = 16 * 1024;
/// Where nothing can be accepted, the next attempt waits so long at first, and so long at most.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Who can connect to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Processes of this machine: each is looked at.
    Local,
    /// Containers and other machines: nobody can say who they are.
    Remote,
}

/// What all addresses of the endpoint share.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) broker: Arc<Broker>,
    pub(super) surface: Arc<Surface>,
    pub(super) places: Arc<Places>,
    pub(super) limits: Limits,
    pub(super) stop: CancellationToken,
}

impl Endpoint {
    /// Accepts until told to stop; then connections end with the answer they are at.
    pub(super) async fn serve(self, listener: TcpListener, kind: Kind) {
        let connections = TaskTracker::new();
        let mut pause = FIRST_PAUSE;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    pause = FIRST_PAUSE;
                    let place = tokio::select! {
                        place = self.places.take() => place,
                        () = self.stop.cancelled() => self.places.take_anyway(),
                    };
                    connections.spawn(self.clone().connection(stream, peer, place, kind));
                }
                // The client has left before it was accepted: no matter of ours.
                Err(error) if is_of_client(error.kind()) => {}
                Err(error) => {
                    self.surface.not_accepted(&error);
                    self.wait_for_room(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        // Whoever has connected by now is served: closing the listener would reset what waits in the kernel's queue.
        let end = Instant::now() + LAST_CALL;
        while let Ok(Ok((stream, peer))) = timeout_at(end, listener.accept()).await {
            connections.spawn(self.clone().connection(stream, peer, self.places.take_anyway(), kind));
        }
        drop(listener);
        connections.close();
        connections.wait().await;
    }

    /// Out of descriptors, most of the time: whoever is idle gives his back, and trying at once would only burn the
    /// processor.
    async fn wait_for_room(&self, pause: Duration) {
        tokio::select! {
            _ = timeout(pause, self.places.shrink()) => {}
            () = self.stop.cancelled() => {}
        }
    }

    async fn connection(self, stream: TcpStream, peer: SocketAddr, place: Place, kind: Kind) {
        let Ok(local) = stream.local_addr() else { return };
        let place = Arc::new(place);
        // A split answer would cost a delayed acknowledgement: 40 ms.
        let _ = stream.set_nodelay(true);
        if kind == Kind::Remote {
            let answerer = Arc::new(RemoteAnswerer::new(self.broker.clone(), local));
            return self.speak(stream, &place, move |request| answerer.clone().answer(request)).await;
        }
        // Before a byte is read: whose socket is it? Another user's is closed, and hears nothing.
        let socket = match self.broker.observer.socket(Connection::new(peer, local), &stream) {
            Ok(socket) => socket,
            Err(Unidentified::Gone) => return,
            Err(why) => {
                self.broker.refuse_connection(why);
                return;
            }
        };
        let answerer = Arc::new(Answerer::new(self.broker.clone(), Client::new(socket, place.clone())));
        self.speak(stream, &place, move |request| answerer.clone().answer(request)).await;
    }

    /// Speaks HTTP until the client, a limit or the daemon ends it.
    async fn speak<A, F>(&self, stream: TcpStream, place: &Arc<Place>, answer: A)
    where
        A: Fn(Request<Incoming>) -> F,
        F: Future<Output = Answer>,
    {
        let asked = Notify::new();
        let service = service_fn(|request: Request<Incoming>| {
            asked.notify_one();
            let (work, patience) = (place.at_work(), self.limits.answer);
            let has_body = has_body(&request);
            let answering = answer(request);
            async move {
                let mut answer = timeout(patience, answering)
                    .await
                    .unwrap_or_else(|_| status(StatusCode::SERVICE_UNAVAILABLE));
                if has_body {
                    end_with(&mut answer);
                }
                drop(work);
                Ok::<_, Infallible>(answer)
            }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_buf_size(LONGEST_HEAD)
            .title_case_headers(true)
            .half_close(true);
        let stream = Taker::new(stream, self.limits.taking);
        let serving = http.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(serving);
        // Told to end before its first request, a connection would be closed without an answer.
        let told_to_end = async {
            self.stop.cancelled().await;
            let _ = timeout(FIRST_REQUEST, asked.notified()).await;
        };
        let ended = tokio::select! {
            ended = serving.as_mut() => ended,
            () = told_to_end => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
            () = place.left() => {
                if !place.is_at_work() {
                    tracing::debug!("an idle connection made room for another");
                    return;
                }
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// What a request is answered with.
pub(super) type Answer = Response<Full<Bytes>>;

/// The connection ends with this answer.
pub(super) fn end_with(answer: &mut Answer) {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

/// Whether a request brings a body. None is ever read: what comes after it would have to be told from it.
fn has_body(request: &Request<Incoming>) -> bool {
    let length = request.headers().get(CONTENT_LENGTH);
    length.is_some_and(|length| length != "0") || request.headers().contains_key(TRANSFER_ENCODING)
}

fn is_of_client(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}
