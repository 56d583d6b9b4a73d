//! IMDSv2 tokens that carry their caller.
//!
//! A token is sealed (AES-256-GCM), so the daemon keeps no table of them: it can neither be read nor made
//! by anybody else, costs no memory, and says which process it was given to. Whoever presents it must still
//! be that process; see [`crate::edges::peer`].

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::caller::ProcessId;
use super::moment::BootTime;

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

/// The key that seals tokens.
pub struct Sealer {
    key: LessSafeKey,
    /// What else must be equal for a token to open: the boot of the machine, since pids, start times and
    /// the boot clock begin anew with each.
    bound_to: Vec<u8>,
}

impl Sealer {
    /// A sealer from 32 random bytes, bound to a text that names this boot of the machine.
    pub fn new(key: &[u8; 32], boot_id: &str) -> Self {
        #[allow(clippy::expect_used, reason = "the key has the algorithm's length by its type")]
        let key = UnboundKey::new(&AES_256_GCM, key).expect("32 bytes are a key of AES-256");
        Self { key: LessSafeKey::new(key), bound_to: format!("brokerd token {boot_id}").into_bytes() }
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
        self.key
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
        let (version, rest) = sealed.get_mut(..length)?.split_first_mut()?;
        let (nonce, body) = rest.split_at_mut_checked(NONCE_LEN)?;
        if *version != VERSION {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let body = self.key.open_in_place(nonce, Aad::from(self.bound_to.as_slice()), body).ok()?;
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

    #[test]
    fn a_token_opens_to_what_it_was_sealed_with_until_it_ends() {
        let sealer = Sealer::new(&[1; 32], "boot");
        for claims in [claims(), Claims { caller: None, ..claims() }] {
            let token = sealer.seal(&claims, NONCE);
            assert_eq!(token.len(), TEXT_LENGTH);
            assert_eq!(sealer.open(token.as_bytes(), BootTime(9_999)), Some(claims));
            assert_eq!(sealer.open(token.as_bytes(), BootTime(10_000)), None);
        }
    }

    #[test]
    fn a_token_of_another_key_or_boot_or_with_any_byte_changed_does_not_open() {
        let sealer = Sealer::new(&[1; 32], "boot");
        let token = sealer.seal(&claims(), NONCE);
        for other in [Sealer::new(&[2; 32], "boot"), Sealer::new(&[1; 32], "next boot")] {
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
