//! Which projects the user has said yes to.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lasting::Lasting;
use super::moment::Timestamp;
use super::name::{App, Org, Stage};

/// Where a configuration lies in a Git repository: the same in each of its worktrees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryPlace {
    /// The repository's common directory, as a real path.
    pub repository: PathBuf,
    /// The configuration, from the top of the worktree.
    pub path: PathBuf,
}

/// One project that the user allowed: this file, as this application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowedProject {
    /// The configuration file: the real path of its directory, and its name.
    pub config: PathBuf,
    /// The real file, if that name is a symbolic link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leads_to: Option<PathBuf>,
    /// The application it had then.
    pub app: App,
    /// Whether the user named the application because the file names none.
    #[serde(default)]
    pub named: bool,
    /// The stage that the user named, for where the file does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The organisation it had then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<Org>,
    /// Its place in its repository, if every worktree of that is allowed with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktrees: Option<RepositoryPlace>,
    /// When the user said yes.
    pub since: Timestamp,
}

/// The projects that the user allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AllowList {
    projects: Vec<AllowedProject>,
}

impl Lasting for AllowList {
    const WHAT: &'static str = "a list of allowed projects";
}

impl AllowList {
    /// The entry that covers a configuration: the one of this very file, or one of its repository that
    /// covers every worktree.
    pub fn find(&self, config: &Path, place: Option<&RepositoryPlace>) -> Option<&AllowedProject> {
        let by_path = self.projects.iter().find(|project| project.config == config);
        by_path.or_else(|| {
            let place = place?;
            self.projects.iter().find(|project| project.worktrees.as_ref() == Some(place))
        })
    }

    /// The allowed configuration that should lie in `directory`, if there is one.
    pub fn expected_in(&self, directory: &Path) -> Option<&AllowedProject> {
        self.projects.iter().find(|project| project.config.parent() == Some(directory))
    }

    /// Adds an entry in place of an earlier one of the same file.
    pub fn allow(&mut self, project: AllowedProject) {
        self.projects.retain(|known| known.config != project.config);
        self.projects.push(project);
        self.projects.sort_by(|left, right| left.config.cmp(&right.config));
    }

    /// Removes the entry that covers a configuration, and gives it back.
    pub fn deny(&mut self, config: &Path, place: Option<&RepositoryPlace>) -> Option<AllowedProject> {
        let found = self.find(config, place)?.config.clone();
        let position = self.projects.iter().position(|project| project.config == found)?;
        Some(self.projects.remove(position))
    }

    /// All entries, by path.
    pub fn iter(&self) -> impl Iterator<Item = &AllowedProject> {
        self.projects.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(config: &str, worktrees: Option<RepositoryPlace>) -> AllowedProject {
        AllowedProject {
            config: config.into(),
            leads_to: None,
            app: App::parse("shop").unwrap(),
            named: false,
            stage: None,
            org: None,
            worktrees,
            since: Timestamp(0),
        }
    }

    #[test]
    fn the_list_survives_its_text() {
        let mut list = AllowList::default();
        list.allow(project("/b/serverless.yml", None));
        list.allow(project("/a/serverless.yml", None));
        list.allow(project("/a/serverless.yml", None));
        assert_eq!(AllowList::parse(&list.to_text()), Ok(list.clone()));
        assert_eq!(list.iter().count(), 2);
        for text in ["", "{}", "{\"form\":2,\"projects\":[]}", "{\"form\":1,\"projects\":[{\"app\":\"x\"}]}"]
        {
            assert!(AllowList::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_worktree_is_covered_only_when_asked_for() {
        let place = RepositoryPlace { repository: "/r/.git".into(), path: "svc/serverless.yml".into() };
        let elsewhere = RepositoryPlace { path: "other/serverless.yml".into(), ..place.clone() };
        let other = Path::new("/worktree/svc/serverless.yml");
        let mut list = AllowList::default();
        list.allow(project("/r/svc/serverless.yml", None));
        assert!(list.find(other, Some(&place)).is_none());
        list.allow(project("/r/svc/serverless.yml", Some(place.clone())));
        assert!(list.find(other, Some(&place)).is_some());
        assert!(list.find(other, Some(&elsewhere)).is_none());
        assert!(list.find(other, None).is_none());
        assert!(list.deny(other, Some(&place)).is_some());
        assert!(list.find(Path::new("/r/svc/serverless.yml"), None).is_none());
    }
}
