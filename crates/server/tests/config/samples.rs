//! Files as people have them.

use std::path::PathBuf;
use std::time::Duration;

use zabra_server::config::{Endpoint, Host, Mode};

use super::read;

/// Nothing to tell, nothing to refuse.
fn plain(file: &str) -> zabra_server::config::Config {
    let loaded = read(file).unwrap();
    assert_eq!(loaded.notices, []);
    assert_eq!(loaded.config.refusals(), []);
    loaded.config
}

#[test]
fn the_sample_of_the_distribution() {
    let config = plain(
        "# The number of milliseconds of each tick\n\
         tickTime=2000\n\
         # ticks of the initial synchronization phase\n\
         initLimit=10\n\
         syncLimit=5\n\
         dataDir=/tmp/zookeeper\n\
         clientPort=2181\n\
         #maxClientCnxns=60\n\
         #autopurge.snapRetainCount=3\n\
         \n\
         ## Metrics Providers\n\
         #metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider\n",
    );
    assert_eq!(config.mode, Mode::Standalone);
    assert_eq!(config.sessions.tick_time, Duration::from_secs(2));
    assert_eq!(config.sessions.timeout_min, Duration::from_secs(4));
    assert_eq!(config.sessions.timeout_max, Duration::from_secs(40));
    assert_eq!(config.listen.client, Some(Endpoint::any(2181)));
    assert_eq!(config.storage.data_dir, PathBuf::from("/tmp/zookeeper"));
    assert_eq!(config.storage.data_log_dir, PathBuf::from("/tmp/zookeeper"));
    assert_eq!(config.listen.connections_per_host_max, Some(60));
    assert!(config.admin.enabled);
    assert_eq!(config.admin.listen, Endpoint::new(Host::new("0.0.0.0"), 8080));
}
