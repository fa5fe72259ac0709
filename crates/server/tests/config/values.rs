//! Every key that is read, with a value that is not the default, and what it changes.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use zabra_server::config::{
    ClientAuth, Config, DigestAlgorithm, Endpoint, FourLetterWords, Host, MetricsProvider, PeerRole,
    ProviderClass, SnapshotCompression, Tls,
};
use zabra_types::Zxid;

use super::config;

/// A line (or more, where a key alone changes nothing), and what is true with it and not without it.
type Case = (&'static str, fn(&Config) -> bool);

/// The same for one kind of ports.
type TlsCase = (&'static str, fn(&Tls) -> bool);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const BASIC: &[Case] = &[
    ("dataDir=/d", |c| c.storage.data_dir == Path::new("/d") && c.storage.data_log_dir == Path::new("/d")),
    ("dataLogDir=/l", |c| c.storage.data_log_dir == Path::new("/l")),
    ("clientPort=2182", |c| c.listen.client == Some(Endpoint::any(2182))),
    ("clientPortAddress=::1", |c| c.listen.client == Some(Endpoint::new(Host::new("::1"), 2181))),
    ("secureClientPort=2281", |c| {
        c.listen.secure_client == Some(Endpoint::any(2281))
            && c.access.providers[0].class == ProviderClass::X509
    }),
    ("secureClientPortAddress=zoo\nsecureClientPort=1", |c| {
        c.listen.secure_client == Some(Endpoint::new(Host::new("zoo"), 1))
    }),
    ("clientPortListenBacklog=7", |c| c.listen.backlog == Some(7)),
    ("tickTime=500", |c| {
        c.sessions.tick_time == ms(500)
            && c.sessions.timeout_min == ms(1000)
            && c.sessions.timeout_max == ms(10_000)
    }),
    ("minSessionTimeout=1", |c| c.sessions.timeout_min == ms(1)),
    ("maxSessionTimeout=99000", |c| c.sessions.timeout_max == ms(99_000)),
    ("maxClientCnxns=0", |c| c.listen.connections_per_host_max.is_none()),
    ("autopurge.snapRetainCount=9", |c| c.storage.purge.retain_count == 9),
    ("autopurge.purgeInterval=2", |c| c.storage.purge.interval == Some(Duration::from_secs(7200))),
    ("localSessionsEnabled=true", |c| c.sessions.local_enabled),
    ("localSessionsUpgradingEnabled=TRUE", |c| c.sessions.local_upgrading),
    ("reconfigEnabled=True", |c| c.reconfig_enabled),
];

const STORAGE: &[Case] = &[
    ("snapCount=5", |c| c.storage.snap_count == 5),
    ("snapSizeLimitInKb=3", |c| c.storage.snap_size_max == Some(3072)),
    ("txnLogSizeLimitInKb=3", |c| c.storage.log_size_max == Some(3072)),
    ("preAllocSize=4", |c| c.storage.log_growth == 4096),
    ("commitLogCount=501", |c| c.storage.commit_log_count == 501),
    ("snapshotSizeFactor=-1", |c| c.storage.snapshot_size_factor == -1.0),
    ("forceSync=no", |c| !c.storage.force_sync),
    ("fsync.warningthresholdms=20", |c| c.storage.sync_warning_threshold == ms(20)),
    ("flushDelay=31", |c| c.storage.flush_delay == ms(31) && c.storage.write_queue_poll_max == ms(10)),
    ("maxWriteQueuePollTime=4", |c| c.storage.write_queue_poll_max == ms(4)),
    ("maxBatchSize=10", |c| c.storage.batch_max == 10),
    ("forceSnapshotSync=true", |c| c.quorum.force_snapshot_sync),
    ("snapshot.compression.method=GZ", |c| c.storage.snapshot_compression == SnapshotCompression::Gzip),
    ("snapshot.trust.empty=true", |c| c.storage.trust_empty_snapshot),
    ("serializeLastProcessedZxid.enabled=false", |c| !c.storage.serialize_last_zxid),
    ("digest.enabled=false", |c| !c.storage.digest),
    ("datadir.autocreate=false", |c| !c.storage.data_dir_autocreate),
    ("db.autocreate=false", |c| !c.storage.db_autocreate),
    ("closeSessionTxn.enabled=false", |c| !c.storage.close_session_txn),
    ("testingonly.initialZxid=0xfffffff0", |c| c.storage.initial_zxid == Some(Zxid::from_raw(0xffff_fff0))),
];

const REQUESTS: &[Case] = &[
    ("globalOutstandingLimit=9", |c| c.requests.outstanding_max == 9),
    ("maxCnxns=9", |c| c.listen.connections_max == Some(9)),
    ("jute.maxbuffer=4194304", |c| c.requests.packet_max == 4 << 20 && c.requests.extra_size == 4 << 20),
    ("jute.maxbuffer.extrasize=2048", |c| c.requests.extra_size == 2048),
    ("largeRequestMaxBytes=9\nlargeRequestThreshold=1", |c| {
        c.requests.large.is_some_and(|large| large.bytes_max == 9)
    }),
    ("largeRequestThreshold=5", |c| {
        c.requests.large.is_some_and(|large| large.threshold == 5 && large.bytes_max == 100 << 20)
    }),
    ("request_throttle_max_requests=3", |c| c.requests.throttle.requests_max == Some(3)),
    ("request_throttle_stall_time=3", |c| c.requests.throttle.stall_time == ms(3)),
    ("request_throttle_drop_stale=false", |c| !c.requests.throttle.drop_stale),
    ("request_stale_latency_check=true", |c| c.requests.stale_latency_check),
    ("request_stale_connection_check=false", |c| !c.requests.stale_connection_check),
    ("request_throttler.shutdownTimeout=3", |c| c.requests.shutdown_timeout == ms(3)),
    ("throttled_op_wait_time=3", |c| c.requests.throttled_op_wait == Some(ms(3))),
    ("connection_throttle_tokens=3", |c| c.requests.connection_throttle.tokens == Some(3)),
    ("connection_throttle_fill_time=3", |c| c.requests.connection_throttle.fill_time == ms(3)),
    ("connection_throttle_fill_count=3", |c| c.requests.connection_throttle.fill_count == 3),
    ("connection_throttle_freeze_time=3", |c| c.requests.connection_throttle.freeze_time == Some(ms(3))),
    ("connection_throttle_drop_increase=0.5", |c| c.requests.connection_throttle.drop_increase == 0.5),
    ("connection_throttle_drop_decrease=0.5", |c| c.requests.connection_throttle.drop_decrease == 0.5),
    ("connection_throttle_decrease_ratio=0.5", |c| c.requests.connection_throttle.decrease_ratio == 0.5),
    ("connection_throttle_weight_enabled=true\nconnection_throttle_tokens=2", |c| {
        let throttle = &c.requests.connection_throttle;
        throttle.weighted && throttle.tokens == Some(2) && throttle.fill_count == 1
    }),
    ("connection_throttle_global_session_weight=5", |c| {
        c.requests.connection_throttle.global_session_weight == 5
    }),
    ("connection_throttle_local_session_weight=4", |c| {
        let throttle = &c.requests.connection_throttle;
        (throttle.global_session_weight, throttle.local_session_weight, throttle.renew_session_weight)
            == (4, 4, 4)
    }),
    ("connection_throttle_renew_session_weight=9", |c| {
        c.requests.connection_throttle.renew_session_weight == 9
    }),
    ("nio.sessionlessCnxnTimeout=3", |c| c.listen.sessionless_timeout == ms(3)),
    ("clientTcpKeepAlive=true", |c| c.listen.tcp_keep_alive),
    ("netty.server.outstandingHandshake.limit=3", |c| c.listen.handshakes_max == Some(3)),
    ("netty.server.earlyDropSecureConnectionHandshakes=true", |c| c.listen.early_drop_handshakes),
    ("enforceQuota=true", |c| c.tree.enforce_quota),
    ("extendedTypesEnabled=true", |c| c.tree.extended_types),
    ("emulate353TTLNodes=true", |c| c.tree.emulate_353_ttl),
    ("znode.container.checkIntervalMs=5", |c| c.tree.containers.check_interval == ms(5)),
    ("znode.container.maxPerMinute=5", |c| c.tree.containers.per_minute_max == 5),
    ("znode.container.maxNeverUsedIntervalMs=5", |c| c.tree.containers.never_used_max == Some(ms(5))),
    ("skipACL=yes", |c| c.access.skip_acl),
    ("enableEagerACLCheck=true", |c| c.access.eager_acl_check),
    ("readonlymode.enabled=true", |c| c.read_only_mode && c.four_letter_words.allows("isro")),
];

const QUORUM: &[Case] = &[
    // A dynamic file, members and their versions have tests of their own.
    ("initLimit=3\nserver.1=a:1:2\nserver.2=b:1:2", |_| true),
    ("electionAlg=3", |_| true),
    ("peerType=OBSERVER", |_| true),
    ("standaloneEnabled=true", |c| c.quorum.standalone_enabled),
    ("quorumListenOnAllIPs=true", |c| c.quorum.listen_on_all_ips),
    ("syncEnabled=false", |c| !c.quorum.observer_sync),
    ("observer.syncEnabled=false\nsyncEnabled=true", |c| !c.quorum.observer_sync),
    ("observerMasterPort=2191", |c| c.quorum.observer_master_port == Some(2191)),
    ("multiAddress.enabled=true", |c| c.quorum.multi_address.enabled),
    ("multiAddress.reachabilityCheckEnabled=false", |c| !c.quorum.multi_address.reachability_check),
    ("multiAddress.reachabilityCheckTimeoutMs=5", |c| c.quorum.multi_address.reachability_timeout == ms(5)),
    ("oraclePath=/o", |c| c.quorum.oracle.as_deref() == Some(Path::new("/o"))),
    ("leaderServes=no", |c| !c.quorum.leader_serves),
    ("cnxTimeout=5", |c| c.quorum.connect_timeout == ms(5)),
    ("quorumCnxnTimeoutMs=5", |c| c.quorum.read_timeout == Some(ms(5))),
    ("electionPortBindRetry=0", |c| c.quorum.bind_tries.is_none()),
    ("tcpKeepAlive=true", |c| c.quorum.tcp_keep_alive),
    ("fastleader.minNotificationInterval=5", |c| c.quorum.notification_interval_min == ms(5)),
    ("fastleader.maxNotificationInterval=5", |c| c.quorum.notification_interval_max == ms(5)),
    ("leaderConnectDelayDuringRetryMs=5", |c| c.quorum.leader_connect_delay == ms(5)),
    ("leader.maxTimeToWaitForEpoch=5", |c| c.quorum.epoch_wait_max == Some(ms(5))),
    ("leader.maxConcurrentSnapSyncs=5", |c| c.quorum.snap_syncs_max == 5),
    ("leader.maxConcurrentDiffSyncs=5", |c| c.quorum.diff_syncs_max == 5),
    ("observer.reconnectDelayMs=5", |c| c.quorum.observer_reconnect_delay == ms(5)),
    ("observer.election.DelayMs=5", |c| c.quorum.observer_election_delay == ms(5)),
    ("observerMaster.sizeLimit=5", |c| c.quorum.observer_master_bytes_max == 5),
    ("sslQuorum=true", |c| c.quorum.tls),
    ("portUnification=true", |c| c.quorum.port_unification),
    ("sslQuorumReloadCertFiles=true", |c| c.quorum_tls.reload),
    ("quorum.auth.enableSasl=true", |c| c.quorum.auth.is_some()),
];

const QUORUM_SASL: &[Case] = &[
    ("quorum.auth.learnerRequireSasl=true", |c| c.quorum.auth.as_ref().unwrap().learner_required),
    ("quorum.auth.serverRequireSasl=true\nquorum.auth.learnerRequireSasl=true", |c| {
        c.quorum.auth.as_ref().unwrap().server_required
    }),
    ("quorum.auth.learner.saslLoginContext=L", |c| c.quorum.auth.as_ref().unwrap().learner_section == "L"),
    ("quorum.auth.server.saslLoginContext=S", |c| c.quorum.auth.as_ref().unwrap().server_section == "S"),
    ("quorum.auth.kerberos.servicePrincipal=p/_HOST", |c| {
        c.quorum.auth.as_ref().unwrap().service_principal == "p/_HOST"
    }),
];

const ACCESS: &[Case] = &[
    ("authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider", |c| {
        c.access.providers.iter().any(|p| p.class == ProviderClass::Sasl && p.suffix == "1")
    }),
    ("DigestAuthenticationProvider.enabled=false", |c| !c.access.digest.enabled),
    ("DigestAuthenticationProvider.digestAlg=sha-256", |c| {
        c.access.digest.algorithm == DigestAlgorithm::Sha256
    }),
    ("DigestAuthenticationProvider.superDigest=super:x=", |c| {
        c.access.digest.super_digest.as_ref().is_some_and(|id| id.expose() == "super:x=")
    }),
    ("X509AuthenticationProvider.superUser=CN=a", |c| c.access.super_users.x509.as_deref() == Some("CN=a")),
    ("ssl.authProvider=own", |c| c.client_tls.auth_provider == "own"),
    ("superUser=a", |c| c.access.super_users.sasl.contains("a")),
    ("superUser.1=b", |c| c.access.super_users.sasl.contains("b")),
    ("IPAuthenticationProvider.usexforwardedfor=true", |c| c.access.use_x_forwarded_for),
    ("SASLAuthenticationProvider.superPassword=w", |c| {
        c.access.sasl.super_password.as_ref().is_some_and(|word| word.expose() == "w")
    }),
    (
        "sessionRequireClientSASLAuth=true\nauthProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider",
        |c| c.access.enforced.as_ref().is_some_and(|enforced| enforced.schemes == ["sasl"]),
    ),
    ("enforce.auth.enabled=true\nenforce.auth.schemes=digest, ip", |c| {
        c.access.enforced.as_ref().is_some_and(|enforced| enforced.schemes == ["digest", "ip"])
    }),
    ("enforce.auth.schemes=ip\nenforce.auth.enabled=true", |c| c.access.enforced.is_some()),
    ("allowSaslFailedClients=true", |c| c.access.sasl.allow_failed_clients),
    ("letAnySaslUserDoX=any", |c| c.access.sasl.let_any_user_do.as_deref() == Some("any")),
    ("sasl.serverconfig=S", |c| c.access.sasl.section.as_deref() == Some("S")),
    ("java.security.auth.login.config=/j", |c| {
        c.access.sasl.login_config.as_deref() == Some(Path::new("/j"))
    }),
    ("kerberos.removeHostFromPrincipal=true", |c| c.access.sasl.remove_host),
    ("kerberos.removeRealmFromPrincipal=true", |c| c.access.sasl.remove_realm),
    ("kerberos.canonicalizeHostNames=true", |c| c.access.sasl.canonicalize_host_names),
    ("kerberos.minReLoginTimeMs=5", |c| c.access.sasl.relogin_min == ms(5)),
    ("security.auth_to_local=RULE:[1:$1]", |c| c.access.sasl.auth_to_local == "RULE:[1:$1]"),
    ("server.realm=R", |c| c.access.sasl.server_realm.as_deref() == Some("R")),
    ("ensembleAuthName=a , b", |c| c.access.ensemble_names.len() == 2),
];

const TLS: &[Case] = &[
    ("client.portUnification=true", |c| c.listen.port_unification),
    ("client.certReload=true", |c| c.client_tls.reload),
    ("fips-mode=false", |c| !c.client_tls.fips && !c.quorum_tls.fips),
];

/// The keys after `ssl.` and `ssl.quorum.`; both have the same fields, which the second function picks from.
const TLS_BOTH: &[TlsCase] = &[
    ("protocol=TLSv1.2", |t| t.protocol.as_deref() == Some("TLSv1.2")),
    ("enabledProtocols=TLSv1.3, TLSv1.2", |t| t.enabled_protocols == ["TLSv1.3", "TLSv1.2"]),
    ("ciphersuites=A,B", |t| t.cipher_suites == ["A", "B"]),
    ("keyStore.location=/k", |t| t.key_store.location.as_deref() == Some(Path::new("/k"))),
    ("keyStore.password=w", |t| t.key_store.password.as_ref().is_some_and(|word| word.expose() == "w")),
    ("keyStore.passwordPath=/w", |t| t.key_store.password_path.as_deref() == Some(Path::new("/w"))),
    ("keyStore.type=PEM", |t| t.key_store.format.as_deref() == Some("PEM")),
    ("trustStore.location=/k", |t| t.trust_store.location.as_deref() == Some(Path::new("/k"))),
    ("trustStore.password=w", |t| t.trust_store.password.as_ref().is_some_and(|word| word.expose() == "w")),
    ("trustStore.passwordPath=/w", |t| t.trust_store.password_path.as_deref() == Some(Path::new("/w"))),
    ("trustStore.type=PEM", |t| t.trust_store.format.as_deref() == Some("PEM")),
    ("hostnameVerification=false", |t| !t.hostname_verification),
    ("allowReverseDnsLookup=true", |t| t.allow_reverse_dns),
    ("crl=true", |t| t.crl),
    ("ocsp=true", |t| t.ocsp),
    ("clientAuth=Want", |t| t.client_auth == ClientAuth::Want),
    ("handshakeDetectionTimeoutMillis=5", |t| t.detection_timeout == ms(5)),
];

const TLS_VERIFY: &[Case] = &[
    ("ssl.clientHostnameVerification=true", |c| c.client_tls.client_hostname_verification),
    ("ssl.quorum.clientHostnameVerification=false", |c| !c.quorum_tls.client_hostname_verification),
];

const ADMIN: &[Case] = &[
    ("admin.enableServer=false", |c| !c.admin.enabled),
    ("admin.serverAddress=127.0.0.1", |c| c.admin.listen == Endpoint::loopback(8080)),
    ("admin.serverPort=0", |c| c.admin.listen.port == 0),
    ("admin.idleTimeout=5", |c| c.admin.idle_timeout == ms(5)),
    ("admin.commandURL=/c/", |c| c.admin.command_url == "/c"),
    ("admin.portUnification=true", |c| c.admin.port_unification),
    ("admin.forceHttps=true", |c| c.admin.force_https),
    ("admin.needClientAuth=true", |c| c.admin.need_client_auth),
    ("admin.snapshot.enabled=false", |c| !c.admin.snapshot_enabled),
    ("admin.restore.enabled=false", |c| !c.admin.restore_enabled),
    ("admin.rateLimiterIntervalInMS=5000", |c| {
        c.admin.rate_limiter_interval == ms(5000) && c.admin.snapshot_interval() == ms(5)
    }),
    ("4lw.commands.whitelist=stat, ruok,", |c| {
        let FourLetterWords::Listed(words) = &c.four_letter_words else { return false };
        words.iter().map(String::as_str).eq(["ruok", "srvr", "stat"])
    }),
];

const METRICS: &[Case] = &[
    ("metricsProvider.prometheusMetricsSummaryRotateIntervalSeconds=5", |c| {
        c.metrics.summary_window == Duration::from_secs(5)
    }),
    ("metricsProvider.ssl.keyStore.location=/k", |c| {
        c.metrics.key_store.location.as_deref() == Some(Path::new("/k"))
    }),
    ("metricsProvider.ssl.keyStore.password=w", |c| c.metrics.key_store.password.is_some()),
    ("metricsProvider.ssl.keyStore.type=PEM", |c| c.metrics.key_store.format.as_deref() == Some("PEM")),
    ("metricsProvider.ssl.trustStore.location=/k", |c| {
        c.metrics.trust_store.location.as_deref() == Some(Path::new("/k"))
    }),
    ("metricsProvider.ssl.trustStore.password=w", |c| c.metrics.trust_store.password.is_some()),
    ("metricsProvider.ssl.trustStore.type=PEM", |c| c.metrics.trust_store.format.as_deref() == Some("PEM")),
    ("metricsProvider.ssl.need.client.auth=false", |c| !c.metrics.need_client_auth),
    ("metricsProvider.ssl.want.client.auth=false", |c| !c.metrics.want_client_auth),
    ("metricsProvider.exportJvmInfo=false", |c| !c.metrics.export_process),
    ("metricsProvider.own.key=x", |c| c.metrics.properties.get("own.key").is_some_and(|value| value == "x")),
    ("audit.enable=true", |c| c.audit.enabled),
    ("pathStats.enabled=true", |c| c.path_stats.enabled),
    ("pathStats.slotCapacity=5", |c| c.path_stats.slot_capacity == 5),
    ("pathStats.slotDuration=5", |c| c.path_stats.slot_duration == Duration::from_secs(5)),
    ("pathStats.maxDepth=5", |c| c.path_stats.depth_max == 5),
    ("pathStats.topPathMax=5", |c| c.path_stats.top_paths == 5),
    ("pathStats.sampleRate=0.5", |c| c.path_stats.sample_rate == 0.5),
    ("pathStats.initialDelay=1", |c| c.path_stats.initial_delay == Duration::from_secs(60)),
    ("pathStats.delay=1", |c| c.path_stats.delay == Duration::from_secs(60)),
    ("messageTracker.Enabled=true", |c| c.message_tracker.enabled),
    ("messageTracker.BufferSize=5", |c| c.message_tracker.buffer_size == 5),
];

const PROMETHEUS: &[Case] = &[
    ("metricsProvider.httpHost=127.0.0.1", |c| c.metrics.http == Some(Endpoint::loopback(7000))),
    ("metricsProvider.httpPort=9141", |c| c.metrics.http.as_ref().is_some_and(|http| http.port == 9141)),
    ("metricsProvider.httpsPort=9142", |c| {
        c.metrics.http.is_none() && c.metrics.https.as_ref().is_some_and(|https| https.port == 9142)
    }),
];

const PROVIDER: &str =
    "metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider\n";

fn check(before: &str, cases: &[Case]) {
    for (lines, holds) in cases {
        assert!(holds(&config(&format!("{before}{lines}\n"))), "{lines} does not do what it should");
    }
}

fn check_default(before: &str, cases: &[Case]) {
    for (lines, holds) in cases {
        assert!(!holds(&config(before)), "{lines} is nothing new");
    }
}

#[test]
fn values_go_where_they_belong() {
    for cases in [BASIC, STORAGE, REQUESTS, ACCESS, TLS, TLS_VERIFY, ADMIN, METRICS] {
        check("", cases);
        check_default("", cases);
    }
    check(PROVIDER, PROMETHEUS);
    check_default(PROVIDER, PROMETHEUS);
    let sasl = "quorum.auth.enableSasl=true\n";
    check(sasl, QUORUM_SASL);
    check_default(sasl, QUORUM_SASL);
    // The first few of these need more than one line; they have tests of their own.
    check("", &QUORUM[1..]);
    check_default("", &QUORUM[4..]);
    assert_eq!(config(PROVIDER).metrics.provider, MetricsProvider::Prometheus);
}

#[test]
fn tls_keys_exist_for_both_kinds_of_ports() {
    for (line, holds) in TLS_BOTH {
        let client = config(&format!("ssl.{line}\n"));
        assert!(holds(&client.client_tls) && !holds(&client.quorum_tls), "ssl.{line}");
        let quorum = config(&format!("ssl.quorum.{line}\n"));
        assert!(holds(&quorum.quorum_tls) && !holds(&quorum.client_tls), "ssl.quorum.{line}");
    }
}

/// The reference lists every key; those that do something must be in one of the tables above.
#[test]
fn every_key_has_a_case() {
    let tables =
        [BASIC, STORAGE, REQUESTS, QUORUM, QUORUM_SASL, ACCESS, TLS, TLS_VERIFY, ADMIN, METRICS, PROMETHEUS];
    let mut covered: BTreeSet<String> = BTreeSet::new();
    for line in tables.into_iter().flatten().flat_map(|(lines, _)| lines.lines()) {
        covered.insert(line.split('=').next().unwrap().to_owned());
    }
    for line in TLS_BOTH.iter().map(|(line, _)| line.split('=').next().unwrap()) {
        covered.extend([format!("ssl.{line}"), format!("ssl.quorum.{line}")]);
    }
    // In tests of their own: the members, and the provider.
    covered.extend(
        [
            "server.N",
            "group.N",
            "weight.N",
            "version",
            "dynamicConfigFile",
            "syncLimit",
            "connectToLearnerMasterLimit",
        ]
        .map(str::to_owned),
    );
    covered.extend(
        ["metricsProvider.className", "metricsProvider.*", "superUser.*", "authProvider.N"]
            .map(str::to_owned),
    );
    let page = zabra_server::config::reference();
    let rows = page.lines().filter(|line| line.starts_with("| `") && !line.ends_with("| no effect |"));
    let missing: Vec<_> =
        rows.map(|row| row.split('`').nth(1).unwrap()).filter(|key| !covered.contains(*key)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn documented_names_work_too() {
    for (line, holds) in [
        ("requestThrottleLimit=3", (|c| c.requests.throttle.requests_max == Some(3)) as fn(&Config) -> bool),
        ("connectionMaxTokens=3", |c| c.requests.connection_throttle.tokens == Some(3)),
        ("throttledOpWaitTime=3", |c| c.requests.throttled_op_wait == Some(ms(3))),
        ("maxConcurrentSnapSyncs=3", |c| c.quorum.snap_syncs_max == 3),
        ("outstandingHandshake.limit=3", |c| c.listen.handshakes_max == Some(3)),
        ("zookeeper.snapCount=3", |c| c.storage.snap_count == 3),
    ] {
        assert!(holds(&config(line)), "{line}");
    }
}

#[test]
fn numbers_are_read_as_java_does() {
    // Integer.getInteger knows three bases, Integer.parseInt one.
    for (line, count) in
        [("snapCount=0x10", 16), ("snapCount=#10", 16), ("snapCount=010", 8), ("snapCount=+7", 7)]
    {
        assert_eq!(config(line).storage.snap_count, count, "{line}");
    }
    assert_eq!(config("maxClientCnxns=010").listen.connections_per_host_max, Some(10));
    for (line, interval) in [
        ("autopurge.purgeInterval=90m", Some(5_400_000)),
        ("autopurge.purgeInterval=250ms", Some(250)),
        ("autopurge.purgeInterval=1D", Some(86_400_000)),
        ("autopurge.purgeInterval=3s", Some(3000)),
        ("autopurge.purgeInterval=0", None),
        ("autopurge.purgeInterval=-1", None),
    ] {
        assert_eq!(config(line).storage.purge.interval, interval.map(ms), "{line}");
    }
}

#[test]
fn off_is_off() {
    let config = config(
        "snapSizeLimitInKb=0\npreAllocSize=-1\nmaxClientCnxns=-5\nclientPortListenBacklog=-1\n\
         minSessionTimeout=-1\nobserverMasterPort=-1\nznode.container.maxNeverUsedIntervalMs=0\n",
    );
    assert_eq!(config.storage.snap_size_max, None);
    assert_eq!(config.storage.log_growth, 0);
    assert_eq!(config.listen.connections_per_host_max, None);
    assert_eq!(config.listen.backlog, None);
    assert_eq!(config.sessions.timeout_min, ms(6000));
    assert_eq!(config.quorum.observer_master_port, None);
    assert_eq!(config.tree.containers.never_used_max, None);
}

#[test]
fn the_star_allows_every_word() {
    for line in
        ["4lw.commands.whitelist=*", "4lw.commands.whitelist=stat, *", "4lw.commands.whitelist = * , ruok"]
    {
        assert_eq!(config(line).four_letter_words, FourLetterWords::All, "{line}");
    }
    assert!(config("").four_letter_words.allows("srvr"));
    assert!(!config("").four_letter_words.allows("mntr"));
}

#[test]
fn roles_have_names() {
    assert_eq!(PeerRole::Observer.to_string(), "observer");
}
