//! The rule: from a caller's project and the catalog to a profile, or a refusal, with the reasons in order.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::ZonedDateTime;
use serde::{Deserialize, Serialize};

use super::allowed::{AllowList, AllowedProject, RepositoryPlace};
use super::audit::Way;
use super::caller::ProcessId;
use super::catalog::{AccessRole, Application, Catalog, Enforce, Profile, Safeguard, Unmatched};
use super::fault::Fault;
use super::name::{App, Org, Region, Stage};
use super::nearest::nearest;
use super::pins::PinInquiry;
use super::plugin_report::PluginReport;
use super::refusal::Refusal;
use super::safeguard::Issue;
use super::serverless::{Document, Finding, Inputs};
use super::session::RequestOnce;
use super::stage::{Cli, StageInquiry, StageSource, inputs, stage};

/// Where every version of the framework deploys to if no region is named.
pub const DEFAULT_REGION: &str = "us-east-1";

/// A project as it was found, not yet as it was allowed.
#[derive(Debug, Clone, Copy)]
pub struct Project<'a> {
    /// Its configuration file: the real path of its directory, and its name.
    pub config: &'a Path,
    /// The real file, if that name is a symbolic link.
    pub leads_to: Option<&'a Path>,
    /// The last good reading of it, or why there has never been one.
    pub reading: Result<&'a Document, &'a Fault>,
    /// What is wrong with the file now, if the reading is an older one.
    pub stale: Option<&'a Fault>,
    /// Where it lies in its Git repository.
    pub place: Option<&'a RepositoryPlace>,
}

/// Everything that a decision depends on, besides the catalog.
#[derive(Debug, Clone, Copy)]
pub struct Inquiry<'a> {
    /// The nearest project of the caller.
    pub project: Project<'a>,
    /// What the user has said yes to.
    pub allowed: &'a AllowList,
    /// The Serverless CLI that the caller is or descends from.
    pub cli: Cli<'a>,
    /// The caller's environment; `None` if it cannot be read.
    pub environment: Option<&'a BTreeMap<String, String>>,
    /// The pins, and what decides which of them the caller has.
    pub pins: PinInquiry<'a>,
    /// The stage in the role name that the caller asks for, if it asks by name.
    pub asked: Option<&'a Stage>,
    /// What the Serverless CLI made of the configuration, as its plugin reports.
    pub reported: Option<&'a PluginReport>,
}

impl Inquiry<'_> {
    /// What the variables of the configuration may look at.
    pub fn inputs(&self) -> Inputs {
        inputs(self.cli, self.environment)
    }
}

/// How a profile was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Matched {
    /// A stage of the application equals the current one.
    Exact,
    /// None equals: the application's default profile.
    Default,
}

impl fmt::Display for Matched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Exact => "exact",
            Self::Default => "default",
        })
    }
}

/// One step of a decision, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// What the step decided: `project`, `application`, `stage`, `profile`, …
    pub topic: String,
    /// How.
    pub text: String,
}

/// Which profile a caller gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The project's configuration.
    pub config: PathBuf,
    /// Where that lies in its Git repository.
    pub place: Option<RepositoryPlace>,
    /// The application.
    pub app: App,
    /// The stage.
    pub stage: Stage,
    /// The profile.
    pub profile: Arc<Profile>,
    /// Its access role.
    pub access_role: AccessRole,
    /// How the profile was found.
    pub matched: Matched,
    /// The sentence that must be said when the stage did not match.
    pub fallback: Option<String>,
    /// The region, where one is named.
    pub region: Option<Region>,
    /// What STS is asked for it, once that was needed.
    pub request: RequestOnce,
    /// Why the region cannot be told, where one is named and it cannot.
    pub region_unknown: Option<String>,
    /// The Serverless CLI that deploys or removes, where the caller is one or descends from one.
    pub deployment: Option<ProcessId>,
    /// Whether the stage is what the plugin reported, since the configuration does not tell it.
    pub stage_reported: bool,
}

impl Decision {
    /// The name of the role as the endpoint shows it. Neither part holds a dot, so it can be taken apart again.
    pub fn role_name(&self) -> String {
        role_name(&self.app, &self.stage)
    }

