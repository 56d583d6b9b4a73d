//! Approvals: a person's yes to one project's use of a protected profile, for a while.
//!
//! They are in memory only, so that a restart asks again. Who may give one is in [`approver`]; what an edit of the
//! catalog may not take away without one is in [`guarded`].

pub mod approver;
pub mod automation;
pub mod guarded;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::audit::AuditedCaller;
use super::catalog::{Approve, Protection};
use super::decision::Decision;
use super::duration::format_duration;
use super::moment::{BootTime, Timestamp};
use super::name::{App, ProfileName, RoleArn, Stage};

/// What an approval is for: this project's use of this profile, with this role, for this stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Use {
    /// The project's configuration.
    pub config: PathBuf,
    /// The application.
    pub app: App,
    /// The stage.
    pub stage: Stage,
    /// The profile.
    pub profile: ProfileName,
    /// The role.
    pub role: RoleArn,
    /// The access role whole, as [`super::catalog::AccessRole::digest`] has it: another external id or session policy
    /// is another use.
    pub role_digest: String,
}

impl From<&Decision> for Use {
    fn from(decision: &Decision) -> Self {
        Self {
            config: decision.config.clone(),
            app: decision.app.clone(),
            stage: decision.stage.clone(),
            profile: decision.profile.name.clone(),
            role: decision.access_role.role_arn.clone(),
            role_digest: decision.access_role.digest(),
        }
    }
}

impl fmt::Display for Use {
    /// `shop.prod (profile live, account 222222222222) in /home/a/shop`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { app, stage, profile, role, config, .. } = self;
        let project = config.parent().unwrap_or(config);
        write!(f, "{app}.{stage} (profile {profile}, account {}) in {}", role.account(), project.display())
    }
}

/// What a person may be asked to approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Matter {
    /// A use.
    Use(Use),
    /// What an edit of the catalog takes away from the protection that this profile had, as
    /// [`guarded::Loosening::digest`] has it.
    Loosening {
        /// The profile.
        profile: ProfileName,
        /// What of it.
        digest: String,
    },
}

impl Matter {
    /// What it is called in requests: whoever approves by this name approves exactly this.
    pub fn id(&self) -> String {
        short_digest(self)
    }
}

/// Twelve characters that stand for a value.
fn short_digest(value: &impl Serialize) -> String {
    // Nothing that is digested here has a form that JSON lacks.
    let text = serde_json::to_vec(value).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(&digest(&SHA256, &text).as_ref()[..9])
}

/// A person's yes.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// What to.
    pub of: Use,
    /// How it was given.
    pub approve: Approve,
    /// By which process, where a process gave it.
    pub by: Option<Arc<AuditedCaller>>,
    /// When it was given.
    pub since: Timestamp,
    /// When it ends, for people.
    pub until: Timestamp,
    /// The same moment on the clock that nobody sets.
    pub ends: BootTime,
    /// How long a session of the role lasts: what is handed out last can be used for so long after the end.
    pub session: Duration,
}

impl Approval {
    /// When the last of what is handed out under it ends at the latest.
    pub fn usable_until(&self) -> Timestamp {
        self.until.after(self.session)
    }
}

/// The approvals that were given.
#[derive(Debug, Clone, Default)]
pub struct Approvals(Vec<Approval>);

impl Approvals {
    /// Adds an approval in place of an earlier one of the same use.
    pub fn give(&mut self, approval: Approval) {
        self.0.retain(|known| known.of != approval.of);
        self.0.push(approval);
    }

    /// The approval of a use, if it holds now under the protection that the profile has now: where that asks for more
    /// than it did, what was given before does not do.
    pub fn find(&self, of: &Use, protection: Protection, now: BootTime) -> Option<&Approval> {
        self.0.iter().find(|approval| {
            approval.of == *of && now < approval.ends && approval.approve >= protection.approve
        })
    }

    /// Removes approvals, and gives them back.
    pub fn revoke(&mut self, which: impl Fn(&Use) -> bool) -> Vec<Approval> {
        self.0.extract_if(.., |approval| which(&approval.of)).collect()
    }

    /// Removes those that have ended.
    pub fn sweep(&mut self, now: BootTime) {
        self.0.retain(|approval| now < approval.ends);
    }

    /// All of them, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &Approval> {
        self.0.iter()
    }
}

/// How long an approval shall hold; `asked` is what the person said, if anything. The error says what is wrong.
pub fn length(asked: Option<Duration>, protection: Protection) -> Result<Duration, String> {
    match asked {
        Some(asked) if asked > protection.length => Err(format!(
            "an approval of this profile holds for {} at most",
            format_duration(protection.length)
        )),
        Some(asked) => Ok(asked),
        None => Ok(protection.length),
    }
}

/// Wrong digits in a row, and since when: a person mistypes, a program tries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tries {
    wrong: u32,
    /// The moment before which nothing is looked at.
    until: Option<BootTime>,
}

/// Why digits are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrongDigits {
    /// They are others.
    #[error("these are not the last four digits of the account; tries left: {left}")]
    Other {
        /// How many more tries before a pause.
        left: u32,
    },
    /// Too many were wrong.
    #[error("too many wrong digits: wait {seconds}s")]
    Pause {
        /// How long.
        seconds: u64,
    },
}

