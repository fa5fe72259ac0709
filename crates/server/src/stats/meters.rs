//! The instruments that counts are kept in: atomic, and cheap enough for the path of a request.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub(crate) fn increment(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The number so far.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Starts again at zero.
    pub(crate) fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

/// Count, sum, least and greatest of values seen. The genuine server calls it a summary of the level "basic".
#[derive(Debug)]
pub(crate) struct Summary {
    count: AtomicU64,
    sum: AtomicU64,
    min: AtomicU64,
    max: AtomicU64,
}

impl Default for Summary {
    fn default() -> Self {
        Self {
            count: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            min: AtomicU64::new(u64::MAX),
            max: AtomicU64::new(0),
        }
    }
}

/// A reading of a [`Summary`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct SummaryReading {
    /// How many values.
    pub(crate) count: u64,
    /// Their sum.
    pub(crate) sum: u64,
    /// The least; 0 when there was none.
    pub(crate) min: u64,
    /// The greatest; 0 when there was none.
    pub(crate) max: u64,
}

impl SummaryReading {
    /// The mean, rounded half up to four decimals as the genuine server rounds it.
    pub(crate) fn average(&self) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        let mean = self.sum as f64 / self.count as f64;
        (mean * 10_000.0 + 0.5).floor() / 10_000.0
    }
}

impl Summary {
    /// Adds `n` values that are all `value`.
    pub(crate) fn record_many(&self, value: u64, n: u64) {
        if n == 0 {
            return;
        }
        self.count.fetch_add(n, Relaxed);
        self.sum.fetch_add(value.saturating_mul(n), Relaxed);
        if value < self.min.load(Relaxed) {
            self.min.fetch_min(value, Relaxed);
        }
        if value > self.max.load(Relaxed) {
            self.max.fetch_max(value, Relaxed);
        }
    }

    /// What was seen so far.
    pub(crate) fn read(&self) -> SummaryReading {
        let count = self.count.load(Relaxed);
        if count == 0 {
            return SummaryReading::default();
        }
        let max = self.max.load(Relaxed);
        SummaryReading { count, sum: self.sum.load(Relaxed), min: self.min.load(Relaxed).min(max), max }
    }

    /// Starts again.
    pub(crate) fn reset(&self) {
        self.count.store(0, Relaxed);
        self.sum.store(0, Relaxed);
        self.min.store(u64::MAX, Relaxed);
        self.max.store(0, Relaxed);
    }
}

/// Values below this have a bucket of their own.
const EXACT: u64 = 64;
/// Buckets per power of two above: a value is known to one part in 32.
const PER_OCTAVE: u64 = 32;
/// Powers of two that are told apart; with milliseconds, values up to 37 hours.
const OCTAVES: u64 = 21;
const BUCKETS: usize = (EXACT + PER_OCTAVE * OCTAVES) as usize;

/// A [`Summary`] that can tell percentiles as well. The genuine server keeps a random sample for that; here every value
/// is counted, in buckets that widen with the value, so that rare ones are not missed.
#[derive(Debug)]
pub(crate) struct Distribution {
    summary: Summary,
    buckets: Box<[AtomicU64; BUCKETS]>,
    window: Mutex<Option<Window>>,
}

/// The counts at the last two turns of a window, the older first: what came since is recent.
#[derive(Debug)]
struct Window {
    turned: Instant,
    older: Vec<u64>,
    newer: Vec<u64>,
}

impl Default for Distribution {
    fn default() -> Self {
        Self {
            summary: Summary::default(),
            buckets: Box::new([const { AtomicU64::new(0) }; BUCKETS]),
            window: Mutex::default(),
        }
    }
}

/// A reading of a [`Distribution`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct DistributionReading {
    /// Count, sum, least and greatest.
    pub(crate) summary: SummaryReading,
    /// What lies between; nothing when there was no value.
    pub(crate) percentiles: Option<Percentiles>,
}

