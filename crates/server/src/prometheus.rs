//! The metrics for Prometheus, on a port of their own (`PrometheusMetricsProvider`).
//!
//! The text is written here and not by a library: dashboards for ZooKeeper up to 3.9 want counters under their bare
//! names, those for later versions with `_total` behind, and libraries for the format allow only the latter.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::task::spawn_blocking;

use crate::core::Core;
use crate::observe::metrics::{self, Metric, Value};
use crate::observe::{self, process, version};
use crate::stats::{DistributionReading, Percentiles, Span};

/// The version of the text format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The metrics that have a label `key`.
const SETS: [(&str, &str); 10] = [
    ("quota_count_limit_per_namespace", "gauge"),
    ("quota_bytes_limit_per_namespace", "gauge"),
    ("quota_count_usage_per_namespace", "gauge"),
    ("quota_bytes_usage_per_namespace", "gauge"),
    ("quota_exceeded_error_per_namespace", "counter"),
    ("write_per_namespace", "summary"),
    ("read_per_namespace", "summary"),
    ("learner_handler_qp_size", "summary"),
    ("learner_handler_qp_time_ms", "summary"),
    ("ack_latency", "summary"),
];

/// The handler of requests.
pub(crate) fn router(core: Arc<Core>) -> Router {
    Router::new().fallback(handle).with_state(core)
}

