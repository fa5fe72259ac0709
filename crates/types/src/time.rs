//! The two clocks, given from outside.

use core::ops::Add;
use core::time::Duration;

/// A reading of the monotonic clock: what liveness is judged by. Only differences mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Now(Duration);

impl Now {
    /// From the time since the clock's own beginning.
    pub const fn new(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// Milliseconds since the clock's beginning.
    pub const fn millis(self) -> u64 {
        self.0.as_millis() as u64
    }

    /// The time since `earlier`; zero when that is not earlier.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Now {
    type Output = Self;
    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }
}

/// Wall time in milliseconds since 1970, as Stat and TTL use it. It comes from the leader and decides nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(i64);

impl WallTime {
    /// From milliseconds since 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }
}
