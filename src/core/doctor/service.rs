//! The units by which brokerd starts at login.

use std::path::PathBuf;

use super::{Area, Finding, Level, Topic};

/// The area.
pub static AREA: Area = Area { name: "service", topics: &[&NOT_INSTALLED, &BROKEN, &OUTDATED, &NO_SOCKET] };

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
static OUTDATED: Topic = Topic {
    id: "service-outdated",
    level: Level::Warning,
    finds: "a file of the service is missing, or says something else than brokerctl service install would write now",
    why: "after an upgrade or an edit of config.toml the service starts another program, or at another address",
    fix: "brokerctl service install",
};
static NO_SOCKET: Topic = Topic {
    id: "service-without-socket",
    level: Level::Warning,
    finds: "the service is there without its socket unit",
    why: "connections are refused while it restarts, and another user may take the port",
    fix: "brokerctl service install",
};

/// The units as they were found, the user's own or a package's.
#[derive(Debug, Default)]
pub struct Units {
    /// Whether this user has the service, not only the machine.
    pub is_chosen: bool,
    /// The file of `brokerd.service`.
    pub service: Option<PathBuf>,
    /// Whether there is a `brokerd.socket`.
    pub has_socket: bool,
    /// The program that the service starts, and whether it can be run.
    pub program: Option<(PathBuf, bool)>,
}

impl Units {
    /// Whether brokerd is a service of this user.
    pub fn is_installed(&self) -> bool {
        self.is_chosen && self.service.is_some()
    }
}

/// The units. `outdated` are the files that `install` would write anew, or why that cannot be told.
pub fn judge(units: &Units, outdated: Result<Vec<PathBuf>, String>) -> Vec<Finding> {
    let Some(file) = units.service.as_ref().filter(|_| units.is_chosen) else {
        return vec![Finding::of(&NOT_INSTALLED, "brokerd does not start at login").with_fix(INSTALL)];
    };
    let broken = match &units.program {
        Some((_, true)) => None,
        Some((program, false)) => {
            Some(format!("the service starts {}, which is not there", program.display()))
        }
        None => Some("the service starts nothing".to_owned()),
    };
    let is_broken = broken.is_some();
    let mut found: Vec<Finding> = broken
        .into_iter()
        .map(|sentence| Finding::of(&BROKEN, sentence).at(file, None).with_fix(INSTALL))
        .collect();
    if !units.has_socket {
        found.push(Finding::of(&NO_SOCKET, "brokerd.socket is missing").at(file, None).with_fix(INSTALL));
    }
    match outdated {
        // What is broken is said already, and one command mends both.
        Ok(files) if !is_broken => found.extend(files.iter().map(|file| {
            let sentence = "this is not what brokerctl service install would write now";
            Finding::of(&OUTDATED, sentence).at(file, None).with_fix(INSTALL)
        })),
        Ok(_) => {}
        Err(why) => found.push(Finding::unseen("whether the service is up to date", why)),
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
    fn a_unit_is_there_and_is_what_would_be_written() {
        let with = |program: Option<(&str, bool)>, has_socket| Units {
            is_chosen: true,
            service: Some("/u/brokerd.service".into()),
            has_socket,
            program: program.map(|(path, there)| (path.into(), there)),
        };
        let fine = || with(Some(("/b", true)), true);
        let old = || Ok(vec![PathBuf::from("/u/brokerd.service")]);
        for (units, outdated, ids) in [
            (Units::default(), Ok(Vec::new()), vec!["service-not-installed"]),
            (Units { is_chosen: false, ..fine() }, Ok(Vec::new()), vec!["service-not-installed"]),
            (fine(), Ok(Vec::new()), vec!["service"]),
            (with(Some(("/b", true)), false), Ok(Vec::new()), vec!["service-without-socket"]),
            (fine(), old(), vec!["service-outdated"]),
            (fine(), Err("x".to_owned()), vec!["not-seen"]),
            (with(Some(("/b", false)), true), old(), vec!["service-broken"]),
            (with(None, true), Ok(Vec::new()), vec!["service-broken"]),
        ] {
            let found: Vec<_> = judge(&units, outdated).iter().map(|finding| finding.id).collect();
            assert_eq!(found, ids);
        }
    }
}
