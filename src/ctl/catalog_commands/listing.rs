//! What the catalog says, for people and as JSON. A secret is shown by its name and where it comes from.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;
use serde_json::Value as Json;

use crate::core::catalog::{
    AccessRole, Application, Catalog, Deploy, Profile, Safeguard, Source, StagePattern, Unmatched,
};
use crate::core::catalog_edit::{missing_application, missing_profile, missing_stage, uses as uses_of};
use crate::core::duration::format_duration;
use crate::core::name::{App, ExternalId, PolicyArn, ProfileName, Region, SessionName, Stage};
use crate::ctl::commands::print_json;
use crate::ctl::failure::Failure;
use crate::ctl::paint;
use crate::edges::catalog_file::CatalogFile;
use crate::edges::directories::Directories;

#[derive(Serialize)]
struct ShownProfile<'a> {
    name: &'a ProfileName,
    description: Option<&'a str>,
    access_role: Option<ShownRole<'a>>,
    secrets: BTreeMap<&'a str, String>,
    short: bool,
    protected: Option<String>,
    safeguards: Vec<&'a str>,
    deploy: Deploy,
    used_by: Vec<ShownUse>,
}

#[derive(Serialize)]
struct ShownRole<'a> {
    role_arn: &'a str,
    source: Option<String>,
    duration: String,
    external_id: Option<&'a str>,
    session_name: Option<&'a str>,
    region: Option<&'a str>,
    session_tags: &'a BTreeMap<String, String>,
    policy_arns: Vec<&'a str>,
    session_policy: Option<Json>,
}

#[derive(Serialize)]
struct ShownUse {
    app: App,
    /// `None` for the default profile.
    stage: Option<Stage>,
}

#[derive(Serialize)]
struct ShownApplication<'a> {
    name: &'a App,
    default_profile: Option<&'a ProfileName>,
    unmatched: Json,
    stages: &'a BTreeMap<Stage, ProfileName>,
}

#[derive(Serialize)]
struct ShownStage<'a> {
    app: &'a App,
    stage: &'a Stage,
    profile: &'a ProfileName,
}

pub(super) fn profiles(json: bool) -> Result<(), Failure> {
    let catalog = read()?;
    if json {
        let shown: Vec<_> = catalog.profiles.values().map(|profile| shown(&catalog, profile)).collect();
        return print_json(&shown);
    }
    let rows = catalog.profiles.values().map(|profile| {
        let role = profile.access_role.as_ref().map_or("no access role", |role| role.role_arn.as_str());
        let description = profile.description.as_deref().and_then(|text| text.lines().next());
        [profile.name.to_string(), role.to_owned(), description.unwrap_or_default().to_owned()]
    });
    table("no profile yet; brokerctl profile add NAME --role-arn ARN", rows)
}

pub(super) fn profile(name: &ProfileName, json: bool) -> Result<(), Failure> {
    let catalog = read()?;
    let profile = catalog.profiles.get(name).ok_or_else(|| missing_profile(&catalog, name))?;
    let shown = shown(&catalog, profile);
    if json {
        return print_json(&shown);
    }
    let mut facts: Vec<(&str, String)> = Vec::new();
    facts.extend(shown.description.map(|text| ("description", text.replace('\n', "\n    "))));
    match &shown.access_role {
        Some(role) => facts.extend(facts_of_role(role)),
        None => facts.push(("role_arn", "none: it gives no credentials".to_owned())),
    }
    let short = "its sessions are not served over the metadata endpoint".to_owned();
    facts.extend(shown.short.then_some(("short", short)));
    facts.extend(shown.protected.clone().map(|how| ("protected", how)));
    facts.extend(shown.secrets.iter().map(|(name, source)| ("secret", format!("{name} from {source}"))));
    facts.extend(shown.safeguards.iter().map(|policy| ("safeguard", (*policy).to_owned())));
    let by_plugin = "a Serverless CLI deploys with the plugin only".to_owned();
    facts.extend((shown.deploy == Deploy::Plugin).then_some(("deploy", by_plugin)));
    facts.extend(shown.used_by.iter().map(|used| {
        let stage = used
            .stage
            .as_ref()
            .map_or_else(|| "default profile".to_owned(), |stage| format!("stage {stage}"));
        ("used by", format!("{}: {stage}", used.app))
    }));
    print_facts(name.as_str(), &facts)
}

fn facts_of_role<'a>(role: &ShownRole<'_>) -> Vec<(&'a str, String)> {
    let mut facts = vec![
        ("role_arn", role.role_arn.to_owned()),
        ("source", role.source.clone().unwrap_or_else(|| "the SDK's own chain".to_owned())),
        ("duration", role.duration.clone()),
    ];
    let texts =
        [("external_id", role.external_id), ("session_name", role.session_name), ("region", role.region)];
    facts.extend(texts.into_iter().filter_map(|(key, text)| Some((key, text?.to_owned()))));
    facts.extend(role.session_tags.iter().map(|(key, value)| ("session_tag", format!("{key}={value}"))));
    facts.extend(role.policy_arns.iter().map(|arn| ("policy_arn", (*arn).to_owned())));
    facts.extend(role.session_policy.as_ref().map(|policy| ("session_policy", policy.to_string())));
    facts
}

pub(super) fn applications(json: bool) -> Result<(), Failure> {
    let catalog = read()?;
    if json {
        return print_json(
            &catalog.applications.values().map(|found| shown_application(found)).collect::<Vec<_>>(),
        );
    }
    let rows = catalog.applications.values().map(|application| {
        let default = application.default_profile.as_ref().map(|profile| format!("default {profile}"));
        let stages = application.stages.iter().map(|(stage, profile)| format!("{stage} {profile}"));
        let profiles: Vec<String> = default.into_iter().chain(stages).collect();
        [application.name.to_string(), profiles.join(", "), unmatched(application)]
    });
    table("no application yet; brokerctl app add NAME --default-profile PROFILE", rows)
}

