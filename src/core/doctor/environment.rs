//! Variables of the environment that win over brokerd, or lead tools past it.

use super::{Area, Finding, Level, Topic, clients};
use crate::core::link_local;
use crate::core::pointers::{ENDPOINT_NAMES, REGION_NAMES};
use crate::core::shadow::{Cause, Shadow, Surroundings, shadows};

/// The area.
pub static AREA: Area = Area {
    name: "environment",
    topics: &[
        &KEYS,
        &STAGE_KEYS,
        &OLD_KEYS,
        &PROFILE,
        &WEB_IDENTITY,
        &CONTAINER,
        &DISABLED,
        &DISABLED_BY_FALSE,
        &ENDPOINT,
        &NO_SLASH,
        &OTHER_NAMES,
        &ROLE_NAME,
        &PROXY,
        &REGION,
    ],
};

macro_rules! topic {
    ($name:ident, $id:literal, $level:ident, $finds:literal, $why:literal, $fix:literal) => {
        static $name: Topic = Topic { id: $id, level: Level::$level, finds: $finds, why: $why, fix: $fix };
    };
}

topic!(
    KEYS,
    "env-keys",
    Problem,
    "AWS_ACCESS_KEY_ID is set",
    "every SDK takes keys from the environment before it asks anybody",
    "unset the keys"
);
topic!(
    STAGE_KEYS,
    "env-stage-keys",
    Problem,
    "AWS_STAGE_ACCESS_KEY_ID or AWS_STAGE_PROFILE of the stage here is set",
    "serverless and osls take them for that stage, whatever the project's role is",
    "unset them"
);
topic!(
    OLD_KEYS,
    "env-old-keys",
    Problem,
    "keys are set by an old name: AMAZON_ACCESS_KEY_ID, AWS_ACCESS_KEY",
    "some SDKs still read those",
    "unset them"
);
topic!(
    PROFILE,
    "env-profile",
    Problem,
    "AWS_PROFILE or AWS_DEFAULT_PROFILE is set",
    "the profile's credentials win; where there is no such profile, some tools stop",
    "unset it"
);
topic!(
    WEB_IDENTITY,
    "env-web-identity",
    Problem,
    "AWS_WEB_IDENTITY_TOKEN_FILE is set",
    "tools assume a role by that token instead",
    "unset it"
);
topic!(
    CONTAINER,
    "env-container",
    Problem,
    "a container endpoint is set",
    "tools ask that one instead; inside of brokerctl exec it is brokerd's own, and right",
    "unset it"
);
topic!(
    DISABLED,
    "env-metadata-disabled",
    Problem,
    "AWS_EC2_METADATA_DISABLED is set",
    "no tool asks a metadata service",
    "unset it"
);
topic!(
    DISABLED_BY_FALSE,
    "env-metadata-disabled-by-false",
    Warning,
    "AWS_EC2_METADATA_DISABLED is set to false",
    "version 2 of the JavaScript SDK takes any value for yes",
    "unset it"
);
topic!(
    ENDPOINT,
    "env-endpoint",
    Problem,
    "the variable of the endpoint is not set, or names another one",
    "tools ask 169.254.169.254, or that other endpoint",
    "eval \"$(brokerctl env)\""
);
topic!(
    NO_SLASH,
    "env-endpoint-without-slash",
    Note,
    "the endpoint is set without a slash at its end",
    "versions of the AWS CLI 2 before 2.28.3 put none between it and the path, and fail",
    "eval \"$(brokerctl env)\""
);
topic!(
    OTHER_NAMES,
    "env-other-endpoints",
    Note,
    "the endpoint's other names are not set, or name another one",
    "polars, deltalake, obstore and GDAL read names of their own",
    "eval \"$(brokerctl env)\""
);
topic!(
    ROLE_NAME,
    "env-role-name",
    Warning,
    "AWS_EC2_INSTANCE_PROFILE_NAME is set",
    "tools ask for that name only, and get 404 in every other project",
    "unset it"
);
topic!(
    PROXY,
    "proxy",
    Problem,
    "a proxy is set, and NO_PROXY does not exempt 127.0.0.1",
    "some SDKs send even requests for this machine to it, which brokerd refuses, since keys would pass through it",
    "export NO_PROXY with 127.0.0.1; not by --fix, since it belongs into your shell's files"
);
topic!(
    REGION,
    "region-unset",
    Note,
    "no variable names a region",
    "the AWS CLI 1 and boto3 take none from a metadata service",
    "eval \"$(brokerctl env)\", in the project"
);

/// Names that some SDKs still read keys by.
const OLD_NAMES: [&str; 2] = ["AMAZON_ACCESS_KEY_ID", "AWS_ACCESS_KEY"];

