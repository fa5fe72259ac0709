//! The time of the simulated world, and the clocks of its servers, which do not agree with it.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

use zabra_types::Now;

/// A moment of the simulated world, in microseconds since its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(u64);

impl Time {
    /// The beginning.
    pub const ZERO: Self = Self(0);

    /// From microseconds since the beginning.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the beginning.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// The time since `earlier`; zero when that is not earlier.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;
    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(later.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>4}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

/// A million: rates of clocks are counted in millionths.
const MILLION: u64 = 1_000_000;

/// The monotonic clock of a server: begun at another moment, and running at another rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    offset: Duration,
    /// Its seconds in a million of the world's.
    rate_ppm: u64,
}

impl Clock {
    /// A clock that showed `offset` when the world began, and runs at a rate of so many millionths.
    pub(crate) const fn new(offset: Duration, rate_ppm: u64) -> Self {
        Self { offset, rate_ppm }
    }

    /// What it shows at a moment of the world.
    pub(crate) fn at(&self, time: Time) -> Now {
        Now::new(self.offset + Duration::from_micros(scale(time.micros(), self.rate_ppm, MILLION)))
    }

    /// The first moment of the world at which it shows at least `now`.
    pub(crate) fn when(&self, now: Now) -> Time {
        let shown = now.since(Now::new(self.offset));
        // Rounded up twice: the clock must not show less when the moment has come.
        let nanos = u64::try_from(shown.as_nanos()).unwrap_or(u64::MAX);
        let mut time = Time(scale(nanos.div_ceil(1000), MILLION, self.rate_ppm));
        while self.at(time) < now {
            time = Time(time.0 + 1);
        }
        time
    }
}

fn scale(value: u64, by: u64, of: u64) -> u64 {
    u64::try_from(u128::from(value) * u128::from(by) / u128::from(of)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_has_come_there_when_it_should() {
        for rate in [900_000, 999_999, 1_000_000, 1_100_001] {
            let clock = Clock::new(Duration::from_secs(17), rate);
            for micros in [0, 1, 999, 1_000_000, 123_456_789] {
                let now = Now::new(Duration::from_secs(17) + Duration::from_micros(micros));
                let when = clock.when(now);
                assert!(clock.at(when) >= now, "{rate} {micros}");
                let before = Time::from_micros(when.micros().saturating_sub(3));
                assert!(clock.at(before) <= now, "{rate} {micros}: not later than needed");
            }
        }
    }
}
