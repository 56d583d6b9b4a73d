//! `brokerctl aws-config`: a profile of `~/.aws/config` for each application and stage.

use std::io::Write;

use clap::Args;

use super::commands::unexpected;
use super::failure::Failure;
use super::{client, paint};
use crate::core::aws_profiles::{merged, sections};
use crate::core::protocol::{Reply, Request};
use crate::edges::aws_config_file::AwsConfigFile;
use crate::edges::catalog_file::CatalogFileError;
use crate::edges::surroundings::aws_config_file;

/// `brokerctl aws-config`.
#[derive(Debug, Args)]
pub(super) struct AwsConfig {
    /// Put them into ~/.aws/config (or `AWS_CONFIG_FILE`), in a part of their own; what it was is kept beside it
    #[arg(long)]
    write: bool,
}

impl AwsConfig {
    pub(super) fn run(self) -> Result<(), Failure> {
        let Reply::AwsProfiles { profiles } = client::ask(&Request::AwsProfiles)? else {
            return Err(unexpected());
        };
        let sections = sections(&profiles, &std::env::current_exe()?);
        if profiles.is_empty() {
            return Err(Failure::refused("no allowed project has a profile").with_hint("brokerctl allow"));
        }
        if self.write { write(&sections) } else { Ok(std::io::stdout().write_all(sections.as_bytes())?) }
    }
}

fn write(sections: &str) -> Result<(), Failure> {
    let path = aws_config_file().ok_or_else(|| Failure::refused("HOME is not set"))?;
    let file = AwsConfigFile::read(&path).map_err(|error| failed(&error))?;
    let shown = path.display();
    let text = merged(file.text(), sections).map_err(|error| {
        Failure::refused(format!("{shown} stays as it is: {error}")).with_hint(format!("edit {shown}"))
    })?;
    let mut out = anstream::stdout().lock();
    if text == file.text() {
        writeln!(out, "{shown} has them already")?;
        return Ok(());
    }
    let backup = file.replace(&text).map_err(|error| failed(&error))?;
    writeln!(out, "{} {shown}", paint::good("changed"))?;
    if let Some(backup) = backup {
        writeln!(out, "what it was is in {}", backup.display())?;
    }
    Ok(())
}

fn failed(error: &CatalogFileError) -> Failure {
    let failure = Failure::refused(error.to_string());
    match error.hint() {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}
