//! Where the value of a secret comes from. The value itself never stands in the catalog.

use std::path::PathBuf;
use std::time::Duration;

use crate::core::duration::parse_duration;
use crate::core::nearest::did_you_mean;
use crate::core::table::{Findings, Table, Value};

/// The keys that each name a source, of which a secret has exactly one.
pub(super) const SOURCES: [&str; 5] = ["ssm", "secretsmanager", "env", "command", "file"];

/// The keys that say more about a secret of Secrets Manager.
pub(super) const DETAILS: [&str; 2] = ["key", "version_stage"];

/// How long a value is used before it is read again.
pub(super) const TTL: &str = "ttl";

/// The time to live of a secret that says none, which is the AWS Secrets Manager Agent's too.
pub const DEFAULT_TTL: Duration = Duration::from_mins(5);

/// No value is used longer without a look at its source.
const LONGEST_TTL: Duration = Duration::from_hours(24);

/// What a secret without a usable source is told to look like.
const EXPECTED: &str = "\"keychain\" or a table such as { ssm = \"/name\" }";

/// A secret of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Where its value is.
    pub source: SecretSource,
    /// How long a value is used before it is read again: at most a day, and 0 reads it each time.
    pub ttl: Duration,
}

impl Secret {
    /// Reads one entry of the table `secrets`.
    pub(super) fn read(value: Value<'_>, findings: &mut Findings<'_>) -> Option<Self> {
        let ttl = value.as_table().and_then(|table| table.parsed(TTL, parse_ttl, findings));
        Some(Self { source: SecretSource::read(value, findings)?, ttl: ttl.unwrap_or(DEFAULT_TTL) })
    }
}

fn parse_ttl(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text).map_err(|error| error.to_string())?;
    if duration <= LONGEST_TTL { Ok(duration) } else { Err("a value is used for 24h at most".to_owned()) }
}

/// Where the value of a secret is read when it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The keychain of whoever uses the profile: `"keychain"`.
    Keychain,
    /// A parameter of SSM Parameter Store: `{ ssm = "/x" }`.
    Ssm {
        /// The parameter's name or ARN.
        name: String,
    },
    /// A secret of Secrets Manager: `{ secretsmanager = "x", key = "k", version_stage = "AWSPREVIOUS" }`.
    SecretsManager {
        /// The secret's name or ARN.
        id: String,
        /// The key in it, if the secret is a JSON object of which one value is wanted.
        key: Option<String>,
        /// The version's staging label; the current one if there is none.
        version_stage: Option<String>,
    },
    /// A variable of the daemon's environment: `{ env = "NAME" }`.
    Environment {
        /// The variable's name.
        name: String,
    },
    /// What a program prints: `{ command = ["op", "read", "op://x"] }`.
    Command {
        /// The program and its arguments, passed on without a shell; never empty.
        argv: Vec<String>,
    },
    /// The content of a file: `{ file = "~/x" }`.
    File {
        /// The path as it was written.
        path: PathBuf,
    },
}

impl SecretSource {
    /// The source in words. Of a command only the program: people put keys into arguments.
    pub fn place(&self) -> String {
        match self {
            Self::Keychain => "keychain".to_owned(),
            Self::Ssm { name } => format!("ssm {name}"),
            Self::SecretsManager { id, .. } => format!("secretsmanager {id}"),
            Self::Environment { name } => format!("env {name}"),
            Self::Command { argv } => format!("command {}", argv.first().map_or("", String::as_str)),
            Self::File { path } => format!("file {}", path.display()),
        }
    }

    /// Whether it runs or reads something of this machine by a name that the catalog chooses: only the user's own
    /// catalog may, and no layer that others write.
    pub fn is_for_own_catalog_only(&self) -> bool {
        matches!(self, Self::Command { .. } | Self::File { .. })
    }

