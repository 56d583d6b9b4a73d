//! Programs, as a shell finds them, by `PATH`, and beside one another.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The first program of each of these names.
pub fn programs<'n>(names: impl Iterator<Item = &'n str>) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> =
        env::split_paths(&path).filter(|directory| directory.is_absolute()).collect();
    names
        .filter_map(|name| {
            directories.iter().map(|directory| directory.join(name)).find(|file| can_run(file))
        })
        .collect()
}

/// The program of this name beside the one that asks, as a real path.
pub fn beside(name: &str) -> Option<PathBuf> {
    let own = fs::canonicalize(env::current_exe().ok()?).ok()?;
    Some(own.with_file_name(name)).filter(|path| can_run(path))
}

/// Whether a file is a program.
pub fn can_run(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_where_a_shell_would() {
        assert!(programs(["sh"].into_iter())[0].ends_with("sh"));
        assert!(beside("no-such-program").is_none());
        assert!(programs(["no-such-program-anywhere"].into_iter()).is_empty());
    }
}
