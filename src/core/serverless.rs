//! serverless.yml: what the Serverless Framework would compute from it.
//!
//! [`Document::parse`] reads the file's text, and each question ([`Document::stage`], …) is answered with a
//! [`Finding`]: absent, known, or unknown with the reason. What the file includes, the reading asks for
//! ([`Document::needs`]) and is given ([`Document::with`]). The rules are those of serverless@3, osls and
//! serverless@4; where they differ and the difference could be another stage or account, the answer is unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fault::{Fault, Place};

pub mod composition;
mod declared;
pub mod dotenv;
mod finding;
pub mod inclusion;
mod json;
mod node;
mod number;
mod places;
mod reader;
mod resolver;
mod scalar;
mod sources;
mod template;
#[cfg(test)]
mod tests;
mod toml;
mod yaml;

pub use declared::Declared;
pub use finding::{Finding, Known, Origin, Unknown};
use inclusion::{Found, Inclusions, Need, is_program};
use node::Node;
use resolver::Resolver;

/// The longest configuration that is read, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// How a configuration file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `.yml`, `.yaml`: YAML 1.2 with CloudFormation's short tags.
    Yaml,
    /// `.json`
    Json,
    /// `.toml`, of serverless@4.
    Toml,
}

impl Format {
    /// The format of a file, by its name; none for the formats that are programs (`.js`, `.ts`, …).
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "yml" | "yaml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }
}

/// What a configuration's variables may refer to outside of it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Inputs {
    /// The CLI's options by their long names, such as `stage`; an option without a value is `true`.
    pub options: BTreeMap<String, String>,
    /// What the CLI was given as `--param NAME=VALUE`.
    pub parameters: BTreeMap<String, String>,
    /// The environment of the calling process.
    pub environment: BTreeMap<String, String>,
}

impl fmt::Debug for Inputs {
    /// Names only: the values of all may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs")
            .field("options", &self.options.keys())
            .field("parameters", &self.parameters.keys())
            .field("environment", &self.environment.keys())
            .finish()
    }
}

/// A parsed configuration file, with the place of every value in it. Copies are cheap.
#[derive(Clone, PartialEq)]
pub struct Document {
    file: PathBuf,
    /// The service's directory: what paths in the configuration are relative to.
    directory: PathBuf,
    /// What stands in the file; none for a program, which is never run.
    root: Option<Node>,
    found: Arc<Inclusions>,
}

impl fmt::Debug for Document {
    /// The file only: what stands in it may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document").field("file", &self.file).finish_non_exhaustive()
    }
}

/// The tree of a text; none for a text without any value.
fn tree(format: Format, file: &Path, bytes: &[u8]) -> Result<Option<Node>, Fault> {
    if bytes.len() > MAX_BYTES {
        let message = format!("the configuration is larger than {} KiB", MAX_BYTES / 1024);
        return Err(Fault::new(file, None, message));
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
        return Ok(None);
    }
    match format {
        Format::Yaml => yaml::parse(file, text),
        Format::Json => json::parse(file, text).map(Some),
        Format::Toml => toml::parse(file, text).map(Some),
    }
}

