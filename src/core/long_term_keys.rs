//! Long-term AWS keys, as a person gives them and the keychain keeps them.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Why a text is no long-term keys. It is never quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// Neither two lines nor JSON.
    #[error(
        "expected the access key id and the secret access key, each on a line of its own, or the JSON that `aws iam create-access-key` prints"
    )]
    Form,
    /// The first is no access key id.
    #[error("the access key id is none: it has 16 to 128 capital letters and digits and begins with AKIA")]
    AccessKeyId,
    /// They are a session's.
    #[error(
        "these are temporary keys (ASIA…), which end by themselves: give long-term ones, which begin with AKIA"
    )]
    Temporary,
    /// The second is no secret access key.
    #[error("the secret access key is none: it has 40 letters, digits, + and /")]
    SecretAccessKey,
}

/// The JSON of `aws iam create-access-key`, or of a `credential_process`.
#[derive(Deserialize)]
struct Given {
    #[serde(rename = "AccessKey")]
    access_key: Option<GivenKeys>,
    #[serde(flatten)]
    keys: GivenKeys,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GivenKeys {
    access_key_id: Option<String>,
    secret_access_key: Option<Zeroizing<String>>,
    session_token: Option<Zeroizing<String>>,
}

/// An access key of an IAM user (AWS IAM user guide, "Manage access keys for IAM users"). Wiped when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LongTermKeys {
    access_key_id: String,
    secret_access_key: Zeroizing<String>,
}

impl LongTermKeys {
    /// Takes both parts.
    pub fn new(access_key_id: &str, secret_access_key: &str) -> Result<Self, KeysError> {
        let is_id = |text: &str| {
            (16..=128).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        };
        let is_secret = |text: &str| {
            text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
        };
        if access_key_id.starts_with("ASIA") {
            return Err(KeysError::Temporary);
        }
        if !access_key_id.starts_with("AKIA") || !is_id(access_key_id) {
            return Err(KeysError::AccessKeyId);
        }
        if !is_secret(secret_access_key) {
            return Err(KeysError::SecretAccessKey);
        }
        Ok(Self {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: Zeroizing::new(secret_access_key.to_owned()),
        })
    }

    /// Reads two lines, or the JSON of `aws iam create-access-key`, or what a `credential_process` prints.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let text = text.trim();
        if text.starts_with('{') {
            let given: Given = serde_json::from_str(text).map_err(|_| KeysError::Form)?;
            let keys = given.access_key.unwrap_or(given.keys);
            if keys.session_token.is_some() {
                return Err(KeysError::Temporary);
            }
            let (Some(id), Some(secret)) = (keys.access_key_id, keys.secret_access_key) else {
                return Err(KeysError::Form);
            };
            return Self::new(&id, &secret);
        }
        match text.lines().map(str::trim).collect::<Vec<_>>()[..] {
            [id, secret] => Self::new(id, secret),
            _ => Err(KeysError::Form),
        }
    }

    /// The access key id, which is no secret.
    pub fn access_key_id(&self) -> &str {
        &self.access_key_id
    }

    /// The secret access key, for signing.
    pub fn reveal(&self) -> &str {
        &self.secret_access_key
    }

    /// The keys as bytes, for a keychain.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // Room for all of it: a buffer that grows would leave copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(512));
        // Writing to memory cannot fail.
        let _ = serde_json::to_writer(&mut *bytes, self);
        bytes
    }

    /// Reads what [`LongTermKeys::to_bytes`] wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

impl fmt::Debug for LongTermKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LongTermKeys").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "AKIAIOSFODNN7EXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    #[test]
    fn reads_what_people_have() {
        let keys = LongTermKeys::new(ID, SECRET).unwrap();
        for text in [
            format!("{ID}\n{SECRET}"),
            format!("  {ID} \r\n{SECRET}\r\n\n"),
            format!(
                "{{\"AccessKey\":{{\"UserName\":\"a\",\"AccessKeyId\":\"{ID}\",\"SecretAccessKey\":\"{SECRET}\"}}}}"
            ),
            format!(
                "{{\"Version\":1,\"AccessKeyId\":\"{ID}\",\"SecretAccessKey\":\"{SECRET}\",\"SessionToken\":null}}"
            ),
        ] {
            assert_eq!(LongTermKeys::parse(&text), Ok(keys.clone()), "{text}");
        }
        assert_eq!(LongTermKeys::from_bytes(&keys.to_bytes()), Some(keys.clone()));
        assert_eq!(LongTermKeys::from_bytes(b"diary"), None);
        assert!(!format!("{keys:?}").contains("wJalr"));
    }

    #[test]
    fn says_what_is_wrong_and_quotes_nothing() {
        use KeysError::{AccessKeyId, Form, SecretAccessKey, Temporary};
        for (text, error) in [
            (String::new(), Form),
            (ID.to_owned(), Form),
            (format!("{ID}\n{SECRET}\nmore"), Form),
            ("{".to_owned(), Form),
            (format!("{{\"AccessKeyId\":\"{ID}\"}}"), Form),
            (format!("{SECRET}\n{ID}"), AccessKeyId),
            (format!("akiaiosfodnn7example\n{SECRET}"), AccessKeyId),
            (format!("ASIAIOSFODNN7EXAMPLE\n{SECRET}"), Temporary),
            (
                format!(
                    "{{\"AccessKeyId\":\"{ID}\",\"SecretAccessKey\":\"{SECRET}\",\"SessionToken\":\"x\"}}"
                ),
                Temporary,
            ),
            (format!("{ID}\n{}", &SECRET[1..]), SecretAccessKey),
            (format!("{ID}\n{}-", &SECRET[1..]), SecretAccessKey),
        ] {
            let found = LongTermKeys::parse(&text).unwrap_err();
            assert_eq!(found, error, "{text}");
            assert!(!found.to_string().contains("wJalr"));
        }
    }
}
