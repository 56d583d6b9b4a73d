//! A file that only the holder of a key can read (AES-256-GCM).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::edges::atomic_file::{self, WriteError};
use crate::edges::random;

/// Every sealed file begins so.
const HEADER: &[u8] = b"brokerd sealed 1\n";
/// Nothing that brokerd seals comes near it.
const LARGEST: u64 = 64 * 1024 * 1024;

/// A key: 32 random bytes.
pub(super) type Key = [u8; 32];

fn cipher(key: &Key) -> LessSafeKey {
    #[allow(clippy::expect_used, reason = "the key has the algorithm's length by its type")]
    let key = UnboundKey::new(&AES_256_GCM, key).expect("32 bytes are a key of AES-256");
    LessSafeKey::new(key)
}

/// What came of opening a sealed file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// There is none.
    Missing,
    /// This key does not open it, or it is none.
    Shut,
    /// This is in it.
    Text(Zeroizing<Vec<u8>>),
}

/// What a sealed file holds.
pub(super) fn read(path: &Path, key: &Key) -> io::Result<Opened> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Opened::Missing),
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    file.take(LARGEST).read_to_end(&mut content)?;
    let parts = content.strip_prefix(HEADER).and_then(|rest| rest.split_at_checked(NONCE_LEN));
    let nonce = parts.and_then(|(nonce, _)| Nonce::try_assume_unique_for_key(nonce).ok());
    let (Some((_, sealed)), Some(nonce)) = (parts, nonce) else { return Ok(Opened::Shut) };
    let mut opened = Zeroizing::new(sealed.to_vec());
    match cipher(key).open_in_place(nonce, Aad::from(HEADER), &mut opened).map(|text| text.len()) {
        Ok(length) => {
            opened.truncate(length);
            Ok(Opened::Text(opened))
        }
        Err(_) => Ok(Opened::Shut),
    }
}

/// Replaces a sealed file, whole or not at all.
pub(super) fn write(path: &Path, key: &Key, content: &[u8]) -> Result<(), WriteError> {
    let nonce: [u8; NONCE_LEN] = random::bytes();
    let mut sealed = Zeroizing::new(Vec::with_capacity(content.len() + AES_256_GCM.tag_len()));
    sealed.extend(content);
    #[allow(clippy::expect_used, reason = "sealing fails only for gigabytes")]
    cipher(key)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(HEADER), &mut *sealed)
        .expect("what fits in memory can be sealed");
    atomic_file::replace(path, &[HEADER, &nonce, &sealed].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_opens_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("sealed");
        assert_eq!(read(&path, &[1; 32]).unwrap(), Opened::Missing);
        for content in [&b""[..], b"marked content", &vec![7; 400_000]] {
            write(&path, &[1; 32], content).unwrap();
            let text = Opened::Text(Zeroizing::new(content.to_vec()));
            assert_eq!(read(&path, &[1; 32]).unwrap(), text);
            assert_eq!(read(&path, &[2; 32]).unwrap(), Opened::Shut);
        }
        write(&path, &[1; 32], b"marked content").unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"marked"));
        for broken in [&bytes[..bytes.len() - 1], &bytes[..20], &bytes[1..], b"", b"brokerd sealed 1\n"] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(read(&path, &[1; 32]).unwrap(), Opened::Shut);
        }
        let mut changed = bytes;
        *changed.last_mut().unwrap() ^= 1;
        std::fs::write(&path, changed).unwrap();
        assert_eq!(read(&path, &[1; 32]).unwrap(), Opened::Shut);
    }
}
