//! Finding the serverless configuration that a directory belongs to.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use super::user;

/// File names in the order in which the Serverless CLIs try them. Every form counts as a project, also those
/// that this version does not read: a project must not be skipped for its parent's.
const NAMES: [&str; 8] = [
    "serverless.yml",
    "serverless.yaml",
    "serverless.json",
    "serverless.toml",
    "serverless.js",
    "serverless.mjs",
    "serverless.cjs",
    "serverless.ts",
];

/// A configuration that was found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProjectFile {
    /// The real path of its directory, and its name.
    pub config: PathBuf,
    /// The real file, if that name is a symbolic link.
    pub leads_to: Option<PathBuf>,
}

impl ProjectFile {
    /// The project's directory.
    pub fn directory(&self) -> &Path {
        self.config.parent().unwrap_or(&self.config)
    }

    /// The file to read.
    pub fn real(&self) -> &Path {
        self.leads_to.as_deref().unwrap_or(&self.config)
    }
}

/// What the search from a directory came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// The nearest configuration.
    Found(ProjectFile),
    /// An allowed configuration that should be there and is not.
    Missing(PathBuf),
    /// None up to this directory.
    None(PathBuf),
}

/// Looks upward from `from`, a real path, and ends at the home directory, at a mount boundary or below a
/// directory of another user. `expected` names the allowed configuration of a directory: where that is gone,
/// the search ends too, so that deleting a file never gives its directory to the project above.
pub fn nearest(from: &Path, home: &Path, expected: &dyn Fn(&Path) -> Option<PathBuf>) -> Search {
    let mut reached = from;
    for directory in from.ancestors() {
        if directory != from && !is_connected(reached, directory) {
            break;
        }
        reached = directory;
        if let Some(found) = in_directory(directory) {
            return Search::Found(found);
        }
        if let Some(missing) = expected(directory) {
            return Search::Missing(missing);
        }
        if directory == home {
            break;
        }
    }
    Search::None(reached.to_owned())
}

/// Whether a file of this name may be a configuration.
pub fn is_name(name: &OsStr) -> bool {
    NAMES.iter().any(|known| name == *known)
}

/// The configuration in a directory itself. Directories of that name do not count.
pub fn in_directory(directory: &Path) -> Option<ProjectFile> {
    NAMES.iter().map(|name| directory.join(name)).find_map(|config| at(&config))
}

/// The configuration of a Serverless CLI in a directory: what its `--config` names, else the directory's own.
pub fn of_cli(directory: &Path, config: Option<&str>) -> Option<ProjectFile> {
    let Some(named) = config else { return in_directory(directory) };
    let path = directory.join(named);
    let parent = fs::canonicalize(path.parent()?).ok()?;
    at(&parent.join(path.file_name()?))
}

/// The configuration at a path whose directory is real; `None` if there is no file.
pub fn at(config: &Path) -> Option<ProjectFile> {
    let found = fs::symlink_metadata(config).ok()?;
    if found.is_symlink() {
        let real = fs::canonicalize(config).ok().filter(|real| !real.is_dir())?;
        return Some(ProjectFile { config: config.to_owned(), leads_to: Some(real) });
    }
    (!found.is_dir()).then(|| ProjectFile { config: config.to_owned(), leads_to: None })
}

/// The configuration that a user names by its directory, by a path in it, or by the file itself.
pub fn named(path: &Path, home: &Path) -> Option<ProjectFile> {
    if path.is_dir() {
        return match nearest(&fs::canonicalize(path).ok()?, home, &|_| None) {
            Search::Found(found) => Some(found),
            Search::Missing(_) | Search::None(_) => None,
        };
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    at(&fs::canonicalize(directory).ok()?.join(path.file_name()?))
}

/// Whether the search may step from a directory to its parent.
fn is_connected(child: &Path, parent: &Path) -> bool {
    let Ok(found) = fs::symlink_metadata(parent) else { return false };
    let ours = found.uid() == user::uid() || found.uid() == 0;
    ours && mount(child).is_some_and(|mounted| Some(mounted) == mount(parent))
}

/// What a directory is mounted on: the mount itself where the kernel tells it (5.8), since a bind mount has
/// the device of what it shows, else the device.
#[cfg(target_os = "linux")]
fn mount(path: &Path) -> Option<u64> {
    let found =
        statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID).ok()?;
    let told = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID);
    let device = (u64::from(found.stx_dev_major) << 32) | u64::from(found.stx_dev_minor);
    Some(if told { found.stx_mnt_id } else { device })
}

