//! Sessions over hours that pass at once: the runtime's clock is the machine's.

use std::sync::atomic::{AtomicBool, AtomicI64};

use tokio::time::sleep;

use super::*;
use crate::core::aws_clock::Reading;
use crate::core::moment::BootTime;

/// STS, which may be out of reach.
#[derive(Debug)]
struct World {
    clock: AwsClock,
    is_down: AtomicBool,
    /// When it was asked.
    asked: Mutex<Vec<Instant>>,
    life: Duration,
}

/// The clock of the wall is this many seconds off.
type WallOff = Arc<AtomicI64>;

impl World {
    fn new(life: Duration) -> (Arc<Self>, WallOff) {
        let (start, off) = (Instant::now(), WallOff::default());
        let wall_off = off.clone();
        let clock = AwsClock::by(move || {
            let passed = start.elapsed();
            let wall = Timestamp(1_800_000_000 + wall_off.load(Ordering::SeqCst)).after(passed);
            Reading { wall, boot: BootTime(1000).after(passed) }
        });
        (Arc::new(Self { clock, is_down: AtomicBool::new(false), asked: Mutex::default(), life }), off)
    }

    fn sessions(self: &Arc<Self>) -> Sessions {
        Sessions::new(self.clone(), self.clock.clone(), Duration::from_hours(12))
    }

    fn asked(&self) -> Vec<Instant> {
        self.asked.lock().unwrap().clone()
    }

    fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }
}

impl Issuer for World {
    fn issue(&self, request: SessionRequest) -> Issuing {
        self.asked.lock().unwrap().push(Instant::now());
        let (issued, life) = (self.clock.now(), self.life);
        let outcome = if self.is_down.load(Ordering::SeqCst) {
            Err(IssueError::Network { why: "no route".into() })
        } else {
            let key = format!("ASIA-{}-{issued}", request.session_name);
            Ok(SessionCredentials::new(key, "s".into(), "t".into(), issued, issued.after(life)))
        };
        Box::pin(async move { outcome })
    }
}

fn requests() -> Vec<Arc<SessionRequest>> {
    (0..50).map(|number| request(&format!("s{number}"))).collect()
}

