//! Files as people have them.

use std::path::PathBuf;
use std::time::Duration;

use zabra_server::config::{Config, Endpoint, FourLetterWords, Host, MetricsProvider, Mode, NoticeKind};

use super::read;

/// Nothing to tell, nothing to refuse.
fn plain(file: &str) -> Config {
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

#[test]
fn kafkas_sample() {
    let config = plain(
        "# Licensed to the Apache Software Foundation (ASF) under one or more\n\
         # contributor license agreements.\n\
         dataDir=/tmp/zookeeper\n\
         # the port at which the clients will connect\n\
         clientPort=2181\n\
         maxClientCnxns=0\n\
         admin.enableServer=false\n\
         # admin.serverPort=8080\n",
    );
    assert_eq!(config.listen.connections_per_host_max, None);
    assert!(!config.admin.enabled);
}

#[test]
fn a_kafka_tutorial_with_sasl() {
    let loaded = read(
        "dataDir=/var/lib/zookeeper\nclientPort=2181\nmaxClientCnxns=0\n\
         authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n\
         requireClientAuthScheme=sasl\njaasLoginRenew=3600000\n",
    )
    .unwrap();
    let told: Vec<_> =
        loaded.notices.iter().map(|notice| (notice.kind, notice.subject.key.as_str())).collect();
    assert_eq!(
        told,
        [
            (NoticeKind::NotYet, "authProvider.1"),
            (NoticeKind::NoEffect, "requireClientAuthScheme"),
            (NoticeKind::NoEffect, "jaasLoginRenew"),
        ]
    );
    // The Java server lets clients in without SASL too, as nothing enforces it.
    assert_eq!(loaded.config.refusals(), []);
}

#[test]
fn the_official_images_file() {
    let config = plain(
        "dataDir=/data\ndataLogDir=/datalog\ntickTime=2000\ninitLimit=5\nsyncLimit=2\n\
         autopurge.snapRetainCount=3\nautopurge.purgeInterval=0\nmaxClientCnxns=60\n\
         standaloneEnabled=true\nadmin.enableServer=true\nclientPort=2181\n\
         4lw.commands.whitelist=srvr, mntr,ruok\n",
    );
    assert_eq!(config.storage.data_log_dir, PathBuf::from("/datalog"));
    assert_eq!(config.storage.purge.interval, None);
    assert!(["srvr", "mntr", "ruok"].iter().all(|word| config.four_letter_words.allows(word)));
    assert!(!config.four_letter_words.allows("stat"));
}

/// As the image writes it for a server alone: the client port is in the `server.1` line, and `myid` is 1.
#[test]
fn the_official_image_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("myid"), "1\n").unwrap();
    let file = format!(
        "dataDir={0}\ndataLogDir={0}/log\ntickTime=2000\ninitLimit=5\nsyncLimit=2\n\
         autopurge.snapRetainCount=3\nautopurge.purgeInterval=0\nmaxClientCnxns=60\nstandaloneEnabled=true\n\
         admin.enableServer=true\nserver.1=localhost:2888:3888;2181\n",
        dir.path().display()
    );
    let loaded = read(&file).unwrap();
    assert_eq!(loaded.config.mode, Mode::Standalone);
    assert_eq!(loaded.config.listen.client, Some(Endpoint::new(Host::new("0.0.0.0"), 2181)));
    assert_eq!(loaded.config.refusals(), []);
    assert_eq!(loaded.notices.len(), 1);
    assert_eq!(loaded.notices[0].kind, NoticeKind::Ensemble);
}

#[test]
fn a_clickhouse_manual() {
    let loaded = read(
        "# http://hadoop.apache.org/zookeeper/docs/current/zookeeperAdmin.html\n\
         tickTime=2000\ninitLimit=300\nsyncLimit=10\nmaxClientCnxns=2000\n\
         maxSessionTimeout=60000000\ndataDir=/opt/zookeeper/data\ndataLogDir=/opt/zookeeper/logs\n\
         autopurge.snapRetainCount=10\nautopurge.purgeInterval=1\npreAllocSize=131072\n\
         snapCount=3000000\nleaderServes=yes\nstandaloneEnabled=false\nclientPort=2181\n\
         server.1=zk1:2888:3888\nserver.2=zk2:2888:3888\nserver.3=zk3:2888:3888\n",
    );
    // It is complete except for the file `myid`, which lives elsewhere.
    assert_eq!(
        loaded.unwrap_err().to_string(),
        "/opt/zookeeper/data/myid: is missing; write the N of this server's own server.N line into it, and \
         nothing else: 1 on zk1, 2 on zk2, 3 on zk3"
    );
}

#[test]
fn a_kubernetes_chart() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("myid"), "3").unwrap();
    let members: String = (1..=3)
        .map(|n| {
            format!(
                "server.{n}=zookeeper-{}.zookeeper-headless.default.svc.cluster.local:2888:3888;2181\n",
                n - 1
            )
        })
        .collect();
    let file = format!(
        "clientPort=2181\ndataDir={}\ntickTime=2000\ninitLimit=10\nsyncLimit=5\nmaxClientCnxns=60\n\
         maxCnxns=0\nminSessionTimeout=4000\nmaxSessionTimeout=40000\n\
         autopurge.snapRetainCount=10\nautopurge.purgeInterval=1\n\
         4lw.commands.whitelist=*\nelectionPortBindRetry=0\nquorumListenOnAllIPs=true\n\
         admin.enableServer=true\nadmin.serverPort=8080\nreconfigEnabled=true\n\
         metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider\n\
         metricsProvider.httpPort=7000\nmetricsProvider.exportJvmInfo=true\n{members}",
        dir.path().display()
    );
    let loaded = read(&file).unwrap();
    assert_eq!(loaded.notices, []);
    let config = loaded.config;
    assert_eq!(config.four_letter_words, FourLetterWords::All);
    assert_eq!(config.quorum.bind_tries, None);
    assert!(config.quorum.listen_on_all_ips);
    assert_eq!(config.metrics.provider, MetricsProvider::Prometheus);
    assert_eq!(config.metrics.http, Some(Endpoint::new(Host::new("0.0.0.0"), 7000)));
    let Mode::Ensemble(ensemble) = config.mode else { panic!("standalone") };
    assert_eq!(ensemble.membership.servers.len(), 3);
}

#[test]
fn an_old_file() {
    let loaded = read(
        "tickTime=2000\ndataDir=/var/zookeeper\nclientPort=2181\ninitLimit=5\nsyncLimit=2\n\
         traceFile=/tmp/trace\nforceSync=no\nfsync.warningthresholdms=50\nsnapCount=10000\n",
    )
    .unwrap();
    let told: Vec<_> =
        loaded.notices.iter().map(|notice| (notice.kind, notice.subject.key.as_str())).collect();
    assert_eq!(told, [(NoticeKind::NoEffect, "traceFile"), (NoticeKind::Risk, "forceSync")]);
}
