//! The list of allowed projects, in memory and in its file.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::core::allowed::{AllowList, AllowedProject, RepositoryPlace};
use crate::edges::settled::Stamp;
use crate::edges::state_file::{StateFile, StateFileError};

/// Keeps the list; what is in force is what the file has. Another daemon of this user may write it too.
#[derive(Debug)]
pub(super) struct Permissions(Arc<Kept>);

#[derive(Debug)]
struct Kept {
    file: StateFile<AllowList>,
    /// Held while the file is read or changed, so that of two readings the later one is in force.
    turn: Mutex<()>,
    /// Never held while anybody waits for the disk, as `turn` is.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The list in force.
    list: Arc<AllowList>,
    /// The file as it was before it was read.
    seen: Option<Stamp>,
    /// Why it must be read again even if it looks unchanged: it was asked for, or it could not be read.
    doubt: Option<Doubt>,
}

#[derive(Debug, PartialEq, Eq)]
enum Doubt {
    Asked,
    /// The list in force is an older one, for this reason.
    Fault(String),
}

impl Permissions {
    pub(super) fn read(path: PathBuf) -> Result<Self, StateFileError> {
        let file = StateFile::at(path);
        let seen = Stamp::of(file.path());
        let state = State { list: Arc::new(file.read()?), seen, doubt: None };
        Ok(Self(Arc::new(Kept { file, turn: Mutex::default(), state: Mutex::new(state) })))
    }

    /// The list in force.
    pub(super) fn current(&self) -> Arc<AllowList> {
        self.0.state().list.clone()
    }

    /// Why the list in force is older than its file, with the remedy.
    pub(super) fn fault(&self) -> Option<String> {
        match &self.0.state().doubt {
            Some(Doubt::Fault(fault)) => Some(fault.clone()),
            Some(Doubt::Asked) | None => None,
        }
    }

    /// Sees to it that the file is read again, even if it looks unchanged.
    pub(super) fn doubt(&self) {
        self.0.state().doubt.get_or_insert(Doubt::Asked);
    }

    /// Takes up what another one wrote. The file is looked at each time, and read only if it changed; while it
    /// cannot be read, the list in force stays.
    pub(super) async fn refresh(&self) {
        if !self.0.is_current() {
            self.off_the_thread(Kept::refresh).await;
        }
    }

    /// Adds a project, first to the file.
    pub(super) async fn allow(&self, project: AllowedProject) -> Result<(), StateFileError> {
        self.off_the_thread(move |kept| kept.change(|list| list.allow(project))).await
    }

    /// Removes the entry that covers a configuration, first from the file, and gives it back.
    pub(super) async fn deny(
        &self,
        config: PathBuf,
        place: Option<RepositoryPlace>,
    ) -> Result<Option<AllowedProject>, StateFileError> {
        let deny = move |kept: &Kept| {
            let mut removed = None;
            kept.change(|list| removed = list.deny(&config, place.as_ref()))?;
            Ok(removed)
        };
        self.off_the_thread(deny).await
    }

    /// Waits for the disk, and for another daemon's turn, where no request has to.
    async fn off_the_thread<R: Send + 'static>(&self, work: impl FnOnce(&Kept) -> R + Send + 'static) -> R {
        let kept = self.0.clone();
        tokio::task::spawn_blocking(move || work(&kept)).await.unwrap_or_else(|error| {
            std::panic::resume_unwind(error.try_into_panic().unwrap_or_else(|error| Box::new(error)))
        })
    }
}

impl Kept {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_current(&self) -> bool {
        let now = Stamp::of(self.file.path());
        let state = self.state();
        state.doubt.is_none() && state.seen == now
    }

    fn refresh(&self) {
        let _turn = self.take_turn();
        if !self.is_current() {
            self.read();
        }
    }

