//! What the kernel allows a user of its file watching, and how to raise it (`man inotify`).

use std::fmt;
use std::fs;

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

fn value(setting: &str) -> Option<u64> {
    let path = format!("/proc/sys/{}", setting.replace('.', "/"));
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
