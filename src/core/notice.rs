//! What a person is told on the desktop, and how often: one for each subject in a while, and what comes all at once as one.

use std::collections::HashMap;
use std::time::Duration;

use super::moment::BootTime;

/// The same subject is not told again in so long, however many processes run into it.
pub const QUIET: Duration = Duration::from_mins(5);
/// After one of a kind, others of that kind are gathered for so long and told as one.
pub const GATHERING: Duration = Duration::from_secs(15);
/// So many are named in one that stands for many.
const NAMED: usize = 8;

/// A text without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The first line.
    pub summary: String,
    /// The rest, as plain text.
    pub body: String,
}

/// What it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A code of an MFA device is wanted.
    Code,
    /// A login has ended, or was never there.
    Login,
    /// A deployment was blocked by safeguards.
    Blocked,
}

impl Kind {
    fn many(self, count: usize) -> String {
        match self {
            Self::Code => format!("{count} more wait for MFA codes"),
            Self::Login => format!("{count} more wait for logins"),
            Self::Blocked => format!("{count} more deployments were blocked"),
        }
    }
}

/// What becomes of a notice.
#[derive(Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is told now.
    Now(Notice),
    /// It is gathered; [`Notices::gathered`] is to be asked after [`GATHERING`].
    Gather,
    /// It is gathered with others, and somebody asks for them already.
    Gathered,
    /// It was told a short while ago.
    Told,
}

/// What was told when, and what waits to be.
#[derive(Debug, Default)]
pub struct Notices(HashMap<Kind, Lane>);

#[derive(Debug, Default)]
struct Lane {
    told: HashMap<String, BootTime>,
    last: Option<BootTime>,
    waiting: Vec<Notice>,
}

impl Notices {
    /// Takes a notice about a subject.
    pub fn offer(&mut self, kind: Kind, subject: &str, notice: Notice, now: BootTime) -> Turn {
        let lane = self.0.entry(kind).or_default();
        lane.told.retain(|_, last| last.after(QUIET) > now);
        if lane.told.contains_key(subject) {
            return Turn::Told;
        }
        lane.told.insert(subject.to_owned(), now);
        let is_soon = lane.last.is_some_and(|last| last.after(GATHERING) > now);
        if !is_soon && lane.waiting.is_empty() {
            lane.last = Some(now);
            return Turn::Now(notice);
        }
        lane.waiting.push(notice);
        if lane.waiting.len() == 1 { Turn::Gather } else { Turn::Gathered }
    }

    /// What was gathered, as one.
    pub fn gathered(&mut self, kind: Kind, now: BootTime) -> Option<Notice> {
        let lane = self.0.get_mut(&kind)?;
        let mut waiting = std::mem::take(&mut lane.waiting);
        lane.last = Some(now);
        if waiting.len() < 2 {
            return waiting.pop();
        }
        let mut lines: Vec<_> = waiting.iter().take(NAMED).map(|notice| notice.summary.clone()).collect();
        if let Some(more) = waiting.len().checked_sub(NAMED).filter(|more| *more > 0) {
            lines.push(format!("and {more} more"));
        }
        Some(Notice { summary: kind.many(waiting.len()), body: lines.join("\n") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: BootTime = BootTime(1_000_000_000_000);

    fn notice(name: &str) -> Notice {
        Notice { summary: name.to_owned(), body: format!("{name}'s body") }
    }

    #[test]
    fn one_subject_is_told_once_in_a_while() {
        let mut notices = Notices::default();
        let mut offer = |subject: &str, now| notices.offer(Kind::Code, subject, notice(subject), now);
        assert_eq!(offer("one", START), Turn::Now(notice("one")));
        assert_eq!(offer("one", START), Turn::Told);
        assert_eq!(offer("one", START.after(QUIET / 2)), Turn::Told);
        assert_eq!(offer("one", START.after(QUIET)), Turn::Now(notice("one")));
    }

    #[test]
    fn what_comes_at_once_is_told_as_one_and_kinds_do_not_hold_each_other_up() {
        let mut notices = Notices::default();
        assert_eq!(notices.offer(Kind::Blocked, "a", notice("a"), START), Turn::Now(notice("a")));
        assert_eq!(notices.offer(Kind::Login, "a", notice("a"), START), Turn::Now(notice("a")));
        assert_eq!(notices.offer(Kind::Blocked, "b", notice("b"), START), Turn::Gather);
        assert_eq!(
            notices.gathered(Kind::Blocked, START.after(GATHERING)),
            Some(notice("b")),
            "one is itself"
        );
        let later = START.after(GATHERING);
        for number in 0..10 {
            let name = format!("n{number}");
            let expected = if number == 0 { Turn::Gather } else { Turn::Gathered };
            assert_eq!(notices.offer(Kind::Blocked, &name, notice(&name), later), expected);
        }
        let one = notices.gathered(Kind::Blocked, later.after(GATHERING)).unwrap();
        assert_eq!(one.summary, "10 more deployments were blocked");
        assert_eq!(one.body, "n0\nn1\nn2\nn3\nn4\nn5\nn6\nn7\nand 2 more");
        assert_eq!(notices.gathered(Kind::Blocked, later.after(GATHERING)), None);
        assert_eq!(notices.gathered(Kind::Code, later), None);
    }

    /// A storm of subjects: at most one notice for each time of gathering, and nothing is kept of what is over.
    #[test]
    fn a_storm_is_a_trickle() {
        let (mut notices, mut shown, mut due) = (Notices::default(), 0, None);
        for second in 0..600_u64 {
            let now = START.after(Duration::from_secs(second));
            if due == Some(second) {
                shown += usize::from(notices.gathered(Kind::Login, now).is_some());
                due = None;
            }
            for number in 0..5 {
                let subject = format!("{second}.{number}");
                match notices.offer(Kind::Login, &subject, notice(&subject), now) {
                    Turn::Now(_) => shown += 1,
                    Turn::Gather => due = Some(second + GATHERING.as_secs()),
                    Turn::Gathered | Turn::Told => {}
                }
            }
        }
        assert!(shown <= 600 / 15 + 1, "{shown}");
        assert!(notices.0[&Kind::Login].told.len() <= 5 * 301);
    }
}
