//! The project here, and the others.

use super::{Area, Finding, Level, Topic, clients};
use crate::core::name::{App, RoleArn, Stage};
use crate::core::protocol::{Explanation, FoundStatus, ProjectStatus, Verdict};
use crate::core::refusal::Refusal;

/// The area.
pub static AREA: Area = Area {
    name: "project",
    topics: &[&NOT_ALLOWED, &NO_PROJECT, &REFUSED, &FALLBACK, &OTHERS_NOT_ALLOWED, &FAILING],
};

static NOT_ALLOWED: Topic = Topic {
    id: "project-not-allowed",
    level: Level::Problem,
    finds: "the project here is not allowed, or changed since",
    why: "a cloned repository must not choose its own role, so nothing is given to it",
    fix: "brokerctl allow",
};
static NO_PROJECT: Topic = Topic {
    id: "no-project",
    level: Level::Note,
    finds: "the directory is in no project",
    why: "tools here are told that there is no role, and go on to whatever comes next",
    fix: "brokerctl doctor PATH, or brokerctl exec --app APP",
};
static REFUSED: Topic = Topic {
    id: "project-refused",
    level: Level::Problem,
    finds: "the project here gets no profile",
    why: "tools here fail; brokerctl why has every step",
    fix: "what the sentence says",
};
static FALLBACK: Topic = Topic {
    id: "stage-not-configured",
    level: Level::Warning,
    finds: "the stage here is not configured, and the default profile is given",
    why: "a mistyped stage gets a role, and nobody notices",
    fix: "brokerctl stage add, or unmatched = \"refuse\" in the catalog",
};
static OTHERS_NOT_ALLOWED: Topic = Topic {
    id: "projects-not-allowed",
    level: Level::Note,
    finds: "projects below the configured roots are not allowed",
    why: "tools in them get nothing",
    fix: "brokerctl allow in each that is yours",
};
static FAILING: Topic = Topic {
    id: "session-failing",
    level: Level::Problem,
    finds: "an allowed project has no session, or the next one fails",
    why: "tools in it fail, now or when the session ends",
    fix: "what the sentence says: often brokerctl login",
};

/// What a process here gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    /// The application.
    pub app: App,
    /// The stage.
    pub stage: Stage,
    /// The role.
    pub role: RoleArn,
}

/// What a process here gets, if it gets a profile.
pub fn here(explanation: &Explanation) -> Option<Here> {
    match &explanation.verdict {
        Verdict::Profile { app, stage, role, .. } => {
            Some(Here { app: app.clone(), stage: stage.clone(), role: role.clone() })
        }
        Verdict::Refused { .. } => None,
    }
}

/// The project here, every allowed one, and those that were found.
pub fn judge(here: &Explanation, projects: &[ProjectStatus], found: &[FoundStatus]) -> Vec<Finding> {
    let mut findings = vec![of_verdict(&here.verdict)];
    if let Verdict::Profile { fallback: Some(sentence), app, stage, .. } = &here.verdict {
        let fix = format!("brokerctl stage add {app} {stage} PROFILE");
        findings.push(Finding::of(&FALLBACK, sentence.as_str()).affecting(clients::ALL).with_fix(fix));
    }
    findings.extend(projects.iter().filter_map(failing));
    let others: Vec<&FoundStatus> = found.iter().filter(|project| !project.allowed).collect();
    if let Some(first) = others.first() {
        let first = first.config.display();
        let sentence = match others.len() {
            1 => format!("{first} is not allowed"),
            count => format!("{count} projects are not allowed, {first} the first of them"),
        };
        findings.push(
            Finding::of(&OTHERS_NOT_ALLOWED, sentence)
                .with_fix("brokerctl status lists them; brokerctl allow PATH"),
        );
    }
    findings
}

fn of_verdict(verdict: &Verdict) -> Finding {
    match verdict {
        Verdict::Profile { app, stage, profile, role, .. } => {
            let (role, account) = (role.role_name(), role.account());
            Finding::fine(
                &AREA,
                format!("{app}.{stage} has profile {profile}: role {role} of account {account}"),
            )
        }
        Verdict::Refused { refusal, message, hint } => {
            let topic = match refusal {
                Refusal::NoProject { .. } => &NO_PROJECT,
                Refusal::NotAllowed { .. } => &NOT_ALLOWED,
                _ => &REFUSED,
            };
            Finding::of(topic, message.as_str()).affecting(clients::ALL).with_hint(hint.clone())
        }
    }
}

