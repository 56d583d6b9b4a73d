//! Why a caller gets no credentials.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::caller::Unidentified;
use super::catalog::Approve;
use super::issue::IssueError;
use super::name::{App, ProfileName, Stage};
use super::pins::Reach;
use super::secret::SecretError;

/// Why a caller gets no credentials: one sentence for the person, one class for the endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Refusal {
    /// Nobody knows who asks.
    #[error("{why}")]
    Unidentified {
        /// What is known about it.
        why: Unidentified,
    },
    /// The caller is in no project.
    #[error("{directory} is in no project: no serverless.yml from there up to {stopped_at}")]
    NoProject {
        /// Where it is.
        directory: String,
        /// Where the search ended.
        stopped_at: String,
    },
    /// The configuration of an allowed project is gone; its parent directories are not asked instead.
    #[error("{} is allowed but is not there any more", .config.display())]
    ConfigurationMissing {
        /// The file that was there.
        config: PathBuf,
    },
    /// A file or directory that others could have written.
    #[error("{why}")]
    Untrusted {
        /// Which, and what is wrong with it.
        why: String,
        /// The command that mends it.
        mend: Option<String>,
    },
    /// The user has not said yes to this project.
    #[error("{why}")]
    NotAllowed {
        /// The configuration.
        config: PathBuf,
        /// What is missing or changed.
        why: String,
    },
    /// The application cannot be told.
    #[error("the application of {} is not known: {why}", .config.display())]
    UnknownApp {
        /// The configuration.
        config: PathBuf,
        /// Why not.
        why: String,
    },
    /// The stage cannot be told, and unknown is not absent.
    #[error("the stage is not known: {why}")]
    UnknownStage {
        /// Why not.
        why: String,
    },
    /// Two stages are named for a Serverless CLI.
    #[error(
        "BROKERD_STAGE is {environment}, but the Serverless CLI works on stage {cli}: it reads no such variable"
    )]
    StageConflict {
        /// What the variable says.
        environment: String,
        /// What the CLI computes.
        cli: Stage,
    },
    /// A stage other than a Serverless CLI's is pinned for it.
    #[error("{reach} is {pinned}, but the Serverless CLI works on stage {cli}: no pin applies to it")]
    PinConflict {
        /// How far the pin reaches.
        reach: Reach,
        /// What is pinned.
        pinned: Stage,
        /// What the CLI computes.
        cli: Stage,
    },
    /// The caller asks by role name for what is not its own.
    #[error("the role {asked} is not one that this process may ask for: {why}")]
    OtherRole {
        /// The role name.
        asked: String,
        /// Why not.
        why: String,
    },
    /// The framework, as its plugin reports, reads the configuration differently.
    #[error("{framework} works on {what} \"{theirs}\" of {}, and brokerd reads \"{ours}\"", .config.display())]
    ReadDifferently {
        /// The configuration.
        config: PathBuf,
        /// `stage`, `app`, `org` or `service`.
        what: String,
        /// What brokerd reads.
        ours: String,
        /// What the framework made of it.
        theirs: String,
        /// The framework and its version.
        framework: String,
    },
    /// What says that it is the plugin of a Serverless CLI is in none.
    #[error(
        "only the process of a Serverless CLI can say hello as its plugin, and this is none that brokerd knows"
    )]
    NoPluginProcess,
    /// The profile wants the plugin, and the Serverless CLI that deploys has none.
    #[error(
        "profile {profile} is deployed with the plugin only, which evaluates its safeguards, and pid {pid} has not loaded it"
    )]
    NoPlugin {
        /// The profile.
        profile: ProfileName,
        /// The Serverless CLI.
        pid: u32,
    },
    /// The profile wants its safeguards evaluated, and the plugin evaluates none for this command.
    #[error(
        "profile {profile} is deployed with its safeguards evaluated only, and the plugin evaluates none for {command} of pid {pid}"
    )]
    NotEvaluated {
        /// The profile.
        profile: ProfileName,
        /// The Serverless CLI.
        pid: u32,
        /// Its command, quoted.
        command: String,
    },
    /// The catalog does not know the application.
    #[error("the catalog has no application {app}{}", .nearest.as_ref().map(|name| format!(" (did you mean {name}?)")).unwrap_or_default())]
    UnknownApplication {
        /// The application.
        app: App,
        /// One that is in the catalog and spelled much alike.
        nearest: Option<String>,
    },
    /// No stage equals and there is no default.
    #[error("stage {stage} is not configured on {app}{}, and {app} has no default profile", .nearest.as_ref().map(|name| format!(" (did you mean {name}?)")).unwrap_or_default())]
    NoDefault {
        /// The application.
        app: App,
        /// The stage.
        stage: Stage,
        /// A stage of the application that is spelled much alike.
        nearest: Option<Stage>,
    },
    /// No stage equals and the application wants no fall-back.
    #[error("stage {stage} is not configured on {app}{}, and its `unmatched` lets it not fall back to the default profile", .nearest.as_ref().map(|name| format!(" (did you mean {name}?)")).unwrap_or_default())]
    Unmatched {
        /// The application.
        app: App,
        /// The stage.
        stage: Stage,
        /// A stage of the application that is spelled much alike.
        nearest: Option<Stage>,
    },
    /// The profile has no role.
    #[error("profile {profile} has no access role")]
    NoAccessRole {
        /// The profile.
        profile: ProfileName,
    },
    /// A safeguard that holds when credentials are issued is broken.
    #[error("safeguard {policy} of profile {profile}: {why}")]
    Withheld {
        /// The profile.
        profile: ProfileName,
        /// The policy.
        policy: String,
        /// What breaks it.
        why: String,
    },
    /// The profile is protected, and nobody has approved this use of it.
    #[error("{}; profile {profile} is protected, and this use of it is not approved{}", .fallback.clone().unwrap_or_else(|| format!("{app}.{stage} has profile {profile}")), .trouble.as_ref().map(|trouble| format!(": {trouble}")).unwrap_or_default())]
    NeedsApproval {
        /// The application.
        app: App,
        /// The stage.
        stage: Stage,
        /// The profile.
        profile: ProfileName,
        /// How it is approved.
        approve: Approve,
        /// The sentence that must be said when the stage did not match.
        fallback: Option<String>,
        /// What keeps it from being approved, if something does.
        trouble: Option<String>,
    },
    /// An edit of the catalog takes protection away, and nobody has approved that.
    #[error("an edit of the catalog loosens what protects profile {profile}, and that is not approved: {}", .what.join("; "))]
    Loosened {
        /// The profile that was protected.
        profile: ProfileName,
        /// How the edit is approved.
        approve: Approve,
        /// What is taken away.
        what: Vec<String>,
        /// What keeps it from being approved, if something does.
        trouble: Option<String>,
    },
    /// The profile's sessions are too short for a metadata service.
    #[error(
        "sessions of profile {profile} are short, and AWS SDKs take what a metadata service gives to be valid for longer than it is"
    )]
    Short {
        /// The profile.
        profile: ProfileName,
    },
    /// The catalog that is in force cannot be read and there is no earlier one.
    #[error("there is no catalog in force: {why}")]
    NoCatalog {
        /// Its first fault.
        why: String,
    },
    /// What the running process was given has ended; it is not moved to something else.
    #[error("{why}; this process keeps what it was given or gets nothing")]
    Ended {
        /// What ended it.
        why: String,
    },
    /// What a container token was made for has ended; it is not moved to something else.
    #[error("{why}; token {id} gives nothing any more")]
    TokenEnded {
        /// Which token.
        id: String,
        /// What ended it.
        why: String,
    },
    /// A container token that nobody knows.
    #[error(
        "the container token is not known: it was revoked, or ended with its process, its time or the daemon"
    )]
    UnknownToken,
    /// A container token that is presented for something else than its own.
    #[error("the container token is for {own}, not for {asked}")]
    TokenOther {
        /// What was asked for.
        asked: String,
        /// What it is for.
        own: String,
    },
    /// A container token that works on one stage, used by a Serverless CLI that works on another.
    #[error("the token is for stage {token}: {why}")]
    TokenStage {
        /// The token's stage.
        token: Stage,
        /// What the CLI does.
        why: String,
    },
    /// A helper that brokerd started asks brokerd: it would wait for itself.
    #[error(
        "brokerd itself started the process that asks, to get base credentials: they would come from themselves"
    )]
    OwnHelper,
    /// The value of a secret cannot be had.
    #[error("{why}")]
    Secret {
        /// Why not.
        why: Box<SecretError>,
    },
    /// STS gives no session.
    #[error("{why}")]
    Issue {
        /// The failure.
        why: IssueError,
    },
}

