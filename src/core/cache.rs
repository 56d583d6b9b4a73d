//! What brokerd keeps in the keychain from one start to the next: sessions, values of secrets, and the keys that seal
//! tokens.
//!
//! It is a cache: whatever is wrong with one, it can be done without, at the price of a call to STS for each session
//! and of a token for each client.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::aws_clock::Heard;
use super::credentials::SessionCredentials;
use super::mfa::{MfaHolder, MfaSession};
use super::moment::Timestamp;
use super::secret::{Address, Content};
use super::session::SessionRequest;
use super::sso::{SsoSession, SsoToken};
use super::token::TokenKeys;

/// Every cache begins so: what does not was put there by somebody else, and is not ours to overwrite.
const HEADER: &str = "brokerd cache ";
/// The form of what follows; raised when it changes.
const FORM: u32 = 1;

/// Why an item is not a cache that this version can use. The texts show nothing of its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CacheError {
    /// Somebody else's.
    #[error("the item was not written by brokerd")]
    Foreign,
    /// Another version's.
    #[error("it has form {found}, and this version reads form {FORM}")]
    OtherForm {
        /// Its form.
        found: u32,
    },
    /// Broken.
    #[error("it cannot be read: {why}")]
    Unreadable {
        /// Where and how.
        why: String,
    },
}

/// What is kept.
#[derive(Debug, Default)]
pub struct Cache {
    /// The keys that seal tokens; none in a cache that was begun by nobody yet.
    pub token_keys: Option<TokenKeys>,
    /// The sessions.
    pub sessions: Vec<CachedSession>,
    /// What people have logged in to.
    pub logins: KeptLogins,
    /// What AWS said of the time.
    pub clock: Option<KeptClock>,
    /// The values of secrets.
    pub secrets: Vec<CachedSecret>,
}

/// Logins: what gives base credentials without anybody being asked again.
#[derive(Debug, Default)]
pub struct KeptLogins {
    /// Tokens of IAM Identity Center, each with what it belongs to.
    pub sso: Vec<(SsoSession, SsoToken)>,
    /// MFA sessions.
    pub mfa: Vec<MfaSession>,
}

/// An MFA session as it is written.
#[derive(Serialize, Deserialize)]
struct StoredMfa<H, T> {
    holder: H,
    access_key_id: T,
    secret_access_key: T,
    session_token: T,
    issued: Timestamp,
    expires: Timestamp,
}

/// What AWS said of the time, which is good until the machine starts anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptClock {
    /// The start of the machine.
    pub boot: String,
    /// What was heard.
    pub heard: Heard,
}

/// A value, and when it was read where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CachedSecret {
    /// Where.
    pub address: Address,
    /// What was there.
    pub content: Arc<Content>,
    /// When.
    pub read: Timestamp,
}

/// A session, and what it was asked for with.
#[derive(Debug)]
pub struct CachedSession {
    /// What STS was asked.
    pub request: SessionRequest,
    /// What it gave.
    pub credentials: Arc<SessionCredentials>,
    /// When somebody last asked for it; nobody has for one that was fetched ahead.
    pub last_used: Option<Timestamp>,
}

/// A session as it is written. Borrowed or owned, so that writing makes no copy of a secret.
#[derive(Serialize, Deserialize)]
struct Stored<R, T> {
    request: R,
    access_key_id: T,
    secret_access_key: T,
    session_token: T,
    issued: Timestamp,
    expires: Timestamp,
    last_used: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct Body<K, S, L, M, C, V> {
    token_keys: K,
    sessions: Vec<S>,
    // A cache of an earlier version has none of these.
    #[serde(default = "Vec::new")]
    sso: Vec<L>,
    #[serde(default = "Vec::new")]
    mfa: Vec<M>,
    #[serde(default)]
    clock: C,
    #[serde(default)]
    secrets: V,
}

/// A body as it is read.
type Written = Body<
    Option<TokenKeys>,
    Stored<SessionRequest, Zeroizing<String>>,
    (SsoSession, SsoToken),
    StoredMfa<MfaHolder, Zeroizing<String>>,
    Option<KeptClock>,
    Vec<CachedSecret>,
>;

impl Cache {
    /// Leaves out the sessions that have ended at `now`.
    pub fn forget_ended(&mut self, now: Timestamp) {
        self.sessions.retain(|session| session.credentials.expires() > now);
        self.logins.mfa.retain(|session| session.credentials.expires() > now);
        self.logins.sso.retain(|(_, token)| token.is_good(now) || token.renewable(now).is_some());
    }

