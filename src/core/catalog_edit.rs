//! Editing the text of a catalog: text in, text out. What an edit does not change stays byte for byte: the
//! comments, the order, the spacing, the ends of the lines.

mod layout;
mod lines;
mod settings;
mod splice;

use std::path::Path;

use crate::core::catalog::Catalog;
use crate::core::fault::Faults;
use crate::core::name::{App, ProfileName, Stage};
use crate::core::nearest::nearest;

pub use settings::{ApplicationSettings, ProfileSettings, Unmatching};

/// One edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// A new profile.
    AddProfile(ProfileName, ProfileSettings),
    /// Another setting of a profile, and the keys to take out.
    EditProfile(ProfileName, ProfileSettings, Vec<String>),
    /// A profile less, which nothing uses.
    RemoveProfile(ProfileName),
    /// A new application.
    AddApplication(App, ApplicationSettings),
    /// Another setting of an application, and the keys to take out.
    EditApplication(App, ApplicationSettings, Vec<String>),
    /// An application less, with its stages.
    RemoveApplication(App),
    /// A stage of an application gets a profile of its own.
    AddStage(App, Stage, ProfileName),
    /// A stage gets another profile.
    EditStage(App, Stage, ProfileName),
    /// A stage has no profile of its own any more.
    RemoveStage(App, Stage),
}

/// Why a catalog is not edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The file has faults already, and what would come of an edit could not be told.
    #[error("the catalog has faults, so it is not edited:\n{0}")]
    Faulty(Faults),
    /// The edit would lead to a catalog that is refused.
    #[error("this would make a faulty catalog, so nothing is written; the faults would be:\n{0}")]
    WouldBeFaulty(Faults),
    /// What is to be added is there.
    #[error("{what} exists already")]
    Exists {
        /// The profile, application or stage.
        what: String,
        /// The command that changes it.
        command: String,
    },
    /// What is to be changed is not there.
    #[error("there is no {what}{}", meant(.nearest.as_deref()))]
    Missing {
        /// The profile, application or stage.
        what: String,
        /// The name that was probably meant.
        nearest: Option<String>,
        /// The command that adds it.
        command: String,
    },
    /// Applications use the profile that is to be removed.
    #[error("profile {profile} is in use:{}", lines_of(.uses))]
    InUse {
        /// The profile.
        profile: ProfileName,
        /// Who uses it, each with the command that ends that.
        uses: Vec<Use>,
    },
    /// There is no such key to take out.
    #[error("{key} is no key of {what}{}", meant(.nearest.as_deref()))]
    UnknownKey {
        /// The key as it was given.
        key: String,
        /// The profile or application.
        what: String,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// The key is not set.
    #[error("{what} has no {key}")]
    NotSet {
        /// The key.
        key: String,
        /// The profile or application.
        what: String,
    },
    /// The result would change more than it should: the file is written in a way that the edit does not see through.
    #[error("the catalog is written in a way that cannot be edited safely here, so nothing is written")]
    Unclear,
}

/// A use of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The application.
    pub app: App,
    /// The stage; `None` for the default profile.
    pub stage: Option<Stage>,
}

impl std::fmt::Display for Use {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let app = &self.app;
        match &self.stage {
            Some(stage) => {
                write!(f, "stage {stage} of {app}: brokerctl stage edit {app} {stage} OTHER")?;
                write!(f, ", or brokerctl stage remove {app} {stage}")
            }
            None => write!(
                f,
                "the default profile of {app}: brokerctl app edit {app} --default-profile OTHER, \
                 or --unset default_profile"
            ),
        }
    }
}

/// The uses, a line each.
fn lines_of(uses: &[Use]) -> String {
    uses.iter().map(|used| ["\n  ", &used.to_string()].concat()).collect()
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(" (did you mean \"{name}\"?)")).unwrap_or_default()
}

impl EditError {
    /// What to type next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Faulty(_) => Some("mend these in the file first: brokerctl paths".to_owned()),
            Self::Exists { command, .. } | Self::Missing { command, .. } => Some(command.clone()),
            Self::Unclear => Some("edit the file by hand: brokerctl paths".to_owned()),
            Self::WouldBeFaulty(_) | Self::InUse { .. } | Self::UnknownKey { .. } | Self::NotSet { .. } => {
                None
            }
        }
    }
}

/// The catalog's text after an edit. `file` is only named in faults.
pub fn edit(file: &Path, text: &str, edit: &Edit) -> Result<String, EditError> {
    let before = Catalog::parse(file, text).map_err(EditError::Faulty)?;
    edit.check(&before)?;
    // A byte order mark is no part of the first line.
    let mark = if text.starts_with('\u{feff}') { "\u{feff}" } else { "" };
    let body = edit.carry_out(&text[mark.len()..])?;
    let result = format!("{mark}{body}");
    let after = Catalog::parse(file, &result).map_err(EditError::WouldBeFaulty)?;
    if without(before, edit) == without(after, edit) { Ok(result) } else { Err(EditError::Unclear) }
}

/// The uses of a profile.
pub fn uses(catalog: &Catalog, profile: &ProfileName) -> Vec<Use> {
    let of_application = |(app, application): (&App, &std::sync::Arc<crate::core::catalog::Application>)| {
        let default = (application.default_profile.as_ref() == Some(profile)).then_some(None);
        let stages = application.stages.iter().filter(|(_, name)| *name == profile);
        default
            .into_iter()
            .chain(stages.map(|(stage, _)| Some(stage.clone())))
            .map(|stage| Use { app: app.clone(), stage })
            .collect::<Vec<_>>()
    };
    catalog.applications.iter().flat_map(of_application).collect()
}

