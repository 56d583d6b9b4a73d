//! The container endpoint as a protocol: its path, its document, its errors (Amazon ECS developer guide, "Task IAM
//! role"; AWS SDKs and tools reference guide, "Container credential provider").

use zeroize::Zeroizing;

use super::credentials::SessionCredentials;
use super::imds;
use super::name::{App, RoleArn, Stage};

/// The first part of every path of this endpoint.
const FIRST: &str = "container";

/// What a path below `/container` asks for. Repeated slashes count as one and a trailing one as none, as in the rest
/// of the endpoint; nothing is decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContainerPath {
    /// `/container/<app>/<stage>`.
    Credentials(App, Stage),
    /// Anything else below it.
    Unknown,
}

/// Reads a path; `None` if it is not below `/container`.
pub fn path(path: &str) -> Option<ContainerPath> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    if parts.next() != Some(FIRST) {
        return None;
    }
    let (Some(app), Some(stage), None) = (parts.next(), parts.next(), parts.next()) else {
        return Some(ContainerPath::Unknown);
    };
    Some(match (App::parse(app), Stage::parse(stage)) {
        (Ok(app), Ok(stage)) => ContainerPath::Credentials(app, stage),
        _ => ContainerPath::Unknown,
    })
}

/// The URL for `AWS_CONTAINER_CREDENTIALS_FULL_URI`; `endpoint` is `http://address:port/`.
pub fn url(endpoint: &str, app: &App, stage: &Stage) -> String {
    format!("{}/{FIRST}/{app}/{stage}", endpoint.trim_end_matches('/'))
}

/// The credential document. `Code` is there for minio-js, `RoleArn` for s3fs-fuse, which tells by it that this is no
/// metadata service.
pub fn document(credentials: &SessionCredentials, role: &RoleArn) -> Zeroizing<String> {
    let secret = credentials.reveal();
    let expires = credentials.expires().to_string();
    Zeroizing::new(imds::object([
        ("Code", "Success"),
        ("AccessKeyId", credentials.access_key_id()),
        ("SecretAccessKey", secret.secret_access_key),
        ("Token", secret.session_token),
        ("Expiration", expires.as_str()),
        ("RoleArn", role.as_str()),
        ("AccountId", role.account()),
    ]))
}

/// An error: Go shows both texts to the person.
pub fn error(code: &str, message: &str) -> String {
    serde_json::json!({ "code": code, "message": message }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::moment::Timestamp;

    #[test]
    fn a_path_names_one_application_and_stage() {
        let found = |text: &str| match path(text) {
            Some(ContainerPath::Credentials(app, stage)) => format!("{app} {stage}"),
            Some(ContainerPath::Unknown) => "unknown".to_owned(),
            None => "other".to_owned(),
        };
        for (text, expected) in [
            ("/container/shop/dev", "shop dev"),
            ("//container//shop/dev/", "shop dev"),
            ("/container", "unknown"),
            ("/container/shop", "unknown"),
            ("/container/shop/dev/more", "unknown"),
            ("/container/shop/de%76", "unknown"),
            ("/container/../latest", "unknown"),
            ("/Container/shop/dev", "other"),
            ("/latest/container/shop/dev", "other"),
            ("/containers/shop/dev", "other"),
            ("*", "other"),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
        let url = url("http://127.0.0.1:9254/", &App::parse("a").unwrap(), &Stage::parse("b").unwrap());
        assert_eq!(url, "http://127.0.0.1:9254/container/a/b");
    }

    #[test]
    fn document_and_error_are_what_clients_read() {
        let session =
            SessionCredentials::new("ASIA1".into(), "s".into(), "t".into(), Timestamp(0), Timestamp(3600));
        let role = RoleArn::parse("arn:aws:iam::111111111111:role/dev").unwrap();
        let document: serde_json::Value = serde_json::from_str(&document(&session, &role)).unwrap();
        assert_eq!(
            document,
            serde_json::json!({
                "Code": "Success", "AccessKeyId": "ASIA1", "SecretAccessKey": "s", "Token": "t",
                "Expiration": "1970-01-01T01:00:00Z", "RoleArn": role.as_str(), "AccountId": "111111111111",
            })
        );
        assert_eq!(error("AccessDenied", "no \"x\""), r#"{"code":"AccessDenied","message":"no \"x\""}"#);
    }
}
