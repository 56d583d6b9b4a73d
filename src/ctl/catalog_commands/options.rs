//! The options that set something in the catalog.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use crate::core::catalog::StagePattern;
use crate::core::catalog_edit::{ApplicationSettings, ProfileSettings, Unmatching};
use crate::core::duration::{DurationError, parse_duration};
use crate::core::name::{
    ExternalId, MfaSerial, PolicyArn, ProfileName, Region, RoleArn, SessionName, SourceIdentity, Stage,
};
use crate::ctl::failure::Failure;
use crate::edges::catalog_file;

/// What `profile add` sets.
#[derive(Debug, Args)]
pub(in crate::ctl) struct NewProfileOptions {
    /// The role that it assumes
    #[arg(long, value_name = "ARN", value_parser = RoleArn::parse)]
    role_arn: RoleArn,
    #[command(flatten)]
    others: OtherProfileOptions,
}

/// What `profile edit` sets.
#[derive(Debug, Args)]
pub(in crate::ctl) struct ProfileOptions {
    /// The role that it assumes
    #[arg(long, value_name = "ARN", value_parser = RoleArn::parse)]
    role_arn: Option<RoleArn>,
    #[command(flatten)]
    others: OtherProfileOptions,
}

#[derive(Debug, Args)]
struct OtherProfileOptions {
    /// The profile of ~/.aws/config that may assume the role, or env; without it the SDK's own chain
    #[arg(long, value_name = "PROFILE")]
    source: Option<String>,
    /// How long a session lasts: 1h to 12h, or with --short 15m to 59m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<String>,
    /// Sessions of less than 1h: not for tools that ask the metadata endpoint; --unset short takes it back
    #[arg(long)]
    short: bool,
    /// What the role's trust policy asks for
    #[arg(long, value_name = "ID", value_parser = ExternalId::parse)]
    external_id: Option<ExternalId>,
    /// The session's name in CloudTrail
    #[arg(long, value_name = "NAME", value_parser = SessionName::parse)]
    session_name: Option<SessionName>,
    /// The region whose STS is asked
    #[arg(long, value_parser = Region::parse)]
    region: Option<Region>,
    /// What people are told about it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A file with the JSON of a policy that narrows the session
    #[arg(long, value_name = "FILE")]
    session_policy_file: Option<PathBuf>,
    /// A managed policy that narrows the session; all that are given replace those before
    #[arg(long = "policy-arn", value_name = "ARN", value_parser = PolicyArn::parse)]
    policy_arns: Vec<PolicyArn>,
    /// A session tag
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// A session tag that stays where the session assumes another role; all that are given replace those before
    #[arg(long = "transitive-tag", value_name = "KEY")]
    transitive_tags: Vec<String>,
    /// Who is behind the session, for CloudTrail
    #[arg(long, value_name = "NAME", value_parser = SourceIdentity::parse)]
    source_identity: Option<SourceIdentity>,
    /// The MFA device whose code AWS is given for the role
    #[arg(long, value_name = "ARN", value_parser = MfaSerial::parse)]
    mfa_serial: Option<MfaSerial>,
    /// A profile whose role is assumed before this one; all that are given, in this order, replace those before
    #[arg(long, value_name = "PROFILE", value_parser = ProfileName::parse)]
    via: Vec<ProfileName>,
    /// A file with an identity provider's token, which assumes the role without a source
    #[arg(long, value_name = "FILE")]
    web_identity_token_file: Option<String>,
}

impl NewProfileOptions {
    pub(super) fn read(self) -> Result<ProfileSettings, Failure> {
        ProfileOptions { role_arn: Some(self.role_arn), others: self.others }.read()
    }
}

impl ProfileOptions {
    pub(super) fn read(self) -> Result<ProfileSettings, Failure> {
        let Self { role_arn, others } = self;
        let session_policy = others
            .session_policy_file
            .map(|path| {
                // A file ends with a line break, which is no part of the policy.
                catalog_file::text_of(&path)
                    .map(|text| text.trim().replace("\r\n", "\n"))
                    .map_err(|error| Failure::refused(format!("cannot read {}: {error}", path.display())))
            })
            .transpose()?;
        Ok(ProfileSettings {
            description: others.description,
            role_arn,
            source: others.source,
            duration: others.duration,
            short: others.short,
            external_id: others.external_id,
            session_name: others.session_name,
            region: others.region,
            policy_arns: others.policy_arns,
            session_tags: others.tags,
            session_policy,
            transitive_tags: others.transitive_tags,
            source_identity: others.source_identity,
            mfa_serial: others.mfa_serial,
            via: others.via,
            web_identity_token_file: others.web_identity_token_file,
        })
    }
}

/// What `app add` sets: a default profile or a stage must be among it.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("profiles").args(["default_profile", "stages"]).required(true).multiple(true))]
pub(in crate::ctl) struct NewApplicationOptions {
    #[command(flatten)]
    options: ApplicationOptions,
}

/// What `app edit` sets.
#[derive(Debug, Args)]
pub(in crate::ctl) struct ApplicationOptions {
    /// The profile of the stages that are not listed
    #[arg(long, value_name = "PROFILE", value_parser = ProfileName::parse)]
    default_profile: Option<ProfileName>,
    /// What becomes of a stage that is not listed: default, refuse, or patterns of those that get the
    /// default profile, as in pr-*,feature-*
    #[arg(long, value_name = "WORD", value_parser = unmatched)]
    unmatched: Option<Unmatching>,
    /// A stage with a profile of its own
    #[arg(long = "stage", value_name = "STAGE=PROFILE", value_parser = stage)]
    stages: Vec<(Stage, ProfileName)>,
}

impl NewApplicationOptions {
    pub(super) fn read(self) -> ApplicationSettings {
        self.options.read()
    }
}

impl ApplicationOptions {
    pub(super) fn read(self) -> ApplicationSettings {
        let Self { default_profile, unmatched, stages } = self;
        ApplicationSettings { default_profile, unmatched, stages }
    }
}

/// Keys to take out.
#[derive(Debug, Args)]
pub(in crate::ctl) struct Unset {
    /// Take this key of the file out; of a table, as TABLE.KEY
    #[arg(long = "unset", value_name = "KEY")]
    pub(super) keys: Vec<String>,
}

/// A duration as it is to stand in the file.
fn duration(text: &str) -> Result<String, DurationError> {
    parse_duration(text).map(|_| text.to_owned())
}

fn tag(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn stage(text: &str) -> Result<(Stage, ProfileName), String> {
    let (stage, profile) = text.split_once('=').ok_or("expected STAGE=PROFILE")?;
    let stage = Stage::parse(stage).map_err(|error| error.to_string())?;
    Ok((stage, ProfileName::parse(profile).map_err(|error| error.to_string())?))
}

fn unmatched(text: &str) -> Result<Unmatching, String> {
    match text {
        "default" => Ok(Unmatching::Word("default")),
        "refuse" => Ok(Unmatching::Word("refuse")),
        _ => {
            let patterns = text.split(',').map(StagePattern::parse).collect::<Result<_, _>>();
            patterns.map(Unmatching::Patterns).map_err(|error| error.to_string())
        }
    }
}