    /// The cache as bytes, for a keychain. Sessions that have ended at `now` are left out.
    pub fn to_bytes(&self, now: Timestamp) -> Zeroizing<Vec<u8>> {
        let stored: Vec<_> = self
            .sessions
            .iter()
            .filter(|session| session.credentials.expires() > now)
            .map(|session| {
                let secrets = session.credentials.reveal();
                Stored {
                    request: &session.request,
                    access_key_id: session.credentials.access_key_id(),
                    secret_access_key: secrets.secret_access_key,
                    session_token: secrets.session_token,
                    issued: session.credentials.issued(),
                    expires: session.credentials.expires(),
                    last_used: session.last_used,
                }
            })
            .collect();
        // Room for all of it: a buffer that grows would leave copies of secrets behind.
        let mfa: Vec<_> = self
            .logins
            .mfa
            .iter()
            .filter(|session| session.credentials.expires() > now)
            .map(stored_mfa)
            .collect();
        let sso: Vec<_> = self.logins.sso.iter().map(|(session, token)| (session, token)).collect();
        let of_mfa: usize = mfa.iter().map(|session| 1024 + 2 * session.session_token.len()).sum();
        let of_sso: usize =
            sso.iter().map(|(session, token)| 1024 + 2 * (session.start_url.len() + sso_size(token))).sum();
        let of_secrets: usize = self.secrets.iter().map(|secret| 1024 + secret.content.size()).sum();
        let of_sessions: usize = stored.iter().map(|session| 1024 + 2 * session.size()).sum();
        let longest = of_sessions + of_mfa + of_sso + of_secrets + 1024;
        let mut bytes = Zeroizing::new(Vec::with_capacity(longest));
        bytes.extend(format!("{HEADER}{FORM}\n").into_bytes());
        // Writing to memory cannot fail, and none of these types has a form that JSON lacks.
        let body = Body {
            token_keys: &self.token_keys,
            sessions: stored,
            sso,
            mfa,
            clock: &self.clock,
            secrets: &self.secrets,
        };
        let _ = serde_json::to_writer(&mut *bytes, &body);
        bytes
    }

