//! The commands about the catalog: what can be typed, one type each.

mod checking;
pub(super) mod editing;
mod listing;
mod options;

use std::path::PathBuf;

use clap::Subcommand;

use super::failure::Failure;
use crate::core::catalog_edit::Edit;
use crate::core::name::{App as AppName, ProfileName, Stage as StageName};
use editing::How;
pub(super) use editing::show;
use options::{ApplicationOptions, NewApplicationOptions, NewProfileOptions, ProfileOptions, Unset};

/// `brokerctl profile`.
#[derive(Debug, Subcommand)]
pub(super) enum Profile {
    /// Add a profile
    Add {
        /// Its name
        #[arg(value_parser = ProfileName::parse)]
        name: ProfileName,
        #[command(flatten)]
        settings: NewProfileOptions,
        #[command(flatten)]
        how: How,
    },
    /// Change a profile; what is not named stays
    Edit {
        /// Its name
        #[arg(value_parser = ProfileName::parse)]
        name: ProfileName,
        #[command(flatten)]
        settings: ProfileOptions,
        #[command(flatten)]
        unset: Unset,
        #[command(flatten)]
        how: How,
    },
    /// List the profiles
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a profile; its secrets by name and source only
    Show {
        /// Its name
        #[arg(value_parser = ProfileName::parse)]
        name: ProfileName,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a profile that no application uses
    Remove {
        /// Its name
        #[arg(value_parser = ProfileName::parse)]
        name: ProfileName,
        #[command(flatten)]
        how: How,
    },
}

/// `brokerctl app`.
#[derive(Debug, Subcommand)]
pub(super) enum App {
    /// Add an application
    Add {
        /// Its name, the `app` of serverless.yml
        #[arg(value_parser = AppName::parse)]
        name: AppName,
        #[command(flatten)]
        settings: NewApplicationOptions,
        #[command(flatten)]
        how: How,
    },
    /// Change an application; what is not named stays
    Edit {
        /// Its name
        #[arg(value_parser = AppName::parse)]
        name: AppName,
        #[command(flatten)]
        settings: ApplicationOptions,
        #[command(flatten)]
        unset: Unset,
        #[command(flatten)]
        how: How,
    },
    /// List the applications
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show an application
    Show {
        /// Its name
        #[arg(value_parser = AppName::parse)]
        name: AppName,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove an application with its stages
    Remove {
        /// Its name
        #[arg(value_parser = AppName::parse)]
        name: AppName,
        #[command(flatten)]
        how: How,
    },
}

/// `brokerctl stage`.
#[derive(Debug, Subcommand)]
pub(super) enum Stage {
    /// Give a stage a profile of its own
    Add {
        /// The application
        #[arg(value_parser = AppName::parse)]
        app: AppName,
        /// The stage
        #[arg(value_parser = StageName::parse)]
        stage: StageName,
        /// The profile
        #[arg(value_parser = ProfileName::parse)]
        profile: ProfileName,
        #[command(flatten)]
        how: How,
    },
    /// Give a stage another profile
    Edit {
        /// The application
        #[arg(value_parser = AppName::parse)]
        app: AppName,
        /// The stage
        #[arg(value_parser = StageName::parse)]
        stage: StageName,
        /// The profile
        #[arg(value_parser = ProfileName::parse)]
        profile: ProfileName,
        #[command(flatten)]
        how: How,
    },
    /// List the stages of an application
    List {
        /// The application
        #[arg(value_parser = AppName::parse)]
        app: AppName,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a stage
    Show {
        /// The application
        #[arg(value_parser = AppName::parse)]
        app: AppName,
        /// The stage
        #[arg(value_parser = StageName::parse)]
        stage: StageName,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take back a stage's own profile; what it gets then is what the application says of unmatched stages
    Remove {
        /// The application
        #[arg(value_parser = AppName::parse)]
        app: AppName,
        /// The stage
        #[arg(value_parser = StageName::parse)]
        stage: StageName,
        #[command(flatten)]
        how: How,
    },
}

/// `brokerctl catalog`.
#[derive(Debug, Subcommand)]
pub(super) enum Catalog {
    /// Check a catalog, for the CI of a shared one: every fault at once, exit code 1 if there is one
    Validate {
        /// The file
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of catalog.toml, for editors
    Schema,
}

impl Profile {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (edit, how) = match self {
            Self::Add { name, settings, how } => (Edit::AddProfile(name, settings.read()?), how),
            Self::Edit { name, settings, unset, how } => {
                (Edit::EditProfile(name, settings.read()?, unset.keys), how)
            }
            Self::Remove { name, how } => (Edit::RemoveProfile(name), how),
            Self::List { json } => return listing::profiles(json),
            Self::Show { name, json } => return listing::profile(&name, json),
        };
        editing::carry_out(&edit, how)
    }
}

impl App {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (edit, how) = match self {
            Self::Add { name, settings, how } => (Edit::AddApplication(name, settings.read()), how),
            Self::Edit { name, settings, unset, how } => {
                (Edit::EditApplication(name, settings.read(), unset.keys), how)
            }
            Self::Remove { name, how } => (Edit::RemoveApplication(name), how),
            Self::List { json } => return listing::applications(json),
            Self::Show { name, json } => return listing::application(&name, json),
        };
        editing::carry_out(&edit, how)
    }
}

impl Stage {
    pub(super) fn run(self) -> Result<(), Failure> {
        let (edit, how) = match self {
            Self::Add { app, stage, profile, how } => (Edit::AddStage(app, stage, profile), how),
            Self::Edit { app, stage, profile, how } => (Edit::EditStage(app, stage, profile), how),
            Self::Remove { app, stage, how } => (Edit::RemoveStage(app, stage), how),
            Self::List { app, json } => return listing::stages(&app, json),
            Self::Show { app, stage, json } => return listing::stage(&app, &stage, json),
        };
        editing::carry_out(&edit, how)
    }
}

impl Catalog {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Validate { file, json } => checking::validate(&file, json),
            Self::Schema => checking::schema(),
        }
    }
}