/// How many calls there were in the second in which there were most.
fn most_in_a_second(asked: &[Instant]) -> usize {
    const SECOND: Duration = Duration::from_secs(1);
    let within = |from: &Instant| asked.iter().filter(|at| (*from..*from + SECOND).contains(at)).count();
    asked.iter().map(within).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_callers_of_fifty_cold_roles_make_fifty_calls_a_few_a_second() {
    let (sts, _) = World::new(Duration::from_hours(1));
    let sessions = sts.sessions();
    let requests = requests();
    let callers: Vec<_> = (0..1000)
        .map(|number| {
            let (sessions, request) = (sessions.clone(), requests[number % 50].clone());
            tokio::spawn(async move { sessions.get(&request, None, LONG).await.unwrap() })
        })
        .collect();
    for (number, caller) in callers.into_iter().enumerate() {
        let session = caller.await.unwrap();
        assert!(session.credentials.access_key_id().starts_with(&format!("ASIA-s{}-", number % 50)));
    }
    assert_eq!(sts.asked().len(), 50);
    // A burst of ten, and five more in that second.
    assert!(most_in_a_second(&sts.asked()) <= 15, "{}", most_in_a_second(&sts.asked()));
}

/// STS is out of reach for an hour, from somewhere in the life of fifty sessions that are used all the time.
async fn an_hour_without_sts(life: Duration, from: Duration) {
    let (sts, _) = World::new(life);
    let sessions = sts.sessions();
    let (requests, decision) = (requests(), a_decision());
    for request in &requests {
        sessions.get(request, None, LONG).await.unwrap();
    }
    sleep(from).await;
    sts.set_down(true);
    let before = sts.asked().len();
    let mut was_stale = false;
    for _ in 0..120 {
        for request in &requests {
            let (served, state) = (sessions.begin(request, &decision), sessions.state(request));
            assert!(served.is_none_or(|session| session.credentials.expires() > sts.clock.now()));
            // What has not ended is served, if only where no other can be had.
            let served = sessions.get(request, None, Duration::ZERO).await;
            assert_eq!(served.is_ok(), state.expires.is_some());
            was_stale |= state.expires.is_some() && state.failing.is_some();
        }
        sleep(Duration::from_secs(30)).await;
    }
    assert!(was_stale, "it came to be seen");
    let tried = sts.asked().len() - before;
    assert!((50..=50 * 130).contains(&tried), "{tried} calls");
    sts.set_down(false);
    let (recovered, up_since) = (sts.asked().len(), sts.clock.now());
    let first = async {
        while !sessions
            .get(&requests[0], None, LONG)
            .await
            .is_ok_and(|session| session.credentials.issued() >= up_since)
        {
            sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(8), first).await.unwrap();
    sleep(Duration::from_mins(8)).await;
    for request in &requests {
        sessions.get(request, None, LONG).await.unwrap();
        assert_eq!(sessions.state(request).failing, None);
    }
    let after = &sts.asked()[recovered..];
    assert_eq!(after.len(), 50, "each once");
    assert!(most_in_a_second(after) <= 15, "{}", most_in_a_second(after));
}

#[tokio::test(start_paused = true)]
async fn an_hour_without_sts_is_outlived_by_sessions_that_are_long_enough() {
    an_hour_without_sts(Duration::from_hours(3), Duration::from_mins(75)).await;
}

#[tokio::test(start_paused = true)]
async fn an_hour_without_sts_ends_sessions_of_an_hour_at_their_end_and_no_earlier() {
    an_hour_without_sts(Duration::from_hours(1), Duration::from_mins(20)).await;
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_ends_no_session_and_serves_none_that_has_ended() {
    for set in [7200, -7200, 86_400, -1_800_000_000] {
        let (sts, wall_off) = World::new(Duration::from_hours(1));
        let (sessions, request) = (sts.sessions(), request("one"));
        sts.clock.hear(sts.clock.now());
        let given = sessions.get(&request, None, LONG).await.unwrap();
        sts.set_down(true);
        wall_off.store(set, Ordering::SeqCst);
        sessions.plan_anew();
        sleep(Duration::from_mins(59)).await;
        let served = sessions.get(&request, None, LONG).await.unwrap();
        assert_eq!(served.credentials.access_key_id(), given.credentials.access_key_id(), "set by {set}");
        sleep(Duration::from_mins(2)).await;
        let after = sessions.get(&request, None, LONG).await;
        assert!(matches!(after, Err(IssueError::Network { .. })), "set by {set}: {after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_was_paused_asks_sts_before_it_serves_what_may_have_ended() {
    let (sts, wall_off) = World::new(Duration::from_hours(1));
    let (sessions, request) = (sts.sessions(), request("one"));
    sts.clock.hear(sts.clock.now());
    let given = sessions.get(&request, None, LONG).await.unwrap();
    // Two hours later by the wall, while nothing counted on here.
    wall_off.store(7200, Ordering::SeqCst);
    let served = sessions.get(&request, None, LONG).await.unwrap();
    assert_eq!(sts.asked().len(), 2);
    assert_ne!(Arc::as_ptr(&served), Arc::as_ptr(&given));
}

#[tokio::test(start_paused = true)]
async fn waking_up_is_no_storm() {
    let (sts, _) = World::new(Duration::from_hours(1));
    let sessions = sts.sessions();
    for request in requests() {
        sessions.get(&request, None, LONG).await.unwrap();
    }
    sleep(Duration::from_mins(24)).await;
    let before = sts.asked().len();
    assert_eq!(before, 50);
    // As after a sleep: all of it is planned anew, and again.
    for _ in 0..10 {
        sessions.plan_anew();
    }
    sleep(Duration::from_mins(10)).await;
    let after = &sts.asked()[before..];
    assert_eq!(after.len(), 50, "each once");
    assert!(most_in_a_second(after) <= 10, "{}", most_in_a_second(after));
}

#[tokio::test(start_paused = true)]
async fn what_is_locked_gives_nothing_whatever_is_under_way() {
    let sts = HeldBack::new(HOUR);
    let sessions = sessions_of(&sts, IDLE);
    sts.let_go.add_permits(1);
    sessions.get(&request("warm"), None, LONG).await.unwrap();
    sts.let_go.forget_permits(1);
    let waiting = {
        let sessions = sessions.clone();
        tokio::spawn(async move { sessions.get(&request("cold"), None, LONG).await })
    };
    while sts.calls() < 2 {
        tokio::task::yield_now().await;
    }
    let locked = IssueError::Locked { since: Timestamp(7) };
    sessions.shut(Timestamp(7));
    sts.let_go.add_permits(9);
    assert_eq!(waiting.await.unwrap().unwrap_err(), locked);
    for name in ["warm", "cold", "new"] {
        assert_eq!(sessions.get(&request(name), None, LONG).await.unwrap_err(), locked);
        assert!(sessions.begin(&request(name), &a_decision()).is_none());
        assert!(!sessions.fetch_ahead(&request(name), &a_decision(), LONG).await);
        assert_eq!(sessions.refresh(&request(name), &a_decision(), LONG).await.1.unwrap_err(), locked);
    }
    assert!(sessions.kept().is_empty());
    let calls = sts.calls();
    sessions.unlock();
    sessions.get(&request("warm"), None, LONG).await.unwrap();
    assert_eq!(sts.calls(), calls + 1, "it was dropped");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_replaces_a_fresh_session_and_one_that_fails_replaces_nothing() {
    let (sts, _) = World::new(Duration::from_hours(1));
    let (sessions, request, decision) = (sts.sessions(), request("one"), a_decision());
    let (before, first) = sessions.refresh(&request, &decision, LONG).await;
    assert!(before.is_none());
    let first = first.unwrap();
    sleep(Duration::from_mins(1)).await;
    let (before, second) = sessions.refresh(&request, &decision, LONG).await;
    assert_eq!(Arc::as_ptr(&before.unwrap()), Arc::as_ptr(&first));
    let second = second.unwrap();
    assert_ne!(second.credentials.access_key_id(), first.credentials.access_key_id());
    sts.set_down(true);
    let (_, failed) = sessions.refresh(&request, &decision, LONG).await;
    assert!(failed.is_err());
    let served = sessions.get(&request, None, LONG).await.unwrap();
    assert_eq!(Arc::as_ptr(&served), Arc::as_ptr(&second));
    sts.set_down(false);
    assert!(sessions.refresh(&request, &decision, LONG).await.1.is_ok(), "whatever failed before");
}
