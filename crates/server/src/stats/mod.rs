//! What the server counts while it works: cheap to add to, read by the four-letter words, the admin server and the
//! metrics.

mod meters;
mod namespaces;
mod tally;

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use zabra_types::EventType;

pub(crate) use meters::{
    Counter, Distribution, DistributionReading, Percentiles, Sizes, SizesReading, Span, Summary,
    SummaryReading,
};
pub(crate) use namespaces::{Namespace, Namespaces, namespace_of};
pub(crate) use tally::{Run, Tally};

/// A metric that the server keeps, for those who show all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Meter<'a> {
    /// A number that only grows.
    Counter(&'a Counter),
    /// Count, sum, least and greatest: a summary of the level "basic" in the words of the genuine server.
    Basic(&'a Distribution),
    /// The same with percentiles: "advanced".
    Advanced(&'a Distribution),
}

/// Declares [`ServerStats`]: first what the genuine server shows as metrics, each field under the metric's own name,
/// then what it shows otherwise.
macro_rules! stats {
    (@type Counter) => { Counter };
    (@type $level:ident) => { Distribution };
    (
        metrics { $( $(#[$metric_doc:meta])* $metric:ident: $kind:ident, )* }
        others { $( $(#[$other_doc:meta])* $other:ident: $type:ty, )* }
    ) => {
        /// Everything the server as a whole counts.
        #[derive(Debug, Default)]
        pub(crate) struct ServerStats {
            $( $(#[$metric_doc])* pub(crate) $metric: stats!(@type $kind), )*
            $( $(#[$other_doc])* pub(crate) $other: $type, )*
        }

        impl ServerStats {
            /// The metrics with their names.
            pub(crate) fn metrics(&self) -> impl Iterator<Item = (&'static str, Meter<'_>)> {
                [$( (stringify!($metric), Meter::$kind(&self.$metric)), )*].into_iter()
            }

            fn reset_metrics(&self) {
                $( self.$metric.reset(); )*
            }
        }
    };
}

stats! {
    metrics {
        /// Bytes received from clients.
        bytes_received_count: Counter,
        /// Bytes of replies.
        response_bytes: Counter,
        /// Milliseconds of reads.
        readlatency: Advanced,
        /// Milliseconds of writes.
        updatelatency: Advanced,
        /// Times a connection waited for the request throttler.
        request_throttle_wait_count: Counter,
        /// Batches of requests dropped with their connection because they had waited longer than the session lives.
        stale_requests_dropped: Counter,
        /// Requests refused because they had waited too long.
        throttled_ops: Counter,
        /// Milliseconds that requests were held back by the throttler, when there is one.
        request_throttle_queue_time_ms: Advanced,
        /// Connect requests.
        connection_request_count: Counter,
        /// How far the bucket of the connection throttle was from full, per connect request.
        connection_token_deficit: Basic,
        /// Connections refused by a limit.
        connection_rejected: Counter,
        /// Connections that ended.
        connection_drop_count: Counter,
        /// Sessions renewed.
        connection_revalidate_count: Counter,
        /// Connections closed because no connect request came.
        sessionless_connections_expired: Counter,
        /// Sessions that expired.
        stale_sessions_expired: Counter,
        /// Transactions applied.
        commit_count: Counter,
        /// Frames refused because too many large ones were under way.
        large_requests_rejected: Counter,
        /// Milliseconds of log syncs.
        fsynctime: Basic,
        /// Requests that came to be prepared or answered.
        prep_processor_request_queued: Counter,
        /// Milliseconds that a request took until it was answered or handed to the log.
        prep_process_time: Basic,
        /// Milliseconds that the end of a session took to prepare.
        close_session_prep_time: Advanced,
        /// Transactions handed to the log.
        sync_processor_request_queued: Counter,
        /// Transactions that waited when the log thread looked.
        sync_processor_queue_size: Basic,
        /// Milliseconds that a transaction waited for the log thread.
        sync_processor_queue_time_ms: Advanced,
        /// Milliseconds of a flush of the log, sync included.
        sync_processor_queue_flush_time_ms: Advanced,
        /// Milliseconds that a transaction waited for the log thread and its flush.
        sync_processor_queue_and_flush_time_ms: Advanced,
        /// Milliseconds that writing a transaction to the log took, its flush included.
        sync_process_time: Basic,
        /// Milliseconds from the creation of a transaction until it was applied.
        propagation_latency: Advanced,
        /// Transactions per flush.
        sync_processor_batch_size: Basic,
        /// Milliseconds of snapshots.
        snapshottime: Basic,
        /// Snapshots that failed.
        snapshot_error_count: Counter,
        /// Snapshots that the admin server refused because another was just taken.
        snapshot_rate_limited_count: Counter,
        /// Milliseconds of restores.
        restore_time: Basic,
        /// Restores that failed.
        restore_error_count: Counter,
        /// Restores that the admin server refused because there was one not long ago.
        restore_rate_limited_count: Counter,
        /// Transactions after which the tree was not as its leader saw it.
        digest_mismatches_count: Counter,
        /// Milliseconds that the database took to load.
        dbinittime: Basic,
        /// Milliseconds that the snapshot took to load.
        startup_snap_load_time: Basic,
        /// Transactions replayed at start.
        startup_txns_loaded: Basic,
        /// Milliseconds that replaying took.
        startup_txns_load_time: Basic,
        /// Failures after which nothing more is acknowledged.
        unrecoverable_error_count: Counter,
        /// Connections with a watch that a creation fired, per event.
        node_created_watch_count: Basic,
        /// The same for deletions.
        node_deleted_watch_count: Basic,
        /// The same for new data.
        node_changed_watch_count: Basic,
        /// The same for children that came or went.
        node_children_watch_count: Basic,
        /// Bytes of watch events.
        watch_bytes: Counter,
        /// Times that this server began to look for a leader.
        looking_count: Counter,
        /// Milliseconds that elections took.
        election_time: Basic,
        /// Milliseconds that taking over a leader's history took, following.
        follower_sync_time: Basic,
        /// The same observing.
        observer_sync_time: Basic,
        /// Milliseconds without a leader.
        unavailable_time: Basic,
        /// The same on the server that then led.
        leader_unavailable_time: Basic,
        /// Learners that were sent what they lacked.
        diff_count: Counter,
        /// Learners that were sent the whole database.
        snap_count: Counter,
        /// Transactions that this leader proposed.
        proposal_count: Counter,
        /// Proposals that came from a leader.
        learner_proposal_received_count: Counter,
        /// Commits that came from a leader; on observers decided transactions.
        learner_commit_received_count: Counter,
        /// Clients that named this ensemble.
        ensemble_auth_success: Counter,
        /// Clients that named another.
        ensemble_auth_fail: Counter,
        /// Clients that named an ensemble while this server has no name.
        ensemble_auth_skip: Counter,
    }
    others {
        /// Frames and four-letter words received from clients.
        packets_received: Counter,
        /// Frames and answers sent to clients, events included.
        packets_sent: Counter,
        /// Milliseconds from receipt to reply, all requests.
        request_latency: Summary,
        /// Sizes of replies.
        reply_sizes: Sizes,
        /// Sizes of what this server has proposed while it led.
        proposal_sizes: Sizes,
        /// Writes submitted and not answered yet.
        outstanding: AtomicI64,
        /// Bytes of large requests among them.
        large_bytes: AtomicI64,
        /// Auth packets refused.
        auth_failed_count: Counter,
        /// Syncs slower than the warning threshold.
        fsync_threshold_exceed_count: Counter,
        /// Connections that sent what is no frame or record.
        malformed_requests: Counter,
        /// What is read and written below each child of the root.
        namespaces: Namespaces,
    }
}

impl ServerStats {
    /// The summary of watches that events of this type fire.
    pub(crate) fn fired(&self, event: EventType) -> &Distribution {
        match event {
            EventType::NodeCreated => &self.node_created_watch_count,
            EventType::NodeDeleted => &self.node_deleted_watch_count,
            EventType::NodeDataChanged => &self.node_changed_watch_count,
            EventType::NodeChildrenChanged => &self.node_children_watch_count,
        }
    }

    /// What `srst` resets. Metrics that leave through Prometheus are left alone, as in the genuine server: they must
    /// only grow.
    pub(crate) fn reset(&self, with_metrics: bool) {
        self.packets_received.reset();
        self.packets_sent.reset();
        self.request_latency.reset();
        self.reply_sizes.reset();
        self.proposal_sizes.reset();
        if with_metrics {
            self.reset_metrics();
            self.namespaces.reset();
        }
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
    fn a_reset_starts_metrics_again_only_when_told() {
        let stats = ServerStats::default();
        stats.packets_sent.increment();
        stats.commit_count.increment();
        stats.auth_failed_count.increment();
        stats.reset(false);
        assert_eq!((stats.packets_sent.get(), stats.commit_count.get()), (0, 1));
        stats.reset(true);
        assert_eq!((stats.commit_count.get(), stats.auth_failed_count.get()), (0, 1));
    }

    #[test]
    fn metrics_are_listed_under_their_names() {
        let stats = ServerStats::default();
        stats.fsynctime.record(7);
        let (_, meter) = stats.metrics().find(|&(name, _)| name == "fsynctime").unwrap();
        assert!(matches!(meter, Meter::Basic(summary) if summary.read(Span::All).summary.sum == 7));
    }
}
