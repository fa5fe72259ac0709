//! What the server counts while it works: cheap to add to, read by the four-letter words, the admin server and the
//! metrics.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use zabra_types::EventType;

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

/// Count, sum, least and greatest of values seen.
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

    /// Adds a value.
    pub(crate) fn record(&self, value: u64) {
        self.record_many(value, 1);
    }

    /// What was seen so far.
    pub(crate) fn read(&self) -> SummaryReading {
        let count = self.count.load(Relaxed);
        if count == 0 {
            return SummaryReading::default();
        }
        SummaryReading {
            count,
            sum: self.sum.load(Relaxed),
            min: self.min.load(Relaxed),
            max: self.max.load(Relaxed),
        }
    }

    /// Starts again.
    pub(crate) fn reset(&self) {
        self.count.store(0, Relaxed);
        self.sum.store(0, Relaxed);
        self.min.store(u64::MAX, Relaxed);
        self.max.store(0, Relaxed);
    }
}

/// Sizes of replies: the last, the least and the greatest; -1 before the first. Mirrors `BufferStats`.
#[derive(Debug)]
pub(crate) struct ReplySizes {
    last: AtomicI64,
    min: AtomicI64,
    max: AtomicI64,
}

impl Default for ReplySizes {
    fn default() -> Self {
        Self { last: AtomicI64::new(-1), min: AtomicI64::new(-1), max: AtomicI64::new(-1) }
    }
}

impl ReplySizes {
    /// Notes a reply of `len` bytes.
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

    /// Last, least, greatest.
    pub(crate) fn read(&self) -> (i64, i64, i64) {
        (self.last.load(Relaxed), self.min.load(Relaxed), self.max.load(Relaxed))
    }

    /// Starts again.
    pub(crate) fn reset(&self) {
        for value in [&self.last, &self.min, &self.max] {
            value.store(-1, Relaxed);
        }
    }
}

/// Everything the server as a whole counts. Field names are those of the genuine metrics.
#[derive(Debug, Default)]
pub(crate) struct ServerStats {
    /// Frames received from clients.
    pub(crate) packets_received: Counter,
    /// Frames sent to clients, events included.
    pub(crate) packets_sent: Counter,
    /// Bytes received from clients.
    pub(crate) bytes_received_count: Counter,
    /// Bytes of replies and events.
    pub(crate) response_bytes: Counter,
    /// Milliseconds from receipt to reply, all requests.
    pub(crate) request_latency: Summary,
    /// Milliseconds of reads.
    pub(crate) readlatency: Summary,
    /// Milliseconds of writes.
    pub(crate) updatelatency: Summary,
    /// Sizes of replies.
    pub(crate) reply_sizes: ReplySizes,
    /// Writes submitted and not answered yet.
    pub(crate) outstanding: AtomicI64,
    /// Bytes of large requests among them.
    pub(crate) large_bytes: AtomicI64,
    /// Times a connection waited for the request throttler.
    pub(crate) request_throttle_wait_count: Counter,
    /// Requests refused because they had waited too long.
    pub(crate) throttled_ops: Counter,
    /// Connect requests.
    pub(crate) connection_request_count: Counter,
    /// Connections refused by a limit.
    pub(crate) connection_rejected: Counter,
    /// Connections that ended.
    pub(crate) connection_drop_count: Counter,
    /// Sessions renewed.
    pub(crate) connection_revalidate_count: Counter,
    /// Connections closed because no connect request came.
    pub(crate) sessionless_connections_expired: Counter,
    /// Sessions that expired.
    pub(crate) stale_sessions_expired: Counter,
    /// Transactions applied.
    pub(crate) commit_count: Counter,
    /// Auth packets refused.
    pub(crate) auth_failed_count: Counter,
    /// Frames refused because too many large ones were under way.
    pub(crate) large_requests_rejected: Counter,
    /// Milliseconds of log syncs.
    pub(crate) fsynctime: Summary,
    /// Syncs slower than the warning threshold.
    pub(crate) fsync_threshold_exceed_count: Counter,
    /// Transactions per flush.
    pub(crate) sync_processor_batch_size: Summary,
    /// Milliseconds of snapshots.
    pub(crate) snapshottime: Summary,
    /// Snapshots that failed.
    pub(crate) snapshot_error_count: Counter,
    /// Transactions after which the tree was not as its leader saw it.
    pub(crate) digest_mismatches_count: Counter,
    /// Milliseconds that the database took to load.
    pub(crate) dbinittime: Summary,
    /// Milliseconds that the snapshot took to load.
    pub(crate) startup_snap_load_time: Summary,
    /// Transactions replayed at start.
    pub(crate) startup_txns_loaded: Summary,
    /// Milliseconds that replaying took.
    pub(crate) startup_txns_load_time: Summary,
    /// Failures after which nothing more is acknowledged.
    pub(crate) unrecoverable_error_count: Counter,
    /// Connections that sent what is no frame or record.
    pub(crate) malformed_requests: Counter,
    /// Connections with a watch that a creation fired, per event.
    pub(crate) node_created_watch_count: Summary,
    /// The same for deletions.
    pub(crate) node_deleted_watch_count: Summary,
    /// The same for new data.
    pub(crate) node_changed_watch_count: Summary,
    /// The same for children that came or went.
    pub(crate) node_children_watch_count: Summary,
    /// Bytes of watch events.
    pub(crate) watch_bytes: Counter,
}

impl ServerStats {
    /// The summary of watches that events of this type fire.
    pub(crate) fn fired(&self, event: EventType) -> &Summary {
        match event {
            EventType::NodeCreated => &self.node_created_watch_count,
            EventType::NodeDeleted => &self.node_deleted_watch_count,
            EventType::NodeDataChanged => &self.node_changed_watch_count,
            EventType::NodeChildrenChanged => &self.node_children_watch_count,
        }
    }

    /// What `srst` resets.
    pub(crate) fn reset(&self) {
        self.packets_received.reset();
        self.packets_sent.reset();
        self.request_latency.reset();
        self.reply_sizes.reset();
        self.fsync_threshold_exceed_count.reset();
        self.auth_failed_count.reset();
    }
}

/// Whole milliseconds, as the genuine statistics count.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_are_rounded_half_up_to_four_decimals() {
        let summary = Summary::default();
        assert_eq!(summary.read().average(), 0.0);
        for value in [0, 1, 12] {
            summary.record(value);
        }
        assert_eq!(summary.read(), SummaryReading { count: 3, sum: 13, min: 0, max: 12 });
        assert_eq!(summary.read().average(), 4.3333);
    }

    #[test]
    fn reply_sizes_start_unknown() {
        let sizes = ReplySizes::default();
        assert_eq!(sizes.read(), (-1, -1, -1));
        sizes.record(20);
        sizes.record(16);
        assert_eq!(sizes.read(), (16, 16, 20));
    }
}
