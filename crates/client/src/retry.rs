//! When a failed request is sent again.

use std::time::Duration;

/// How often, and after which pauses, a failed request is sent again.
///
/// Only what may succeed in a moment is repeated: requests whose connection broke, and those a server throttled. A write
/// that may have happened is repeated only if it says that it is idempotent. Mirrors Curator's `RetryPolicy`.
///
/// ```
/// use std::time::Duration;
/// use zabra_client::RetryPolicy;
///
/// let policy = RetryPolicy::exponential(Duration::from_millis(50), Duration::from_secs(5)).times(10);
/// # let _ = policy;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    first: Duration,
    longest: Duration,
    times: Option<u32>,
    within: Option<Duration>,
}

impl RetryPolicy {
    /// Never again.
    pub const fn none() -> Self {
        Self::forever(Duration::ZERO).times(0)
    }

    /// Once, after a pause (`RetryOneTime`).
    pub const fn once(pause: Duration) -> Self {
        Self::forever(pause).times(1)
    }

    /// Again and again after the same pause (`RetryForever`). Limit it with [`Self::times`] (`RetryNTimes`) or
    /// [`Self::within`] (`RetryUntilElapsed`).
    pub const fn forever(pause: Duration) -> Self {
        Self { first: pause, longest: pause, times: None, within: None }
    }

    /// Again and again after pauses that double from `first` to `longest`, each shortened at random by up to a half so
    /// that many clients do not come back at once (`ExponentialBackoffRetry`).
    pub const fn exponential(first: Duration, longest: Duration) -> Self {
        Self { first, longest, times: None, within: None }
    }

    /// No more than this many times, after the first attempt.
    pub const fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// Not any more when this time has passed since the first attempt.
    pub const fn within(mut self, limit: Duration) -> Self {
        self.within = Some(limit);
        self
    }

    /// The pause before the next attempt, `failed` of which have been made since `elapsed`; `None` to give up. `random`
    /// is any number from 0 to 1.
    pub(crate) fn pause(&self, failed: u32, elapsed: Duration, random: f64) -> Option<Duration> {
        if self.times.is_some_and(|times| failed > times) || self.within.is_some_and(|limit| elapsed >= limit)
        {
            return None;
        }
        if self.first >= self.longest {
            return Some(self.longest);
        }
        let doublings = failed.saturating_sub(1).min(31);
        let full = self.first.saturating_mul(1 << doublings).min(self.longest);
        Some(full.mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn pauses_double_up_to_the_longest_and_are_shortened_at_random() {
        let policy = RetryPolicy::exponential(10 * MS, 50 * MS);
        let pauses = |random| (1..6).map(move |n| RetryPolicy::pause(&policy_of(), n, MS, random));
        fn policy_of() -> RetryPolicy {
            RetryPolicy::exponential(10 * MS, 50 * MS)
        }
        assert_eq!(pauses(0.0).map(Option::unwrap).collect::<Vec<_>>(), [10, 20, 40, 50, 50].map(|n| n * MS));
        assert_eq!(policy.pause(3, MS, 1.0), Some(20 * MS));
        assert_eq!(policy.pause(u32::MAX, MS, 0.0), Some(50 * MS));
    }

    #[test]
    fn limits() {
        let long = Duration::from_secs(3600);
        let cases = [
            (RetryPolicy::none(), [false, false, false]),
            (RetryPolicy::once(MS), [true, false, false]),
            (RetryPolicy::forever(MS).times(2), [true, true, false]),
            (RetryPolicy::forever(MS), [true, true, true]),
        ];
        for (policy, expected) in cases {
            let again = [1, 2, 3].map(|failed| policy.pause(failed, long, 0.5).is_some());
            assert_eq!(again, expected, "{policy:?}");
        }
        let timed = RetryPolicy::forever(MS).within(10 * MS);
        assert_eq!(timed.pause(1, 9 * MS, 0.0), Some(MS));
        assert_eq!(timed.pause(1, 10 * MS, 0.0), None);
    }
}
