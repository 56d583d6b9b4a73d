//! The catalog's file, read to be edited and replaced by what came of it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::atomic_file::{PRIVATE, Turn, WriteError};
use super::directories::{self, DirectoryError};
use super::trust;

/// A catalog is written by people; a larger file is a mistake, and reading one would hold up requests.
pub const LARGEST: u64 = 256 * 1024;

/// Why the file could not be read or replaced; it is untouched.
#[derive(Debug, thiserror::Error)]
pub enum CatalogFileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Others may have written it.
    #[error("{why}")]
    Untrusted {
        /// Who.
        why: String,
        /// The command that mends it.
        mend: Option<String>,
    },
    /// Somebody wrote it after it was read.
    #[error("{} changed meanwhile, so it is not overwritten", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Its directory cannot be made.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// It cannot be written.
    #[error(transparent)]
    Unwritten(#[from] WriteError),
}

impl CatalogFileError {
    /// What to type next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Untrusted { mend, .. } => mend.clone(),
            Self::Changed { .. } => Some("look at it, and type the command again".to_owned()),
            Self::Directory(error) => error.hint(),
            Self::Unwritten(error) => error.hint(),
            Self::Unreadable { .. } => None,
        }
    }
}

/// A catalog as it was read.
#[derive(Debug)]
pub struct CatalogFile {
    path: PathBuf,
    /// The real file: dotfile managers put a symbolic link in its place.
    real: PathBuf,
    /// Its text; `None` if there is no file.
    text: Option<String>,
}

impl CatalogFile {
    /// Reads the catalog at `path`, which need not exist. What others can write is refused, as the daemon does.
    pub fn read(path: &Path) -> Result<Self, CatalogFileError> {
        let unreadable = |source| CatalogFileError::Unreadable { path: path.to_owned(), source };
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            // A link that leads nowhere is somebody's file that is not there now, not an invitation to make one.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
                return Ok(Self { path: path.to_owned(), real: path.to_owned(), text: None });
            }
            Err(error) => return Err(unreadable(error)),
        };
        trust::check_with_target(path).map_err(|refusal| CatalogFileError::Untrusted {
            why: refusal.to_string(),
            mend: refusal.hint(),
        })?;
        let text = Some(text_of(&real).map_err(unreadable)?);
        Ok(Self { path: path.to_owned(), real, text })
    }

    /// Its text; empty if there is no file.
    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// Whether there is a file.
    pub fn exists(&self) -> bool {
        self.text.is_some()
    }

    /// Puts another text in its place, unless it changed since it was read. Its mode stays.
    pub fn replace(&self, text: &str) -> Result<(), CatalogFileError> {
        let unreadable = |source| CatalogFileError::Unreadable { path: self.path.clone(), source };
        let directory = self.real.parent().unwrap_or(Path::new("/"));
        if !self.exists() && !directory.exists() {
            directories::make_private(directory)?;
        }
        // Taken before looking: a change that comes after it, by an editor, can be lost only between these lines.
        let turn = Turn::take(&self.real)?;
        let mode = match fs::metadata(&self.real) {
            Ok(found) => found.mode() & 0o777,
            Err(error) if error.kind() == io::ErrorKind::NotFound => PRIVATE,
            Err(error) => return Err(unreadable(error)),
        };
        let now = match text_of(&self.real) {
            Ok(now) => Some(now),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unreadable(error)),
        };
        if now != self.text {
            return Err(CatalogFileError::Changed { path: self.path.clone() });
        }
        Ok(turn.replace(text.as_bytes(), mode)?)
    }
}

/// The text of a catalog that is only looked at, wherever it lies and whoever may write it.
pub fn text_of(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        let why = format!("it has more than {LARGEST} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::disk::crash;
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_crash_or_an_error_leaves_the_old_catalog_or_the_new() {
        for (name, mode) in [("catalog.toml", 0o600), ("catalog.toml", 0o644), ("config/catalog.toml", 0o600)]
        {
            let write = |path: &Path, text: &str| {
                let file = CatalogFile::read(path).map_err(|error| error.to_string())?;
                file.replace(text).map_err(|error| error.to_string())?;
                // As a person sets it; a replacement keeps it.
                let is_first = text.starts_with("[profiles");
                let mode = fs::Permissions::from_mode(mode);
                if is_first {
                    fs::set_permissions(path, mode).map_err(|error| error.to_string())
                } else {
                    Ok(())
                }
            };
            crash::replaced_whole(name, ["[profiles.a]\n[profiles.b]\n", "# empty\n"], write).unwrap();
        }
    }

    #[test]
    fn a_new_catalog_is_private_with_its_directory() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("config/brokerd/catalog.toml");
        let file = CatalogFile::read(&path).unwrap();
        assert_eq!((file.exists(), file.text()), (false, ""));
        file.replace("[profiles.a]\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "[profiles.a]\n");
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn a_link_stays_and_its_target_is_replaced_with_its_mode() {
        let place = tempfile::tempdir().unwrap();
        let (target, link) = (place.path().join("dotfiles.toml"), place.path().join("catalog.toml"));
        fs::write(&target, "old").unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("dotfiles.toml", &link).unwrap();
        CatalogFile::read(&link).unwrap().replace("new").unwrap();
        assert!(link.is_symlink() && !target.is_symlink());
        assert_eq!((fs::read_to_string(&target).unwrap().as_str(), mode(&target)), ("new", 0o640));
        fs::remove_file(&target).unwrap();
        assert!(
            matches!(CatalogFile::read(&link), Err(CatalogFileError::Unreadable { .. })),
            "it leads nowhere"
        );
    }

    #[test]
    fn what_changed_meanwhile_is_not_overwritten() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("catalog.toml");
        let absent = CatalogFile::read(&path).unwrap();
        fs::write(&path, "one").unwrap();
        let one = CatalogFile::read(&path).unwrap();
        fs::write(&path, "two").unwrap();
        for stale in [absent, one] {
            assert!(matches!(stale.replace("mine"), Err(CatalogFileError::Changed { .. })));
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        let two = CatalogFile::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(matches!(two.replace("mine"), Err(CatalogFileError::Changed { .. })));
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_small_text_of_ours_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("catalog.toml");
        fs::write(&path, [0xff]).unwrap();
        assert!(matches!(CatalogFile::read(&path), Err(CatalogFileError::Unreadable { .. })));
        fs::write(&path, vec![b'#'; 256 * 1024 + 1]).unwrap();
        assert!(matches!(CatalogFile::read(&path), Err(CatalogFileError::Unreadable { .. })));
        let directory = place.path().join("directory");
        fs::create_dir(&directory).unwrap();
        assert!(matches!(CatalogFile::read(&directory), Err(CatalogFileError::Unreadable { .. })));
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        let error = CatalogFile::read(&path).unwrap_err();
        assert!(error.hint().is_some_and(|hint| hint.starts_with("chmod go-w")), "{error}");
    }
}
