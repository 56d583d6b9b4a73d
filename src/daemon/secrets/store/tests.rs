use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::*;
use crate::core::credentials::SessionCredentials;
use crate::core::decision::{Decision, Matched};
use crate::core::issue::IssueError;
use crate::core::name::{App, Stage};
use crate::core::session::{RequestOnce, SessionRequest};
use crate::daemon::sessions::Sessions;
use crate::edges::aws_clock::AwsClock;
use crate::edges::https;
use crate::edges::keychain::{Chosen, How};
use crate::edges::sts::{Issuer, Issuing};

const LONG: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// STS that has none to give.
#[derive(Debug)]
struct Down;

impl Issuer for Down {
    fn issue(&self, _: SessionRequest) -> Issuing {
        let none: Result<SessionCredentials, _> = Err(IssueError::Network { why: "down".into() });
        Box::pin(async move { none })
    }
}

struct Place {
    home: tempfile::TempDir,
    store: Store,
    access: Access,
}

/// A store over a home of its own, and a decision for a profile with these secrets.
fn place(secrets: &str, stale_for: Duration) -> Place {
    let home = tempfile::tempdir().unwrap();
    let secrets = secrets.replace("HOME", home.path().to_str().unwrap());
    let catalog = catalog(&secrets);
    let profile = catalog.profiles[&ProfileName::parse("dev").unwrap()].clone();
    let role = profile.access_role.clone().unwrap();
    let (app, stage) = (App::parse("shop").unwrap(), Stage::parse("dev").unwrap());
    let request = Arc::new(SessionRequest::new(&role, "ann", &app, &stage));
    let decision = Arc::new(Decision {
        config: PathBuf::from("/shop/serverless.yml"),
        place: None,
        app,
        stage,
        access_role: role,
        profile,
        matched: Matched::Exact,
        fallback: None,
        region: None,
        request: RequestOnce::default(),
        region_unknown: None,
        deployment: None,
        stage_reported: false,
    });
    let sources = Sources {
        http: https::client(None).unwrap(),
        keychain: Chosen::memory(How::Configured).durable(),
        home: home.path().to_owned(),
        catalog: home.path().to_owned(),
    };
    let sessions = Sessions::new(Arc::new(Down), AwsClock::default(), HOUR);
    Place { home, store: Store::new(sources, stale_for), access: Access { sessions, request, decision } }
}

fn catalog(secrets: &str) -> Catalog {
    let role = "[profiles.dev.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/dev\"\n";
    let text = format!("{role}[profiles.dev.secrets]\n{secrets}\n[profiles.other]\n");
    Catalog::parse(Path::new("catalog.toml"), &text).unwrap()
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn ask(&self, name: &str) -> Ask {
        let name = SecretName::parse(name).unwrap();
        let secret = &self.access.decision.profile.secrets[&name];
        let address = Address::new(&self.access.decision, Spot::of(&name, &secret.source));
        Ask { address, ttl: secret.ttl }
    }

    async fn get(&self, name: &str, refresh: bool) -> Result<(String, Option<String>), String> {
        let mut found = self.store.get(&[self.ask(name)], refresh, &self.access, LONG).await;
        found
            .remove(0)
            .map(|got| {
                let value = got.content.text().unwrap().to_owned();
                (value, got.stale.map(|failure| failure.to_string()))
            })
            .map_err(|failure| failure.to_string())
    }
}

#[allow(clippy::unnecessary_wraps, reason = "it is compared with results")]
fn fresh(value: &str) -> Result<(String, Option<String>), String> {
    Ok((value.to_owned(), None))
}

#[tokio::test]
async fn a_value_is_read_once_for_all_who_wait_and_again_when_it_is_refreshed() {
    let place =
        place("S = { command = [\"/bin/sh\", \"-c\", \"echo x >> HOME/runs; cat HOME/value\"] }", HOUR);
    place.write("value", "one", 0o600);
    let asks = vec![place.ask("S")];
    let many: Vec<_> = (0..1000)
        .map(|_| {
            let (store, access, asks) = (place.store.clone(), place.access.clone(), asks.clone());
            tokio::spawn(async move { store.get(&asks, false, &access, LONG).await.remove(0) })
        })
        .collect();
    for each in many {
        assert_eq!(each.await.unwrap().unwrap().content.reveal(), b"one");
    }
    assert_eq!(fs::read_to_string(place.path("runs")).unwrap(), "x\n");
    assert_eq!(place.store.readings(), 1);
    place.write("value", "two", 0o600);
    assert_eq!(place.get("S", false).await, fresh("one"), "it is good for five minutes");
    assert_eq!(place.get("S", true).await, fresh("two"));
    assert_eq!(place.get("S", false).await, fresh("two"));
    assert_eq!(place.store.kept().len(), 1);
}

