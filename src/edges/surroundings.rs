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
    let (config, credentials) = aws_files();
    look(&Surroundings {
        variable: &|name| env::var(name).ok(),
        config: config.as_deref(),
        credentials: credentials.as_deref(),
        endpoints,
    })
}

/// Which of this user's AWS files have a `[default]` section with credentials.
pub fn default_sections() -> DefaultSections {
    let (config, credentials) = aws_files();
    DefaultSections::of(config.as_deref(), credentials.as_deref())
}

/// The texts of `~/.aws/config` and `~/.aws/credentials`, or of what stands for them.
fn aws_files() -> (Option<String>, Option<String>) {
    let text = |variable, name| fs::read_to_string(aws_file(variable, name)?).ok();
    (text("AWS_CONFIG_FILE", "config"), text("AWS_SHARED_CREDENTIALS_FILE", "credentials"))
}

/// Where `~/.aws/config` is.
pub fn aws_config_file() -> Option<PathBuf> {
    aws_file("AWS_CONFIG_FILE", "config")
}

fn aws_file(variable: &str, name: &str) -> Option<PathBuf> {
    let home = || env::var_os("HOME").map(|home| PathBuf::from(home).join(".aws").join(name));
    env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from).or_else(home)
}
