//! Which doors the daemon's process has shut, as the kernel shows them.

use super::{Area, Finding, Level, Topic};

/// The area.
pub static AREA: Area = Area { name: "hardening", topics: &[&OPEN, &NARROWER] };

static OPEN: Topic = Topic {
    id: "hardening-open",
    level: Level::Warning,
    finds: "the daemon's process can be dumped or traced, leaves core dumps, or makes files that others can read",
    why: "another program of yours could take every session out of its memory at once",
    fix: "start it again; if it stays, the system refuses it",
};
static NARROWER: Topic = Topic {
    id: "hardening-by-service",
    level: Level::Note,
    finds: "the daemon runs without what its service adds: no new privileges, a filter of system calls",
    why: "the units bring both; a daemon started by hand has neither",
    fix: "brokerctl service install",
};

/// What the kernel shows of the process. What cannot be seen is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Protection {
    /// Whether it may be dumped and traced by other processes of its user.
    pub is_dumpable: Option<bool>,
    /// Its limit on core dumps, in bytes.
    pub core_limit: Option<u64>,
    /// What it takes from the mode of new files.
    pub umask: Option<u32>,
    /// Whether it and its children can gain no privileges.
    pub no_new_privileges: Option<bool>,
    /// Whether its system calls are filtered.
    pub is_filtered: Option<bool>,
}

/// What holds of it.
pub fn judge(protection: &Protection) -> Vec<Finding> {
    let Protection { is_dumpable, core_limit, umask, no_new_privileges, is_filtered } = *protection;
    let open = [
        (is_dumpable == Some(true), "other processes of yours may trace brokerd and read its memory"),
        (core_limit.is_some_and(|limit| limit > 0), "brokerd may leave core dumps"),
        (umask.is_some_and(|mask| mask & 0o077 != 0o077), "brokerd makes files that others can read"),
    ];
    let mut found: Vec<Finding> = open
        .into_iter()
        .filter(|(is, _)| *is)
        .map(|(_, sentence)| {
            Finding::of(&OPEN, sentence).with_fix("brokerctl stop, then start brokerd again")
        })
        .collect();
    if found.is_empty() {
        found.push(Finding::fine(&AREA, "brokerd cannot be traced or dumped, and its files are closed"));
    }
    let missing = [(no_new_privileges, "no new privileges"), (is_filtered, "a filter of system calls")];
    let missing: Vec<&str> =
        missing.iter().filter(|(holds, _)| *holds == Some(false)).map(|(_, name)| *name).collect();
    if !missing.is_empty() {
        let sentence = format!("brokerd runs without {}, which its service adds", missing.join(" and "));
        found.push(Finding::of(&NARROWER, sentence).with_fix("brokerctl service install"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_door_that_is_open_is_found() {
        let shut = Protection {
            is_dumpable: Some(false),
            core_limit: Some(0),
            umask: Some(0o077),
            no_new_privileges: Some(true),
            is_filtered: Some(true),
        };
        let ids = |protection| judge(&protection).iter().map(|finding| finding.id).collect::<Vec<_>>();
        for (protection, expected) in [
            (shut, vec!["hardening"]),
            (Protection::default(), vec!["hardening"]),
            (Protection { is_dumpable: Some(true), ..shut }, vec!["hardening-open"]),
            (Protection { core_limit: Some(1), ..shut }, vec!["hardening-open"]),
            (Protection { umask: Some(0o022), ..shut }, vec!["hardening-open"]),
            (Protection { is_filtered: Some(false), ..shut }, vec!["hardening", "hardening-by-service"]),
        ] {
            assert_eq!(ids(protection), expected, "{protection:?}");
        }
    }
}
