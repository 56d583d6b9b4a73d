//! What an edit of the catalog may not take away by itself.
//!
//! brokerd keeps the last form of everything that protects a profile. An edit that makes it stricter counts at once and
//! is kept. One that loosens it is a [`Loosening`]: until a person approves it, by the method that the profile had, what
//! it is about is refused. What is taken out of the catalog is kept here all the same, so that it does not come back
//! weaker by a detour. Nothing but names, role ARNs and digests is kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::short_digest;
use crate::core::catalog::{
    Application, Approve, Catalog, Deploy, Enforce, Level, Profile, Protection, Safeguard,
};
use crate::core::decision;
use crate::core::duration::format_duration;
use crate::core::lasting::Lasting;
use crate::core::name::{App, ProfileName, RoleArn, Stage};

/// What protects the profiles, and which stages have them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guarded {
    profiles: BTreeMap<ProfileName, GuardedProfile>,
    applications: BTreeMap<App, GuardedApplication>,
}

impl Lasting for Guarded {
    const WHAT: &'static str = "what protects the profiles";
}

/// A profile, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GuardedProfile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    protection: Option<Protection>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    safeguards: Vec<GuardedSafeguard>,
    /// What it says of deployments without the plugin.
    #[serde(default, skip_serializing_if = "is_default")]
    deploy: Deploy,
    /// Its role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<RoleArn>,
    /// The roles that it has had since it is protected.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    roles: BTreeSet<RoleArn>,
}

/// A safeguard, its config by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GuardedSafeguard {
    policy: String,
    level: Level,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enforce: Option<Enforce>,
    config: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GuardedApplication {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default_profile: Option<ProfileName>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    stages: BTreeMap<Stage, ProfileName>,
}

/// What edits take away from the protection that one profile had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loosening {
    /// The profile that was protected.
    pub profile: ProfileName,
    /// By what it was: who approves this does it so.
    pub approve: Approve,
    /// The account of its role.
    pub account: String,
    /// What is taken away, in sentences.
    pub what: Vec<String>,
}

impl Loosening {
    /// A text that is another for another loosening.
    pub fn digest(&self) -> String {
        short_digest(self)
    }

    /// How it is approved. What AWS asks for by itself no edit of a catalog takes away, so that for an edit of such a
    /// profile a terminal does.
    pub fn method(&self) -> Approve {
        if self.approve == Approve::Mfa { Approve::Terminal } else { self.approve }
    }
}

/// One thing that is taken away, of the protection of which profile.
type Loss = (ProfileName, String);

impl Guarded {
    /// Takes over what a catalog says, but for what loosens: that only of the profiles for which `approved` holds.
    pub fn settle(&mut self, catalog: &Catalog, approved: &dyn Fn(&ProfileName) -> bool) {
        let may = |losses: &[Loss]| losses.iter().all(|(profile, _)| approved(profile));
        // Who has which profile is compared under the protection of before; only then comes that of now.
        let mut applications = std::mem::take(&mut self.applications);
        applications.retain(|app, known| catalog.applications.contains_key(app) || self.is_protected(known));
        for (app, application) in &catalog.applications {
            let mut settled = applications.get(app).cloned().unwrap_or_default();
            let before = settled.clone();
            for stage in stages(&before, application) {
                let now = decision::profile(catalog, app, &stage).ok().map(|(profile, _)| profile);
                let losses = match (&now, before.profile_of(&stage)) {
                    (Some(now), Some(was)) => self.move_losses(app, Some(&stage), was, now),
                    (None, Some(was)) if self.has_protection(was) => continue,
                    _ => Vec::new(),
                };
                match application.stages.get(&stage) {
                    _ if !may(&losses) => {}
                    Some(profile) => drop(settled.stages.insert(stage, profile.clone())),
                    None => drop(settled.stages.remove(&stage)),
                }
            }
            let now = application.default_profile.as_ref().and_then(|name| catalog.profiles.get(name));
            let losses = match (now, &before.default_profile) {
                (Some(now), Some(was)) => Some(self.move_losses(app, None, was, now)),
                (None, Some(was)) if self.has_protection(was) => None,
                _ => Some(Vec::new()),
            };
            if losses.is_some_and(|losses| may(&losses)) {
                settled.default_profile.clone_from(&application.default_profile);
            }
            applications.insert(app.clone(), settled);
        }
        let mut profiles = self.profiles.clone();
        profiles.retain(|name, known| catalog.profiles.contains_key(name) || known.protection.is_some());
        for (name, profile) in &catalog.profiles {
            if may(&self.profile_losses(profile)) {
                profiles.insert(name.clone(), GuardedProfile::new(profile, self.profiles.get(name)));
            }
        }
        if profiles.values().all(|known| known.protection.is_none()) {
            // Where nothing is protected there is nothing to keep.
            (profiles, applications) = (BTreeMap::new(), BTreeMap::new());
        }
        (self.profiles, self.applications) = (profiles, applications);
    }

