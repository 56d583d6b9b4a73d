//! Places for connections: how many there may be, and who has to leave when one more comes.
//!
//! Whoever opens connections and sends nothing, or keeps them and asks nothing, loses them to those who ask. So
//! nobody can keep others out: what takes up a place for good is a request at work, and those have a time limit.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::core::caller::ProcessId;

/// All places of the endpoint, whatever the number of its addresses.
#[derive(Debug)]
pub(super) struct Places {
    /// Connections at once.
    most: usize,
    /// Connections of one process at once.
    of_one_process: usize,
    taken: Mutex<Taken>,
    /// A connection has left, or a request has ended, so that its connection may leave.
    changed: Notify,
    began: Instant,
}

#[derive(Debug, Default)]
struct Taken {
    last_number: u64,
    seats: HashMap<u64, Held>,
    of: HashMap<ProcessId, usize>,
}

/// A seat, and whose connection has it, where that is known.
#[derive(Debug)]
struct Held {
    seat: Arc<Seat>,
    process: Option<ProcessId>,
}

/// What is known of a connection that has a place.
#[derive(Debug)]
struct Seat {
    /// Whether a request is at work.
    busy: AtomicBool,
    /// Whether there has been one.
    asked: AtomicBool,
    /// When its last request ended, or it came: nanoseconds since the beginning.
    idle_since: AtomicU64,
    /// Whether it was told to leave.
    told: AtomicBool,
    leave: Notify,
}

impl Places {
    pub(super) fn new(most: usize, of_one_process: usize) -> Arc<Self> {
        let (taken, changed) = (Mutex::default(), Notify::new());
        Arc::new(Self { most, of_one_process, taken, changed, began: Instant::now() })
    }

    /// A place for a connection that has come. If there is none left, the connection that has been idle longest
    /// leaves, one that never asked for anything before others; where none is idle this waits.
    pub(super) async fn take(self: &Arc<Self>) -> Place {
        let mut told = Weak::new();
        loop {
            // From here on no change is unnoticed.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.lock().seats.len() < self.most {
                return self.take_anyway();
            }
            // One is enough: whoever was told is on the way out.
            if told.upgrade().is_none() {
                told = self.make_room();
            }
            changed.await;
        }
    }

    /// A place, whether there is one left or not.
    pub(super) fn take_anyway(self: &Arc<Self>) -> Place {
        let seat = Arc::new(Seat {
            busy: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            idle_since: AtomicU64::new(self.now()),
            told: AtomicBool::new(false),
            leave: Notify::new(),
        });
        let mut taken = self.lock();
        taken.last_number += 1;
        let number = taken.last_number;
        taken.seats.insert(number, Held { seat: seat.clone(), process: None });
        Place { number, seat, places: self.clone() }
    }

    /// Tells the connection that has been idle longest to leave, if one is idle.
    fn make_room(&self) -> Weak<Seat> {
        let taken = self.lock();
        idlest(taken.seats.values().map(|held| &held.seat)).map_or_else(Weak::new, |seat| {
            seat.tell();
            Arc::downgrade(seat)
        })
    }

    /// Tells the connection that has been idle longest to leave, and waits until one has, or a request has ended.
    pub(super) async fn shrink(&self) {
        let changed = self.changed.notified();
        self.make_room();
        changed.await;
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    fn tell(&self) {
        self.told.store(true, Ordering::Relaxed);
        self.leave.notify_one();
    }
}

fn idlest<'a>(seats: impl Iterator<Item = &'a Arc<Seat>>) -> Option<&'a Arc<Seat>> {
    let idle = seats.filter(|seat| !seat.busy.load(Ordering::Relaxed) && !seat.told.load(Ordering::Relaxed));
    idle.min_by_key(|seat| (seat.asked.load(Ordering::Relaxed), seat.idle_since.load(Ordering::Relaxed)))
}

impl Taken {
    fn count_off(&mut self, process: ProcessId) {
        if let Some(count) = self.of.get_mut(&process) {
            *count -= 1;
            if *count == 0 {
                self.of.remove(&process);
            }
        }
    }
}

/// A connection's place, free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    number: u64,
    seat: Arc<Seat>,
    places: Arc<Places>,
}

impl Place {
    /// Waits until the connection has to leave.
    pub(super) async fn left(&self) {
        self.seat.leave.notified().await;
    }

    /// A request of the connection is at work until what this gives is dropped.
    pub(super) fn at_work(self: &Arc<Self>) -> AtWork {
        self.seat.busy.store(true, Ordering::Relaxed);
        self.seat.asked.store(true, Ordering::Relaxed);
        AtWork(self.clone())
    }

    pub(super) fn is_at_work(&self) -> bool {
        self.seat.busy.load(Ordering::Relaxed)
    }

