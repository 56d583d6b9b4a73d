//! The policies that look at the compiled template.

use serde_json::{Value as Json, json};

use super::super::Example;
use super::judge;

fn said(id: &str, config: &'static str, serverless: &'static str, resources: &Json) -> String {
    let template = Box::leak(resources.to_string().into_boxed_str());
    judge(id, &Example { config, serverless, template, ..Example::DEFAULT })
}

fn function(properties: &Json) -> Json {
    json!({ "HelloLambdaFunction": { "Type": "AWS::Lambda::Function", "Properties": properties } })
}

fn role(statement: &Json) -> Json {
    json!({ "R": { "Type": "AWS::IAM::Role", "Properties": { "Policies": [{ "PolicyDocument": { "Statement": statement } }] } } })
}

#[test]
fn wildcards() {
    let ok = json!("arn:aws:s3:::shop/*");
    let one = |action: Json, resource: Json| {
        role(&json!([{ "Effect": "Allow", "Action": action, "Resource": resource }]))
    };
    let standalone = |kind: &str, action: &str| json!({ "P": { "Type": kind, "Properties": { "PolicyDocument": { "Statement": { "Effect": "Allow", "Action": action, "Resource": "arn:aws:s3:::x" } } } } });
    for (resources, fails) in [
        (one(json!(["s3:GetObject"]), ok.clone()), false),
        (one(json!("s3:Get*"), ok.clone()), false),
        (one(json!("s3:*"), ok.clone()), true),
        (one(json!(["s3:GetObject", "*"]), ok.clone()), true),
        (one(json!("s3:GetObject"), json!("*")), true),
        (one(json!("s3:GetObject"), json!([ok.clone(), "*"])), true),
        (one(json!("sns:Publish"), json!("arn:aws:*:us-east-1:111111111111:topic")), true),
        (one(json!("sns:Publish"), json!("arn:aws:sns:us-east-1:111111111111:*")), true),
        (one(json!("logs:PutLogEvents"), json!("arn:aws:logs:us-east-1:111111111111:log-group:*")), true),
        (
            one(
                json!("logs:PutLogEvents"),
                json!({ "Fn::Sub": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/lambda/x:*:*" }),
            ),
            false,
        ),
        (
            one(
                json!("logs:PutLogEvents"),
                json!({ "Fn::Sub": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:*" }),
            ),
            true,
        ),
        (
            one(json!("s3:GetObject"), json!({ "Fn::Join": ["", ["arn:aws:s3:::", { "Ref": "B" }, "/*"]] })),
            false,
        ),
        (
            one(json!("s3:GetObject"), json!({ "Fn::Join": [":", ["arn", "aws", "sns", "r", "a", "*"]] })),
            true,
        ),
        (one(json!("s3:GetObject"), json!({ "Fn::GetAtt": ["B", "Arn"] })), false),
        (one(json!("s3:GetObject"), json!({ "Fn::If": ["C", "arn:aws:s3:::x", "*"] })), true),
        (role(&json!({ "Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::x" })), true),
        (role(&json!([{ "Effect": "Deny", "Action": "*", "Resource": "*" }])), false),
        (role(&json!([{ "Effect": "Allow", "NotAction": "iam:*", "Resource": "arn:aws:s3:::x" }])), true),
        (
            role(&json!([{ "Effect": "Allow", "Action": "s3:GetObject", "NotResource": "arn:aws:s3:::x" }])),
            true,
        ),
        (
            role(
                &json!([{ "Fn::Transform": { "Name": "AWS::Include", "Parameters": { "Location": "s3://x" } } }]),
            ),
            true,
        ),
        (
            role(
                &json!([{ "Fn::If": ["C", { "Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::x" }, { "Ref": "AWS::NoValue" }] }]),
            ),
            true,
        ),
        (standalone("AWS::IAM::ManagedPolicy", "s3:*"), true),
        (standalone("AWS::IAM::Policy", "s3:*"), true),
        (standalone("AWS::IAM::RolePolicy", "s3:GetObject"), false),
        (standalone("AWS::S3::BucketPolicy", "s3:*"), false),
        (json!({ "R": { "Type": "AWS::IAM::Role" } }), false),
    ] {
        let said = said("no-wild-iam-role-statements", "", "", &resources);
        assert_eq!(said != "passed", fails, "{resources}: {said}");
    }
}

#[test]
fn secrets() {
    for (value, fails) in [
        (json!("AKIAEXAMPLEEXAMPLE01"), true),
        (json!("-----BEGIN RSA PRIVATE KEY-----\nx"), true),
        (json!("xoxb-1234567890-1234567890-abcdefghijkl"), true),
        (json!("postgres://shop:hunter22@db/shop \""), true),
        (json!("SKabcdefghijklmnopqrstuvwxyz012345"), true),
        (json!({ "Fn::Join": ["", ["AKIAEXAMPLE", "EXAMPLE01"]] }), true),
        (json!({ "Ref": "Table" }), false),
        (json!("{{resolve:ssm-secure:/x:1}}"), false),
        (json!("production"), false),
        (json!(42), false),
    ] {
        let resources = function(&json!({ "Environment": { "Variables": { "KEY": value } } }));
        let said = said("no-secret-env-vars", "", "functions: {hello: {handler: h.h}}\n", &resources);
        assert_eq!(said != "passed", fails, "{value}: {said}");
        assert!(!said.contains("AKIA") && !said.contains("hunter22"), "the value is not repeated");
    }
}

#[test]
fn queues() {
    let bare = json!({ "FunctionName": "s-dev-hello" });
    let with = json!({ "FunctionName": "s-dev-hello", "DeadLetterConfig": { "TargetArn": { "Ref": "Q" } } });
    let custom = json!({ "FunctionName": "s-dev-custom-resource-existing-s3" });
    for (properties, serverless, fails) in [
        (&bare, "functions: {hello: {handler: h.h}}\n", true),
        (&bare, "functions: {hello: {events: [{http: GET /}]}}\n", false),
        (&bare, "functions: {hello: {events: [{http: GET /}, {sns: t}]}}\n", true),
        (&bare, "functions: {hello: {events: [{schedule: rate(1 day)}]}}\n", false),
        (&bare, "functions: {hello: {events: [alexaSkill]}}\n", true),
        (&with, "functions: {hello: {events: [{sns: t}]}}\n", false),
        (&custom, "service: x\n", false),
        (&json!({}), "service: x\n", true),
    ] {
        let said = said("require-dlq", "", serverless, &function(properties));
        assert_eq!(said != "passed", fails, "{properties} {serverless}: {said}");
    }
}

#[test]
fn vpcs() {
    let vpc = |groups: Json, subnets: Json| json!({ "VpcConfig": { "SecurityGroupIds": groups, "SubnetIds": subnets } });
    let none = r#"Function "hello" doesn't satisfy global VPC requirement."#;
    for (properties, config, expected) in [
        (vpc(json!(["g"]), json!(["a", "b"])), "", "passed"),
        (
            vpc(json!(["g"]), json!(["a"])),
            "",
            r#"Function "hello" doesn't satisfy the global VPC requirement of at least 2 subnets."#,
        ),
        (vpc(json!(["g"]), json!(["a"])), "{ minNumSubnets = 1 }", "passed"),
        (
            vpc(json!(["g"]), json!(["a"])),
            "{}",
            r#"Function "hello" doesn't satisfy the global VPC requirement of at least 2 subnets."#,
        ),
        (vpc(json!([]), json!(["a", "b"])), "", none),
        (vpc(json!(["g"]), json!({ "Fn::Split": [",", { "Ref": "S" }] })), "", "passed"),
        (json!({}), "", none),
    ] {
        let said = said(
            "require-global-vpc",
            config,
            "functions: {hello: {handler: h.h}}\n",
            &function(&properties),
        );
        assert_eq!(said, expected, "{properties}");
    }
}

#[test]
fn names() {
    let named = |name: Json| function(&json!({ "FunctionName": name }));
    let file = "service: shop\nfunctions: {hello: {handler: h.h}}\n";
    for (config, name, fails) in [
        ("'${SERVICE}-${STAGE}-${FUNCTION}'", json!("shop-dev-hello"), false),
        ("'${SERVICE}-${STAGE}-${FUNCTION}'", json!("shop-dev-hello2"), true),
        (r"'${FUNCTION}\d+'", json!("hello12"), false),
        ("'a|hello'", json!("hello-x"), true),
        ("'.*'", json!({ "Fn::Sub": "x" }), true),
        ("'.*'", Json::Null, true),
    ] {
        let said = said("allowed-function-names", config, file, &named(name.clone()));
        assert_eq!(said != "passed", fails, "{config} {name}: {said}");
    }
    let said = said("allowed-function-names", "'${SERVICE}'", "functions: {}\n", &named(json!("x")));
    assert_eq!(said, "missing: the service has no name");
}

#[test]
fn descriptions() {
    for (text, config, expected) in [
        (json!("x".repeat(30)), "", "passed"),
        (json!("x".repeat(29)), "", r#"Description for function "hello" is too short"#),
        (json!("x".repeat(257)), "", r#"Description for function "hello" is too long"#),
        (json!("xx"), "{ minLength = 2, maxLength = 2 }", "passed"),
        (json!(""), "{ minLength = 0 }", r#"Function "hello" has no description"#),
        (Json::Null, "", r#"Function "hello" has no description"#),
        (json!({ "Ref": "X" }), "", r#"Description for function "hello" is an expression of unknown length"#),
    ] {
        let resources = function(&json!({ "Description": text }));
        let said = said("require-description", config, "functions: {hello: {handler: h.h}}\n", &resources);
        assert_eq!(said, expected, "{text}");
    }
}

#[test]
fn buckets() {
    let with = |bucket: Json, statement: Json, named: Json| {
        json!({
            "B": { "Type": "AWS::S3::Bucket", "Properties": bucket },
            "P": { "Type": "AWS::S3::BucketPolicy", "Properties": { "Bucket": named, "PolicyDocument": { "Statement": statement } } },
        })
    };
    let deny = |resource: Json, condition: Json| json!({ "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": resource, "Condition": condition });
    let http = json!({ "Bool": { "aws:SecureTransport": false } });
    let all = |resource: Json| deny(resource, http.clone());
    let reference = json!({ "Ref": "B" });
    let joined =
        |partition: Json| json!({ "Fn::Join": ["", ["arn:", partition, ":s3:::", reference, "/*"]] });
    let framework = json!([{ "Fn::Join": ["", ["arn:", { "Ref": "AWS::Partition" }, ":s3:::", { "Ref": "B" }, "/*"]] }, { "Fn::Join": ["", ["arn:", { "Ref": "AWS::Partition" }, ":s3:::", { "Ref": "B" }]] }]);
    let no = json!({});
    for (resources, passes) in [
        (with(no.clone(), json!([all(framework.clone())]), reference.clone()), true),
        (with(no.clone(), all(joined(json!("aws"))), reference.clone()), true),
        (
            with(
                no.clone(),
                json!([{ "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject" }, all(framework)]),
                reference.clone(),
            ),
            true,
        ),
        (with(no.clone(), json!([all(json!({ "Fn::Sub": "${B.Arn}/*" }))]), reference.clone()), true),
        (
            with(json!({ "BucketName": "shop" }), json!([all(json!("arn:aws:s3:::shop/*"))]), json!("shop")),
            true,
        ),
        (
            with(json!({ "BucketName": "shop" }), json!([all(json!("arn:aws:s3:::shop2/*"))]), json!("shop")),
            false,
        ),
        (with(no.clone(), json!([all(json!({ "Fn::GetAtt": ["B", "Arn"] }))]), reference.clone()), false),
        (with(no.clone(), json!([all(joined(json!("aws")))]), json!({ "Ref": "Other" })), false),
        (
            with(
                no.clone(),
                json!([deny(joined(json!("aws")), json!({ "Bool": { "aws:SecureTransport": "true" } }))]),
                reference.clone(),
            ),
            false,
        ),
        (
            with(
                no.clone(),
                json!([deny(
                    joined(json!("aws")),
                    json!({ "Bool": { "aws:SecureTransport": "false" }, "StringEquals": { "s3:prefix": "x" } })
                )]),
                reference.clone(),
            ),
            false,
        ),
        (
            with(
                no.clone(),
                json!([{ "Effect": "Deny", "Principal": { "AWS": "*" }, "Action": ["s3:*"], "Resource": joined(json!("aws")), "Condition": http }]),
                reference.clone(),
            ),
            true,
        ),
        (
            with(
                no,
                json!([{ "Effect": "Deny", "Principal": { "AWS": "111111111111" }, "Action": ["s3:*"], "Resource": joined(json!("aws")), "Condition": http }]),
                reference.clone(),
            ),
            false,
        ),
        (json!({}), true),
    ] {
        let said = said("forbid-s3-http-access", "", "", &resources);
        assert_eq!(said == "passed", passes, "{resources}: {said}");
    }
}
