//! The rule of pins as tables.

use super::*;

const BOOT: &str = "this-start";
const SHELL: ProcessId = ProcessId { pid: 100, start: 50 };
const OTHER_SHELL: ProcessId = ProcessId { pid: 200, start: 60 };
const CONFIG: &str = "/home/ann/shop/serverless.yml";
const END: Timestamp = Timestamp(2_000);

fn app(name: &str) -> App {
    App::parse(name).unwrap()
}

fn pin(place: PinPlace, stage: &str) -> Pin {
    Pin {
        place,
        app: app("shop"),
        stage: Stage::parse(stage).unwrap(),
        since: Timestamp(1_000),
        until: END,
        boot: BOOT.to_owned(),
        from: 500,
    }
}

fn terminal(stage: &str) -> Pin {
    pin(PinPlace::Terminal(SHELL), stage)
}

fn project(stage: &str) -> Pin {
    pin(PinPlace::Project(CONFIG.into()), stage)
}

fn list(pins: &[Pin]) -> PinList {
    let mut list = PinList::default();
    pins.iter().cloned().for_each(|pin| list.set(pin));
    list
}

/// Who asks, and when.
#[derive(Clone, Copy)]
struct Case<'a> {
    app: &'a str,
    config: &'a str,
    now: i64,
    boot: &'a str,
    sessions: &'a [ProcessId],
    started: u64,
}

/// A process that was started in the pinned terminal after the pin, while it counts.
const CALLER: Case<'_> =
    Case { app: "shop", config: CONFIG, now: 1_500, boot: BOOT, sessions: &[SHELL], started: 500 };

impl Case<'_> {
    fn stage(self, pins: &[Pin]) -> Option<String> {
        let (list, app) = (list(pins), app(self.app));
        let inquiry = PinInquiry {
            list: &list,
            now: Timestamp(self.now),
            boot: self.boot,
            sessions: self.sessions,
            started: self.started,
        };
        inquiry.find(&app, Path::new(self.config)).map(|pin| pin.stage.to_string())
    }
}

#[test]
fn a_terminals_pin_is_for_what_is_started_in_it_afterwards_for_its_application() {
    let reused = ProcessId { start: 51, ..SHELL };
    for (case, expected) in [
        (CALLER, Some("prod")),
        (Case { started: 501, ..CALLER }, Some("prod")),
        (Case { started: 499, ..CALLER }, None),
        (Case { sessions: &[OTHER_SHELL], ..CALLER }, None),
        (Case { sessions: &[], ..CALLER }, None),
        // A child after `setsid`, or in a terminal that was started from the pinned one.
        (Case { sessions: &[OTHER_SHELL, SHELL], ..CALLER }, Some("prod")),
        (Case { sessions: &[reused], ..CALLER }, None),
        (Case { app: "blog", ..CALLER }, None),
        (Case { config: "/home/ann/shop2/serverless.yml", ..CALLER }, Some("prod")),
        (Case { now: 1_999, ..CALLER }, Some("prod")),
        (Case { now: 2_000, ..CALLER }, None),
        (Case { boot: "next-start", ..CALLER }, None),
        (Case { boot: "next-start", started: 1, ..CALLER }, None),
    ] {
        assert_eq!(case.stage(&[terminal("prod")]).as_deref(), expected);
    }
}

#[test]
fn a_projects_pin_is_for_what_is_started_in_it_afterwards_in_any_terminal() {
    for (case, expected) in [
        (CALLER, Some("qa")),
        (Case { sessions: &[], ..CALLER }, Some("qa")),
        (Case { sessions: &[OTHER_SHELL], ..CALLER }, Some("qa")),
        (Case { started: 499, ..CALLER }, None),
        (Case { config: "/home/ann/shop2/serverless.yml", ..CALLER }, None),
        (Case { app: "blog", ..CALLER }, None),
        (Case { now: 2_000, ..CALLER }, None),
        // Whatever runs was started after the machine.
        (Case { boot: "next-start", started: 1, ..CALLER }, Some("qa")),
        (Case { boot: "next-start", now: 2_000, ..CALLER }, None),
    ] {
        assert_eq!(case.stage(&[project("qa")]).as_deref(), expected);
    }
}

