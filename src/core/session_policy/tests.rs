use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::evaluator::{Request, allows};
use super::*;
use crate::core::safeguard::{Rule, policy};

/// The session policy of a profile with one safeguard in the session.
fn generated(id: &str, config: Option<Json>, written: Option<&str>, partition: Partition) -> Json {
    let rule = Rule::read(policy(id).unwrap(), config).unwrap();
    let text = with_denials(written, false, rule.statements(partition)).unwrap().unwrap();
    assert!(text.chars().count() <= LONGEST);
    serde_json::from_str(&text).unwrap()
}

fn request(action: &'static str, context: &[(&'static str, &'static str)]) -> Request {
    Request {
        action,
        resource: "arn:aws:x:::y",
        context: context.iter().copied().collect::<BTreeMap<_, _>>(),
    }
}

#[test]
fn other_regions_are_denied_and_global_services_are_not() {
    let regions = Some(json!(["eu-west-1", "eu-central-1"]));
    let in_region = |action, region| request(action, &[("aws:RequestedRegion", region)]);
    for partition in [Partition::Commercial, Partition::China, Partition::GovCloud, Partition::Other] {
        let policy = generated("allowed-regions", regions.clone(), None, partition);
        for (action, region, expected) in [
            ("lambda:CreateFunction", "eu-west-1", true),
            ("lambda:CreateFunction", "eu-central-1", true),
            ("lambda:CreateFunction", "us-east-1", false),
            ("cloudformation:CreateStack", "eu-west-2", false),
            ("s3:PutObject", "us-east-1", false),
            ("kms:Decrypt", "us-east-1", false),
            ("iam:CreateRole", "us-east-1", true),
            ("IAM:PassRole", "us-east-1", true),
            ("sts:GetCallerIdentity", "us-east-1", true),
            ("route53:ChangeResourceRecordSets", "us-east-1", true),
            ("account:GetContactInformation", "us-east-1", true),
            ("budgets:ViewBudget", "us-east-1", true),
            ("networkmanager:GetSites", "us-west-2", true),
            ("ec2:DescribeRegions", "us-east-1", true),
            ("ec2:RunInstances", "us-east-1", false),
            ("s3:ListAllMyBuckets", "us-east-1", true),
        ] {
            assert_eq!(
                allows(&policy, &in_region(action, region)),
                expected,
                "{partition:?} {action} {region}"
            );
        }
    }
    let commercial = generated("allowed-regions", regions.clone(), None, Partition::Commercial);
    let other = generated("allowed-regions", regions, None, Partition::GovCloud);
    for (action, region) in [
        ("cloudfront:CreateDistribution", "us-east-1"),
        ("chatbot:DescribeSlackWorkspaces", "us-west-2"),
        ("devicefarm:CreateProject", "us-west-2"),
    ] {
        let asked = in_region(action, region);
        assert!(allows(&commercial, &asked) && !allows(&other, &asked), "{action}");
    }
}

#[test]
fn a_stack_needs_a_service_role() {
    let policy = generated("require-cfn-role", None, None, Partition::Commercial);
    let with = [("cloudformation:RoleArn", "arn:aws:iam::111111111111:role/x")];
    let actions = [
        "CreateStack",
        "UpdateStack",
        "DeleteStack",
        "CreateChangeSet",
        "ContinueUpdateRollback",
        "RollbackStack",
    ];
    for action in actions {
        let action: &'static str = Box::leak(format!("cloudformation:{action}").into_boxed_str());
        assert!(!allows(&policy, &request(action, &[])), "{action}");
        assert!(allows(&policy, &request(action, &with)), "{action}");
    }
    assert!(allows(&policy, &request("cloudformation:DescribeStacks", &[])));
    assert!(allows(&policy, &request("lambda:UpdateFunctionCode", &[])));
}

#[test]
fn a_function_needs_a_vpc() {
    let policy = generated("require-global-vpc", None, None, Partition::Commercial);
    let with = [("lambda:VpcIds", "vpc-1")];
    assert!(!allows(&policy, &request("lambda:CreateFunction", &[])));
    assert!(allows(&policy, &request("lambda:CreateFunction", &with)));
    assert!(!allows(&policy, &request("lambda:UpdateFunctionConfiguration", &[])));
    assert!(allows(&policy, &request("lambda:UpdateFunctionCode", &[])));
}

#[test]
fn an_own_policy_is_narrowed_and_never_widened() {
    let own = r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    let policy = generated("allowed-regions", Some(json!(["eu-west-1"])), Some(own), Partition::Commercial);
    let at = |action, region| request(action, &[("aws:RequestedRegion", region)]);
    assert!(allows(&policy, &at("s3:PutObject", "eu-west-1")));
    assert!(!allows(&policy, &at("s3:PutObject", "us-east-1")));
    assert!(
        !allows(&policy, &at("lambda:InvokeFunction", "eu-west-1")),
        "no Allow of everything beside one's own"
    );
}

#[test]
fn what_cannot_be_added_is_an_error_and_never_dropped() {
    let denials = || vec![json!({ "Effect": "Deny", "Action": "*", "Resource": "*" })];
    assert_eq!(with_denials(Some("x"), true, Vec::new()), Ok(Some("x".to_owned())), "untouched");
    assert_eq!(with_denials(None, true, Vec::new()), Ok(None));
    assert_eq!(with_denials(None, true, denials()), Err(SessionPolicyError::OnlyManaged));
    assert_eq!(with_denials(Some("{}"), true, denials()), Err(SessionPolicyError::Malformed));
    assert_eq!(
        with_denials(Some(r#"{"Statement":"x"}"#), false, denials()),
        Err(SessionPolicyError::Malformed)
    );
    // Characters count, not bytes, and the limit itself is allowed.
    let empty = with_denials(Some(r#"{"Statement":[],"Id":""}"#), false, denials()).unwrap().unwrap();
    let sized = |more: usize| {
        let own = format!(r#"{{"Statement":[],"Id":"{}"}}"#, "ü".repeat(more));
        with_denials(Some(&own), false, denials()).map(|text| text.unwrap().chars().count())
    };
    let room = LONGEST - empty.chars().count();
    assert_eq!(sized(room), Ok(LONGEST));
    assert_eq!(sized(room + 1), Err(SessionPolicyError::TooLong(LONGEST + 1)));
}

#[test]
fn all_three_with_many_regions_fit() {
    let regions =
        json!(["us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-2"]);
    let rules =
        [("allowed-regions", Some(regions)), ("require-cfn-role", None), ("require-global-vpc", None)];
    let denials = rules.into_iter().flat_map(|(id, config)| {
        Rule::read(policy(id).unwrap(), config).unwrap().statements(Partition::Commercial)
    });
    let text = with_denials(None, false, denials.collect()).unwrap().unwrap();
    assert!(text.chars().count() < LONGEST, "{}", text.chars().count());
}
