//! What a Serverless CLI packages: finding the CLI of a project, letting it package, reading the artifacts.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value as Json;

use super::{random, trust};
use crate::core::safeguard::{STATE, TEMPLATE};

/// An artifact that is larger is a mistake; CloudFormation takes a megabyte.
const LARGEST: u64 = 64 * 1024 * 1024;
/// The names of the CLIs, in the order in which they are looked for.
const NAMES: [&str; 3] = ["serverless", "osls", "sls"];

/// Why there are no artifacts.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Something cannot be read or made.
    #[error("{}: {source}", .path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// An artifact is not JSON, or too large to be one.
    #[error("{}: {why}", .path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The directory holds no packaged service.
    #[error("{} holds no packaged service: {missing} is not there", .directory.display())]
    Incomplete {
        /// The directory.
        directory: PathBuf,
        /// The artifact.
        missing: &'static str,
    },
    /// There is no CLI.
    #[error(
        "there is no Serverless CLI to package with: neither serverless, osls nor sls in node_modules/.bin or PATH"
    )]
    NoCli,
    /// The CLI failed.
    #[error("{} package failed:\n{said}", .cli.display())]
    Failed {
        /// Which.
        cli: PathBuf,
        /// The end of what it said.
        said: String,
    },
}

impl PackageError {
    /// What to type next.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Io { .. } | Self::Malformed { .. } => return None,
            Self::Incomplete { .. } => "serverless package, or name the directory: --package DIR".to_owned(),
            Self::NoCli => "npm install, or name a packaged service: --package DIR".to_owned(),
            Self::Failed { .. } => {
                "package it with what it needs, such as credentials, and name the directory: --package DIR"
                    .to_owned()
            }
        })
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> PackageError {
    move |source| PackageError::Io { path: path.to_owned(), source }
}

/// Every JSON artifact of a packaged service, by file name.
pub fn read(directory: &Path) -> Result<BTreeMap<String, Json>, PackageError> {
    let mut artifacts = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let path = entry.map_err(failed(directory))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(name) =
            name.filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "json"))
        {
            artifacts.insert(name.to_owned(), read_artifact(&path)?);
        }
    }
    match [TEMPLATE, STATE].into_iter().find(|name| !artifacts.contains_key(*name)) {
        Some(missing) => Err(PackageError::Incomplete { directory: directory.to_owned(), missing }),
        None => Ok(artifacts),
    }
}

fn read_artifact(path: &Path) -> Result<Json, PackageError> {
    let malformed = |why: String| PackageError::Malformed { path: path.to_owned(), why };
    let mut text = Vec::new();
    let file = File::open(path).map_err(failed(path))?;
    file.take(LARGEST + 1).read_to_end(&mut text).map_err(failed(path))?;
    if text.len() as u64 > LARGEST {
        return Err(malformed(format!("it is larger than {} MiB", LARGEST / 1024 / 1024)));
    }
    // The parser's own words may quote the text, which may be a secret.
    serde_json::from_slice(&text)
        .map_err(|error| malformed(format!("not JSON: see line {}, column {}", error.line(), error.column())))
}

/// The Serverless CLI of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cli {
    /// The program.
    pub program: PathBuf,
    /// Its version, if the package that it belongs to tells one.
    pub version: Option<String>,
}

/// Whether nobody else could have put a program where it is.
fn is_ours(program: &Path) -> bool {
    let real = fs::canonicalize(program);
    real.is_ok_and(|real| trust::check(program).is_ok() && trust::check(&real).is_ok())
}

impl Cli {
    /// The CLI that a project uses: of the nearest `node_modules/.bin`, else of `path`, the value of `PATH`.
    pub fn find(project: &Path, path: &std::ffi::OsStr) -> Option<Self> {
        let local = project.ancestors().map(|directory| directory.join("node_modules/.bin"));
        // What is not absolute would be another program in another directory.
        let global = std::env::split_paths(path).filter(|directory| directory.is_absolute());
        let program = local.chain(global).flat_map(|directory| NAMES.map(|name| directory.join(name))).find(
            |program| {
                fs::metadata(program)
                    .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
                    && is_ours(program)
            },
        )?;
        Some(Self { version: version(&program), program })
    }

