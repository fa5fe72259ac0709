//! Every metric of the genuine server, with this server's value.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{ensemble, process};
use crate::config::MetricsProvider;
use crate::core::Core;
use crate::stats::{DistributionReading, Meter, Namespace, Percentiles, Span, SummaryReading, millis};

/// A metric and what it says now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Metric {
    /// Its name, without `zk_`.
    pub(crate) name: &'static str,
    /// Which member of a set it is: the first part of a path.
    pub(crate) key: Option<String>,
    /// What it says.
    pub(crate) value: Value,
}

/// What a metric says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    /// A whole number that goes up and down.
    Integer(i64),
    /// A number that goes up and down.
    Real(f64),
    /// A number that only grows.
    Counter(u64),
    /// Count, sum, least and greatest.
    Basic(DistributionReading),
    /// The same with percentiles.
    Advanced(DistributionReading),
}

/// Counters about what this server has no part of, and which are 0 on a genuine standalone server too or need the
/// part. Dashboards ask for them, so they are there.
const ABSENT_COUNTERS: &[&str] = &[
    // Other servers.
    "revalidate_count",
    "quit_leading_due_to_disloyal_voter",
    "request_commit_queued",
    "skip_learner_request_to_next_processor_count",
    "requests_not_forwarded_to_commit_processor",
    // TLS.
    "unsuccessful_handshake",
    "insecure_admin_count",
    "tls_handshake_exceeded",
    // A cleaner of dead watchers, and caches of encoded replies: there is nothing to clean, and encoding is as cheap.
    "add_dead_watcher_stall_time",
    "dead_watchers_queued",
    "dead_watchers_cleared",
    "response_packet_cache_hits",
    "response_packet_cache_misses",
    "response_packet_get_children_cache_hits",
    "response_packet_get_children_cache_misses",
    // Changes that are prepared and not applied are not counted one by one.
    "outstanding_changes_queued",
    "outstanding_changes_removed",
    // Requests that outlive their connections in a queue.
    "stale_requests",
    "stale_replies",
    // The ports open when the database is loaded.
    "cnxn_closed_without_zk_server_running",
];

/// Summaries about what this server has no part of.
const ABSENT_SUMMARIES: &[&str] = &[
    // Other servers.
    "inflight_snap_count",
    "inflight_diff_count",
    "learner_request_processor_queue_size",
    "socket_closing_time",
    // The stage that a member of an ensemble holds requests in until they are committed.
    "requests_in_session_queue",
    "pending_session_queue_size",
    "reads_after_write_in_session_queue",
    "reads_issued_from_session_queue",
    "session_queues_drained",
    "time_waiting_empty_pool_in_commit_processor_read_ms",
    "write_batch_time_in_commit_processor",
    "concurrent_request_processing_in_commit_processor",
    "read_commit_proc_req_queued",
    "write_commit_proc_req_queued",
    "commit_commit_proc_req_queued",
    "read_commit_proc_issued",
    "write_commit_proc_issued",
    "commit_process_time",
    // Preparation has no queue: it runs where the request was read.
    "prep_processor_queue_size",
    // Handing a transaction to the log is part of preparing it.
    "proposal_process_time",
    "netty_queued_buffer_capacity",
];

/// Summaries with percentiles about what this server has no part of.
const ABSENT_DISTRIBUTIONS: &[&str] = &[
    // Other servers.
    "om_proposal_process_time_ms",
    "om_commit_process_time_ms",
    "proposal_latency",
    "proposal_ack_creation_latency",
    "commit_propagation_latency",
    "quorum_ack_latency",
    "read_commitproc_time_ms",
    "write_commitproc_time_ms",
    "local_write_committed_time_ms",
    "server_write_committed_time_ms",
    "read_final_proc_time_ms",
    "write_final_proc_time_ms",
    "prep_processor_queue_time_ms",
    "dead_watchers_cleaner_latency",
    // Java.
    "jvm_pause_time_ms",
];

