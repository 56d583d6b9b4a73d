//! The policies that look at the context: stage, region, version, moment.

use serde_json::json;

use super::super::Example;
use super::{judge, rule};

#[test]
fn stages() {
    for (config, stage, expected) in [
        (r#"["dev", "prod"]"#, "dev", "passed"),
        (r#"["dev", "prod"]"#, "de", r#"Stage name "de" not in list of permitted names: ["dev","prod"]"#),
        (r#""dev""#, "my-dev-1", "passed"),
        (r#""^dev$""#, "dev2", r#"Stage name "dev2" not permitted by RegExp: "^dev$""#),
        (r#""^(?!prod)""#, "prod-eu", r#"Stage name "prod-eu" not permitted by RegExp: "^(?!prod)""#),
    ] {
        assert_eq!(
            judge("allowed-stages", &Example { config, stage, ..Example::DEFAULT }),
            expected,
            "{config}"
        );
    }
}

#[test]
fn regions() {
    let config = r#"["us-east-1", "eu-west-1"]"#;
    for (region, expected) in [
        ("eu-west-1", "passed"),
        ("eu-west-10", r#"Region "eu-west-10" not in list of permitted regions: ["us-east-1","eu-west-1"]"#),
    ] {
        assert_eq!(judge("allowed-regions", &Example { config, region, ..Example::DEFAULT }), expected);
    }
}

#[test]
fn framework_versions() {
    for (config, framework_version, passes) in [
        (r#"">=3 <5""#, "4.3.1", true),
        (r#""^4.4""#, "4.3.1", false),
        (r#""3.x || 4.x""#, "3.40.0", true),
        (r#"">=4.0.0""#, "4.0.0-beta.1", false),
        (r#""~4.3""#, "4.3.9", true),
        (r#""*""#, "2.0.0", true),
    ] {
        let said = judge("framework-version", &Example { config, framework_version, ..Example::DEFAULT });
        assert_eq!(said == "passed", passes, "{config} {framework_version}: {said}");
    }
    let said = judge("framework-version", &Example { config: r#""<4""#, ..Example::DEFAULT });
    assert!(
        said.starts_with("Serverless Framework version 4.3.1 does not satisfy version requirement: "),
        "{said}"
    );
}

#[test]
fn deploy_times() {
    let once = r#"{ time = "2026-03-06T18:00:00Z", duration = "PT90M" }"#;
    let weekends = r#"{ time = "2019-03-08T17:00:00Z", duration = "P2DT15H", interval = "P1W" }"#;
    let lenient = r#"{ time = "2026-03-06T00:00:00Z", duration = "P2D18H" }"#;
    let minutes = r#"{ time = "2026-03-06T00:00:00Z", duration = "P2D30M" }"#;
    let months = r#"{ time = "2026-03-06T00:00:00Z", duration = "P1M" }"#;
    let yearly = r#"{ time = 2016-12-24, duration = "P3D", interval = "P1Y" }"#;
    let month_end = r#"{ time = "2026-01-31T00:00:00Z", duration = "P1D", interval = "P1M" }"#;
    let summer = r#"{ time = "2026-03-01T09:00:00", duration = "PT1H", interval = "P1D" }"#;
    let two = r#"[{ time = "2026-01-01T00:00:00Z", duration = "P1D" }, { time = "2026-03-06T00:00:00Z", duration = "P1D" }]"#;
    for (config, now, blocked) in [
        (once, "2026-03-06T17:59:59Z[UTC]", false),
        (once, "2026-03-06T18:00:00Z[UTC]", true),
        (once, "2026-03-06T19:29:59Z[UTC]", true),
        (once, "2026-03-06T19:30:00Z[UTC]", false),
        (once, "2027-03-06T18:00:00Z[UTC]", false),
        (weekends, "2026-11-27T17:00:00Z[UTC]", true),
        (weekends, "2026-11-30T07:59:59Z[UTC]", true),
        (weekends, "2026-11-30T08:00:00Z[UTC]", false),
        (weekends, "2018-03-09T18:00:00Z[UTC]", false),
        (lenient, "2026-03-08T17:59:59Z[UTC]", true),
        (lenient, "2026-03-08T18:00:00Z[UTC]", false),
        (minutes, "2026-03-08T00:29:59Z[UTC]", true),
        (minutes, "2026-03-08T00:30:00Z[UTC]", false),
        (months, "2026-04-05T23:59:59Z[UTC]", true),
        (months, "2026-04-06T00:00:00Z[UTC]", false),
        (yearly, "2026-12-26T23:59:59Z[UTC]", true),
        (yearly, "2026-12-27T00:00:00Z[UTC]", false),
        // The last day of a month without a 31st.
        (month_end, "2026-02-28T12:00:00Z[UTC]", true),
        (month_end, "2026-02-27T12:00:00Z[UTC]", false),
        (month_end, "2026-03-31T12:00:00Z[UTC]", true),
        // Nine o'clock is nine o'clock on both sides of the change to summer time.
        (summer, "2026-07-01T07:30:00Z[Europe/Berlin]", true),
        (summer, "2026-03-02T08:30:00Z[Europe/Berlin]", true),
        (summer, "2026-07-01T08:30:00Z[Europe/Berlin]", false),
        (two, "2026-03-06T12:00:00Z[UTC]", true),
        (two, "2026-03-05T12:00:00Z[UTC]", false),
    ] {
        let said = judge("restricted-deploy-times", &Example { config, now, ..Example::DEFAULT });
        assert_eq!(said != "passed", blocked, "{config} at {now}: {said}");
    }
    let said = judge(
        "restricted-deploy-times",
        &Example { config: once, now: "2026-03-06T18:00:00Z[UTC]", ..Example::DEFAULT },
    );
    assert_eq!(said, "Deploying on 2026-03-06 is not allowed");
}

#[test]
fn a_config_that_is_wrong_is_refused_with_a_path() {
    for (id, config, expected) in [
        ("restricted-deploy-times", json!([]), "the list is empty: expected windows"),
        (
            "restricted-deploy-times",
            json!([{ "time": "junk", "duration": "P1D" }]),
            "0.time: not a date or time",
        ),
        (
            "restricted-deploy-times",
            json!({ "time": "2026-01-01", "duration": "junk" }),
            "duration: not a duration",
        ),
        (
            "restricted-deploy-times",
            json!({ "time": "2026-01-01", "duration": "P1D", "interval": "P0D" }),
            "interval: a duration has to be longer",
        ),
        ("restricted-deploy-times", json!({ "time": "2026-01-01", "duration": "-P1D" }), "duration: "),
        ("restricted-deploy-times", json!({ "when": 1 }), "when: unknown key `when`"),
        ("allowed-stages", json!(3), "expected a list of stages or a regular expression"),
        ("allowed-stages", json!("("), "not a regular expression: "),
        ("allowed-stages", json!(["dev", 1]), "1: expected a text"),
        ("framework-version", json!("not a range"), "not a range of versions"),
        ("allowed-function-names", json!("${SERVICE}-${STAG}"), "${STAG} stands for nothing"),
        ("required-stack-tags", json!({ "team": "[" }), "team: not a regular expression: "),
        ("required-stack-tags", json!({}), "the table has no tag"),
        (
            "require-description",
            json!({ "minLength": 9, "maxLength": 3 }),
            "minLength is more than maxLength",
        ),
        ("require-global-vpc", json!({ "minNumSubnets": -1 }), "minNumSubnets: expected a whole number"),
        ("require-dlq", json!(true), "the policy has no config"),
        ("javascript", json!(" "), "the text is empty"),
    ] {
        let why = rule(id, Some(config.clone())).unwrap_err();
        assert!(why.starts_with(expected), "{id} {config}: {why}");
    }
}
