//! The files of the service: where they are, what they are to say, and what is in force now.

use std::fs;
use std::path::{Path, PathBuf};

use super::address::choose;
use super::install::describe;
use super::manager;
use crate::core::doctor::service::Units;
use crate::core::service::{ENVIRONMENT, PACKAGED, Service, UNITS, WANTED, started};
use crate::ctl::failure::Failure;
use crate::edges::directories::Directories;
use crate::edges::search_path::can_run;

/// The variable that says where a user's configuration is (XDG Base Directory Specification).
const CONFIG_HOME: &str = "XDG_CONFIG_HOME";

/// Where the files of the service are.
pub(super) struct Places {
    pub(super) directories: Directories,
    pub(super) units: PathBuf,
    pub(super) environment: PathBuf,
    /// Where a package has the units.
    packaged: PathBuf,
}

/// A file of the service.
pub(super) struct Planned {
    /// Where `install` writes it.
    pub(super) path: PathBuf,
    /// What it is to say.
    pub(super) text: String,
    /// What is in force now.
    now: Option<(PathBuf, String)>,
}

impl Planned {
    /// A file that is the user's alone.
    pub(super) fn own(path: PathBuf, text: String) -> Self {
        let now = fs::read_to_string(&path).ok().map(|text| (path.clone(), text));
        Self { path, text, now }
    }

    /// The file that says what it is to say, if one does.
    pub(super) fn current(&self) -> Option<&Path> {
        self.now.as_ref().filter(|(_, text)| *text == self.text).map(|(path, _)| path.as_path())
    }
}

impl Places {
    pub(super) fn find() -> Result<Self, Failure> {
        let directories =
            Directories::from_environment().map_err(|error| Failure::refused(error.to_string()))?;
        // The manager reads both of them by its own environment, not by that of this shell.
        let config = manager::variable(CONFIG_HOME)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .unwrap_or_else(|| directories.home.join(".config"));
        Ok(Self {
            directories,
            units: config.join("systemd/user"),
            environment: config.join("environment.d").join(ENVIRONMENT),
            packaged: PACKAGED.into(),
        })
    }

    /// The unit of this name that the manager takes, with its text: the user's own, else the package's.
    pub(super) fn in_force(&self, name: &str) -> Option<(PathBuf, String)> {
        let mut places = [&self.units, &self.packaged].into_iter().map(|place| place.join(name));
        places.find_map(|path| fs::read_to_string(&path).ok().map(|text| (path, text)))
    }

    /// The text of the socket unit in force; empty if there is none.
    pub(super) fn installed_socket(&self) -> String {
        self.in_force(UNITS[1]).map(|(_, text)| text).unwrap_or_default()
    }

    /// The links by which a login starts the units, in the order of [`UNITS`].
    pub(super) fn links(&self) -> [PathBuf; 2] {
        WANTED.map(|name| self.units.join(name))
    }

    /// The files with what they are to say.
    pub(super) fn files(&self, service: &Service) -> [Planned; 3] {
        let unit = |name, text| Planned { path: self.units.join(name), text, now: self.in_force(name) };
        let [service_unit, socket] = UNITS;
        [
            unit(service_unit, service.unit()),
            unit(socket, service.socket()),
            Planned::own(self.environment.clone(), service.environment()),
        ]
    }

    /// The files that `install` would write now.
    pub(super) fn outdated(&self) -> Result<Vec<PathBuf>, Failure> {
        let choice = choose(&self.directories.config_file(), &self.installed_socket())?;
        let files = self.files(&describe(self, choice.listen)?).into_iter();
        Ok(files.filter(|file| file.current().is_none()).map(|file| file.path).collect())
    }

    /// Whether the user's systemd starts one of the units at login, as far as files show it.
    pub(super) fn starts_at_login(&self) -> bool {
        self.links().iter().any(|link| link.is_symlink())
    }

    /// The units as they are.
    pub(super) fn units(&self) -> Units {
        let service = self.in_force(UNITS[0]);
        let program = service.as_ref().and_then(|(_, text)| started(text));
        // A package has units for everybody; who types `install` has something of his own.
        let is_own = UNITS.iter().any(|name| self.units.join(name).exists()) || self.environment.exists();
        Units {
            is_chosen: is_own || self.starts_at_login(),
            service: service.map(|(path, _)| path),
            has_socket: self.in_force(UNITS[1]).is_some(),
            program: program.map(|path| (can_run(&path), path)).map(|(can, path)| (path, can)),
        }
    }
}

/// The units of this user, and what of them `install` would write anew; an error where that cannot be told.
pub(in crate::ctl) fn units() -> Result<(Units, Result<Vec<PathBuf>, Failure>), Failure> {
    let places = Places::find()?;
    let units = places.units();
    let outdated = if units.is_installed() { places.outdated() } else { Ok(Vec::new()) };
    Ok((units, outdated))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_of_a_package_do_unless_the_user_has_own_ones() {
        let place = tempfile::tempdir().unwrap();
        let directory = |name: &str| {
            let path = place.path().join(name);
            fs::create_dir_all(&path).unwrap();
            path
        };
        let places = Places {
            directories: Directories::below(place.path()),
            units: directory("user"),
            packaged: directory("package"),
            environment: place.path().join("60-brokerd.conf"),
        };
        let service = Service {
            program: "/bin/sh".into(),
            listen: vec!["127.0.0.1:9254".parse().unwrap()],
            variables: Vec::new(),
            secrets_token: "/run/token".into(),
        };
        let current = || places.files(&service).map(|file| file.current().map(Path::to_owned));
        assert_eq!(current(), [None, None, None]);
        for (name, text) in UNITS.into_iter().zip([service.unit(), service.socket()]) {
            fs::write(places.packaged.join(name), text).unwrap();
        }
        assert_eq!(
            current(),
            [Some(places.packaged.join(UNITS[0])), Some(places.packaged.join(UNITS[1])), None]
        );
        assert!(!places.units().is_installed(), "a package alone starts nothing for this user");
        fs::write(&places.environment, service.environment()).unwrap();
        assert!(places.units().is_installed() && current().iter().all(Option::is_some));
        let own = places.units.join(UNITS[0]);
        fs::write(&own, "[Service]\nExecStart=/nonexistent\n").unwrap();
        assert_eq!(current()[0], None, "the user's own comes first");
        let units = places.units();
        assert_eq!((units.service, units.program), (Some(own), Some(("/nonexistent".into(), false))));
    }
}
