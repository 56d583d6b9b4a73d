//! The daemon at work: its servers, its watch, its end.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Broker, control, endpoint};
use crate::edges::control_socket::ControlSocket;
use crate::edges::project_file;
use crate::edges::watch::{Changes, Watch};

/// What has been given this long to end is left behind.
const GRACE: Duration = Duration::from_secs(5);
/// Changes of one save come in bursts; they are taken together.
const BURST: Duration = Duration::from_millis(30);

/// The sockets that a daemon serves.
#[derive(Debug)]
pub struct Listeners {
    /// Of the metadata endpoint.
    pub endpoints: Vec<TcpListener>,
    /// Of `brokerctl`.
    pub control: ControlSocket,
}

/// What of the running daemon can be seen and nudged from the control socket.
#[derive(Debug)]
pub(super) struct Surface {
    endpoints: Vec<SocketAddr>,
    troubles: Mutex<Vec<String>>,
    nudged: Notify,
}

impl Surface {
    pub(super) fn endpoints(&self) -> Vec<String> {
        self.endpoints.iter().map(|address| format!("http://{address}/")).collect()
    }

    pub(super) fn troubles(&self) -> Vec<String> {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The set of allowed projects is another now.
    pub(super) fn permissions_changed(&self) {
        self.nudged.notify_one();
    }

    fn set_troubles(&self, troubles: Vec<String>) {
        *self.troubles.lock().unwrap_or_else(PoisonError::into_inner) = troubles;
    }
}

/// Serves until `stop` is cancelled, then drains. `reload` makes it look at its files anew.
pub async fn run(broker: Arc<Broker>, listeners: Listeners, reload: Arc<Notify>, stop: CancellationToken) {
    let endpoints = listeners.endpoints.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    let surface = Arc::new(Surface { endpoints, troubles: Mutex::default(), nudged: Notify::new() });
    let work = TaskTracker::new();
    for listener in listeners.endpoints {
        work.spawn(endpoint::serve(broker.clone(), listener, stop.clone()));
    }
    work.spawn(control::serve(broker.clone(), listeners.control, surface.clone(), stop.clone()));
    work.spawn(watch(broker, surface, reload, stop.clone()));
    work.close();
    stop.cancelled().await;
    if timeout(GRACE, work.wait()).await.is_err() {
        tracing::warn!("some connections did not end in time and are cut");
    }
}

/// Reads what changed as soon as it does, so that a broken edit is noticed while the good content is known.
async fn watch(broker: Arc<Broker>, surface: Arc<Surface>, reload: Arc<Notify>, stop: CancellationToken) {
    let (mut watch, mut changes) = match Watch::new() {
        Ok((watch, changes)) => (Some(watch), Some(changes)),
        Err(error) => {
            tracing::warn!(%error, "changes are noticed only when somebody asks");
            surface.set_troubles(vec![error.to_string()]);
            (None, None)
        }
    };
    loop {
        read_all(&broker).await;
        if let Some(watch) = &mut watch {
            let errors = watch.set(&directories(&broker));
            surface.set_troubles(errors.iter().map(ToString::to_string).collect());
        }
        tokio::select! {
            paths = burst(&mut changes) => {
                for path in paths {
                    if let Some(watch) = watch.as_mut().filter(|_| !path.exists()) {
                        watch.forget(&path);
                    }
                }
            }
            () = surface.nudged.notified() => {}
            () = reload.notified() => {
                crate::edges::supervisor::reloading();
                if let Err(error) = broker.permissions.reload() {
                    tracing::error!(%error, "the list of allowed projects stays as it was");
                }
                crate::edges::supervisor::ready("reloaded");
            }
            () = stop.cancelled() => break,
        }
    }
}

/// The catalog, and every allowed configuration; each is read only if it changed.
async fn read_all(broker: &Broker) {
    let catalog = broker.catalogs.current().await;
    broker.sessions.retain(&catalog);
    for project in broker.permissions.current().iter() {
        if let Some(file) = project_file::at(&project.config) {
            let _ = broker.projects.read(&file).await;
        }
    }
}

/// The directories in which a change matters.
fn directories(broker: &Broker) -> HashSet<PathBuf> {
    let allowed = broker.permissions.current();
    let configs =
        allowed.iter().flat_map(|project| std::iter::once(&project.config).chain(&project.leads_to));
    let files = std::iter::once(broker.catalogs.path()).chain(configs.map(PathBuf::as_path));
    files.filter_map(|file| file.parent().map(PathBuf::from)).collect()
}

/// The next changes, with those that follow closely; never, where nothing is watched.
async fn burst(changes: &mut Option<Changes>) -> Vec<PathBuf> {
    let Some(changes) = changes else { return std::future::pending().await };
    let Some(mut paths) = changes.recv().await else { return std::future::pending().await };
    let end = Instant::now() + BURST;
    while let Ok(Some(more)) = tokio::time::timeout_at(end, changes.recv()).await {
        paths.extend(more);
    }
    paths
}