impl Tries {
    /// How many wrong ones in a row before a pause.
    const MOST: u32 = 3;
    /// How long the pause is.
    const PAUSE: Duration = Duration::from_mins(1);

    /// Looks at what was typed for an account.
    pub fn check(&mut self, typed: &str, account: &str, now: BootTime) -> Result<(), WrongDigits> {
        if let Some(until) = self.until.filter(|until| now < *until) {
            return Err(WrongDigits::Pause { seconds: (until.0 - now.0).div_ceil(1000) });
        }
        let last = account.len().saturating_sub(4);
        if account.get(last..) == Some(typed) {
            *self = Self::default();
            return Ok(());
        }
        self.wrong += 1;
        if self.wrong < Self::MOST {
            return Err(WrongDigits::Other { left: Self::MOST - self.wrong });
        }
        *self = Self { wrong: 0, until: Some(now.after(Self::PAUSE)) };
        Err(WrongDigits::Pause { seconds: Self::PAUSE.as_secs() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(stage: &str) -> Use {
        Use {
            config: "/shop/serverless.yml".into(),
            app: App::parse("shop").unwrap(),
            stage: Stage::parse(stage).unwrap(),
            profile: ProfileName::parse("live").unwrap(),
            role: RoleArn::parse("arn:aws:iam::222222222222:role/live").unwrap(),
            role_digest: "digest".into(),
        }
    }

    fn approval(stage: &str, ends: u64) -> Approval {
        Approval {
            of: of(stage),
            approve: Approve::Terminal,
            by: None,
            since: Timestamp(0),
            until: Timestamp(60),
            ends: BootTime(ends),
            session: Duration::from_hours(1),
        }
    }

    #[test]
    fn an_approval_is_for_one_use_and_ends() {
        let (usual, mut approvals) = (Protection::default(), Approvals::default());
        approvals.give(approval("prod", 1000));
        let holds = |of: &Use, now| approvals.find(of, usual, BootTime(now)).is_some();
        assert!(holds(&of("prod"), 999) && !holds(&of("prod"), 1000) && !holds(&of("qa"), 0));
        assert!(!holds(&Use { role_digest: "another".into(), ..of("prod") }, 0));
        assert!(!holds(&Use { config: "/copy/serverless.yml".into(), ..of("prod") }, 0));
        for (approve, expected) in
            [(Approve::Desktop, true), (Approve::Terminal, true), (Approve::Mfa, false)]
        {
            let now = Protection { approve, ..usual };
            assert_eq!(approvals.find(&of("prod"), now, BootTime(0)).is_some(), expected, "{approve:?}");
        }
        assert_eq!(approval("prod", 1).usable_until(), Timestamp(3660));
        assert_eq!(of("prod").to_string(), "shop.prod (profile live, account 222222222222) in /shop");
    }

    #[test]
    fn what_is_revoked_or_over_is_gone() {
        let mut approvals = Approvals::default();
        for (stage, ends) in [("prod", 10), ("qa", 20), ("prod", 30)] {
            approvals.give(approval(stage, ends));
        }
        assert_eq!(approvals.iter().count(), 2, "one of a use");
        assert_eq!(approvals.revoke(|of| of.stage.as_str() == "qa"), [approval("qa", 20)]);
        approvals.sweep(BootTime(30));
        assert_eq!(approvals.iter().count(), 0);
    }

    #[test]
    fn nobody_has_it_for_longer_than_the_catalog_says() {
        let minutes = Duration::from_mins;
        let usual = Protection::default();
        assert_eq!(length(None, usual), Ok(minutes(60)));
        assert_eq!(length(Some(minutes(30)), usual), Ok(minutes(30)));
        assert_eq!(
            length(Some(minutes(61)), usual).unwrap_err(),
            "an approval of this profile holds for 1h at most"
        );
    }

    #[test]
    fn three_wrong_tries_are_followed_by_a_pause() {
        let account = "123456789012";
        let mut tries = Tries::default();
        let mut check = |typed: &str, now| tries.check(typed, account, BootTime(now));
        for wrong in ["", "1234", "90123", "012", account] {
            let mut tries = Tries::default();
            assert_eq!(tries.check(wrong, account, BootTime(0)), Err(WrongDigits::Other { left: 2 }));
        }
        assert_eq!(check("0000", 0), Err(WrongDigits::Other { left: 2 }));
        assert_eq!(check("0001", 0), Err(WrongDigits::Other { left: 1 }));
        assert_eq!(check("0002", 0), Err(WrongDigits::Pause { seconds: 60 }));
        assert_eq!(check("9012", 59_001), Err(WrongDigits::Pause { seconds: 1 }), "the right ones too");
        assert_eq!(check("9012", 60_000), Ok(()));
        assert_eq!(check("0000", 60_000), Err(WrongDigits::Other { left: 2 }), "counted anew");
    }

    #[test]
    fn a_matter_is_called_by_all_that_it_is() {
        let matters = [
            Matter::Use(of("prod")),
            Matter::Use(of("qa")),
            Matter::Use(Use { role_digest: "another".into(), ..of("prod") }),
            Matter::Loosening { profile: of("prod").profile, digest: "a".into() },
            Matter::Loosening { profile: of("prod").profile, digest: "b".into() },
        ];
        let mut ids: Vec<String> = matters.iter().map(Matter::id).collect();
        assert!(ids.iter().all(|id| id.len() == 12), "{ids:?}");
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), matters.len());
    }
}
