//! `brokerctl plugin`: the Serverless plugin, as this version brings it.

mod files;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::catalog_commands::show;
use super::failure::Failure;
use super::paint;
use crate::core::plugins_line::with_plugin;
use crate::core::serverless::Format;
use crate::edges::catalog_file::CatalogFile;
use crate::edges::directories::Directories;
use crate::edges::project_file;

/// What the plugin is called, on npm and in serverless.yml.
const NAME: &str = "serverless-brokerd";
/// Where the Serverless CLIs look for a plugin of the project's own. What is in there they leave out of every function's
/// zip by themselves (`.serverless_plugins/**` is among their default patterns).
const LOCAL: &str = ".serverless_plugins";

/// `brokerctl plugin`.
#[derive(Debug, Subcommand)]
pub(super) enum Plugin {
    /// Put the plugin into a project, and its line into serverless.yml
    Install(Install),
}

/// `brokerctl plugin install`.
#[derive(Debug, Args)]
pub(super) struct Install {
    /// The project's directory or configuration file
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Only show what would change
    #[arg(long)]
    dry_run: bool,
}

impl Plugin {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Install(install) => install.run(),
        }
    }
}

impl Install {
    fn run(&self) -> Result<(), Failure> {
        let directories =
            Directories::from_environment().map_err(|error| Failure::refused(error.to_string()))?;
        let project = project_file::named(&self.path, &directories.home).ok_or_else(|| {
            Failure::refused(format!("no serverless configuration at {} or above", self.path.display()))
                .with_hint("name a directory with a serverless.yml")
        })?;
        // Before anything is written: what cannot be read is not begun.
        let configuration = CatalogFile::read(&project.config)?;
        let line = if Format::of(&project.config) == Some(Format::Yaml) {
            with_plugin(&project.config, configuration.text(), NAME)
        } else {
            Err("it is no YAML".to_owned())
        };
        let place = project.directory().join(LOCAL).join(NAME);
        refuse_links(project.directory(), &place)?;
        refuse_another(&place)?;
        let written = self.write_files(&place)?;
        let mut out = anstream::stdout();
        let shown = project.config.display();
        match line {
            Ok(None) if written == 0 => writeln!(out, "{shown} has it already, in {}", place.display())?,
            Ok(None) => writeln!(out, "{shown} lists it already")?,
            Ok(Some(text)) => {
                if !self.dry_run {
                    configuration.replace(&text)?;
                }
                show(&project.config, configuration.text(), &text)?;
                writeln!(out, "{} {shown}", paint::good(self.verb("changed", "would change")))?;
            }
            Err(why) => {
                return Err(Failure::refused(format!("{shown} stays as it is: {why}"))
                    .with_hint(format!("add this to it yourself: plugins: [{NAME}]")));
            }
        }
        Ok(())
    }

    /// Writes what is not there yet, and gives how many files that are.
    fn write_files(&self, place: &Path) -> Result<usize, Failure> {
        let mut written = 0;
        for (name, text) in files::FILES {
            let file = CatalogFile::read(&place.join(name))?;
            if file.text() == text {
                continue;
            }
            written += 1;
            if !self.dry_run {
                file.replace(text)?;
            }
        }
        if written > 0 {
            let verb = paint::good(self.verb("wrote", "would write"));
            writeln!(anstream::stdout(), "{verb} {written} files to {}", place.display())?;
        }
        Ok(written)
    }

    fn verb(&self, done: &'static str, would: &'static str) -> &'static str {
        if self.dry_run { would } else { done }
    }
}

/// Refuses to write through a symbolic link below the project: a repository may have one that leads to a file of its user's.
fn refuse_links(project: &Path, place: &Path) -> Result<(), Failure> {
    let files = files::FILES.iter().map(|(name, _)| place.join(name));
    for file in files {
        let below = file.ancestors().take_while(|above| *above != project);
        for path in below {
            if fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink()) {
                return Err(Failure::refused(format!(
                    "{} is a symbolic link; nothing was written",
                    path.display()
                ))
                .with_hint("take it out of the project, and install again"));
            }
        }
    }
    Ok(())
}

/// Refuses to write over what is something else than this plugin.
fn refuse_another(place: &Path) -> Result<(), Failure> {
    let is_ours = |text: &str| {
        let package = serde_json::from_str::<serde_json::Value>(text).ok();
        package.is_some_and(|package| package["name"] == NAME)
    };
    match fs::read_to_string(place.join("package.json")) {
        Ok(text) if !is_ours(&text) => {
            Err(Failure::refused(format!("{} holds another package; nothing was written", place.display()))
                .with_hint("take it away, and install again"))
        }
        _ => Ok(()),
    }
}
