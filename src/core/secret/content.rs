//! What was read at a spot, and what AWS said about it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// No value is longer, in bytes: as much as Secrets Manager takes, and 8 times what Parameter Store does.
pub const LONGEST: usize = 64 * 1024;

/// Why what was read is no value. The texts show nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// There is nothing in it.
    #[error("the value is empty")]
    Empty,
    /// There is too much in it.
    #[error("the value is longer than {LONGEST} bytes")]
    TooLong,
    /// A key is wanted of what is no JSON object.
    #[error("the value is no JSON object, so it has no key {key}")]
    NoObject {
        /// The key.
        key: String,
    },
    /// The JSON object has other keys.
    #[error("its JSON has no key {key}{}", .nearest.as_ref().map(|near| format!(" (did you mean {near}?)")).unwrap_or_default())]
    NoKey {
        /// The key.
        key: String,
        /// One that it has.
        nearest: Option<String>,
    },
    /// What the key has is an array, an object or null.
    #[error("key {key} of its JSON has no text, number or truth value")]
    NoScalar {
        /// The key.
        key: String,
    },
    /// It is not UTF-8, where only text can be taken.
    #[error("the value is binary")]
    Binary,
    /// It has a NUL in it, which no variable can hold.
    #[error("the value has a NUL character in it")]
    Nul,
}

/// What AWS says about a value besides the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Secrets Manager.
    SecretsManager {
        /// The secret's ARN.
        arn: String,
        /// Its name.
        name: String,
        /// The version.
        version_id: String,
        /// The version's staging labels.
        stages: Vec<String>,
        /// When the version was made, in milliseconds since 1970.
        created: Option<i64>,
        /// Whether it was stored as `SecretBinary`.
        is_binary: bool,
    },
    /// Parameter Store.
    Ssm {
        /// The parameter's ARN.
        arn: String,
        /// Its name.
        name: String,
        /// `String`, `StringList` or `SecureString`.
        kind: String,
        /// Its number.
        version: i64,
        /// What was asked for behind the name.
        selector: Option<String>,
        /// When it was changed, in milliseconds since 1970.
        modified: Option<i64>,
        /// `text`, or an AWS type that it was checked against.
        data_type: Option<String>,
    },
    /// This machine.
    Here,
}

/// A value as it was read. Wiped when its last owner lets go of it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Content {
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    bytes: Zeroizing<Vec<u8>>,
    origin: Origin,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Content {
    /// A value that is neither empty nor too long.
    pub fn new(bytes: Zeroizing<Vec<u8>>, origin: Origin) -> Result<Self, ContentError> {
        match bytes.len() {
            0 => Err(ContentError::Empty),
            length if length > LONGEST => Err(ContentError::TooLong),
            _ => Ok(Self { bytes, origin }),
        }
    }

    /// What a program printed, or what is in a file: text without the one line end that editors and `echo` put behind it.
    /// Of what is not UTF-8 nothing is taken off.
    pub fn of_text(mut bytes: Zeroizing<Vec<u8>>) -> Result<Self, ContentError> {
        if std::str::from_utf8(&bytes).is_ok() && bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        Self::new(bytes, Origin::Here)
    }

    /// The value, for giving it to whoever may have it.
    pub fn reveal(&self) -> &[u8] {
        &self.bytes
    }

    /// The same as text.
    pub fn text(&self) -> Result<&str, ContentError> {
        std::str::from_utf8(&self.bytes).map_err(|_| ContentError::Binary)
    }

    /// What AWS says about it.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// About how many bytes it takes to write it down.
    pub fn size(&self) -> usize {
        2 * self.bytes.len() + 1024
    }

    /// One value of its JSON object: a text as it is, a number or truth value as JSON writes it.
    pub fn at_key(&self, key: &str) -> Result<Self, ContentError> {
        // The parts of the parsed object are wiped too, by a type that has nothing else in it.
        let parts: std::collections::BTreeMap<String, Part> = self
            .text()
            .ok()
            .and_then(|text| serde_json::from_str(text).ok())
            .ok_or_else(|| ContentError::NoObject { key: key.to_owned() })?;
        match parts.get(key) {
            Some(Part(Some(value))) => {
                Self::new(Zeroizing::new(value.as_bytes().to_vec()), self.origin.clone())
            }
            Some(Part(None)) => Err(ContentError::NoScalar { key: key.to_owned() }),
            None => {
                let nearest = crate::core::nearest::nearest(key, parts.keys().map(String::as_str));
                let nearest = nearest.map(str::to_owned);
                Err(ContentError::NoKey { key: key.to_owned(), nearest })
            }
        }
    }
}

