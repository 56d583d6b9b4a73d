//! Codes of MFA devices, and the sessions that one code opens for all roles of its user.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::credentials::SessionCredentials;
use super::name::MfaSerial;

/// Why a text is no code. It is never quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no code of an MFA device: six digits")]
pub struct MfaCodeError;

/// A code that an MFA device shows (`TokenCode`: six digits; AWS STS API reference, `GetSessionToken`). It is good once and
/// for half a minute, and treated like a secret for that time: not shown, wiped when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Zeroizing<String>")]
pub struct MfaCode(Zeroizing<String>);

impl MfaCode {
    /// Takes six digits. Spaces, which many programs put between three and three, do not count.
    pub fn parse(text: &str) -> Result<Self, MfaCodeError> {
        let mut digits = Zeroizing::new(String::with_capacity(text.len()));
        digits.extend(text.chars().filter(|c| !c.is_whitespace()));
        let is_code = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_code { Ok(Self(digits)) } else { Err(MfaCodeError) }
    }

    /// The digits, for STS.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl TryFrom<Zeroizing<String>> for MfaCode {
    type Error = MfaCodeError;
    fn try_from(text: Zeroizing<String>) -> Result<Self, MfaCodeError> {
        Self::parse(&text)
    }
}

impl fmt::Debug for MfaCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MfaCode(redacted)")
    }
}

/// Whose MFA session it is: the device, and the long-term keys that asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MfaHolder {
    /// The device.
    pub serial: MfaSerial,
    /// The keys.
    pub access_key_id: String,
}

/// What `GetSessionToken` gave for a code. It signs in place of the keys, with AWS knowing that MFA was there.
#[derive(Debug, Clone)]
pub struct MfaSession {
    /// Whose.
    pub holder: MfaHolder,
    /// The credentials.
    pub credentials: Arc<SessionCredentials>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_six_digits_and_not_shown() {
        for (text, expected) in [
            ("123456", Some("123456")),
            (" 123 456\n", Some("123456")),
            ("000000", Some("000000")),
            ("12345", None),
            ("1234567", None),
            ("12345a", None),
            ("１２３４５６", None),
            ("", None),
        ] {
            assert_eq!(MfaCode::parse(text).ok().as_ref().map(MfaCode::reveal), expected, "{text:?}");
        }
        assert!(!format!("{:?}", MfaCode::parse("123456")).contains("123"));
        let text = serde_json::to_string(&MfaCode::parse("123456").unwrap()).unwrap();
        assert_eq!(serde_json::from_str::<MfaCode>(&text).unwrap().reveal(), "123456");
        let error = serde_json::from_str::<MfaCode>("\"12345\"").unwrap_err();
        assert!(!error.to_string().contains("12345"), "{error}");
    }
}
