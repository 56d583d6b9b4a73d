//! 169.254.169.254, where tools ask that are told nothing.

use super::{Area, Finding, Level, Topic, clients};
use crate::core::link_local::{State, Status};

/// The area.
pub static AREA: Area = Area { name: "link-local", topics: &[&UNANSWERED, &FOREIGN] };

static UNANSWERED: Topic = Topic {
    id: "link-local-unanswered",
    level: Level::Warning,
    finds: "169.254.169.254 is on this machine, and nobody answers this user there",
    why: "tools that no variable leads to brokerd find no credentials; the rules are another user's, or of another port",
    fix: "brokerctl link-local enable",
};
static FOREIGN: Topic = Topic {
    id: "link-local-foreign",
    level: Level::Problem,
    finds: "169.254.169.254 is on this machine, and somebody else than this user's brokerd answers there",
    why: "tools that no variable leads to brokerd take what that one gives them",
    fix: "brokerctl link-local enable",
};

/// How it stands, with a daemon that runs.
pub fn judge(status: &Status) -> Finding {
    let sentence = status.state.sentence();
    let topic = match status.state {
        State::On | State::Off => return Finding::fine(&AREA, sentence),
        State::Unanswered => &UNANSWERED,
        State::Foreign => &FOREIGN,
    };
    Finding::of(topic, sentence).affecting(clients::ALL).with_fix("brokerctl link-local enable")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::link_local::Holder;

    #[test]
    fn only_what_misleads_is_found() {
        for (state, id, level) in [
            (State::On, "link-local", Level::Ok),
            (State::Off, "link-local", Level::Ok),
            (State::Unanswered, "link-local-unanswered", Level::Warning),
            (State::Foreign, "link-local-foreign", Level::Problem),
        ] {
            let status = Status { state, address: Holder::Brokerd, at_boot: false, real_service: None };
            let found = judge(&status);
            assert_eq!((found.id, found.level, found.fix.is_some()), (id, level, level > Level::Ok));
        }
    }
}
