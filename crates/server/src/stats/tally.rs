//! Counting for a whole batch of requests at once.

use std::sync::Arc;

use super::{Distribution, Namespace, ServerStats, Summary, namespace_of};

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

/// Bytes per request in the namespace that the last requests were about.
#[derive(Debug, Default)]
struct InNamespace {
    namespace: Option<Arc<Namespace>>,
    bytes: u64,
    count: u64,
}

/// Reads or writes.
type Side = fn(&Namespace) -> &Distribution;

impl InNamespace {
    fn record(&mut self, stats: &ServerStats, path: &str, bytes: u64, side: Side) {
        let Some(name) = namespace_of(path) else { return };
        let same = self.namespace.as_ref().is_some_and(|namespace| *namespace.name == *name);
        if !same || self.bytes != bytes {
            self.deliver(side);
            self.bytes = bytes;
        }
        if !same {
            self.namespace = stats.namespaces.get(name);
        }
        self.count += 1;
    }

    fn deliver(&mut self, side: Side) {
        let count = std::mem::take(&mut self.count);
        if let Some(namespace) = &self.namespace {
            side(namespace).record_many(self.bytes, count);
        }
    }
}

const READS: Side = |namespace| &namespace.reads;
const WRITES: Side = |namespace| &namespace.writes;

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
    read_from: InNamespace,
    written_to: InNamespace,
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
            read_from: InNamespace::default(),
            written_to: InNamespace::default(),
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

    /// A node at `path` was read, with so many bytes of path, data and Stat.
    pub(crate) fn read_node(&mut self, path: &str, bytes: u64) {
        self.read_from.record(self.stats, path, bytes, READS);
    }

    /// A node at `path` was written, with so many bytes of path and data.
    pub(crate) fn wrote_node(&mut self, path: &str, bytes: u64) {
        self.written_to.record(self.stats, path, bytes, WRITES);
    }

    /// A frame leaves, whose payload has `len` bytes. Those of pings are not counted among `response_bytes`.
    pub(crate) fn reply(&mut self, len: usize, is_ping: bool) {
        let [_, min, max] = self.sizes;
        self.sizes = [len, min.min(len), max.max(len)];
        self.replies += 1;
        if !is_ping {
            self.bytes += len as u64;
        }
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        self.read_from.deliver(READS);
        self.written_to.deliver(WRITES);
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
    use crate::stats::{Sizes, Span};

    #[test]
    fn a_tally_delivers_what_each_request_would() {
        let stats = ServerStats::default();
        let mut tally = Tally::new(&stats);
        for (latency, len) in [(0, 20), (0, 16), (3, 90), (3, 90), (0, 40)] {
            tally.read(latency);
            tally.reply(len, false);
        }
        tally.update(7);
        tally.reply(16, true);
        assert_eq!(stats.packets_sent.get(), 0);
        drop(tally);
        assert_eq!((stats.packets_sent.get(), stats.response_bytes.get()), (6, 256));
        let sizes = Sizes::default();
        for len in [20, 16, 90, 90, 40, 16] {
            sizes.record(len);
        }
        assert_eq!(stats.reply_sizes.read(), sizes.read());
        let (all, reads) = (stats.request_latency.read(), stats.readlatency.read(Span::All));
        assert_eq!((all.count, all.sum, all.max), (6, 13, 7));
        assert_eq!((reads.summary.count, reads.summary.sum), (5, 6));
        assert_eq!(reads.percentiles.map(|percentiles| (percentiles.p50, percentiles.p99)), Some((0, 3)));
        assert_eq!(stats.updatelatency.read(Span::All).summary.sum, 7);
    }

    #[test]
    fn bytes_are_counted_by_namespace() {
        let stats = ServerStats::default();
        let mut tally = Tally::new(&stats);
        for (path, bytes) in [("/a", 10), ("/a/b", 10), ("/b", 10), ("/a", 30), ("/", 99)] {
            tally.read_node(path, bytes);
        }
        tally.wrote_node("/b/c", 5);
        drop(tally);
        let read = |side: Side| -> Vec<_> {
            let sums = |namespace: Arc<Namespace>| {
                let summary = side(&namespace).read(Span::All).summary;
                (namespace.name.to_string(), summary.count, summary.sum)
            };
            stats.namespaces.all().into_iter().map(sums).collect()
        };
        assert_eq!(read(READS), [("a".to_owned(), 3, 50), ("b".to_owned(), 1, 10)]);
        assert_eq!(read(WRITES), [("a".to_owned(), 0, 0), ("b".to_owned(), 1, 5)]);
    }

    #[test]
    fn an_empty_tally_changes_nothing() {
        let stats = ServerStats::default();
        drop(Tally::new(&stats));
        assert_eq!(stats.reply_sizes.read().last, -1);
        assert_eq!(stats.readlatency.read(Span::All), Default::default());
    }
}