    /// Reads the source of one secret. No fault quotes what stands there: it may be the secret, put in the wrong
    /// place.
    pub(super) fn read(value: Value<'_>, findings: &mut Findings<'_>) -> Option<Self> {
        if let Some(word) = value.as_str() {
            return read_word(word, value, findings);
        }
        let Some(table) = value.as_table() else {
            value.mistyped(EXPECTED, None, findings);
            return None;
        };
        table.only(&[SOURCES.as_slice(), DETAILS.as_slice(), &[TTL]].concat(), findings);
        let mut sources: Vec<Value<'_>> = SOURCES.iter().filter_map(|key| table.get(key)).collect();
        sources.sort_by_key(|source| source.key_at());
        let Some(source) = sources.first().copied() else {
            // With an unknown key the fault of that key says enough: it was meant as the source.
            if table.entries().all(|entry| entry.key() == TTL || DETAILS.contains(&entry.key())) {
                let message = format!("secret {} has no source: expected {EXPECTED}", value.name());
                findings.add_missing(
                    value.at(),
                    message,
                    Some(format!("the sources are: {}", SOURCES.join(", "))),
                );
            }
            return None;
        };
        for extra in &sources[1..] {
            findings.add(
                extra.key_at(),
                format!("secret {} has a second source {}", value.name(), extra.name()),
                Some("a value comes from one place: keep one of them".to_owned()),
            );
        }
        read_source(source, table, findings)
    }
}

fn read_word(word: &str, value: Value<'_>, findings: &mut Findings<'_>) -> Option<SecretSource> {
    if word == "keychain" {
        return Some(SecretSource::Keychain);
    }
    value.wrong(
        format_args!("expected {EXPECTED}; the secret itself does not belong in this file"),
        did_you_mean(word, ["keychain"]),
        findings,
    );
    None
}

fn read_source(source: Value<'_>, table: Table<'_>, findings: &mut Findings<'_>) -> Option<SecretSource> {
    let [key, version_stage] = DETAILS.map(|detail| {
        let value = table.get(detail)?;
        if source.key() != "secretsmanager" {
            let message = format!("{} goes with secretsmanager, not with {}", value.name(), source.name());
            findings.add(value.key_at(), message, Some("remove it".to_owned()));
        }
        value.filled(findings).map(str::to_owned)
    });
    if source.key() == "command" {
        return Some(SecretSource::Command { argv: read_command(source, findings)? });
    }
    let text = source.filled(findings)?.to_owned();
    match source.key() {
        "ssm" => Some(SecretSource::Ssm { name: text }),
        "secretsmanager" => Some(SecretSource::SecretsManager { id: text, key, version_stage }),
        "env" if text.contains('=') => {
            source.wrong("the name of an environment variable has no =", None, findings);
            None
        }
        "env" => Some(SecretSource::Environment { name: text }),
        _ => Some(SecretSource::File { path: PathBuf::from(text) }),
    }
}

