//! Tracing to standard error.

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterFn, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Begins to log, at the level of `RUST_LOG` (`info` without it).
///
/// Libraries are heard from `warn` on, whatever `RUST_LOG` says, and the AWS SDK not at all: it writes requests as
/// it signs them, answers as they come, and as a warning all that a failing credential helper said. What of it
/// matters is in our own errors.
pub fn begin() {
    let wanted = std::env::var("RUST_LOG").ok().map(|text| text.parse::<Targets>());
    let unreadable = matches!(wanted, Some(Err(_)));
    let wanted =
        wanted.and_then(Result::ok).unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let harmless = FilterFn::new(|event| {
        let is_of = |library: &str| event.target().starts_with(library);
        is_of("brokerd") || (!is_of("aws_") && *event.level() <= Level::WARN)
    });
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .with_filter(harmless);
    // A second call, as in tests that start several daemons in one process, changes nothing.
    let _ = tracing_subscriber::registry().with(wanted).with(lines).try_init();
    if unreadable {
        tracing::warn!("RUST_LOG cannot be read, so the level is info; write it like info or brokerd=debug");
    }
}
