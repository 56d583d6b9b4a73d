//! Where a file lies in its Git repository, the same for each worktree (`man gitrepository-layout`).

use std::fs;
use std::path::{Path, PathBuf};

use crate::core::allowed::RepositoryPlace;

/// The place of a configuration; `None` if it is in no repository, or in one that does not know this worktree.
pub fn place(config: &Path) -> Option<RepositoryPlace> {
    let top =
        config.ancestors().skip(1).find(|directory| fs::symlink_metadata(directory.join(".git")).is_ok())?;
    let repository = common_directory(&top.join(".git"))?;
    Some(RepositoryPlace { repository, path: config.strip_prefix(top).ok()?.to_owned() })
}

/// The directory that all worktrees of a repository share.
fn common_directory(git: &Path) -> Option<PathBuf> {
    if git.is_dir() {
        return fs::canonicalize(git).ok();
    }
    // In a further worktree `.git` is a file that names `<repository>/worktrees/<name>`, which names it back.
    // Without the way back anybody could claim to be a worktree of somebody's repository.
    let named = fs::read_to_string(git).ok()?;
    let worktree = fs::canonicalize(git.parent()?.join(named.strip_prefix("gitdir:")?.trim())).ok()?;
    let back = fs::read_to_string(worktree.join("gitdir")).ok()?;
    let points_back = fs::canonicalize(worktree.join(back.trim())).ok() == fs::canonicalize(git).ok();
    let common = fs::read_to_string(worktree.join("commondir")).ok()?;
    points_back.then(|| fs::canonicalize(worktree.join(common.trim())).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worktrees_share_a_place_and_forgeries_do_not() {
        let home = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(home.path()).unwrap();
        let known = home.join("repo/.git/worktrees/feature");
        fs::create_dir_all(&known).unwrap();
        fs::create_dir_all(home.join("repo/svc")).unwrap();
        fs::create_dir_all(home.join("feature/svc")).unwrap();
        fs::create_dir_all(home.join("forged/svc")).unwrap();
        fs::write(known.join("commondir"), "../..\n").unwrap();
        fs::write(known.join("gitdir"), format!("{}\n", home.join("feature/.git").display())).unwrap();
        for worktree in ["feature", "forged"] {
            fs::write(home.join(worktree).join(".git"), format!("gitdir: {}\n", known.display())).unwrap();
        }
        let main = place(&home.join("repo/svc/serverless.yml")).unwrap();
        assert_eq!(main.repository, home.join("repo/.git"));
        assert_eq!(main.path, Path::new("svc/serverless.yml"));
        assert_eq!(place(&home.join("feature/svc/serverless.yml")), Some(main));
        assert_eq!(place(&home.join("forged/svc/serverless.yml")), None);
        assert_eq!(place(&home.join("serverless.yml")), None);
    }
}
