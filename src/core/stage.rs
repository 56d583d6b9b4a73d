//! The stage rule: which stage a caller works on.

use std::collections::BTreeMap;
use std::fmt;

use super::caller::ProcessId;
use super::moment::Timestamp;
use super::name::Stage;
use super::pins::{Pin, Reach};
use super::refusal::Refusal;
use super::serverless::{Document, Finding, Inputs, Origin};
use super::serverless_cli::Invocation;

/// The variable that names the stage for tools that have no `--stage`.
pub const STAGE_VARIABLE: &str = "BROKERD_STAGE";
/// The stage where nothing names one, as in the Serverless Framework.
pub const DEFAULT_STAGE: &str = "dev";

/// Where a stage comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum StageSource {
    /// `--stage` of a Serverless CLI.
    CommandLine(Option<ProcessId>),
    /// `BROKERD_STAGE` of the caller.
    Environment,
    /// A pin of this reach, until then.
    Pin(Reach, Timestamp),
    /// `provider.stage` of the configuration.
    File(Origin),
    /// The user named it with `brokerctl allow --stage`, because the configuration does not tell it, for this reason.
    Named(String),
    /// The framework's plugin reports it, because the configuration does not tell it, for this reason.
    Reported(String),
    /// Nothing names one.
    Default,
    /// The role name that the caller asked for.
    RoleName,
}

impl fmt::Display for StageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine(Some(process)) => {
                write!(f, "--stage of the Serverless CLI with pid {}", process.pid)
            }
            Self::CommandLine(None) => f.write_str("--stage"),
            Self::Environment => f.write_str(STAGE_VARIABLE),
            Self::Pin(reach, until) => write!(f, "{reach}, until {until}"),
            Self::File(origin) => write!(f, "provider.stage {origin}"),
            Self::Named(why) => {
                write!(f, "named with `brokerctl allow --stage`, since the file does not tell it ({why})")
            }
            Self::Reported(why) => {
                write!(f, "reported by the plugin, since brokerd cannot tell it ({why})")
            }
            Self::Default => f.write_str("the default, since nothing names a stage"),
            Self::RoleName => f.write_str("the role name asked for"),
        }
    }
}

/// The Serverless CLI that a caller is or descends from.
#[derive(Debug, Clone, Copy)]
pub enum Cli<'a> {
    /// None.
    None,
    /// This one, with its environment (`None` if that cannot be read).
    Serverless(&'a Invocation, Option<&'a BTreeMap<String, String>>),
    /// One whose command line cannot be read, and why.
    Unreadable(&'a str),
}

impl Cli<'_> {
    /// Its process, if it deploys or removes.
    pub fn deployment(&self) -> Option<ProcessId> {
        match self {
            Self::Serverless(invocation, _) => invocation.process.filter(|_| invocation.is_deployment),
            Self::None | Self::Unreadable(_) => None,
        }
    }
}

/// What the stage rule looks at.
#[derive(Debug, Clone, Copy)]
pub struct StageInquiry<'a> {
    /// The configuration, in its last good reading.
    pub document: &'a Document,
    /// The Serverless CLI, if any.
    pub cli: Cli<'a>,
    /// The caller's environment; `None` if it cannot be read.
    pub environment: Option<&'a BTreeMap<String, String>>,
    /// The pin that counts for the caller, if any.
    pub pin: Option<&'a Pin>,
    /// The stage in the role name that the caller asks for, if it asks by name.
    pub asked: Option<&'a Stage>,
    /// The stage that the user named for a configuration that does not tell it.
    pub named: Option<&'a Stage>,
    /// The stage that the Serverless CLI works on, as its plugin reports.
    pub reported: Option<&'a str>,
}

/// Applies the rule. Unknown is not absent: whatever names a stage and cannot be read is a refusal.
pub fn stage(inquiry: &StageInquiry<'_>) -> Result<(Stage, StageSource), Refusal> {
    match inquiry.cli {
        Cli::Unreadable(why) => Err(Refusal::UnknownStage {
            why: format!("the caller is or descends from a Serverless CLI, but {why}"),
        }),
        Cli::Serverless(invocation, environment) => stage_of_cli(inquiry, invocation, environment),
        Cli::None => stage_of_other(inquiry),
    }
}

