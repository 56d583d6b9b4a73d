//! The options that name an application, a stage or a profile.

use clap::Args;

use crate::core::name::{App, ProfileName, Stage};
use crate::core::wanted::Wanted;

/// What several commands can be given.
#[derive(Debug, Args)]
pub(super) struct WantedOptions {
    /// An application of an allowed project; else that of the project here
    #[arg(long, value_name = "NAME", value_parser = App::parse)]
    app: Option<App>,
    /// A stage of it; else the one that a process here works on
    #[arg(long, value_name = "NAME", value_parser = Stage::parse)]
    stage: Option<Stage>,
    /// The stage of it that has this profile
    #[arg(long, value_name = "NAME", value_parser = ProfileName::parse, conflicts_with = "stage")]
    profile: Option<ProfileName>,
}

impl WantedOptions {
    /// Whether nothing is named.
    pub(super) fn is_empty(&self) -> bool {
        self.app.is_none() && self.stage.is_none() && self.profile.is_none()
    }
}

impl From<WantedOptions> for Wanted {
    fn from(WantedOptions { app, stage, profile }: WantedOptions) -> Self {
        Self { app, stage, profile }
    }
}
