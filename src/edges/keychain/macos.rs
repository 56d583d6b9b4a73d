//! The Keychain of macOS.

use apple_native_keyring_store::keychain::Store;
use zeroize::Zeroizing;

use super::{Keychain, KeychainError, Ring};
use crate::core::keychain::{Item, Keychain as Kind};

/// The login keychain of this user.
#[derive(Debug)]
pub(super) struct Macos(Ring);

impl Macos {
    pub(super) fn new() -> Result<Self, KeychainError> {
        let store = Store::new().map_err(|error| KeychainError::Refused { why: error.to_string() })?;
        Ok(Self(Ring { store, kind: Kind::Macos }))
    }
}

impl Keychain for Macos {
    fn read(&mut self, item: &Item) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainError> {
        self.0.read(item)
    }

    fn write(&mut self, item: &Item, secret: &[u8]) -> Result<(), KeychainError> {
        self.0.write(item, secret)
    }

    fn remove(&mut self, item: &Item) -> Result<bool, KeychainError> {
        self.0.remove(item)
    }

    /// Every user of macOS has one.
    fn probe(&mut self) -> Result<(), KeychainError> {
        Ok(())
    }
}
