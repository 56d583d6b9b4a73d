//! Taking out of every keychain what brokerd has put there, those included that it used before another was named.

use std::path::Path;
use std::time::Duration;

use super::choice::{CANDIDATES, open};
use super::{Chosen, Keychain, KeychainError, Worker};
use crate::core::keychain::{Item, Keychain as Kind};
use crate::core::protocol::{Forgotten, KeychainItem};

/// A keychain may take so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// The cache of the daemon that keeps its state in a directory.
    Cache,
    /// That, and what people gave to be kept: keys and logins.
    Everything,
}

/// Takes it out of every keychain of this system; `state` is the daemon's state directory. A keychain that is not there
/// holds nothing; one that is locked, silent or refuses is a trouble.
pub async fn forget(chosen: &Chosen, state: &Path, what: What) -> Forgotten {
    let mut forgotten = Forgotten::default();
    for (kind, worker) in keychains(chosen, &mut forgotten.troubles) {
        let cache = vec![Item::cache(state), Item::cache_key(state)];
        match worker.call(PATIENCE, move |keychain| remove(keychain, cache, what)).await {
            Ok(labels) => {
                forgotten
                    .removed
                    .extend(labels.into_iter().map(|label| KeychainItem { label, keychain: kind }));
            }
            // Where nothing answers in its place, and it is not the one in use, nothing can be kept there either.
            Err(KeychainError::Unreachable { .. } | KeychainError::NoCollection) if kind != chosen.kind => {}
            Err(error) => forgotten.troubles.push(format!("{kind}: {error}")),
        }
    }
    let sealed = state.join("cache.sealed");
    match std::fs::remove_file(&sealed) {
        Ok(()) => {
            let label = sealed.display().to_string();
            forgotten.removed.push(KeychainItem { label, keychain: Kind::Keyutils });
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => forgotten.troubles.push(format!("{}: {error}", sealed.display())),
    }
    forgotten
}

/// What people gave to be kept, in every keychain that can be asked.
pub async fn durable_items(chosen: &Chosen) -> Vec<KeychainItem> {
    let mut found = Vec::new();
    for (kind, worker) in keychains(chosen, &mut Vec::new()) {
        let items = worker.call(PATIENCE, |keychain| keychain.items()).await.unwrap_or_default();
        let durable = items.into_iter().filter(|item| !item.is_cached());
        found.extend(durable.map(|item| KeychainItem { label: item.label, keychain: kind }));
    }
    found.sort_by(|one, other| one.label.cmp(&other.label));
    found
}

fn keychains(chosen: &Chosen, troubles: &mut Vec<String>) -> Vec<(Kind, Worker)> {
    let mut found = Vec::new();
    for kind in CANDIDATES {
        let worker = match &chosen.worker {
            Some(worker) if kind == chosen.kind => Ok(worker.clone()),
            _ => open(kind).and_then(|keychain| {
                Worker::new(keychain).map_err(|error| KeychainError::Refused { why: error.to_string() })
            }),
        };
        match worker {
            Ok(worker) => found.push((kind, worker)),
            Err(KeychainError::Unsupported) => {}
            Err(error) => troubles.push(format!("{kind}: {error}")),
        }
    }
    found
}

/// The labels of what was removed.
fn remove(
    keychain: &mut dyn Keychain,
    mut items: Vec<Item>,
    what: What,
) -> Result<Vec<String>, KeychainError> {
    if what == What::Everything {
        items.extend(keychain.items()?.into_iter().filter(|item| !item.is_cached()));
    }
    let mut labels = Vec::new();
    for item in items {
        if keychain.remove(&item)? {
            labels.push(item.label);
        }
    }
    Ok(labels)
}
