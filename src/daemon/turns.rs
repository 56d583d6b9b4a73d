//! Turns: who may ask STS next, so that it is never asked more than a few times a second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::core::pace::Pace;

/// Whether somebody waits for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Somebody does.
    Awaited,
    /// Nobody does: it renews ahead.
    Ahead,
}

/// Gives turns. Calls that are awaited come first, in their order.
#[derive(Debug)]
pub(super) struct Turns {
    start: Instant,
    pace: Mutex<Pace>,
    /// Held by the one call of those ahead that is next, so that they keep their order.
    ahead: tokio::sync::Mutex<()>,
}

impl Turns {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), pace: Mutex::default(), ahead: tokio::sync::Mutex::default() })
    }

    /// Waits for a turn. One that was not urgent becomes so when `hurry` is notified.
    pub(super) async fn turn(&self, urgency: Urgency, hurry: &Notify) {
        let is_given = urgency == Urgency::Ahead
            && tokio::select! {
                () = self.spare() => true,
                () = hurry.notified() => false,
            };
        if !is_given {
            let wait = self.with(Pace::take);
            sleep(wait).await;
        }
    }

    async fn spare(&self) {
        let _next = self.ahead.lock().await;
        while let Err(wait) = self.with(Pace::take_spare) {
            sleep(wait).await;
        }
    }

    fn with<T>(&self, take: impl FnOnce(&mut Pace, Duration) -> T) -> T {
        take(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner), self.start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_awaited_overtakes_what_is_not_and_so_does_what_comes_to_be() {
        let (turns, begun) = (Turns::new(), Instant::now());
        let hurries: Vec<_> = (0..40).map(|_| Arc::new(Notify::new())).collect();
        let ahead: Vec<_> = hurries
            .iter()
            .map(|hurry| {
                let (turns, hurry) = (turns.clone(), hurry.clone());
                tokio::spawn(async move {
                    turns.turn(Urgency::Ahead, &hurry).await;
                    begun.elapsed()
                })
            })
            .collect();
        tokio::task::yield_now().await;
        turns.turn(Urgency::Awaited, &Notify::new()).await;
        assert_eq!(begun.elapsed(), Duration::ZERO, "places were left for it");
        hurries[39].notify_one();
        let mut waits = Vec::new();
        for turn in ahead {
            waits.push(turn.await.unwrap());
        }
        assert!(waits[39] < Duration::from_secs(1), "{:?}", waits[39]);
        let last = waits[..39].iter().max().unwrap();
        assert!((Duration::from_secs(7)..Duration::from_secs(9)).contains(last), "{last:?}");
    }
}