    /// Why it is not served by this way now, if so. `now` is in the time zone of the machine.
    pub fn unserved(&self, way: Way, now: &ZonedDateTime) -> Option<Refusal> {
        let short = self.profile.short && way.is_imds();
        short.then(|| Refusal::Short { profile: self.profile.name.clone() }).or_else(|| self.withheld(now))
    }

    /// The safeguard that lets nothing be issued now, if there is one. Without a region named anywhere the framework
    /// deploys to us-east-1, so that is the one that counts.
    pub fn withheld(&self, now: &ZonedDateTime) -> Option<Refusal> {
        let region = match &self.region_unknown {
            Some(why) => Err(why.as_str()),
            None => Ok(self.region.as_ref().map_or(DEFAULT_REGION, Region::as_str)),
        };
        let issue = Issue { stage: self.stage.as_str(), region, now };
        at_issue(&self.profile).find_map(|safeguard| {
            let why = safeguard.rule.withhold(&issue)?;
            Some(Refusal::Withheld {
                profile: self.profile.name.clone(),
                policy: safeguard.policy().to_owned(),
                why,
            })
        })
    }

    /// Why a process that was given this may not have it any more, if so: its project was denied, or the catalog
    /// gives its stage something else. What the configuration says now does not matter to it.
    pub fn ended(&self, catalog: Result<&Catalog, &str>, allowed: &AllowList) -> Option<String> {
        let (app, stage) = (&self.app, &self.stage);
        if allowed.find(&self.config, self.place.as_ref()).is_none_or(|record| record.app != *app) {
            return Some(format!("{} is no longer allowed as {app}", self.config.display()));
        }
        let given = format!("the catalog changed since this process was given profile {}", self.profile.name);
        match catalog.map_err(no_catalog).and_then(|catalog| profile(catalog, app, stage)) {
            Ok((profile, matched)) if profile.name == self.profile.name => {
                let same = usable(&profile).is_ok_and(|role| *role == self.access_role)
                    && at_issue(&profile).eq(at_issue(&self.profile))
                    && (matched == self.matched || matched == Matched::Exact);
                (!same).then_some(given)
            }
            Ok((profile, _)) => {
                Some(format!("{given}: stage {stage} of {app} has profile {} now", profile.name))
            }
            Err(refusal) => Some(format!("{given}: {refusal}")),
        }
    }
}

/// The safeguards of a profile that hold when credentials are issued.
fn at_issue(profile: &Profile) -> impl Iterator<Item = &Safeguard> {
    profile.safeguards.iter().filter(|safeguard| safeguard.enforce == Some(Enforce::Issue))
}

fn no_catalog(why: &str) -> Refusal {
    Refusal::NoCatalog { why: why.to_owned() }
}

/// `<app>.<stage>`.
pub fn role_name(app: &App, stage: &Stage) -> String {
    format!("{app}.{stage}")
}

/// What came of an inquiry.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The application, as far as it got.
    pub app: Option<App>,
    /// The stage, as far as it got.
    pub stage: Option<Stage>,
    /// The decision, or why there is none.
    pub result: Result<Arc<Decision>, Refusal>,
    /// The steps, in order.
    pub reasons: Vec<Reason>,
}

impl Outcome {
    /// An outcome that ended before any rule was applied.
    pub fn refused(refusal: Refusal) -> Self {
        Self { app: None, stage: None, result: Err(refusal), reasons: Vec::new() }
    }
}

/// Applies the whole rule. `catalog` is the one in force, or why there has never been one.
pub fn decide(inquiry: &Inquiry<'_>, catalog: Result<&Catalog, &str>) -> Outcome {
    let mut trail = Trail::default();
    let result = steps(inquiry, catalog, &mut trail).map(Arc::new);
    Outcome { app: trail.app, stage: trail.stage, result, reasons: trail.reasons }
}

/// How far a decision got, and by which steps.
#[derive(Default)]
struct Trail {
    app: Option<App>,
    stage: Option<Stage>,
    reasons: Vec<Reason>,
}

