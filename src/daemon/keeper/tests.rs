//! The keeper, with a stand-in for the keychain.

use std::sync::mpsc;

use zeroize::Zeroizing;

use super::*;
use crate::core::catalog::{Catalog, Source};
use crate::core::config::Config;
use crate::core::credentials::SessionCredentials;
use crate::core::keychain::{Item, Keychain as Kind};
use crate::core::name::SessionName;
use crate::core::session::SessionRequest;
use crate::daemon::Parts;
use crate::edges::directories::Directories;
use crate::edges::keychain::{Keychain, KeychainError};
use crate::edges::sts::{Issuer, Issuing};

const CATALOG: &str = "[profiles.dev.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/deploy\"\n";
const LONG: Duration = Duration::from_secs(30);

/// A keychain in memory that can be made to wait or to refuse.
#[derive(Debug, Clone, Default)]
struct StandIn(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    text: Option<Vec<u8>>,
    refuses: Option<KeychainError>,
    /// Each call waits for one of these, if there are any.
    waits_for: Option<mpsc::Receiver<()>>,
    writes: usize,
}

impl StandIn {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap()
    }

    fn enter(&self) -> Result<MutexGuard<'_, Held>, KeychainError> {
        let waits_for = self.held().waits_for.take();
        if let Some(waits_for) = waits_for {
            let _ = waits_for.recv();
        }
        let held = self.held();
        match &held.refuses {
            Some(error) => Err(error.clone()),
            None => Ok(held),
        }
    }
}

impl Keychain for StandIn {
    fn read(&mut self, _: &Item) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainError> {
        Ok(self.enter()?.text.clone().map(Zeroizing::new))
    }
    fn write(&mut self, _: &Item, secret: &[u8]) -> Result<(), KeychainError> {
        let mut held = self.enter()?;
        held.text = Some(secret.to_vec());
        held.writes += 1;
        Ok(())
    }
    fn remove(&mut self, _: &Item) -> Result<bool, KeychainError> {
        Ok(self.enter()?.text.take().is_some())
    }
    fn probe(&mut self) -> Result<(), KeychainError> {
        self.enter().map(drop)
    }
}

/// Gives sessions at once.
#[derive(Debug)]
struct Generous;

impl Issuer for Generous {
    fn issue(&self, request: SessionRequest) -> Issuing {
        let (now, key) = (clock::now(), format!("ASIA-{}", request.session_name));
        let ends = now.after(Duration::from_hours(1));
        Box::pin(async move { Ok(SessionCredentials::new(key, "secret".into(), "token".into(), now, ends)) })
    }
}

struct Place {
    broker: Arc<Broker>,
    _home: Arc<tempfile::TempDir>,
}

impl Place {
    fn with(keychain: &StandIn) -> Self {
        Self::at(Arc::new(tempfile::tempdir().unwrap()), keychain)
    }

    fn at(home: Arc<tempfile::TempDir>, keychain: &StandIn) -> Self {
        let directories = Directories::below(home.path());
        directories.make().unwrap();
        std::fs::write(directories.catalog_file(), CATALOG).unwrap();
        let keychain = Chosen::with(Kind::SecretService, Box::new(keychain.clone()), directories.state());
        let parts = Parts {
            directories,
            config: Config::default(),
            issuer: Arc::new(Generous),
            clock: crate::edges::aws_clock::AwsClock::default(),
            keychain: keychain.unwrap(),
            https: crate::edges::https::client(None).unwrap(),
        };
        Self { broker: Arc::new(Broker::new(parts).unwrap()), _home: home }
    }

    async fn session(&self, name: &str) -> String {
        let session = self.broker.sessions.get(&Arc::new(request(name)), None, LONG).await.unwrap();
        session.credentials.access_key_id().to_owned()
    }

    /// Keeps until the keychain has everything, then ends as the daemon does.
    async fn kept(&self) {
        let stop = CancellationToken::new();
        let keeping = tokio::spawn(self.broker.clone().keep(stop.clone()));
        let settled = async {
            while self.broker.keeper.is_unsaved() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONG, settled).await.unwrap();
        stop.cancel();
        keeping.await.unwrap();
    }
}

fn request(name: &str) -> SessionRequest {
    let catalog = Catalog::parse(std::path::Path::new("catalog.toml"), CATALOG).unwrap();
    let access_role = catalog.profiles.values().next().unwrap().access_role.clone().unwrap();
    assert_eq!(access_role.source, Source::Chain);
    SessionRequest { access_role, session_name: SessionName::parse(name).unwrap() }
}

#[tokio::test]
async fn many_changes_are_few_writes_and_all_of_them_are_kept() {
    let keychain = StandIn::default();
    let first = Place::with(&keychain);
    first.broker.load(LONG).await;
    for number in 0..100 {
        first.session(&format!("s{number}")).await;
    }
    first.kept().await;
    assert!(keychain.held().writes <= 3, "{} writes", keychain.held().writes);
    let second = Place::with(&keychain);
    second.broker.load(LONG).await;
    assert_eq!(second.broker.sessions.kept().len(), 100);
    assert_eq!(second.session("s42").await, "ASIA-s42");
    assert_eq!(second.broker.sessions.calls(), 0);
    assert_eq!(second.broker.sealer.keys(), first.broker.sealer.keys());
}