#[tokio::test]
async fn an_older_value_is_served_with_a_word_while_its_source_is_down_and_no_longer_than_the_user_says() {
    let secrets = "S = { command = [\"/bin/cat\", \"HOME/value\"], ttl = \"0s\" }";
    for (stale_for, is_served) in [(HOUR, true), (Duration::ZERO, false)] {
        let place = place(secrets, stale_for);
        place.write("value", "one", 0o600);
        assert_eq!(place.get("S", false).await, fresh("one"));
        fs::remove_file(place.path("value")).unwrap();
        let failure = "/bin/cat failed: exit status: 1".to_owned();
        let expected = if is_served { Ok(("one".to_owned(), Some(failure))) } else { Err(failure) };
        assert_eq!(place.get("S", false).await, expected);
        assert_eq!(place.get("S", false).await, expected, "the failure is remembered for a moment");
        let known = place.store.known(&[place.ask("S")]).remove(0);
        assert_eq!(
            known.0.map(|(_, freshness)| freshness),
            Some(if is_served { Freshness::Stale } else { Freshness::Over })
        );
        place.write("value", "two", 0o600);
        assert_eq!(place.get("S", true).await, fresh("two"));
        assert_eq!(place.store.known(&[place.ask("S")]).remove(0).1, None);
    }
}

#[tokio::test]
async fn what_is_no_value_any_more_is_not_replaced_by_what_was_one() {
    let place = place(
        "S = { file = \"value\", ttl = \"0s\" }\nE = { env = \"NO_SUCH_VARIABLE\" }\nK = \"keychain\"",
        HOUR,
    );
    place.write("value", "one\n", 0o600);
    assert_eq!(place.get("S", false).await, fresh("one"));
    place.write("value", "one\n", 0o644);
    let error = place.get("S", false).await.unwrap_err();
    assert!(error.contains("can be read by others: its mode is 0644"), "{error}");
    place.write("value", "\n", 0o600);
    assert_eq!(place.get("S", true).await, Err("the value is empty".into()));
    assert_eq!(
        place.get("E", false).await,
        Err("brokerd was started without the variable NO_SUCH_VARIABLE".into())
    );
    let error = place.get("K", false).await.unwrap_err();
    assert!(error.contains("the keychain in use, memory, forgets when brokerd stops"), "{error}");
}

#[tokio::test]
async fn one_that_fails_keeps_nobody_from_the_others_and_no_session_is_told() {
    let place = place("A = { ssm = \"/a\" }\nS = { file = \"value\" }", HOUR);
    place.write("value", "one", 0o600);
    let asks = [place.ask("A"), place.ask("S")];
    let mut found = place.store.get(&asks, false, &place.access, LONG).await;
    assert_eq!(found.remove(1).unwrap().content.reveal(), b"one");
    let failure = found.remove(0).unwrap_err();
    assert_eq!(failure.to_string(), "STS cannot be reached: down");
    assert!(failure.is_temporary());
    let kept = CachedSecret {
        address: place.ask("A").address,
        content: Arc::new(Content::of_text(zeroize::Zeroizing::new(b"kept".to_vec())).unwrap()),
        read: Timestamp(clock::now().0 - 600),
    };
    place.store.restore(vec![kept]);
    let (value, note) = place.get("A", false).await.unwrap();
    assert_eq!((value.as_str(), note.unwrap().as_str()), ("kept", "STS cannot be reached: down"));
}

#[tokio::test]
async fn who_stops_waiting_does_not_stop_the_reading() {
    let place = place("S = { command = [\"/bin/cat\", \"HOME/pipe\"] }", HOUR);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        place.path("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    let asks = [place.ask("S")];
    let mut found = place.store.get(&asks, false, &place.access, Duration::from_millis(50)).await;
    assert_eq!(found.remove(0).unwrap_err(), SecretFailure::Pending);
    let pipe = place.path("pipe");
    let writing = tokio::task::spawn_blocking(move || fs::write(pipe, "late").unwrap());
    assert_eq!(place.get("S", false).await, fresh("late"));
    writing.await.unwrap();
    assert_eq!(place.store.readings(), 1);
}

#[tokio::test]
async fn what_the_catalog_drops_is_dropped() {
    let secrets = "S = { command = [\"/bin/echo\", \"one\"] }";
    let place = place(secrets, HOUR);
    assert_eq!(place.get("S", false).await, fresh("one"));
    place.store.retain(&catalog(secrets));
    assert_eq!(place.store.kept().len(), 1);
    place.store.retain(&catalog("S = { command = [\"/bin/echo\", \"two\"] }"));
    assert_eq!(place.store.kept().len(), 0);
    let of_aws = |id: &str| {
        Address::new(
            &place.access.decision,
            Spot::SecretsManager { id: id.to_owned(), version: crate::core::secret::Version::default() },
        )
    };
    let listing = catalog("S = { secretsmanager = \"shop/db\", key = \"k\" }");
    assert!(is_listed(&listing, &of_aws("shop/db")) && !is_listed(&listing, &of_aws("shop/other")));
    let other = Address { role_digest: "other".into(), ..of_aws("shop/db") };
    assert!(!is_listed(&listing, &other));
    place.store.forget(&place.access.decision.profile.name, &SecretName::parse("S").unwrap());
}