/// For a Serverless CLI and what it starts: exactly what that CLI computes.
fn stage_of_cli(
    inquiry: &StageInquiry<'_>,
    invocation: &Invocation,
    environment: Option<&BTreeMap<String, String>>,
) -> Result<(Stage, StageSource), Refusal> {
    let found = if let Some(text) = invocation.option("stage") {
        (parse(text)?, StageSource::CommandLine(invocation.process))
    } else {
        let environment = environment.ok_or_else(|| unreadable_environment("the Serverless CLI's"))?;
        let inputs = inputs(inquiry.cli, Some(environment));
        stage_of_file(inquiry, &inputs)?
    };
    for variables in [environment, inquiry.environment].into_iter().flatten() {
        if let Some(named) = variables.get(STAGE_VARIABLE).filter(|named| !named.is_empty())
            && named != found.0.as_str()
        {
            return Err(Refusal::StageConflict { environment: named.clone(), cli: found.0 });
        }
    }
    if let Some(pin) = inquiry.pin.filter(|pin| pin.stage != found.0) {
        let (reach, pinned) = (pin.place.reach(), pin.stage.clone());
        return Err(Refusal::PinConflict { reach, pinned, cli: found.0 });
    }
    if inquiry.environment.is_none() {
        return Err(unreadable_environment("the caller's"));
    }
    if let Some(asked) = inquiry.asked.filter(|asked| **asked != found.0) {
        return Err(Refusal::OtherRole {
            asked: asked.to_string(),
            why: format!("the Serverless CLI works on stage {}", found.0),
        });
    }
    Ok(found)
}

/// For every other caller: what it asks for by name, else the first that exists of variable, pin, file, default.
fn stage_of_other(inquiry: &StageInquiry<'_>) -> Result<(Stage, StageSource), Refusal> {
    if let Some(asked) = inquiry.asked {
        return Ok((asked.clone(), StageSource::RoleName));
    }
    let environment = inquiry.environment.ok_or_else(|| unreadable_environment("the caller's"))?;
    if let Some(named) = environment.get(STAGE_VARIABLE).filter(|named| !named.is_empty()) {
        return Ok((parse(named)?, StageSource::Environment));
    }
    if let Some(pin) = inquiry.pin {
        return Ok((pin.stage.clone(), StageSource::Pin(pin.place.reach(), pin.until)));
    }
    stage_of_file(inquiry, &inputs(inquiry.cli, Some(environment)))
}

/// What the variables of a configuration may look at: the CLI's options and environment where there is a CLI, else the
/// caller's environment. An environment that cannot be read counts as empty; the stage rule refuses it.
pub fn inputs(cli: Cli<'_>, environment: Option<&BTreeMap<String, String>>) -> Inputs {
    let owned = |found: Option<&BTreeMap<String, String>>| found.cloned().unwrap_or_default();
    match cli {
        Cli::Serverless(invocation, found) => Inputs {
            options: invocation.options.clone(),
            parameters: invocation.parameters.clone(),
            environment: owned(found),
        },
        Cli::None | Cli::Unreadable(_) => Inputs { environment: owned(environment), ..Inputs::default() },
    }
}

fn stage_of_file(inquiry: &StageInquiry<'_>, inputs: &Inputs) -> Result<(Stage, StageSource), Refusal> {
    match inquiry.document.stage(inputs) {
        Finding::Known(known) => Ok((parse(&known.value)?, StageSource::File(known.origin))),
        Finding::Absent => Ok((parse(DEFAULT_STAGE)?, StageSource::Default)),
        // Somebody who said yes to this file said its stage as well, for just this case.
        Finding::Unknown(unknown) => {
            if let Some(reported) = inquiry.reported.filter(|_| inquiry.named.is_none()) {
                return Ok((parse(reported)?, StageSource::Reported(unknown.reason)));
            }
            if let Some(named) = inquiry.named {
                return Ok((named.clone(), StageSource::Named(unknown.reason)));
            }
            let place = unknown.origin.place.map(|place| format!(":{place}")).unwrap_or_default();
            Err(Refusal::UnknownStage {
                why: format!(
                    "provider.stage in {}{place} cannot be resolved: {}",
                    unknown.origin.file.display(),
                    unknown.reason
                ),
            })
        }
    }
}

fn parse(text: &str) -> Result<Stage, Refusal> {
    Stage::parse(text).map_err(|error| Refusal::UnknownStage { why: error.to_string() })
}

fn unreadable_environment(whose: &str) -> Refusal {
    Refusal::UnknownStage {
        why: format!("{whose} environment cannot be read, so nobody knows whether it names one"),
    }
}