/// The environment of a process here; `stage` is that of the project here, `profiles` those of `~/.aws`.
pub fn judge(surroundings: &Surroundings<'_>, stage: Option<&str>, profiles: &[String]) -> Vec<Finding> {
    let variable = |name: &str| (surroundings.variable)(name).filter(|value| !value.is_empty());
    let mut found: Vec<Finding> =
        shadows(surroundings).iter().filter_map(|shadow| of_shadow(shadow, surroundings, profiles)).collect();
    if let Some(name) = variable("AWS_DEFAULT_PROFILE") {
        found.push(of_profile("AWS_DEFAULT_PROFILE", &name, profiles));
    }
    found.extend(stage.into_iter().flat_map(|stage| of_stage(stage, &variable)));
    found.extend(OLD_NAMES.iter().filter(|name| variable(name).is_some()).map(|name| {
        Finding::of(
            &OLD_KEYS,
            format!("{name} is set: an old name for keys, which win over the project's role"),
        )
        .affecting(clients::OLD_NAMES)
        .with_fix(format!("unset {name}"))
    }));
    if variable("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("false")) {
        found.push(
            Finding::of(
                &DISABLED_BY_FALSE,
                "AWS_EC2_METADATA_DISABLED is false, which some tools take for yes",
            )
            .affecting(clients::DISABLED_BY_ANY)
            .with_fix("unset AWS_EC2_METADATA_DISABLED"),
        );
    }
    if variable("AWS_EC2_INSTANCE_PROFILE_NAME").is_some() {
        found.push(
            Finding::of(
                &ROLE_NAME,
                "AWS_EC2_INSTANCE_PROFILE_NAME is set: tools ask for that role's name only",
            )
            .affecting(clients::ROLE_NAME)
            .with_fix("unset AWS_EC2_INSTANCE_PROFILE_NAME"),
        );
    }
    if variable(ENDPOINT_NAMES[0]).is_some_and(|url| !url.ends_with('/')) {
        found.push(
            Finding::of(&NO_SLASH, format!("{} has no slash at its end", ENDPOINT_NAMES[0]))
                .affecting(clients::NEED_SLASH)
                .with_fix(EVALUATE),
        );
    }
    found.extend(other_endpoints(surroundings.endpoints, &variable));
    if REGION_NAMES.iter().all(|name| variable(name).is_none()) {
        let sentence = format!("neither {} is set: some tools ask for a region", REGION_NAMES.join(" nor "));
        found.push(Finding::of(&REGION, sentence).affecting(clients::NO_REGION).with_fix(EVALUATE));
    }
    if found.iter().all(|finding| finding.level <= Level::Note) {
        found.insert(0, Finding::fine(&AREA, "no variable here leads AWS tools past brokerd"));
    }
    found
}

const EVALUATE: &str = "eval \"$(brokerctl env)\"";

fn of_shadow(shadow: &Shadow, surroundings: &Surroundings<'_>, profiles: &[String]) -> Option<Finding> {
    let value = |name: &str| (surroundings.variable)(name).unwrap_or_default();
    let (topic, affected) = match shadow.cause {
        // A profile's name is no secret, and whether it exists decides whom it stops.
        Cause::Variable("AWS_PROFILE") => {
            return Some(of_profile("AWS_PROFILE", &value("AWS_PROFILE"), profiles));
        }
        Cause::Variable(name @ "AWS_CONTAINER_CREDENTIALS_FULL_URI")
            if surroundings.endpoints.iter().any(|own| value(name).starts_with(own.as_str())) =>
        {
            let sentence =
                "this is inside of brokerctl exec, or uses a token of brokerd: tools get that token's stage";
            return Some(Finding::of(&CONTAINER, sentence).at_level(Level::Note).affecting(clients::ALL));
        }
        Cause::Variable("AWS_ACCESS_KEY_ID") => (&KEYS, clients::ALL),
        Cause::Variable("AWS_WEB_IDENTITY_TOKEN_FILE") => (&WEB_IDENTITY, clients::ALL),
        Cause::Variable(_) => (&CONTAINER, clients::ALL),
        Cause::Disabled => (&DISABLED, clients::ALL),
        Cause::Endpoint => (&ENDPOINT, clients::SDK_ENDPOINT),
        Cause::Proxy => (&PROXY, clients::PROXIED),
        // These have a file and a line.
        Cause::Default { .. } => return None,
    };
    let sentence = format!("{}: {}", shadow.what, shadow.effect);
    Some(Finding::of(topic, sentence).affecting(affected).with_fix(shadow.fix.as_str()))
}

fn of_profile(variable: &str, name: &str, profiles: &[String]) -> Finding {
    let (sentence, affected) = if profiles.iter().any(|profile| profile == name) {
        (format!("{variable} is {name}: where that profile has credentials, they win"), clients::FILE_READERS)
    } else {
        (
            format!("{variable} is {name}, and there is no such profile: some tools stop there"),
            clients::PROFILE_MUST_EXIST,
        )
    };
    Finding::of(&PROFILE, sentence).affecting(affected).with_fix(format!("unset {variable}"))
}