#[tokio::test]
async fn a_keychain_that_does_not_answer_holds_up_nothing_and_loses_nothing() {
    let keychain = StandIn::default();
    let earlier = Place::with(&keychain);
    earlier.broker.load(LONG).await;
    earlier.session("before").await;
    earlier.kept().await;

    let (let_go, waits_for) = mpsc::channel();
    keychain.held().waits_for = Some(waits_for);
    let place = Place::with(&keychain);
    // The runtime has nothing else to do, so its clock goes on to the end of the wait at once.
    tokio::time::pause();
    assert!(!place.broker.load(LONG).await);
    place.broker.keeper.first_answer().await;
    tokio::time::resume();
    let status = place.broker.keeper.status().await;
    assert!(status.trouble.unwrap().starts_with("it has not answered for"));
    assert_eq!(place.session("meanwhile").await, "ASIA-meanwhile");
    let claims =
        crate::core::token::Claims { caller: None, descriptor: 0, expires: crate::core::moment::BootTime(9) };
    let _token = place.broker.sealer.seal(&claims, [0; 12]);
    let own = place.broker.sealer.keys().current;
    let_go.send(()).unwrap();
    place.kept().await;
    let sealing = place.broker.sealer.keys();
    assert_eq!(sealing.current, own, "tokens of this daemon are out already");
    assert_eq!(sealing.earlier[0].key, earlier.broker.sealer.keys().current);
    let next = Place::with(&keychain);
    next.broker.load(LONG).await;
    assert_eq!(next.broker.sessions.kept().len(), 2);
}

#[tokio::test]
async fn a_keychain_that_does_not_answer_holds_up_no_end() {
    let keychain = StandIn::default();
    let place = Place::with(&keychain);
    place.broker.load(LONG).await;
    let (_let_go, waits_for) = mpsc::channel();
    keychain.held().waits_for = Some(waits_for);
    let stop = CancellationToken::new();
    tokio::time::pause();
    let begun = Instant::now();
    let keeping = tokio::spawn(place.broker.clone().keep(stop.clone()));
    // It is in the middle of a call by then.
    tokio::time::sleep(BURST * 2).await;
    stop.cancel();
    keeping.await.unwrap();
    assert!(begun.elapsed() <= BURST * 2 + AT_THE_END * 2, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn sessions_of_a_profile_that_left_the_catalog_meanwhile_are_not_taken_over() {
    let keychain = StandIn::default();
    let first = Place::with(&keychain);
    first.broker.load(LONG).await;
    first.session("one").await;
    first.kept().await;
    let second = Place::with(&keychain);
    std::fs::write(second.broker.directories.catalog_file(), "").unwrap();
    second.broker.load(LONG).await;
    assert_eq!(second.broker.sessions.kept().len(), 0);
    second.kept().await;
    let text = String::from_utf8(keychain.held().text.clone().unwrap()).unwrap();
    assert!(!text.contains("role/deploy"), "{text}");
}

#[tokio::test]
async fn what_cannot_be_written_is_kept_when_it_can() {
    let keychain = StandIn::default();
    let place = Place::with(&keychain);
    place.broker.load(LONG).await;
    place.session("one").await;
    place.broker.keeper.note_change();
    keychain.held().refuses = Some(KeychainError::Locked);
    assert!(!place.broker.save(LONG).await);
    let status = place.broker.keeper.status().await;
    assert_eq!((status.trouble.as_deref(), status.unsaved), (Some("it is locked"), true));
    assert_eq!(keychain.held().writes, 0);
    keychain.held().refuses = None;
    place.kept().await;
    assert_eq!(place.broker.keeper.status().await.trouble, None);
    assert_eq!(place.broker.keeper.status().await.sessions, 1);
}

#[tokio::test]
async fn what_is_not_ours_is_not_written_over_until_it_is_gone() {
    let keychain = StandIn::default();
    keychain.held().text = Some(b"my diary".to_vec());
    let place = Place::with(&keychain);
    place.broker.load(LONG).await;
    place.session("one").await;
    assert!(!place.broker.save(LONG).await);
    assert_eq!(keychain.held().text.as_deref(), Some(&b"my diary"[..]));
    assert!(place.broker.keeper.status().await.hint.unwrap().contains("remove or rename"));
    keychain.held().text = None;
    place.kept().await;
    assert!(keychain.held().text.as_ref().unwrap().starts_with(b"brokerd cache 1\n"));
}

#[tokio::test]
async fn the_stages_used_lately_are_known_to_the_next_daemon() {
    let (home, keychain) = (Arc::new(tempfile::tempdir().unwrap()), StandIn::default());
    let place = Place::at(home.clone(), &keychain);
    let stage = crate::core::name::Stage::parse("dev").unwrap();
    let config = std::path::Path::new("/shop/serverless.yml");
    place.broker.keeper.lock().recent.note(config, &stage, clock::now());
    let list = place.broker.recent();
    place.broker.keeper.recent_file.change(|recent| *recent = list.clone()).unwrap();
    drop(place);
    let next = Place::at(home, &keychain);
    next.broker.read_recent().await;
    assert_eq!(next.broker.recent(), list);
}
