//! IAM Identity Center: its sessions as `~/.aws/config` has them, and the tokens that a login gives.

mod authorization;

use std::fmt;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::moment::Timestamp;
use super::name::Region;
use super::refusal::shell_word;

pub use authorization::{Callback, Challenge, REDIRECT_PATH, authorize_url, callback};

/// What a login asks for where the session names nothing (AWS SDKs and tools reference guide, "IAM Identity Center
/// credential provider", `sso_registration_scopes`).
pub const DEFAULT_SCOPE: &str = "sso:account:access";

/// A token that ends sooner is renewed before it is used: the calls that it is for must still find it good.
pub const MARGIN: Duration = Duration::from_mins(5);

/// What a person logs in to: an `[sso-session NAME]`, or the start URL that a profile names itself (the legacy form).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SsoSession {
    /// Its name; none in the legacy form.
    pub name: Option<String>,
    /// Where its users log in.
    pub start_url: String,
    /// The region of the Identity Center.
    pub region: Region,
    /// `sso_registration_scopes`.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// For the legacy form, the profile that names it.
    #[serde(default)]
    pub profile: Option<String>,
}

impl SsoSession {
    /// What its tokens are kept by.
    pub fn id(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.start_url)
    }

    /// The file in `~/.aws/sso/cache` that every AWS tool keeps its token in: SHA-1 of the name, or of the start URL.
    pub fn cache_file(&self) -> String {
        let mut name = String::with_capacity(45);
        for byte in digest(&SHA1_FOR_LEGACY_USE_ONLY, self.id().as_bytes()).as_ref() {
            // Writing into a String cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        name + ".json"
    }

    /// What to type to log in.
    pub fn login_command(&self) -> String {
        match (&self.name, &self.profile) {
            (Some(name), _) => format!("brokerctl login --sso-session {}", shell_word(Path::new(name))),
            (None, Some(profile)) => format!("brokerctl login {}", shell_word(Path::new(profile))),
            (None, None) => "brokerctl login".to_owned(),
        }
    }

    /// Whether a login gives a token that can be renewed. The legacy form asks for no scope, and without one there is no
    /// refresh token.
    pub fn is_renewable(&self) -> bool {
        self.name.is_some()
    }

    /// The scopes to ask for.
    pub fn asked_scopes(&self) -> Vec<String> {
        match (&self.name, self.scopes.as_slice()) {
            (None, _) => Vec::new(),
            (Some(_), []) => vec![DEFAULT_SCOPE.to_owned()],
            (Some(_), scopes) => scopes.to_vec(),
        }
    }
}

impl fmt::Display for SsoSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "sso-session {name}"),
            None => write!(f, "SSO at {}", self.start_url),
        }
    }
}

/// What brokerd is registered as with the Identity Center.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SsoClient {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: Zeroizing<String>,
    /// Until when.
    pub expires: Timestamp,
}

/// What a login gives.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SsoToken {
    /// What the portal gives credentials for.
    pub access_token: Zeroizing<String>,
    /// When it ends.
    pub expires: Timestamp,
    /// What the next one is got with.
    pub refresh_token: Option<Zeroizing<String>>,
    /// Who may get it.
    pub client: Option<SsoClient>,
}

impl SsoToken {
    /// Whether it can be used at `now` without being renewed.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.expires > now.after(MARGIN)
    }

    /// Whether it can be used at all at `now`.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.expires > now
    }

    /// What renews it at `now`: the client and the refresh token.
    pub fn renewable(&self, now: Timestamp) -> Option<(&SsoClient, &Zeroizing<String>)> {
        let client = self.client.as_ref().filter(|client| client.expires > now)?;
        Some((client, self.refresh_token.as_ref()?))
    }

    /// Reads a file of `~/.aws/sso/cache`; `None` for anything else, such as a client's registration.
    pub fn from_cache(bytes: &[u8]) -> Option<Self> {
        let cached: Cached<Zeroizing<String>> = serde_json::from_slice(bytes).ok()?;
        let client = cached.client_id.zip(cached.client_secret).zip(cached.registration_expires_at);
        Some(Self {
            access_token: cached.access_token?,
            expires: Timestamp::parse(&cached.expires_at?)?,
            refresh_token: cached.refresh_token,
            client: client.and_then(|((id, secret), expires)| {
                Some(SsoClient { id, secret, expires: Timestamp::parse(&expires)? })
            }),
        })
    }

    /// The file of `~/.aws/sso/cache`, as the AWS CLI writes it.
    pub fn to_cache(&self, session: &SsoSession) -> Zeroizing<Vec<u8>> {
        let client = self.client.as_ref();
        let cached = Cached {
            start_url: Some(session.start_url.clone()),
            region: Some(session.region.to_string()),
            access_token: Some(self.access_token.as_str()),
            expires_at: Some(self.expires.to_string()),
            client_id: client.map(|client| client.id.clone()),
            client_secret: client.map(|client| client.secret.as_str()),
            registration_expires_at: client.map(|client| client.expires.to_string()),
            refresh_token: self.refresh_token.as_deref().map(String::as_str),
        };
        // Room for all of it: a buffer that grows would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
        // Writing to memory cannot fail.
        let _ = serde_json::to_writer(&mut *bytes, &cached);
        bytes
    }
}

