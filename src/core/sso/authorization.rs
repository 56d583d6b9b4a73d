//! The authorization code flow with PKCE (RFC 6749 section 4.1, RFC 7636, RFC 8252 section 7.3).

use std::fmt;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

/// Where the browser comes back to, on a port of this machine. The AWS CLI has the same.
pub const REDIRECT_PATH: &str = "/oauth/callback";

/// What only the one who began a login knows.
pub struct Challenge {
    verifier: Zeroizing<String>,
    state: String,
}

impl Challenge {
    /// Of random bytes: those that prove who began, and those that tie the answer to the question.
    pub fn new(verifier: [u8; 48], state: [u8; 24]) -> Self {
        Self {
            verifier: Zeroizing::new(URL_SAFE_NO_PAD.encode(verifier)),
            state: URL_SAFE_NO_PAD.encode(state),
        }
    }

    /// The proof, told only to the token endpoint.
    pub fn verifier(&self) -> &str {
        &self.verifier
    }

    fn hash(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()))
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenge(redacted)")
    }
}

/// The page at `endpoint` on which a person logs in.
pub fn authorize_url(
    endpoint: &str,
    client_id: &str,
    redirect: &str,
    scopes: &[String],
    challenge: &Challenge,
) -> String {
    let pairs = [
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", redirect),
        ("state", &challenge.state),
        ("code_challenge_method", "S256"),
        ("code_challenge", &challenge.hash()),
        ("scopes", &scopes.join(",")),
    ]
    .map(|(name, value)| format!("{name}={}", encoded(value)));
    format!("{}/authorize?{}", endpoint.trim_end_matches('/'), pairs.join("&"))
}

/// What the browser brings back.
#[derive(Debug, PartialEq, Eq)]
pub enum Callback {
    /// The code.
    Code(Zeroizing<String>),
    /// The person or the Identity Center said no, in this word (RFC 6749 section 4.1.2.1).
    Refused(String),
    /// Something else asked, or somebody else's login came back.
    Other,
}

/// Reads the first line of a request to the redirect address.
pub fn callback(line: &str, challenge: &Challenge) -> Callback {
    let mut words = line.split(' ');
    let (Some("GET"), Some(target)) = (words.next(), words.next()) else { return Callback::Other };
    let Some((REDIRECT_PATH, query)) = target.split_once('?') else { return Callback::Other };
    let value = |name: &str| {
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
        decoded(pair)
    };
    if value("state").as_deref() != Some(&challenge.state) {
        return Callback::Other;
    }
    if let Some(error) = value("error") {
        let word = error.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(40).collect();
        return Callback::Refused(word);
    }
    value("code")
        .filter(|code| !code.is_empty())
        .map_or(Callback::Other, |code| Callback::Code(Zeroizing::new(code)))
}

/// Percent-encoding (RFC 3986 section 2.3).
fn encoded(text: &str) -> String {
    let mut url = String::with_capacity(text.len() * 3);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge() -> Challenge {
        Challenge::new([1; 48], [2; 24])
    }

    #[test]
    fn the_page_is_told_the_hash_and_not_the_proof() {
        let url = authorize_url(
            "https://oidc.eu-west-1.amazonaws.com/",
            "client",
            "http://127.0.0.1:4711/oauth/callback",
            &["sso:account:access".to_owned(), "x".to_owned()],
            &challenge(),
        );
        assert!(url.starts_with(
            "https://oidc.eu-west-1.amazonaws.com/authorize?response_type=code&client_id=client"
        ));
        assert!(url.contains("redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2Foauth%2Fcallback"));
        assert!(url.contains("&scopes=sso%3Aaccount%3Aaccess%2Cx"));
        assert!(!url.contains(challenge().verifier()));
        // RFC 7636, appendix B.
        let known = Challenge {
            verifier: Zeroizing::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".into()),
            state: String::new(),
        };
        assert_eq!(known.hash(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert!((43..=128).contains(&challenge().verifier().len()));
    }

    #[test]
    fn only_the_answer_to_this_question_counts() {
        let state = challenge().state;
        for (line, expected) in [
            (
                format!("GET /oauth/callback?code=a%2Fb&state={state} HTTP/1.1"),
                Callback::Code(Zeroizing::new("a/b".into())),
            ),
            (
                format!("GET /oauth/callback?state={state}&error=access_denied HTTP/1.1"),
                Callback::Refused("access_denied".into()),
            ),
            ("GET /oauth/callback?code=a&state=other HTTP/1.1".into(), Callback::Other),
            ("GET /oauth/callback?code=a HTTP/1.1".into(), Callback::Other),
            (format!("GET /oauth/callback?code=&state={state} HTTP/1.1"), Callback::Other),
            (format!("POST /oauth/callback?code=a&state={state} HTTP/1.1"), Callback::Other),
            (format!("GET /other?code=a&state={state} HTTP/1.1"), Callback::Other),
            (format!("GET /oauth/callback?code=%f&state={state}"), Callback::Other),
            ("GET /favicon.ico HTTP/1.1".into(), Callback::Other),
            (String::new(), Callback::Other),
        ] {
            assert_eq!(callback(&line, &challenge()), expected, "{line}");
        }
    }
}
