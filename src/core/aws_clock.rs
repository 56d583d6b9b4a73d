//! What AWS's clock shows, told from this machine's two clocks and from what STS said last.
//!
//! Sessions end by AWS's clock. The clock of the wall may be wrong, and may be set at any moment; the one since the
//! machine's start is never set and counts time asleep. So once STS has said what time it is, only that one counts on
//! from there: whatever is done to the wall clock then ends no session, and lets none live on.

use serde::{Deserialize, Serialize};

use super::duration::format_duration;
use super::moment::{BootTime, Timestamp};

/// Both clocks of this machine at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The clock of the wall.
    pub wall: Timestamp,
    /// The clock since the machine's start.
    pub boot: BootTime,
}

/// By how many seconds the wall clock may differ from what STS says and be right all the same: the header has whole
/// seconds, and was on its way.
const CLOSE: i64 = 5;
/// From this many seconds on AWS refuses signatures (AWS General Reference, Signature Version 4: five minutes).
const REFUSED: i64 = 300;

/// AWS's clock as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AwsClock {
    heard: Option<Heard>,
}

/// What was known when STS answered the last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// What AWS's clock showed when this machine's showed `boot` milliseconds since its start.
    aws: Timestamp,
    boot: u64,
    /// What the clock of the wall showed.
    wall: Timestamp,
}

impl AwsClock {
    /// What an earlier daemon heard since the same start of the machine.
    pub fn of(heard: Option<Heard>) -> Self {
        Self { heard }
    }

    /// What was heard, for the next daemon.
    pub fn heard(&self) -> Option<Heard> {
        self.heard
    }

    /// Takes the `Date` of an answer that came just now. A wall clock that is close to it is taken to be right: it
    /// is the finer one. Counted up to a whole second, so that nothing is thought to live longer than it does.
    pub fn hear(&mut self, date: Timestamp, at: Reading) {
        let is_close = at.wall.0.abs_diff(date.0) <= CLOSE.unsigned_abs();
        let aws = Timestamp(if is_close { at.wall.0 } else { date.0 }.saturating_add(1));
        self.heard = Some(Heard { aws, boot: at.boot.0, wall: at.wall });
    }

    /// What it shows: before STS has said anything, what the clock of the wall does.
    pub fn now(&self, at: Reading) -> Timestamp {
        self.heard.map_or(at.wall, |heard| heard.aws_at(at))
    }

    /// By how many seconds the clock of this machine's wall is ahead of AWS's, or behind where negative. `None` if
    /// that is not known, or is nothing to speak of.
    pub fn ahead(&self, at: Reading) -> Option<i64> {
        let ahead = at.wall.0.saturating_sub(self.heard?.aws_at(at).0);
        (ahead.abs() > CLOSE).then_some(ahead)
    }

    /// By how many seconds the wall clock has moved against the other since STS answered, forward where positive.
    /// Somebody set it; or the machine itself stood still, as a virtual one does that is paused, and then sessions
    /// are older than they seem.
    pub fn stepped(&self, at: Reading) -> i64 {
        self.heard.map_or(0, |heard| {
            let passed = at.wall.0.saturating_sub(heard.wall.0);
            let stepped = passed.saturating_sub(heard.passed(at));
            if stepped.abs() > CLOSE { stepped } else { 0 }
        })
    }
}

impl Heard {
    /// Seconds since then by the clock that is never set.
    fn passed(self, at: Reading) -> i64 {
        i64::try_from(at.boot.0.saturating_sub(self.boot) / 1000).unwrap_or(i64::MAX)
    }

    fn aws_at(self, at: Reading) -> Timestamp {
        Timestamp(self.aws.0.saturating_add(self.passed(at)))
    }
}

/// Whether AWS refuses what is signed by a clock that is so far ahead or behind.
pub fn is_refused(ahead: i64) -> bool {
    ahead.abs() >= REFUSED
}

/// How far a clock is off, in words: "this machine's clock is 7m ahead of AWS".
pub fn skew_sentence(ahead: i64) -> String {
    let length = std::time::Duration::from_secs(ahead.unsigned_abs());
    let direction = if ahead > 0 { "ahead of" } else { "behind" };
    let consequence = if is_refused(ahead) { ", which refuses what tools here sign by it" } else { "" };
    format!("this machine's clock is {} {direction} AWS{consequence}", format_duration(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall: i64, boot_seconds: u64) -> Reading {
        Reading { wall: Timestamp(wall), boot: BootTime(boot_seconds * 1000) }
    }

    fn heard(date: i64, when: Reading) -> AwsClock {
        let mut clock = AwsClock::default();
        clock.hear(Timestamp(date), when);
        clock
    }

    #[test]
    fn before_sts_answers_the_wall_is_all_there_is() {
        let clock = AwsClock::default();
        assert_eq!(clock.now(at(1000, 5)), Timestamp(1000));
        assert_eq!((clock.ahead(at(9000, 5)), clock.stepped(at(9000, 5))), (None, 0));
    }

    #[test]
    fn once_it_has_the_wall_may_be_set_to_whatever() {
        let clock = heard(10_000, at(10_002, 50));
        for (wall, boot, now, ahead, stepped) in [
            (10_002, 50, 10_003, None, 0),
            (10_102, 150, 10_103, None, 0),
            // Set forward, set back, and set to 1970.
            (17_302, 150, 10_103, Some(7199), 7200),
            (2_902, 150, 10_103, Some(-7201), -7200),
            (0, 150, 10_103, Some(-10_103), -10_102),
            // Eight hours asleep: both clocks went on.
            (38_902, 28_950, 38_903, None, 0),
            // A machine that was paused for an hour: the wall is told the truth, the other is not.
            (13_702, 150, 10_103, Some(3599), 3600),
        ] {
            let when = at(wall, boot);
            let found = (clock.now(when), clock.ahead(when), clock.stepped(when));
            assert_eq!(found, (Timestamp(now), ahead, stepped), "{wall} {boot}");
        }
    }

    #[test]
    fn a_wrong_wall_clock_is_told_by_the_answer_and_judged_by_it() {
        let ahead = heard(10_000, at(10_420, 50));
        assert_eq!(ahead.now(at(10_420, 50)), Timestamp(10_001));
        assert_eq!(ahead.ahead(at(10_421, 50)), Some(420));
        assert_eq!(ahead.stepped(at(10_421, 51)), 0, "it always was");
        let behind = heard(10_000, at(2_800, 50));
        assert_eq!(behind.now(at(2_900, 150)), Timestamp(10_101));
        // It is put right.
        assert_eq!(behind.ahead(at(10_100, 150)), None);
    }

    #[test]
    fn the_words_say_how_far_and_which_way() {
        assert_eq!(
            skew_sentence(420),
            "this machine's clock is 7m ahead of AWS, which refuses what tools here sign by it"
        );
        assert_eq!(skew_sentence(-61), "this machine's clock is 1m1s behind AWS");
    }

    #[test]
    fn what_was_heard_outlives_the_daemon() {
        let clock = heard(10_000, at(2_800, 50));
        let text = serde_json::to_string(&clock.heard()).unwrap();
        let next = AwsClock::of(serde_json::from_str(&text).unwrap());
        assert_eq!(next.now(at(9, 60)), Timestamp(10_011));
    }
}
