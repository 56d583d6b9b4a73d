//! Signing in to the AWS console with the credentials of a session (AWS IAM user guide, "Enable custom identity broker
//! access to the AWS console").

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::credentials::SessionCredentials;
use super::name::Region;

/// How long AWS lets a session of the console be.
const SHORTEST: Duration = Duration::from_mins(15);
const LONGEST: Duration = Duration::from_hours(12);

/// Reads how long a session of the console shall last.
pub fn parse_length(text: &str) -> Result<Duration, String> {
    let length = super::duration::parse_duration(text).map_err(|error| error.to_string())?;
    if (SHORTEST..=LONGEST).contains(&length) {
        Ok(length)
    } else {
        Err("AWS takes from 15m to 12h".to_owned())
    }
}

/// Reads a page of the console by its path, like `s3`, `cloudwatch` or `dynamodbv2`.
pub fn parse_service(text: &str) -> Result<String, &'static str> {
    let is_word = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.len() <= 64
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if is_word { Ok(text.to_owned()) } else { Err("a service is named like s3 or cloudwatch") }
}

/// Where sessions of a partition sign in.
pub fn endpoint(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "https://signin.amazonaws.cn/federation",
        "aws-us-gov" => "https://signin.amazonaws-us-gov.com/federation",
        _ => "https://signin.aws.amazon.com/federation",
    }
}

/// Whether an endpoint may be told keys: by TLS, or on this machine.
pub fn may_be_told(endpoint: &str) -> bool {
    let Ok(uri) = endpoint.parse::<http::Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let is_here = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    uri.query().is_none()
        && (uri.scheme_str() == Some("https") || (uri.scheme_str() == Some("http") && is_here))
}

/// The page of the console to come to.
pub fn destination(partition: &str, service: Option<&str>, region: Option<&Region>) -> String {
    let host = match partition {
        "aws-cn" => "console.amazonaws.cn",
        "aws-us-gov" => "console.amazonaws-us-gov.com",
        _ => "console.aws.amazon.com",
    };
    let region = region.map(|region| format!("?region={region}")).unwrap_or_default();
    format!("https://{host}/{}/home{region}", service.unwrap_or("console"))
}

#[derive(Serialize)]
struct Keys<'a> {
    #[serde(rename = "sessionId")]
    id: &'a str,
    #[serde(rename = "sessionKey")]
    key: &'a str,
    #[serde(rename = "sessionToken")]
    token: &'a str,
}

/// The URL that gives a token for signing in. It holds keys. Without a length the console's session is as long as
/// that of the credentials; with one AWS refuses credentials of a chain of roles.
pub fn token_url(
    endpoint: &str,
    credentials: &SessionCredentials,
    length: Option<Duration>,
) -> Zeroizing<String> {
    let secret = credentials.reveal();
    let session =
        Keys { id: credentials.access_key_id(), key: secret.secret_access_key, token: secret.session_token };
    // Room from the start: a buffer that grows would leave copies of the secrets behind.
    let mut json = Zeroizing::new(Vec::with_capacity(8 * 1024));
    // Writing texts into memory does not fail.
    let _ = serde_json::to_writer(&mut *json, &session);
    let mut url = Zeroizing::new(String::with_capacity(endpoint.len() + 128 + json.len() * 3));
    url.push_str(endpoint);
    url.push_str("?Action=getSigninToken");
    if let Some(length) = length {
        let _ = write!(url, "&SessionDuration={}", length.as_secs());
    }
    url.push_str("&Session=");
    encode(&mut url, &json);
    url
}

/// The answer to [`token_url`].
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    signin_token: Zeroizing<String>,
}

/// The token in an answer, if there is one.
pub fn token(answer: &[u8]) -> Option<Zeroizing<String>> {
    serde_json::from_slice::<Answer>(answer).ok().map(|answer| answer.signin_token)
}

/// The URL that signs in whoever opens it first, within 15 minutes.
pub fn url(endpoint: &str, token: &str, destination: &str) -> Zeroizing<String> {
    let mut url =
        Zeroizing::new(String::with_capacity(endpoint.len() + 64 + 3 * (token.len() + destination.len())));
    url.push_str(endpoint);
    url.push_str("?Action=login&Issuer=brokerd&Destination=");
    encode(&mut url, destination.as_bytes());
    url.push_str("&SigninToken=");
    encode(&mut url, token.as_bytes());
    url
}

/// Percent-encoding (RFC 3986, section 2).
fn encode(url: &mut String, text: &[u8]) {
    for byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            url.push(char::from(*byte));
        } else {
            // Writing into a String does not fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::moment::Timestamp;

    #[test]
    fn the_urls_are_those_of_the_guide() {
        let session =
            SessionCredentials::new("ASIA1".into(), "s/+".into(), "t=".into(), Timestamp(0), Timestamp(9));
        let url_of = |length| token_url("https://x/federation", &session, length);
        assert_eq!(
            url_of(Some(Duration::from_hours(1))).as_str(),
            "https://x/federation?Action=getSigninToken&SessionDuration=3600&Session=%7B%22sessionId%22%3A%22ASIA1%22%2C\
             %22sessionKey%22%3A%22s%2F%2B%22%2C%22sessionToken%22%3A%22t%3D%22%7D"
        );
        assert!(!url_of(None).contains("SessionDuration"));
        assert_eq!(token(br#"{"SigninToken":"a+b"}"#).unwrap().as_str(), "a+b");
        assert!(token(b"<html>").is_none());
        let region = Region::parse("eu-west-1").unwrap();
        assert_eq!(
            url("https://x/federation", "a+b", &destination("aws", Some("s3"), Some(&region))).as_str(),
            "https://x/federation?Action=login&Issuer=brokerd&Destination=https%3A%2F%2Fconsole.aws.amazon.com%2Fs3%2Fhome\
             %3Fregion%3Deu-west-1&SigninToken=a%2Bb"
        );
    }

    #[test]
    fn each_partition_has_its_hosts_and_keys_go_by_tls_only() {
        for partition in ["aws", "aws-cn", "aws-us-gov"] {
            assert!(may_be_told(endpoint(partition)));
        }
        assert_eq!(destination("aws-cn", None, None), "https://console.amazonaws.cn/console/home");
        for (endpoint, may) in [
            ("http://127.0.0.1:5/federation", true),
            ("http://[::1]:5/", true),
            ("https://signin.example/federation", true),
            ("http://signin.example/federation", false),
            ("http://localhost.example/", false),
            ("http://127.0.0.1:5/?x=y", false),
            ("ftp://127.0.0.1/", false),
            ("nonsense", false),
        ] {
            assert_eq!(may_be_told(endpoint), may, "{endpoint}");
        }
    }

    #[test]
    fn lengths_and_services_are_what_aws_takes() {
        assert_eq!(parse_length("12h"), Ok(Duration::from_hours(12)));
        for text in ["14m", "13h", "x"] {
            assert!(parse_length(text).is_err(), "{text}");
        }
        assert_eq!(parse_service("s3").as_deref(), Ok("s3"));
        for text in ["", "S3", "../x", "a?b", "-a"] {
            assert!(parse_service(text).is_err(), "{text}");
        }
    }
}
