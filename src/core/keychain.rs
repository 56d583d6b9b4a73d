//! Which keychains there are, and what brokerd keeps in one.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::name::{KeysName, ProfileName, SecretName};

/// A keychain that brokerd can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keychain {
    /// The Secret Service of the desktop: GNOME Keyring, KWallet, KeePassXC (freedesktop.org Secret Service API).
    SecretService,
    /// The kernel's key retention service (`man 7 keyrings`): lost at reboot, and small.
    Keyutils,
    /// The Keychain of macOS.
    Macos,
    /// None: what is kept ends with the daemon.
    Memory,
}

impl Keychain {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::SecretService, Self::Keyutils, Self::Macos, Self::Memory];

    /// Its name in `config.toml` and in `status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::SecretService => "secret-service",
            Self::Keyutils => "keyutils",
            Self::Macos => "macos",
            Self::Memory => "memory",
        }
    }

    /// The keychain of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|keychain| keychain.name() == name)
    }

    /// Whether it keeps what a person put there until that person takes it out again.
    pub fn is_durable(self) -> bool {
        matches!(self, Self::SecretService | Self::Macos)
    }
}

impl fmt::Display for Keychain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What `config.toml` says about the keychain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeychainSetting {
    /// The best that is found at the first start, and from then on that one.
    #[default]
    Auto,
    /// This one.
    Fixed(Keychain),
}

/// An item of a keychain: brokerd finds it by its account, a person recognises it by its label.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Item {
    /// Unique among the items of [`Item::SERVICE`].
    pub account: String,
    /// For people, as keychain programs list it.
    pub label: String,
}

/// What the accounts of caches begin with, and those of their keys.
const CACHE_OF: &str = "cache of ";
const CACHE_KEY_OF: &str = "cache key of ";

impl Item {
    /// The service under which every item of brokerd is kept.
    pub const SERVICE: &'static str = "brokerd";

    /// The cache of the daemon that keeps its state in `directory`. One of another state directory, as a demo's or
    /// a second user profile's, has an item of its own: two daemons never write to the same one.
    pub fn cache(directory: &Path) -> Self {
        let directory = directory.display();
        Self {
            account: format!("{CACHE_OF}{directory}"),
            label: format!("brokerd: sessions kept for {directory}"),
        }
    }

    /// The key that seals the cache of the daemon that keeps its state in `directory`.
    pub fn cache_key(directory: &Path) -> Self {
        let directory = directory.display();
        Self {
            account: format!("{CACHE_KEY_OF}{directory}"),
            label: format!("brokerd: key of the sessions kept for {directory}"),
        }
    }

    /// Whether it can be done without: some daemon's cache, or the key of one. What else there is a person gave.
    pub fn is_cached(&self) -> bool {
        [CACHE_OF, CACHE_KEY_OF].iter().any(|begin| self.account.starts_with(begin))
    }

    /// The value of a secret of a profile that a person gave. A dot is in neither name.
    pub fn secret(profile: &ProfileName, name: &SecretName) -> Self {
        Self {
            account: format!("secret {profile}.{name}"),
            label: format!("brokerd: {name} of profile {profile}"),
        }
    }

    /// Long-term AWS keys that a person gave, under a name.
    pub fn keys(name: &KeysName) -> Self {
        Self { account: format!("keys {name}"), label: format!("brokerd: AWS keys {name}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_keychain_has_its_name_in_both_directions() {
        for keychain in Keychain::ALL {
            assert_eq!(Keychain::named(keychain.name()), Some(keychain));
            assert_eq!(serde_json::to_string(&keychain).unwrap(), format!("\"{keychain}\""));
        }
        assert_eq!(Keychain::named("auto"), None);
    }

    #[test]
    fn items_of_different_things_are_different_items() {
        let (one, other) = (Path::new("/home/a/.local/state/brokerd"), Path::new("/tmp/demo/state"));
        let keys = |name| Item::keys(&KeysName::parse(name).unwrap());
        let secret = |profile, name| {
            Item::secret(&ProfileName::parse(profile).unwrap(), &SecretName::parse(name).unwrap())
        };
        let items = [
            Item::cache(one),
            Item::cache(other),
            Item::cache_key(one),
            keys("work"),
            keys("home"),
            secret("work", "KEY"),
            secret("home", "KEY"),
            secret("work", "OTHER"),
        ];
        let accounts: std::collections::HashSet<_> = items.iter().map(|item| &item.account).collect();
        assert_eq!(accounts.len(), items.len());
        assert_eq!(
            items.each_ref().map(Item::is_cached),
            [true, true, true, false, false, false, false, false]
        );
    }
}
