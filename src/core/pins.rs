//! Pins: the stage that a person chose for a while, in a terminal or for a project.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::caller::ProcessId;
use super::duration::{DurationError, parse_duration};
use super::lasting::Lasting;
use super::moment::Timestamp;
use super::name::{App, Stage};

/// No pin lasts longer: what was typed the day before is forgotten.
const LONGEST: Duration = Duration::from_hours(24);
/// How long a terminal's pin lasts, if the terminal does, where nobody says.
const IN_TERMINAL: Duration = Duration::from_hours(12);
/// How long a project's pin lasts, where nobody says: it reaches further, so it ends sooner.
const EVERYWHERE: Duration = Duration::from_hours(1);

/// Why a time is none for a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LengthError {
    /// It is no duration.
    #[error(transparent)]
    Form(#[from] DurationError),
    /// It is none that a pin may have.
    #[error("a pin lasts from 1s to 24h")]
    Outside,
}

/// Reads how long a pin shall last.
pub fn parse_length(text: &str) -> Result<Duration, LengthError> {
    checked(parse_duration(text)?)
}

/// How long a pin of this reach lasts; `asked` is what the person said, if anything.
pub fn length(asked: Option<Duration>, reach: Reach) -> Result<Duration, LengthError> {
    asked.map_or(Ok(reach.usual_length()), checked)
}

fn checked(length: Duration) -> Result<Duration, LengthError> {
    if (Duration::from_secs(1)..=LONGEST).contains(&length) { Ok(length) } else { Err(LengthError::Outside) }
}

/// How far a pin reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// What is started in one terminal, for one application.
    Terminal,
    /// What is started in one project, in any terminal or none.
    Project,
}

impl Reach {
    fn usual_length(self) -> Duration {
        match self {
            Self::Terminal => IN_TERMINAL,
            Self::Project => EVERYWHERE,
        }
    }

    /// What takes such a pin back.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Terminal => "brokerctl use --clear",
            Self::Project => "brokerctl use --clear --everywhere",
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminal => "the pin of this terminal",
            Self::Project => "the pin of this project",
        })
    }
}

/// Where a pin counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PinPlace {
    /// In the terminal whose session this process leads.
    Terminal(ProcessId),
    /// In the project of this configuration.
    Project(PathBuf),
}

impl PinPlace {
    /// How far it reaches.
    pub fn reach(&self) -> Reach {
        match self {
            Self::Terminal(_) => Reach::Terminal,
            Self::Project(_) => Reach::Project,
        }
    }
}

/// A stage that a person chose for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Where it counts.
    pub place: PinPlace,
    /// The application that it is for.
    pub app: App,
    /// The stage.
    pub stage: Stage,
    /// When it was typed.
    pub since: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// The start of the machine during which it was typed.
    pub boot: String,
    /// The first clock tick since then whose processes have it.
    pub from: u64,
}

/// The pins.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PinList {
    pins: Vec<Pin>,
}

impl Lasting for PinList {
    const WHAT: &'static str = "a list of pins";
}

impl PinList {
    /// No pins.
    pub const fn new() -> Self {
        Self { pins: Vec::new() }
    }

    /// Adds a pin in place of an earlier one of the same place and application.
    pub fn set(&mut self, pin: Pin) {
        self.remove(&pin.place, &pin.app);
        self.pins.push(pin);
    }

    /// Removes the pin of a place and application, and gives it back.
    pub fn remove(&mut self, place: &PinPlace, app: &App) -> Option<Pin> {
        let position = self.pins.iter().position(|pin| pin.place == *place && pin.app == *app)?;
        Some(self.pins.remove(position))
    }

    /// Removes what will never count again. `is_alive` tells whether a process has not ended.
    pub fn sweep(&mut self, now: Timestamp, boot: &str, is_alive: &dyn Fn(ProcessId) -> bool) {
        self.pins.retain(|pin| pin.may_count(now, boot, is_alive));
    }

    /// The pins that count at a moment, in the order in which they were typed.
    pub fn in_force<'a>(
        &'a self,
        now: Timestamp,
        boot: &'a str,
        is_alive: &'a dyn Fn(ProcessId) -> bool,
    ) -> impl Iterator<Item = &'a Pin> {
        self.pins.iter().filter(move |pin| pin.may_count(now, boot, is_alive))
    }
}

impl Pin {
    fn may_count(&self, now: Timestamp, boot: &str, is_alive: &dyn Fn(ProcessId) -> bool) -> bool {
        let there = match self.place {
            // Process ids and start times begin anew with the machine: what looks like the same is another.
            PinPlace::Terminal(leader) => self.boot == boot && is_alive(leader),
            PinPlace::Project(_) => true,
        };
        there && now < self.until
    }

    /// Whether a process that started at this tick of this start of the machine was started after the pin was typed.
    fn is_before(&self, started: u64, boot: &str) -> bool {
        self.boot != boot || started >= self.from
    }
}

/// What decides which pin a caller has.
#[derive(Debug, Clone, Copy)]
pub struct PinInquiry<'a> {
    /// The pins.
    pub list: &'a PinList,
    /// The present moment.
    pub now: Timestamp,
    /// The present start of the machine.
    pub boot: &'a str,
    /// The leaders of the sessions that the caller and its ancestors are in, the nearest first.
    pub sessions: &'a [ProcessId],
    /// The tick at which the caller started; for a Serverless CLI's descendant, the CLI.
    pub started: u64,
}

impl<'a> PinInquiry<'a> {
    /// The pin of a caller that works on this application in this project: of the nearest terminal that has one,
    /// else of the project. A process that was there before the pin has none.
    pub fn find(&self, app: &App, config: &Path) -> Option<&'a Pin> {
        let terminals = self.sessions.iter().map(|leader| PinPlace::Terminal(*leader));
        let mut places = terminals.chain([PinPlace::Project(config.to_owned())]);
        places.find_map(|place| {
            // That a leader is alive needs no look: the session was read from processes that are in it.
            let pin = self.list.pins.iter().find(|pin| pin.place == place && pin.app == *app)?;
            (pin.may_count(self.now, self.boot, &|_| true) && pin.is_before(self.started, self.boot))
                .then_some(pin)
        })
    }
}

#[cfg(test)]
mod tests;
