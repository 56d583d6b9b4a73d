//! What a team agreed on for a stage: its profile's safeguards.

use serde::{Deserialize, Serialize};

use crate::core::catalog::{Profile, Safeguard};
use crate::core::name::{App, ProfileName, Stage};

/// The safeguards that hold for a stage of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// The application.
    pub app: App,
    /// The stage.
    pub stage: Stage,
    /// The profile.
    pub profile: ProfileName,
    /// The sentence that must be said when the stage did not match.
    pub fallback: Option<String>,
    /// The safeguards, in the order of the catalog.
    pub safeguards: Vec<Safeguard>,
}

impl Agreement {
    /// That of a profile.
    pub fn new(app: &App, stage: &Stage, profile: &Profile, fallback: Option<String>) -> Self {
        Self {
            app: app.clone(),
            stage: stage.clone(),
            profile: profile.name.clone(),
            fallback,
            safeguards: profile.safeguards.clone(),
        }
    }
}
