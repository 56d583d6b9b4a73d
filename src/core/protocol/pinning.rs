//! Pins, and the stages to pin.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Explanation;
use crate::core::decision::Matched;
use crate::core::moment::Timestamp;
use crate::core::name::{App, ProfileName, Stage};
use crate::core::pins::Reach;

/// A pin that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinStatus {
    /// The application.
    pub app: App,
    /// The stage.
    pub stage: Stage,
    /// How far it reaches.
    pub reach: Reach,
    /// The project's configuration, for a pin of a project.
    pub config: Option<PathBuf>,
    /// The process that leads the terminal's session, for a pin of a terminal.
    pub session: Option<u32>,
    /// The terminal's name, if it can be told.
    pub terminal: Option<String>,
    /// Whether it is the pin of the asking process's terminal.
    pub this_terminal: bool,
    /// When it was typed.
    pub since: Timestamp,
    /// When it ends.
    pub until: Timestamp,
}

/// The stages that a person may choose from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageChoices {
    /// The application.
    pub app: App,
    /// The stages, the current one first.
    pub stages: Vec<StageChoice>,
}

/// A stage, and what it would give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageChoice {
    /// The stage.
    pub stage: Stage,
    /// Whether a process that is started here now is on it.
    pub current: bool,
    /// How its profile is found.
    pub matched: Option<Matched>,
    /// Its profile.
    pub profile: Option<ProfileName>,
    /// The account of that one's role.
    pub account: Option<String>,
    /// Why it gives nothing, if so.
    pub refusal: Option<String>,
}

/// A stage that was pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// The pin.
    pub pin: PinStatus,
    /// The daemon's clock, against which remaining times count.
    pub now: Timestamp,
    /// What a process that is started here now gets.
    pub decision: Explanation,
    /// What must be said: what comes before the pin here, a fall-back.
    pub notes: Vec<String>,
}

/// Pins that were taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpinned {
    /// The application.
    pub app: App,
    /// The pins; none if there were none.
    pub pins: Vec<PinStatus>,
    /// What a process that is started here now gets.
    pub decision: Explanation,
    /// What must be said: pins that are left here.
    pub notes: Vec<String>,
}