/// Values that so many percent of all do not exceed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Percentiles {
    /// The median.
    pub(crate) p50: u64,
    /// 90 percent.
    pub(crate) p90: u64,
    /// 95 percent.
    pub(crate) p95: u64,
    /// 99 percent.
    pub(crate) p99: u64,
    /// 99.9 percent.
    pub(crate) p999: u64,
}

/// Which values percentiles are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    /// All since the start or the last reset.
    All,
    /// Those of the last one to two windows.
    Recent {
        /// The time.
        now: Instant,
        /// How long a window is.
        window: Duration,
    },
}

impl Distribution {
    /// Adds `n` values that are all `value`.
    pub(crate) fn record_many(&self, value: u64, n: u64) {
        if n == 0 {
            return;
        }
        self.summary.record_many(value, n);
        self.buckets[bucket_of(value)].fetch_add(n, Relaxed);
    }

    /// Adds a value.
    pub(crate) fn record(&self, value: u64) {
        self.record_many(value, 1);
    }

    /// What was seen so far, with the percentiles of a span.
    pub(crate) fn read(&self, span: Span) -> DistributionReading {
        let mut counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let summary = self.summary.read();
        if let Span::Recent { now, window: len } = span {
            let mut window = self.window.lock();
            let start = || Window { turned: now, older: vec![0; BUCKETS], newer: vec![0; BUCKETS] };
            let window = window.get_or_insert_with(start);
            if now.duration_since(window.turned) >= len {
                let newer = std::mem::replace(&mut window.newer, counts.clone());
                *window = Window { turned: now, older: newer, newer: std::mem::take(&mut window.newer) };
            }
            for (count, older) in counts.iter_mut().zip(&window.older) {
                *count = count.saturating_sub(*older);
            }
        }
        DistributionReading { summary, percentiles: percentiles(&counts, &summary) }
    }

    /// Starts again.
    pub(crate) fn reset(&self) {
        self.summary.reset();
        for bucket in self.buckets.iter() {
            bucket.store(0, Relaxed);
        }
        *self.window.lock() = None;
    }
}

/// The percentiles of the values that buckets count.
fn percentiles(counts: &[u64], summary: &SummaryReading) -> Option<Percentiles> {
    let total: u64 = counts.iter().sum();
    let percentile = |per_mille: u64| {
        let rank = (u128::from(total) * u128::from(per_mille)).div_ceil(1000);
        let mut seen = 0;
        let bucket = counts.iter().position(|&count| {
            seen += u128::from(count);
            seen >= rank && count > 0
        })?;
        // The bounds matter to the value that a wide bucket is taken for.
        Some(least_of(bucket).max(summary.min).min(summary.max))
    };
    Some(Percentiles {
        p50: percentile(500)?,
        p90: percentile(900)?,
        p95: percentile(950)?,
        p99: percentile(990)?,
        p999: percentile(999)?,
    })
}

/// The bucket that counts a value.
fn bucket_of(value: u64) -> usize {
    let bucket = if value < EXACT {
        value
    } else {
        // `value` is at least 2^6 here: its top bit says the octave, the five bits below it the bucket.
        let octave = u64::from(value.ilog2()) - 6;
        EXACT + octave * PER_OCTAVE + (value >> (octave + 1)) - PER_OCTAVE
    };
    usize::try_from(bucket).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The least value that a bucket counts.
fn least_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < EXACT {
        return bucket;
    }
    let (octave, step) = ((bucket - EXACT) / PER_OCTAVE, (bucket - EXACT) % PER_OCTAVE);
    (PER_OCTAVE + step) << (octave + 1)
}

/// Sizes of messages: the last, the least and the greatest; -1 before the first. Mirrors `BufferStats`.
#[derive(Debug)]
pub(crate) struct Sizes {
    last: AtomicI64,
    min: AtomicI64,
    max: AtomicI64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { last: AtomicI64::new(-1), min: AtomicI64::new(-1), max: AtomicI64::new(-1) }
    }
}

/// A reading of [`Sizes`], in bytes; -1 before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SizesReading {
    /// The last.
    pub(crate) last: i64,
    /// The least.
    pub(crate) min: i64,
    /// The greatest.
    pub(crate) max: i64,
}