    /// Packages the project into a directory of this process's own.
    ///
    /// The CLI gets no credentials, and nothing that would lead it to some: no variable of AWS, brokerd or the
    /// dashboard, no file of `~/.aws`, no metadata service.
    pub fn package(
        &self,
        config: &Path,
        stage: &str,
        region: Option<&str>,
    ) -> Result<Packaged, PackageError> {
        let packaged = Packaged::new()?;
        let project = config.parent().unwrap_or(Path::new("/"));
        let mut command = Command::new(&self.program);
        command.current_dir(project).arg("package").arg("--package").arg(packaged.directory());
        command.args(["--stage", stage]);
        command.args(region.into_iter().flat_map(|region| ["--region", region]));
        if let Some(name) = config.file_name() {
            command.arg("--config").arg(name);
        }
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().to_uppercase();
            if ["AWS_", "AMAZON_", "BROKERD_", "SERVERLESS_"].iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        for (name, value) in [
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("SLS_TELEMETRY_DISABLED", "1"),
            ("SLS_TRACKING_DISABLED", "1"),
            ("SLS_NOTIFICATIONS_MODE", "off"),
            ("SLS_INTERACTIVE_SETUP_ENABLE", ""),
            ("NO_COLOR", "1"),
            ("CI", "1"),
        ] {
            command.env(name, value);
        }
        let output = command.stdin(Stdio::null()).output().map_err(failed(&self.program))?;
        if output.status.success() {
            return Ok(packaged);
        }
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        let said = lines[lines.len().saturating_sub(12)..].join("\n");
        Err(PackageError::Failed { cli: self.program.clone(), said })
    }
}

/// The version of the package that a program belongs to: the nearest `package.json` above its real path.
fn version(program: &Path) -> Option<String> {
    let real = fs::canonicalize(program).ok()?;
    let manifest = real
        .ancestors()
        .skip(1)
        .map(|directory| directory.join("package.json"))
        .find(|file| file.is_file())?;
    let manifest = read_artifact(&manifest).ok()?;
    manifest.get("version")?.as_str().map(str::to_owned)
}

/// A directory with a packaged service, which goes with this: artifacts hold what the service's variables resolved to.
#[derive(Debug)]
pub struct Packaged(PathBuf);

impl Packaged {
    /// An empty directory.
    pub fn new() -> Result<Self, PackageError> {
        let name = u64::from_ne_bytes(random::bytes());
        let path = std::env::temp_dir().join(format!("brokerd-check-{name:016x}"));
        DirBuilder::new().mode(0o700).create(&path).map_err(failed(&path))?;
        Ok(Self(path))
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.0
    }
}

impl Drop for Packaged {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn artifacts_are_read_and_what_is_missing_is_named() {
        let home = tempfile::tempdir().unwrap();
        let missing =
            |name| format!("{} holds no packaged service: {name} is not there", home.path().display());
        assert_eq!(read(home.path()).unwrap_err().to_string(), missing(TEMPLATE));
        fs::write(home.path().join(TEMPLATE), "{\"Resources\":{}}").unwrap();
        assert_eq!(read(home.path()).unwrap_err().to_string(), missing(STATE));
        fs::write(home.path().join(STATE), "{\"marked").unwrap();
        let why = read(home.path()).unwrap_err().to_string();
        assert!(why.ends_with("not JSON: see line 1, column 8") && !why.contains("marked"), "{why}");
        fs::write(home.path().join(STATE), "{}").unwrap();
        fs::write(home.path().join("shop.zip"), "no JSON").unwrap();
        assert_eq!(read(home.path()).unwrap().len(), 2);
    }

    #[test]
    fn a_projects_own_cli_comes_before_the_one_of_path() {
        let home = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(home.path()).unwrap();
        let executable = |path: &Path, text: &str| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        executable(&root.join("global/sls"), "#!/bin/sh\n");
        let project = root.join("repository/services/shop");
        fs::create_dir_all(&project).unwrap();
        let path = format!("relative:{}", root.join("global").display());
        let found = |path: &str| Cli::find(&project, path.as_ref());
        assert_eq!(found(&path).unwrap(), Cli { program: root.join("global/sls"), version: None });
        assert_eq!(found("relative"), None);
        let package = root.join("repository/node_modules/osls");
        executable(&package.join("bin/serverless.js"), "#!/bin/sh\necho it failed; exit 3\n");
        fs::write(package.join("package.json"), r#"{"version":"4.3.1"}"#).unwrap();
        let bin = root.join("repository/node_modules/.bin");
        fs::create_dir_all(&bin).unwrap();
        symlink("../osls/bin/serverless.js", bin.join("osls")).unwrap();
        let cli = found(&path).unwrap();
        assert_eq!(cli, Cli { program: bin.join("osls"), version: Some("4.3.1".to_owned()) });
        let error = cli.package(&project.join("serverless.yml"), "dev", None).unwrap_err();
        assert!(error.to_string().ends_with("osls package failed:\nit failed"), "{error}");
    }
}