/// The variables by which the Serverless CLIs take credentials for one stage.
fn of_stage(stage: &str, variable: &dyn Fn(&str) -> Option<String>) -> Vec<Finding> {
    let stage = stage.to_uppercase();
    ["ACCESS_KEY_ID", "PROFILE"]
        .into_iter()
        .map(|end| format!("AWS_{stage}_{end}"))
        .filter(|name| variable(name).is_some())
        .map(|name| {
            Finding::of(&STAGE_KEYS, format!("{name} is set, and wins for this stage"))
                .affecting(clients::STAGE_VARIABLES)
                .with_fix(format!("unset {name}"))
        })
        .collect()
}

fn other_endpoints(endpoints: &[String], variable: &dyn Fn(&str) -> Option<String>) -> Option<Finding> {
    endpoints.first()?;
    let ours = |url: &str| endpoints.iter().any(|own| own.trim_end_matches('/') == url.trim_end_matches('/'));
    let missing: Vec<&str> = ENDPOINT_NAMES[1..]
        .iter()
        .copied()
        .filter(|name| !ours(variable(name).as_deref().unwrap_or(link_local::ENDPOINT)))
        .collect();
    (!missing.is_empty()).then(|| {
        let sentence = format!("{} does not lead to brokerd", missing.join(" and "));
        Finding::of(&OTHER_NAMES, sentence).affecting(clients::OTHER_ENDPOINTS).with_fix(EVALUATE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDPOINTS: [&str; 1] = ["http://127.0.0.1:9254/"];

    fn found(set: &[(&str, &str)]) -> Vec<Finding> {
        let variable = |name: &str| {
            let set = set.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
            let led = ENDPOINT_NAMES.contains(&name).then_some(ENDPOINTS[0]);
            set.or(led).or((name == "AWS_REGION").then_some("x")).map(str::to_owned)
        };
        let endpoints = ENDPOINTS.map(str::to_owned);
        let surroundings =
            Surroundings { variable: &variable, config: None, credentials: None, endpoints: &endpoints };
        judge(&surroundings, Some("prod"), &["work".to_owned()])
    }

    #[test]
    fn each_variable_that_wins_is_found_with_those_that_it_reaches() {
        let clean = found(&[]);
        assert_eq!(clean.iter().map(|finding| finding.id).collect::<Vec<_>>(), ["environment"]);
        for (name, value, id, level, affected) in [
            ("AWS_ACCESS_KEY_ID", "AKIA", "env-keys", Level::Problem, "every AWS SDK and tool"),
            ("AWS_PROD_ACCESS_KEY_ID", "AKIA", "env-stage-keys", Level::Problem, "serverless 3"),
            ("AWS_PROD_PROFILE", "x", "env-stage-keys", Level::Problem, "osls 3 and 4"),
            ("AMAZON_ACCESS_KEY_ID", "AKIA", "env-old-keys", Level::Problem, "JavaScript SDK 2"),
            ("AWS_PROFILE", "work", "env-profile", Level::Problem, "opendal"),
            ("AWS_PROFILE", "gone", "env-profile", Level::Problem, "boto3"),
            ("AWS_DEFAULT_PROFILE", "gone", "env-profile", Level::Problem, "boto3"),
            (
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                "/x",
                "env-web-identity",
                Level::Problem,
                "every AWS SDK and tool",
            ),
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "http://h/",
                "env-container",
                Level::Problem,
                "every AWS SDK and tool",
            ),
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "http://127.0.0.1:9254/container/a/b",
                "env-container",
                Level::Note,
                "every AWS SDK and tool",
            ),
            (
                "AWS_EC2_METADATA_DISABLED",
                "true",
                "env-metadata-disabled",
                Level::Problem,
                "every AWS SDK and tool",
            ),
            (
                "AWS_EC2_METADATA_DISABLED",
                "false",
                "env-metadata-disabled-by-false",
                Level::Warning,
                "JavaScript SDK 2",
            ),
            (
                "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                "http://127.0.0.1:1/",
                "env-endpoint",
                Level::Problem,
                "Terraform",
            ),
            (
                "AWS_EC2_METADATA_SERVICE_ENDPOINT",
                "http://127.0.0.1:9254",
                "env-endpoint-without-slash",
                Level::Note,
                "AWS CLI 2 before 2.28.3",
            ),
            ("AWS_METADATA_ENDPOINT", "", "env-other-endpoints", Level::Note, "GDAL"),
            ("AWS_EC2_INSTANCE_PROFILE_NAME", "x", "env-role-name", Level::Warning, "JavaScript SDK 3"),
            ("http_proxy", "http://proxy:1", "proxy", Level::Problem, "Rust SDK"),
            ("AWS_REGION", "", "region-unset", Level::Note, "boto3"),
        ] {
            let found = found(&[(name, value)]);
            let finding = found.last().unwrap();
            assert_eq!((finding.id, finding.level), (id, level), "{name}={value}");
            assert!(finding.affects.contains(&affected), "{name}={value}: {:?}", finding.affects);
        }
        let said =
            format!("{:?}", found(&[("AWS_ACCESS_KEY_ID", "marked"), ("http_proxy", "http://u:marked@h")]));
        assert!(!said.contains("marked"), "{said}");
    }
}