/// Reads all metrics, with the percentiles of a span; none when the Null provider is configured.
pub(crate) fn read(core: &Core, span: Span) -> Vec<Metric> {
    if core.config.metrics.provider == MetricsProvider::Null {
        return Vec::new();
    }
    let mut metrics = gauges(core);
    metrics.extend(ensemble::gauges(core));
    metrics.extend(quotas(core));
    let mut own: Vec<Metric> =
        core.stats.metrics().map(|(name, meter)| plain(name, reading(meter, span))).collect();
    let absent =
        |names: &'static [&'static str], value: Value| names.iter().map(move |&name| plain(name, value));
    own.extend(absent(ABSENT_COUNTERS, Value::Counter(0)));
    own.extend(absent(ABSENT_SUMMARIES, Value::Basic(DistributionReading::default())));
    own.extend(absent(ABSENT_DISTRIBUTIONS, Value::Advanced(DistributionReading::default())));
    // Counters first, then summaries, as the genuine server lists them.
    own.sort_by_key(|metric| match metric.value {
        Value::Counter(_) => 0,
        Value::Basic(_) => 1,
        _ => 2,
    });
    metrics.extend(own);
    metrics.extend(namespaces(core, span));
    metrics
}

fn plain(name: &'static str, value: Value) -> Metric {
    Metric { name, key: None, value }
}

fn reading(meter: Meter<'_>, span: Span) -> Value {
    match meter {
        Meter::Counter(counter) => Value::Counter(counter.get()),
        Meter::Basic(distribution) => Value::Basic(distribution.read(span)),
        Meter::Advanced(distribution) => Value::Advanced(distribution.read(span)),
    }
}

/// What is counted by the first part of a path.
fn namespaces(core: &Core, span: Span) -> Vec<Metric> {
    let all = core.stats.namespaces.all();
    let set = |name: &'static str, value: fn(&Namespace, Span) -> Option<Value>| {
        let metric = move |namespace: &Arc<Namespace>| {
            Some(Metric { name, key: Some(namespace.name.to_string()), value: value(namespace, span)? })
        };
        all.iter().filter_map(metric).collect::<Vec<_>>()
    };
    fn seen(reading: DistributionReading) -> Option<Value> {
        (reading.summary.count > 0).then_some(Value::Basic(reading))
    }
    [
        set("quota_exceeded_error_per_namespace", |namespace, _| {
            Some(namespace.quota_exceeded.get()).filter(|&count| count > 0).map(Value::Counter)
        }),
        set("write_per_namespace", |namespace, span| seen(namespace.writes.read(span))),
        set("read_per_namespace", |namespace, span| seen(namespace.reads.read(span))),
    ]
    .concat()
}

fn gauges(core: &Core) -> Vec<Metric> {
    let stats = &core.stats;
    let latency = stats.request_latency.read();
    let sizes = stats.reply_sizes.read();
    let descriptors = process::file_descriptors();
    let unsigned = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    let (nodes, ephemerals, data_size, sessions) = {
        let tree = core.tree.read();
        (tree.node_count(), tree.ephemeral_count(), tree.approximate_data_size(), tree.sessions().len())
    };
    let watches = core.watches.lock().watch_count();
    let local_sessions = if core.has_local_sessions() { core.brain.lock().sessions.local_len() } else { 0 };
    [
        ("avg_latency", Value::Real(latency.average())),
        ("max_latency", unsigned(latency.max)),
        ("min_latency", unsigned(latency.min)),
        ("packets_received", unsigned(stats.packets_received.get())),
        ("packets_sent", unsigned(stats.packets_sent.get())),
        ("num_alive_connections", unsigned(core.conns.len() as u64)),
        ("outstanding_requests", Value::Integer(stats.outstanding.load(Relaxed))),
        ("uptime", unsigned(millis(core.clock.uptime()))),
        ("znode_count", unsigned(nodes)),
        ("watch_count", unsigned(watches as u64)),
        ("ephemerals_count", unsigned(ephemerals)),
        ("approximate_data_size", unsigned(data_size)),
        ("global_sessions", unsigned(sessions as u64)),
        ("local_sessions", unsigned(local_sessions as u64)),
        ("open_file_descriptor_count", descriptors.open.map_or(Value::Integer(-1), unsigned)),
        ("max_file_descriptor_count", descriptors.max.map_or(Value::Integer(-1), unsigned)),
        ("connection_drop_probability", Value::Real(core.connection_drop_chance())),
        ("last_client_response_size", Value::Integer(sizes.last)),
        ("max_client_response_size", Value::Integer(sizes.max)),
        ("min_client_response_size", Value::Integer(sizes.min)),
        ("outstanding_tls_handshake", Value::Integer(0)),
        ("auth_failed_count", unsigned(stats.auth_failed_count.get())),
        // Counted by the Netty ports of the genuine server only.
        ("non_mtls_remote_conn_count", Value::Integer(0)),
        ("non_mtls_local_conn_count", Value::Integer(0)),
    ]
    .map(|(name, value)| plain(name, value))
    .into()
}

