//! Entries of `~/.aws/config` and `~/.aws/credentials` that win over brokerd, or stop a tool.

use std::path::Path;

use super::{Area, Finding, Level, Topic, clients};
use crate::core::aws_sections::{AwsFile, Section, sections};

/// The area.
pub static AREA: Area = Area {
    name: "aws-files",
    topics: &[
        &DEFAULT_CREDENTIALS,
        &DEFAULT_STOPS_OSLS,
        &NAMED_PROCESS,
        &METADATA_ENDPOINT,
        &METADATA_MODE,
        &METADATA_NAME,
        &FIRST_KEY,
    ],
};

static DEFAULT_CREDENTIALS: Topic = Topic {
    id: "default-credentials",
    level: Level::Problem,
    finds: "a [default] section gives credentials",
    why: "they win over the project's role in every SDK that reads these files",
    fix: "rename the section, and name it with --profile where it is wanted",
};
static DEFAULT_STOPS_OSLS: Topic = Topic {
    id: "default-stops-osls",
    level: Level::Warning,
    finds: "a [default] section without credentials, even with a region only",
    why: "osls 4 says that profile default is not configured and never asks brokerd; other tools go on",
    fix: "AWS_DEFAULT_PROFILE=none osls …, for that command only, or variables such as AWS_REGION in place of the section",
};
static NAMED_PROCESS: Topic = Topic {
    id: "named-process",
    level: Level::Note,
    finds: "a named profile has credential_process and nothing else; a warning where AWS_PROFILE names it",
    why: "serverless 3 and osls 3 say that such a profile is not configured",
    fix: "use them without --aws-profile, by the endpoint, or start them by brokerctl exec",
};
static METADATA_ENDPOINT: Topic = Topic {
    id: "config-endpoint",
    level: Level::Problem,
    finds: "ec2_metadata_service_endpoint of the profile in use names another endpoint",
    why: "where the variable is not set, tools ask that one",
    fix: "take the key out, or set it to brokerd's endpoint",
};
static METADATA_MODE: Topic = Topic {
    id: "config-endpoint-mode",
    level: Level::Note,
    finds: "ec2_metadata_service_endpoint_mode is set",
    why: "it chooses between the addresses of EC2, and an endpoint that is named wins over it",
    fix: "nothing while the variable of the endpoint is set",
};
static METADATA_NAME: Topic = Topic {
    id: "config-role-name",
    level: Level::Warning,
    finds: "ec2_instance_profile_name of the profile in use is set",
    why: "tools ask for that name only, and get 404 in every other project",
    fix: "take the key out",
};
static FIRST_KEY: Topic = Topic {
    id: "polars-takes-first-key",
    level: Level::Note,
    finds: "~/.aws/credentials holds keys, of whatever profile",
    why: "polars takes the first of them before it asks a metadata service",
    fix: "brokerctl login --keys keeps keys in the keychain instead",
};

/// One of the two files, as it was read.
#[derive(Debug)]
pub struct AwsText<'t> {
    /// Which.
    pub file: AwsFile,
    /// Where it is.
    pub path: &'t Path,
    /// Its text.
    pub text: &'t str,
}