/// How the endpoint answers a refusal (see the status table in `docs/endpoint.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalClass {
    /// The caller has no allowed project: 404 on the role list, so that its SDK goes on.
    NoProject,
    /// The caller has a role that it may not have now: 403.
    Denied,
    /// The caller will get it later: 503.
    Later,
}

impl Refusal {
    /// How the endpoint answers it.
    pub fn class(&self) -> RefusalClass {
        match self {
            Self::Unidentified { .. }
            | Self::NoProject { .. }
            | Self::ConfigurationMissing { .. }
            | Self::Untrusted { .. }
            | Self::NotAllowed { .. } => RefusalClass::NoProject,
            Self::Issue { why } if why.is_temporary() => RefusalClass::Later,
            Self::Secret { why } if why.is_temporary() => RefusalClass::Later,
            _ => RefusalClass::Denied,
        }
    }

    /// What ended a decision, if that is why.
    pub fn ended(&self) -> Option<&str> {
        match self {
            Self::Ended { why } => Some(why),
            _ => None,
        }
    }

    /// What to type or change next, where something is known.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unidentified { why } => why.hint()?.to_owned(),
            Self::NoProject { .. } => "cd into a project, or create its serverless.yml".to_owned(),
            Self::ConfigurationMissing { config } => format!("brokerctl deny {}", shell_word(config)),
            Self::Untrusted { mend, .. } => mend.clone()?,
            Self::NotAllowed { config, .. } => format!("brokerctl allow {}", shell_word(config)),
            Self::UnknownApp { config, .. } => format!("brokerctl allow --app NAME {}", shell_word(config)),
            Self::UnknownStage { .. } => {
                "name the stage: --stage NAME, or for other tools BROKERD_STAGE=NAME or brokerctl use NAME"
                    .to_owned()
            }
            Self::StageConflict { cli, .. } => format!("unset BROKERD_STAGE, or set it to {cli}"),
            Self::PinConflict { reach, pinned, .. } => {
                format!("{}, or give the CLI --stage {pinned}", reach.remedy())
            }
            Self::OtherRole { .. } => {
                "unset AWS_EC2_INSTANCE_PROFILE_NAME, or name a stage of this application".to_owned()
            }
            Self::ReadDifferently { config, what, .. } => format!(
                "brokerctl inspect {} tells where brokerd has its {what} from; write it down without variables",
                shell_word(config)
            ),
            Self::NoPluginProcess => "run serverless or osls as npm installs it".to_owned(),
            Self::NotEvaluated { .. } => "deploy the whole service: serverless deploy".to_owned(),
            Self::NoPlugin { .. } => {
                "add `plugins: [serverless-brokerd]` to serverless.yml (brokerctl plugin install), or brokerctl deploy"
                    .to_owned()
            }
            Self::UnknownApplication { app, .. } => format!("add [applications.{app}] to the catalog"),
            Self::NoDefault { app, .. } | Self::Unmatched { app, .. } => {
                format!("add the stage to [applications.{app}.stages] in the catalog")
            }
            Self::NoAccessRole { profile } => format!("add [profiles.{profile}.access_role] to the catalog"),
            Self::Withheld { policy, .. } => format!("brokerctl safeguard explain {policy}"),
            Self::NeedsApproval { trouble: Some(_), profile, .. } => format!(
                "log in to a desktop that shows notifications, or protect [profiles.{profile}] by approve = \"terminal\""
            ),
            Self::NeedsApproval { approve: Approve::Desktop, app, stage, .. } => {
                format!("approve it in the notification; brokerctl approve {app} {stage} shows it again")
            }
            Self::NeedsApproval { approve: Approve::Mfa, app, stage, .. } => {
                format!("brokerctl approve {app} {stage}   (with a code of your MFA device)")
            }
            Self::NeedsApproval { app, stage, .. } => {
                format!("brokerctl approve {app} {stage}   (yourself, in a terminal)")
            }
            Self::Loosened { trouble: Some(why), .. } => format!("{why}; or take the edit back"),
            Self::Loosened { approve: Approve::Desktop, .. } => {
                "approve it in the notification, which brokerctl approve --catalog shows again, or take the edit back"
                    .to_owned()
            }
            Self::Loosened { .. } => {
                "brokerctl approve --catalog   (yourself, in a terminal), or take the edit back".to_owned()
            }
            Self::Short { .. } => {
                "credential_process = brokerctl credential-process in ~/.aws/config, or brokerctl exec"
                    .to_owned()
            }
            Self::NoCatalog { .. } => "brokerd --check".to_owned(),
            Self::Ended { .. } => "start the process again".to_owned(),
            Self::TokenEnded { .. } | Self::UnknownToken => {
                "make another: start brokerctl exec again, or brokerctl tokens add".to_owned()
            }
            Self::TokenOther { own, .. } => format!("ask for {}", own.replace('.', "/")),
            Self::TokenStage { token, .. } => {
                format!("give the Serverless CLI --stage {token}, or start brokerctl exec with its stage")
            }
            Self::OwnHelper => "name a source that does not ask brokerd".to_owned(),
            Self::Issue { why } => why.hint()?,
            Self::Secret { why } => why.hint()?,
        })
    }

    /// Whether a login, an MFA code or an approval would help: exit code 4 of `brokerctl`.
    pub fn needs_person(&self) -> bool {
        match self {
            Self::Issue { why } => why.needs_login() || matches!(why, IssueError::Locked { .. }),
            Self::Secret { why } => why.needs_login(),
            Self::NeedsApproval { .. } | Self::Loosened { .. } => true,
            _ => false,
        }
    }
}

