//! `~/.aws/config`, which belongs to its user: a part of it is replaced, and what it was before is kept beside it.

use std::path::{Path, PathBuf};

use super::atomic_file;
use super::catalog_file::{CatalogFile, CatalogFileError};

/// The file as it was read. What others can write is refused: whoever writes it has a program run.
#[derive(Debug)]
pub struct AwsConfigFile {
    file: CatalogFile,
    backup: PathBuf,
}

impl AwsConfigFile {
    /// Reads the file at `path`, which need not exist.
    pub fn read(path: &Path) -> Result<Self, CatalogFileError> {
        let mut backup = path.as_os_str().to_owned();
        backup.push(".before-brokerd");
        Ok(Self { file: CatalogFile::read(path)?, backup: backup.into() })
    }

    /// Its text; empty if there is no file.
    pub fn text(&self) -> &str {
        self.file.text()
    }

    /// Puts another text in its place, unless it changed since it was read; its mode stays. Gives where the text that
    /// it had is kept, if it had any.
    pub fn replace(&self, text: &str) -> Result<Option<&Path>, CatalogFileError> {
        if self.file.exists() {
            atomic_file::replace(&self.backup, self.file.text().as_bytes())?;
        }
        self.file.replace(text)?;
        Ok(self.file.exists().then_some(self.backup.as_path()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn a_backup_is_made_the_mode_stays_and_a_new_file_is_private() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("aws/config");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(AwsConfigFile::read(&path).unwrap().replace("one").unwrap(), None);
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let file = AwsConfigFile::read(&path).unwrap();
        let backup = file.replace("two").unwrap().unwrap();
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!((read(&path), read(backup)), ("two".into(), "one".into()));
        assert_eq!((mode(&path), mode(backup)), (0o644, 0o600));
        assert!(matches!(file.replace("three"), Err(CatalogFileError::Changed { .. })));
    }
}