pub(super) fn application(name: &App, json: bool) -> Result<(), Failure> {
    let catalog = read()?;
    let found = catalog.applications.get(name).ok_or_else(|| missing_application(&catalog, name))?;
    if json {
        return print_json(&shown_application(found));
    }
    let mut facts: Vec<(&str, String)> = Vec::new();
    facts.extend(found.default_profile.as_ref().map(|profile| ("default", profile.to_string())));
    facts.extend(
        found.stages.iter().map(|(stage, profile)| ("stage", format!("{stage} has profile {profile}"))),
    );
    facts.push(("unmatched", unmatched(found)));
    print_facts(name.as_str(), &facts)
}

pub(super) fn stages(app: &App, json: bool) -> Result<(), Failure> {
    let catalog = read()?;
    let found = catalog.applications.get(app).ok_or_else(|| missing_application(&catalog, app))?;
    if json {
        let stage = |(stage, profile)| ShownStage { app, stage, profile };
        return print_json(&found.stages.iter().map(stage).collect::<Vec<_>>());
    }
    let rows =
        found.stages.iter().map(|(stage, profile)| [stage.to_string(), profile.to_string(), String::new()]);
    table(&format!("no stage of its own yet; brokerctl stage add {app} STAGE PROFILE"), rows)
}

pub(super) fn stage(app: &App, stage: &Stage, json: bool) -> Result<(), Failure> {
    let catalog = read()?;
    let found = catalog.applications.get(app).ok_or_else(|| missing_application(&catalog, app))?;
    let profile = found.stages.get(stage).ok_or_else(|| missing_stage(&catalog, app, stage))?;
    if json {
        return print_json(&ShownStage { app, stage, profile });
    }
    writeln!(anstream::stdout(), "stage {stage} of {app} has profile {profile}")?;
    Ok(())
}

/// The catalog as its file is now. One with faults is not shown: what it means is not sure.
fn read() -> Result<Catalog, Failure> {
    let directories = Directories::from_environment().map_err(|error| Failure::refused(error.to_string()))?;
    let path = directories.catalog_file();
    let file = CatalogFile::read(&path)?;
    Catalog::parse(&path, file.text()).map_err(|faults| {
        Failure::refused(format!("the catalog has faults:\n{faults}")).with_hint("mend these in the file")
    })
}

fn shown<'a>(catalog: &Catalog, profile: &'a Profile) -> ShownProfile<'a> {
    ShownProfile {
        name: &profile.name,
        description: profile.description.as_deref(),
        access_role: profile.access_role.as_ref().map(shown_role),
        secrets: profile
            .secrets
            .iter()
            .map(|(name, secret)| (name.as_str(), secret.source.place()))
            .collect(),
        short: profile.short,
        protected: profile.protection.map(|protection| protection.to_string()),
        safeguards: profile.safeguards.iter().map(Safeguard::policy).collect(),
        deploy: profile.deploy,
        used_by: uses_of(catalog, &profile.name)
            .into_iter()
            .map(|found| ShownUse { app: found.app, stage: found.stage })
            .collect(),
    }
}

fn shown_role(role: &AccessRole) -> ShownRole<'_> {
    ShownRole {
        role_arn: role.role_arn.as_str(),
        source: match &role.source {
            Source::Chain => None,
            Source::Environment => Some("env".to_owned()),
            Source::Named(name) => Some(name.clone()),
            Source::Keychain(name) => Some(format!("keychain:{name}")),
        },
        duration: format_duration(role.duration),
        external_id: role.external_id.as_ref().map(ExternalId::as_str),
        session_name: role.session_name.as_ref().map(SessionName::as_str),
        region: role.region.as_ref().map(Region::as_str),
        session_tags: &role.session_tags,
        policy_arns: role.policy_arns.iter().map(PolicyArn::as_str).collect(),
        session_policy: role.session_policy.as_deref().and_then(|text| serde_json::from_str(text).ok()),
    }
}

fn shown_application(application: &Application) -> ShownApplication<'_> {
    ShownApplication {
        name: &application.name,
        default_profile: application.default_profile.as_ref(),
        unmatched: match &application.unmatched {
            Unmatched::Default => "default".into(),
            Unmatched::Refuse => "refuse".into(),
            Unmatched::Patterns(patterns) => patterns.iter().map(StagePattern::as_str).collect(),
        },
        stages: &application.stages,
    }
}

/// What becomes of a stage that is not listed, in words.
fn unmatched(application: &Application) -> String {
    let Some(default) = &application.default_profile else { return "others refused".to_owned() };
    match &application.unmatched {
        Unmatched::Default => format!("others get {default}"),
        Unmatched::Refuse => "others refused".to_owned(),
        Unmatched::Patterns(patterns) => {
            let patterns: Vec<&str> = patterns.iter().map(StagePattern::as_str).collect();
            format!("{} get {default}, others refused", patterns.join(", "))
        }
    }
}

/// Prints rows in columns, or the sentence if there is none.
fn table(none: &str, rows: impl Iterator<Item = [String; 3]>) -> Result<(), Failure> {
    let rows: Vec<_> = rows.collect();
    let mut out = anstream::stdout().lock();
    if rows.is_empty() {
        writeln!(out, "{none}")?;
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    for [name, middle, last] in &rows {
        let line = format!("{name:<first$}  {middle:<second$}  {last}");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn print_facts(name: &str, facts: &[(&str, String)]) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", paint::strong(name))?;
    let width = facts.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
    for (key, text) in facts {
        writeln!(out, "  {} {text}", paint::faint(&format!("{key:<width$}")))?;
    }
    Ok(())
}