impl Document {
    /// Reads the text of a configuration file, in the format that its name says. Of a program nothing is read, and
    /// nothing is known.
    ///
    /// The fault tells line and column where there is one, and no value of the file.
    pub fn parse(file: &Path, bytes: &[u8]) -> Result<Self, Fault> {
        let fault = |message: String| Fault::new(file, None, message);
        let root = match Format::of(file) {
            Some(format) => {
                let root =
                    tree(format, file, bytes)?.ok_or_else(|| fault("the configuration is empty".into()))?;
                Some(node::checked_root(file, root)?)
            }
            None if is_program(file) => None,
            None => {
                let what = "not a configuration that can be read: .yml, .yaml, .json and .toml are";
                return Err(fault(what.into()));
            }
        };
        let directory = file.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { file: file.to_owned(), directory, root, found: Arc::default() })
    }

    /// The same configuration, of a service in another directory than the file's: its name there is a link.
    #[must_use]
    pub fn in_directory(mut self, directory: &Path) -> Self {
        directory.clone_into(&mut self.directory);
        self
    }

    /// The same configuration with what was found beside it.
    #[must_use]
    pub fn with(mut self, found: Arc<Inclusions>) -> Self {
        self.found = found;
        self
    }

    /// Whether the file is a program, which is never run: then nothing of it is known.
    pub fn is_program(&self) -> bool {
        self.root.is_none()
    }

    /// What has to be found before every answer for these inputs is final. What is found may need more.
    pub fn needs(&self, inputs: &Inputs) -> BTreeSet<Need> {
        let mut needs = BTreeSet::new();
        for field in [Self::app_of, Self::org_of, Self::service_of, Self::stage_of, Self::region_of] {
            field(self, inputs, &mut needs);
        }
        needs
    }

    /// The application: `app`, else `custom.brokerd.app`, for CLIs that reject a top-level `app`, else the `app` of the
    /// composition.
    pub fn app(&self, inputs: &Inputs) -> Finding {
        self.app_of(inputs, &mut BTreeSet::new())
    }

    /// The organisation: `org`, else `tenant`, as it was called before, else the `org` of the composition.
    pub fn org(&self, inputs: &Inputs) -> Finding {
        self.org_of(inputs, &mut BTreeSet::new())
    }

    /// The service: `service`, or `service.name` where it is a mapping, as in serverless@1.
    pub fn service(&self, inputs: &Inputs) -> Finding {
        self.service_of(inputs, &mut BTreeSet::new())
    }

    /// The stage that the file says: `provider.stage`, else that of the composition. Neither `--stage` nor the CLIs'
    /// default takes part, unless the file itself asks for them by a variable.
    pub fn stage(&self, inputs: &Inputs) -> Finding {
        self.stage_of(inputs, &mut BTreeSet::new())
    }

    /// The region that the file says: `provider.region`, else that of the composition.
    pub fn region(&self, inputs: &Inputs) -> Finding {
        self.region_of(inputs, &mut BTreeSet::new())
    }

    fn app_of(&self, inputs: &Inputs, needs: &mut BTreeSet<Need>) -> Finding {
        let named = self
            .field(inputs, &["app"], needs)
            .or_else(|| self.field(inputs, &["custom", "brokerd", "app"], needs));
        match self.or_composed(named, inputs, needs, Self::app_of) {
            Finding::Unknown(mut unknown) => {
                unknown.reason.push_str("; name the application with `brokerctl allow --app NAME`");
                Finding::Unknown(unknown)
            }
            finding => finding,
        }
    }

    fn org_of(&self, inputs: &Inputs, needs: &mut BTreeSet<Need>) -> Finding {
        let named = self.field(inputs, &["org"], needs).or_else(|| self.field(inputs, &["tenant"], needs));
        self.or_composed(named, inputs, needs, Self::org_of)
    }

    fn service_of(&self, inputs: &Inputs, needs: &mut BTreeSet<Need>) -> Finding {
        let mut resolver = Resolver::new(self, inputs);
        let is_mapping = resolver.has_mapping(&["service"]);
        needs.append(&mut resolver.needs);
        self.field(inputs, if is_mapping { &["service", "name"] } else { &["service"] }, needs)
    }

    fn stage_of(&self, inputs: &Inputs, needs: &mut BTreeSet<Need>) -> Finding {
        let named = self.field(inputs, &["provider", "stage"], needs);
        self.or_composed(named, inputs, needs, Self::stage_of)
    }

    fn region_of(&self, inputs: &Inputs, needs: &mut BTreeSet<Need>) -> Finding {
        let named = self.field(inputs, &["provider", "region"], needs);
        self.or_composed(named, inputs, needs, Self::region_of)
    }

    fn field(&self, inputs: &Inputs, path: &[&str], needs: &mut BTreeSet<Need>) -> Finding {
        let mut resolver = Resolver::new(self, inputs);
        let finding = resolver.field(path);
        needs.append(&mut resolver.needs);
        finding
    }

    /// Whether a field is certain not to be there.
    fn field_is_absent(&self, inputs: &Inputs, path: &[&str], needs: &mut BTreeSet<Need>) -> bool {
        self.field(inputs, path, needs).is_absent()
    }

    /// What is absent in a service's configuration may stand in the composition's.
    fn or_composed(
        &self,
        named: Finding,
        inputs: &Inputs,
        needs: &mut BTreeSet<Need>,
        ask: fn(&Self, &Inputs, &mut BTreeSet<Need>) -> Finding,
    ) -> Finding {
        if !named.is_absent() || self.is_composition() {
            return named;
        }
        let need = Need::Composition(self.directory.clone());
        match self.found.get(&need) {
            None => {
                needs.insert(need);
                named
            }
            Some(Found::Composition(root)) => ask(&Self::clone(root).with(self.found.clone()), inputs, needs),
            Some(Found::Refused(why)) => self.unknown_by(why.clone()),
            Some(Found::Broken(fault)) => self.unknown_by(fault.to_string()),
            Some(_) => named,
        }
    }

    /// What the composition would say cannot be known.
    fn unknown_by(&self, reason: String) -> Finding {
        let origin = Origin { file: self.file.clone(), place: None, via: Vec::new() };
        Finding::Unknown(Unknown { reason, origin })
    }

    /// Whether this is the configuration of a composition, by its name.
    fn is_composition(&self) -> bool {
        self.file.file_name().is_some_and(|name| composition::NAMES.iter().any(|known| name == *known))
    }
}
