//! Where exactly a value is read: the source of the catalog, and whose session reads it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::core::catalog::SecretSource;
use crate::core::decision::Decision;
use crate::core::name::{ProfileName, Region, SecretName};

/// Which version of a secret of Secrets Manager, or of a parameter, is meant; the current one if nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Version {
    /// The version's id, or a parameter's number.
    pub id: Option<String>,
    /// The staging label, or a parameter's label.
    pub label: Option<String>,
}

impl Version {
    /// Whether it is the current one.
    pub fn is_current(&self) -> bool {
        self.id.is_none() && self.label.as_deref().is_none_or(|label| label == CURRENT)
    }
}

/// The staging label of the current version (AWS Secrets Manager user guide, "Secret versions").
const CURRENT: &str = "AWSCURRENT";

/// What is read, whatever secret of the profile it is for: two secrets that are keys of one JSON share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spot {
    /// An item of the keychain.
    Keychain(SecretName),
    /// A parameter of SSM Parameter Store.
    Ssm {
        /// Its name or ARN.
        name: String,
        /// Which version.
        version: Version,
        /// Whether a `SecureString` is decrypted.
        decrypted: bool,
    },
    /// A secret of Secrets Manager.
    SecretsManager {
        /// Its name or ARN.
        id: String,
        /// Which version.
        version: Version,
    },
    /// A variable of the daemon.
    Environment(String),
    /// What a program prints.
    Command(Vec<String>),
    /// A file.
    File(PathBuf),
}

impl Spot {
    /// The spot of a secret of the catalog.
    pub fn of(name: &SecretName, source: &SecretSource) -> Self {
        match source {
            SecretSource::Keychain => Self::Keychain(name.clone()),
            SecretSource::Ssm { name } => {
                Self::Ssm { name: name.clone(), version: Version::default(), decrypted: true }
            }
            SecretSource::SecretsManager { id, version_stage, .. } => Self::SecretsManager {
                id: id.clone(),
                version: Version { id: None, label: version_stage.clone() },
            },
            SecretSource::Environment { name } => Self::Environment(name.clone()),
            SecretSource::Command { argv } => Self::Command(argv.clone()),
            SecretSource::File { path } => Self::File(path.clone()),
        }
    }

    /// Whether the profile's session is needed to read it.
    pub fn is_of_aws(&self) -> bool {
        matches!(self, Self::Ssm { .. } | Self::SecretsManager { .. })
    }

    /// Whether what was read there outlives the daemon in its cache: what cost a call or a person's patience. The rest is
    /// as near as the cache.
    pub fn is_kept(&self) -> bool {
        self.is_of_aws() || matches!(self, Self::Command(_))
    }

    /// It in words. Of a command only the program: people put keys into arguments.
    pub fn place(&self) -> String {
        match self {
            Self::Keychain(_) => "keychain".to_owned(),
            Self::Ssm { name, .. } => format!("ssm {name}"),
            Self::SecretsManager { id, .. } => format!("secretsmanager {id}"),
            Self::Environment(name) => format!("env {name}"),
            Self::Command(argv) => format!("command {}", argv.first().map_or("", String::as_str)),
            Self::File(path) => format!("file {}", path.display()),
        }
    }
}

/// A spot, and whose it is. What was read for one profile, role and region is nothing for another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The profile.
    pub profile: ProfileName,
    /// Its access role, as [`crate::core::catalog::AccessRole::digest`] has it.
    pub role_digest: String,
    /// The region, where one is named.
    pub region: Option<Region>,
    /// What is read.
    pub spot: Spot,
}

impl Address {
    /// The address of a spot for what was decided.
    pub fn new(decision: &Decision, spot: Spot) -> Self {
        // Outside AWS the role and the region change nothing.
        let (role_digest, region) = if spot.is_of_aws() {
            (decision.access_role.digest(), decision.region.clone())
        } else {
            (String::new(), None)
        };
        Self { profile: decision.profile.name.clone(), role_digest, region, spot }
    }
}
