//! Sessions, with a stand-in for STS whose answers the test holds back.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::*;
use crate::core::catalog::{AccessRole, Profile, Protection};
use crate::core::decision::Matched;
use crate::core::name::{App, RoleArn, SessionName, Stage};
use crate::core::session::RequestOnce;
use crate::edges::clock;
use crate::edges::sts::Issuing;

/// Answers when it is let, in the way it is told.
#[derive(Debug)]
struct HeldBack {
    calls: AtomicUsize,
    let_go: Arc<Semaphore>,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    /// A session that is this old and lives this long, in seconds.
    Give {
        age: i64,
        life: i64,
    },
    Refuse(IssueError),
    Panic,
}

impl HeldBack {
    fn new(way: Way) -> Arc<Self> {
        Arc::new(Self { calls: AtomicUsize::new(0), let_go: Arc::new(Semaphore::new(0)), way })
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl Issuer for HeldBack {
    fn issue(&self, _: SessionRequest) -> Issuing {
        let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let (let_go, way) = (self.let_go.clone(), self.way.clone());
        Box::pin(async move {
            let _place = let_go.acquire().await;
            match way {
                Way::Give { age, life } => {
                    let issued = Timestamp(clock::now().0 - age);
                    let expires = Timestamp(issued.0 + life);
                    Ok(SessionCredentials::new(
                        format!("ASIA{number}"),
                        "s".into(),
                        "t".into(),
                        issued,
                        expires,
                    ))
                }
                Way::Refuse(error) => Err(error),
                Way::Panic => panic!("a stand-in that was told to panic"),
            }
        })
    }
}

fn sessions_of(sts: &Arc<HeldBack>, idle_after: Duration) -> Sessions {
    Sessions::new(sts.clone(), AwsClock::default(), idle_after)
}

fn request(name: &str) -> Arc<SessionRequest> {
    let access_role = AccessRole::of(RoleArn::parse("arn:aws:iam::111111111111:role/deploy").unwrap());
    Arc::new(SessionRequest { access_role, session_name: SessionName::parse(name).unwrap() })
}

fn a_decision() -> Arc<Decision> {
    let catalog = "[profiles.dev.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/deploy\"\n";
    let catalog = Catalog::parse(Path::new("catalog.toml"), catalog).unwrap();
    let profile = catalog.profiles.values().next().unwrap().clone();
    Arc::new(Decision {
        config: "/shop/serverless.yml".into(),
        place: None,
        app: App::parse("shop").unwrap(),
        stage: Stage::parse("dev").unwrap(),
        access_role: profile.access_role.clone().unwrap(),
        profile,
        matched: Matched::Exact,
        fallback: None,
        region: None,
        request: RequestOnce::default(),
        region_unknown: None,
        deployment: None,
        stage_reported: false,
    })
}

#[tokio::test]
async fn a_session_that_a_code_opened_is_known_as_such_until_another_takes_its_place() {
    let sessions = sessions_of(&HeldBack::new(HOUR), IDLE);
    let (request, now) = (request("code"), clock::now());
    assert!(!sessions.is_made_with_code(&request));
    let credentials =
        SessionCredentials::new("ASIACODE".into(), "s".into(), "t".into(), now, Timestamp(now.0 + 3600));
    sessions.put(&request, Some(&a_decision()), credentials);
    let served = sessions.get(&request, None, LONG).await.unwrap();
    assert_eq!(served.credentials.access_key_id(), "ASIACODE");
    assert!(sessions.is_made_with_code(&request));
    assert_eq!(sessions.life(&request), Some(Duration::from_hours(1)));
    assert_eq!(sessions.kept().len(), 1);
    let other =
        SessionCredentials::new("ASIAOTHER".into(), "s".into(), "t".into(), now, Timestamp(now.0 + 3600));
    sessions.landed(&request, &Ok(Arc::new(Session::new(Arc::new(other), "111111111111"))));
    assert!(!sessions.is_made_with_code(&request));
}

const LONG: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_hours(1);
const HOUR: Way = Way::Give { age: 0, life: 3600 };

#[tokio::test]
async fn a_thousand_callers_of_a_cold_role_make_one_call() {
    let sts = HeldBack::new(HOUR);
    let sessions = sessions_of(&sts, IDLE);
    let callers: Vec<_> = (0..1000)
        .map(|_| {
            let sessions = sessions.clone();
            tokio::spawn(async move { sessions.get(&request("one"), None, LONG).await.unwrap() })
        })
        .collect();
    sts.let_go.add_permits(1);
    for caller in callers {
        assert_eq!(caller.await.unwrap().credentials.access_key_id(), "ASIA1");
    }
    assert_eq!((sts.calls(), sessions.calls()), (1, 1));
    sts.let_go.add_permits(1);
    sessions.get(&request("another"), None, LONG).await.unwrap();
    assert_eq!(sts.calls(), 2, "another request is another session");
}

#[tokio::test]
async fn the_call_goes_on_when_its_first_caller_leaves() {
    let sts = HeldBack::new(HOUR);
    let sessions = sessions_of(&sts, IDLE);
    assert_eq!(sessions.get(&request("one"), None, Duration::ZERO).await.unwrap_err(), IssueError::Pending);
    sts.let_go.add_permits(1);
    sessions.get(&request("one"), None, LONG).await.unwrap();
    assert_eq!(sts.calls(), 1);
}

#[tokio::test]
async fn a_panic_is_an_error_for_all_who_wait_and_the_next_call_is_new() {
    let sts = HeldBack::new(Way::Panic);
    let sessions = sessions_of(&sts, IDLE);
    let other = sessions.clone();
    let waiting = tokio::spawn(async move { other.get(&request("one"), None, LONG).await });
    sts.let_go.add_permits(1);
    for outcome in [sessions.get(&request("one"), None, LONG).await, waiting.await.unwrap()] {
        assert!(matches!(outcome, Err(IssueError::Internal { .. })), "{outcome:?}");
    }
    let _ = sessions.get(&request("one"), None, LONG).await;
    assert_eq!(sts.calls(), 2);
}

#[tokio::test]
async fn a_failure_is_remembered_for_a_while() {
    let denied = IssueError::AccessDenied { source_name: "x".into(), role: "y".into(), why: "z".into() };
    let sts = HeldBack::new(Way::Refuse(denied.clone()));
    sts.let_go.add_permits(1);
    let sessions = sessions_of(&sts, IDLE);
    for _ in 0..20 {
        assert_eq!(sessions.get(&request("one"), None, LONG).await.unwrap_err(), denied);
    }
    assert_eq!(sts.calls(), 1);
    let state = sessions.state(&request("one"));
    assert_eq!((state.expires, state.failing.map(|(error, _)| error)), (None, Some(denied)));
}

#[tokio::test]
async fn a_session_that_is_due_is_served_while_the_next_is_fetched() {
    let sts = HeldBack::new(Way::Give { age: 2000, life: 3600 });
    let sessions = sessions_of(&sts, IDLE);
    sts.let_go.add_permits(1);
    assert_eq!(sessions.get(&request("one"), None, LONG).await.unwrap().credentials.access_key_id(), "ASIA1");
    let due = sessions.get(&request("one"), None, Duration::ZERO).await.unwrap();
    assert_eq!(due.credentials.access_key_id(), "ASIA1");
    let again = sessions.get(&request("one"), None, Duration::ZERO).await.unwrap();
    assert_eq!(again.credentials.access_key_id(), "ASIA1");
    tokio::task::yield_now().await;
    assert!(sts.calls() <= 3, "{} calls", sts.calls());
}

/// Sessions in which there is one that was left by an earlier daemon, with this much left of an hour.
async fn with_an_older(sts: &Arc<HeldBack>, left: i64) -> Sessions {
    let given = HeldBack::new(Way::Give { age: 3600 - left, life: 3600 });
    given.let_go.add_permits(1);
    let earlier = sessions_of(&given, IDLE);
    earlier.get(&request("one"), None, LONG).await.unwrap();
    let sessions = sessions_of(sts, IDLE);
    sessions.restore(earlier.kept());
    sessions
}

fn left(session: &Session) -> Duration {
    session.credentials.expires().remaining(clock::now())
}

#[tokio::test]
async fn what_has_less_than_25_minutes_left_waits_for_the_next() {
    let sts = HeldBack::new(HOUR);
    sts.let_go.add_permits(1);
    let sessions = with_an_older(&sts, 24 * 60).await;
    assert!(sessions.begin(&request("one"), &a_decision()).is_none(), "nothing to serve at once");
    let session = sessions.get(&request("one"), None, LONG).await.unwrap();
    assert!(left(&session) > Duration::from_mins(59), "{:?}", left(&session));
    assert_eq!(sts.calls(), 1);
}

#[tokio::test]
async fn what_has_less_than_25_minutes_left_is_served_where_sts_is_too_slow_or_refuses() {
    let silent = HeldBack::new(HOUR);
    let sessions = with_an_older(&silent, 24 * 60).await;
    let session = sessions.get(&request("one"), None, Duration::ZERO).await.unwrap();
    assert!(left(&session) <= Duration::from_mins(24));
    silent.let_go.add_permits(1);
    let session = sessions.get(&request("one"), None, LONG).await.unwrap();
    assert!(left(&session) > Duration::from_mins(59), "the same call, which came too late before");
    assert_eq!(silent.calls(), 1);

    let denied = IssueError::AccessDenied { source_name: "x".into(), role: "y".into(), why: "z".into() };
    let refusing = HeldBack::new(Way::Refuse(denied));
    refusing.let_go.add_permits(1);
    let sessions = with_an_older(&refusing, 24 * 60).await;
    for _ in 0..3 {
        let session = sessions.get(&request("one"), None, LONG).await.unwrap();
        assert!(left(&session) <= Duration::from_mins(24));
    }
    assert_eq!(refusing.calls(), 1, "the failure is remembered meanwhile");
}

#[tokio::test]
async fn what_has_25_minutes_left_is_served_at_once() {
    let sts = HeldBack::new(HOUR);
    let sessions = with_an_older(&sts, 26 * 60).await;
    assert!(sessions.begin(&request("one"), &a_decision()).is_some());
}

#[tokio::test]
async fn an_expired_session_is_never_served() {
    let sts = HeldBack::new(Way::Give { age: 4000, life: 3600 });
    let sessions = sessions_of(&sts, IDLE);
    sts.let_go.add_permits(1);
    let _ = sessions.get(&request("one"), None, LONG).await;
    sts.let_go.forget_permits(1);
    let outcome = sessions.get(&request("one"), None, Duration::ZERO).await;
    assert_eq!(outcome.unwrap_err(), IssueError::Pending);
    assert_eq!(sessions.state(&request("one")).expires, None);
}

#[tokio::test(start_paused = true)]
async fn a_session_in_use_is_renewed_at_about_half_its_life_and_another_forgotten_at_its_end() {
    let sts = HeldBack::new(HOUR);
    sts.let_go.add_permits(1);
    let sessions = sessions_of(&sts, IDLE);
    sessions.get(&request("used"), None, LONG).await.unwrap();
    assert_eq!(sts.calls(), 1);
    // Only the runtime's clock moves here, so what is renewed is renewed by the timer alone.
    tokio::time::sleep(Duration::from_mins(31)).await;
    assert_eq!(sts.calls(), 2);

    let slot = |name: &str| sessions.lock().slots.contains_key(&request(name));
    sessions.get(&request("left"), None, LONG).await.unwrap();
    sessions.lock().slots.get_mut(&request("left")).unwrap().last_used = None;
    sessions.lock().slots.get_mut(&request("used")).unwrap().last_used = None;
    tokio::time::sleep(Duration::from_hours(2)).await;
    assert!(!slot("left") && !slot("used"));
    assert_eq!(sts.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_session_of_a_protected_profile_is_renewed_only_by_whoever_may_ask() {
    let sts = HeldBack::new(HOUR);
    sts.let_go.add_permits(1);
    let sessions = sessions_of(&sts, IDLE);
    let open = a_decision();
    let profile = Profile { protection: Some(Protection::default()), ..Profile::clone(&open.profile) };
    let protected = Arc::new(Decision { profile: Arc::new(profile), ..Decision::clone(&open) });
    for (name, decision) in [("open", &open), ("protected", &protected)] {
        sessions.get(&request(name), Some(decision), LONG).await.unwrap();
    }
    tokio::time::sleep(Duration::from_mins(31)).await;
    assert_eq!(sts.calls(), 3, "one of the two");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_idle_is_not_renewed_and_comes_back_when_it_is_asked_for() {
    let sts = HeldBack::new(HOUR);
    sts.let_go.add_permits(1);
    let sessions = sessions_of(&sts, Duration::from_mins(20));
    for name in ["idle", "used"] {
        sessions.get(&request(name), None, LONG).await.unwrap();
    }
    // The wall clock stands still here, so that the use of one lies as far back as this says.
    let now = clock::now().0;
    sessions.lock().slots.get_mut(&request("idle")).unwrap().last_used = Some(Timestamp(now - 20 * 60));
    sessions.lock().slots.get_mut(&request("used")).unwrap().last_used = Some(Timestamp(now - 19 * 60));
    tokio::time::sleep(Duration::from_mins(31)).await;
    assert_eq!(sts.calls(), 3, "one of the two");
    sessions.get(&request("idle"), None, LONG).await.unwrap();
    assert_eq!(sts.calls(), 3, "it is served until it ends");
}

#[tokio::test]
async fn what_an_earlier_daemon_left_is_served_without_a_call_and_does_not_replace_what_there_is() {
    let sts = HeldBack::new(HOUR);
    sts.let_go.add_permits(1);
    let earlier = sessions_of(&sts, IDLE);
    for name in ["one", "two"] {
        earlier.get(&request(name), None, LONG).await.unwrap();
    }
    let sessions = sessions_of(&sts, IDLE);
    let own = sessions.get(&request("two"), None, LONG).await.unwrap();
    assert_eq!(own.credentials.access_key_id(), "ASIA3");
    sessions.restore(earlier.kept());
    for (name, key) in [("one", "ASIA1"), ("two", "ASIA3")] {
        let session = sessions.get(&request(name), None, LONG).await.unwrap();
        assert_eq!(session.credentials.access_key_id(), key);
    }
    assert_eq!((sts.calls(), sessions.kept().len()), (3, 2));
}

#[tokio::test]
async fn what_an_earlier_daemon_left_that_is_due_is_served_and_renewed() {
    let sts = HeldBack::new(Way::Give { age: 2000, life: 3600 });
    sts.let_go.add_permits(1);
    let earlier = sessions_of(&sts, IDLE);
    earlier.get(&request("one"), None, LONG).await.unwrap();
    let sessions = sessions_of(&sts, IDLE);
    sessions.restore(earlier.kept());
    let session = sessions.get(&request("one"), None, Duration::ZERO).await.unwrap();
    assert_eq!(session.credentials.access_key_id(), "ASIA1");
    tokio::time::timeout(LONG, sessions.changed()).await.unwrap();
    assert!(sts.calls() >= 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_fetched_ahead_is_not_renewed_unless_somebody_uses_it() {
    let sts = HeldBack::new(HOUR);
    sts.let_go.add_permits(1);
    let sessions = sessions_of(&sts, IDLE);
    let decision = a_decision();
    sessions.fetch_ahead(&request("one"), &decision, LONG).await;
    sessions.fetch_ahead(&request("one"), &decision, LONG).await;
    assert_eq!((sts.calls(), sessions.uses().len()), (1, 0));
    assert_eq!(sessions.kept()[0].last_used, None);
    tokio::time::sleep(Duration::from_mins(31)).await;
    assert_eq!(sts.calls(), 1);
    sessions.get(&request("one"), Some(&decision), LONG).await.unwrap();
    assert_eq!((sts.calls(), sessions.uses().len()), (1, 1));
}

#[tokio::test]
async fn what_is_due_is_not_fetched_ahead() {
    let sts = HeldBack::new(Way::Give { age: 3000, life: 3600 });
    sts.let_go.add_permits(1);
    let earlier = sessions_of(&sts, IDLE);
    earlier.get(&request("one"), None, LONG).await.unwrap();
    let sessions = sessions_of(&sts, IDLE);
    let kept = earlier.kept().into_iter().map(|kept| CachedSession { last_used: None, ..kept }).collect();
    drop(earlier);
    sessions.restore(kept);
    let before = sts.calls();
    assert!(sessions.fetch_ahead(&request("one"), &a_decision(), LONG).await);
    tokio::task::yield_now().await;
    assert_eq!(sts.calls(), before);
}

#[tokio::test]
async fn sessions_of_keys_that_were_replaced_are_dropped() {
    let sts = HeldBack::new(HOUR);
    sts.let_go.add_permits(1);
    let sessions = sessions_of(&sts, IDLE);
    let mut other = (*request("one")).clone();
    other.access_role.source = Source::Environment;
    let other = Arc::new(other);
    for request in [&request("one"), &other] {
        sessions.get(request, None, LONG).await.unwrap();
    }
    sessions.forget_source(&Source::Environment);
    assert!(sessions.state(&other).expires.is_none() && sessions.state(&request("one")).expires.is_some());
}

#[tokio::test]
async fn a_role_that_the_catalog_drops_takes_its_sessions_along() {
    let sts = HeldBack::new(HOUR);
    sts.let_go.add_permits(1);
    let sessions = sessions_of(&sts, IDLE);
    sessions.get(&request("one"), None, LONG).await.unwrap();
    let with = "[profiles.x.access_role]\nrole_arn = \"arn:aws:iam::111111111111:role/deploy\"\n";
    let path = std::path::Path::new("catalog.toml");
    sessions.retain(&Catalog::parse(path, with).unwrap());
    assert!(sessions.state(&request("one")).expires.is_some());
    sessions.retain(&Catalog::default());
    assert!(sessions.state(&request("one")).expires.is_none());
}

mod times;
