//! The list of allowed projects, in memory and in its file.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::core::allowed::{AllowList, AllowedProject, RepositoryPlace};
use crate::edges::allow_file::{self, AllowFileError};
use crate::edges::atomic_file::WriteError;

/// Keeps the list; what is in force is what the file has.
#[derive(Debug)]
pub(super) struct Permissions {
    path: PathBuf,
    list: Mutex<Arc<AllowList>>,
}

impl Permissions {
    pub(super) fn read(path: PathBuf) -> Result<Self, AllowFileError> {
        let list = allow_file::read(&path)?;
        Ok(Self { path, list: Mutex::new(Arc::new(list)) })
    }

    /// Reads the file anew; on an error the list in force stays.
    pub(super) fn reload(&self) -> Result<(), AllowFileError> {
        let list = allow_file::read(&self.path)?;
        *self.list.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
        Ok(())
    }

    /// The list in force.
    pub(super) fn current(&self) -> Arc<AllowList> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds a project, first to the file.
    pub(super) fn allow(&self, project: AllowedProject) -> Result<(), WriteError> {
        self.change(|list| list.allow(project))
    }

    /// Removes the entry that covers a configuration, first from the file, and gives it back.
    pub(super) fn deny(
        &self,
        config: &std::path::Path,
        place: Option<&RepositoryPlace>,
    ) -> Result<Option<AllowedProject>, WriteError> {
        let mut removed = None;
        self.change(|list| removed = list.deny(config, place))?;
        Ok(removed)
    }

    fn change(&self, change: impl FnOnce(&mut AllowList)) -> Result<(), WriteError> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = AllowList::clone(&list);
        change(&mut next);
        if next != **list {
            allow_file::write(&self.path, &next)?;
            *list = Arc::new(next);
        }
        Ok(())
    }
}
