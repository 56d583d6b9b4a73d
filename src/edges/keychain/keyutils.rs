//! The kernel's keys (`man 7 keyrings`), for machines without a desktop.
//!
//! A user has room for 200 of them and 20,000 bytes in all, and a reboot forgets them: enough for a key that seals a
//! file, too little for what is in it.

use linux_keyutils_keyring_store::Store;
use zeroize::Zeroizing;

use super::{Keychain, KeychainError, Ring};
use crate::core::keychain::{Item, Keychain as Kind};

/// The keys that this process's session and its user's persistent keyring hold.
#[derive(Debug)]
pub(super) struct Keyutils(Ring);

impl Keyutils {
    pub(super) fn new() -> Result<Self, KeychainError> {
        let store = Store::new().map_err(|error| KeychainError::Refused { why: error.to_string() })?;
        Ok(Self(Ring { store, kind: Kind::Keyutils }))
    }
}

impl Keychain for Keyutils {
    fn read(&mut self, item: &Item) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainError> {
        self.0.read(item)
    }

    fn write(&mut self, item: &Item, secret: &[u8]) -> Result<(), KeychainError> {
        self.0.write(item, secret)
    }

    fn remove(&mut self, item: &Item) -> Result<bool, KeychainError> {
        self.0.remove(item)
    }

    /// Containers often forbid the calls, and then only using them tells.
    fn probe(&mut self) -> Result<(), KeychainError> {
        let item =
            Item { account: format!("probe {}", std::process::id()), label: "brokerd: probe".to_owned() };
        self.0.write(&item, b"probe")?;
        let found = self.0.read(&item);
        self.0.remove(&item)?;
        match found? {
            Some(found) if *found == b"probe" => Ok(()),
            _ => Err(KeychainError::Refused { why: "it forgets what it is given".to_owned() }),
        }
    }
}
