//! What the kernel allows a user of its file watching, and how to raise it (`man inotify`).

use std::fmt;
use std::fs;
use std::path::Path;

use crate::core::doctor::limits::Usage;

/// A limit that was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What there is no more of.
    what: &'static str,
    /// The setting, as sysctl names it.
    setting: &'static str,
    /// Its value, where it can be read.
    value: Option<u64>,
    /// What does for a big tree.
    enough: u64,
}

impl Limit {
    /// On watched directories.
    pub fn watches() -> Self {
        let settings = ["fs.inotify.max_user_watches", "user.max_inotify_watches"];
        Self::lowest("watches", settings, 524_288)
    }

    /// On watching programs.
    pub fn instances() -> Self {
        let settings = ["fs.inotify.max_user_instances", "user.max_inotify_instances"];
        Self::lowest("instances", settings, 1024)
    }

    /// Both settings of a limit hold: the second is that of a user namespace.
    fn lowest(what: &'static str, settings: [&'static str; 2], enough: u64) -> Self {
        let known = settings.map(|setting| (setting, value(setting)));
        let lowest = known.into_iter().filter(|(_, value)| value.is_some()).min_by_key(|(_, value)| *value);
        let (setting, value) = lowest.unwrap_or((settings[0], None));
        Self { what, setting, value, enough }
    }

    /// What to type.
    pub fn hint(&self) -> Option<String> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        let enough = self.value.map_or(self.enough, |value| self.enough.max(value.saturating_mul(2)));
        let setting = self.setting;
        Some(format!(
            "sudo sysctl {setting}={enough}; to keep it: echo {setting}={enough} | sudo tee /etc/sysctl.d/60-brokerd.conf"
        ))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the limit on inotify {} is reached ({}", self.what, self.setting)?;
        match self.value {
            Some(value) => write!(f, " is {value})"),
            None => f.write_str(")"),
        }
    }
}

/// How much of each limit this user's processes use; those that cannot be looked at are not counted.
pub fn usage() -> Vec<Usage> {
    let (mut instances, mut watches) = (0, 0);
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let directory = process.path();
        if process.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
            let (more_instances, more_watches) = used(&directory);
            instances += more_instances;
            watches += more_watches;
        }
    }
    let of =
        |limit: Limit, used| Some(Usage { what: limit.what, used, limit: limit.value?, raise: limit.hint() });
    [of(Limit::watches(), watches), of(Limit::instances(), instances)].into_iter().flatten().collect()
}

/// The instances of a process and their watches: each has a line in its descriptor's information (`man 5 proc`). Another
/// user's process lets nobody see its descriptors.
fn used(process: &Path) -> (u64, u64) {
    let (mut instances, mut watches) = (0, 0);
    for descriptor in fs::read_dir(process.join("fd")).into_iter().flatten().flatten() {
        if fs::read_link(descriptor.path()).is_ok_and(|target| target == Path::new("anon_inode:inotify")) {
            instances += 1;
            let text =
                fs::read_to_string(process.join("fdinfo").join(descriptor.file_name())).unwrap_or_default();
            watches += text.lines().map(|line| u64::from(line.starts_with("inotify wd:"))).sum::<u64>();
        }
    }
    (instances, watches)
}

fn value(setting: &str) -> Option<u64> {
    let path = format!("/proc/sys/{}", setting.replace('.', "/"));
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_of_this_process_is_counted() {
        use notify::Watcher;
        let place = tempfile::tempdir().unwrap();
        let mut own = notify::recommended_watcher(|_| {}).unwrap();
        own.watch(place.path(), notify::RecursiveMode::NonRecursive).unwrap();
        let (instances, watches) = used(Path::new("/proc/self"));
        assert!(instances >= 1 && watches >= 1, "{instances} {watches}");
        assert_eq!(usage().len(), 2);
    }

    #[test]
    fn a_limit_says_what_it_is_and_how_to_raise_it() {
        let limit = |value| Limit { what: "watches", setting: "a.b", value, enough: 100 };
        assert_eq!(limit(Some(8)).to_string(), "the limit on inotify watches is reached (a.b is 8)");
        assert_eq!(limit(None).to_string(), "the limit on inotify watches is reached (a.b)");
        for (value, enough) in [(None, "a.b=100;"), (Some(8), "a.b=100;"), (Some(80), "a.b=160;")] {
            assert!(limit(value).hint().is_none_or(|hint| hint.contains(enough)), "{value:?}");
        }
    }
}
