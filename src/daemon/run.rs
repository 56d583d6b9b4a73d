//! The daemon at work: its servers, its watch, its end.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::endpoint::{Endpoint, Kind};
use super::places::Places;
use super::{Broker, Limits, control, settings};
use crate::core::moment::Timestamp;
use crate::core::protocol::EndpointSocket;
use crate::core::serverless::Inputs;
use crate::edges::control_socket::ControlSocket;
use crate::edges::watch::{Watch, WatchError};
use crate::edges::{clock, harden, listen, project_file, supervisor};

/// What has been given this long to end is left behind.
const GRACE: Duration = Duration::from_secs(5);
/// So long `status` says that connections could not be accepted.
const REMEMBERED: Duration = Duration::from_hours(1);
/// How long after the first change of a save the others come.
const BURST: Duration = Duration::from_millis(30);

/// The sockets that a daemon serves.
#[derive(Debug)]
pub struct Listeners {
    /// Of the metadata endpoint, for processes of this machine.
    pub endpoints: Vec<TcpListener>,
    /// For containers and other machines.
    pub remote: Vec<TcpListener>,
    /// Of `brokerctl`.
    pub control: ControlSocket,
}

/// What of the running daemon can be seen and nudged from the control socket.
#[derive(Debug)]
pub(super) struct Surface {
    sockets: Vec<EndpointSocket>,
    troubles: Mutex<Vec<String>>,
    /// When a connection could not be accepted for the last time, and why.
    not_accepted: Mutex<Option<(Timestamp, String)>>,
    nudged: Notify,
}

impl Surface {
    pub(super) fn endpoints(&self) -> Vec<String> {
        let local = self.sockets.iter().filter(|socket| !socket.remote);
        local.map(|socket| format!("http://{}/", socket.address)).collect()
    }

    pub(super) fn sockets(&self) -> Vec<EndpointSocket> {
        self.sockets.clone()
    }

    pub(super) fn troubles(&self) -> Vec<String> {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let not_accepted = self.not_accepted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((last, why)) = not_accepted
            && clock::now().remaining(last) < REMEMBERED
        {
            troubles.push(format!("connections could not be accepted, the last at {last}: {why}"));
        }
        troubles
    }

    /// A connection could not be accepted.
    pub(super) fn not_accepted(&self, error: &std::io::Error) {
        let mut last = self.not_accepted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::now();
        if last.as_ref().is_none_or(|(last, _)| *last < now) {
            tracing::warn!(%error, "a connection cannot be accepted");
        }
        *last = Some((now, error.to_string()));
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
    run_within(Limits::of_files(harden::open_files()), broker, listeners, reload, stop).await;
}

/// The same within these limits.
pub async fn run_within(
    limits: Limits,
    broker: Arc<Broker>,
    listeners: Listeners,
    reload: Arc<Notify>,
    stop: CancellationToken,
) {
    let socket = |listener: &TcpListener, remote| {
        Some(EndpointSocket { address: listener.local_addr().ok()?, inode: listen::inode(listener)?, remote })
    };
    let local = listeners.endpoints.iter().filter_map(|listener| socket(listener, false));
    let sockets =
        local.chain(listeners.remote.iter().filter_map(|listener| socket(listener, true))).collect();
    let surface = Arc::new(Surface {
        sockets,
        troubles: Mutex::default(),
        not_accepted: Mutex::default(),
        nudged: Notify::new(),
    });
    let work = TaskTracker::new();
    let endpoint = Endpoint {
        broker: broker.clone(),
        surface: surface.clone(),
        places: Places::new(limits.connections, limits.of_one_process),
        limits,
        stop: stop.clone(),
    };
    for listener in listeners.endpoints {
        work.spawn(endpoint.clone().serve(listener, Kind::Local));
    }
    for listener in listeners.remote {
        work.spawn(endpoint.clone().serve(listener, Kind::Remote));
    }
    drop(endpoint);
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
            let _ = broker.projects.read(&file, &Inputs::default()).await;
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
