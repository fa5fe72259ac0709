//! Metrics, audit and sampling.

use std::time::Duration;

use super::Parse::{Bool, Family, Int, Long, Path, Port, Real, Special, Text};
use super::{Class, Key, Wrong, java};
use crate::config::draft::{Draft, count, limit};
use crate::config::settings::{Host, MetricsProvider, Secret};

const PROVIDERS: [(&str, MetricsProvider); 3] = [
    ("org.apache.zookeeper.metrics.impl.DefaultMetricsProvider", MetricsProvider::Default),
    ("org.apache.zookeeper.metrics.impl.NullMetricsProvider", MetricsProvider::Null),
    ("org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider", MetricsProvider::Prometheus),
];

fn provider(draft: &mut Draft, name: &str) -> Result<(), Wrong> {
    match PROVIDERS.iter().find(|(class, _)| *class == name) {
        Some((_, provider)) => draft.config.metrics.provider = *provider,
        None => {
            return Err(Wrong {
                expected: "expected one of the metrics providers that come with ZooKeeper".to_owned(),
                words: PROVIDERS.iter().map(|(class, _)| *class).collect(),
            });
        }
    }
    Ok(())
}

fn own_key(draft: &mut Draft, name: &str, value: &str) -> Result<(), Wrong> {
    draft.config.metrics.properties.insert(name.to_owned(), value.to_owned());
    Ok(())
}

/// A key of the Prometheus provider, which reads it strictly.
const fn prometheus(name: &'static str, parse: super::Parse) -> Key {
    Key::new(name, parse).file()
}

fn seconds(n: i64) -> Duration {
    Duration::from_secs(u64::try_from(n).unwrap_or(0))
}

fn minutes(n: i64) -> Duration {
    seconds(n.saturating_mul(60))
}

const NO_SUMMARY_THREADS: &str = "summaries are kept without threads and queues";

