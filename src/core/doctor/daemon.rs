//! The daemon itself.

use super::{Area, Finding, Level, Topic};
use crate::core::protocol::{ImdsV1, Status};

/// The area.
pub static AREA: Area = Area {
    name: "daemon",
    topics: &[&NOT_RUNNING, &SILENT, &VERSION, &LOCKED, &TROUBLE, &AUDIT_LOST, &IMDS_V1, &TOKENLESS],
};

static NOT_RUNNING: Topic = Topic {
    id: "daemon-not-running",
    level: Level::Problem,
    finds: "brokerd does not run",
    why: "nobody answers AWS tools; the exit code is 3, and what needs the daemon is not looked at",
    fix: "brokerctl service install, or brokerd &",
};
static SILENT: Topic = Topic {
    id: "daemon-silent",
    level: Level::Problem,
    finds: "brokerd runs and does not answer brokerctl",
    why: "it hangs, or is of a version that speaks another protocol",
    fix: "end it and start it again",
};
static VERSION: Topic = Topic {
    id: "daemon-version",
    level: Level::Warning,
    finds: "the daemon that runs is of another version than brokerctl",
    why: "after an upgrade the old one serves on until it is started again",
    fix: "brokerctl stop, then start it again",
};
static LOCKED: Topic = Topic {
    id: "daemon-locked",
    level: Level::Problem,
    finds: "brokerd is locked",
    why: "it gives nothing until it is unlocked",
    fix: "brokerctl unlock",
};
static TROUBLE: Topic = Topic {
    id: "daemon-trouble",
    level: Level::Warning,
    finds: "the daemon says that something does not work: a watch, a file of its state, a search",
    why: "changes may be seen late, or be forgotten at the next start",
    fix: "what the sentence says",
};
static AUDIT_LOST: Topic = Topic {
    id: "audit-lost",
    level: Level::Warning,
    finds: "lines of the audit log could not be written",
    why: "what was handed out then is in no log",
    fix: "make room on the disk of the file that brokerctl paths names",
};
static IMDS_V1: Topic = Topic {
    id: "imds-v1",
    level: Level::Warning,
    finds: "IMDSv1 is switched on",
    why: "a web page or a fooled program can ask without a token",
    fix: "imds_v1 = false in config.toml, once no program asks by it",
};
static TOKENLESS: Topic = Topic {
    id: "imds-v1-users",
    level: Level::Note,
    finds: "programs asked without a token while IMDSv1 is off",
    why: "they get nothing by it: they are old, or gave up on the token",
    fix: "update the program, or give it credentials by brokerctl exec",
};

/// That it does not run, or does not answer: `why` is what brokerctl was told.
pub fn absent(runs: bool, why: &str, hint: Option<String>) -> Finding {
    Finding::of(if runs { &SILENT } else { &NOT_RUNNING }, why).with_hint(hint)
}

/// What the daemon says of itself. `version` is brokerctl's.
pub fn judge(status: &Status, version: &str) -> Vec<Finding> {
    let mut found = vec![if status.version == version {
        Finding::fine(&AREA, format!("brokerd {version} runs (pid {})", status.pid))
    } else {
        Finding::of(&VERSION, format!("brokerd is {}, and brokerctl {version}", status.version))
            .with_fix("brokerctl stop, then start brokerd again")
    }];
    if let Some(lock) = &status.locked {
        let sentence = format!("brokerd is locked since {}, by {}: nothing is given", lock.since, lock.by);
        found.push(Finding::of(&LOCKED, sentence).with_fix("brokerctl unlock"));
    }
    found.extend(status.troubles.iter().map(|trouble| Finding::of(&TROUBLE, trouble.as_str())));
    if status.audit_lost > 0 {
        let sentence = format!("{} lines of the audit log could not be written", status.audit_lost);
        found.push(Finding::of(&AUDIT_LOST, sentence).with_fix("make room on its disk: brokerctl paths"));
    }
    found.extend(imds_v1(&status.imds_v1));
    found
}

fn imds_v1(imds: &ImdsV1) -> Option<Finding> {
    let clients: Vec<String> =
        imds.clients.iter().map(|client| format!("{} {}", client.program, client.requests)).collect();
    let who = if clients.is_empty() { String::new() } else { format!(" ({})", clients.join(", ")) };
    let asked = format!("{} without a token since brokerd started{who}", imds.requests);
    match (imds.enabled, imds.requests) {
        (false, 0) => None,
        (true, _) => Some(
            Finding::of(&IMDS_V1, format!("IMDSv1 is on: requests {asked}"))
                .with_fix("imds_v1 = false in config.toml: brokerctl paths"),
        ),
        (false, _) => Some(
            Finding::of(&TOKENLESS, format!("requests that got nothing: {asked}"))
                .with_fix("update these programs, or start them by brokerctl exec"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::doctor::fixtures::status;
    use crate::core::locked::{Lock, LockedBy};
    use crate::core::moment::Timestamp;
    use crate::core::protocol::TokenlessClient;

    fn ids(status: &Status) -> Vec<(&'static str, Level)> {
        judge(status, "1.2.3").iter().map(|finding| (finding.id, finding.level)).collect()
    }

    #[test]
    fn what_the_daemon_says_of_itself_is_found() {
        type Change = fn(&mut Status);
        assert_eq!(ids(&status()), [("daemon", Level::Ok)]);
        let cases: [(Change, &str, Level); 6] = [
            (|status| status.version = "1.2.2".into(), "daemon-version", Level::Warning),
            (
                |status| status.locked = Some(Lock { since: Timestamp(0), by: LockedBy::Person }),
                "daemon-locked",
                Level::Problem,
            ),
            (|status| status.troubles = vec!["x".into()], "daemon-trouble", Level::Warning),
            (|status| status.audit_lost = 1, "audit-lost", Level::Warning),
            (|status| status.imds_v1.enabled = true, "imds-v1", Level::Warning),
            (|status| status.imds_v1.requests = 2, "imds-v1-users", Level::Note),
        ];
        for (change, id, level) in cases {
            let mut status = status();
            change(&mut status);
            assert_eq!(ids(&status).last(), Some(&(id, level)), "{id}");
        }
        let mut status = status();
        status.imds_v1.requests = 3;
        status.imds_v1.clients = vec![TokenlessClient { program: "old".into(), requests: 3 }];
        assert!(
            judge(&status, "1.2.3")[1].sentence.contains("3 without a token since brokerd started (old 3)")
        );
    }

    #[test]
    fn a_daemon_that_is_not_there_and_one_that_is_silent_differ() {
        assert_eq!(absent(false, "x", Some("brokerd &".into())).fix.as_deref(), Some("brokerd &"));
        assert_eq!(
            (absent(false, "x", None).id, absent(true, "x", None).id),
            ("daemon-not-running", "daemon-silent")
        );
    }
}
