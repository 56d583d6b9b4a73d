//! serverless.yml: what the Serverless Framework would compute from it.
//!
//! [`Document::parse`] reads the file's text, and each question ([`Document::stage`], …) is answered with a
//! [`Finding`]: absent, known, or unknown with the reason. The rules are those of serverless@3, osls and
//! serverless@4; where they differ and the difference could be another stage or account, the answer is unknown.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::fault::{Fault, Place};

mod declared;
mod finding;
mod json;
mod node;
mod number;
mod reader;
mod resolver;
mod scalar;
mod template;
#[cfg(test)]
mod tests;
mod yaml;

pub use declared::Declared;
pub use finding::{Finding, Known, Origin, Unknown};
use node::Node;
use resolver::Resolver;

/// The longest configuration that is read, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// How a configuration file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `.yml`, `.yaml`: YAML 1.2 with CloudFormation's short tags.
    Yaml,
    /// `.json`
    Json,
}

impl Format {
    /// The format of a file, by its name; none for the formats that are programs (`.js`, `.ts`, …).
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "yml" | "yaml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// What a configuration's variables may refer to outside of it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Inputs {
    /// The CLI's options by their long names, such as `stage`; an option without a value is `true`.
    pub options: BTreeMap<String, String>,
    /// The environment of the calling process.
    pub environment: BTreeMap<String, String>,
}

impl fmt::Debug for Inputs {
    /// Names only: the values of both may be secrets (`--param key=…` is an option).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs")
            .field("options", &self.options.keys())
            .field("environment", &self.environment.keys())
            .finish()
    }
}

/// A parsed configuration file, with the place of every value in it. Copies are cheap.
#[derive(Clone, PartialEq)]
pub struct Document {
    file: PathBuf,
    root: Node,
}

impl fmt::Debug for Document {
    /// The file only: what stands in it may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Document {
    /// Reads the text of a configuration file, in the format that its name says.
    ///
    /// The fault tells line and column where there is one, and no value of the file.
    pub fn parse(file: &Path, bytes: &[u8]) -> Result<Self, Fault> {
        let fault = |message: String| Fault::new(file, None, message);
        let format = Format::of(file).ok_or_else(|| {
            fault("not a configuration that can be read: only .yml, .yaml and .json are".into())
        })?;
        if bytes.len() > MAX_BYTES {
            return Err(fault(format!("the configuration is larger than {} KiB", MAX_BYTES / 1024)));
        }
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            Fault::new(
                file,
                Some(Place::of_offset(&valid, valid.len())),
                "the configuration is not UTF-8 from here on",
            )
        })?;
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(fault("the configuration is empty".into()));
        }
        let root = match format {
            Format::Yaml => yaml::parse(file, text)?,
            Format::Json => json::parse(file, text)?,
        };
        Ok(Self { file: file.to_owned(), root: node::checked_root(file, root)? })
    }

    /// The application: `app`, else `custom.brokerd.app`, for CLIs that reject a top-level `app`.
    pub fn app(&self, inputs: &Inputs) -> Finding {
        self.field(inputs, &["app"]).or_else(|| match self.field(inputs, &["custom", "brokerd", "app"]) {
            Finding::Unknown(mut unknown) => {
                unknown.reason.push_str("; name the application with `brokerctl allow --app NAME`");
                Finding::Unknown(unknown)
            }
            finding => finding,
        })
    }

    /// The organisation: `org`, else `tenant`, as it was called before.
    pub fn org(&self, inputs: &Inputs) -> Finding {
        self.field(inputs, &["org"]).or_else(|| self.field(inputs, &["tenant"]))
    }

    /// The service: `service`, or `service.name` where it is a mapping, as in serverless@1.
    pub fn service(&self, inputs: &Inputs) -> Finding {
        if Resolver::new(self, inputs).has_mapping(&["service"]) {
            self.field(inputs, &["service", "name"])
        } else {
            self.field(inputs, &["service"])
        }
    }

    /// The stage that the file says: `provider.stage`. Neither `--stage` nor the CLIs' default takes part,
    /// unless the file itself asks for them by a variable.
    pub fn stage(&self, inputs: &Inputs) -> Finding {
        self.field(inputs, &["provider", "stage"])
    }

    /// The region that the file says: `provider.region`.
    pub fn region(&self, inputs: &Inputs) -> Finding {
        self.field(inputs, &["provider", "region"])
    }

    fn field(&self, inputs: &Inputs, path: &[&str]) -> Finding {
        Resolver::new(self, inputs).field(path)
    }
}
