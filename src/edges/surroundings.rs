//! What an AWS tool that is started here would look at before it asks brokerd.

use std::env;
use std::fs;
use std::path::PathBuf;

use crate::core::name::Region;
use crate::core::shadow::{DefaultSections, Shadow, Surroundings, shadows};
use crate::core::shell::Shell;
use crate::core::shell_lines::lines;

/// What shadows the endpoints, by this process's environment and this user's AWS files.
pub fn shadows_of(endpoints: &[String]) -> Vec<Shadow> {
    with_surroundings(endpoints, shadows)
}

/// The lines of `brokerctl env` for this process's environment (see [`lines`]).
pub fn shell_lines(shell: Shell, endpoints: &[String], region: Option<&Region>) -> Vec<String> {
    with_surroundings(endpoints, |surroundings| lines(shell, surroundings, region))
}

fn with_surroundings<R>(endpoints: &[String], look: impl FnOnce(&Surroundings<'_>) -> R) -> R {
    Here::look().surroundings(endpoints, look)
}

/// Which of this user's AWS files have a `[default]` section with credentials.
pub fn default_sections() -> DefaultSections {
    let here = Here::look();
    DefaultSections::of(here.config.text.as_deref(), here.credentials.text.as_deref())
}

/// What an AWS tool that is started here would look at: the files' texts with their paths, and the variables.
#[derive(Debug)]
pub struct Here {
    /// `~/.aws/config`, or what stands for it.
    pub config: AwsPlace,
    /// `~/.aws/credentials`, or what stands for it.
    pub credentials: AwsPlace,
}

/// A file of AWS's tools.
#[derive(Default)]
pub struct AwsPlace {
    /// Where it is, if a home is known.
    pub path: Option<PathBuf>,
    /// What it says, if it is there.
    pub text: Option<String>,
}

impl std::fmt::Debug for AwsPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsPlace").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Here {
    /// Reads the files.
    pub fn look() -> Self {
        let place = |variable, name| {
            let path = aws_file(variable, name);
            let text = path.as_ref().and_then(|path| fs::read_to_string(path).ok());
            AwsPlace { path, text }
        };
        Self {
            config: place("AWS_CONFIG_FILE", "config"),
            credentials: place("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        }
    }

    /// The same for [`shadows`] and the checks; `endpoints` are brokerd's.
    pub fn surroundings<R>(&self, endpoints: &[String], look: impl FnOnce(&Surroundings<'_>) -> R) -> R {
        look(&Surroundings {
            variable: &|name| env::var(name).ok(),
            config: self.config.text.as_deref(),
            credentials: self.credentials.text.as_deref(),
            endpoints,
        })
    }
}

/// Where `~/.aws/config` is.
pub fn aws_config_file() -> Option<PathBuf> {
    aws_file("AWS_CONFIG_FILE", "config")
}

fn aws_file(variable: &str, name: &str) -> Option<PathBuf> {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".aws").join(name));
    env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from).or_else(home)
}