/// One value of a JSON object: its text, if it is a scalar.
struct Part(Option<Zeroizing<String>>);

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Self(Some(Zeroizing::new(text))),
            serde_json::Value::Number(number) => Self(Some(Zeroizing::new(number.to_string()))),
            serde_json::Value::Bool(truth) => Self(Some(Zeroizing::new(truth.to_string()))),
            _ => Self(None),
        })
    }
}

fn to_base64<S: Serializer>(bytes: &Zeroizing<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&Zeroizing::new(STANDARD.encode(bytes.as_slice())))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<Vec<u8>>, D::Error> {
    let text = Zeroizing::<String>::deserialize(deserializer)?;
    // The words of the decoder quote what they stumbled over.
    STANDARD.decode(text.as_bytes()).map(Zeroizing::new).map_err(|_| serde::de::Error::custom("no base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Content {
        Content::new(Zeroizing::new(text.as_bytes().to_vec()), Origin::Here).unwrap()
    }

    #[test]
    fn one_line_end_is_taken_off_what_programs_print() {
        for (printed, value) in [
            (&b"a\n"[..], Ok(&b"a"[..])),
            (b"a\r\n", Ok(b"a")),
            (b"a\n\n", Ok(b"a\n")),
            (b" a ", Ok(b" a ")),
            (b"\n", Err(ContentError::Empty)),
            (b"", Err(ContentError::Empty)),
            (b"\xff\n", Ok(b"\xff\n")),
        ] {
            let found = Content::of_text(Zeroizing::new(printed.to_vec()));
            assert_eq!(found.as_ref().map(Content::reveal).map_err(Clone::clone), value, "{printed:?}");
        }
        let most = Content::of_text(Zeroizing::new(vec![b'a'; LONGEST]));
        assert!(most.is_ok());
        let more = Content::of_text(Zeroizing::new(vec![b'a'; LONGEST + 1]));
        assert_eq!(more.unwrap_err(), ContentError::TooLong);
    }

    #[test]
    fn a_key_of_json_has_a_scalar_or_a_reason_without_a_value() {
        let json =
            r#"{"user":"ann","port":5432,"tls":true,"none":null,"list":["marked"],"empty":"","ratio":1.50}"#;
        for (key, expected) in [
            ("user", Ok("ann")),
            ("port", Ok("5432")),
            ("tls", Ok("true")),
            ("ratio", Ok("1.5")),
            ("none", Err("key none of its JSON has no text, number or truth value")),
            ("list", Err("key list of its JSON has no text, number or truth value")),
            ("empty", Err("the value is empty")),
            ("usr", Err("its JSON has no key usr (did you mean user?)")),
        ] {
            let found = content(json).at_key(key);
            let found = found.as_ref().map(|content| content.text().unwrap()).map_err(ToString::to_string);
            assert_eq!(found, expected.map_err(str::to_owned), "{key}");
        }
        for text in ["marked", "[\"marked\"]", "\"marked\"", "{\"marked\":"] {
            let error = content(text).at_key("k").unwrap_err();
            assert_eq!(error.to_string(), "the value is no JSON object, so it has no key k");
        }
    }

    #[test]
    fn a_value_survives_its_bytes_and_is_not_shown() {
        let bytes = Zeroizing::new((0..=255).collect::<Vec<u8>>());
        let before = Content::new(bytes, Origin::Here).unwrap();
        let after: Content = serde_json::from_str(&serde_json::to_string(&before).unwrap()).unwrap();
        assert_eq!(before.reveal(), after.reveal());
        assert_eq!(format!("{:?}", content("marked")), "Content { origin: Here, .. }");
        let error = serde_json::from_str::<Content>(r#"{"bytes":"marked!","origin":"here"}"#).unwrap_err();
        assert!(!error.to_string().contains("marked"), "{error}");
    }
}