async fn handle(State(core): State<Arc<Core>>, request: Request) -> Response {
    match *request.method() {
        Method::TRACE => StatusCode::FORBIDDEN.into_response(),
        _ if request.uri().path() != "/metrics" => StatusCode::NOT_FOUND.into_response(),
        Method::GET | Method::HEAD | Method::POST => {
            // Reads locks and /proc.
            match spawn_blocking(move || render(&core)).await {
                Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

/// All metrics in the text format.
fn render(core: &Core) -> String {
    let settings = &core.config.metrics;
    let span = Span::Recent { now: Instant::now(), window: settings.summary_window };
    let mut page = Page::default();
    for metric in &metrics::read(core, span) {
        page.metric(metric);
    }
    page.empty_sets();
    page.own(core);
    if settings.export_process {
        page.process();
    }
    page.text
}

/// A page in the making.
#[derive(Debug, Default)]
struct Page {
    text: String,
    /// The family begun last: members of a set come one after the other.
    family: String,
}

impl Page {
    fn metric(&mut self, metric: &Metric) {
        let key = metric.key.as_deref();
        match metric.value {
            Value::Integer(value) => self.gauge(metric.name, key, value as f64),
            Value::Real(value) => self.gauge(metric.name, key, value),
            Value::Counter(value) => {
                self.begin(metric.name, "counter");
                self.sample(metric.name, key, None, value as f64);
                let total = format!("{}_total", metric.name);
                self.begin(&total, "counter");
                self.sample(&total, key, None, value as f64);
            }
            Value::Basic(reading) => self.summary(metric.name, key, reading, false),
            Value::Advanced(reading) => self.summary(metric.name, key, reading, true),
        }
    }

    fn gauge(&mut self, name: &str, key: Option<&str>, value: f64) {
        self.begin(name, "gauge");
        self.sample(name, key, None, value);
    }

    fn summary(&mut self, name: &str, key: Option<&str>, reading: DistributionReading, advanced: bool) {
        self.begin(name, "summary");
        let all = |get: fn(&Percentiles) -> u64| {
            reading.percentiles.as_ref().map_or(f64::NAN, |all| get(all) as f64)
        };
        self.sample(name, key, Some("0.5"), all(|percentiles| percentiles.p50));
        if advanced {
            self.sample(name, key, Some("0.9"), all(|percentiles| percentiles.p90));
            self.sample(name, key, Some("0.95"), all(|percentiles| percentiles.p95));
            self.sample(name, key, Some("0.99"), all(|percentiles| percentiles.p99));
        }
        self.sample(&format!("{name}_count"), key, None, reading.summary.count as f64);
        self.sample(&format!("{name}_sum"), key, None, reading.summary.sum as f64);
    }

    /// Sets without a member are announced all the same.
    fn empty_sets(&mut self) {
        for (name, kind) in SETS {
            if !self.text.contains(&format!("# TYPE {name} ")) {
                self.begin(name, kind);
            }
        }
    }

    /// What the genuine server has not.
    fn own(&mut self, core: &Core) {
        self.begin("zabra_build_info", "gauge");
        let version = escape(&version::full());
        let mode = observe::mode(core);
        self.line(format_args!("zabra_build_info{{version=\"{version}\",mode=\"{mode}\"}} 1.0"));
        for (name, value) in [
            ("zabra_malformed_requests_total", core.stats.malformed_requests.get()),
            ("zabra_fsync_threshold_exceed_total", core.stats.fsync_threshold_exceed_count.get()),
        ] {
            self.begin(name, "counter");
            self.sample(name, None, None, value as f64);
        }
    }

    /// The figures of the process, under the names that every exporter gives them.
    fn process(&mut self) {
        let (memory, descriptors, usage) = (process::memory(), process::file_descriptors(), process::usage());
        let whole = |value: Option<u64>| value.map(|value| value as f64);
        for (name, kind, value) in [
            ("process_cpu_seconds_total", "counter", usage.map(|usage| usage.cpu_seconds)),
            ("process_start_time_seconds", "gauge", usage.map(|usage| usage.start_seconds)),
            ("process_open_fds", "gauge", whole(descriptors.open)),
            ("process_max_fds", "gauge", whole(descriptors.max)),
            ("process_virtual_memory_bytes", "gauge", usage.map(|usage| usage.virtual_bytes)),
            ("process_resident_memory_bytes", "gauge", whole(memory.resident)),
        ] {
            if let Some(value) = value {
                self.begin(name, kind);
                self.sample(name, None, None, value);
            }
        }
    }

    /// Begins a family unless it is the one just begun.
    fn begin(&mut self, name: &str, kind: &str) {
        if self.family != name {
            name.clone_into(&mut self.family);
            self.line(format_args!("# HELP {name} {name}\n# TYPE {name} {kind}"));
        }
    }

    fn sample(&mut self, name: &str, key: Option<&str>, quantile: Option<&str>, value: f64) {
        let key = key.map(|key| format!("key=\"{}\"", escape(key)));
        let quantile = quantile.map(|quantile| format!("quantile=\"{quantile}\""));
        let labels = key.into_iter().chain(quantile).collect::<Vec<_>>().join(",");
        if labels.is_empty() {
            self.line(format_args!("{name} {value:?}"));
        } else {
            self.line(format_args!("{name}{{{labels}}} {value:?}"));
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{line}");
    }
}

/// A label's value as the format wants it.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::SummaryReading;

    #[test]
    fn metrics_are_written_as_the_format_wants_them() {
        let mut page = Page::default();
        let summary = SummaryReading { count: 2, sum: 9, min: 4, max: 5 };
        let percentiles = Some(Percentiles { p50: 4, p90: 5, p95: 5, p99: 5, p999: 5 });
        for (name, key, value) in [
            ("znode_count", None, Value::Integer(5)),
            ("commit_count", None, Value::Counter(3)),
            ("fsynctime", None, Value::Basic(DistributionReading::default())),
            ("readlatency", None, Value::Advanced(DistributionReading { summary, percentiles })),
            ("read_per_namespace", Some("a\"b"), Value::Basic(DistributionReading { summary, percentiles })),
            ("read_per_namespace", Some("c"), Value::Basic(DistributionReading { summary, percentiles })),
        ] {
            page.metric(&Metric { name, key: key.map(str::to_owned), value });
        }
        let expected = r#"# HELP znode_count znode_count
# TYPE znode_count gauge
znode_count 5.0
# HELP commit_count commit_count
# TYPE commit_count counter
commit_count 3.0
# HELP commit_count_total commit_count_total
# TYPE commit_count_total counter
commit_count_total 3.0
# HELP fsynctime fsynctime
# TYPE fsynctime summary
fsynctime{quantile="0.5"} NaN
fsynctime_count 0.0
fsynctime_sum 0.0
# HELP readlatency readlatency
# TYPE readlatency summary
readlatency{quantile="0.5"} 4.0
readlatency{quantile="0.9"} 5.0
readlatency{quantile="0.95"} 5.0
readlatency{quantile="0.99"} 5.0
readlatency_count 2.0
readlatency_sum 9.0
# HELP read_per_namespace read_per_namespace
# TYPE read_per_namespace summary
read_per_namespace{key="a\"b",quantile="0.5"} 4.0
read_per_namespace_count{key="a\"b"} 2.0
read_per_namespace_sum{key="a\"b"} 9.0
read_per_namespace{key="c",quantile="0.5"} 4.0
read_per_namespace_count{key="c"} 2.0
read_per_namespace_sum{key="c"} 9.0
"#;
        assert_eq!(page.text, expected);
    }
}
