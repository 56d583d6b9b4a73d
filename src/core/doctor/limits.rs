//! What the kernel lets a user watch (`man 7 inotify`).

use super::{Area, Finding, Level, Topic};

/// The area.
pub static AREA: Area = Area { name: "inotify", topics: &[&NEAR] };

static NEAR: Topic = Topic {
    id: "inotify-limit",
    level: Level::Warning,
    finds: "nine tenths of the inotify watches or instances that the kernel allows this user are in use",
    why: "brokerd then sees changes of serverless.yml and the catalog late, when somebody asks",
    fix: "sudo sysctl, with the setting that the sentence names",
};

/// How much of a limit is in use.
#[derive(Debug)]
pub struct Usage {
    /// Of what: `watches`.
    pub what: &'static str,
    /// How many are, of the processes that can be looked at.
    pub used: u64,
    /// How many may be.
    pub limit: u64,
    /// What to type to raise it.
    pub raise: Option<String>,
}

/// Each limit.
pub fn judge(usages: &[Usage]) -> Vec<Finding> {
    let near = |usage: &&Usage| usage.used.saturating_mul(10) >= usage.limit.saturating_mul(9);
    let of_usage = |Usage { what, used, limit, raise }: &Usage| {
        Finding::of(&NEAR, format!("{used} of {limit} inotify {what} are in use")).with_hint(raise.clone())
    };
    let found: Vec<Finding> = usages.iter().filter(near).map(of_usage).collect();
    if found.is_empty() && !usages.is_empty() {
        let said: Vec<String> =
            usages.iter().map(|usage| format!("{} of {} {}", usage.used, usage.limit, usage.what)).collect();
        return vec![Finding::fine(&AREA, format!("inotify: {} are in use", said.join(", ")))];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_tenths_are_too_near() {
        let ids = |used| {
            let usage = Usage { what: "watches", used, limit: 1000, raise: Some("sysctl".into()) };
            judge(&[usage]).iter().map(|finding| (finding.id, finding.fix.is_some())).collect::<Vec<_>>()
        };
        assert_eq!(ids(899), [("inotify", false)]);
        assert_eq!(ids(900), [("inotify-limit", true)]);
        assert!(judge(&[]).is_empty());
    }
}
