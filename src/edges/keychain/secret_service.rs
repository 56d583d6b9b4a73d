//! The Secret Service of the desktop, over the session bus (freedesktop.org Secret Service API).

use std::collections::HashMap;

use secret_service::EncryptionType;
use secret_service::blocking::SecretService as Service;
use zbus_secret_service_keyring_store::Store;
use zeroize::Zeroizing;

use super::{Keychain, KeychainError, Ring};
use crate::core::keychain::{Item, Keychain as Kind};

/// The collections of this user. Connected when first needed, and again after whatever went wrong: the service may
/// have ended, and another may have come.
///
/// A collection that is locked between the check and the call makes the service ask its user: then the call waits, and
/// whoever made it no longer than they said.
#[derive(Debug, Default)]
pub(super) struct SecretService {
    open: Option<Open>,
}

struct Open {
    ring: Ring,
    /// A second session, since the store would ask the user to unlock what it finds locked.
    service: Service<'static>,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Open").finish_non_exhaustive()
    }
}

impl Open {
    fn new() -> Result<Self, KeychainError> {
        // No secret crosses this one, so it needs no key agreement.
        let service = Service::connect(EncryptionType::Plain).map_err(|error| unreachable(&error))?;
        let store = Store::new().map_err(|error| unreachable(&error))?;
        Ok(Self { ring: Ring { store, kind: Kind::SecretService }, service })
    }

    /// Whether a call about an item would prompt, because the item or the collection that it would be made in is
    /// locked.
    fn check(&self, item: &Item) -> Result<(), KeychainError> {
        // What the store looks for: see its `Specifier`.
        let attributes = HashMap::from([("service", Item::SERVICE), ("username", item.account.as_str())]);
        let found = self.service.search_items(attributes).map_err(|error| refused(&error))?;
        let locked = if !found.locked.is_empty() {
            true
        } else if found.unlocked.is_empty() {
            self.is_locked()?
        } else {
            false
        };
        if locked { Err(KeychainError::Locked) } else { Ok(()) }
    }

    /// Every item of brokerd, those of collections that are locked included.
    fn items(&self) -> Result<Vec<Item>, KeychainError> {
        let found = self.service.search_items(HashMap::from([("service", Item::SERVICE)]));
        let found = found.map_err(|error| refused(&error))?;
        let mut items = Vec::new();
        for each in found.unlocked.iter().chain(&found.locked) {
            let mut attributes = each.get_attributes().map_err(|error| refused(&error))?;
            if let Some(account) = attributes.remove("username") {
                items.push(Item { account, label: each.get_label().map_err(|error| refused(&error))? });
            }
        }
        Ok(items)
    }

    fn is_locked(&self) -> Result<bool, KeychainError> {
        let collection = self.service.get_default_collection().map_err(|error| match error {
            secret_service::Error::NoResult => KeychainError::NoCollection,
            other => refused(&other),
        })?;
        collection.is_locked().map_err(|error| refused(&error))
    }
}

impl SecretService {
    /// Makes a call that may find the connection dead: then once more over a new one.
    fn call<T>(&mut self, call: impl Fn(&Open) -> Result<T, KeychainError>) -> Result<T, KeychainError> {
        if let Some(open) = &self.open {
            match call(open) {
                Err(KeychainError::Refused { .. } | KeychainError::Unreachable { .. }) => self.open = None,
                answered => return answered,
            }
        }
        let open = self.open.insert(Open::new()?);
        let answered = call(open);
        if let Err(KeychainError::Refused { .. } | KeychainError::Unreachable { .. }) = answered {
            self.open = None;
        }
        answered
    }
}

impl Keychain for SecretService {
    fn read(&mut self, item: &Item) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainError> {
        self.call(|open| open.check(item).and_then(|()| open.ring.read(item)))
    }

    fn write(&mut self, item: &Item, secret: &[u8]) -> Result<(), KeychainError> {
        self.call(|open| open.check(item).and_then(|()| open.ring.write(item, secret)))
    }

    fn remove(&mut self, item: &Item) -> Result<bool, KeychainError> {
        self.call(|open| open.check(item).and_then(|()| open.ring.remove(item)))
    }

    fn items(&mut self) -> Result<Vec<Item>, KeychainError> {
        self.call(Open::items)
    }

    fn probe(&mut self) -> Result<(), KeychainError> {
        self.call(|open| if open.is_locked()? { Err(KeychainError::Locked) } else { Ok(()) })
    }
}

fn unreachable(error: &impl std::fmt::Display) -> KeychainError {
    KeychainError::Unreachable { why: error.to_string() }
}

fn refused(error: &secret_service::Error) -> KeychainError {
    match error {
        secret_service::Error::Locked => KeychainError::Locked,
        other => KeychainError::Refused { why: other.to_string() },
    }
}
