//! The policies that look at serverless.yml.

use super::super::Example;
use super::judge;

#[test]
fn runtimes() {
    let base = "provider: {runtime: nodejs22.x}\nfunctions:\n  a: {handler: a.a}\n";
    let other = "provider: {runtime: nodejs22.x}\nfunctions:\n  a: {handler: a.a, runtime: python3.13}\n";
    let list = "provider: {runtime: nodejs22.x}\nfunctions:\n  - a: {handler: a.a, runtime: ruby3.4}\n  - b: {handler: b.b}\n";
    let image = "provider: {runtime: nodejs22.x}\nfunctions:\n  a: {image: x}\n";
    let unresolved = "provider: {runtime: nodejs22.x}\nfunctions:\n  a: {runtime: '${ssm:/x}'}\n";
    let not_in = |name: &str| {
        format!("Runtime of function {name} not in list of permitted runtimes: [\"nodejs22.x\"]")
    };
    for (config, serverless, expected) in [
        (r#"["nodejs22.x"]"#, base, "passed".to_owned()),
        (r#"["nodejs22.x"]"#, other, not_in("a")),
        (r#"["nodejs22.x"]"#, list, not_in("a")),
        (r#"["nodejs22.x"]"#, image, not_in("a")),
        (r#""^nodejs""#, base, "passed".to_owned()),
        (r#""^nodejs""#, other, "Runtime of function a not permitted by RegExp: \"^nodejs\"".to_owned()),
        // The original takes a text for a list and looks for the runtime in it.
        (
            r#""nodejs22.x python3.13""#,
            other,
            "Runtime of function a not permitted by RegExp: \"nodejs22.x python3.13\"".to_owned(),
        ),
        (r#"["nodejs22.x"]"#, "service: x\n", "passed".to_owned()),
        (r#"["nodejs22.x"]"#, "functions:\n  a: {handler: a.a}\n", not_in("a")),
    ] {
        assert_eq!(
            judge("allowed-runtimes", &Example { config, serverless, ..Example::DEFAULT }),
            expected,
            "{serverless}"
        );
    }
    let said = judge(
        "allowed-runtimes",
        &Example { config: r#"["x"]"#, serverless: unresolved, ..Example::DEFAULT },
    );
    assert!(said.starts_with("missing: functions.a.runtime cannot be told without packaging: "), "{said}");
}

#[test]
fn cfn_roles() {
    let missing = "no cfnRole set: provider.iam.deploymentRole is missing";
    for (serverless, expected) in [
        ("provider: {cfnRole: 'arn:aws:iam::111111111111:role/x'}\n", "passed"),
        ("provider: {iam: {deploymentRole: 'arn:aws:iam::111111111111:role/x'}}\n", "passed"),
        ("provider: {cfnRole: ''}\n", missing),
        ("provider: {iam: {deploymentRole: null}}\n", missing),
        ("provider: aws\n", missing),
        ("service: x\n", missing),
    ] {
        assert_eq!(
            judge("require-cfn-role", &Example { serverless, ..Example::DEFAULT }),
            expected,
            "{serverless}"
        );
    }
}

#[test]
fn stack_tags() {
    let config = r#"{ team = "^(web|data)$" }"#;
    for (serverless, expected) in [
        ("provider: {stackTags: {team: web, more: x}}\n", "passed"),
        (
            "provider: {stackTags: {team: webs}}\n",
            "Required stack tag team value webs does not match RegExp: ^(web|data)$",
        ),
        ("provider: {stackTags: {Team: web}}\n", "Required stack tag team not set"),
        (
            "provider: {stackTags: {team: ''}}\n",
            "Required stack tag team value  does not match RegExp: ^(web|data)$",
        ),
        (
            "provider: {stackTags: {team: {a: b}}}\n",
            "Required stack tag team value {\"a\":\"b\"} is an expression, which is not known before the deployment",
        ),
        ("provider: {name: aws}\n", "Required stack tag team not set"),
    ] {
        assert_eq!(
            judge("required-stack-tags", &Example { config, serverless, ..Example::DEFAULT }),
            expected,
            "{serverless}"
        );
    }
    let number = Example {
        config: r#"{ cost = "^47" }"#,
        serverless: "provider: {stackTags: {cost: 4711}}\n",
        ..Example::DEFAULT
    };
    assert_eq!(judge("required-stack-tags", &number), "passed");
}

#[test]
fn integrations() {
    for (event, passes) in [
        ("http: {path: /}", true),
        ("http: GET /", true),
        ("http: {integration: lambda-proxy}", true),
        ("http: {integration: AWS_PROXY}", true),
        ("http: {integration: aws-proxy}", true),
        ("http: {integration: lambda}", false),
        ("http: {integration: mock}", false),
        ("http: {integration: 3}", false),
        ("httpApi: '*'", true),
        ("sns: x", true),
    ] {
        let text = format!("functions:\n  a:\n    events:\n      - {event}\n");
        let said = judge(
            "forbid-lambda-apig-integration",
            &Example { serverless: Box::leak(text.into_boxed_str()), ..Example::DEFAULT },
        );
        assert_eq!(said == "passed", passes, "{event}: {said}");
    }
}
