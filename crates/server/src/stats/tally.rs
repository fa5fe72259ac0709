//! Counting for a whole batch of requests at once.

use super::{Distribution, ServerStats, Summary};

/// Something that takes many equal values at once.
pub(crate) trait Record {
    /// Adds `n` values that are all `value`.
    fn record_many(&self, value: u64, n: u64);
}

impl Record for Summary {
    fn record_many(&self, value: u64, n: u64) {
        Self::record_many(self, value, n);
    }
}

impl Record for Distribution {
    fn record_many(&self, value: u64, n: u64) {
        Self::record_many(self, value, n);
    }
}

/// Values on their way to a meter that all threads share. Equal ones in a row, as latencies in whole milliseconds
/// mostly are, arrive there as one; what is left arrives when this is dropped.
#[derive(Debug)]
pub(crate) struct Run<'a, M: Record> {
    meter: &'a M,
    value: u64,
    count: u64,
}

impl<'a, M: Record> Run<'a, M> {
    /// Nothing yet.
    pub(crate) fn new(meter: &'a M) -> Self {
        Self { meter, value: 0, count: 0 }
    }

    /// Adds a value.
    pub(crate) fn record(&mut self, value: u64) {
        if value != self.value {
            self.deliver();
            self.value = value;
        }
        self.count += 1;
    }

    fn deliver(&mut self) {
        self.meter.record_many(self.value, std::mem::take(&mut self.count));
    }
}

impl<M: Record> Drop for Run<'_, M> {
    fn drop(&mut self) {
        self.deliver();
    }
}

/// What the replies of one batch add to the statistics of the server. Delivered when it is dropped, which has to be
/// before the replies are sent: a client that has its answer finds it counted.
#[derive(Debug)]
pub(crate) struct Tally<'a> {
    stats: &'a ServerStats,
    replies: u64,
    bytes: u64,
    /// The last, the least and the greatest reply.
    sizes: [usize; 3],
    requests: Run<'a, Summary>,
    reads: Run<'a, Distribution>,
    updates: Run<'a, Distribution>,
}

impl<'a> Tally<'a> {
    /// Nothing yet.
    pub(crate) fn new(stats: &'a ServerStats) -> Self {
        Self {
            stats,
            replies: 0,
            bytes: 0,
            sizes: [0, usize::MAX, 0],
            requests: Run::new(&stats.request_latency),
            reads: Run::new(&stats.readlatency),
            updates: Run::new(&stats.updatelatency),
        }
    }

    /// A read was answered after so many milliseconds.
    pub(crate) fn read(&mut self, latency_ms: u64) {
        self.requests.record(latency_ms);
        self.reads.record(latency_ms);
    }

    /// A write was answered after so many milliseconds.
    pub(crate) fn update(&mut self, latency_ms: u64) {
        self.requests.record(latency_ms);
        self.updates.record(latency_ms);
    }

    /// A frame leaves, whose payload has `len` bytes.
    pub(crate) fn reply(&mut self, len: usize) {
        let [_, min, max] = self.sizes;
        self.sizes = [len, min.min(len), max.max(len)];
        self.replies += 1;
        self.bytes += len as u64;
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        if self.replies == 0 {
            return;
        }
        self.stats.packets_sent.add(self.replies);
        self.stats.response_bytes.add(self.bytes);
        let [last, min, max] = self.sizes;
        for len in [min, max, last] {
            self.stats.reply_sizes.record(len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::ReplySizes;

    #[test]
    fn a_tally_delivers_what_each_request_would() {
        let stats = ServerStats::default();
        let mut tally = Tally::new(&stats);
        for (latency, len) in [(0, 20), (0, 16), (3, 90), (3, 90), (0, 40)] {
            tally.read(latency);
            tally.reply(len);
        }
        tally.update(7);
        assert_eq!(stats.packets_sent.get(), 0);
        drop(tally);
        assert_eq!((stats.packets_sent.get(), stats.response_bytes.get()), (5, 256));
        let sizes = ReplySizes::default();
        for len in [20, 16, 90, 90, 40] {
            sizes.record(len);
        }
        assert_eq!(stats.reply_sizes.read(), sizes.read());
        let (all, reads) = (stats.request_latency.read(), stats.readlatency.read());
        assert_eq!((all.count, all.sum, all.max), (6, 13, 7));
        assert_eq!((reads.summary.count, reads.summary.sum, reads.p50, reads.p99), (5, 6, 0, 3));
        assert_eq!(stats.updatelatency.read().p50, 7);
    }

    #[test]
    fn an_empty_tally_changes_nothing() {
        let stats = ServerStats::default();
        drop(Tally::new(&stats));
        assert_eq!(stats.reply_sizes.read().last, -1);
        assert_eq!(stats.readlatency.read(), Default::default());
    }
}
