//! What is answered: the documents of `GetSecretValue` and `GetParameter`, and errors as the agent words them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::core::issue::IssueError;
use crate::core::moment::Timestamp;
use crate::core::name::{Region, RoleArn};
use crate::core::refusal::{Refusal, RefusalClass};
use crate::core::secret::{Content, Origin, SecretError, SecretFailure};

/// A value that is to be shown, and what it is called.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The value.
    pub content: &'a Content,
    /// Its name in the profile; `None` where AWS's own name was asked for, whose document is AWS's.
    pub name: Option<&'a str>,
    /// The role of the profile, whose account it is.
    pub role: &'a RoleArn,
    /// The region, where one is named.
    pub region: Option<&'a Region>,
    /// When it was read.
    pub read: Timestamp,
}

impl Shown<'_> {
    /// An ARN for a value that AWS does not know: its service is none of AWS's.
    fn own_arn(&self) -> String {
        let region = self.region.map_or("", Region::as_str);
        let name = self.name.unwrap_or_default();
        format!("arn:{}:brokerd:{region}:{}:secret:{name}", self.role.partition(), self.role.account())
    }
}

/// `GetSecretValue`'s answer, as the agent writes it: `CreatedDate` is a text with seconds.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SecretDocument<'a> {
    #[serde(rename = "ARN")]
    arn: String,
    name: &'a str,
    version_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_string: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret_binary: Option<Zeroizing<String>>,
    version_stages: Vec<&'a str>,
    created_date: String,
}

/// The document for a secret.
pub fn secret(shown: &Shown<'_>) -> Zeroizing<String> {
    let content = shown.content;
    let text = content.text().ok();
    let read = Some(shown.read.0.saturating_mul(1000));
    let (arn, name, version_id, stages, created, is_binary) = match content.origin() {
        Origin::SecretsManager { arn, name, version_id, stages, created, is_binary } => {
            let stages = stages.iter().map(String::as_str).collect();
            (arn.clone(), shown.name.unwrap_or(name), version_id.clone(), stages, *created, *is_binary)
        }
        Origin::Ssm { arn, name, version, modified, .. } => {
            let version = format!("{version:0>32}");
            (arn.clone(), shown.name.unwrap_or(name), version, vec!["AWSCURRENT"], *modified, false)
        }
        // Each time that it is read is a version of its own: nobody knows of another.
        Origin::Here => {
            let version = format!("{:0>32}", shown.read.0);
            (
                shown.own_arn(),
                shown.name.unwrap_or_default(),
                version,
                vec!["AWSCURRENT"],
                read,
                text.is_none(),
            )
        }
    };
    written(
        &SecretDocument {
            arn,
            name,
            version_id,
            secret_string: text.filter(|_| !is_binary),
            secret_binary: is_binary.then(|| Zeroizing::new(STANDARD.encode(content.reveal()))),
            version_stages: stages,
            created_date: seconds(created.or(read).unwrap_or_default()),
        },
        content,
    )
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<'a> {
    parameter: ParameterDocument<'a>,
    /// The extension is written with AWS's SDK for Go, which adds it.
    result_metadata: Empty,
}

#[derive(Serialize)]
struct Empty {}

/// `GetParameter`'s answer, as the extension writes it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ParameterDocument<'a> {
    #[serde(rename = "ARN")]
    arn: String,
    data_type: &'a str,
    last_modified_date: String,
    name: &'a str,
    selector: Option<&'a str>,
    source_result: Option<&'a str>,
    r#type: &'a str,
    value: &'a str,
    version: i64,
}

/// The document for a parameter; `None` for what is binary, which no parameter can be.
pub fn parameter(shown: &Shown<'_>) -> Option<Zeroizing<String>> {
    let content = shown.content;
    let value = content.text().ok()?;
    let read = shown.read.0.saturating_mul(1000);
    let document = match content.origin() {
        Origin::Ssm { arn, name, kind, version, selector, modified, data_type } => ParameterDocument {
            arn: arn.clone(),
            data_type: data_type.as_deref().unwrap_or("text"),
            last_modified_date: date(modified.unwrap_or(read)),
            name: shown.name.unwrap_or(name),
            selector: selector.as_deref(),
            source_result: None,
            r#type: kind,
            value,
            version: *version,
        },
        Origin::SecretsManager { arn, created, .. } => {
            own(shown, arn.clone(), created.unwrap_or(read), value)
        }
        Origin::Here => own(shown, shown.own_arn(), read, value),
    };
    Some(written(&Envelope { parameter: document, result_metadata: Empty {} }, content))
}

/// A value of another source as a parameter.
fn own<'a>(shown: &Shown<'a>, arn: String, modified: i64, value: &'a str) -> ParameterDocument<'a> {
    ParameterDocument {
        arn,
        data_type: "text",
        last_modified_date: date(modified),
        name: shown.name.unwrap_or_default(),
        selector: None,
        source_result: None,
        r#type: "SecureString",
        value,
        version: 1,
    }
}

