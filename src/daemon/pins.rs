//! The pins, in memory and in their file.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::core::caller::ProcessId;
use crate::core::moment::Timestamp;
use crate::core::name::App;
use crate::core::pins::{Pin, PinInquiry, PinList, PinPlace};
use crate::edges::state_file::{StateFile, StateFileError};
use crate::edges::{clock, peer};

/// Keeps the pins; what is in force is what the file has.
#[derive(Debug)]
pub(super) struct Pins {
    file: Arc<StateFile<PinList>>,
    boot: Arc<str>,
    list: Mutex<Arc<PinList>>,
    /// Held while the file is read or changed, so that of two readings the later one is in force.
    turn: tokio::sync::Mutex<()>,
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
    pub(super) fn read(path: PathBuf) -> Result<Self, StateFileError> {
        let file = Arc::new(StateFile::at(path));
        let list = Mutex::new(Arc::new(file.read()?));
        Ok(Self { file, boot: clock::boot_id().into(), list, turn: tokio::sync::Mutex::default() })
    }

    /// Reads the file anew; on an error the pins stay as they are.
    pub(super) async fn reload(&self) -> Result<(), StateFileError> {
        self.off_the_thread(StateFile::read).await.map(drop)
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
    pub(super) async fn set(&self, pin: Pin) -> Result<(), StateFileError> {
        self.change(|list| list.set(pin)).await
    }

    /// Removes the pins of some places, first from the file, and gives those back that counted.
    pub(super) async fn clear(&self, places: Vec<PinPlace>, app: &App) -> Result<Vec<Pin>, StateFileError> {
        let before = self.now().in_force();
        let of_place =
            |place: &PinPlace| before.iter().find(|pin| pin.app == *app && pin.place == *place).cloned();
        let removed = places.iter().filter_map(of_place).collect();
        let app = app.clone();
        self.change(move |list| places.iter().for_each(|place| drop(list.remove(place, &app)))).await?;
        Ok(removed)
    }

    async fn change(&self, change: impl FnOnce(&mut PinList) + Send + 'static) -> Result<(), StateFileError> {
        let boot = self.boot.clone();
        let swept = move |list: &mut PinList| {
            list.sweep(clock::now(), &boot, &peer::is_alive);
            change(list);
        };
        self.off_the_thread(move |file| file.change(swept)).await
    }

    /// Waits for the disk where no request has to; what the file holds then is in force.
    async fn off_the_thread(
        &self,
        work: impl FnOnce(&StateFile<PinList>) -> Result<PinList, StateFileError> + Send + 'static,
    ) -> Result<(), StateFileError> {
        let _turn = self.turn.lock().await;
        let file = self.file.clone();
        let list = tokio::task::spawn_blocking(move || work(&file)).await.unwrap_or_else(|error| {
            std::panic::resume_unwind(error.try_into_panic().unwrap_or_else(|error| Box::new(error)))
        })?;
        *self.list.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(list);
        Ok(())
    }
}
