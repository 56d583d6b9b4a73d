//! AWS's clock: what its answers say of the time, shared by whoever asks AWS and whoever keeps sessions.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use tokio::sync::Notify;

use super::clock;
use crate::core::aws_clock::{AwsClock as Known, Heard, Reading};
use crate::core::moment::Timestamp;

/// A move of AWS's clock by more than this is worth planning anew.
const WORTH: i64 = 5;

/// AWS's clock. As an interceptor of an SDK client it hears the `Date` of each answer, refusals included.
#[derive(Clone)]
pub struct AwsClock {
    known: Arc<Mutex<Known>>,
    read: Arc<dyn Fn() -> Reading + Send + Sync>,
    changed: Arc<Notify>,
}

impl fmt::Debug for AwsClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsClock").field("known", &*self.lock()).finish_non_exhaustive()
    }
}

impl Default for AwsClock {
    fn default() -> Self {
        Self::by(clock::reading)
    }
}

impl AwsClock {
    /// The clock of a machine whose own clocks show this; tests let time pass by it.
    pub fn by(read: impl Fn() -> Reading + Send + Sync + 'static) -> Self {
        Self { known: Arc::default(), read: Arc::new(read), changed: Arc::default() }
    }

    /// What it shows now.
    pub fn now(&self) -> Timestamp {
        self.lock().now((self.read)())
    }

    /// By how many seconds this machine's wall clock is ahead of it, where that is known and not nothing.
    pub fn ahead(&self) -> Option<i64> {
        self.lock().ahead((self.read)())
    }

    /// By how many seconds the wall clock was set, or ran while the machine stood still, since AWS said the time.
    pub fn stepped(&self) -> i64 {
        self.lock().stepped((self.read)())
    }

    /// Takes the `Date` of an answer that came just now.
    pub fn hear(&self, date: Timestamp) {
        let at = (self.read)();
        let mut known = self.lock();
        let before = known.now(at);
        known.hear(date, at);
        if known.now(at).0.abs_diff(before.0) > WORTH.unsigned_abs() {
            tracing::warn!(wall = %at.wall, aws = %date, "this machine's clock and AWS's differ");
            self.changed.notify_one();
        }
    }

    /// What was heard, for the next daemon.
    pub fn heard(&self) -> Option<Heard> {
        self.lock().heard()
    }

    /// Takes over what an earlier daemon heard since the same start of the machine, unless AWS has been heard since.
    pub fn take_over(&self, heard: Heard) {
        let mut known = self.lock();
        if known.heard().is_none() {
            *known = Known::of(Some(heard));
        }
    }

    /// What a client signs by that is made now.
    pub fn signing(&self) -> SigningClock {
        SigningClock { ahead: self.ahead().unwrap_or(0) }
    }

    /// Waits until AWS says another time than was thought.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for AwsClock {
    fn name(&self) -> &'static str {
        "AwsClock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        if let Some(date) = date.and_then(|date| DateTime::from_str(date, Format::HttpDate).ok()) {
            self.hear(Timestamp(date.secs()));
        }
        Ok(())
    }
}

/// AWS's clock for one client of the SDK. By how much this machine's differs is fixed when it is made: what the client
/// hears later it corrects by itself, and must not be told twice.
#[derive(Debug, Clone, Copy)]
pub struct SigningClock {
    ahead: i64,
}

impl TimeSource for SigningClock {
    fn now(&self) -> SystemTime {
        let now = SystemTime::now();
        let off = Duration::from_secs(self.ahead.unsigned_abs());
        let right = if self.ahead > 0 { now.checked_sub(off) } else { now.checked_add(off) };
        right.unwrap_or(now)
    }
}