/// A document with room for all of it: a buffer that grows would leave copies of the value behind.
fn written(document: &impl Serialize, content: &Content) -> Zeroizing<String> {
    // JSON writes a control character with six.
    let mut bytes = Zeroizing::new(Vec::with_capacity(6 * content.reveal().len() + 4096));
    // Writing to memory cannot fail, and none of these types has a form that JSON lacks.
    let _ = serde_json::to_writer(&mut *bytes, document);
    // It is UTF-8 by its making; moving the bytes makes no copy.
    Zeroizing::new(String::from_utf8(std::mem::take(&mut *bytes)).unwrap_or_default())
}

/// Milliseconds as seconds, as the agent writes them: `1569534789.046`.
fn seconds(milliseconds: i64) -> String {
    let fraction = format!("{:03}", milliseconds.rem_euclid(1000));
    let fraction = fraction.trim_end_matches('0');
    let whole = milliseconds.div_euclid(1000);
    if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") }
}

/// Milliseconds as RFC 3339, as Go writes a time: `2023-10-04T15:01:02.123Z`.
fn date(milliseconds: i64) -> String {
    let whole = Timestamp(milliseconds.div_euclid(1000)).to_string();
    let fraction = format!("{:03}", milliseconds.rem_euclid(1000));
    match fraction.trim_end_matches('0') {
        "" => whole,
        fraction => format!("{}.{fraction}Z", whole.trim_end_matches('Z')),
    }
}

/// A status and a text for what is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: String,
}

impl Fault {
    /// One of the interface itself, in words.
    pub fn plain(status: StatusCode, text: &str) -> Self {
        Self { status, body: text.to_owned() }
    }

    /// One of AWS or of what stands for it: `{"__type": …, "message": …}`.
    pub fn typed(status: StatusCode, code: &str, message: &str) -> Self {
        Self { status, body: serde_json::json!({ "__type": code, "message": message }).to_string() }
    }

