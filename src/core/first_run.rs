//! What a first catalog may say: which profiles of `~/.aws/config` are roles, and which stages have none yet.

use crate::core::aws_sections::{AwsFile, Section, sections};
use crate::core::catalog::Catalog;
use crate::core::catalog_edit::{ApplicationSettings, Edit, ProfileSettings};
use crate::core::name::{App, ExternalId, MfaSerial, ProfileName, Region, RoleArn, Stage};

/// A profile of `~/.aws/config` that a deployment profile can be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What it is called there, and in the catalog.
    pub name: ProfileName,
    /// What the catalog would say of it.
    pub settings: ProfileSettings,
}

/// What `~/.aws` offers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Roles, each with the profile that assumes it.
    pub candidates: Vec<Candidate>,
    /// Profiles that can sign: a role that is named may have one of them as its source.
    pub sources: Vec<String>,
    /// Roles that are left out, and why.
    pub left_out: Vec<(String, &'static str)>,
}

/// Reads what the two files offer.
pub fn offer(config: &str, credentials: &str) -> Offer {
    let mut offer = Offer::default();
    for (file, text) in [(AwsFile::Config, config), (AwsFile::Credentials, credentials)] {
        for section in sections(text) {
            let Some(name) = section.profile(file).filter(|_| section.gives_credentials()) else { continue };
            if section.get("role_arn").is_none() || section.get("web_identity_token_file").is_some() {
                // What brokerd itself wrote there would lead back to it.
                let is_ours =
                    section.get("credential_process").is_some_and(|line| line.contains("brokerctl"));
                if !is_ours && !offer.sources.iter().any(|known| known == name) {
                    offer.sources.push(name.to_owned());
                }
                continue;
            }
            match candidate(name, &section) {
                Ok(candidate) if offer.candidates.iter().all(|known| known.name != candidate.name) => {
                    offer.candidates.push(candidate);
                }
                Ok(_) => {}
                Err(why) => offer.left_out.push((name.to_owned(), why)),
            }
        }
    }
    offer
}

fn candidate(name: &str, section: &Section<'_>) -> Result<Candidate, &'static str> {
    let name = ProfileName::parse(name).map_err(|_| "its name is none that a catalog can have")?;
    let role_arn = section
        .get("role_arn")
        .and_then(|arn| RoleArn::parse(arn).ok())
        .ok_or("its role_arn is none of a role")?;
    let source = match (section.get("source_profile"), section.get("credential_source")) {
        (Some(source), None) => source.to_owned(),
        (None, Some("Environment")) => "env".to_owned(),
        _ => return Err("it has no source_profile"),
    };
    let settings = ProfileSettings {
        role_arn: Some(role_arn),
        source: Some(source),
        external_id: section.get("external_id").and_then(|id| ExternalId::parse(id).ok()),
        mfa_serial: section.get("mfa_serial").and_then(|serial| MfaSerial::parse(serial).ok()),
        region: section.get("region").and_then(|region| Region::parse(region).ok()),
        ..ProfileSettings::default()
    };
    Ok(Candidate { name, settings })
}

/// The stages that have no profile yet, each once, in the order in which they came.
pub fn open<'s>(catalog: &Catalog, stages: impl IntoIterator<Item = &'s (App, Stage)>) -> Vec<(App, Stage)> {
    let mut open: Vec<(App, Stage)> = Vec::new();
    for (app, stage) in stages {
        let is_known = catalog.applications.get(app).is_some_and(|application| {
            application.stages.contains_key(stage) || application.default_profile.is_some()
        });
        if !is_known && !open.iter().any(|known| known == &(app.clone(), stage.clone())) {
            open.push((app.clone(), stage.clone()));
        }
    }
    open
}

/// The profile that is most likely meant for a stage: that of its application and stage, else that of the stage by its
/// name. Anything less certain is for a person to say.
pub fn likely<'n>(app: &App, stage: &Stage, names: &[&'n ProfileName]) -> Option<&'n ProfileName> {
    let wanted = [format!("{app}-{stage}"), format!("{app}_{stage}"), stage.to_string()];
    wanted
        .iter()
        .find_map(|wanted| names.iter().copied().find(|name| name.as_str().eq_ignore_ascii_case(wanted)))
}

/// What somebody said of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// A profile that the catalog has.
    Known(ProfileName),
    /// One of the offer.
    Offered(Box<Candidate>),
    /// A role, and the profile of `~/.aws/config` that may assume it.
    Role(RoleArn, Option<String>),
}