    /// Reads what [`Cache::to_bytes`] wrote, sessions that have ended since included.
    pub fn parse(bytes: &[u8]) -> Result<Self, CacheError> {
        let rest = bytes.strip_prefix(HEADER.as_bytes()).ok_or(CacheError::Foreign)?;
        let end = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .ok_or_else(|| unreadable("its first line does not end"))?;
        let form = std::str::from_utf8(&rest[..end]).ok().and_then(|form| form.parse().ok());
        match form {
            Some(FORM) => {}
            Some(found) => return Err(CacheError::OtherForm { found }),
            None => return Err(unreadable("its form is no number")),
        }
        let body: Written = serde_json::from_slice(&rest[end + 1..]).map_err(|error| {
            // The words of the parser quote what they stumbled over.
            unreadable(&format!("line {}, column {}", error.line() + 1, error.column()))
        })?;
        let sessions = body.sessions.into_iter().map(CachedSession::from).collect();
        let mfa = body.mfa.into_iter().map(MfaSession::from).collect();
        let logins = KeptLogins { sso: body.sso, mfa };
        Ok(Self { token_keys: body.token_keys, sessions, logins, clock: body.clock, secrets: body.secrets })
    }
}

impl Stored<&SessionRequest, &str> {
    /// About how many bytes its variable parts take.
    fn size(&self) -> usize {
        // Nothing in a request is secret.
        let request = serde_json::to_vec(self.request).map_or(0, |text| text.len());
        self.secret_access_key.len() + self.session_token.len() + request
    }
}

impl From<Stored<SessionRequest, Zeroizing<String>>> for CachedSession {
    fn from(stored: Stored<SessionRequest, Zeroizing<String>>) -> Self {
        Self {
            request: stored.request,
            credentials: Arc::new(SessionCredentials::new(
                (*stored.access_key_id).clone(),
                (*stored.secret_access_key).clone(),
                (*stored.session_token).clone(),
                stored.issued,
                stored.expires,
            )),
            last_used: stored.last_used,
        }
    }
}

fn stored_mfa(session: &MfaSession) -> StoredMfa<&MfaHolder, &str> {
    let secrets = session.credentials.reveal();
    StoredMfa {
        holder: &session.holder,
        access_key_id: session.credentials.access_key_id(),
        secret_access_key: secrets.secret_access_key,
        session_token: secrets.session_token,
        issued: session.credentials.issued(),
        expires: session.credentials.expires(),
    }
}

impl From<StoredMfa<MfaHolder, Zeroizing<String>>> for MfaSession {
    fn from(stored: StoredMfa<MfaHolder, Zeroizing<String>>) -> Self {
        let credentials = SessionCredentials::new(
            (*stored.access_key_id).clone(),
            (*stored.secret_access_key).clone(),
            (*stored.session_token).clone(),
            stored.issued,
            stored.expires,
        );
        Self { holder: stored.holder, credentials: Arc::new(credentials) }
    }
}

/// How many bytes the secrets of a login take.
fn sso_size(token: &SsoToken) -> usize {
    let client = token.client.as_ref().map_or(0, |client| client.id.len() + client.secret.len());
    token.access_token.len() + token.refresh_token.as_ref().map_or(0, |refresh| refresh.len()) + client
}

fn unreadable(why: &str) -> CacheError {
    CacheError::Unreadable { why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::core::catalog::{AccessRole, Source};
    use crate::core::name::{ExternalId, PolicyArn, ProfileName, Region, RoleArn, SessionName};
    use crate::core::secret::{Origin, Spot, Version};
    use crate::core::token::TokenKey;

    fn session(number: usize, expires: i64) -> CachedSession {
        let access_role = AccessRole {
            role_arn: RoleArn::parse(&format!("arn:aws:iam::111111111111:role/r{number}")).unwrap(),
            source: [Source::Chain, Source::Environment, Source::Named("work".into())][number % 3].clone(),
            duration: Duration::from_hours(1),
            external_id: Some(ExternalId::parse("an-external-id").unwrap()),
            session_name: None,
            session_tags: BTreeMap::from([("team".into(), "a \"quoted\" one".into())]),
            session_policy: Some("{\"Version\":\"2012-10-17\",\"Statement\":[]}".into()),
            policy_arns: vec![PolicyArn::parse("arn:aws:iam::aws:policy/ReadOnlyAccess").unwrap()],
            region: Some(Region::parse("eu-west-1").unwrap()),
            ..AccessRole::of(RoleArn::parse("arn:aws:iam::111111111111:role/unused").unwrap())
        };
        CachedSession {
            request: SessionRequest { access_role, session_name: SessionName::parse("name").unwrap() },
            credentials: Arc::new(SessionCredentials::new(
                format!("ASIA{number}"),
                "secret/+\\\"".into(),
                "t".repeat(900),
                Timestamp(1000),
                Timestamp(expires),
            )),
            last_used: [None, Some(Timestamp(1500))][number % 2],
        }
    }

    fn sso_session(number: usize) -> SsoSession {
        SsoSession {
            name: (number.is_multiple_of(2)).then(|| format!("s{number}")),
            start_url: "https://acme.awsapps.com/start".into(),
            region: Region::parse("eu-west-1").unwrap(),
            scopes: vec!["sso:account:access".into()],
            profile: None,
        }
    }

    fn sso_token() -> SsoToken {
        SsoToken {
            access_token: Zeroizing::new("secret/access".repeat(80)),
            expires: Timestamp(4600),
            refresh_token: Some(Zeroizing::new("secret/refresh".repeat(80))),
            client: Some(crate::core::sso::SsoClient {
                id: "client".into(),
                secret: Zeroizing::new("secret/client".repeat(80)),
                expires: Timestamp(9000),
            }),
        }
    }

    fn mfa(number: usize) -> MfaSession {
        MfaSession {
            holder: MfaHolder {
                serial: crate::core::name::MfaSerial::parse("arn:aws:iam::111111111111:mfa/ann").unwrap(),
                access_key_id: format!("AKIA{number}"),
            },
            credentials: session(number, 4600).credentials,
        }
    }

    fn secret(number: usize) -> CachedSecret {
        let address = Address {
            profile: ProfileName::parse("dev").unwrap(),
            role_digest: "x".into(),
            region: Some(Region::parse("eu-west-1").unwrap()),
            spot: Spot::SecretsManager { id: format!("shop/{number}"), version: Version::default() },
        };
        let value = Zeroizing::new(vec![b's'; 40 + number]);
        CachedSecret {
            address,
            content: Arc::new(Content::new(value, Origin::Here).unwrap()),
            read: Timestamp(7),
        }
    }

    fn cache(count: usize) -> Cache {
        let keys = TokenKeys::new(TokenKey::new([7; 32]), Timestamp(5));
        Cache {
            token_keys: Some(keys),
            sessions: (0..count).map(|number| session(number, 4600)).collect(),
            logins: KeptLogins {
                sso: (0..count).map(|number| (sso_session(number), sso_token())).collect(),
                mfa: (0..count).map(mfa).collect(),
            },
            clock: None,
            secrets: (0..count).map(secret).collect(),
        }
    }

    #[test]
    fn a_cache_survives_its_bytes_and_fits_the_room_made_for_it() {
        for count in [0, 1, 2, 200] {
            let bytes = cache(count).to_bytes(Timestamp(2000));
            assert!(bytes.capacity() >= bytes.len());
            let room = Zeroizing::new(Vec::<u8>::with_capacity(bytes.capacity())).capacity();
            assert_eq!(room, bytes.capacity(), "it did not grow");
            let back = Cache::parse(&bytes).unwrap();
            assert_eq!(back.sessions.len(), count);
            assert_eq!(back.token_keys, cache(0).token_keys);
            assert_eq!(back.logins.sso, cache(count).logins.sso);
            for (number, found) in back.logins.mfa.iter().enumerate() {
                let expected = mfa(number);
                assert_eq!(found.holder, expected.holder);
                assert_eq!(
                    found.credentials.reveal().session_token,
                    expected.credentials.reveal().session_token
                );
            }
            for (number, found) in back.secrets.iter().enumerate() {
                let expected = secret(number);
                assert_eq!((&found.address, found.read), (&expected.address, expected.read));
                assert_eq!(found.content.reveal(), expected.content.reveal());
            }
            assert_eq!(back.secrets.len(), count);
            for (number, found) in back.sessions.iter().enumerate() {
                let expected = session(number, 4600);
                assert_eq!(found.request, expected.request);
                assert_eq!(found.last_used, expected.last_used);
                let (found, expected) = (&found.credentials, &expected.credentials);
                assert_eq!(found.access_key_id(), expected.access_key_id());
                assert_eq!((found.issued(), found.expires()), (expected.issued(), expected.expires()));
                assert_eq!(found.reveal().secret_access_key, expected.reveal().secret_access_key);
                assert_eq!(found.reveal().session_token, expected.reveal().session_token);
            }
        }
    }

    #[test]
    fn what_has_ended_is_not_written() {
        let cache = Cache { sessions: vec![session(1, 3000), session(2, 4000)], ..cache(0) };
        for (now, left) in [(2999, 2), (3000, 1), (4000, 0)] {
            let mut back = Cache::parse(&cache.to_bytes(Timestamp(now))).unwrap();
            assert_eq!(back.sessions.len(), left);
            back.forget_ended(Timestamp(3000));
            assert_eq!(back.sessions.len(), left.min(1));
        }
    }

    #[test]
    fn what_aws_said_of_the_time_is_kept_and_may_be_missing() {
        let mut clock = crate::core::aws_clock::AwsClock::default();
        let boot = crate::core::moment::BootTime(7000);
        clock.hear(Timestamp(100), crate::core::aws_clock::Reading { wall: Timestamp(9000), boot });
        let kept = KeptClock { boot: "a-start".into(), heard: clock.heard().unwrap() };
        let cache = Cache { clock: Some(kept.clone()), ..cache(0) };
        assert_eq!(Cache::parse(&cache.to_bytes(Timestamp(0))).unwrap().clock, Some(kept));
        let older = b"brokerd cache 1\n{\"token_keys\":null,\"sessions\":[]}";
        assert_eq!(Cache::parse(older).unwrap().clock, None);
    }

    #[test]
    fn what_is_not_this_versions_cache_is_told_apart_and_not_quoted() {
        let parse = |bytes: &[u8]| Cache::parse(bytes).unwrap_err();
        for bytes in [&b""[..], b"my diary", b"BROKERD cache 1\n{}", &[0xff; 40]] {
            assert_eq!(parse(bytes), CacheError::Foreign);
        }
        let earlier = b"brokerd cache 1\n{\"token_keys\":null,\"sessions\":[]}";
        assert!(Cache::parse(earlier).unwrap().logins.sso.is_empty());
        assert_eq!(parse(b"brokerd cache 2\n{}"), CacheError::OtherForm { found: 2 });
        for bytes in [
            &b"brokerd cache "[..],
            b"brokerd cache one\n{}",
            b"brokerd cache 1\n",
            b"brokerd cache 1\n{\"token_keys\":null,\"sessions\":[\"marked\"]}",
            b"brokerd cache 1\n{\"token_keys\":null,\"sessions\":[]} marked",
        ] {
            let error = parse(bytes);
            assert!(matches!(error, CacheError::Unreadable { .. }), "{error}");
            assert!(!error.to_string().contains("marked"), "{error}");
        }
        let mut cut = cache(3).to_bytes(Timestamp(0));
        cut.truncate(700);
        assert!(matches!(parse(&cut), CacheError::Unreadable { .. }));
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", cache(1));
        assert!(
            !shown.contains("sss")
                && !shown.contains("secret/")
                && !shown.contains("ttt")
                && !shown.contains("7, 7"),
            "{shown}"
        );
    }
}