/// What a directory is on. macOS has no bind mounts.
#[cfg(not(target_os = "linux"))]
fn mount(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().map(|found| found.dev())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, PathBuf) {
        let place = tempfile::tempdir().unwrap();
        let home = fs::canonicalize(place.path()).unwrap();
        for directory in ["shop/src/deep", "shop/billing/src", "plain", "code"] {
            fs::create_dir_all(home.join(directory)).unwrap();
        }
        for file in ["shop/serverless.yml", "shop/billing/serverless.json", "code/serverless.ts"] {
            fs::write(home.join(file), "").unwrap();
        }
        (place, home)
    }

    fn search(home: &Path, from: &str) -> Search {
        nearest(&home.join(from), home, &|_| None)
    }

    fn found(home: &Path, config: &str) -> Search {
        Search::Found(ProjectFile { config: home.join(config), leads_to: None })
    }

    #[test]
    fn the_nearest_configuration_counts_and_home_is_the_end() {
        let (_place, home) = tree();
        for (from, config) in [
            ("shop", "shop/serverless.yml"),
            ("shop/src/deep", "shop/serverless.yml"),
            ("shop/billing/src", "shop/billing/serverless.json"),
            ("code", "code/serverless.ts"),
        ] {
            assert_eq!(search(&home, from), found(&home, config), "{from}");
        }
        assert_eq!(search(&home, "plain"), Search::None(home.clone()));
        fs::write(home.join("serverless.yml"), "").unwrap();
        assert_eq!(
            nearest(&home.join("plain"), &home.join("plain"), &|_| None),
            Search::None(home.join("plain"))
        );
    }

    #[test]
    fn names_have_an_order_and_directories_do_not_count() {
        let (_place, home) = tree();
        fs::write(home.join("shop/serverless.json"), "").unwrap();
        assert_eq!(search(&home, "shop"), found(&home, "shop/serverless.yml"));
        fs::create_dir(home.join("shop/src/serverless.yml")).unwrap();
        assert_eq!(search(&home, "shop/src"), found(&home, "shop/serverless.yml"));
    }

    #[test]
    fn an_allowed_file_that_is_gone_is_not_skipped_for_the_one_above() {
        let (_place, home) = tree();
        let gone = home.join("shop/src/serverless.yml");
        let expected = |directory: &Path| (Some(directory) == gone.parent()).then(|| gone.clone());
        assert_eq!(nearest(&home.join("shop/src/deep"), &home, &expected), Search::Missing(gone.clone()));
    }

    #[test]
    fn a_link_says_where_it_leads() {
        let (_place, home) = tree();
        std::os::unix::fs::symlink(home.join("shop/serverless.yml"), home.join("plain/serverless.yml"))
            .unwrap();
        let Search::Found(found) = search(&home, "plain") else { panic!("a link to a file counts") };
        assert_eq!(found.config, home.join("plain/serverless.yml"));
        assert_eq!(found.leads_to, Some(home.join("shop/serverless.yml")));
        assert_eq!(found.real(), home.join("shop/serverless.yml"));
    }

    #[test]
    fn a_user_may_name_a_directory_or_the_file() {
        let (_place, home) = tree();
        for path in ["shop", "shop/src", "shop/serverless.yml"] {
            assert_eq!(
                named(&home.join(path), &home).map(|found| found.config),
                Some(home.join("shop/serverless.yml"))
            );
        }
        assert_eq!(named(&home.join("plain"), &home), None);
        assert_eq!(named(&home.join("none/serverless.yml"), &home), None);
    }
}
