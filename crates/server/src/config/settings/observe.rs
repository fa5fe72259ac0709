//! What the server tells about itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Endpoint, TlsStore};

/// How metrics leave the server (`metricsProvider.*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// Which provider (`metricsProvider.className`).
    pub provider: MetricsProvider,
    /// The plain HTTP port of the Prometheus provider (`httpHost`, `httpPort`); `None` with the others.
    pub http: Option<Endpoint>,
    /// Its TLS port (`httpHost`, `httpsPort`).
    pub https: Option<Endpoint>,
    /// Whether figures of the process are exported (`exportJvmInfo`).
    pub export_process: bool,
    /// The window of quantiles (`prometheusMetricsSummaryRotateIntervalSeconds`).
    pub summary_window: Duration,
    /// The key of the TLS port.
    pub key_store: TlsStore,
    /// The authorities of the TLS port.
    pub trust_store: TlsStore,
    /// Whether a client of the TLS port needs a certificate (`ssl.need.client.auth`).
    pub need_client_auth: bool,
    /// Whether a client of the TLS port is asked for one (`ssl.want.client.auth`).
    pub want_client_auth: bool,
    /// Keys after `metricsProvider.` that belong to no provider of ZooKeeper's own.
    pub properties: BTreeMap<String, String>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            provider: MetricsProvider::Default,
            http: None,
            https: None,
            export_process: true,
            summary_window: Duration::from_secs(60),
            key_store: TlsStore::default(),
            trust_store: TlsStore::default(),
            need_client_auth: true,
            want_client_auth: true,
            properties: BTreeMap::new(),
        }
    }
}

/// The metrics providers that come with ZooKeeper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MetricsProvider {
    /// No metrics at all.
    Null,
    /// Metrics in `mntr` and on the admin server only.
    #[default]
    Default,
    /// Metrics on an HTTP port of their own as well.
    Prometheus,
}

/// The audit log (`audit.*`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Whether there is one (`audit.enable`).
    pub enabled: bool,
}

/// Sampling of requests by path (`pathStats.*`). Mirrors `RequestPathMetricsCollector`.
#[derive(Clone, Debug, PartialEq)]
pub struct PathStats {
    /// Whether it is done.
    pub enabled: bool,
    /// How many slots the window has.
    pub slot_capacity: u32,
    /// How long one slot is.
    pub slot_duration: Duration,
    /// How many levels of a path count.
    pub depth_max: u32,
    /// How many paths are shown.
    pub top_paths: u32,
    /// The share of requests that is looked at.
    pub sample_rate: f32,
    /// When the first report is made.
    pub initial_delay: Duration,
    /// How often reports are made.
    pub delay: Duration,
}

impl Default for PathStats {
    fn default() -> Self {
        Self {
            enabled: false,
            slot_capacity: 60,
            slot_duration: Duration::from_secs(15),
            depth_max: 6,
            top_paths: 20,
            sample_rate: 0.1,
            initial_delay: Duration::from_secs(5 * 60),
            delay: Duration::from_secs(5 * 60),
        }
    }
}

/// The last packets of each learner, kept for logs (`messageTracker.*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageTracker {
    /// Whether they are kept.
    pub enabled: bool,
    /// How many.
    pub buffer_size: u32,
}

impl Default for MessageTracker {
    fn default() -> Self {
        Self { enabled: false, buffer_size: 10 }
    }
}
