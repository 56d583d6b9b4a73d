//! Points in time, as values: the rules never look at a clock.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment of the wall clock, in whole seconds since 1970-01-01 UTC.
///
/// Shown and serialised as `YYYY-MM-DDTHH:MM:SSZ`, the one form that every AWS SDK reads in a credential
/// document: some reject an offset, some a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment `duration` later; stops at the end of the range.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)))
    }

    /// The moment `duration` earlier; stops at the end of the range.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)))
    }

    /// How long it is from `now` until this moment; zero if it has passed.
    pub fn remaining(self, now: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0.saturating_sub(now.0)).unwrap_or(0))
    }

    /// Reads RFC 3339; fractions are dropped.
    pub fn parse(text: &str) -> Option<Self> {
        OffsetDateTime::parse(text, &Rfc3339).ok().map(|moment| Self(moment.unix_timestamp()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A moment outside the calendar's range (year 9999) is shown as its end rather than not at all.
        let moment = OffsetDateTime::from_unix_timestamp(self.0.clamp(0, 253_402_300_799))
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            moment.year(),
            u8::from(moment.month()),
            moment.day(),
            moment.hour(),
            moment.minute(),
            moment.second()
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

/// Milliseconds since the machine started, suspended time included (`CLOCK_BOOTTIME`): it neither jumps
/// with the wall clock nor stands still while the lid is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(pub u64);

impl BootTime {
    /// The moment `duration` later; stops at the end of the range.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_has_the_form_every_sdk_reads() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp(1_795_478_400).to_string(), "2026-11-24T00:00:00Z");
        for text in ["2026-11-24T00:00:00Z", "2026-11-24T01:00:00.25+01:00"] {
            assert_eq!(Timestamp::parse(text), Some(Timestamp(1_795_478_400)), "{text}");
        }
        assert_eq!(Timestamp::parse("tomorrow"), None);
    }

    #[test]
    fn remaining_time_never_goes_below_zero() {
        assert_eq!(Timestamp(10).remaining(Timestamp(4)), Duration::from_secs(6));
        assert_eq!(Timestamp(10).remaining(Timestamp(40)), Duration::ZERO);
    }
}
