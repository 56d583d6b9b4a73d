//! Codes that go into `AssumeRole` itself, against a stand-in of the connection: what is sent is what AWS would see.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use zeroize::Zeroizing;

use super::*;
use crate::core::keychain::{Item, Keychain as Kind};
use crate::core::long_term_keys::LongTermKeys;
use crate::core::name::{KeysName, Region, RoleArn, SessionName};
use crate::edges::keychain::{Chosen, Keychain, KeychainError};

const ANSWER: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
    <Credentials><AccessKeyId>ASIACODE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
    <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";

/// Writes down what is sent, and gives a session for everything.
#[derive(Debug, Clone, Default)]
struct Wire(Arc<Mutex<Vec<String>>>);

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let signed = request.headers().get("authorization").unwrap_or_default().to_owned();
        self.0.lock().unwrap().push(format!("{body} {signed}"));
        let status = 200.try_into().unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(ANSWER))))
    }
}

/// Holds one pair of keys.
#[derive(Debug)]
struct Held;

impl Keychain for Held {
    fn read(&mut self, _: &Item) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainError> {
        let keys = LongTermKeys::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        Ok(Some(keys.unwrap().to_bytes()))
    }
    fn write(&mut self, _: &Item, _: &[u8]) -> Result<(), KeychainError> {
        Ok(())
    }
    fn remove(&mut self, _: &Item) -> Result<bool, KeychainError> {
        Ok(false)
    }
    fn probe(&mut self) -> Result<(), KeychainError> {
        Ok(())
    }
}

fn sts(wire: &Wire) -> Sts {
    let connector = SharedHttpConnector::new(wire.clone());
    let chosen = Chosen::with(Kind::SecretService, Box::new(Held), Path::new("/nowhere")).unwrap();
    let settings = SigningSettings {
        home: "/nowhere".into(),
        sso_cache_is_shared: false,
        mfa_process: Vec::new(),
        mfa_session: Duration::from_hours(12),
    };
    Sts::new(http_client_fn(move |_, _| connector.clone()), chosen.durable(), settings, AwsClock::default())
}

fn request(more: impl FnOnce(&mut AccessRole)) -> SessionRequest {
    let arn = "arn:aws:iam::111111111111:role/deploy";
    let mut role = AccessRole::of(RoleArn::parse(arn).unwrap());
    role.source = Source::Keychain(KeysName::parse("default").unwrap());
    role.region = Some(Region::parse("eu-west-1").unwrap());
    role.mfa_serial = Some(MfaSerial::parse("arn:aws:iam::111111111111:mfa/ann").unwrap());
    more(&mut role);
    SessionRequest { access_role: role, session_name: SessionName::parse("ann").unwrap() }
}

fn code() -> MfaCode {
    MfaCode::parse("123456").unwrap()
}

#[tokio::test]
async fn a_code_for_a_role_goes_into_the_call_that_the_users_own_keys_sign() {
    let wire = Wire::default();
    let session = sts(&wire).issue_with_code(request(|_| {}), code()).await.unwrap();
    assert_eq!(session.access_key_id(), "ASIACODE");
    let sent = wire.0.lock().unwrap().clone();
    let [call] = sent.as_slice() else { panic!("one call, and none for an MFA session: {sent:?}") };
    assert!(call.contains("Action=AssumeRole&") && call.contains("TokenCode=123456"), "{call}");
    assert!(call.contains("SerialNumber=arn%3Aaws%3Aiam%3A%3A111111111111%3Amfa%2Fann"), "{call}");
    assert!(call.contains("Credential=AKIAIOSFODNN7EXAMPLE/"), "{call}");
}

#[tokio::test]
async fn where_aws_would_take_no_code_none_is_sent() {
    let wire = Wire::default();
    for (request, why) in [
        (request(|role| role.mfa_serial = None), "has an mfa_serial"),
        (
            request(|role| role.via = vec![AccessRole { mfa_serial: None, ..role.clone() }]),
            "another role comes before it",
        ),
    ] {
        let error = sts(&wire).issue_with_code(request, code()).await.unwrap_err();
        assert!(error.to_string().contains(why) && !error.to_string().contains("123456"), "{error}");
    }
    let needed = sts(&wire).issue(request(|_| {})).await.unwrap_err();
    assert!(matches!(needed, IssueError::NeedsMfa { .. }), "{needed}");
    assert!(wire.0.lock().unwrap().is_empty());
}
