//! The metadata endpoint: connections and their limits. What is answered is in [`super::answer`].

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Broker;
use super::answer::{Answerer, Client};
use crate::core::caller::Unidentified;
use crate::edges::peer::Connection;

/// Connections at once. More wait in the kernel's queue until one ends.
const CONNECTIONS: usize = 512;
/// A request's head must come within this time; a connection that is kept alive may be idle as long.
const HEAD: Duration = Duration::from_secs(15);
/// While it stops, the endpoint goes on to accept so long, and waits so long for the request of a new connection.
const LAST_CALL: Duration = Duration::from_millis(50);
const FIRST_REQUEST: Duration = Duration::from_millis(500);
/// A longer head is refused. The longest that an SDK sends has well under 2 KiB.
const LONGEST_HEAD: usize = 16 * 1024;

/// Accepts until told to stop; then connections end with the answer they are at.
pub(super) async fn serve(broker: Arc<Broker>, listener: TcpListener, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = TaskTracker::new();
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                connections.spawn(hold(place, connection(broker.clone(), stream, peer, stop.clone())));
            }
            Err(error) => {
                // Out of descriptors, most of the time: trying at once would only burn the processor.
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    // Whoever has connected by now is served: closing the listener would reset what waits in the kernel's queue.
    let end = Instant::now() + LAST_CALL;
    while let Ok(Ok((stream, peer))) = timeout_at(end, listener.accept()).await {
        connections.spawn(connection(broker.clone(), stream, peer, stop.clone()));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Keeps a connection's place until it ends.
async fn hold(_place: OwnedSemaphorePermit, connection: impl Future<Output = ()>) {
    connection.await;
}

async fn connection(broker: Arc<Broker>, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
    let Ok(local) = stream.local_addr() else { return };
    // Before a byte is read: whose socket is it? Another user's is closed, and hears nothing.
    let socket = match broker.observer.socket(Connection::new(peer, local), &stream) {
        Ok(socket) => socket,
        Err(Unidentified::Gone) => return,
        Err(why) => {
            broker.refuse_connection(why);
            return;
        }
    };
    // A split answer would cost a delayed acknowledgement: 40 ms.
    let _ = stream.set_nodelay(true);
    let answerer = Arc::new(Answerer::new(broker, Client::new(socket)));
    let asked = Arc::new(Notify::new());
    let begun = asked.clone();
    let service = service_fn(move |request| {
        begun.notify_one();
        let answerer = answerer.clone();
        async move { Ok::<_, Infallible>(answerer.answer(request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LONGEST_HEAD)
        .title_case_headers(true)
        .half_close(true);
    let serving = http.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    // Told to end before its first request, a connection would be closed without an answer.
    let told_to_end = async {
        stop.cancelled().await;
        let _ = timeout(FIRST_REQUEST, asked.notified()).await;
    };
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = told_to_end => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
