//! The token that clients of the secrets interface send: `brokerctl env` names its file to them. It proves nothing
//! about who sends it, which brokerd looks at anyway, but that it is no request forged through a server.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::atomic_file::{self, WriteError};
use super::{random, user};
use crate::core::container_token;

/// A token has so many characters.
const LENGTH: usize = 43;

/// The token of this user's clients.
pub struct SecretsToken(Zeroizing<String>);

impl std::fmt::Debug for SecretsToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretsToken(redacted)")
    }
}

impl SecretsToken {
    /// The token in a file, which is kept over restarts, since shells have it; else a new one, written there.
    pub fn at(path: &Path) -> Result<Self, WriteError> {
        if let Ok(Some(text)) = read(path) {
            return Ok(Self(text));
        }
        let text = container_token::text(&Zeroizing::new(random::bytes()));
        atomic_file::replace(path, text.as_bytes())?;
        Ok(Self(text))
    }

    /// Whether this is it.
    pub fn is(&self, presented: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(presented).into()
    }
}

/// A token that nobody else can have read or written.
fn read(path: &Path) -> io::Result<Option<Zeroizing<String>>> {
    let found = std::fs::symlink_metadata(path)?;
    if !found.is_file() || found.uid() != user::uid() || found.mode() & 0o077 != 0 {
        return Ok(None);
    }
    let text = Zeroizing::new(std::fs::read_to_string(path)?);
    Ok(Some(text).filter(|text| text.len() == LENGTH && text.is_ascii()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_stays_the_same_while_nobody_else_could_have_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("secrets-token");
        let first = SecretsToken::at(&path).unwrap();
        let text = std::fs::read(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(first.is(&text) && !first.is(b"") && !first.is(&text[1..]));
        assert!(SecretsToken::at(&path).unwrap().is(&text));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(!SecretsToken::at(&path).unwrap().is(&text));
        std::fs::write(&path, "short").unwrap();
        assert!(!SecretsToken::at(&path).unwrap().is(b"short"));
    }
}