    /// The connection is this process's. Whether it may have one more: its own idlest one leaves for it.
    pub(super) fn belongs_to(&self, process: ProcessId) -> bool {
        let mut taken = self.places.lock();
        let Some(held) = taken.seats.get_mut(&self.number) else { return false };
        match held.process.replace(process) {
            Some(before) if before == process => return true,
            Some(before) => taken.count_off(before),
            None => {}
        }
        let count = taken.of.entry(process).or_default();
        *count += 1;
        if *count <= self.places.of_one_process {
            return true;
        }
        // Not this one: it is at work.
        let others = taken.seats.iter().filter(|(number, _)| **number != self.number);
        let own = others.filter(|(_, held)| held.process == Some(process));
        match idlest(own.map(|(_, held)| &held.seat)) {
            Some(seat) => {
                seat.tell();
                true
            }
            None => false,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        let held = taken.seats.remove(&self.number);
        if let Some(process) = held.and_then(|held| held.process) {
            taken.count_off(process);
        }
        drop(taken);
        // All who wait: each looks for itself whether there is a place.
        self.places.changed.notify_waiters();
    }
}

/// A request at work.
#[derive(Debug)]
pub(super) struct AtWork(Arc<Place>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.seat.idle_since.store(self.0.places.now(), Ordering::Relaxed);
        self.0.seat.busy.store(false, Ordering::Relaxed);
        self.0.places.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ONE: ProcessId = ProcessId { pid: 1, start: 1 };
    const OTHER: ProcessId = ProcessId { pid: 2, start: 1 };

    fn told(place: &Place) -> bool {
        place.seat.told.load(Ordering::Relaxed)
    }

    /// Takes places one after the other, a millisecond apart.
    async fn take(places: &Arc<Places>) -> Arc<Place> {
        tokio::time::advance(Duration::from_millis(1)).await;
        Arc::new(places.take_anyway())
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_asked_leaves_first_then_who_has_been_idle_longest_and_who_is_at_work_never() {
        let places = Places::new(4, 4);
        let [working, served, silent, late] =
            [take(&places).await, take(&places).await, take(&places).await, take(&places).await];
        let work = working.at_work();
        drop(served.at_work());
        for (leaves, stay) in [(&silent, vec![&served, &working, &late]), (&late, vec![&served, &working])] {
            places.make_room();
            assert!(told(leaves) && stay.iter().all(|place| !told(place)));
        }
        places.make_room();
        assert!(told(&served) && !told(&working));
        places.make_room();
        assert!(!told(&working));
        drop(work);
        places.make_room();
        assert!(told(&working));
    }

    #[tokio::test(start_paused = true)]
    async fn one_more_waits_until_somebody_has_left() {
        let places = Places::new(1, 1);
        let first = Arc::new(places.take().await);
        let second = tokio::spawn({
            let places = places.clone();
            async move { places.take().await }
        });
        first.left().await;
        assert!(!second.is_finished());
        drop(first);
        second.await.unwrap();
        assert!(places.lock().seats.is_empty() && places.lock().of.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_are_at_work_the_first_that_is_done_leaves() {
        let places = Places::new(2, 2);
        let [first, second] = [take(&places).await, take(&places).await];
        let (work, other) = (first.at_work(), second.at_work());
        let third = tokio::spawn({
            let places = places.clone();
            async move { places.take().await }
        });
        tokio::task::yield_now().await;
        assert!(!told(&first) && !told(&second) && !third.is_finished());
        drop(other);
        second.left().await;
        drop(work);
        tokio::task::yield_now().await;
        assert!(!told(&first), "one is enough");
        drop(second);
        third.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_has_too_many_loses_its_own() {
        let places = Places::new(9, 2);
        let others = take(&places).await;
        assert!(others.belongs_to(OTHER));
        let [first, second] = [take(&places).await, take(&places).await];
        assert!(first.belongs_to(ONE) && first.belongs_to(ONE) && second.belongs_to(ONE));
        let third = take(&places).await;
        let work = [second.at_work(), third.at_work()];
        assert!(third.belongs_to(ONE) && told(&first) && !told(&second) && !told(&others));
        drop(first);
        let fourth = take(&places).await;
        let _work = fourth.at_work();
        assert!(!fourth.belongs_to(ONE), "all of them are at work");
        drop((work, second, third, fourth));
        assert!(!told(&others));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_is_handed_on_counts_for_its_new_process() {
        let places = Places::new(9, 1);
        let place = take(&places).await;
        assert!(place.belongs_to(ONE) && place.belongs_to(OTHER));
        assert_eq!(places.lock().of, HashMap::from([(OTHER, 1)]));
        drop(place);
        assert!(places.lock().of.is_empty());
    }
}
