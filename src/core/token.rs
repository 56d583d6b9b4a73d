//! IMDSv2 tokens that carry their caller.
//!
//! A token is sealed (AES-256-GCM), so the daemon keeps no table of them: it can neither be read nor made
//! by anybody else, costs no memory, and says which process it was given to. Whoever presents it must still
//! be that process; see [`crate::edges::peer`].

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::caller::ProcessId;
use super::moment::{BootTime, Timestamp};

/// The header that carries a token (AWS EC2 user guide, "Use the Instance Metadata Service").
pub const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";
/// The header in which a client asks for a time to live, and in which it is told the one it got.
pub const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";

const VERSION: u8 = 1;
/// pid, start time, descriptor, expiry.
const CLAIMS_LENGTH: usize = 4 + 8 + 4 + 8;
const SEALED_LENGTH: usize = 1 + NONCE_LEN + CLAIMS_LENGTH + 16;
const TEXT_LENGTH: usize = (SEALED_LENGTH * 4).div_ceil(3);

/// Reads the time to live that a client asks for: 1 to 21600 seconds, as EC2 has it.
pub fn parse_ttl(text: &str) -> Option<Duration> {
    let digits = !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = digits.then(|| text.parse::<u64>().ok()).flatten()?;
    (1..=21_600).contains(&seconds).then(|| Duration::from_secs(seconds))
}

/// What a token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claims {
    /// The process it was given to; `None` if that could not be told.
    pub caller: Option<ProcessId>,
    /// The descriptor at which that process held its socket: where to look first for the next one.
    pub descriptor: u32,
    /// When it ends.
    pub expires: BootTime,
}

/// A key that seals tokens: 32 random bytes, wiped when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenKey(Zeroizing<[u8; 32]>);

impl TokenKey {
    /// Takes the bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    fn cipher(&self) -> LessSafeKey {
        #[allow(clippy::expect_used, reason = "the key has the algorithm's length by its type")]
        let key = UnboundKey::new(&AES_256_GCM, self.0.as_slice()).expect("32 bytes are a key of AES-256");
        LessSafeKey::new(key)
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(redacted)")
    }
}

/// The keys of a daemon, as they are kept from one start to the next. AWS SDKs hold on to a token for hours, and
/// some never let go of one that is refused, so that what one daemon sealed its successor must open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenKeys {
    /// What seals new tokens.
    pub current: TokenKey,
    /// Since when it does.
    pub made: Timestamp,
    /// What sealed them before, the last one first: their tokens are opened still.
    pub earlier: Vec<EarlierKey>,
}

/// A key that seals no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierKey {
    /// The key.
    pub key: TokenKey,
    /// Until when tokens that it sealed may be good.
    pub until: Timestamp,
}

impl TokenKeys {
    /// How long a key seals.
    const TERM: Duration = Duration::from_hours(24);
    /// How long a token lives at most.
    const TOKEN: Duration = Duration::from_hours(6);
    /// So many earlier keys are kept at most: a daemon that starts over and over must not gather them.
    const MOST: usize = 8;

    /// Keys that begin with this one.
    pub fn new(current: TokenKey, now: Timestamp) -> Self {
        Self { current, made: now, earlier: Vec::new() }
    }

    /// The keys to use at `now`: these, or `fresh` with the current one before it where that has served its term.
    #[must_use]
    pub fn at(self, now: Timestamp, fresh: TokenKey) -> Self {
        if (self.made..self.made.after(Self::TERM)).contains(&now) { self } else { self.before(fresh, now) }
    }

    /// These keys, followed by another one that seals from now on.
    #[must_use]
    pub fn before(self, next: TokenKey, now: Timestamp) -> Self {
        let last = EarlierKey { key: self.current, until: now.after(Self::TOKEN) };
        let earlier = self.earlier.into_iter().filter(|earlier| earlier.until > now);
        let earlier = std::iter::once(last).chain(earlier).take(Self::MOST).collect();
        Self { current: next, made: now, earlier }
    }
}

/// Seals tokens, and opens them.
pub struct Sealer {
    /// What else must be equal for a token to open: the boot of the machine, since pids, start times and
    /// the boot clock begin anew with each.
    bound_to: Vec<u8>,
    keys: RwLock<Arc<Ciphers>>,
    has_sealed: AtomicBool,
}

/// The keys, ready for use.
struct Ciphers {
    keys: TokenKeys,
    sealing: LessSafeKey,
    /// In the order in which they are tried after the sealing one.
    opening: Vec<LessSafeKey>,
}

