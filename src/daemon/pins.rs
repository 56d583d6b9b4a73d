//! The pins, in memory and in their file.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::core::caller::ProcessId;
use crate::core::moment::Timestamp;
use crate::core::name::App;
use crate::core::pins::{Pin, PinInquiry, PinList, PinPlace};
use crate::edges::atomic_file::WriteError;
use crate::edges::pin_file::{self, PinFileError};
use crate::edges::{clock, peer};

/// Keeps the pins; what is in force is what the file has.
#[derive(Debug)]
pub(super) struct Pins {
    path: PathBuf,
    boot: Arc<str>,
    list: Mutex<Arc<PinList>>,
}

/// The pins at one moment.
#[derive(Debug)]
pub(super) struct PinsNow {
    list: Arc<PinList>,
    boot: Arc<str>,
    now: Timestamp,
}

impl PinsNow {
    /// The question which of them a caller has.
    pub(super) fn inquiry<'a>(&'a self, sessions: &'a [ProcessId], started: u64) -> PinInquiry<'a> {
        PinInquiry { list: &self.list, now: self.now, boot: &self.boot, sessions, started }
    }

    /// Those that count.
    pub(super) fn in_force(&self) -> Vec<Pin> {
        self.list.in_force(self.now, &self.boot, &peer::is_alive).cloned().collect()
    }
}

impl Pins {
    pub(super) fn read(path: PathBuf) -> Result<Self, PinFileError> {
        let list = pin_file::read(&path)?;
        Ok(Self { path, boot: clock::boot_id().into(), list: Mutex::new(Arc::new(list)) })
    }

    /// Reads the file anew; on an error the pins stay as they are.
    pub(super) fn reload(&self) -> Result<(), PinFileError> {
        let list = pin_file::read(&self.path)?;
        *self.list.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
        Ok(())
    }

    /// The pins as they are now.
    pub(super) fn now(&self) -> PinsNow {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner).clone();
        PinsNow { list, boot: self.boot.clone(), now: clock::now() }
    }

    pub(super) fn boot(&self) -> &str {
        &self.boot
    }

    /// Adds a pin, first to the file.
    pub(super) fn set(&self, pin: Pin) -> Result<(), WriteError> {
        self.change(|list| list.set(pin))
    }

    /// Removes the pins of some places, first from the file, and gives those back that counted.
    pub(super) fn clear(&self, places: &[PinPlace], app: &App) -> Result<Vec<Pin>, WriteError> {
        let mut removed = Vec::new();
        self.change(|list| removed.extend(places.iter().filter_map(|place| list.remove(place, app))))?;
        Ok(removed)
    }

    fn change(&self, change: impl FnOnce(&mut PinList)) -> Result<(), WriteError> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = PinList::clone(&list);
        next.sweep(clock::now(), &self.boot, &peer::is_alive);
        change(&mut next);
        if next != **list {
            pin_file::write(&self.path, &next)?;
            *list = Arc::new(next);
        }
        Ok(())
    }
}
