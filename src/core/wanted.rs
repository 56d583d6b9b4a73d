//! What a command names: an application, a stage, a profile; what is left out is the asker's own.

use serde::{Deserialize, Serialize};

use super::catalog::Catalog;
use super::decision::profile;
use super::name::{App, ProfileName, Stage};
use super::refusal::Refusal;

/// What a command names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Wanted {
    /// An application of an allowed project.
    pub app: Option<App>,
    /// A stage of it.
    pub stage: Option<Stage>,
    /// A profile that one of its stages has.
    pub profile: Option<ProfileName>,
}

/// The stage of an application by which it gets a profile: the current one if it has it, else the only one that the
/// application lists with it. A profile by itself is nobody's: sessions, safeguards and refusals go by the stage. The
/// error says why there is no such stage, or which there are.
pub fn stage_of(
    catalog: &Catalog,
    app: &App,
    wanted: &ProfileName,
    current: Option<&Stage>,
) -> Result<Stage, String> {
    let has = |stage: &Stage| profile(catalog, app, stage).is_ok_and(|(profile, _)| profile.name == *wanted);
    if let Some(current) = current.filter(|current| has(current)) {
        return Ok(current.clone());
    }
    let application = catalog
        .applications
        .get(app)
        .ok_or_else(|| Refusal::UnknownApplication { app: app.clone(), nearest: None }.to_string())?;
    let listed: Vec<&Stage> = application.stages.keys().filter(|stage| has(stage)).collect();
    match listed.as_slice() {
        [stage] => Ok((*stage).clone()),
        [] if application.default_profile.as_ref() == Some(wanted) => {
            Err(format!("profile {wanted} is the default profile of {app}, for stages that it does not list"))
        }
        [] => Err(format!("no stage of {app} has profile {wanted}")),
        several => {
            let names: Vec<&str> = several.iter().map(|stage| stage.as_str()).collect();
            Err(format!("several stages of {app} have profile {wanted}: {}", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_profile_is_had_by_a_stage_that_has_it() {
        let text = "[profiles.dev]\n[profiles.live]\n[profiles.qa]\n[profiles.lost]\n[applications.shop]\n\
                    default_profile = \"dev\"\nstages = { prod = \"live\", dr = \"live\", test = \"qa\" }\n";
        let catalog = Catalog::parse(Path::new("catalog.toml"), text).unwrap();
        let found = |profile: &str, current: Option<&str>| {
            let current = current.map(|stage| Stage::parse(stage).unwrap());
            let (app, profile) = (App::parse("shop").unwrap(), ProfileName::parse(profile).unwrap());
            stage_of(&catalog, &app, &profile, current.as_ref()).map(|stage| stage.to_string())
        };
        assert_eq!(found("qa", Some("dev")), Ok("test".into()));
        assert_eq!(found("dev", Some("pr-1")), Ok("pr-1".into()), "the default profile of the current stage");
        assert_eq!(found("live", Some("prod")), Ok("prod".into()));
        assert!(found("live", Some("dev")).unwrap_err().ends_with("have profile live: dr, prod"));
        assert!(found("dev", Some("prod")).unwrap_err().contains("default profile of shop"));
        assert_eq!(found("lost", None), Err("no stage of shop has profile lost".into()));
    }
}
