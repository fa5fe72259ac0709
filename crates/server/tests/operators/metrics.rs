//! The metrics: in `mntr`, and for Prometheus.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use zabra_proto::OpCode;
use zabra_server::config::{Config, Endpoint, MetricsProvider};
use zabra_testkit::RawRequest;

use crate::common::{Running, succeed};
use crate::http::{get, request};

fn with_prometheus(config: &mut Config) {
    config.metrics.provider = MetricsProvider::Prometheus;
    config.metrics.http = Some(Endpoint::loopback(0));
}

/// The samples of a page by name and labels; fails on a line that is not of the format.
fn scrape(address: SocketAddr) -> BTreeMap<String, f64> {
    let answer = get(address, "/metrics");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type").as_deref(), Some("text/plain; version=0.0.4; charset=utf-8"));
    let mut samples = BTreeMap::new();
    for line in answer.text().lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{name} comes twice");
    }
    samples
}

#[test]
fn prometheus_has_every_metric_of_the_monitor() {
    let running = Running::start_with(with_prometheus);
    let address = running.server().metrics_address().unwrap();
    let (mut client, _) = running.client();
    succeed(&mut client, &RawRequest::create("/a", b"xyz", 0));
    succeed(&mut client, &RawRequest::read(OpCode::GetData, "/a", false));
    let samples = scrape(address);
    for line in running.word("mntr").lines() {
        let name = line.split_once('\t').unwrap().0.strip_prefix("zk_").unwrap();
        // Each summary is known by its count.
        let name = match name.split_once('_') {
            Some(("cnt", name)) => format!("{name}_count"),
            Some(("avg" | "min" | "max" | "sum" | "p50" | "p95" | "p99" | "p999", _)) => continue,
            _ => name.to_owned(),
        };
        let is_set = name.ends_with("_per_namespace") || name.ends_with("_per_namespace_count");
        let known = samples.contains_key(&name) || is_set || matches!(&*name, "version" | "server_state");
        assert!(known, "{name}");
    }
    for (name, value) in [
        ("znode_count", 6.0),
        ("commit_count", 2.0),
        ("commit_count_total", 2.0),
        ("readlatency_count", 1.0),
        ("updatelatency_count", 2.0),
        ("read_per_namespace_count{key=\"a\"}", 1.0),
        ("read_per_namespace_sum{key=\"a\"}", 73.0),
        ("write_per_namespace_sum{key=\"a\"}", 5.0),
        ("write_per_namespace{key=\"a\",quantile=\"0.5\"}", 5.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name}");
    }
    assert!(samples["election_time{quantile=\"0.5\"}"].is_nan());
    assert!(samples.contains_key("readlatency{quantile=\"0.99\"}"));
    #[cfg(target_os = "linux")]
    assert!(
        samples["process_start_time_seconds"] > 1.0e9 && samples["process_resident_memory_bytes"] > 1.0e6
    );
    // What Prometheus collects must only grow.
    running.word("srst");
    assert_eq!(scrape(address)["commit_count"], 2.0);
}

#[test]
fn the_port_knows_one_page() {
    let running = Running::start_with(|config| {
        with_prometheus(config);
        config.metrics.export_process = false;
    });
    let address = running.server().metrics_address().unwrap();
    assert_eq!(get(address, "/").status, 404);
    assert_eq!(request(address, "TRACE", "/metrics", &[], b"").status, 403);
    assert!(!scrape(address).keys().any(|name| name.starts_with("process_")));
}

#[test]
fn the_null_provider_has_no_metrics() {
    let running = Running::start_with(|config| config.metrics.provider = MetricsProvider::Null);
    let keys: Vec<String> =
        running.word("mntr").lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect();
    assert_eq!(keys, ["zk_version", "zk_server_state"]);
    assert_eq!(running.server().metrics_address(), None);
}

#[test]
fn quotas_and_their_refusals_are_shown() {
    let running = Running::start_with(|config| config.tree.enforce_quota = true);
    let (mut client, _) = running.client();
    for request in [
        RawRequest::create("/a", b"x", 0),
        RawRequest::create("/zookeeper/quota/a", b"", 0),
        RawRequest::create(
            "/zookeeper/quota/a/zookeeper_limits",
            b"count=-1,bytes=-1=;byteHardLimit=5;countHardLimit=9",
            0,
        ),
        RawRequest::create("/zookeeper/quota/a/zookeeper_stats", b"count=1,bytes=1", 0),
    ] {
        succeed(&mut client, &request);
    }
    let refused = client.call(&RawRequest::set_data("/a", Some(b"too long"), -1)).unwrap();
    assert_eq!(refused.err, -125);
    let mut multi = zabra_testkit::MultiBuilder::new();
    multi.push(&RawRequest::create("/a/b", b"too long", 0));
    client.call(&multi.finish(OpCode::Multi)).unwrap();
    let monitor = running.word("mntr");
    for line in [
        "zk_a_quota_count_limit_per_namespace\t9",
        "zk_a_quota_bytes_limit_per_namespace\t5",
        "zk_a_quota_count_usage_per_namespace\t1",
        "zk_a_quota_bytes_usage_per_namespace\t1",
        "zk_a_quota_exceeded_error_per_namespace\t2",
    ] {
        assert!(monitor.lines().any(|shown| shown == line), "{line}\n{monitor}");
    }
}