impl Trail {
    fn say(&mut self, topic: &str, text: impl Into<String>) {
        self.reasons.push(Reason { topic: topic.to_owned(), text: text.into() });
    }
}

fn steps(
    inquiry: &Inquiry<'_>,
    catalog: Result<&Catalog, &str>,
    trail: &mut Trail,
) -> Result<Decision, Refusal> {
    let project = inquiry.project;
    trail.say("project", format!("{} is the nearest configuration", project.config.display()));
    if let Some(fault) = project.stale {
        trail.say("project", format!("it cannot be read now, so its last good reading counts: {fault}"));
    }
    let record = inquiry.allowed.find(project.config, project.place).ok_or_else(|| Refusal::NotAllowed {
        config: project.config.to_owned(),
        why: format!("{} is not allowed yet", project.config.display()),
    })?;
    if project.leads_to != record.leads_to.as_deref() {
        return Err(Refusal::NotAllowed {
            config: project.config.to_owned(),
            why: format!(
                "{} is a symbolic link that leads elsewhere than when it was allowed",
                project.config.display()
            ),
        });
    }
    trail.app = Some(record.app.clone());
    let document = project.reading.map_err(|fault| Refusal::UnknownApp {
        config: project.config.to_owned(),
        why: format!("the file cannot be read, and no earlier reading is known: {fault}"),
    })?;
    let inputs = inquiry.inputs();
    let from = check_identity(inquiry, document, record, &inputs)?;
    trail.say("application", format!("it is {}, allowed since {}: {from}", record.app, record.since));

    let stage_inquiry = StageInquiry {
        document,
        cli: inquiry.cli,
        environment: inquiry.environment,
        pin: inquiry.pins.find(&record.app, project.config),
        asked: inquiry.asked,
        named: record.stage.as_ref(),
        reported: inquiry.reported.map(|report| report.stage.as_str()),
    };
    let (stage, stage_source) = stage(&stage_inquiry)?;
    if let Some(report) = inquiry.reported {
        report.compare(project.config, "stage", stage.as_str())?;
    }
    trail.stage = Some(stage.clone());
    trail.say("stage", format!("it is {stage}: {stage_source}"));

    let catalog = catalog.map_err(no_catalog)?;
    let (profile, matched) = profile(catalog, &record.app, &stage)?;
    let fallback = (matched == Matched::Default).then(|| fallback(catalog, &record.app, &stage, &profile));
    trail.say(
        "profile",
        fallback
            .clone()
            .unwrap_or_else(|| format!("stage {stage} of {} has profile {}", record.app, profile.name)),
    );
    let access_role = usable(&profile)?;
    trail.say("role", format!("profile {} assumes {}", profile.name, access_role.role_arn));
    for reason in safeguards(&profile) {
        trail.say("safeguards", reason);
    }
    let (region, region_unknown) = match region(inquiry, document, &inputs, access_role, trail) {
        Ok(region) => (region, None),
        Err(why) => (None, Some(why)),
    };
    Ok(Decision {
        config: project.config.to_owned(),
        place: project.place.cloned(),
        app: record.app.clone(),
        stage,
        access_role: access_role.clone(),
        profile,
        matched,
        fallback,
        region,
        request: RequestOnce::default(),
        region_unknown,
        deployment: inquiry.cli.deployment(),
        stage_reported: matches!(stage_source, StageSource::Reported(_)),
    })
}

