//! The daemon's process, as the kernel shows it to others of its user (`man 5 proc`).

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::user;
use crate::core::doctor::hardening::Protection;

/// Which doors a process has shut. What cannot be read is not said.
pub fn protection(pid: u32) -> Protection {
    let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
    let status = read("status").unwrap_or_default();
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    };
    let number = |name: &str| field(name)?.parse::<u32>().ok();
    Protection {
        // The files of a process that cannot be dumped belong to root.
        is_dumpable: fs::metadata(format!("/proc/{pid}/environ"))
            .ok()
            .map(|found| found.uid() == user::uid()),
        core_limit: read("limits").as_deref().and_then(core_limit),
        umask: field("Umask").and_then(|mask| u32::from_str_radix(mask, 8).ok()),
        no_new_privileges: number("NoNewPrivs").map(|value| value == 1),
        is_filtered: number("Seccomp").map(|mode| mode > 0),
    }
}

/// The hard limit on core dumps: what the process could raise it to.
fn core_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size"))?;
    let word = line.split_whitespace().nth(1)?;
    Some(word.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen() {
        let seen = protection(std::process::id());
        assert!(seen.is_dumpable.is_some() && seen.umask.is_some() && seen.is_filtered.is_some(), "{seen:?}");
        assert_eq!(protection(u32::MAX), Protection::default());
    }

    #[test]
    fn the_hard_limit_counts() {
        let line = |soft, hard| format!("Limit  Soft\nMax core file size        {soft}  {hard}  bytes\n");
        assert_eq!(core_limit(&line("0", "0")), Some(0));
        assert_eq!(core_limit(&line("0", "unlimited")), Some(u64::MAX));
        assert_eq!(core_limit(""), None);
    }
}