/// The files. `profile` is what `AWS_PROFILE` names, if it is set; `endpoints` are brokerd's.
pub fn judge(files: &[AwsText<'_>], profile: Option<&str>, endpoints: &[String]) -> Vec<Finding> {
    let mut found = Vec::new();
    for AwsText { file, path, text } in files {
        let sections = sections(text);
        for section in &sections {
            let Some(name) = section.profile(*file) else { continue };
            if name == "default" {
                found.push(of_default(section, path));
            } else if section.has_only_a_process() {
                found.push(of_process(section, name, profile, path));
            }
            if name == profile.unwrap_or("default") {
                found.extend(of_metadata(section, path, endpoints));
            }
        }
        let first = sections.iter().find_map(|section| section.line_of("aws_access_key_id"));
        if let Some(line) = first.filter(|_| *file == AwsFile::Credentials) {
            found.push(
                Finding::of(
                    &FIRST_KEY,
                    format!("{} holds keys, and polars takes the first of them", file.shown()),
                )
                .at(path, Some(line))
                .affecting(&["polars"])
                .with_fix("brokerctl login --keys"),
            );
        }
    }
    if found.iter().all(|finding| finding.level <= Level::Note) {
        found.insert(0, Finding::fine(&AREA, "nothing in ~/.aws wins over brokerd"));
    }
    found
}

fn of_default(section: &Section<'_>, path: &Path) -> Finding {
    let heading = &section.heading;
    let finding = if section.gives_credentials() {
        Finding::of(
            &DEFAULT_CREDENTIALS,
            format!("[{heading}] gives credentials, which win over the project's role"),
        )
        .affecting(clients::FILE_READERS)
        .with_fix("rename that section, and name it with --profile where it is wanted")
    } else {
        Finding::of(
            &DEFAULT_STOPS_OSLS,
            format!("[{heading}] has no credentials: osls 4 stops at it, others go on"),
        )
        .affecting(clients::STOPPED_BY_DEFAULT)
        .with_fix("AWS_DEFAULT_PROFILE=none osls …, or move its settings to variables such as AWS_REGION")
    };
    finding.at(path, Some(section.line))
}

fn of_process(section: &Section<'_>, name: &str, profile: Option<&str>, path: &Path) -> Finding {
    let level = if profile == Some(name) { Level::Warning } else { Level::Note };
    Finding::of(
        &NAMED_PROCESS,
        format!("profile {name} has credential_process only, which some tools refuse"),
    )
    .at_level(level)
    .at(path, section.line_of("credential_process"))
    .affecting(clients::NO_PROCESS)
    .with_fix("leave --aws-profile out in the project, or brokerctl exec -- serverless …")
}

fn of_metadata(section: &Section<'_>, path: &Path, endpoints: &[String]) -> Vec<Finding> {
    let ours = |url: &str| endpoints.iter().any(|own| own.trim_end_matches('/') == url.trim_end_matches('/'));
    let mut found = Vec::new();
    let endpoint = section.get("ec2_metadata_service_endpoint").filter(|url| !ours(url));
    if endpoint.is_some() && !endpoints.is_empty() {
        found.push(
            Finding::of(&METADATA_ENDPOINT, format!("[{}] names another metadata endpoint", section.heading))
                .at(path, section.line_of("ec2_metadata_service_endpoint"))
                .affecting(clients::CONFIG_ENDPOINT)
                .with_fix(format!("ec2_metadata_service_endpoint = {}", endpoints[0])),
        );
    }
    for (key, topic, affected) in [
        ("ec2_metadata_service_endpoint_mode", &METADATA_MODE, clients::CONFIG_ENDPOINT),
        ("ec2_instance_profile_name", &METADATA_NAME, clients::ROLE_NAME),
    ] {
        if section.get(key).is_some() {
            found.push(
                Finding::of(topic, format!("[{}] sets {key}", section.heading))
                    .at(path, section.line_of(key))
                    .affecting(affected)
                    .with_fix("take the key out"),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: AwsFile, text: &str, profile: Option<&str>) -> Vec<(&'static str, Level, String)> {
        let endpoints = ["http://127.0.0.1:9254/".to_owned()];
        let files = [AwsText { file, path: Path::new("/f"), text }];
        let found = judge(&files, profile, &endpoints).into_iter();
        found.map(|finding| (finding.id, finding.level, finding.place.unwrap_or_default())).collect()
    }

    #[test]
    fn each_entry_is_found_at_its_line() {
        use AwsFile::{Config, Credentials};
        let fine = || ("aws-files", Level::Ok, String::new());
        for (file, text, profile, expected) in [
            (Config, "[profile work]\nrole_arn = x\n", None, vec![fine()]),
            (
                Config,
                "\n[default]\nregion = x\n",
                None,
                vec![("default-stops-osls", Level::Warning, "/f:2".to_owned())],
            ),
            (
                Config,
                "[profile default]\nsso_session = x\n",
                None,
                vec![("default-credentials", Level::Problem, "/f:1".into())],
            ),
            (
                Credentials,
                "[default]\naws_access_key_id = x\n",
                None,
                vec![
                    ("default-credentials", Level::Problem, "/f:1".into()),
                    ("polars-takes-first-key", Level::Note, "/f:2".into()),
                ],
            ),
            (
                Config,
                "[profile a]\ncredential_process = x\n",
                None,
                vec![fine(), ("named-process", Level::Note, "/f:2".into())],
            ),
            (
                Config,
                "[profile a]\ncredential_process = x\n",
                Some("a"),
                vec![("named-process", Level::Warning, "/f:2".into())],
            ),
            (
                Config,
                "[profile a]\nec2_metadata_service_endpoint = http://h/\nec2_instance_profile_name = n\n\
                 ec2_metadata_service_endpoint_mode = IPv6\n",
                Some("a"),
                vec![
                    ("config-endpoint", Level::Problem, "/f:2".into()),
                    ("config-endpoint-mode", Level::Note, "/f:4".into()),
                    ("config-role-name", Level::Warning, "/f:3".into()),
                ],
            ),
            (Config, "[profile a]\nec2_metadata_service_endpoint = http://h/\n", None, vec![fine()]),
            (
                Config,
                "[profile a]\nec2_metadata_service_endpoint = http://127.0.0.1:9254\n",
                Some("a"),
                vec![fine()],
            ),
        ] {
            assert_eq!(found(file, text, profile), expected, "{text}");
        }
    }
}
