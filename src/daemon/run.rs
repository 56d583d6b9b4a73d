//! The daemon at work: its servers, its watch, its end.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::endpoint::{Endpoint, Kind};
use super::places::Places;
use super::{Broker, Limits, control, watching};
#[cfg(target_os = "linux")]
use crate::core::locked::LockedBy;
use crate::core::moment::Timestamp;
use crate::core::protocol::EndpointSocket;
use crate::edges::clock_change::ClockChange;
use crate::edges::control_socket::ControlSocket;
#[cfg(target_os = "linux")]
use crate::edges::screen_lock::{Screen, ScreenLock};
#[cfg(target_os = "linux")]
use crate::edges::user;
use crate::edges::{clock, harden, listen};

/// What has been given this long to end is left behind.
const GRACE: Duration = Duration::from_secs(5);
/// So long `status` says that connections could not be accepted.
const REMEMBERED: Duration = Duration::from_hours(1);

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
    /// Why nobody tells when the screen is locked, where that is asked for.
    no_screen: Mutex<Option<String>>,
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
        let no_screen = self.no_screen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        troubles.extend(no_screen.map(|why| format!("lock_on_screen_lock has no effect: {why}")));
        troubles
    }

    /// That the service manager listens elsewhere than `config.toml` says.
    pub(super) fn other_addresses(&self, listen: &[SocketAddr]) -> Option<String> {
        let own: Vec<SocketAddr> =
            self.sockets.iter().filter(|socket| !socket.remote).map(|socket| socket.address).collect();
        is_elsewhere(&own, listen).then(|| {
            let words = |addresses: &[SocketAddr]| {
                addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
            };
            format!(
                "the service manager listens at {}, and config.toml says {}: brokerctl service install",
                words(&own),
                words(listen)
            )
        })
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

    /// Waits until the set of allowed projects may be another.
    pub(super) async fn nudged(&self) {
        self.nudged.notified().await;
    }

    fn set_no_screen(&self, why: Option<String>) {
        *self.no_screen.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    pub(super) fn set_troubles(&self, troubles: Vec<String>) {
        *self.troubles.lock().unwrap_or_else(PoisonError::into_inner) = troubles;
    }
}

/// Whether two lists name different addresses; port 0 is any.
fn is_elsewhere(own: &[SocketAddr], listen: &[SocketAddr]) -> bool {
    let same = |a: &SocketAddr, b: &SocketAddr| a.ip() == b.ip() && (a.port() == b.port() || b.port() == 0);
    own.len() != listen.len() || !listen.iter().all(|named| own.iter().any(|found| same(found, named)))
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
        no_screen: Mutex::default(),
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
    work.spawn(broker.clone().renew_logins(stop.clone()));
    work.spawn(heed_clocks(broker.clone(), stop.clone()));
    if broker.config.lock_on_screen_lock {
        work.spawn(heed_screen(broker.clone(), surface.clone(), stop.clone()));
    }
    work.spawn(broker.clone().ask_by_notifications(stop.clone()));
    broker.watch_processes();
    let ahead = (broker.clone(), stop.clone());
    work.spawn(async move { ahead.1.run_until_cancelled(ahead.0.prefetch_recent()).await });
    work.spawn(watching::watch(broker, surface, reload, stop.clone()));
    work.close();
    stop.cancelled().await;
    if timeout(GRACE, work.wait()).await.is_err() {
        tracing::warn!("some connections did not end in time and are cut");
    }
}

/// Plans renewals anew when the clock was set, when the machine was asleep, and when AWS says another time than was
/// thought: timers stand still while the machine does.
async fn heed_clocks(broker: Arc<Broker>, stop: CancellationToken) {
    let mut change = ClockChange::new();
    if let Err(error) = &change {
        tracing::warn!(%error, "after a sleep of the machine sessions are renewed only when somebody asks");
    }
    loop {
        tokio::select! {
            () = clock_changed(&mut change) => tracing::info!("the clock was set, or the machine was asleep"),
            () = broker.sessions.clock().changed() => {}
            () = stop.cancelled() => break,
        }
        broker.sessions.plan_anew();
    }
}

/// Locks brokerd with the screen, and unlocks what that locked. `status` says so where nobody tells of the screen: it was
/// asked for, and does not happen.
#[cfg(target_os = "linux")]
async fn heed_screen(broker: Arc<Broker>, surface: Arc<Surface>, stop: CancellationToken) {
    /// After a bus has gone, and where there is none yet, it is tried again in this time.
    const AGAIN: Duration = Duration::from_secs(30);
    let heeding = async {
        loop {
            match ScreenLock::listen(user::uid()).await {
                Ok(mut screen) => {
                    surface.set_no_screen(None);
                    tracing::info!("locks with the screen");
                    while let Some(said) = screen.next().await {
                        let outcome = match said {
                            Screen::Locked => broker.lock(LockedBy::Screen).await,
                            Screen::Unlocked => broker.unlock(LockedBy::Screen).await,
                        };
                        if let Err(failure) = outcome {
                            tracing::error!(%failure, "the lock of the screen");
                        }
                    }
                    surface.set_no_screen(Some("its bus has gone".to_owned()));
                }
                Err(why) => surface.set_no_screen(Some(why)),
            }
            tokio::time::sleep(AGAIN).await;
        }
    };
    stop.run_until_cancelled(heeding).await;
}

/// The same where this version is not told of the screen.
#[cfg(not(target_os = "linux"))]
#[allow(clippy::unused_async, reason = "as where it waits")]
async fn heed_screen(_: Arc<Broker>, surface: Arc<Surface>, _: CancellationToken) {
    surface.set_no_screen(Some("this version is told of it on Linux only".to_owned()));
}

async fn clock_changed(change: &mut std::io::Result<ClockChange>) {
    match change {
        Ok(change) => change.next().await,
        Err(_) => std::future::pending().await,
    }
}
