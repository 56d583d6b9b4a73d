//! Values in memory: read once for all who wait, used for as long as their catalog says.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};

use super::sources::{Access, Read, Sources};
use crate::core::cache::CachedSecret;
use crate::core::catalog::Catalog;
use crate::core::moment::Timestamp;
use crate::core::name::{ProfileName, SecretName};
use crate::core::secret::{Address, Content, Freshness, SecretFailure, Spot, freshness};
use crate::edges::clock;

/// More values are not kept: a client with passthrough may ask for any number.
const MOST: usize = 1000;
/// No value is kept longer: beyond the longest time to live and the longest that one may be served stale.
const LONGEST_KEPT: Duration = Duration::from_hours(8 * 24);

/// What is wanted, and for how long a value of it is fresh.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) address: Address,
    pub(super) ttl: Duration,
}

/// A value that may be served.
#[derive(Debug, Clone)]
pub(super) struct Got {
    pub(super) content: Arc<Content>,
    pub(super) read: Timestamp,
    /// Why it is older than it should be, if it is.
    pub(super) stale: Option<SecretFailure>,
}

type Outcome = Result<(Arc<Content>, Timestamp), SecretFailure>;
/// Where the outcome of a reading comes out, for all who wait.
type Flight = watch::Receiver<Option<Outcome>>;

#[derive(Debug, Default)]
struct Slot {
    value: Option<(Arc<Content>, Timestamp)>,
    /// The last failure, and until when it is remembered.
    failure: Option<(SecretFailure, Timestamp)>,
    flight: Option<Flight>,
}

/// When a value was read and what it is worth, and the last failure.
type Known = (Option<(Timestamp, Freshness)>, Option<SecretFailure>);

/// What a look at a slot comes to.
enum Look {
    Served(Got),
    Failed(SecretFailure),
    UnderWay(Flight),
}

/// All values.
#[derive(Debug, Clone)]
pub(in crate::daemon) struct Store {
    slots: Arc<Mutex<HashMap<Address, Slot>>>,
    sources: Arc<Sources>,
    stale_for: Duration,
    changed: Arc<Notify>,
    readings: Arc<AtomicU64>,
}

impl Store {
    pub(super) fn new(sources: Sources, stale_for: Duration) -> Self {
        Self {
            slots: Arc::default(),
            sources: Arc::new(sources),
            stale_for,
            changed: Arc::default(),
            readings: Arc::default(),
        }
    }

    /// Waits until there are other values to keep than when this last returned.
    pub(in crate::daemon) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Values for all of these, in their order, waiting at most `patience` for those under way. With `refresh` none that
    /// is known does. A value that is past its time is served only where no other can be had in that time.
    pub(super) async fn get(
        &self,
        asks: &[Ask],
        refresh: bool,
        access: &Access,
        patience: Duration,
    ) -> Vec<Result<Got, SecretFailure>> {
        let end = Instant::now() + patience;
        let looks = self.look(asks, refresh, access);
        let mut found = Vec::with_capacity(asks.len());
        for (ask, look) in asks.iter().zip(looks) {
            found.push(match look {
                Look::Served(got) => Ok(got),
                Look::Failed(failure) => Err(failure),
                Look::UnderWay(flight) => match landing(flight, end).await {
                    Ok((content, read)) => Ok(Got { content, read, stale: None }),
                    Err(failure) => self.older(ask, failure),
                },
            });
        }
        found
    }

    /// What is known of these, without reading any: when it was read, whether it is fresh, and the last failure.
    pub(super) fn known(&self, asks: &[Ask]) -> Vec<Known> {
        let (now, slots) = (clock::now(), self.lock());
        let known = |ask: &Ask| {
            let Some(slot) = slots.get(&ask.address) else { return (None, None) };
            let value =
                slot.value.as_ref().map(|(_, read)| (*read, freshness(*read, ask.ttl, self.stale_for, now)));
            (value, slot.failure.as_ref().map(|(failure, _)| failure.clone()))
        };
        asks.iter().map(known).collect()
    }

