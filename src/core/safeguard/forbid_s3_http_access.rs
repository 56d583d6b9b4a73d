//! `forbid-s3-http-access`: buckets are reached over TLS only.

use std::sync::Arc;

use serde_json::Value as Json;

use super::config::{Config, ConfigFaults};
use super::expression::{alternatives, reference, text};
use super::policy::{Example, Judge, Policy};
use super::violation::{Judgement, Violation};
use super::{Need, Service};

pub(super) static POLICY: Policy = Policy {
    id: "forbid-s3-http-access",
    summary: "Each bucket has a policy that denies requests without TLS.",
    inspects: "Each AWS::S3::Bucket of the compiled template: some AWS::S3::BucketPolicy of it has a statement that denies everybody s3:* on BUCKET/* where aws:SecureTransport is false, without a further condition.",
    config: "None.",
    need: Need::Package,
    passing: Example {
        template: r#"{"Files":{"Type":"AWS::S3::Bucket","Properties":{}},"FilesPolicy":{"Type":"AWS::S3::BucketPolicy","Properties":{"Bucket":{"Ref":"Files"},"PolicyDocument":{"Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":{"Fn::Sub":"arn:aws:s3:::${Files}/*"},"Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}}}}"#,
        ..Example::DEFAULT
    },
    failing: Example {
        template: r#"{"Files":{"Type":"AWS::S3::Bucket","Properties":{}}}"#,
        ..Example::DEFAULT
    },
    differences: &[
        "A bucket with such a policy passes. In the original none ever does: it looks for the document and the bucket's name where a template does not have them.",
        "Any statement counts, and each form of the bucket's ARN (Ref, GetAtt, Fn::Join, Fn::Sub, a list); the documentation speaks of the first statement and of one form.",
    ],
    session: None,
    issue: None,
    read,
};

#[derive(Debug)]
struct ForbidHttp;

fn read(config: &Config<'_>) -> Result<Arc<dyn Judge>, ConfigFaults> {
    config.none()?;
    Ok(Arc::new(ForbidHttp))
}

/// A bucket of the template: its logical id, and its name if one is written.
struct Bucket<'a> {
    id: &'a str,
    name: Option<&'a Json>,
}

impl Bucket<'_> {
    fn is_named_by(&self, value: &Json) -> bool {
        reference(value).is_some_and(|target| target == self.id)
            || self
                .name
                .is_some_and(|name| name == value || (text(name).is_some() && text(name) == text(value)))
            || text(value).is_some_and(|text| text == format!("${{{}}}", self.id))
    }

    /// Whether a resource of a statement is everything in the bucket.
    fn is_covered_by(&self, resource: &Json) -> bool {
        let Some(resource) = text(resource) else { return false };
        let Some(bucket) = resource.strip_suffix("/*") else { return resource == "*" };
        let name = self.name.and_then(text);
        let own = [Some(format!("${{{}}}", self.id)), name];
        bucket == format!("${{{}.Arn}}", self.id)
            || bucket.split_once(":s3:::").is_some_and(|(before, named)| {
                before.starts_with("arn:") && own.iter().flatten().any(|own| own == named)
            })
    }
}

fn is_everybody(principal: &Json) -> bool {
    principal == "*"
        || principal.get("AWS").is_some_and(|who| alternatives(who).iter().any(|who| **who == "*"))
}

/// Whether a condition is that of a request without TLS, and nothing else that would narrow it.
fn is_without_tls(condition: &Json) -> bool {
    let is_false =
        |value: &Json| *value == "false" || *value == false || *value == serde_json::json!(["false"]);
    let only = |value: &Json| value.as_object().is_some_and(|map| map.len() == 1);
    only(condition)
        && ["Bool", "BoolIfExists"].iter().filter_map(|operator| condition.get(operator)).any(|test| {
            let key = |name: &str| name.eq_ignore_ascii_case("aws:SecureTransport");
            only(test) && test.as_object().is_some_and(|map| map.iter().all(|(k, v)| key(k) && is_false(v)))
        })
}

fn denies_http(statement: &Json, bucket: &Bucket<'_>) -> bool {
    let of = |key: &str| statement.get(key).map(alternatives).unwrap_or_default();
    statement.get("Effect").is_some_and(|effect| effect == "Deny")
        && statement.get("Principal").is_some_and(is_everybody)
        && of("Action").iter().any(|action| **action == "s3:*" || **action == "*")
        && of("Resource").iter().any(|resource| bucket.is_covered_by(resource))
        && statement.get("Condition").is_some_and(is_without_tls)
}

impl Judge for ForbidHttp {
    fn check(&self, service: &Service<'_>) -> Judgement {
        let policies: Vec<&Json> =
            service.resources_of("AWS::S3::BucketPolicy")?.map(|(_, properties)| properties).collect();
        let mut violations = Vec::new();
        for (id, properties) in service.resources_of("AWS::S3::Bucket")? {
            let bucket = Bucket { id, name: properties.get("BucketName") };
            let is_safe = policies.iter().any(|policy| {
                policy.get("Bucket").is_some_and(|named| bucket.is_named_by(named))
                    && policy
                        .pointer("/PolicyDocument/Statement")
                        .map(alternatives)
                        .is_some_and(|statements| statements.iter().any(|one| denies_http(one, &bucket)))
            });
            if !is_safe {
                let why =
                    format!("Bucket \"{id}\" doesn't have a BucketPolicy forbidding unsecure HTTP access.");
                violations.push(Violation::new(why).of(id));
            }
        }
        Ok(violations)
    }
}
