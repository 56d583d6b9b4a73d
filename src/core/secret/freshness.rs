//! How long a value that was read is used.

use std::time::Duration;

use crate::core::moment::Timestamp;

/// What a value that was read at some moment is worth at another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It is served.
    Fresh,
    /// It is read again, and served, with a word about it, only while its source is down.
    Stale,
    /// It is not served.
    Over,
}

/// The freshness at `now` of a value that was read at `read`, is fresh for `ttl`, and may be served for `stale_for` beyond
/// that. A clock that was set back makes nothing fresher than it was.
pub fn freshness(read: Timestamp, ttl: Duration, stale_for: Duration, now: Timestamp) -> Freshness {
    if now < read {
        return Freshness::Stale;
    }
    let end = read.after(ttl);
    if now < end {
        Freshness::Fresh
    } else if now < end.after(stale_for) {
        Freshness::Stale
    } else {
        Freshness::Over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_fresh_then_stale_then_nothing() {
        let at = |now, ttl, stale| {
            let second = Duration::from_secs;
            freshness(Timestamp(1000), second(ttl), second(stale), Timestamp(now))
        };
        assert_eq!([at(1000, 300, 60), at(1299, 300, 60)], [Freshness::Fresh; 2]);
        assert_eq!([at(1300, 300, 60), at(1359, 300, 60)], [Freshness::Stale; 2]);
        assert_eq!([at(1360, 300, 60), at(9999, 300, 60)], [Freshness::Over; 2]);
        assert_eq!([at(1000, 0, 60), at(999, 300, 60)], [Freshness::Stale; 2]);
        assert_eq!([at(1000, 0, 0), at(1300, 300, 0)], [Freshness::Over; 2]);
    }
}
