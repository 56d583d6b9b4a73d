//! How long a session may be served.

use std::time::Duration;

use super::moment::Timestamp;

/// The state of a session at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// Served as it is.
    Fresh,
    /// Served, and a new one is fetched meanwhile.
    Due,
    /// Served only where a new one cannot be had in time: it has less left than AWS SDKs count on.
    Low,
    /// Never served.
    Expired,
}

/// What is left at least of a session that is served, whenever STS can give another. botocore takes what has less
/// left than this to be valid for longer than it is.
const LEAST: Duration = Duration::from_mins(25);

/// The state at `now` of a session that lives from `issued` to `expires`.
///
/// It is due from half of its life on. AWS SDKs refresh when 5 to 25 minutes are left, and botocore declares
/// anything with less than about 25 minutes to be valid for longer than it is: half of an hour, the shortest
/// life a profile may ask for unless it is short, stays clear of that. Once less than these 25 minutes are left, or
/// of a session that never had twice as much a third of its life, it is low.
///
/// A wall clock that went back before `issued` makes the session due, since nothing can be said of its age.
pub fn lease(issued: Timestamp, expires: Timestamp, now: Timestamp) -> Lease {
    if now >= expires {
        Lease::Expired
    } else if now < issued {
        Lease::Due
    } else if expires.remaining(now) < least(expires.remaining(issued)) {
        Lease::Low
    } else if now >= half_life(issued, expires) {
        Lease::Due
    } else {
        Lease::Fresh
    }
}

/// The same where the wall clock has gone `stepped` seconds further than the one since the machine's start. Either it
/// was set, or the machine itself stood still, as a virtual one that is paused does: a session that would have ended
/// by then is low, so that it is served only where AWS cannot be asked which of the two it was.
pub fn lease_in_doubt(issued: Timestamp, expires: Timestamp, now: Timestamp, stepped: i64) -> Lease {
    let lease = lease(issued, expires, now);
    let is_in_doubt = stepped > 0 && now.0.saturating_add(stepped) >= expires.0;
    if is_in_doubt && lease != Lease::Expired { Lease::Low } else { lease }
}

/// Below what is left a session of this life is low. One that is short cannot have 25 minutes left for most of its life.
fn least(life: Duration) -> Duration {
    if life >= LEAST * 2 { LEAST } else { life / 3 }
}

/// The moment from which a session is due.
pub fn half_life(issued: Timestamp, expires: Timestamp) -> Timestamp {
    Timestamp(issued.0 + (expires.0 - issued.0) / 2)
}

/// How long to wait at `now` until renewing ahead: up to half life, less a share of the life that differs
/// from session to session (`jitter` in 0..=255), so that sessions issued together are not renewed together.
pub fn renew_after(issued: Timestamp, expires: Timestamp, now: Timestamp, jitter: u8) -> Duration {
    let until_due = half_life(issued, expires).remaining(now);
    let spread = expires.remaining(issued).mul_f64(0.05 * f64::from(jitter) / 255.0);
    until_due.saturating_sub(spread)
}

/// How long to wait at `now` until renewing ahead a session that an earlier daemon left behind: as
/// [`renew_after`] has it, but what is due already is spread over a tenth of what is left of it.
pub fn renew_restored_after(issued: Timestamp, expires: Timestamp, now: Timestamp, jitter: u8) -> Duration {
    let spread = expires.remaining(now).mul_f64(0.1 * f64::from(jitter) / 255.0);
    renew_after(issued, expires, now, jitter).max(spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_fresh_then_due_then_low_then_expired() {
        let (issued, expires) = (Timestamp(1000), Timestamp(4600));
        for (now, expected) in [
            (1000, Lease::Fresh),
            (2799, Lease::Fresh),
            (2800, Lease::Due),
            (3100, Lease::Due),
            (3101, Lease::Low),
            (4599, Lease::Low),
            (4600, Lease::Expired),
            (9999, Lease::Expired),
            (999, Lease::Due),
        ] {
            assert_eq!(lease(issued, expires, Timestamp(now)), expected, "{now}");
        }
    }

    #[test]
    fn at_least_25_minutes_are_left_of_what_is_not_low_but_of_short_sessions_a_third() {
        for (life, low_from) in [(12 * 3600, 12 * 3600 - 1499), (3000, 1501), (2999, 2000), (900, 601)] {
            let (issued, expires) = (Timestamp(0), Timestamp(life));
            assert_ne!(lease(issued, expires, Timestamp(low_from - 1)), Lease::Low, "{life}");
            assert_eq!(lease(issued, expires, Timestamp(low_from)), Lease::Low, "{life}");
        }
    }

    #[test]
    fn a_clock_that_was_set_ends_nothing_and_is_asked_about() {
        let (issued, expires) = (Timestamp(1000), Timestamp(4600));
        for (now, stepped, expected) in [
            (1500, 0, Lease::Fresh),
            (1500, 3099, Lease::Fresh),
            (1500, 3100, Lease::Low),
            (1500, -86_400, Lease::Fresh),
            (3000, 7200, Lease::Low),
            (4600, 7200, Lease::Expired),
            (4600, -7200, Lease::Expired),
        ] {
            assert_eq!(lease_in_doubt(issued, expires, Timestamp(now), stepped), expected, "{now} {stepped}");
        }
    }

    #[test]
    fn renewal_is_spread_and_never_after_half_life() {
        let (issued, expires) = (Timestamp(0), Timestamp(3600));
        assert_eq!(renew_after(issued, expires, issued, 0), Duration::from_mins(30));
        assert_eq!(renew_after(issued, expires, issued, 255), Duration::from_mins(27));
        assert_eq!(renew_after(issued, expires, Timestamp(3000), 7), Duration::ZERO);
        for (now, jitter, seconds) in [(3000, 0, 0), (3000, 255, 60), (0, 0, 1800), (0, 255, 1620)] {
            let wait = renew_restored_after(issued, expires, Timestamp(now), jitter);
            assert_eq!(wait.as_secs(), seconds, "{now} {jitter}");
        }
    }
}