fn failing(project: &ProjectStatus) -> Option<Finding> {
    let error = project.error.as_ref()?;
    let stage = project.stage.as_ref().map(|stage| format!(".{stage}")).unwrap_or_default();
    let served = project.stale_since.is_some();
    let finding = Finding::of(&FAILING, format!("{}{stage}: {error}", project.app)).at(&project.config, None);
    // What is served goes on until it ends.
    let level = if served { Level::Warning } else { Level::Problem };
    Some(finding.at_level(level).with_hint(project.hint.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::decision::Matched;
    use crate::core::moment::Timestamp;
    use crate::core::name::ProfileName;

    fn refused(refusal: Refusal) -> Explanation {
        let (message, hint) = (refusal.to_string(), refusal.hint());
        Explanation {
            caller: String::new(),
            reasons: Vec::new(),
            verdict: Verdict::Refused { refusal, message, hint },
        }
    }

    fn given(fallback: Option<&str>) -> Explanation {
        let verdict = Verdict::Profile {
            app: App::parse("shop").unwrap(),
            stage: Stage::parse("dev").unwrap(),
            matched: Matched::Exact,
            profile: ProfileName::parse("dev").unwrap(),
            role: RoleArn::parse("arn:aws:iam::111111111111:role/dev").unwrap(),
            region: None,
            fallback: fallback.map(str::to_owned),
            narrowed: None,
        };
        Explanation { caller: String::new(), reasons: Vec::new(), verdict }
    }

    fn row(error: &str, stale: bool) -> ProjectStatus {
        ProjectStatus {
            config: "/p/serverless.yml".into(),
            app: App::parse("shop").unwrap(),
            stage: Some(Stage::parse("dev").unwrap()),
            matched: None,
            profile: None,
            role: None,
            account: None,
            region: None,
            expires: None,
            stale_since: stale.then_some(Timestamp(0)),
            safeguards_not_evaluated: 0,
            notes: Vec::new(),
            error: (!error.is_empty()).then(|| error.to_owned()),
            hint: Some("brokerctl login".into()),
        }
    }

    #[test]
    fn the_project_here_gets_a_profile_or_says_why_not() {
        let not_allowed = Refusal::NotAllowed { config: "/p".into(), why: "no".into() };
        let nowhere = Refusal::NoProject { directory: "/".into(), stopped_at: "/".into() };
        let unknown = Refusal::UnknownStage { why: "x".into() };
        for (explanation, id, level) in [
            (given(None), "project", Level::Ok),
            (refused(not_allowed), "project-not-allowed", Level::Problem),
            (refused(nowhere), "no-project", Level::Note),
            (refused(unknown), "project-refused", Level::Problem),
        ] {
            let found = judge(&explanation, &[row("", false)], &[]);
            assert_eq!((found[0].id, found[0].level, found.len()), (id, level, 1));
        }
        assert_eq!(judge(&given(Some("x")), &[], &[])[1].id, "stage-not-configured");
        assert_eq!(here(&given(None)).unwrap().stage.as_str(), "dev");
    }

    #[test]
    fn other_projects_fail_or_wait_to_be_allowed() {
        let found = judge(&given(None), &[row("no login", false), row("no login", true)], &[]);
        assert_eq!((found[1].level, found[2].level), (Level::Problem, Level::Warning));
        assert_eq!(found[1].fix.as_deref(), Some("brokerctl login"));
        let other = |allowed| FoundStatus {
            config: "/q/serverless.yml".into(),
            app: None,
            org: None,
            stage: None,
            allowed,
            error: None,
        };
        let found = judge(&given(None), &[], &[other(false), other(true), other(false)]);
        assert_eq!((found.len(), found[1].id), (2, "projects-not-allowed"));
        assert!(found[1].sentence.starts_with("2 projects"));
    }
}