    /// Everything that a catalog loosens, by the profile that was protected. This must have been settled with it.
    pub fn loosenings(&self, catalog: &Catalog) -> Vec<Loosening> {
        let mut losses = Vec::new();
        for profile in catalog.profiles.values() {
            losses.extend(self.profile_losses(profile));
        }
        for (app, application) in &catalog.applications {
            let Some(known) = self.applications.get(app) else { continue };
            for stage in stages(known, application) {
                if let (Ok((now, _)), Some(was)) =
                    (decision::profile(catalog, app, &stage), known.profile_of(&stage))
                {
                    losses.extend(self.move_losses(app, Some(&stage), was, &now));
                }
            }
            let now = application.default_profile.as_ref().and_then(|name| catalog.profiles.get(name));
            if let (Some(now), Some(was)) = (now, &known.default_profile) {
                losses.extend(self.move_losses(app, None, was, now));
            }
        }
        self.grouped(losses)
    }

    /// What keeps a stage from having this profile, if an edit that nobody approved gave it that.
    pub fn loosened(&self, app: &App, stage: &Stage, profile: &Profile) -> Option<Loosening> {
        let mut losses = self.profile_losses(profile);
        if let Some(was) = self.applications.get(app).and_then(|known| known.profile_of(stage)) {
            losses.extend(self.move_losses(app, Some(stage), was, profile));
        }
        self.grouped(losses).into_iter().next()
    }

    /// Whether a profile that was protected, and that no approved edit made otherwise, has or had this role.
    pub fn has_role(&self, role: &RoleArn) -> bool {
        self.profiles.values().any(|known| known.protection.is_some() && known.roles.contains(role))
    }

    fn has_protection(&self, profile: &ProfileName) -> bool {
        self.profiles.get(profile).is_some_and(|known| known.protection.is_some())
    }

    fn is_protected(&self, application: &GuardedApplication) -> bool {
        let mut named = application.stages.values().chain(&application.default_profile);
        named.any(|profile| self.has_protection(profile))
    }

    /// What a profile has lost itself, and what others lose since it assumes their role.
    fn profile_losses(&self, profile: &Profile) -> Vec<Loss> {
        let known = self.profiles.get(&profile.name);
        let mut losses: Vec<Loss> = known
            .into_iter()
            .flat_map(|known| known.losses(profile))
            .map(|what| (profile.name.clone(), format!("profile {}: {what}", profile.name)))
            .collect();
        let Some(role) = profile.access_role.as_ref().map(|role| &role.role_arn) else { return losses };
        // One that has had it so for as long as is known takes nothing away.
        if known.is_some_and(|known| known.role.as_ref() == Some(role) && known.protection.is_none()) {
            return losses;
        }
        for (name, other) in &self.profiles {
            if *name != profile.name
                && other.roles.contains(role)
                && let Some(was) = other.protection
                && let Some(what) = protection_loss(was, profile.protection)
            {
                let what = format!("profile {} assumes the role of {name}, and {what}", profile.name);
                losses.push((name.clone(), what));
            }
        }
        losses
    }

    /// What is lost where a stage, or the default of an application, turns from one profile to another.
    fn move_losses(&self, app: &App, stage: Option<&Stage>, was: &ProfileName, now: &Profile) -> Vec<Loss> {
        let Some(known) = self.profiles.get(was).filter(|_| *was != now.name) else { return Vec::new() };
        let of = stage.map_or_else(|| "the default".to_owned(), |stage| format!("stage {stage}"));
        let sentence =
            |what| (was.clone(), format!("{of} of {app} has profile {}, not {was}: {what}", now.name));
        known.losses(now).into_iter().map(sentence).collect()
    }

