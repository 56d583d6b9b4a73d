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

/// What a sealed file holds; `None` if there is none, or none that this key opens, as after the key was lost.
pub(super) fn read(path: &Path, key: &Key) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Zeroizing::new(Vec::new());
    file.take(LARGEST).read_to_end(&mut content)?;
    let Some((nonce, sealed)) =
        content.strip_prefix(HEADER).and_then(|rest| rest.split_at_checked(NONCE_LEN))
    else {
        return Ok(None);
    };
    let Ok(nonce) = Nonce::try_assume_unique_for_key(nonce) else { return Ok(None) };
    let mut opened = Zeroizing::new(sealed.to_vec());
    let Ok(length) = cipher(key).open_in_place(nonce, Aad::from(HEADER), &mut opened).map(|text| text.len())
    else {
        return Ok(None);
    };
    opened.truncate(length);
    Ok(Some(opened))
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
        assert_eq!(read(&path, &[1; 32]).unwrap(), None);
        for content in [&b""[..], b"marked content", &vec![7; 400_000]] {
            write(&path, &[1; 32], content).unwrap();
            assert_eq!(read(&path, &[1; 32]).unwrap().unwrap().as_slice(), content);
            assert_eq!(read(&path, &[2; 32]).unwrap(), None);
        }
        write(&path, &[1; 32], b"marked content").unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"marked"));
        for broken in [&bytes[..bytes.len() - 1], &bytes[..20], &bytes[1..], b"", b"brokerd sealed 1\n"] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(read(&path, &[1; 32]).unwrap(), None);
        }
        let mut changed = bytes;
        *changed.last_mut().unwrap() ^= 1;
        std::fs::write(&path, changed).unwrap();
        assert_eq!(read(&path, &[1; 32]).unwrap(), None);
    }
}