    fn look(&self, asks: &[Ask], refresh: bool, access: &Access) -> Vec<Look> {
        let now = clock::now();
        let mut slots = self.lock();
        let mut begun = Vec::new();
        let looks = asks
            .iter()
            .map(|ask| {
                let slot = slots.entry(ask.address.clone()).or_default();
                let fresh = slot.value.as_ref().filter(|(_, read)| {
                    !refresh && freshness(*read, ask.ttl, self.stale_for, now) == Freshness::Fresh
                });
                if let Some((content, read)) = fresh {
                    return Look::Served(Got { content: content.clone(), read: *read, stale: None });
                }
                // A flight whose task is gone will never land.
                if let Some(flight) = slot.flight.as_ref().filter(|flight| flight.has_changed().is_ok()) {
                    return Look::UnderWay(flight.clone());
                }
                let failing = slot.failure.as_ref().filter(|(_, until)| !refresh && now < *until);
                if let Some((failure, _)) = failing {
                    let failure = failure.clone();
                    return match older(slot, ask, self.stale_for, failure, now) {
                        Ok(got) => Look::Served(got),
                        Err(failure) => Look::Failed(failure),
                    };
                }
                let (land, flight) = watch::channel(None);
                slot.flight = Some(flight.clone());
                begun.push((ask.address.clone(), land));
                Look::UnderWay(flight)
            })
            .collect();
        drop(slots);
        self.read(begun, access);
        looks
    }

    /// Reads what is in AWS together, and everything else each for itself, so that a slow program holds up nothing.
    fn read(&self, begun: Vec<(Address, watch::Sender<Option<Outcome>>)>, access: &Access) {
        self.readings.fetch_add(begun.len() as u64, Ordering::Relaxed);
        let (of_aws, here): (Vec<_>, Vec<_>) =
            begun.into_iter().partition(|(address, _)| address.spot.is_of_aws());
        for (address, land) in here {
            let store = self.clone();
            tokio::spawn(async move {
                let outcome = store.sources.here(&address).await;
                store.landed((address, outcome), &land);
            });
        }
        if of_aws.is_empty() {
            return;
        }
        let (store, access) = (self.clone(), access.clone());
        tokio::spawn(async move {
            let mut landing: HashMap<_, _> = of_aws.into_iter().collect();
            let addresses = landing.keys().cloned().collect();
            for (address, outcome) in Box::pin(store.sources.of_aws(access, addresses)).await {
                if let Some(land) = landing.remove(&address) {
                    store.landed((address, outcome), &land);
                }
            }
        });
    }

    fn landed(&self, (address, outcome): Read, land: &watch::Sender<Option<Outcome>>) {
        let now = clock::now();
        let profile = &address.profile;
        let place = address.spot.place();
        let outcome = outcome.map(|content| (Arc::new(content), now));
        let mut slots = self.lock();
        // The slot is gone if the catalog has dropped the secret meanwhile; then nothing is kept.
        if let Some(slot) = slots.get_mut(&address) {
            slot.flight = None;
            match &outcome {
                Ok(value) => {
                    tracing::info!(%profile, place, "a secret was read");
                    (slot.value, slot.failure) = (Some(value.clone()), None);
                    if address.spot.is_kept() {
                        self.changed.notify_one();
                    }
                }
                Err(failure) => {
                    tracing::warn!(%profile, place, %failure, "a secret was not read");
                    if !failure.is_temporary() {
                        // It is gone, or ours no more: so is what it was.
                        slot.value = None;
                    }
                    slot.failure = Some((failure.clone(), Timestamp(now.0 + failure.memory_seconds())));
                }
            }
            prune(&mut slots, now);
        }
        drop(slots);
        let _ = land.send(Some(outcome));
    }

    /// An older value in the place of one that cannot be had now.
    fn older(&self, ask: &Ask, failure: SecretFailure) -> Result<Got, SecretFailure> {
        let slots = self.lock();
        let Some(slot) = slots.get(&ask.address) else { return Err(failure) };
        older(slot, ask, self.stale_for, failure, clock::now())
    }

    /// The values that there are, for keeping them.
    pub(in crate::daemon) fn kept(&self) -> Vec<CachedSecret> {
        let now = clock::now();
        let slots = self.lock();
        let kept =
            slots.iter().filter(|(address, _)| address.spot.is_kept()).filter_map(|(address, slot)| {
                let (content, read) = slot.value.as_ref()?;
                (read.after(LONGEST_KEPT) > now).then(|| CachedSecret {
                    address: address.clone(),
                    content: content.clone(),
                    read: *read,
                })
            });
        kept.collect()
    }