/// That there is no such profile, with the nearest one.
pub fn missing_profile(catalog: &Catalog, name: &ProfileName) -> EditError {
    EditError::Missing {
        what: format!("profile {name}"),
        nearest: near(name.as_str(), catalog.profiles.keys().map(ProfileName::as_str)),
        command: format!("brokerctl profile add {name} --role-arn ARN"),
    }
}

/// That there is no such application, with the nearest one.
pub fn missing_application(catalog: &Catalog, name: &App) -> EditError {
    EditError::Missing {
        what: format!("application {name}"),
        nearest: near(name.as_str(), catalog.applications.keys().map(App::as_str)),
        command: format!("brokerctl app add {name} --default-profile PROFILE"),
    }
}

/// That an application has no such stage, with the nearest one.
pub fn missing_stage(catalog: &Catalog, app: &App, stage: &Stage) -> EditError {
    let stages = catalog.applications.get(app).into_iter().flat_map(|app| app.stages.keys());
    EditError::Missing {
        what: format!("stage {stage} of {app}"),
        nearest: near(stage.as_str(), stages.map(Stage::as_str)),
        command: format!("brokerctl stage add {app} {stage} PROFILE"),
    }
}

fn near<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, names).map(str::to_owned)
}

fn exists(what: String, command: String) -> EditError {
    EditError::Exists { what, command }
}

/// The catalog without what an edit is about: the rest must be the same before and after.
fn without(mut catalog: Catalog, edit: &Edit) -> Catalog {
    match edit {
        Edit::AddProfile(name, _) | Edit::EditProfile(name, ..) | Edit::RemoveProfile(name) => {
            catalog.profiles.remove(name);
        }
        Edit::AddApplication(app, _)
        | Edit::EditApplication(app, ..)
        | Edit::RemoveApplication(app)
        | Edit::AddStage(app, ..)
        | Edit::EditStage(app, ..)
        | Edit::RemoveStage(app, _) => {
            catalog.applications.remove(app);
        }
    }
    catalog
}

impl Edit {
    /// Whether what is added is not there, and what is changed is.
    fn check(&self, catalog: &Catalog) -> Result<(), EditError> {
        let profile = |name: &ProfileName| {
            let known = catalog.profiles.contains_key(name);
            if known { Ok(()) } else { Err(missing_profile(catalog, name)) }
        };
        let application =
            |app: &App| catalog.applications.get(app).ok_or_else(|| missing_application(catalog, app));
        match self {
            Self::AddProfile(name, _) if catalog.profiles.contains_key(name) => {
                Err(exists(format!("profile {name}"), format!("brokerctl profile edit {name}")))
            }
            Self::AddProfile(..) => Ok(()),
            Self::EditProfile(name, ..) => profile(name),
            Self::RemoveProfile(name) => {
                profile(name)?;
                let uses = uses(catalog, name);
                let in_use = EditError::InUse { profile: name.clone(), uses: uses.clone() };
                if uses.is_empty() { Ok(()) } else { Err(in_use) }
            }
            Self::AddApplication(app, _) if catalog.applications.contains_key(app) => {
                Err(exists(format!("application {app}"), format!("brokerctl app edit {app}")))
            }
            Self::AddApplication(_, settings) => settings.profiles().try_for_each(profile),
            Self::EditApplication(app, settings, _) => {
                application(app)?;
                settings.profiles().try_for_each(profile)
            }
            Self::RemoveApplication(app) => application(app).map(drop),
            Self::AddStage(app, stage, name) => {
                if application(app)?.stages.contains_key(stage) {
                    let command = format!("brokerctl stage edit {app} {stage} {name}");
                    return Err(exists(format!("stage {stage} of {app}"), command));
                }
                profile(name)
            }
            Self::EditStage(app, stage, name) => {
                if !application(app)?.stages.contains_key(stage) {
                    return Err(missing_stage(catalog, app, stage));
                }
                profile(name)
            }
            Self::RemoveStage(app, stage) => {
                let known = application(app)?.stages.contains_key(stage);
                if known { Ok(()) } else { Err(missing_stage(catalog, app, stage)) }
            }
        }
    }

    fn carry_out(&self, text: &str) -> Result<String, EditError> {
        match self {
            Self::AddProfile(name, settings) => settings.write(text, name),
            Self::EditProfile(name, settings, unset) => {
                let text = settings::unset_of_profile(text, name, unset)?;
                settings.write(&text, name)
            }
            Self::RemoveProfile(name) => {
                splice::unset(text, &["profiles", name.as_str()]).ok_or(EditError::Unclear)
            }
            Self::AddApplication(app, settings) => settings.write(text, app),
            Self::EditApplication(app, settings, unset) => {
                let text = settings::unset_of_application(text, app, unset)?;
                settings.write(&text, app)
            }
            Self::RemoveApplication(app) => {
                splice::unset(text, &["applications", app.as_str()]).ok_or(EditError::Unclear)
            }
            Self::AddStage(app, stage, profile) | Self::EditStage(app, stage, profile) => {
                let settings = ApplicationSettings {
                    stages: vec![(stage.clone(), profile.clone())],
                    ..ApplicationSettings::default()
                };
                settings.write(text, app)
            }
            Self::RemoveStage(app, stage) => {
                splice::unset(text, &["applications", app.as_str(), "stages", stage.as_str()])
                    .ok_or(EditError::Unclear)
            }
        }
    }
}

#[cfg(test)]
mod tests;