/// The application and organisation must be those that the user said yes to; `--app` and `--org` of the
/// command line count as a change.
fn check_identity(
    inquiry: &Inquiry<'_>,
    document: &Document,
    record: &AllowedProject,
    inputs: &Inputs,
) -> Result<String, Refusal> {
    let config = inquiry.project.config;
    let changed = |why: String| Refusal::NotAllowed { config: config.to_owned(), why };
    let from = match (document.app(inputs), record.named) {
        (Finding::Known(known), _) if known.value == record.app.as_str() => format!("named {}", known.origin),
        (Finding::Known(known), _) => {
            return Err(changed(format!(
                "{} was allowed as application {}, and is now \"{}\"",
                config.display(),
                record.app,
                known.value
            )));
        }
        (Finding::Absent, true) => "named with `brokerctl allow --app`".to_owned(),
        (Finding::Unknown(_), true) if document.is_program() => {
            "named with `brokerctl allow --app`, since the file is a program, which is never run".to_owned()
        }
        (Finding::Unknown(unknown), true) => {
            format!(
                "named with `brokerctl allow --app`, since the file does not tell it ({})",
                unknown.reason
            )
        }
        (Finding::Absent, false) => {
            return Err(changed(format!(
                "{} was allowed as application {}, and names none now",
                config.display(),
                record.app
            )));
        }
        // The file was allowed as this application, and the plugin says that it still is.
        (Finding::Unknown(unknown), false)
            if inquiry.reported.is_some_and(|report| report.app.as_deref() == Some(record.app.as_str())) =>
        {
            format!("reported by the plugin, since brokerd cannot tell it ({})", unknown.reason)
        }
        (Finding::Unknown(unknown), false) => {
            return Err(Refusal::UnknownApp { config: config.to_owned(), why: unknown.reason });
        }
    };
    let org = org(document, inputs).map_err(|why| Refusal::UnknownApp {
        config: config.to_owned(),
        why: format!("its organisation: {why}"),
    })?;
    if org != record.org {
        let name = |org: &Option<Org>| {
            org.as_ref().map_or_else(|| "no organisation".to_owned(), ToString::to_string)
        };
        return Err(changed(format!(
            "{} was allowed under {}, and is now under {}",
            config.display(),
            name(&record.org),
            name(&org)
        )));
    }
    let given = |option: &str| inputs.options.get(option).cloned();
    if let Some(app) = given("app").filter(|app| app != record.app.as_str()) {
        return Err(changed(format!(
            "--app names {app}, and {} was allowed as {}",
            config.display(),
            record.app
        )));
    }
    if let Some(named) =
        given("org").filter(|named| record.org.as_ref().is_none_or(|org| org.as_str() != named))
    {
        return Err(changed(format!(
            "--org names {named}, which is not what {} was allowed under",
            config.display()
        )));
    }
    if let Some(report) = inquiry.reported {
        let service = match document.service(inputs) {
            Finding::Known(known) => known.value,
            Finding::Absent | Finding::Unknown(_) => String::new(),
        };
        let org = record.org.as_ref().map_or("", Org::as_str);
        for (what, ours) in [("app", record.app.as_str()), ("org", org), ("service", &service)] {
            report.compare(config, what, ours)?;
        }
    }
    Ok(from)
}

/// The organisation that a configuration names; the error says why it cannot be told. A program's is not asked for:
/// whoever named its application answers for the file.
pub fn org(document: &Document, inputs: &Inputs) -> Result<Option<Org>, String> {
    match document.org(inputs) {
        Finding::Unknown(_) if document.is_program() => Ok(None),
        Finding::Absent => Ok(None),
        Finding::Known(known) => Org::parse(&known.value).map(Some).map_err(|error| error.to_string()),
        Finding::Unknown(unknown) => Err(unknown.reason),
    }
}

/// The profile of an application's stage: the stage that equals, else the default profile.
pub fn profile(catalog: &Catalog, app: &App, stage: &Stage) -> Result<(Arc<Profile>, Matched), Refusal> {
    let application = catalog.applications.get(app).ok_or_else(|| Refusal::UnknownApplication {
        app: app.clone(),
        nearest: nearest(app.as_str(), catalog.applications.keys().map(App::as_str)).map(str::to_owned),
    })?;
    let (name, matched) = if let Some(name) = application.stages.get(stage) {
        (name, Matched::Exact)
    } else {
        (default_profile(application, stage)?, Matched::Default)
    };
    // The reader of the catalog refuses dangling names, so this is the same catalog's own promise.
    let profile =
        catalog.profiles.get(name).ok_or_else(|| Refusal::NoCatalog { why: format!("no profile {name}") })?;
    Ok((profile.clone(), matched))
}