/// The program and its arguments. An argument may be empty, the program may not.
fn read_command(source: Value<'_>, findings: &mut Findings<'_>) -> Option<Vec<String>> {
    let Some(items) = source.as_array() else {
        let hint = "write each argument by itself, as in [\"op\", \"read\", \"op://vault/item\"]";
        source.mistyped("an array", Some(hint.to_owned()), findings);
        return None;
    };
    let Some((program, arguments)) = items.split_first() else {
        source.wrong("the command is empty", Some("name a program first".to_owned()), findings);
        return None;
    };
    let mut argv = vec![program.filled(findings).map(str::to_owned)];
    for argument in arguments {
        let text = argument.string(findings);
        if text.is_some_and(|text| text.contains('\0')) {
            argument.wrong("an argument cannot have a NUL character in it", None, findings);
        }
        argv.push(text.map(str::to_owned));
    }
    argv.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::catalog::Catalog;
    use crate::core::catalog::tests::errors;
    use crate::core::name::{ProfileName, SecretName};
    use std::path::Path;

    #[test]
    fn reads_each_form() {
        let owned = str::to_owned;
        for (text, expected) in [
            ("\"keychain\"", SecretSource::Keychain),
            ("{ ssm = \"/x\" }", SecretSource::Ssm { name: owned("/x") }),
            (
                "{ secretsmanager = \"x\" }",
                SecretSource::SecretsManager { id: owned("x"), key: None, version_stage: None },
            ),
            (
                "{ secretsmanager = \"x\", key = \"k\", version_stage = \"AWSPREVIOUS\" }",
                SecretSource::SecretsManager {
                    id: owned("x"),
                    key: Some(owned("k")),
                    version_stage: Some(owned("AWSPREVIOUS")),
                },
            ),
            ("{ env = \"N\" }", SecretSource::Environment { name: owned("N") }),
            ("{ command = [\"op\", \"\"] }", SecretSource::Command { argv: vec![owned("op"), owned("")] }),
            ("{ file = \"p\" }", SecretSource::File { path: PathBuf::from("p") }),
        ] {
            let catalog =
                Catalog::parse(Path::new("c"), &format!("[profiles.p.secrets]\nS = {text}\n")).unwrap();
            let secrets = &catalog.profiles[&ProfileName::parse("p").unwrap()].secrets;
            let secret = &secrets[&SecretName::parse("S").unwrap()];
            assert_eq!((&secret.source, secret.ttl), (&expected, DEFAULT_TTL));
        }
    }

    #[test]
    fn a_secret_may_say_how_long_its_value_is_used() {
        for (ttl, expected) in [("0s", 0), ("90s", 90), ("24h", 86_400)] {
            let text = format!("[profiles.p.secrets]\nS = {{ ssm = \"/x\", ttl = \"{ttl}\" }}\n");
            let catalog = Catalog::parse(Path::new("c"), &text).unwrap();
            let secrets = &catalog.profiles[&ProfileName::parse("p").unwrap()].secrets;
            assert_eq!(secrets[&SecretName::parse("S").unwrap()].ttl, Duration::from_secs(expected));
        }
    }

    #[test]
    fn names_each_fault_and_never_what_stands_there() {
        for (text, expected) in [
            (
                "\"marked\"",
                "2:5: `S`: expected \"keychain\" or a table such as { ssm = \"/name\" }; the secret \
                 itself does not belong \
                 in this file",
            ),
            (
                "\"keychian\"",
                "2:5: `S`: expected \"keychain\" or a table such as { ssm = \"/name\" }; the secret \
                 itself does not belong \
                 in this file (did you mean \"keychain\"?)",
            ),
            (
                "42",
                "2:5: `S`: expected \"keychain\" or a table such as { ssm = \"/name\" }, found an integer",
            ),
            (
                "{}",
                "2:5: secret `S` has no source: expected \"keychain\" or a table such as { ssm = \
                 \"/name\" } (the sources \
                 are: ssm, secretsmanager, env, command, file)",
            ),
            (
                "{ key = \"marked\" }",
                "2:5: secret `S` has no source: expected \"keychain\" or a table such as { ssm = \
                 \"/name\" } (the sources \
                 are: ssm, secretsmanager, env, command, file)",
            ),
            ("{ smm = \"marked\" }", "2:7: unknown key `smm` (did you mean \"ssm\"?)"),
            (
                "{ ssm = \"marked\", env = \"marked\", key = \"marked\" }",
                "2:23: secret `S` has a second source `env` (a value comes from one place: keep one of \
                 them)\n\
                 c.toml:2:39: `key` goes with secretsmanager, not with `ssm` (remove it)",
            ),
            ("{ ssm = \"/x\", ttl = \"25h\" }", "2:25: `ttl`: a value is used for 24h at most"),
            (
                "{ ttl = \"1h\" }",
                "2:5: secret `S` has no source: expected \"keychain\" or a table such as { ssm = \
                 \"/name\" } (the sources \
                 are: ssm, secretsmanager, env, command, file)",
            ),
            ("{ ssm = 1 }", "2:13: `ssm`: expected a string, found an integer"),
            ("{ file = \"\" }", "2:14: `file`: the text is empty"),
            (
                "{ file = \"\\u0000marked\" }",
                "2:14: `file`: the text has a control character or a line break in it",
            ),
            ("{ env = \"marked=\" }", "2:13: `env`: the name of an environment variable has no ="),
            ("{ secretsmanager = \"x\", key = \"\" }", "2:35: `key`: the text is empty"),
            (
                "{ command = \"op marked\" }",
                "2:17: `command`: expected an array, found a string (write each argument by itself, as \
                 in [\"op\", \
                 \"read\", \"op://vault/item\"])",
            ),
            ("{ command = [] }", "2:17: `command`: the command is empty (name a program first)"),
            (
                "{ command = [\"\", 1, \"a\\u0000\"] }",
                "2:18: `command`: the text is empty\n\
                 c.toml:2:22: `command`: expected a string, found an integer\n\
                 c.toml:2:25: `command`: an argument cannot have a NUL character in it",
            ),
        ] {
            assert_eq!(
                errors(&format!("[profiles.p.secrets]\nS = {text}\n")),
                format!("c.toml:{expected}"),
                "{text}"
            );
        }
    }
}