    fn grouped(&self, losses: Vec<Loss>) -> Vec<Loosening> {
        let mut groups: BTreeMap<ProfileName, Vec<String>> = BTreeMap::new();
        for (profile, what) in losses {
            let group = groups.entry(profile).or_default();
            if !group.contains(&what) {
                group.push(what);
            }
        }
        let group = |(profile, what)| {
            let known: &GuardedProfile = self.profiles.get(&profile)?;
            let account = known.role.as_ref()?.account().to_owned();
            Some(Loosening { profile, approve: known.protection?.approve, account, what })
        };
        groups.into_iter().filter_map(group).collect()
    }
}

impl GuardedProfile {
    /// A profile as it is now. `known` is what it was: the role of a protected profile stays in mind, and a profile
    /// without a role gives nothing that could be protected.
    fn new(profile: &Profile, known: Option<&Self>) -> Self {
        let role = profile.access_role.as_ref().map(|role| role.role_arn.clone());
        let known = known.filter(|known| known.protection.is_some());
        let role = role.or_else(|| known.and_then(|known| known.role.clone()));
        let protection = profile.protection.filter(|_| role.is_some());
        if protection.is_none() {
            return Self { role, ..Self::default() };
        }
        let roles = known.into_iter().flat_map(|known| known.roles.iter().cloned()).chain(role.clone());
        Self {
            protection,
            safeguards: profile.safeguards.iter().map(GuardedSafeguard::new).collect(),
            deploy: profile.deploy,
            roles: roles.collect(),
            role,
        }
    }

    /// What of this a profile does not have, in sentences; nothing if this is not protected.
    fn losses(&self, profile: &Profile) -> Vec<String> {
        let Some(was) = self.protection else { return Vec::new() };
        let mut losses = Vec::from_iter(protection_loss(was, profile.protection));
        let now: Vec<GuardedSafeguard> = profile.safeguards.iter().map(GuardedSafeguard::new).collect();
        losses.extend(self.safeguards.iter().filter_map(|safeguard| safeguard.loss(&now)));
        if self.deploy == Deploy::Plugin && profile.deploy != Deploy::Plugin {
            losses.push("it may be deployed without the plugin".to_owned());
        }
        losses
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_default(deploy: &Deploy) -> bool {
    *deploy == Deploy::default()
}

/// What is lost from one protection to another.
fn protection_loss(was: Protection, now: Option<Protection>) -> Option<String> {
    let Some(now) = now else { return Some("it is not protected any more".to_owned()) };
    if now.approve < was.approve {
        return Some(format!("it is approved {}, no longer {}", now.approve, was.approve));
    }
    let (longer, shorter) = (format_duration(now.length), format_duration(was.length));
    (now.length > was.length).then(|| format!("an approval holds for {longer}, no longer {shorter}"))
}

impl GuardedSafeguard {
    fn new(safeguard: &Safeguard) -> Self {
        Self {
            policy: safeguard.policy().to_owned(),
            level: safeguard.level,
            enforce: safeguard.enforce,
            config: short_digest(&safeguard.rule.config()),
        }
    }

    /// What of it these safeguards do not have. Whether another config is a weaker one only the policy could say, so
    /// that it counts as one.
    fn loss(&self, now: &[Self]) -> Option<String> {
        let Self { policy, .. } = self;
        let same = || now.iter().filter(|other| other.policy == *policy);
        let alike = || same().filter(|other| other.config == self.config);
        let strict = || alike().filter(|other| self.level == Level::Warning || other.level == Level::Error);
        if same().next().is_none() {
            Some(format!("safeguard {policy} is gone"))
        } else if alike().next().is_none() {
            Some(format!("safeguard {policy} has another config"))
        } else if strict().next().is_none() {
            Some(format!("safeguard {policy} is a warning, no error any more"))
        } else if self.enforce.is_some() && strict().all(|other| other.enforce != self.enforce) {
            Some(format!("safeguard {policy} is not enforced as it was"))
        } else {
            None
        }
    }
}

impl GuardedApplication {
    /// The profile that a stage had. Whether `unmatched` let it have the default does not matter here: the default's
    /// protection is the least that such a stage had.
    fn profile_of(&self, stage: &Stage) -> Option<&ProfileName> {
        self.stages.get(stage).or(self.default_profile.as_ref())
    }
}

/// The stages that either one lists.
fn stages(known: &GuardedApplication, application: &Application) -> BTreeSet<Stage> {
    known.stages.keys().chain(application.stages.keys()).cloned().collect()
}

#[cfg(test)]
mod tests;