impl fmt::Debug for SsoClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SsoClient").field("expires", &self.expires.to_string()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SsoToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SsoToken")
            .field("expires", &self.expires.to_string())
            .field("renewable", &self.refresh_token.is_some())
            .finish_non_exhaustive()
    }
}

/// The form of the files (botocore, `SSOTokenFetcher`).
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cached<T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    start_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    access_token: Option<T>,
    expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_expires_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<T>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(name: Option<&str>) -> SsoSession {
        SsoSession {
            name: name.map(str::to_owned),
            start_url: "https://acme.awsapps.com/start".into(),
            region: Region::parse("eu-west-1").unwrap(),
            scopes: Vec::new(),
            profile: Some("old one".into()),
        }
    }

    #[test]
    fn a_session_has_the_file_that_other_tools_have_for_it() {
        // The name of the SDK's own test: SHA-1 of "test".
        assert_eq!(session(Some("test")).cache_file(), "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3.json");
        assert_ne!(session(None).cache_file(), session(Some("test")).cache_file());
        assert_eq!(session(Some("acme")).login_command(), "brokerctl login --sso-session acme");
        assert_eq!(session(None).login_command(), "brokerctl login 'old one'");
        assert_eq!(session(Some("acme")).asked_scopes(), [DEFAULT_SCOPE]);
        assert!(session(None).asked_scopes().is_empty());
    }

    #[test]
    fn a_token_survives_the_file_of_the_aws_cli() {
        let token = SsoToken {
            access_token: Zeroizing::new("marked-access".into()),
            expires: Timestamp(3600),
            refresh_token: Some(Zeroizing::new("marked-refresh".into())),
            client: Some(SsoClient {
                id: "client".into(),
                secret: Zeroizing::new("marked-secret".into()),
                expires: Timestamp(7200),
            }),
        };
        assert_eq!(SsoToken::from_cache(&token.to_cache(&session(Some("a")))), Some(token.clone()));
        assert!(!format!("{token:?}").contains("marked"));
        let old = br#"{"startUrl":"https://acme","region":"eu-west-1","accessToken":"a","expiresAt":"2026-01-01T00:00:00UTC"}"#;
        assert_eq!(SsoToken::from_cache(old), None, "no moment in time");
        let old =
            br#"{"startUrl":"https://acme","accessToken":"a","expiresAt":"1970-01-01T01:00:00Z","more":1}"#;
        let read = SsoToken::from_cache(old).unwrap();
        assert_eq!((read.expires, read.renewable(Timestamp(0))), (Timestamp(3600), None));
        for other in
            [&b"{}"[..], b"", br#"{"clientId":"c","clientSecret":"s","expiresAt":"1970-01-01T01:00:00Z"}"#]
        {
            assert_eq!(SsoToken::from_cache(other), None);
        }
    }

    #[test]
    fn a_token_is_renewed_before_it_ends_and_only_by_a_client_that_is_still_known() {
        let token = |expires| SsoToken {
            access_token: Zeroizing::new("a".into()),
            expires: Timestamp(3600),
            refresh_token: Some(Zeroizing::new("r".into())),
            client: Some(SsoClient {
                id: "c".into(),
                secret: Zeroizing::new("s".into()),
                expires: Timestamp(expires),
            }),
        };
        assert!(token(0).is_fresh(Timestamp(3299)) && !token(0).is_fresh(Timestamp(3300)));
        assert!(token(0).is_good(Timestamp(3599)) && !token(0).is_good(Timestamp(3600)));
        assert!(
            token(5000).renewable(Timestamp(4999)).is_some()
                && token(5000).renewable(Timestamp(5000)).is_none()
        );
    }
}