impl Ciphers {
    fn new(keys: TokenKeys) -> Self {
        let opening = keys.earlier.iter().map(|earlier| earlier.key.cipher()).collect();
        Self { sealing: keys.current.cipher(), opening, keys }
    }
}

impl Sealer {
    /// A sealer with these keys, bound to a text that names this boot of the machine.
    pub fn new(keys: TokenKeys, boot_id: &str) -> Self {
        let bound_to = format!("brokerd token {boot_id}").into_bytes();
        Self { bound_to, keys: RwLock::new(Arc::new(Ciphers::new(keys))), has_sealed: AtomicBool::new(false) }
    }

    /// The keys, for keeping them.
    pub fn keys(&self) -> TokenKeys {
        self.ciphers().keys.clone()
    }

    /// Takes other keys instead of the present ones.
    pub fn change(&self, keys: TokenKeys) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Ciphers::new(keys));
    }

    /// Whether it has made a token.
    pub fn has_sealed(&self) -> bool {
        self.has_sealed.load(Ordering::Relaxed)
    }

    fn ciphers(&self) -> Arc<Ciphers> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A token for `claims`. The nonce must never be used twice with one key: take random bytes.
    pub fn seal(&self, claims: &Claims, nonce: [u8; NONCE_LEN]) -> String {
        let caller = claims.caller.unwrap_or(ProcessId { pid: 0, start: 0 });
        let mut body = Vec::with_capacity(CLAIMS_LENGTH + 16);
        body.extend(caller.pid.to_be_bytes());
        body.extend(caller.start.to_be_bytes());
        body.extend(claims.descriptor.to_be_bytes());
        body.extend(claims.expires.0.to_be_bytes());
        let mut sealed = Vec::with_capacity(SEALED_LENGTH);
        sealed.push(VERSION);
        sealed.extend(nonce);
        let aad = Aad::from(self.bound_to.as_slice());
        #[allow(clippy::expect_used, reason = "sealing fails only for bodies of gigabytes")]
        self.has_sealed.store(true, Ordering::Relaxed);
        self.ciphers()
            .sealing
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut body)
            .expect("a body of some bytes can be sealed");
        sealed.extend(body);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// What a token says, if this sealer made it and it has not ended at `now`.
    pub fn open(&self, token: &[u8], now: BootTime) -> Option<Claims> {
        // The length first: nothing is spent on a token that cannot be one.
        if token.len() != TEXT_LENGTH {
            return None;
        }
        let mut sealed = [0; SEALED_LENGTH + 2];
        let length = URL_SAFE_NO_PAD.decode_slice(token, &mut sealed).ok()?;
        let (version, rest) = sealed.get(..length)?.split_first()?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN)?;
        if *version != VERSION {
            return None;
        }
        let ciphers = self.ciphers();
        let body = std::iter::once(&ciphers.sealing).chain(&ciphers.opening).find_map(|key| {
            // A key that does not fit leaves the text in ruins, so each is given its own.
            let mut attempt = <[u8; CLAIMS_LENGTH + 16]>::try_from(&*body).ok()?;
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let opened = key.open_in_place(nonce, Aad::from(self.bound_to.as_slice()), &mut attempt).ok()?;
            <[u8; CLAIMS_LENGTH]>::try_from(&*opened).ok()
        })?;
        let (pid, rest) = body.split_first_chunk::<4>()?;
        let (start, rest) = rest.split_first_chunk::<8>()?;
        let (descriptor, rest) = rest.split_first_chunk::<4>()?;
        let (expires, _) = rest.split_first_chunk::<8>()?;
        let pid = u32::from_be_bytes(*pid);
        let claims = Claims {
            caller: (pid != 0).then(|| ProcessId { pid, start: u64::from_be_bytes(*start) }),
            descriptor: u32::from_be_bytes(*descriptor),
            expires: BootTime(u64::from_be_bytes(*expires)),
        };
        (now < claims.expires).then_some(claims)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: [u8; NONCE_LEN] = [7; NONCE_LEN];

    fn claims() -> Claims {
        Claims {
            caller: Some(ProcessId { pid: 4242, start: 987_654 }),
            descriptor: 5,
            expires: BootTime(10_000),
        }
    }

    fn sealer(key: u8, boot_id: &str) -> Sealer {
        Sealer::new(TokenKeys::new(TokenKey::new([key; 32]), Timestamp(0)), boot_id)
    }

    #[test]
    fn a_key_serves_a_day_and_opens_for_another() {
        let (first, second, third) = (TokenKey::new([1; 32]), TokenKey::new([2; 32]), TokenKey::new([3; 32]));
        let keys = TokenKeys::new(first.clone(), Timestamp(1000));
        let day = 24 * 3600;
        assert_eq!(keys.clone().at(Timestamp(1000), second.clone()), keys);
        assert_eq!(keys.clone().at(Timestamp(1000 + day - 1), second.clone()), keys);
        let next = keys.clone().at(Timestamp(1000 + day), second.clone());
        let made = Timestamp(1000 + day);
        let before = EarlierKey { key: first, until: made.after(Duration::from_hours(6)) };
        assert_eq!(next, TokenKeys { current: second.clone(), made, earlier: vec![before] });
        // A clock that went back says nothing of the key's age.
        assert_eq!(next.at(Timestamp(0), third.clone()).current, third);
    }

    #[test]
    fn earlier_keys_open_for_as_long_as_their_tokens_may_live_and_are_not_gathered() {
        let key = |number| TokenKey::new([number; 32]);
        let mut keys = TokenKeys::new(key(0), Timestamp(0));
        for number in 1..=20 {
            keys = keys.before(key(number), Timestamp(i64::from(number)));
        }
        let kept: Vec<_> = keys.earlier.iter().map(|earlier| earlier.key.clone()).collect();
        assert_eq!(kept, [19, 18, 17, 16, 15, 14, 13, 12].map(key));
        let later = keys.before(key(99), Timestamp(19 + 6 * 3600));
        let kept: Vec<_> = later.earlier.into_iter().map(|earlier| earlier.key).collect();
        assert_eq!(kept, [20, 19].map(key));
    }

    #[test]
    fn what_was_sealed_with_the_key_before_opens() {
        let sealer = sealer(1, "boot");
        let first = sealer.seal(&claims(), NONCE);
        sealer.change(sealer.keys().before(TokenKey::new([2; 32]), Timestamp(1)));
        let second = sealer.seal(&claims(), NONCE);
        for token in [&first, &second] {
            assert_eq!(sealer.open(token.as_bytes(), BootTime(0)), Some(claims()));
        }
        sealer.change(sealer.keys().before(TokenKey::new([3; 32]), Timestamp(2)));
        for token in [&first, &second] {
            assert_eq!(sealer.open(token.as_bytes(), BootTime(0)), Some(claims()));
        }
        sealer.change(TokenKeys { earlier: Vec::new(), ..sealer.keys() });
        assert_eq!(sealer.open(first.as_bytes(), BootTime(0)), None);
    }

    #[test]
    fn a_token_opens_to_what_it_was_sealed_with_until_it_ends() {
        let sealer = sealer(1, "boot");
        for claims in [claims(), Claims { caller: None, ..claims() }] {
            let token = sealer.seal(&claims, NONCE);
            assert_eq!(token.len(), TEXT_LENGTH);
            assert_eq!(sealer.open(token.as_bytes(), BootTime(9_999)), Some(claims));
            assert_eq!(sealer.open(token.as_bytes(), BootTime(10_000)), None);
        }
    }

    #[test]
    fn a_token_of_another_key_or_boot_or_with_any_byte_changed_does_not_open() {
        let sealer = sealer(1, "boot");
        let token = sealer.seal(&claims(), NONCE);
        for other in [self::sealer(2, "boot"), self::sealer(1, "next boot")] {
            assert_eq!(other.open(token.as_bytes(), BootTime(0)), None);
        }
        for position in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            // The last letter has two bits that carry nothing; a strict decoder refuses those too.
            assert_eq!(sealer.open(&changed, BootTime(0)), None, "letter {position}");
        }
        for text in
            ["", "short", &"A".repeat(TEXT_LENGTH), &"A".repeat(100_000), &"ü".repeat(TEXT_LENGTH / 2)]
        {
            assert_eq!(sealer.open(text.as_bytes(), BootTime(0)), None);
        }
    }

    #[test]
    fn a_time_to_live_is_a_plain_number_from_1_to_21600() {
        for (text, seconds) in [("1", Some(1)), ("21600", Some(21_600)), ("060", Some(60))] {
            assert_eq!(parse_ttl(text).map(|ttl| ttl.as_secs()), seconds, "{text}");
        }
        for text in ["", "0", "21601", "-1", "+5", "1.5", "abc", " 5", "99999999999999999999"] {
            assert_eq!(parse_ttl(text), None, "{text}");
        }
    }
}
