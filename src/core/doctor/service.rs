//! The units by which brokerd starts at login.

use std::path::{Path, PathBuf};

use super::{Area, Finding, Level, Topic};

/// The area.
pub static AREA: Area =
    Area { name: "service", topics: &[&NOT_INSTALLED, &BROKEN, &OTHER_PROGRAM, &NO_SOCKET] };

/// What puts the units in place, anew too.
const INSTALL: &str = "brokerctl service install";

static NOT_INSTALLED: Topic = Topic {
    id: "service-not-installed",
    level: Level::Note,
    finds: "brokerd is no service of this user",
    why: "somebody has to start it after each login",
    fix: "brokerctl service install",
};
static BROKEN: Topic = Topic {
    id: "service-broken",
    level: Level::Problem,
    finds: "the unit starts a program that is not there",
    why: "brokerd does not start at the next login",
    fix: "brokerctl service install",
};
static OTHER_PROGRAM: Topic = Topic {
    id: "service-outdated",
    level: Level::Warning,
    finds: "the unit starts another brokerd than the one beside this brokerctl",
    why: "after an upgrade the old one is started, or one of two installations",
    fix: "brokerctl service install",
};
static NO_SOCKET: Topic = Topic {
    id: "service-without-socket",
    level: Level::Warning,
    finds: "the service is there without its socket unit",
    why: "connections are refused while it restarts, and another user may take the port",
    fix: "brokerctl service install",
};

/// The units as they were found.
#[derive(Debug, Default)]
pub struct Units {
    /// `brokerd.service`: its file and its text.
    pub service: Option<(PathBuf, String)>,
    /// Whether there is a `brokerd.socket`.
    pub has_socket: bool,
    /// The program that the service starts, and whether it can be run.
    pub program: Option<(PathBuf, bool)>,
}

/// What `ExecStart` of a unit runs (`man 5 systemd.service`): the first word, without what may stand before the path.
pub fn program(unit: &str) -> Option<PathBuf> {
    let line = unit.lines().rev().find_map(|line| line.trim().strip_prefix("ExecStart="))?;
    let line = line.trim_start_matches(['@', '-', ':', '+', '!']);
    let word = match line.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => line.split_whitespace().next()?,
    };
    Some(PathBuf::from(word)).filter(|path| path.is_absolute())
}

/// The units. `beside` is the brokerd next to this brokerctl, as a real path.
pub fn judge(units: &Units, beside: Option<&Path>) -> Vec<Finding> {
    let Some((file, _)) = &units.service else {
        return vec![Finding::of(&NOT_INSTALLED, "brokerd does not start at login").with_fix(INSTALL)];
    };
    let mut found = Vec::new();
    match &units.program {
        Some((program, true)) if beside.is_some_and(|beside| beside != program) => {
            let beside = beside.unwrap_or(Path::new("")).display();
            let sentence =
                format!("the service starts {}, and beside brokerctl is {beside}", program.display());
            found.push(Finding::of(&OTHER_PROGRAM, sentence).at(file, None).with_fix(INSTALL));
        }
        Some((_, true)) => {}
        Some((program, false)) => {
            let sentence = format!("the service starts {}, which is not there", program.display());
            found.push(Finding::of(&BROKEN, sentence).at(file, None).with_fix(INSTALL));
        }
        None => {
            found.push(Finding::of(&BROKEN, "the service starts nothing").at(file, None).with_fix(INSTALL));
        }
    }
    if !units.has_socket {
        found.push(Finding::of(&NO_SOCKET, "brokerd.socket is missing").at(file, None).with_fix(INSTALL));
    }
    if found.is_empty() {
        found.push(Finding::fine(&AREA, format!("brokerd is a service of yours: {}", file.display())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_a_unit_is_read() {
        for (unit, expected) in [
            ("[Service]\nExecStart=/usr/bin/brokerd --x\n", Some("/usr/bin/brokerd")),
            ("ExecStart=\nExecStart=-\"/my programs/brokerd\" x\n", Some("/my programs/brokerd")),
            ("ExecStart=brokerd\n", None),
            ("[Unit]\n", None),
        ] {
            assert_eq!(program(unit), expected.map(PathBuf::from), "{unit}");
        }
    }

    #[test]
    fn a_unit_is_there_and_starts_this_brokerd() {
        let service = || Some((PathBuf::from("/u/brokerd.service"), String::new()));
        let with = |program: Option<(&str, bool)>, has_socket| Units {
            service: service(),
            has_socket,
            program: program.map(|(path, there)| (path.into(), there)),
        };
        for (units, ids) in [
            (Units::default(), vec!["service-not-installed"]),
            (with(Some(("/b", true)), true), vec!["service"]),
            (with(Some(("/b", true)), false), vec!["service-without-socket"]),
            (with(Some(("/old", true)), true), vec!["service-outdated"]),
            (with(Some(("/b", false)), true), vec!["service-broken"]),
            (with(None, true), vec!["service-broken"]),
        ] {
            let found: Vec<_> =
                judge(&units, Some(Path::new("/b"))).iter().map(|finding| finding.id).collect();
            assert_eq!(found, ids);
        }
    }
}