pub(super) static KEYS: &[Key] = &[
    Key::new("metricsProvider.className", Special(provider))
        .file()
        .default("…DefaultMetricsProvider")
        .unit("class")
        .about("Which of the Null, Default and Prometheus providers exports metrics."),
    prometheus("metricsProvider.httpHost", Text(|d, host| d.metrics_host = Host::new(host)))
        .default("0.0.0.0")
        .unit("host or IP")
        .about("The address of the Prometheus ports."),
    prometheus("metricsProvider.httpPort", Port(|d, port| d.metrics_port = Some(port)))
        .default("7000")
        .unit("port")
        .about("The plain Prometheus port."),
    prometheus("metricsProvider.httpsPort", Int(|d, n| d.metrics_tls_port = u16::try_from(n).ok()))
        .class(Class::Refused)
        .default("-1, off")
        .unit("port")
        .about("The TLS Prometheus port (3.10)."),
    prometheus("metricsProvider.exportJvmInfo", Bool(|d, on| d.config.metrics.export_process = on))
        .lenient()
        .default("true")
        .about("Figures of the process are exported; there is no Java machine to tell about."),
    java("metricsProvider.numWorkerThreads", NO_SUMMARY_THREADS).file().reading(Int(|_, _| ())),
    java("metricsProvider.maxQueueSize", NO_SUMMARY_THREADS).file().reading(Int(|_, _| ())),
    java("metricsProvider.workerShutdownTimeoutMs", NO_SUMMARY_THREADS).file().reading(Long(|_, _| ())),
    prometheus(
        "metricsProvider.prometheusMetricsSummaryRotateIntervalSeconds",
        Long(|d, n| d.config.metrics.summary_window = seconds(n)),
    )
    .default("60")
    .unit("s")
    .about("The window of quantiles on the Prometheus port (3.10)."),
    prometheus(
        "metricsProvider.ssl.keyStore.location",
        Path(|d, path| d.config.metrics.key_store.location = Some(path)),
    )
    .class(Class::NotYet)
    .default("none")
    .unit("path")
    .about("The key of the TLS port (3.10)."),
    prometheus(
        "metricsProvider.ssl.keyStore.password",
        Text(|d, word| d.config.metrics.key_store.password = Some(Secret::new(word.to_owned()))),
    )
    .secret()
    .class(Class::NotYet)
    .default("none")
    .about("Its password."),
    prometheus(
        "metricsProvider.ssl.keyStore.type",
        Text(|d, format| d.config.metrics.key_store.format = Some(format.to_owned())),
    )
    .class(Class::NotYet)
    .default("JKS")
    .about("Its format."),
    prometheus(
        "metricsProvider.ssl.trustStore.location",
        Path(|d, path| d.config.metrics.trust_store.location = Some(path)),
    )
    .class(Class::NotYet)
    .default("none")
    .unit("path")
    .about("The authorities of the TLS port (3.10)."),
    prometheus(
        "metricsProvider.ssl.trustStore.password",
        Text(|d, word| d.config.metrics.trust_store.password = Some(Secret::new(word.to_owned()))),
    )
    .secret()
    .class(Class::NotYet)
    .default("none")
    .about("Their password."),
    prometheus(
        "metricsProvider.ssl.trustStore.type",
        Text(|d, format| d.config.metrics.trust_store.format = Some(format.to_owned())),
    )
    .class(Class::NotYet)
    .default("JKS")
    .about("Their format."),
    prometheus("metricsProvider.ssl.need.client.auth", Bool(|d, on| d.config.metrics.need_client_auth = on))
        .class(Class::NotYet)
        .default("true")
        .about("A client of the TLS port needs a certificate (3.10)."),
    prometheus("metricsProvider.ssl.want.client.auth", Bool(|d, on| d.config.metrics.want_client_auth = on))
        .class(Class::NotYet)
        .default("true")
        .about("A client of the TLS port is asked for one (3.10)."),
    java("metricsProvider.ssl.enabledProtocols", "the TLS port is not there yet").file(),
    java("metricsProvider.ssl.ciphersuites", "the TLS port is not there yet").file(),
    java("metricsProvider.httpVersion", "HTTP/1.1 is spoken").file(),
    Key::new("metricsProvider.", Family(own_key))
        .file()
        .default("none")
        .about("Anything else is for providers of other people; it is kept and not used."),
    Key::new("audit.enable", Bool(|d, on| d.config.audit.enabled = on)).default("false").about(
        "Changes are told in the audit log, which goes where the other logs go, under the target `audit`.",
    ),
    java("audit.impl.class", "the audit log goes where the other logs go"),
    Key::new("pathStats.enabled", Bool(|d, on| d.config.path_stats.enabled = on))
        .class(Class::NotYet)
        .default("false")
        .about("Requests are sampled by path."),
    Key::new("pathStats.slotCapacity", Int(|d, n| d.config.path_stats.slot_capacity = count(n)))
        .class(Class::NotYet)
        .default("60")
        .unit("slots")
        .about("The window of the samples."),
    Key::new("pathStats.slotDuration", Int(|d, n| d.config.path_stats.slot_duration = seconds(n.into())))
        .class(Class::NotYet)
        .default("15")
        .unit("s")
        .about("How long one slot of it is."),
    Key::new("pathStats.maxDepth", Int(|d, n| d.config.path_stats.depth_max = count(n)))
        .class(Class::NotYet)
        .default("6")
        .unit("levels")
        .about("How much of a path counts."),
    Key::new("pathStats.topPathMax", Int(|d, n| d.config.path_stats.top_paths = limit(n).unwrap_or(0)))
        .class(Class::NotYet)
        .default("20")
        .unit("paths")
        .about("How many paths are shown."),
    Key::new("pathStats.sampleRate", Real(|d, share| d.config.path_stats.sample_rate = share as f32))
        .strict()
        .class(Class::NotYet)
        .default("0.1")
        .unit("ratio")
        .about("The share of requests that is looked at."),
    Key::new("pathStats.initialDelay", Long(|d, n| d.config.path_stats.initial_delay = minutes(n)))
        .class(Class::NotYet)
        .default("5")
        .unit("min")
        .about("When the first report is made."),
    Key::new("pathStats.delay", Long(|d, n| d.config.path_stats.delay = minutes(n)))
        .class(Class::NotYet)
        .default("5")
        .unit("min")
        .about("How often reports are made."),
    Key::new("messageTracker.Enabled", Bool(|d, on| d.config.message_tracker.enabled = on))
        .class(Class::Ensemble)
        .default("false")
        .about("The last packets of each learner are kept for logs."),
    Key::new("messageTracker.BufferSize", Int(|d, n| d.config.message_tracker.buffer_size = count(n)))
        .class(Class::Ensemble)
        .default("10")
        .unit("packets")
        .about("How many."),
];