    /// Takes over what an earlier daemon left behind. A value that there is already stays.
    pub(in crate::daemon) fn restore(&self, kept: Vec<CachedSecret>) {
        let mut slots = self.lock();
        for CachedSecret { address, content, read } in kept {
            slots.entry(address).or_default().value.get_or_insert((content, read));
        }
    }

    /// Drops every value that no profile of the catalog lists any more, or whose role has changed.
    pub(in crate::daemon) fn retain(&self, catalog: &Catalog) {
        let mut slots = self.lock();
        let before = slots.len();
        slots.retain(|address, _| is_listed(catalog, address));
        if slots.len() < before {
            self.changed.notify_one();
        }
    }

    /// Drops every value.
    pub(in crate::daemon) fn clear(&self) {
        self.lock().clear();
        self.changed.notify_one();
    }

    /// Drops what the keychain held under a name.
    pub(super) fn forget(&self, profile: &ProfileName, name: &SecretName) {
        self.lock()
            .retain(|address, _| address.profile != *profile || address.spot != Spot::Keychain(name.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Address, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many readings were begun.
    #[cfg(test)]
    pub(super) fn readings(&self) -> u64 {
        self.readings.load(Ordering::Relaxed)
    }
}

/// Whether a catalog still has what a value was read for. Other versions of a listed secret, and what passes through, go by
/// the profile and its role.
pub(in crate::daemon) fn is_listed(catalog: &Catalog, address: &Address) -> bool {
    let Some(profile) = catalog.profiles.get(&address.profile) else { return false };
    let is_spot =
        |spot: &Spot| profile.secrets.iter().any(|(name, secret)| Spot::of(name, &secret.source) == *spot);
    if !address.spot.is_of_aws() {
        return is_spot(&address.spot);
    }
    let has_role = profile.access_role.as_ref().is_some_and(|role| role.digest() == address.role_digest);
    let current = match &address.spot {
        Spot::Ssm { name, .. } => profile.secrets.iter().any(
            |(own, secret)| matches!(Spot::of(own, &secret.source), Spot::Ssm { name: listed, .. } if listed == *name),
        ),
        Spot::SecretsManager { id, .. } => profile.secrets.iter().any(
            |(own, secret)| matches!(Spot::of(own, &secret.source), Spot::SecretsManager { id: listed, .. } if listed == *id),
        ),
        _ => false,
    };
    has_role && (current || profile.passthrough)
}

fn older(
    slot: &Slot,
    ask: &Ask,
    stale_for: Duration,
    failure: SecretFailure,
    now: Timestamp,
) -> Result<Got, SecretFailure> {
    let usable = slot.value.as_ref().filter(|(_, read)| {
        failure.is_temporary() && freshness(*read, ask.ttl, stale_for, now) != Freshness::Over
    });
    match usable {
        Some((content, read)) => Ok(Got { content: content.clone(), read: *read, stale: Some(failure) }),
        None => Err(failure),
    }
}

/// Forgets what is of no use any more, and the oldest where there is too much.
fn prune(slots: &mut HashMap<Address, Slot>, now: Timestamp) {
    slots.retain(|_, slot| {
        slot.flight.is_some()
            || slot.value.as_ref().is_some_and(|(_, read)| read.after(LONGEST_KEPT) > now)
            || slot.failure.as_ref().is_some_and(|(_, until)| until.after(Duration::from_mins(10)) > now)
    });
    while slots.len() > MOST {
        let age = |slot: &Slot| slot.value.as_ref().map_or(Timestamp(0), |(_, read)| *read);
        let oldest = slots.iter().filter(|(_, slot)| slot.flight.is_none()).min_by_key(|(_, slot)| age(slot));
        let Some(oldest) = oldest.map(|(address, _)| address.clone()) else { break };
        slots.remove(&oldest);
    }
}

/// How a reading ends, or that it has not yet when patience has.
async fn landing(mut flight: Flight, end: Instant) -> Outcome {
    match timeout_at(end, flight.wait_for(Option::is_some)).await {
        Ok(Ok(outcome)) => outcome.clone().unwrap_or(Err(SecretFailure::Pending)),
        Ok(Err(_)) => Err(SecretFailure::Local { why: "the reading was given up".to_owned(), remedy: None }),
        Err(_) => Err(SecretFailure::Pending),
    }
}

#[cfg(test)]
mod tests;
