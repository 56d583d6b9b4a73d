//! What an AWS tool that is started here would look at before it asks brokerd.

use std::env;
use std::fs;
use std::path::PathBuf;

use crate::core::shadow::{Shadow, Surroundings, shadows};

/// What shadows the endpoints, by this process's environment and this user's AWS files.
pub fn shadows_of(endpoints: &[String]) -> Vec<Shadow> {
    let file = |variable: &str, name: &str| {
        let home = env::var_os("HOME").map(PathBuf::from);
        let path = env::var_os(variable)
            .map(PathBuf::from)
            .or_else(|| home.map(|home| home.join(".aws").join(name)))?;
        fs::read_to_string(path).ok()
    };
    let config = file("AWS_CONFIG_FILE", "config");
    let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    shadows(&Surroundings {
        variable: &|name| env::var(name).ok(),
        config: config.as_deref(),
        credentials: credentials.as_deref(),
        endpoints,
    })
}