/// The edits that put the choices into a catalog. They only add.
pub fn edits(catalog: &Catalog, choices: &[(App, Stage, Choice)]) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    let mut applications: Vec<&App> = catalog.applications.keys().collect();
    for (app, stage, choice) in choices {
        let (name, settings) = match choice {
            Choice::Known(name) => (name.clone(), None),
            Choice::Offered(candidate) => (candidate.name.clone(), Some(candidate.settings.clone())),
            Choice::Role(role, source) => {
                let settings = ProfileSettings {
                    role_arn: Some(role.clone()),
                    source: source.clone(),
                    ..ProfileSettings::default()
                };
                let Some(name) = free_name(catalog, app, stage) else { continue };
                (name, Some(settings))
            }
        };
        let is_there = catalog.profiles.contains_key(&name)
            || edits.iter().any(|edit| matches!(edit, Edit::AddProfile(known, _) if *known == name));
        if let Some(settings) = settings.filter(|_| !is_there) {
            edits.push(Edit::AddProfile(name.clone(), settings));
        }
        if applications.contains(&app) {
            edits.push(Edit::AddStage(app.clone(), stage.clone(), name));
        } else {
            applications.push(app);
            let settings =
                ApplicationSettings { stages: vec![(stage.clone(), name)], ..ApplicationSettings::default() };
            edits.push(Edit::AddApplication(app.clone(), settings));
        }
    }
    edits
}

/// A name for the profile of a stage that the catalog does not have: what is there may be another role. `None` where no
/// such name is short enough.
fn free_name(catalog: &Catalog, app: &App, stage: &Stage) -> Option<ProfileName> {
    let plain = std::iter::once(format!("{app}-{stage}"));
    let numbered = (2..1000).map(|number| format!("{app}-{stage}-{number}"));
    let mut names = plain.chain(numbered).filter_map(|name| ProfileName::parse(&name).ok());
    names.find(|name| !catalog.profiles.contains_key(name))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::core::catalog_edit::edit;

    const CONFIG: &str = "[profile work]\nsso_session = acme\n[default]\nregion = eu-west-1\n\
        [profile prod]\nrole_arn = arn:aws:iam::222222222222:role/deploy\nsource_profile = work\n\
        external_id = id-1\nregion = eu-west-1\n\
        [profile alone]\nrole_arn = arn:aws:iam::222222222222:role/deploy\n\
        [profile bad name!]\nrole_arn = arn:aws:iam::222222222222:role/deploy\nsource_profile = work\n\
        [profile wrong]\nrole_arn = nonsense\nsource_profile = work\n\
        [profile brokerd-shop-dev]\ncredential_process = /usr/bin/brokerctl credential-process\n";

    fn names(app: &str, stage: &str) -> (App, Stage) {
        (App::parse(app).unwrap(), Stage::parse(stage).unwrap())
    }

    #[test]
    fn roles_are_offered_with_their_source_and_others_with_a_reason() {
        let offer = offer(CONFIG, "[keys]\naws_access_key_id = x\naws_secret_access_key = marked\n");
        assert_eq!(offer.candidates.len(), 1);
        let settings = &offer.candidates[0].settings;
        assert_eq!((settings.source.as_deref(), settings.region.is_some()), (Some("work"), true));
        assert_eq!(settings.external_id.as_ref().map(ExternalId::as_str), Some("id-1"));
        assert_eq!(offer.sources, ["work", "keys"], "what brokerd wrote is none");
        let left_out: Vec<&str> = offer.left_out.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(left_out, ["alone", "bad name!", "wrong"]);
        assert!(!format!("{offer:?}").contains("marked"));
    }

    #[test]
    fn a_likely_profile_has_the_name_of_the_stage() {
        let of = |name: &str| ProfileName::parse(name).unwrap();
        let known = [of("prod"), of("shop-prod"), of("dev")];
        let known: Vec<&ProfileName> = known.iter().collect();
        let (app, prod) = names("shop", "prod");
        assert_eq!(likely(&app, &prod, &known), Some(known[1]));
        assert_eq!(likely(&app, &Stage::parse("DEV").unwrap(), &known), Some(known[2]));
        assert_eq!(likely(&app, &Stage::parse("qa").unwrap(), &known), None);
    }

    #[test]
    fn choices_become_edits_that_only_add_and_a_second_run_has_none() {
        let path = Path::new("c.toml");
        let before =
            "# ours\n[profiles.shop-dev.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/other\"\n";
        let catalog = Catalog::parse(path, before).unwrap();
        let offered = Box::new(offer(CONFIG, "").candidates.remove(0));
        let role = RoleArn::parse("arn:aws:iam::333333333333:role/dev").unwrap();
        let ((shop, dev), (_, prod), (blog, qa)) =
            (names("shop", "dev"), names("shop", "prod"), names("blog", "qa"));
        let choices = [
            (shop.clone(), dev.clone(), Choice::Role(role, Some("work".into()))),
            (shop.clone(), prod.clone(), Choice::Offered(offered.clone())),
            (blog.clone(), qa.clone(), Choice::Offered(offered)),
        ];
        let made = edits(&catalog, &choices);
        let text = made.iter().fold(before.to_owned(), |text, wanted| edit(path, &text, wanted).unwrap());
        assert!(text.starts_with(before), "{text}");
        let after = Catalog::parse(path, &text).unwrap();
        let profile = |app: &App, stage: &Stage| after.applications[app].stages[stage].to_string();
        assert_eq!(
            [profile(&shop, &dev), profile(&shop, &prod), profile(&blog, &qa)],
            ["shop-dev-2", "prod", "prod"]
        );
        let stages = [(shop, dev), (blog, qa)];
        assert_eq!(open(&catalog, &stages), stages);
        assert!(open(&after, &stages).is_empty());
    }
}
