//! Where a file lies in its Git repository, the same for each worktree (`man gitrepository-layout`).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::settled;
use super::source::Source;
use crate::core::allowed::RepositoryPlace;

/// The place of a configuration; `None` if it is in no repository, or in one that does not know this worktree.
pub fn place(config: &Path) -> Option<RepositoryPlace> {
    let top = top(config.parent()?)?;
    let repository = common_directory(&top.join(".git"))?;
    Some(RepositoryPlace { repository, path: config.strip_prefix(top).ok()?.to_owned() })
}

/// The top of the worktree that a directory is in.
pub fn top(directory: &Path) -> Option<&Path> {
    directory.ancestors().find(|directory| fs::symlink_metadata(directory.join(".git")).is_ok())
}

/// The branch that is checked out where a directory is, if one is, and its commit, and the files that say so or would, as
/// they were then. No head without a repository, or without a commit in it.
pub fn head(directory: &Path) -> (Option<(Option<String>, String)>, Vec<Source>) {
    let Some(top) = top(directory) else { return (None, vec![Source::now(directory.join(".git"))]) };
    let mut looked_at = Vec::new();
    let head = head_at(top.join(".git"), &mut looked_at);
    (head, looked_at)
}

fn head_at(link: PathBuf, looked_at: &mut Vec<Source>) -> Option<(Option<String>, String)> {
    // In a further worktree `.git` is a file that names where its head is.
    let own = match look(&link, looked_at) {
        Some(named) => link.parent()?.join(named.strip_prefix("gitdir:").unwrap_or_default().trim()),
        None => link,
    };
    let head = look(&own.join("HEAD"), looked_at)?;
    let head = head.trim();
    let Some(reference) = head.strip_prefix("ref: ") else {
        return is_commit(head).then(|| (None, head.to_owned()));
    };
    if !reference.starts_with("refs/") || reference.split('/').any(|part| part == "..") {
        return None;
    }
    let common = text(own.join("commondir")).map_or_else(|_| own.clone(), |path| own.join(path.trim()));
    let loose = look(&common.join(reference), looked_at).map(|commit| commit.trim().to_owned());
    let packed = look(&common.join("packed-refs"), looked_at);
    let commit = loose.or_else(|| {
        let packed = packed?;
        let entry = packed.lines().find(|entry| entry.split(' ').nth(1) == Some(reference))?;
        entry.split(' ').next().map(str::to_owned)
    });
    let branch = reference.strip_prefix("refs/heads/").map(str::to_owned);
    commit.filter(|commit| is_commit(commit)).map(|commit| (branch, commit))
}

/// What stands in a file, which is noted as it was before it was read.
fn look(path: &Path, looked_at: &mut Vec<Source>) -> Option<String> {
    looked_at.push(Source::now(path.to_owned()));
    text(path).ok()
}

/// A file of a repository that may be anybody's: small, regular, and not waited for.
fn text(path: impl AsRef<Path>) -> io::Result<String> {
    const LARGEST: u64 = 16 * 1024 * 1024;
    let (_, bytes) = settled::read_now(path.as_ref(), LARGEST)?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// Whether a text is the name of a commit: SHA-1 or SHA-256 in hexadecimal digits.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The directory that all worktrees of a repository share.
fn common_directory(git: &Path) -> Option<PathBuf> {
    if git.is_dir() {
        return fs::canonicalize(git).ok();
    }
    // In a further worktree `.git` is a file that names `<repository>/worktrees/<name>`, which names it back.
    // Without the way back anybody could claim to be a worktree of somebody's repository.
    let named = text(git).ok()?;
    let worktree = fs::canonicalize(git.parent()?.join(named.strip_prefix("gitdir:")?.trim())).ok()?;
    let back = text(worktree.join("gitdir")).ok()?;
    let points_back = fs::canonicalize(worktree.join(back.trim())).ok() == fs::canonicalize(git).ok();
    let common = text(worktree.join("commondir")).ok()?;
    points_back.then(|| fs::canonicalize(worktree.join(common.trim())).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_what_git_says_it_is() {
        let home = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(home.path()).unwrap();
        let git = home.join(".git");
        fs::create_dir_all(git.join("refs/heads/feature")).unwrap();
        fs::create_dir_all(home.join("svc")).unwrap();
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let head = || super::head(&home.join("svc")).0;
        assert_eq!(head(), None);
        fs::write(git.join("HEAD"), "ref: refs/heads/feature/x\n").unwrap();
        assert_eq!(head(), None, "nothing is committed yet");
        fs::write(git.join("packed-refs"), format!("# pack-refs\n{one} refs/heads/feature/x\n")).unwrap();
        assert_eq!(head(), Some((Some("feature/x".into()), one.clone())));
        fs::write(git.join("refs/heads/feature/x"), format!("{two}\n")).unwrap();
        assert_eq!(head(), Some((Some("feature/x".into()), two)));
        fs::write(git.join("HEAD"), format!("{one}\n")).unwrap();
        assert_eq!(head(), Some((None, one)));
        assert!(super::head(&home).1.iter().any(|source| source.path == git.join("HEAD")));
    }

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
