//! `restricted-deploy-times`: times in which nothing is deployed.

use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ZonedDateTime};
use serde_json::Value as Json;

use super::config::{Config, ConfigFaults, every};
use super::policy::{Example, Issue, Judge, Policy};
use super::violation::{Judgement, Violation};
use super::{Need, Service};

pub(super) static POLICY: Policy = Policy {
    id: "restricted-deploy-times",
    summary: "Nothing is deployed in these times.",
    inspects: "The moment, on the clock of the machine.",
    config: "A window or a list of windows: { time, duration, interval }. time is where the first one begins, as ISO 8601 writes it (without an offset in the time zone of the machine); duration how long each lasts, and interval after how long the next begins, as ISO 8601 writes durations (P2DT18H). Without interval there is one window. Days, weeks, months and years are those of the calendar.",
    need: Need::Context,
    passing: Example {
        config: r#"{ time = "2019-03-08T17:00:00Z", duration = "P2DT15H", interval = "P1W" }"#,
        now: "2026-11-24T12:00:00+00:00[UTC]",
        ..Example::DEFAULT
    },
    failing: Example {
        config: r#"[{ time = 2019-12-24, duration = "P3D", interval = "P1Y" }]"#,
        now: "2026-12-25T12:00:00+00:00[UTC]",
        ..Example::DEFAULT
    },
    differences: &[
        "A duration keeps its time part where the T is missing, as in P2D18H and P2D30M of the documentation (30 minutes, since months stand before days); the original drops what follows the days.",
        "A time or duration that is not one is a fault of the catalog; the original ends with an error, or lets every deployment pass.",
        "A window begins with its first second; the original lets that moment pass.",
    ],
    session: None,
    issue: Some(
        "no credentials during a window; sessions that were handed out before last until they expire",
    ),
    read,
};

/// Where a window begins: a moment, or a time on the machine's clock.
#[derive(Debug)]
enum Start {
    Moment(Timestamp),
    Local(DateTime),
}

#[derive(Debug)]
struct Window {
    start: Start,
    duration: Span,
    interval: Option<Span>,
}

#[derive(Debug)]
struct Windows(Vec<Window>);

const EXAMPLE: &str = r#"config = { time = "2019-03-08T17:00:00Z", duration = "P2DT15H", interval = "P1W" }"#;

fn read(config: &Config<'_>) -> Result<Arc<dyn Judge>, ConfigFaults> {
    let windows = match config.value() {
        Some(Json::Array(_)) => every(config.items("windows", EXAMPLE)?, |item| window(&item))?,
        _ => vec![window(config)?],
    };
    Ok(Arc::new(Windows(windows)))
}

fn window(config: &Config<'_>) -> Result<Window, ConfigFaults> {
    config.entries("a window, or a list of windows", EXAMPLE, Some(&["time", "duration", "interval"]))?;
    let time = config.key("time");
    let text = time.text("a date or time", EXAMPLE)?;
    let start = start(text).ok_or_else(|| {
        time.fault("not a date or time as ISO 8601 writes it", "like 2019-03-08 or 2019-03-08T17:00:00Z")
    })?;
    let duration = span(&config.key("duration"))?;
    let interval = config.key("interval");
    let interval = if interval.value().is_some() { Some(span(&interval)?) } else { None };
    Ok(Window { start, duration, interval })
}

fn start(text: &str) -> Option<Start> {
    let text = text.trim();
    let moment = text.parse::<Timestamp>().map(Start::Moment);
    moment.or_else(|_| text.parse::<DateTime>().map(Start::Local)).ok()
}

fn span(config: &Config<'_>) -> Result<Span, ConfigFaults> {
    let text = config.text("a duration", EXAMPLE)?;
    let not_one = || config.fault("not a duration as ISO 8601 writes it", "like P2DT18H, P1W or PT90M");
    let span: Span = with_time_mark(text.trim()).and_then(|text| text.parse().ok()).ok_or_else(not_one)?;
    if !span.is_positive() {
        return Err(config.fault("a duration has to be longer than nothing", "like P1D"));
    }
    Ok(span)
}

/// A duration with the `T` before its time part where that is missing: hours and seconds exist only there, and an `M`
/// that follows weeks or days is minutes.
fn with_time_mark(text: &str) -> Option<String> {
    let body = text.strip_prefix(['P', 'p'])?;
    if body.contains(['T', 't']) {
        return Some(text.to_owned());
    }
    let (mut marked, mut number, mut in_time, mut after_days) = ("P".to_owned(), String::new(), false, false);
    for letter in body.chars() {
        if letter.is_ascii_digit() || letter == '.' {
            number.push(letter);
            continue;
        }
        let unit = letter.to_ascii_uppercase();
        if !in_time && (matches!(unit, 'H' | 'S') || (unit == 'M' && after_days)) {
            marked.push('T');
            in_time = true;
        }
        after_days |= matches!(unit, 'W' | 'D');
        marked.push_str(&number);
        marked.push(unit);
        number.clear();
    }
    number.is_empty().then_some(marked)
}

impl Window {
    /// The begin of the window with this number; none beyond the calendar.
    fn begin(&self, number: i64, zone: &TimeZone) -> Option<ZonedDateTime> {
        let first = match &self.start {
            Start::Moment(moment) => moment.to_zoned_datetime(zone.clone()),
            Start::Local(time) => time.to_zoned_datetime(zone.clone()).ok()?,
        };
        if number == 0 {
            return Some(first);
        }
        first.checked_add(self.interval?.checked_mul(number).ok()?).ok()
    }

    /// Whether `now` lies in one of its windows. The last that has begun decides: where windows overlap, it ends last.
    fn holds(&self, now: &ZonedDateTime) -> bool {
        let zone = now.time_zone();
        let begun = |number| self.begin(number, zone).is_some_and(|begin| begin <= *now);
        if !begun(0) {
            return false;
        }
        let mut last = 0;
        if self.interval.is_some() {
            let mut step = 1_i64;
            while begun(last + step) && step < i64::MAX / 4 {
                last += step;
                step *= 2;
            }
            while step > 0 {
                if begun(last + step) {
                    last += step;
                }
                step /= 2;
            }
        }
        // A window whose end lies beyond the calendar has none.
        let end = self.begin(last, zone).and_then(|begin| begin.checked_add(self.duration).ok());
        end.is_none_or(|end| *now < end)
    }
}

impl Windows {
    fn fault(&self, now: &ZonedDateTime) -> Option<String> {
        let is_held = self.0.iter().any(|window| window.holds(now));
        is_held.then(|| format!("Deploying on {} is not allowed", now.date()))
    }
}

impl Judge for Windows {
    fn check(&self, service: &Service<'_>) -> Judgement {
        Ok(self.fault(service.now).map(Violation::new).into_iter().collect())
    }

    fn withhold(&self, issue: &Issue<'_>) -> Option<String> {
        self.fault(issue.now)
    }
}
