//! Following the files: what changed is read as soon as it does, and what is to be watched is watched.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::core::allowed::AllowedProject;
use crate::core::duration::format_duration;
use crate::core::moment::Timestamp;
use crate::core::serverless::Inputs;
use crate::edges::project_file::{self, ProjectFile};
use crate::edges::watch::{Changes, Coverage, Wanted, Watch};
use crate::edges::{clock, supervisor};

use super::run::Surface;
use super::{Broker, settings};

/// How long after the first change of a save the others come.
const BURST: Duration = Duration::from_millis(30);
/// So many configurations are read at once: each waits a moment until nobody writes to it.
const AT_ONCE: usize = 16;
/// So long `status` says that events were lost.
const REMEMBERED: Duration = Duration::from_hours(1);

/// Reads what changed as soon as it does, so that a broken edit is noticed while the good content is known. Nobody
/// depends on it: whoever asks for a reading looks at the stamps of its files.
pub(super) async fn watch(
    broker: Arc<Broker>,
    surface: Arc<Surface>,
    reload: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut watcher = Watcher { watch: None, troubles: Vec::new(), overflowed: None };
    let mut searches = JoinSet::new();
    read(&broker, None).await;
    let discovery = broker.discovery.clone();
    searches.spawn(async move { discovery.search().await });
    loop {
        let (coverage, since) = watcher.cover(&broker).await;
        surface.set_troubles(watcher.troubles());
        broker.discovery.set_on_demand(watcher.watch.is_none() || coverage.missing > 0);
        let discovery = broker.discovery.clone();
        if !coverage.added.is_empty() {
            searches.spawn(async move { discovery.settle(since, coverage.added).await });
        }
        let discovery = broker.discovery.clone();
        tokio::select! {
            changes = watcher.changed() => {
                read(&broker, Some(&changes)).await;
                searches.spawn(async move { discovery.follow(changes).await });
            }
            () = broker.discovery.changed() => {
                if discovery.is_asked() {
                    searches.spawn(async move { discovery.follow(Changes::default()).await });
                }
            }
            () = surface.nudged() => read(&broker, None).await,
            () = reload.notified() => {
                reread(&broker).await;
                read(&broker, None).await;
                searches.spawn(async move { discovery.search().await });
            }
            Some(_) = searches.join_next() => {}
            () = stop.cancelled() => break,
        }
    }
    broker.discovery.stop();
}

/// The watch, and what is wrong with it.
struct Watcher {
    watch: Option<Watch>,
    troubles: Vec<String>,
    /// When the kernel's queue was full for the last time.
    overflowed: Option<Timestamp>,
}

impl Watcher {
    /// Watches what matters now. Also gives since when what is new in it was not watched.
    async fn cover(&mut self, broker: &Arc<Broker>) -> (Coverage, Option<std::time::SystemTime>) {
        let (places, since) = broker.discovery.places();
        let (watch, broker) = (self.watch.take(), broker.clone());
        let setting = tokio::task::spawn_blocking(move || {
            let wanted = Wanted { files: files(&broker), places };
            let mut watch = match watch.map_or_else(Watch::new, Ok) {
                Ok(watch) => watch,
                Err(error) => {
                    return (None, Coverage { errors: vec![error], ..Coverage::default() });
                }
            };
            let coverage = watch.set(wanted);
            (Some(watch), coverage)
        });
        let (watch, coverage) = setting.await.unwrap_or_default();
        self.watch = watch;
        let troubles = troubles(self.watch.is_some(), &coverage);
        for trouble in troubles.iter().filter(|trouble| !self.troubles.contains(trouble)) {
            tracing::warn!("{trouble}");
        }
        self.troubles = troubles;
        (coverage, since)
    }

    /// The next burst of changes; never, where nothing is watched.
    async fn changed(&mut self) -> Changes {
        let Some(watch) = &self.watch else { return std::future::pending().await };
        watch.changed().await;
        // Changes of one save come in bursts; they are taken together.
        tokio::time::sleep(BURST).await;
        let changes = watch.take();
        if changes.overflowed {
            tracing::warn!("the queue of inotify was full: everything is looked at again");
            self.overflowed = Some(clock::now());
        }
        changes
    }

    fn troubles(&self) -> Vec<String> {
        let now = clock::now();
        let lost = self.overflowed.filter(|last| now.remaining(*last) < REMEMBERED).map(|last| {
            format!(
                "the queue of inotify was full, the last time {} ago, and everything was looked at again (where that \
                 happens often: sudo sysctl fs.inotify.max_queued_events=65536)",
                format_duration(now.remaining(last))
            )
        });
        self.troubles.iter().cloned().chain(lost).collect()
    }
}

fn troubles(is_watching: bool, coverage: &Coverage) -> Vec<String> {
    let what = if is_watching {
        format!("changes in {} directories are noticed only when somebody asks", coverage.missing)
    } else {
        "changes are noticed only when somebody asks".to_owned()
    };
    let told = coverage.errors.iter().map(|error| {
        let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{error}: {what}{hint}")
    });
    told.collect()
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

/// The list of allowed projects, the catalog, and the allowed configurations; with `changes` only those that they
/// concern. Each is read only if it is not what it was.
async fn read(broker: &Arc<Broker>, changes: Option<&Changes>) {
    broker.permissions.refresh().await;
    let catalog = broker.catalogs.current().await;
    let allowed = broker.permissions.current();
    broker.callers.review(catalog.as_deref().map_err(String::as_str), &allowed);
    broker.tokens.review(catalog.as_deref().map_err(String::as_str), &allowed).await;
    if let Ok(catalog) = catalog {
        broker.sessions.retain(&catalog);
        broker.secrets.retain(&catalog);
        broker.review_approvals(&catalog).await;
    }
    let mut readings = JoinSet::new();
    let changes = changes.filter(|changes| !changes.unknown);
    for project in allowed.iter() {
        if changes.is_some_and(|changes| !concern(changes, &sources(broker, project))) {
            continue;
        }
        let Some(file) = project_file::at(&project.config) else { continue };
        if readings.len() >= AT_ONCE {
            readings.join_next().await;
        }
        let broker = broker.clone();
        readings.spawn(async move {
            let _ = broker.projects.read(&file, &Inputs::default()).await;
        });
    }
    while readings.join_next().await.is_some() {}
}

/// Whether one of these files, or the directory of one, changed.
fn concern(changes: &Changes, files: &[PathBuf]) -> bool {
    let paths = files.iter().flat_map(|file| [Some(file.as_path()), file.parent()]);
    paths.flatten().any(|path: &Path| changes.paths.contains(path))
}

/// The files in which a change matters to an allowed project.
fn sources(broker: &Broker, project: &AllowedProject) -> Vec<PathBuf> {
    let file = ProjectFile { config: project.config.clone(), leads_to: project.leads_to.clone() };
    let mut sources = broker.projects.sources(&file);
    sources.push(file.config);
    sources.extend(file.leads_to);
    sources
}

/// The files in which a change matters. Not the list of allowed projects: who asks looks at its stamp, and a watch of
/// its directory would wake for each line of the audit log.
fn files(broker: &Broker) -> std::collections::HashSet<PathBuf> {
    let allowed = broker.permissions.current();
    let sources = allowed.iter().flat_map(|project| sources(broker, project));
    sources.chain([broker.catalogs.path().to_owned()]).collect()
}
