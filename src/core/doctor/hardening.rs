//! Which doors the daemon's process has shut, as it says itself.

use super::{Area, Finding, Level, Topic};
use crate::core::hardening::{Measure, MeasureKind};

/// The area.
pub static AREA: Area = Area { name: "hardening", topics: &[&OPEN, &NARROWER] };

static OPEN: Topic = Topic {
    id: "hardening-open",
    level: Level::Warning,
    finds: "the daemon's process can be dumped or traced, leaves core dumps, may gain privileges, or makes files that others can read",
    why: "another program of yours could take every session out of its memory at once",
    fix: "start it again; if it stays, the system refuses it",
};
static NARROWER: Topic = Topic {
    id: "hardening-by-service",
    level: Level::Note,
    finds: "the daemon runs without what its service adds: a filter of system calls, no swapping",
    why: "a daemon started by hand may use every system call, and its memory may reach the disk",
    fix: "brokerctl service install",
};

/// What holds, by `hardening` of the daemon's status.
pub fn judge(measures: &[Measure]) -> Vec<Finding> {
    let by_service = |kind| matches!(kind, MeasureKind::SystemCallFilter | MeasureKind::MemoryNotSwapped);
    let mut found: Vec<Finding> = measures
        .iter()
        .filter(|measure| !measure.holds)
        .map(|Measure { kind, detail, .. }| {
            let (topic, fix) = if by_service(*kind) {
                (&NARROWER, "brokerctl service install")
            } else {
                (&OPEN, "brokerctl stop, then start brokerd again")
            };
            Finding::of(topic, format!("does not hold: {}: {detail}", kind.words())).with_fix(fix)
        })
        .collect();
    let holding: Vec<&str> =
        measures.iter().filter(|measure| measure.holds).map(|measure| measure.kind.words()).collect();
    if !holding.is_empty() {
        found.insert(0, Finding::fine(&AREA, format!("of brokerd holds: {}", holding.join(", "))));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_is_said_and_what_does_not_is_found() {
        let measure = |kind, holds| Measure { kind, holds, detail: "why".to_owned() };
        for (kind, expected) in [
            (MeasureKind::NoCoreDumps, "hardening-open"),
            (MeasureKind::NotDumpable, "hardening-open"),
            (MeasureKind::PrivateFiles, "hardening-open"),
            (MeasureKind::NoNewPrivileges, "hardening-open"),
            (MeasureKind::SystemCallFilter, "hardening-by-service"),
            (MeasureKind::MemoryNotSwapped, "hardening-by-service"),
        ] {
            let found = judge(&[measure(kind, false)]);
            assert_eq!(found.iter().map(|finding| finding.id).collect::<Vec<_>>(), [expected]);
            assert!(found[0].sentence.ends_with(": why") && found[0].fix.is_some());
            let found = judge(&[measure(kind, true)]);
            assert!(
                found.len() == 1 && found[0].level == Level::Ok && found[0].sentence.contains(kind.words())
            );
        }
        assert!(judge(&[]).is_empty());
    }
}
