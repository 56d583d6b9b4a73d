//! Whether brokerd is locked: `brokerctl lock`, or the lock of the screen. It is written down, so that no restart
//! unlocks it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::lasting::Lasting;
use super::moment::Timestamp;

/// What locked it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockedBy {
    /// Somebody, by `brokerctl lock`.
    Person,
    /// The lock of the screen, with which it ends.
    Screen,
}

impl fmt::Display for LockedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Person => "brokerctl lock",
            Self::Screen => "the lock of the screen",
        })
    }
}

/// A lock that is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Since when.
    pub since: Timestamp,
    /// What locked it.
    pub by: LockedBy,
}

/// Whether it is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Locked {
    /// The lock that is on, if one is.
    pub lock: Option<Lock>,
}

impl Lasting for Locked {
    const WHAT: &'static str = "whether brokerd is locked";
}

impl Locked {
    /// Locks it. What a person locked stays so when the screen locks too; the other way round the person's word counts
    /// from then on.
    pub fn lock(&mut self, by: LockedBy, now: Timestamp) -> Lock {
        let since = self.lock.map_or(now, |lock| lock.since);
        let by = match self.lock {
            Some(Lock { by: LockedBy::Person, .. }) => LockedBy::Person,
            _ => by,
        };
        *self.lock.insert(Lock { since, by })
    }

    /// Unlocks it, and gives the lock that was on. The unlocked screen ends only what the lock of the screen began.
    pub fn unlock(&mut self, by: LockedBy) -> Option<Lock> {
        let may = by == LockedBy::Person || self.lock.is_some_and(|lock| lock.by == LockedBy::Screen);
        if may { self.lock.take() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::LockedBy::{Person, Screen};
    use super::*;

    #[test]
    fn what_a_person_locks_only_a_person_unlocks() {
        for (locks, unlocks, is_locked) in [
            (&[Person][..], Screen, true),
            (&[Person], Person, false),
            (&[Screen], Screen, false),
            (&[Screen], Person, false),
            (&[Screen, Person], Screen, true),
            (&[Person, Screen], Screen, true),
            (&[], Screen, false),
        ] {
            let mut locked = Locked::default();
            for (number, by) in (1..).zip(locks) {
                assert_eq!(
                    locked.lock(*by, Timestamp(number)).since,
                    Timestamp(1),
                    "it is locked all the while"
                );
            }
            let taken = locked.unlock(unlocks);
            assert_eq!(locked.lock.is_some(), is_locked, "{locks:?} {unlocks:?}");
            assert_eq!(taken.is_some(), !is_locked && !locks.is_empty());
        }
    }
}
