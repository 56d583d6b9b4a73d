//! This machine's clock beside AWS's.

use super::{Area, Finding, Level, Topic, clients};
use crate::core::aws_clock::{is_refused, skew_sentence};

/// The area.
pub static AREA: Area = Area { name: "clock", topics: &[&SKEW] };

static SKEW: Topic = Topic {
    id: "clock-skew",
    level: Level::Warning,
    finds: "this machine's clock is ahead of AWS's or behind; from five minutes on it is a problem",
    why: "AWS refuses what tools sign by a clock that is five minutes off",
    fix: "set the clock, best by timedatectl set-ntp true",
};

/// By how many seconds the clock is ahead, as the daemon heard it from STS.
pub fn judge(ahead: Option<i64>) -> Vec<Finding> {
    let of_skew = |ahead| {
        let level = if is_refused(ahead) { Level::Problem } else { Level::Warning };
        Finding::of(&SKEW, skew_sentence(ahead))
            .at_level(level)
            .affecting(clients::ALL)
            .with_fix("timedatectl set-ntp true")
    };
    ahead.map(of_skew).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_minutes_are_a_problem() {
        let levels = |ahead| judge(ahead).iter().map(|finding| finding.level).collect::<Vec<_>>();
        for (ahead, expected) in [
            (None, vec![]),
            (Some(30), vec![Level::Warning]),
            (Some(-299), vec![Level::Warning]),
            (Some(300), vec![Level::Problem]),
            (Some(-7200), vec![Level::Problem]),
        ] {
            assert_eq!(levels(ahead), expected, "{ahead:?}");
        }
    }
}
