//! The thread that speaks to the keychain.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Keychain, KeychainError};

/// Calls that wait for their turn at most: while the keychain does not answer, more would only pile up.
const WAITING: usize = 16;

type Call = Box<dyn FnOnce(&mut dyn Keychain) + Send>;

/// Makes calls to one keychain, one after the other, on a thread of its own. The thread ends with the last handle to
/// it, or, if the keychain does not answer, with the process.
#[derive(Debug, Clone)]
pub struct Worker {
    calls: SyncSender<Call>,
}

impl Worker {
    /// Starts the thread.
    pub fn new(keychain: Box<dyn Keychain>) -> std::io::Result<Self> {
        let (calls, waiting) = sync_channel(WAITING);
        std::thread::Builder::new().name("keychain".to_owned()).spawn(move || work(keychain, &waiting))?;
        Ok(Self { calls })
    }

    /// Makes a call, and waits for its answer at most `patience`. One that was not begun by then is not made.
    pub async fn call<T: Send + 'static>(
        &self,
        patience: Duration,
        call: impl FnOnce(&mut dyn Keychain) -> Result<T, KeychainError> + Send + 'static,
    ) -> Result<T, KeychainError> {
        let silent = || KeychainError::Silent { patience };
        let gone = || KeychainError::Refused { why: "the call ended without an answer".to_owned() };
        let (tell, told) = oneshot::channel();
        let call: Call = Box::new(move |keychain| {
            if !tell.is_closed() {
                let answer = catch_unwind(AssertUnwindSafe(|| call(keychain)));
                let _ = tell.send(answer.unwrap_or_else(|_| Err(gone())));
            }
        });
        match self.calls.try_send(call) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(silent()),
            Err(TrySendError::Disconnected(_)) => return Err(gone()),
        }
        match tokio::time::timeout(patience, told).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(gone())),
            Err(_) => Err(silent()),
        }
    }
}

fn work(mut keychain: Box<dyn Keychain>, waiting: &Receiver<Call>) {
    while let Ok(call) = waiting.recv() {
        call(keychain.as_mut());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use zeroize::Zeroizing;

    use super::*;
    use crate::core::keychain::Item;

    /// A keychain that says when it is asked, and answers when it is let.
    #[derive(Debug)]
    struct HeldBack(mpsc::Receiver<()>, Arc<tokio::sync::Notify>);

    impl Keychain for HeldBack {
        fn read(&mut self, _: &Item) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainError> {
            self.1.notify_one();
            self.0.recv().unwrap();
            Ok(None)
        }
        fn write(&mut self, _: &Item, _: &[u8]) -> Result<(), KeychainError> {
            panic!("a stand-in that panics")
        }
        fn remove(&mut self, _: &Item) -> Result<bool, KeychainError> {
            Ok(true)
        }
        fn probe(&mut self) -> Result<(), KeychainError> {
            Ok(())
        }
    }

    fn item() -> Item {
        Item::cache(std::path::Path::new("/state"))
    }

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn nobody_waits_longer_than_they_said_and_what_came_too_late_is_not_done() {
        let (let_go, held) = mpsc::channel();
        let asked = Arc::new(tokio::sync::Notify::new());
        let worker = Worker::new(Box::new(HeldBack(held, asked.clone()))).unwrap();
        let silent = KeychainError::Silent { patience: Duration::ZERO };
        let read = |worker: Worker, patience| async move {
            worker.call(patience, |keychain| keychain.read(&item())).await
        };
        let first = tokio::spawn(read(worker.clone(), LONG));
        asked.notified().await;
        for _ in 0..100 {
            let late = worker.call(Duration::ZERO, |_| panic!("nobody waits for it any more"));
            assert_eq!(late.await.map(|(): ()| ()).unwrap_err(), silent);
        }
        // What waits in vain is thrown away as soon as the keychain answers, and then there is room again.
        let_go.send(()).unwrap();
        let_go.send(()).unwrap();
        let answered = async {
            loop {
                match read(worker.clone(), LONG).await {
                    Err(error) if error == (KeychainError::Silent { patience: LONG }) => {
                        tokio::task::yield_now().await;
                    }
                    answered => break answered,
                }
            }
        };
        assert_eq!(tokio::time::timeout(LONG, answered).await.unwrap().unwrap(), None);
        assert_eq!(first.await.unwrap().unwrap(), None);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_thread_goes_on() {
        let (_let_go, held) = mpsc::channel();
        let worker = Worker::new(Box::new(HeldBack(held, Arc::default()))).unwrap();
        let write = worker.call(LONG, |keychain| keychain.write(&item(), b"y")).await;
        assert!(matches!(write, Err(KeychainError::Refused { .. })), "{write:?}");
        assert_eq!(worker.call(LONG, |keychain| keychain.remove(&item())).await, Ok(true));
    }
}