    /// The answer to a refusal. Network errors and timeouts are those of the agent.
    pub fn of(refusal: &Refusal) -> Self {
        let said = refusal.to_string();
        let typed = |status, code| Self::typed(status, code, &said);
        let Refusal::Secret { why } = refusal else {
            return match refusal.class() {
                RefusalClass::Later => typed(StatusCode::SERVICE_UNAVAILABLE, "NotReady"),
                RefusalClass::NoProject | RefusalClass::Denied => {
                    typed(StatusCode::FORBIDDEN, "AccessDeniedException")
                }
            };
        };
        let failure = match &**why {
            SecretError::NotListed { .. } => return typed(StatusCode::NOT_FOUND, "AccessDeniedException"),
            SecretError::Source { why, .. } => &**why,
        };
        match failure {
            SecretFailure::Refused { code, .. } => Self::typed(StatusCode::BAD_REQUEST, code, &said),
            SecretFailure::Missing { .. } | SecretFailure::Content { .. } => {
                typed(StatusCode::BAD_REQUEST, "ResourceNotFoundException")
            }
            SecretFailure::Throttled { .. } => typed(StatusCode::BAD_REQUEST, "ThrottlingException"),
            SecretFailure::Network { .. } | SecretFailure::Session { why: IssueError::Network { .. } } => {
                typed(StatusCode::BAD_GATEWAY, "ConnectionError")
            }
            SecretFailure::Pending | SecretFailure::Session { why: IssueError::Pending } => {
                typed(StatusCode::GATEWAY_TIMEOUT, "TimeoutError")
            }
            SecretFailure::Session { why } if !why.is_temporary() => {
                typed(StatusCode::FORBIDDEN, "AccessDeniedException")
            }
            SecretFailure::Session { .. } | SecretFailure::Local { .. } => {
                typed(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::core::name::ProfileName;

    fn content(bytes: &[u8], origin: Origin) -> Content {
        Content::new(Zeroizing::new(bytes.to_vec()), origin).unwrap()
    }

    fn of_manager(is_binary: bool) -> Origin {
        Origin::SecretsManager {
            arn: "arn:aws:secretsmanager:us-west-2:123456789012:secret:MyTest-NhBWsc".into(),
            name: "MyTest".into(),
            version_id: "5767290c-d089-49ed-b97c-17086f8c9d79".into(),
            stages: vec!["AWSCURRENT".into()],
            created: Some(1_569_534_789_046),
            is_binary,
        }
    }

    fn shown<'a>(content: &'a Content, name: Option<&'a str>, role: &'a RoleArn) -> Shown<'a> {
        Shown { content, name, role, region: None, read: Timestamp(1000) }
    }

    /// The agent's own expectations (`cache_manager.rs`, `server.rs`, its tests).
    #[test]
    fn a_secret_is_answered_as_the_agent_does() {
        let role = RoleArn::parse("arn:aws:iam::111111111111:role/dev").unwrap();
        let text = content(b"hunter2", of_manager(false));
        let body = secret(&shown(&text, None, &role));
        assert_eq!(
            body.as_str(),
            "{\"ARN\":\"arn:aws:secretsmanager:us-west-2:123456789012:secret:MyTest-NhBWsc\",\"Name\":\"MyTest\",\
             \"VersionId\":\"5767290c-d089-49ed-b97c-17086f8c9d79\",\"SecretString\":\"hunter2\",\
             \"VersionStages\":[\"AWSCURRENT\"],\"CreatedDate\":\"1569534789.046\"}"
        );
        let binary = content(b"\x00\xff", of_manager(true));
        let body: Value = serde_json::from_str(&secret(&shown(&binary, Some("BLOB"), &role))).unwrap();
        assert_eq!((&body["SecretBinary"], &body["Name"]), (&json!("AP8="), &json!("BLOB")));
        assert_eq!(body.get("SecretString"), None);
        let here = content(b"v", Origin::Here);
        let body: Value = serde_json::from_str(&secret(&shown(&here, Some("KEY"), &role))).unwrap();
        assert_eq!(
            body,
            json!({
                "ARN": "arn:aws:brokerd::111111111111:secret:KEY", "Name": "KEY",
                "VersionId": "00000000000000000000000000001000", "SecretString": "v",
                "VersionStages": ["AWSCURRENT"], "CreatedDate": "1000",
            })
        );
    }

    #[test]
    fn a_parameter_is_answered_as_the_extension_does() {
        let role = RoleArn::parse("arn:aws:iam::111111111111:role/dev").unwrap();
        let origin = Origin::Ssm {
            arn: "arn:aws:ssm:us-east-2:123456789012:parameter/MyParameter".into(),
            name: "MyParameter".into(),
            kind: "SecureString".into(),
            version: 2,
            selector: None,
            modified: Some(1_696_431_662_500),
            data_type: Some("text".into()),
        };
        let found = content(b"hunter2", origin);
        let body: Value = serde_json::from_str(&parameter(&shown(&found, None, &role)).unwrap()).unwrap();
        assert_eq!(
            body,
            json!({
                "Parameter": {
                    "ARN": "arn:aws:ssm:us-east-2:123456789012:parameter/MyParameter", "DataType": "text",
                    "LastModifiedDate": "2023-10-04T15:01:02.5Z", "Name": "MyParameter", "Selector": null,
                    "SourceResult": null, "Type": "SecureString", "Value": "hunter2", "Version": 2,
                },
                "ResultMetadata": {},
            })
        );
        assert!(parameter(&shown(&content(b"\xff", Origin::Here), Some("B"), &role)).is_none());
        let here = content(b"v", Origin::Here);
        let body: Value = serde_json::from_str(&parameter(&shown(&here, Some("K"), &role)).unwrap()).unwrap();
        assert_eq!((&body["Parameter"]["Name"], &body["Parameter"]["Value"]), (&json!("K"), &json!("v")));
    }

    #[test]
    fn each_failure_has_the_agents_status_and_shape() {
        let source =
            |why| SecretError::Source { name: "K".into(), place: "ssm /k".into(), why: Box::new(why) };
        let network = || SecretFailure::Network { why: "x".into() };
        let refused = |code: &str| SecretFailure::Refused { code: code.into(), why: "no".into() };
        let profile = ProfileName::parse("dev").unwrap();
        for (error, status, code) in [
            (
                SecretError::NotListed { profile, asked: "x".into(), nearest: None },
                404,
                "AccessDeniedException",
            ),
            (source(refused("AccessDeniedException")), 400, "AccessDeniedException"),
            (
                source(SecretFailure::Missing { why: "x".into(), remedy: None }),
                400,
                "ResourceNotFoundException",
            ),
            (source(SecretFailure::Throttled { why: "x".into() }), 400, "ThrottlingException"),
            (source(network()), 502, "ConnectionError"),
            (source(SecretFailure::Pending), 504, "TimeoutError"),
            (source(SecretFailure::Local { why: "x".into(), remedy: None }), 500, "InternalFailure"),
        ] {
            let fault = Fault::of(&Refusal::from(error));
            let body: Value = serde_json::from_str(&fault.body).unwrap();
            assert_eq!((fault.status.as_u16(), &body["__type"]), (status, &json!(code)));
        }
        let fault = Fault::of(&Refusal::NoProject { directory: "/".into(), stopped_at: "/".into() });
        assert_eq!(fault.status.as_u16(), 403);
    }
}
