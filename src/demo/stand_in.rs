//! A stand-in for STS: the two actions that the demo needs, in the real wire format (AWS STS API reference).

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::edges::{clock, random};

/// A running stand-in; it ends with the runtime.
#[derive(Debug)]
pub(super) struct StandIn {
    url: String,
    given: Given,
}

/// The sessions given: by access key id, the assumed role's ARN.
type Given = Arc<Mutex<HashMap<String, String>>>;

impl StandIn {
    /// Starts on a free loopback port.
    pub(super) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let given = Given::default();
        let sessions = given.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sessions = sessions.clone();
                let service = service_fn(move |request| {
                    let sessions = sessions.clone();
                    async move { Ok::<_, Infallible>(answer(&sessions, request).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(Self { url, given })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// How many sessions were given.
    pub(super) fn calls(&self) -> usize {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

async fn answer(given: &Given, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let key =
        request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(signing_key);
    let key = key.map(str::to_owned);
    let Ok(body) = request.into_body().collect().await else { return xml(StatusCode::BAD_REQUEST, "") };
    let fields = form(&body.to_bytes());
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    match field("Action") {
        "AssumeRole" => {
            assume_role(given, field("RoleArn"), field("RoleSessionName"), field("DurationSeconds"))
        }
        "GetCallerIdentity" => {
            let given = given.lock().unwrap_or_else(PoisonError::into_inner);
            match key.and_then(|key| given.get(&key).cloned()) {
                Some(arn) => identity(&arn),
                None => error(
                    StatusCode::FORBIDDEN,
                    "InvalidClientTokenId",
                    "The security token is not known here.",
                ),
            }
        }
        _ => error(
            StatusCode::BAD_REQUEST,
            "InvalidAction",
            "The stand-in knows AssumeRole and GetCallerIdentity.",
        ),
    }
}

fn assume_role(given: &Given, role: &str, session: &str, duration: &str) -> Response<Full<Bytes>> {
    let Ok(role) = crate::core::name::RoleArn::parse(role) else {
        return error(StatusCode::BAD_REQUEST, "ValidationError", "RoleArn is not the ARN of a role.");
    };
    let arn = format!("arn:aws:sts::{}:assumed-role/{}/{session}", role.account(), role.role_name());
    let key = format!("ASIA{}", letters(16));
    let lasts = std::time::Duration::from_secs(duration.parse().unwrap_or(3600));
    let document = format!(
        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
         <AssumedRoleUser><AssumedRoleId>AROA:{session}</AssumedRoleId><Arn>{arn}</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey>\
         <SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials></AssumeRoleResult>\
         <ResponseMetadata><RequestId>demo</RequestId></ResponseMetadata></AssumeRoleResponse>",
        letters(40),
        letters(120),
        clock::now().after(lasts)
    );
    given.lock().unwrap_or_else(PoisonError::into_inner).insert(key, arn);
    xml(StatusCode::OK, &document)
}

fn identity(arn: &str) -> Response<Full<Bytes>> {
    let account = arn.split(':').nth(4).unwrap_or_default();
    xml(
        StatusCode::OK,
        &format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             <Arn>{arn}</Arn><UserId>AROA:demo</UserId><Account>{account}</Account></GetCallerIdentityResult>\
             <ResponseMetadata><RequestId>demo</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
        ),
    )
}

fn error(status: StatusCode, code: &str, message: &str) -> Response<Full<Bytes>> {
    xml(
        status,
        &format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error><RequestId>demo</RequestId></ErrorResponse>"
        ),
    )
}

fn xml(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text.to_owned())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

/// The access key id in a Signature Version 4 header: `Credential=<key>/<date>/…`.
fn signing_key(authorization: &str) -> Option<&str> {
    authorization.split("Credential=").nth(1)?.split('/').next()
}

fn letters(count: usize) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    random::bytes::<128>()
        .iter()
        .take(count)
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect()
}

/// The fields of an `application/x-www-form-urlencoded` body.
fn form(body: &[u8]) -> HashMap<String, String> {
    let text = String::from_utf8_lossy(body);
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap_or_default(), rest.next().unwrap_or_default()];
                std::str::from_utf8(&digits)
                    .ok()
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok())
                    .unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_and_a_signature_are_read() {
        let fields = form(b"Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam&Name=a+b%2");
        assert_eq!((fields["Action"].as_str(), fields["RoleArn"].as_str()), ("AssumeRole", "arn:aws:iam"));
        assert_eq!(fields["Name"], "a b?");
        let header =
            "AWS4-HMAC-SHA256 Credential=ASIA1/20261124/eu-central-1/sts/aws4_request, SignedHeaders=host";
        assert_eq!(signing_key(header), Some("ASIA1"));
    }
}