    /// Must be called in turn.
    fn read(&self) {
        let seen = Stamp::of(self.file.path());
        let read = self.file.read();
        let mut state = self.state();
        state.seen = seen;
        match read {
            Ok(list) => {
                state.list = Arc::new(list);
                state.doubt = None;
            }
            Err(error) => {
                let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
                let fault = Doubt::Fault(format!("the allowed projects stay as they were: {error}{hint}"));
                if state.doubt.as_ref() != Some(&fault) {
                    tracing::error!(%error, "the list of allowed projects stays as it was");
                }
                state.doubt = Some(fault);
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut AllowList)) -> Result<(), StateFileError> {
        let _turn = self.take_turn();
        match self.file.change(change) {
            Ok(list) => {
                // The stamp stays: what another one may have written since is seen by it.
                self.state().list = Arc::new(list);
                Ok(())
            }
            Err(error) => {
                // It may have been the last sync alone that failed. What the file has is in force.
                self.read();
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::core::moment::Timestamp;
    use crate::core::name::App;

    fn project(app: &str) -> AllowedProject {
        AllowedProject {
            config: format!("/{app}/serverless.yml").into(),
            leads_to: None,
            app: App::parse(app).unwrap(),
            named: false,
            stage: None,
            org: None,
            worktrees: None,
            since: Timestamp(0),
        }
    }

    fn apps(permissions: &Permissions) -> Vec<String> {
        permissions.current().iter().map(|project| project.app.to_string()).collect()
    }

    #[tokio::test]
    async fn two_daemons_keep_each_others_entries() {
        let place = tempfile::tempdir().unwrap();
        let open = || Permissions::read(place.path().join("allowed.json")).unwrap();
        let (one, other) = (open(), open());
        one.allow(project("billing")).await.unwrap();
        other.allow(project("shop")).await.unwrap();
        assert_eq!(apps(&other), ["billing", "shop"]);
        assert_eq!(apps(&one), ["billing"], "not looked at yet");
        one.refresh().await;
        assert_eq!(apps(&one), ["billing", "shop"]);
        let denied = other.deny("/billing/serverless.yml".into(), None).await.unwrap();
        assert_eq!(denied.map(|project| project.app.to_string()).as_deref(), Some("billing"));
        assert!(one.deny("/billing/serverless.yml".into(), None).await.unwrap().is_none(), "it is gone");
        assert_eq!(
            (apps(&one), apps(&other), apps(&open())),
            (vec!["shop".to_owned()], apps(&one), apps(&one))
        );
        fs::remove_file(one.0.file.path()).unwrap();
        one.refresh().await;
        assert!(apps(&one).is_empty());
    }

    #[tokio::test]
    async fn many_changes_at_once_are_all_kept() {
        let place = tempfile::tempdir().unwrap();
        let open = || Arc::new(Permissions::read(place.path().join("allowed.json")).unwrap());
        let daemons = [open(), open()];
        let changes = (0..40).map(|number: usize| {
            let daemon = daemons[number % 2].clone();
            tokio::spawn(async move { daemon.allow(project(&format!("app{number}"))).await })
        });
        for change in changes.collect::<Vec<_>>() {
            change.await.unwrap().unwrap();
        }
        assert_eq!(open().current().iter().count(), 40);
    }

    #[tokio::test]
    async fn while_the_file_cannot_be_read_the_list_stays() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("allowed.json");
        let permissions = Permissions::read(path.clone()).unwrap();
        permissions.allow(project("shop")).await.unwrap();
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        mode(0o666);
        permissions.refresh().await;
        assert_eq!(apps(&permissions), ["shop"]);
        let fault = permissions.fault().unwrap();
        assert!(fault.contains("can be written by other users (chmod go-w "), "{fault}");
        assert!(permissions.allow(project("billing")).await.is_err());
        mode(0o600);
        permissions.refresh().await;
        assert_eq!((permissions.fault(), apps(&permissions)), (None, vec!["shop".to_owned()]));
        fs::write(&path, "{").unwrap();
        permissions.doubt();
        permissions.refresh().await;
        assert!(permissions.fault().unwrap().contains("is not a list of allowed projects"));
        assert_eq!(apps(&permissions), ["shop"]);
    }
}