/// Limits and usage of the quotas, added up by the first part of their paths (`QuotaMetricsUtils`). A limit that is
/// not set counts as -1.
fn quotas(core: &Core) -> Vec<Metric> {
    let mut sums: BTreeMap<(&'static str, String), i64> = BTreeMap::new();
    for quota in core.tree.read().quotas() {
        let Some(namespace) = quota.path.strip_prefix('/').and_then(|rest| rest.split('/').next()) else {
            continue;
        };
        let hard_or_soft = |hard: i64, soft: i64| if hard > -1 { hard } else { soft };
        let limits = quota.limits;
        let usage = quota.usage;
        let figures = [
            (
                "quota_count_limit_per_namespace",
                limits.map(|limits| hard_or_soft(limits.count_hard, limits.count)),
            ),
            (
                "quota_bytes_limit_per_namespace",
                limits.map(|limits| hard_or_soft(limits.bytes_hard, limits.bytes)),
            ),
            ("quota_count_usage_per_namespace", usage.map(|usage| usage.count)),
            ("quota_bytes_usage_per_namespace", usage.map(|usage| usage.bytes)),
        ];
        for (name, figure) in figures {
            let Some(figure) = figure else { continue };
            let sum = sums.entry((name, namespace.to_owned())).or_default();
            *sum = sum.saturating_add(figure);
        }
    }
    let metric = |((name, key), sum)| Metric { name, key: Some(key), value: Value::Integer(sum) };
    sums.into_iter().map(metric).collect()
}

/// A number as Java prints a `double`.
pub(crate) fn java_double(value: f64) -> String {
    format!("{value:?}")
}

/// The lines that a metric becomes in `mntr` and the admin command `monitor`: keys without `zk_`, and values.
pub(crate) fn flatten(metric: &Metric, mut sink: impl FnMut(String, Flat)) {
    let name = match &metric.key {
        Some(key) => format!("{key}_{}", metric.name),
        None => metric.name.to_owned(),
    };
    let unsigned = |n: u64| Flat::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    let summary = |summary: &SummaryReading, sink: &mut dyn FnMut(String, Flat)| {
        sink(format!("avg_{name}"), Flat::Real(summary.average()));
        for (statistic, value) in
            [("min", summary.min), ("max", summary.max), ("cnt", summary.count), ("sum", summary.sum)]
        {
            sink(format!("{statistic}_{name}"), unsigned(value));
        }
    };
    match &metric.value {
        Value::Integer(value) => sink(name, Flat::Integer(*value)),
        Value::Real(value) => sink(name, Flat::Real(*value)),
        Value::Counter(value) => sink(name, unsigned(*value)),
        Value::Basic(reading) => summary(&reading.summary, &mut sink),
        Value::Advanced(reading) => {
            summary(&reading.summary, &mut sink);
            let percentiles = reading.percentiles.unwrap_or_default();
            let Percentiles { p50, p90: _, p95, p99, p999 } = percentiles;
            for (percentile, value) in [("p50", p50), ("p95", p95), ("p99", p99), ("p999", p999)] {
                sink(format!("{percentile}_{name}"), unsigned(value));
            }
        }
    }
}

/// A number of the flat form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Flat {
    /// A whole number.
    Integer(i64),
    /// Any number.
    Real(f64),
}
