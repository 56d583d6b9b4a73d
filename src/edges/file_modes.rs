//! Who may read and write the files of brokerd, and the repairs that are safe.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::directories::{self, Directories, DirectoryError};
use crate::core::doctor::Repair;
use crate::core::doctor::files::{FileRole, Looked, Mode};

/// So many files of one directory are looked at.
const MOST: usize = 256;

/// Looks at brokerd's directories and what is in them, and at the two files of `~/.aws`.
pub fn look(
    directories: &Directories,
    aws_config: Option<&Path>,
    aws_credentials: Option<&Path>,
) -> Vec<Looked> {
    let mut looked = Vec::new();
    for directory in [directories.config(), directories.state(), directories.runtime()] {
        looked.push(at(directory.to_owned(), FileRole::Directory));
        let entries = fs::read_dir(directory).into_iter().flatten().flatten().take(MOST);
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        files.sort();
        for path in files {
            // A link is judged by what it leads to; a person put it there.
            let is_written = path == directories.config_file() || path == directories.catalog_file();
            if is_written || (directory != directories.config() && !path.is_symlink()) {
                looked.push(at(path, if is_written { FileRole::Written } else { FileRole::File }));
            }
        }
    }
    let of_aws = [(aws_config, FileRole::AwsConfig), (aws_credentials, FileRole::AwsCredentials)];
    for (path, role) in of_aws {
        looked.extend(path.filter(|path| path.is_file()).map(|path| at(path.to_owned(), role)));
    }
    looked
}

fn at(path: PathBuf, role: FileRole) -> Looked {
    let found = fs::metadata(&path).ok().map(|found| Mode { uid: found.uid(), bits: found.mode() & 0o7777 });
    Looked { path, found, role }
}

/// Carries out a repair. What belongs to somebody else, the system refuses.
pub fn repair(repair: &Repair) -> Result<(), DirectoryError> {
    match repair {
        Repair::Make(path) => directories::make_private(path),
        Repair::Close(path) => {
            close(path).map_err(|source| DirectoryError::Io { path: path.clone(), source })
        }
    }
}

fn close(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.mode() & 0o7700;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::doctor::files::judge;

    #[test]
    fn what_is_open_is_found_and_closed() {
        let place = tempfile::tempdir().unwrap();
        let directories = Directories::below(place.path());
        let uid = super::super::user::uid();
        let findings = || judge(&look(&directories, None, None), uid);
        let missing = findings();
        assert_eq!(missing.iter().filter(|finding| finding.id == "directory-missing").count(), 3);
        for finding in missing.iter().filter_map(|finding| finding.repair.as_ref()) {
            repair(finding).unwrap();
        }
        assert_eq!(findings().iter().map(|finding| finding.id).collect::<Vec<_>>(), ["files"]);
        let state = directories.allow_file();
        fs::write(&state, "{}").unwrap();
        fs::set_permissions(&state, fs::Permissions::from_mode(0o644)).unwrap();
        let open = findings();
        assert_eq!(open[0].repair, Some(Repair::Close(state.clone())));
        repair(open[0].repair.as_ref().unwrap()).unwrap();
        assert_eq!(fs::metadata(&state).unwrap().mode() & 0o777, 0o600);
        assert!(repair(&Repair::Close(place.path().join("none"))).is_err());
    }
}