fn default_profile<'a>(
    application: &'a Application,
    stage: &Stage,
) -> Result<&'a super::name::ProfileName, Refusal> {
    let (app, stage, nearest) = (application.name.clone(), stage.clone(), nearest_stage(application, stage));
    let Some(name) = &application.default_profile else {
        return Err(Refusal::NoDefault { app, stage, nearest });
    };
    let may_fall_back = match &application.unmatched {
        Unmatched::Default => true,
        Unmatched::Refuse => false,
        Unmatched::Patterns(patterns) => patterns.iter().any(|pattern| pattern.matches(&stage)),
    };
    if may_fall_back { Ok(name) } else { Err(Refusal::Unmatched { app, stage, nearest }) }
}

fn nearest_stage(application: &Application, stage: &Stage) -> Option<Stage> {
    let name = nearest(stage.as_str(), application.stages.keys().map(Stage::as_str))?;
    Stage::parse(name).ok()
}

/// The danger of a fall-back is its silence, so this sentence goes wherever the decision goes.
pub fn fallback(catalog: &Catalog, app: &App, stage: &Stage, profile: &Profile) -> String {
    let near = catalog.applications.get(app).and_then(|application| nearest_stage(application, stage));
    let near = near.map(|near| format!(" (did you mean {near}?)")).unwrap_or_default();
    format!("stage {stage} is not configured on {app}: default profile {}{near}", profile.name)
}

/// The access role of a profile.
pub fn usable(profile: &Profile) -> Result<&AccessRole, Refusal> {
    profile.access_role.as_ref().ok_or_else(|| Refusal::NoAccessRole { profile: profile.name.clone() })
}

/// What becomes of the profile's safeguards, in words.
fn safeguards(profile: &Profile) -> Vec<String> {
    let mut reasons = Vec::new();
    for safeguard in &profile.safeguards {
        let (id, policy) = (safeguard.policy(), safeguard.rule.policy());
        match (safeguard.enforce, policy.session, policy.issue) {
            (Some(Enforce::Session), Some(session), _) => {
                reasons
                    .push(format!("{id} is in the session policy, which AWS enforces: {}", session.effect));
            }
            (Some(Enforce::Issue), _, Some(issue)) => reasons.push(format!("{id} holds at issue: {issue}")),
            _ => {}
        }
    }
    let others: Vec<&str> = profile
        .safeguards
        .iter()
        .filter(|safeguard| safeguard.enforce.is_none())
        .map(Safeguard::policy)
        .collect();
    if !others.is_empty() {
        reasons.push(format!(
            "{} not evaluated here, but by brokerctl check: {}",
            others.len(),
            others.join(", ")
        ));
    }
    reasons
}

/// The region, if one is named. Credentials go without one that cannot be told, unless a safeguard asks for it: the
/// error says why.
fn region(
    inquiry: &Inquiry<'_>,
    document: &Document,
    inputs: &Inputs,
    access_role: &AccessRole,
    trail: &mut Trail,
) -> Result<Option<Region>, String> {
    let option = match inquiry.cli {
        Cli::Serverless(invocation, _) => invocation.option("region"),
        Cli::None | Cli::Unreadable(_) => None,
    };
    let reported = inquiry.reported.map(|report| report.region.clone()).filter(|region| !region.is_empty());
    let (text, from) = match (option, document.region(inputs)) {
        // What the framework works in is what counts, whoever reads it how.
        _ if let Some(region) = reported => (region, "reported by the plugin".to_owned()),
        (Some(option), _) => (option.to_owned(), "--region".to_owned()),
        (None, Finding::Known(known)) => (known.value, format!("provider.region {}", known.origin)),
        (None, Finding::Unknown(unknown)) => {
            let why = format!("provider.region cannot be resolved: {}", unknown.reason);
            trail.say("region", why.clone());
            return Err(why);
        }
        (None, Finding::Absent) => {
            let Some(region) = access_role.region.clone() else { return Ok(None) };
            trail.say("region", format!("it is {region}: the profile's access role"));
            return Ok(Some(region));
        }
    };
    match Region::parse(&text) {
        Ok(region) => {
            trail.say("region", format!("it is {region}: {from}"));
            Ok(Some(region))
        }
        Err(error) => {
            trail.say("region", error.to_string());
            Err(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests;
