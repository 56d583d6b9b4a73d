//! What the daemon has shut behind itself, and what it could not.

use serde::{Deserialize, Serialize};

/// One measure, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// What it is.
    pub kind: MeasureKind,
    /// Whether it is in force.
    pub holds: bool,
    /// How that was told, or why it is not in force.
    pub detail: String,
}

/// The measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MeasureKind {
    /// A crash leaves no copy of the memory.
    NoCoreDumps,
    /// No other process of this user may attach to it or read its memory.
    NotDumpable,
    /// New files are this user's alone.
    PrivateFiles,
    /// Neither it nor what it starts gains privileges by running a program.
    NoNewPrivileges,
    /// The kernel refuses system calls that it does not need.
    SystemCallFilter,
    /// Secrets do not reach the disk by swapping.
    MemoryNotSwapped,
}

impl MeasureKind {
    /// The measure in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoCoreDumps => "no core dumps",
            Self::NotDumpable => "not dumpable (no ptrace, no reading of its memory)",
            Self::PrivateFiles => "new files are this user's alone (umask 077)",
            Self::NoNewPrivileges => "no new privileges",
            Self::SystemCallFilter => "system calls filtered",
            Self::MemoryNotSwapped => "secrets in memory are not swapped to disk",
        }
    }
}

/// Whether a cgroup, or one above it, may not swap at all: by the texts of their `memory.swap.max` (Linux,
/// `Documentation/admin-guide/cgroup-v2.rst`), whatever order they come in.
pub fn forbids_swap<'a>(limits: impl IntoIterator<Item = &'a str>) -> bool {
    limits.into_iter().any(|limit| limit.trim() == "0")
}

/// Whether a machine has nowhere to swap to, by the text of `/proc/swaps`: a heading, and a line for each place.
pub fn has_no_swap(swaps: &str) -> bool {
    swaps.lines().skip(1).all(|line| line.trim().is_empty())
}

/// The path of a process's cgroup below the root of version 2, by the text of its `/proc/PID/cgroup`.
pub fn cgroup(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::/"))
}

/// Whether a system-call filter is in force, by the text of `/proc/PID/status`.
pub fn is_filtered(status: &str) -> bool {
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
    mode.is_some_and(|mode| mode.trim() == "2")
}

/// Whether the map of a user namespace is that of a sandbox made for one user alone, as a service manager makes it for
/// `PrivateUsers=` and what implies it (`man 7 user_namespaces`): one line that maps a single user to itself.
pub fn is_sandbox_of_one(uid_map: &str) -> bool {
    let mut lines = uid_map.lines();
    let fields: Vec<&str> = lines.next().unwrap_or_default().split_ascii_whitespace().collect();
    lines.next().is_none() && matches!(fields[..], [inside, outside, "1"] if inside == outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_is_out_of_reach_by_any_limit_of_nothing_or_where_there_is_none() {
        for (limits, expected) in
            [(&["max\n", "0\n"][..], true), (&["max", "1048576"], false), (&[], false), (&["00"], false)]
        {
            assert_eq!(forbids_swap(limits.iter().copied()), expected, "{limits:?}");
        }
        let heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert!(has_no_swap(heading) && has_no_swap(""));
        assert!(!has_no_swap(&format!("{heading}/dev/sda2 partition 8388604 0 -2\n")));
    }

    #[test]
    fn the_files_of_proc_are_read() {
        assert_eq!(cgroup("1:name=x:/a\n0::/user.slice/a.service\n"), Some("user.slice/a.service"));
        assert_eq!(cgroup("4:memory:/x\n"), None);
        assert!(is_filtered("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t3\n"));
        assert!(!is_filtered("Seccomp:\t0\nSeccomp_filters:\t2\n") && !is_filtered(""));
    }

    #[test]
    fn a_user_namespace_of_one_is_told_from_the_first_one_and_from_containers() {
        for (map, expected) in [
            ("      1000       1000          1\n", true),
            ("         0          0 4294967295\n", false),
            ("         0       1000          1\n         1     100000      65536\n", false),
            ("         0       1000          1\n", false),
            ("", false),
        ] {
            assert_eq!(is_sandbox_of_one(map), expected, "{map}");
        }
    }
}
