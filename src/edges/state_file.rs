//! Files of the state directory: each holds one thing that the daemon knows, which is read and replaced whole.

use std::fmt::Debug;
use std::fs;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use super::atomic_file::{PRIVATE, Turn, WriteError};
use super::trust;
use crate::core::lasting::Lasting;
use crate::core::refusal::{Refusal, shell_word};

/// Why a state file cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// Others may have written it.
    #[error(transparent)]
    Untrusted(#[from] Refusal),
    /// It holds something else.
    #[error("{} is not {what}: {why}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// It cannot be written.
    #[error(transparent)]
    Unwritten(#[from] WriteError),
}

impl StateFileError {
    /// What to type next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Untrusted(refusal) => refusal.hint(),
            Self::Unwritten(error) => error.hint(),
            Self::Malformed { path, .. } => {
                let path = shell_word(path);
                Some(format!("move it away, and what it held is to be said again: mv {path} {path}.bad"))
            }
            Self::Unreadable { .. } => None,
        }
    }
}

/// A state file.
#[derive(Debug)]
pub struct StateFile<S> {
    path: PathBuf,
    holds: PhantomData<fn() -> S>,
}

impl<S: Lasting> StateFile<S> {
    /// The file at `path`, which need not be there. Its directory must be.
    pub fn at(path: PathBuf) -> Self {
        Self { path, holds: PhantomData }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds. What others can write is refused.
    pub fn read(&self) -> Result<S, StateFileError> {
        let path = &self.path;
        trust::check_with_target(path)?;
        match fs::read_to_string(path) {
            Ok(text) => S::parse(&text).map_err(|why| StateFileError::Malformed {
                path: path.clone(),
                what: S::WHAT,
                why,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(S::default()),
            Err(source) => Err(StateFileError::Unreadable { path: path.clone(), source }),
        }
    }

    /// Changes what it holds, as it is now and whoever wrote it, and gives what it holds then. Whole or not at all.
    pub fn change(&self, change: impl FnOnce(&mut S)) -> Result<S, StateFileError> {
        let turn = Turn::take(&self.path)?;
        let before = self.read()?;
        let mut after = before.clone();
        change(&mut after);
        if after != before {
            turn.replace(after.to_text().as_bytes(), PRIVATE)?;
        }
        Ok(after)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde::{Deserialize, Serialize};

    use super::super::disk::crash;
    use super::*;
    use crate::core::allowed::AllowList;
    use crate::core::approval::guarded::Guarded;
    use crate::core::catalog::Catalog;
    use crate::core::locked::{Locked, LockedBy};
    use crate::core::moment::Timestamp;
    use crate::core::name::Stage;
    use crate::core::pins::PinList;
    use crate::core::recent::Recent;

    /// Tries a state file with every crash and every error (see [`crash`]). The contents must differ.
    pub(in crate::edges) fn survives<S: Lasting>(name: &str, contents: [&S; 2]) {
        let write = |path: &Path, content: &S| {
            let file = StateFile::at(path.to_owned());
            file.change(|held| *held = content.clone()).map_err(|error| error.to_string())?;
            assert_eq!(file.read().unwrap(), *content);
            Ok(())
        };
        crash::replaced_whole(name, contents, write).unwrap();
    }

    #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
    struct Numbers {
        numbers: Vec<u32>,
    }

    impl Lasting for Numbers {
        const WHAT: &'static str = "a list of numbers";
    }

    fn numbers(place: &tempfile::TempDir) -> StateFile<Numbers> {
        StateFile::at(place.path().join("numbers.json"))
    }

    #[test]
    fn a_crash_or_an_error_leaves_the_old_state_or_the_new() {
        survives("numbers.json", [&Numbers { numbers: vec![1, 2, 3] }, &Numbers { numbers: vec![4] }]);
    }

    #[test]
    fn so_it_is_for_the_allowed_projects() {
        let list = |apps: &[&str]| {
            let project = |app| {
                format!(
                    r#"{{"config":"/{app}/serverless.yml","app":"{app}","since":"2026-01-01T00:00:00Z"}}"#
                )
            };
            let projects: Vec<String> = apps.iter().map(project).collect();
            AllowList::parse(&format!(r#"{{"form":1,"projects":[{}]}}"#, projects.join(","))).unwrap()
        };
        survives("allowed.json", [&list(&["shop", "billing"]), &list(&["shop"])]);
    }

    #[test]
    fn so_it_is_for_the_pins() {
        let pin = r#"{"place":{"project":"/shop/serverless.yml"},"app":"shop","stage":"prod","since":"2026-01-01T00:00:00Z","until":"2026-01-01T01:00:00Z","boot":"b","from":1}"#;
        let list = |pins: &str| PinList::parse(&format!(r#"{{"form":1,"pins":[{pins}]}}"#)).unwrap();
        survives("pins.json", [&list(pin), &list("")]);
    }

    #[test]
    fn so_it_is_for_what_protects_the_profiles() {
        let text = "[profiles.p]\nprotected = true\naccess_role = { role_arn = \"arn:aws:iam::111111111111:role/r\" }\n";
        let mut guarded = Guarded::default();
        guarded.settle(&Catalog::parse(Path::new("c"), text).unwrap(), &|_| false);
        survives("protections.json", [&guarded, &Guarded::default()]);
    }

    #[test]
    fn so_it_is_for_the_stages_used_lately() {
        let mut recent = Recent::default();
        recent.note(Path::new("/shop/serverless.yml"), &Stage::parse("dev").unwrap(), Timestamp(1));
        survives("recent.json", [&recent, &Recent::default()]);
    }

    #[test]
    fn a_crash_or_an_error_leaves_it_locked_or_not() {
        let mut locked = Locked::default();
        locked.lock(LockedBy::Person, Timestamp(5));
        survives("locked.json", [&locked, &Locked::default()]);
    }

    #[test]
    fn what_another_wrote_meanwhile_is_kept() {
        let place = tempfile::tempdir().unwrap();
        let (one, other) = (numbers(&place), numbers(&place));
        assert!(one.read().unwrap().numbers.is_empty());
        assert_eq!(one.change(|held| held.numbers.push(1)).unwrap().numbers, [1]);
        assert_eq!(other.change(|held| held.numbers.push(2)).unwrap().numbers, [1, 2]);
        assert_eq!(one.change(|held| held.numbers.push(3)).unwrap().numbers, [1, 2, 3]);
    }

    #[test]
    fn what_cannot_be_had_is_said_with_what_mends_it() {
        let place = tempfile::tempdir().unwrap();
        let file = numbers(&place);
        let shown = file.path().display().to_string();
        fs::write(file.path(), "[1, ").unwrap();
        let malformed = file.change(|held| held.numbers.clear()).unwrap_err();
        assert!(
            malformed.to_string().starts_with(&format!("{shown} is not a list of numbers: ")),
            "{malformed}"
        );
        assert!(malformed.hint().unwrap().ends_with(&format!("mv {shown} {shown}.bad")));
        fs::write(file.path(), "[1]").unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o666)).unwrap();
        for untrusted in [file.read().unwrap_err(), file.change(|held| held.numbers.clear()).unwrap_err()] {
            assert_eq!(untrusted.to_string(), format!("{shown} can be written by other users"));
            assert_eq!(untrusted.hint(), Some(format!("chmod go-w {shown}")));
        }
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "[1]", "as it was");
    }
}
