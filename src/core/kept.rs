//! The decision of a running process, as it is written down for the next daemon: an upgrade must not move a running
//! `terraform apply` to what its project says by then.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::allowed::RepositoryPlace;
use super::audit::AuditedCaller;
use super::caller::{DirectoryId, Image, ProcessId};
use super::catalog::Catalog;
use super::decision::{Decision, Matched, Outcome, Reason, usable};
use super::name::{App, ProfileName, Region, Stage};
use super::refusal::Refusal;
use super::session::RequestOnce;

/// What a process was given, and what it was and where when it was given it. It holds no secret: of the access role
/// there is a digest only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptDecision {
    /// The process.
    pub process: ProcessId,
    /// The stage in the role name that it asked for, if it asked by name.
    pub asked: Option<Stage>,
    /// Its directory.
    pub directory: DirectoryId,
    /// What it runs.
    pub image: Image,
    /// The same for people.
    pub caller: AuditedCaller,
    /// The configuration of its project.
    pub config: PathBuf,
    /// The real file, if that is a symbolic link.
    pub leads_to: Option<PathBuf>,
    /// Where it lies in its repository.
    pub place: Option<RepositoryPlace>,
    /// The application.
    pub app: App,
    /// The stage.
    pub stage: Stage,
    /// The profile.
    pub profile: ProfileName,
    /// The access role, as [`super::catalog::AccessRole::digest`] has it.
    pub role_digest: String,
    /// How the profile was found.
    pub matched: Matched,
    /// The sentence about a fall-back.
    pub fallback: Option<String>,
    /// The region.
    pub region: Option<Region>,
    /// Why the region cannot be told, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region_unknown: Option<String>,
    /// The Serverless CLI that deploys or removes, if it is one or descends from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<ProcessId>,
    /// Whether the stage is what a plugin reported.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stage_reported: bool,
    /// The steps that led to it.
    pub reasons: Vec<Reason>,
    /// Why it has ended, if it has.
    pub ended: Option<String>,
}

impl KeptDecision {
    /// What is left of it under the catalog in force: the same decision, or that it has ended. Where the profile has
    /// another role now, nobody knows any more which one the process was given.
    pub fn restore(&self, catalog: &Catalog) -> Outcome {
        let result = match &self.ended {
            Some(why) => Err(why.clone()),
            None => self.decision(catalog).map(Arc::new),
        };
        Outcome {
            app: Some(self.app.clone()),
            stage: Some(self.stage.clone()),
            result: result.map_err(|why| Refusal::Ended { why }),
            reasons: self.reasons.clone(),
        }
    }

    fn decision(&self, catalog: &Catalog) -> Result<Decision, String> {
        let profile = catalog.profiles.get(&self.profile);
        let role = profile.and_then(|profile| usable(profile).ok());
        let (Some(profile), Some(role)) = (profile, role.filter(|role| role.digest() == self.role_digest))
        else {
            return Err(format!("the catalog changed since this process was given profile {}", self.profile));
        };
        Ok(Decision {
            config: self.config.clone(),
            place: self.place.clone(),
            app: self.app.clone(),
            stage: self.stage.clone(),
            access_role: role.clone(),
            profile: profile.clone(),
            matched: self.matched,
            fallback: self.fallback.clone(),
            region: self.region.clone(),
            request: RequestOnce::default(),
            region_unknown: self.region_unknown.clone(),
            deployment: self.deployment,
            stage_reported: self.stage_reported,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn catalog(role: &str) -> Catalog {
        let text =
            format!("[profiles.dev.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/{role}\"\n");
        Catalog::parse(Path::new("catalog.toml"), &text).unwrap()
    }

    fn kept(catalog: &Catalog) -> KeptDecision {
        let profile = catalog.profiles.values().next().unwrap();
        KeptDecision {
            process: ProcessId { pid: 5, start: 6 },
            asked: None,
            directory: DirectoryId { device: 1, inode: 2 },
            image: Image([1, 2, 3, 4, 5, 6]),
            caller: AuditedCaller {
                process: ProcessId { pid: 5, start: 6 },
                uid: Some(1000),
                executable: None,
                command: Vec::new(),
                directory: "/shop".into(),
                parents: Vec::new(),
            },
            config: "/shop/serverless.yml".into(),
            leads_to: None,
            place: None,
            app: App::parse("shop").unwrap(),
            stage: Stage::parse("dev").unwrap(),
            profile: profile.name.clone(),
            role_digest: profile.access_role.as_ref().unwrap().digest(),
            matched: Matched::Exact,
            fallback: None,
            region: None,
            region_unknown: None,
            deployment: None,
            stage_reported: false,
            reasons: vec![Reason { topic: "stage".into(), text: "it is dev".into() }],
            ended: None,
        }
    }

    #[test]
    fn the_same_role_is_the_same_decision_and_another_ends_it() {
        let before = catalog("one");
        let kept = kept(&before);
        let text = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<KeptDecision>(&text).unwrap(), kept);
        assert!(!text.contains("role/one"), "a digest only");
        let outcome = kept.restore(&before);
        assert_eq!(outcome.result.unwrap().access_role.role_arn.role_name(), "one");
        assert_eq!(outcome.reasons, kept.reasons);
        for after in [catalog("two"), Catalog::default()] {
            let outcome = kept.restore(&after);
            assert!(matches!(outcome.result, Err(Refusal::Ended { .. })), "{outcome:?}");
        }
        let ended = KeptDecision { ended: Some("it was denied".into()), ..kept };
        let Err(Refusal::Ended { why }) = ended.restore(&before).result else { panic!("it has ended") };
        assert_eq!(why, "it was denied");
    }
}