impl Sizes {
    /// Notes one of `len` bytes.
    pub(crate) fn record(&self, len: usize) {
        let len = i64::try_from(len).unwrap_or(i64::MAX);
        self.last.store(len, Relaxed);
        let min = self.min.load(Relaxed);
        if min < 0 || len < min {
            self.min.store(len, Relaxed);
        }
        if len > self.max.load(Relaxed) {
            self.max.store(len, Relaxed);
        }
    }

    /// What was seen so far.
    pub(crate) fn read(&self) -> SizesReading {
        SizesReading {
            last: self.last.load(Relaxed),
            min: self.min.load(Relaxed),
            max: self.max.load(Relaxed),
        }
    }

    /// Starts again.
    pub(crate) fn reset(&self) {
        for value in [&self.last, &self.min, &self.max] {
            value.store(-1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn averages_are_rounded_half_up_to_four_decimals() {
        let summary = Summary::default();
        assert_eq!(summary.read().average(), 0.0);
        for value in [0, 1, 12] {
            summary.record_many(value, 1);
        }
        assert_eq!(summary.read(), SummaryReading { count: 3, sum: 13, min: 0, max: 12 });
        assert_eq!(summary.read().average(), 4.3333);
    }

    #[test]
    fn reply_sizes_start_unknown() {
        let sizes = Sizes::default();
        assert_eq!(sizes.read(), SizesReading { last: -1, min: -1, max: -1 });
        sizes.record(20);
        sizes.record(16);
        assert_eq!(sizes.read(), SizesReading { last: 16, min: 16, max: 20 });
    }

    fn all(distribution: &Distribution) -> Percentiles {
        distribution.read(Span::All).percentiles.unwrap()
    }

    #[test]
    fn percentiles_of_small_values_are_exact() {
        let distribution = Distribution::default();
        assert_eq!(distribution.read(Span::All), DistributionReading::default());
        for value in 1..=50 {
            distribution.record_many(value, 20);
        }
        let expected = Percentiles { p50: 25, p90: 45, p95: 48, p99: 50, p999: 50 };
        assert_eq!(all(&distribution), expected);
        distribution.record(60);
        assert_eq!(all(&distribution).p999, 50);
        distribution.record(60);
        assert_eq!(all(&distribution).p999, 60);
        distribution.reset();
        assert_eq!(distribution.read(Span::All), DistributionReading::default());
    }

    #[test]
    fn recent_percentiles_forget_older_values() {
        let distribution = Distribution::default();
        let (start, window) = (Instant::now(), Duration::from_secs(60));
        let median = |seconds| {
            let now = start + Duration::from_secs(seconds);
            distribution.read(Span::Recent { now, window }).percentiles.map(|percentiles| percentiles.p50)
        };
        assert_eq!(median(0), None);
        distribution.record_many(7, 100);
        assert_eq!((median(10), median(60)), (Some(7), Some(7)));
        distribution.record(3);
        assert_eq!((median(119), median(120)), (Some(7), Some(3)));
        assert_eq!((median(179), median(180), median(1000)), (Some(3), None, None));
        assert_eq!(distribution.read(Span::All).summary.count, 101);
    }

    #[test]
    fn buckets_are_in_order_and_cover_everything() {
        for bucket in 0..BUCKETS {
            assert_eq!(bucket_of(least_of(bucket)), bucket);
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    proptest! {
        /// A percentile is off by one part in 32 at most.
        #[test]
        fn percentiles_agree_with_sorting(mut values in proptest::collection::vec(0..1_000_000_u64, 1..200)) {
            let distribution = Distribution::default();
            for &value in &values {
                distribution.record(value);
            }
            values.sort_unstable();
            let Percentiles { p50, p90, p95, p99, p999 } = all(&distribution);
            for (told, per_mille) in [(p50, 500), (p90, 900), (p95, 950), (p99, 990), (p999, 999)] {
                let exact = values[(values.len() * per_mille).div_ceil(1000) - 1];
                prop_assert!(told <= exact.max(values[0]) && exact - told.min(exact) <= exact / 32, "{told} for {exact}");
            }
        }
    }
}