#[test]
fn the_nearest_terminals_pin_comes_first_and_the_projects_last() {
    let outer = pin(PinPlace::Terminal(OTHER_SHELL), "dev");
    let pins = [outer, project("qa"), terminal("prod")];
    for (case, expected) in [
        (Case { sessions: &[SHELL, OTHER_SHELL], ..CALLER }, "prod"),
        (Case { sessions: &[OTHER_SHELL, SHELL], ..CALLER }, "dev"),
        (Case { sessions: &[], ..CALLER }, "qa"),
    ] {
        assert_eq!(case.stage(&pins).as_deref(), Some(expected));
    }
    let ended = Pin { until: Timestamp(1_400), ..terminal("prod") };
    assert_eq!(CALLER.stage(&[ended, project("qa")]).as_deref(), Some("qa"));
    let later = Pin { from: 501, ..terminal("prod") };
    assert_eq!(CALLER.stage(&[later, project("qa")]).as_deref(), Some("qa"));
}

#[test]
fn a_new_pin_replaces_the_one_of_the_same_place_and_application() {
    let blog = Pin { app: app("blog"), ..terminal("live") };
    let mut list = list(&[terminal("prod"), blog.clone(), project("qa"), terminal("dev")]);
    assert_eq!(list, PinList { pins: vec![blog, project("qa"), terminal("dev")] });
    assert_eq!(list.remove(&PinPlace::Terminal(SHELL), &app("shop")), Some(terminal("dev")));
    assert_eq!(list.remove(&PinPlace::Terminal(SHELL), &app("shop")), None);
    assert_eq!(list.remove(&PinPlace::Project(CONFIG.into()), &app("shop")), Some(project("qa")));
}

#[test]
fn what_will_never_count_again_is_swept() {
    let pins = [terminal("prod"), project("qa")];
    let left = |now, boot: &str, alive| {
        let mut list = list(&pins);
        let shown = list.in_force(Timestamp(now), boot, &|_| alive).cloned().collect::<Vec<_>>();
        list.sweep(Timestamp(now), boot, &|_| alive);
        assert_eq!(list.pins, shown);
        shown.into_iter().map(|pin| pin.place.reach()).collect::<Vec<_>>()
    };
    assert_eq!(left(1_999, BOOT, true), [Reach::Terminal, Reach::Project]);
    assert_eq!(left(1_999, BOOT, false), [Reach::Project], "its terminal is gone");
    assert_eq!(left(1_999, "next-start", true), [Reach::Project]);
    assert_eq!(left(2_000, BOOT, true), []);
}

#[test]
fn the_list_survives_its_text() {
    let list = list(&[terminal("prod"), project("qa")]);
    assert_eq!(PinList::parse(&list.to_text()), Ok(list));
    for text in ["", "{}", r#"{"form":2,"pins":[]}"#, r#"{"form":1,"pins":[{"stage":"x"}]}"#] {
        assert!(PinList::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_pin_lasts_a_day_at_most() {
    let hours = Duration::from_hours;
    for (text, expected) in [
        ("1h", Ok(hours(1))),
        ("24h", Ok(hours(24))),
        ("1s", Ok(Duration::from_secs(1))),
        ("24h1s", Err(LengthError::Outside)),
        ("2d", Err(LengthError::Outside)),
        ("0s", Err(LengthError::Outside)),
        ("1", Err(LengthError::Form(DurationError::NoUnit))),
    ] {
        assert_eq!(parse_length(text), expected, "{text}");
    }
    assert_eq!(length(None, Reach::Terminal), Ok(hours(12)));
    assert_eq!(length(None, Reach::Project), Ok(hours(1)));
    assert_eq!(length(Some(hours(3)), Reach::Project), Ok(hours(3)));
    assert_eq!(length(Some(hours(25)), Reach::Terminal), Err(LengthError::Outside));
}