/// A path as one word of a shell command.
pub(crate) fn shell_word(path: &std::path::Path) -> String {
    let text = path.display().to_string();
    let plain = text.chars().all(|c| c.is_alphanumeric() || "/._-+=:@%,".contains(c));
    if plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

impl From<Unidentified> for Refusal {
    fn from(why: Unidentified) -> Self {
        Self::Unidentified { why }
    }
}

impl From<SecretError> for Refusal {
    fn from(why: SecretError) -> Self {
        Self::Secret { why: Box::new(why) }
    }
}

impl From<IssueError> for Refusal {
    fn from(why: IssueError) -> Self {
        Self::Issue { why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_spaces_is_quoted_in_a_hint() {
        let refusal = Refusal::NotAllowed {
            config: "/home/a/my shop/serverless.yml".into(),
            why: "not allowed yet".into(),
        };
        assert_eq!(refusal.hint().unwrap(), "brokerctl allow '/home/a/my shop/serverless.yml'");
    }

    #[test]
    fn what_is_not_approved_is_said_with_what_to_type() {
        let refusal = |approve, fallback: Option<&str>, trouble: Option<&str>| Refusal::NeedsApproval {
            app: App::parse("shop").unwrap(),
            stage: Stage::parse("prdo").unwrap(),
            profile: ProfileName::parse("live").unwrap(),
            approve,
            fallback: fallback.map(Into::into),
            trouble: trouble.map(Into::into),
        };
        let fallback = "stage prdo is not configured on shop: default profile live (did you mean prod?)";
        for (refusal, sentence, hint) in [
            (
                refusal(Approve::Terminal, None, None),
                "shop.prdo has profile live; profile live is protected, and this use of it is not approved",
                "brokerctl approve shop prdo   (yourself, in a terminal)",
            ),
            (
                refusal(Approve::Terminal, Some(fallback), None),
                "stage prdo is not configured on shop: default profile live (did you mean prod?); profile live is \
                 protected, and this use of it is not approved",
                "brokerctl approve shop prdo   (yourself, in a terminal)",
            ),
            (
                refusal(Approve::Desktop, None, None),
                "shop.prdo has profile live; profile live is protected, and this use of it is not approved",
                "approve it in the notification; brokerctl approve shop prdo shows it again",
            ),
            (
                refusal(Approve::Desktop, None, Some("no session bus")),
                "shop.prdo has profile live; profile live is protected, and this use of it is not approved: no \
                 session bus",
                "log in to a desktop that shows notifications, or protect [profiles.live] by approve = \"terminal\"",
            ),
        ] {
            assert_eq!((refusal.to_string().as_str(), refusal.hint().as_deref()), (sentence, Some(hint)));
            assert!(refusal.needs_person() && refusal.class() == RefusalClass::Denied);
        }
    }

    #[test]
    fn only_callers_without_an_allowed_project_are_passed_on() {
        let denied = Refusal::UnknownStage { why: "x".into() };
        let none = Refusal::NoProject { directory: "/".into(), stopped_at: "/".into() };
        let later = Refusal::Issue { why: IssueError::Network { why: "x".into() } };
        assert_eq!(
            [denied.class(), none.class(), later.class()],
            [RefusalClass::Denied, RefusalClass::NoProject, RefusalClass::Later]
        );
    }
}
