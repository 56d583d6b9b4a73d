//! The daemon at work: its servers, its watch, its end.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Broker, control, endpoint, settings};
use crate::edges::control_socket::ControlSocket;
use crate::edges::watch::{Watch, WatchError};
use crate::edges::{project_file, supervisor};

/// What has been given this long to end is left behind.
const GRACE: Duration = Duration::from_secs(5);
/// How long after the first change of a save the others come.
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
    work.spawn(broker.clone().keep(stop.clone()));
    broker.watch_processes();
    let ahead = (broker.clone(), stop.clone());
    work.spawn(async move { ahead.1.run_until_cancelled(ahead.0.prefetch_recent()).await });
    work.spawn(watch(broker, surface, reload, stop.clone()));
    work.close();
    stop.cancelled().await;
    if timeout(GRACE, work.wait()).await.is_err() {
        tracing::warn!("some connections did not end in time and are cut");
    }
}

/// Reads what changed as soon as it does, so that a broken edit is noticed while the good content is known.
async fn watch(broker: Arc<Broker>, surface: Arc<Surface>, reload: Arc<Notify>, stop: CancellationToken) {
    let mut watch = Watch::new();
    if let Err(error) = &watch {
        tracing::warn!(%error, "changes are noticed only when somebody asks");
    }
    loop {
        read_all(&broker).await;
        surface.set_troubles(match &mut watch {
            Ok(watch) => watch.set(&files(&broker)).iter().map(ToString::to_string).collect(),
            Err(error) => vec![error.to_string()],
        });
        tokio::select! {
            () = changed(&mut watch) => {}
            () = surface.nudged.notified() => {}
            () = reload.notified() => reread(&broker).await,
            () = stop.cancelled() => break,
        }
    }
}

/// The end of the next burst of changes; never, where nothing is watched.
async fn changed(watch: &mut Result<Watch, WatchError>) {
    let Ok(watch) = watch else { return std::future::pending().await };
    watch.changed().await;
    // Changes of one save come in bursts; they are taken together.
    tokio::time::sleep(BURST).await;
}

/// What SIGHUP asks for: every file is looked at as if it were new.
async fn reread(broker: &Broker) {
    supervisor::reloading();
    broker.catalogs.doubt();
    broker.permissions.doubt();
    if let Err(error) = broker.pins.reload().await {
        tracing::error!(%error, "the pins stay as they were");
    }
    match settings::read(&broker.directories.config_file()) {
        Ok(config) if config == broker.config => {}
        Ok(_) => tracing::warn!("config.toml changed: it takes effect when brokerd starts again"),
        Err(faults) => tracing::error!(%faults, "config.toml would keep brokerd from starting again"),
    }
    supervisor::ready("reloaded");
}

/// The list of allowed projects, the catalog, and every allowed configuration; each is read only if it changed.
async fn read_all(broker: &Broker) {
    broker.permissions.refresh().await;
    let catalog = broker.catalogs.current().await;
    let allowed = broker.permissions.current();
    broker.callers.review(catalog.as_deref().map_err(String::as_str), &allowed);
    broker.tokens.review(catalog.as_deref().map_err(String::as_str), &allowed).await;
    if let Ok(catalog) = catalog {
        broker.sessions.retain(&catalog);
    }
    for project in allowed.iter() {
        if let Some(file) = project_file::at(&project.config) {
            let _ = broker.projects.read(&file).await;
        }
    }
}

/// The files in which a change matters. Not the list of allowed projects: who asks looks at its stamp, and a watch of
/// its directory would wake for each line of the audit log.
fn files(broker: &Broker) -> HashSet<PathBuf> {
    let allowed = broker.permissions.current();
    let configs =
        allowed.iter().flat_map(|project| std::iter::once(&project.config).chain(&project.leads_to));
    configs.cloned().chain([broker.catalogs.path().to_owned()]).collect()
}
