//! The two clocks of the running server. Everything below it is given the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use zabra_types::{Now, WallTime};

/// The monotonic clock, counted from the server's start, and the wall clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The monotonic clock.
    pub(crate) fn now(&self) -> Now {
        Now::new(self.start.elapsed())
    }

    /// The time since the server started.
    pub(crate) fn uptime(&self) -> Duration {
        self.start.elapsed()
    }

    /// The wall clock; it decides nothing but what Stat and TTL say.
    pub(crate) fn wall() -> WallTime {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        WallTime::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
    }

    /// Milliseconds of a clock that goes on over restarts, from which session ids are made.
    pub(crate) fn id_seed() -> u64 {
        Self::wall().millis().unsigned_abs()
    }
}
