//! How often STS may be asked: a token bucket (a burst, then so many a second), as moments since some start.

use std::time::Duration;

/// So many calls may be made at once after a while of none.
const BURST: u32 = 10;
/// After that, one call in this time: five a second.
const INTERVAL: Duration = Duration::from_millis(200);
/// Calls for which nobody waits leave so many of a burst to those for which somebody does.
const LEFT: u32 = 5;

/// The bucket. What it counts is the moment from which it will be full again.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    full_at: Duration,
}

impl Pace {
    /// Takes the next place for a call for which somebody waits, and says how long until it.
    pub fn take(&mut self, now: Duration) -> Duration {
        let full_at = self.full_at.max(now) + INTERVAL;
        self.full_at = full_at;
        full_at.saturating_sub(INTERVAL * BURST).saturating_sub(now)
    }

    /// Takes a place for a call that can wait, if there is more than the rest that is left to the others; otherwise
    /// says after how long to look again.
    pub fn take_spare(&mut self, now: Duration) -> Result<(), Duration> {
        let after = self.full_at.max(now) + INTERVAL;
        let wait = after.saturating_sub(INTERVAL * (BURST - LEFT)).saturating_sub(now);
        if wait.is_zero() {
            self.full_at = after;
            Ok(())
        } else {
            Err(wait)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    #[test]
    fn a_burst_goes_at_once_and_the_rest_five_a_second_in_their_order() {
        let mut pace = Pace::default();
        let waits: Vec<u128> = (0..50).map(|_| pace.take(NOW).as_millis()).collect();
        assert_eq!(waits[..10], [0; 10]);
        let expected: Vec<u128> = (1..=40).map(|place| place * 200).collect();
        assert_eq!(waits[10..], expected[..]);
        // After a while of none it is full again.
        let later = NOW + Duration::from_mins(1);
        assert_eq!((0..10).map(|_| pace.take(later)).sum::<Duration>(), Duration::ZERO);
    }

    #[test]
    fn what_can_wait_leaves_places_to_others() {
        let mut pace = Pace::default();
        let spare = (0..20).take_while(|_| pace.take_spare(NOW).is_ok()).count();
        assert_eq!(spare, 5);
        assert_eq!(pace.take_spare(NOW), Err(INTERVAL));
        for _ in 0..5 {
            assert_eq!(pace.take(NOW), Duration::ZERO, "these were left");
        }
        assert_eq!(pace.take(NOW), INTERVAL);
        let Err(wait) = pace.take_spare(NOW) else { panic!("others come first") };
        assert_eq!(pace.take_spare(NOW + wait), Ok(()));
    }
}
