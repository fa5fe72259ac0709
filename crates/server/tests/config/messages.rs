//! What is told about wrong and strange values, word for word.

use zabra_server::config::NoticeKind::{self, *};

use super::{BASE, flags, notices, problems, read, read_with};

#[test]
fn wrong_values_are_told_with_line_key_and_value() {
    for (line, message) in [
        ("tickTime=2s", "zoo.cfg:3: tickTime=2s: expected a whole number of at least 1 (ms)"),
        ("tickTime=0", "zoo.cfg:3: tickTime=0: expected a whole number of at least 1 (ms)"),
        ("tickTime=", "zoo.cfg:3: tickTime=: expected a whole number of at least 1 (ms)"),
        ("tickTime=3000000000", "zoo.cfg:3: tickTime=3000000000: expected a whole number of at least 1 (ms)"),
        ("maxClientCnxns=many", "zoo.cfg:3: maxClientCnxns=many: expected a whole number (connections)"),
        (
            "minSessionTimeout=-2",
            "zoo.cfg:3: minSessionTimeout=-2: expected a whole number of at least -1 (ms)",
        ),
        ("clientPort=65536", "zoo.cfg:3: clientPort=65536: expected a port, 0 to 65535"),
        ("clientPort=-1", "zoo.cfg:3: clientPort=-1: expected a port, 0 to 65535"),
        ("secureClientPort=x", "zoo.cfg:3: secureClientPort=x: expected a port, 0 to 65535"),
        ("reconfigEnabled=yes", "zoo.cfg:3: reconfigEnabled=yes: expected true or false"),
        ("syncEnabled=ture", "zoo.cfg:3: syncEnabled=ture: expected true or false; did you mean true?"),
        (
            "peerType=observr",
            "zoo.cfg:3: peerType=observr: expected participant or observer; did you mean observer?",
        ),
        (
            "electionAlg=0",
            "zoo.cfg:3: electionAlg=0: expected 3: ZooKeeper 3.6 dropped the other election algorithms",
        ),
        ("dataDir=", "zoo.cfg:3: dataDir=: expected a path"),
        (
            "autopurge.purgeInterval=1w",
            "zoo.cfg:3: autopurge.purgeInterval=1w: expected a whole number of hours, or one with a unit: ms, s, m, h or d",
        ),
        (
            "metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricProvider",
            "zoo.cfg:3: metricsProvider.className=org.apache.zookeeper.metrics.prometheus.PrometheusMetricProvider: \
             expected one of the metrics providers that come with ZooKeeper; \
             did you mean org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider?",
        ),
        (
            "DigestAuthenticationProvider.digestAlg=SHA256",
            "zoo.cfg:3: DigestAuthenticationProvider.digestAlg=SHA256: expected SHA1, SHA-256, SHA-384 or SHA-512; \
             did you mean SHA-256?",
        ),
        ("ssl.clientAuth=needed", "zoo.cfg:3: ssl.clientAuth=needed: expected none or want or need"),
        ("admin.commandURL=c", "zoo.cfg:3: admin.commandURL=c: expected a path that begins with /"),
        (
            "connection_throttle_drop_increase=a",
            "zoo.cfg:3: connection_throttle_drop_increase=a: expected a number",
        ),
        ("jvm.pause.monitor=on", "zoo.cfg:3: jvm.pause.monitor=on: expected true or false"),
        ("a=\\u12", "zoo.cfg:3: \\u must be followed by four hexadecimal digits; write \\\\ for a backslash"),
    ] {
        assert_eq!(problems(line), message);
    }
}

#[test]
fn settings_that_contradict_each_other_are_told() {
    for (file, message) in [
        (
            "clientPort=1",
            "zoo.cfg: dataDir: is missing: the directory of snapshots and, without dataLogDir, of the log",
        ),
        (
            "dataDir=/d\nclientPortAddress=a",
            "zoo.cfg:2: clientPortAddress=a: is of no use without clientPort",
        ),
        (
            "dataDir=/d\nsecureClientPortAddress=a",
            "zoo.cfg:2: secureClientPortAddress=a: is of no use without secureClientPort",
        ),
        (
            "dataDir=/d\nclientPort=1\nminSessionTimeout=70000",
            "zoo.cfg:3: minSessionTimeout=70000: minSessionTimeout (70000 ms) must not be greater than \
             maxSessionTimeout (60000 ms)",
        ),
        (
            "dataDir=/d\nclientPort=1\nmaxSessionTimeout=1",
            "zoo.cfg:3: maxSessionTimeout=1: minSessionTimeout (6000 ms) must not be greater than maxSessionTimeout (1 ms)",
        ),
        (
            "dataDir=/d\nenforce.auth.enabled=true",
            "zoo.cfg:2: enforce.auth.enabled=true: needs enforce.auth.schemes, the schemes that are good enough",
        ),
        (
            "dataDir=/d\nenforce.auth.enabled=true\nenforce.auth.schemes=digset",
            "zoo.cfg:3: enforce.auth.schemes=digset: no provider has the scheme digset; did you mean digest?",
        ),
        (
            "dataDir=/d\nsessionRequireClientSASLAuth=true",
            "zoo.cfg:2: sessionRequireClientSASLAuth=true: no provider has the scheme sasl",
        ),
        (
            "dataDir=/d\nDigestAuthenticationProvider.enabled=false\nenforce.auth.enabled=true\nenforce.auth.schemes=digest",
            "zoo.cfg:4: enforce.auth.schemes=digest: no provider has the scheme digest",
        ),
        (
            "dataDir=/d\nsecureClientPort=1\nssl.authProvider=own",
            "zoo.cfg:3: ssl.authProvider=own: the secure port needs a class for this scheme, authProvider.own=…",
        ),
        (
            "dataDir=/d\nquorum.auth.serverRequireSasl=true",
            "zoo.cfg:2: quorum.auth.serverRequireSasl=true: needs quorum.auth.enableSasl=true",
        ),
        (
            "dataDir=/d\nquorum.auth.enableSasl=true\nquorum.auth.serverRequireSasl=true",
            "zoo.cfg:3: quorum.auth.serverRequireSasl=true: needs quorum.auth.learnerRequireSasl=true, \
             or this server could not join itself",
        ),
    ] {
        assert_eq!(read(file).unwrap_err().to_string(), message);
    }
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    assert_eq!(
        problems("tickTime=x\n\nclientPortt=5\nsyncEnabled=1\nminSessionTimeout=9\nmaxSessionTimeout=8\n"),
        "3 settings are wrong:\n  \
         zoo.cfg:3: tickTime=x: expected a whole number of at least 1 (ms)\n  \
         zoo.cfg:6: syncEnabled=1: expected true or false\n  \
         zoo.cfg:7: minSessionTimeout=9: minSessionTimeout (9 ms) must not be greater than maxSessionTimeout (8 ms)"
    );
}

#[test]
fn strange_settings_are_told_and_used() {
    let cases: &[(&str, NoticeKind, &str)] = &[
        ("ticktime=5", UnknownKey, "zoo.cfg:3: ticktime=5: no such key; did you mean tickTime?"),
        ("whatever=5", UnknownKey, "zoo.cfg:3: whatever=5: no such key"),
        ("snapCount=1", Adjusted, "zoo.cfg:3: snapCount=1: raised to 2, the least that makes sense"),
        (
            "autopurge.snapRetainCount=1",
            Adjusted,
            "zoo.cfg:3: autopurge.snapRetainCount=1: raised to 3, the least that makes sense",
        ),
        (
            "snapshotSizeFactor=2",
            Adjusted,
            "zoo.cfg:3: snapshotSizeFactor=2: more than the whole makes no sense; 0.33 is used",
        ),
        (
            "snapCount=lots",
            BadValue,
            "zoo.cfg:3: snapCount=lots: expected a whole number (transactions); it is ignored, as in ZooKeeper, \
             and the default holds",
        ),
        (
            "enforceQuota=yes",
            BadValue,
            "zoo.cfg:3: enforceQuota=yes: expected true or false; anything else counts as false, as in ZooKeeper",
        ),
        (
            "forceSync=NO",
            BadValue,
            "zoo.cfg:3: forceSync=NO: expected yes or no; did you mean no?; it is ignored, as in ZooKeeper, \
             and the default holds",
        ),
        (
            "forceSync=no",
            Risk,
            "zoo.cfg:3: forceSync=no: a write that was answered can be lost in a power failure",
        ),
        (
            "skipACL=yes",
            Risk,
            "zoo.cfg:3: skipACL=yes: anybody who can connect may read and change everything",
        ),
        (
            "dataLogDir=logs",
            RelativePath,
            "zoo.cfg:3: dataLogDir=logs: the path is relative to where the server was started; \
             write ./logs if that is meant",
        ),
        (
            "zookeeper.snapCount=9",
            Spelling,
            "zoo.cfg:3: zookeeper.snapCount=9: in a file ZooKeeper expects it without zookeeper., as snapCount; \
             it is taken nevertheless",
        ),
        (
            "requestThrottleLimit=9",
            Spelling,
            "zoo.cfg:3: requestThrottleLimit=9: ZooKeeper documents this name but only reads \
             request_throttle_max_requests; it is taken nevertheless",
        ),
        (
            "jute.maxbuffer=9",
            Spelling,
            "zoo.cfg:3: jute.maxbuffer=9: ZooKeeper takes this only as a flag, -Djute.maxbuffer=9; \
             it is taken nevertheless",
        ),
        (
            "watchManagerName=x",
            NoEffect,
            "zoo.cfg:3: watchManagerName=x: accepted, has no effect here: there is one watch table, \
             compact from the start",
        ),
        (
            "jaasLoginRenew=3600000",
            NoEffect,
            "zoo.cfg:3: jaasLoginRenew=3600000: accepted, has no effect here: the Java server does not know it \
             either, though many examples give it",
        ),
        (
            "authProvider.1=com.example.Own",
            NotYet,
            "zoo.cfg:3: authProvider.1=com.example.Own: classes of other people cannot be loaded; \
             who tries this scheme is refused",
        ),
        (
            "ensembleAuthName=ours",
            NoEffect,
            "zoo.cfg:3: ensembleAuthName=ours: nobody looks at it without \
             authProvider.N=org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider",
        ),
        (
            "pathStats.enabled=true",
            NotYet,
            "zoo.cfg:3: pathStats.enabled=true: accepted, but not supported yet",
        ),
        (
            "ssl.keyStore.password=secret",
            NotYet,
            "zoo.cfg:3: ssl.keyStore.password=***: accepted, but not supported yet",
        ),
        (
            "4lw.commands.whitelist=mnrt",
            BadValue,
            "zoo.cfg:3: 4lw.commands.whitelist=mnrt: there is no word mnrt; did you mean mntr?",
        ),
        (
            "snapCount=5\nsnapCount=6",
            Overridden,
            "zoo.cfg:3: snapCount=5: line 4 gives it again, and the last one counts",
        ),
        (
            "connection_throttle_local_session_weight=9\nconnection_throttle_renew_session_weight=9",
            Adjusted,
            "zoo.cfg: connection_throttle_global_session_weight: raised to 9, a local session's",
        ),
    ];
    for (lines, kind, text) in cases {
        let told = notices(lines);
        assert_eq!(told, [(*kind, (*text).to_owned())], "{lines}");
    }
}

#[test]
fn defaults_and_switches_that_are_off_need_no_notice() {
    for line in [
        "audit.enable=false",
        "allowSaslFailedClients=false",
        "localSessionsEnabled=true",
        "fips-mode=true",
        "4lw.commands.whitelist=*",
        "authProvider.1=org.apache.zookeeper.server.auth.EnsembleAuthenticationProvider\nensembleAuthName=a",
        "authProvider.1=org.apache.zookeeper.server.auth.DigestAuthenticationProvider",
        "dataLogDir=./logs",
        "initLimit=5",
    ] {
        assert_eq!(notices(line), [], "{line}");
    }
}

#[test]
fn letters_outside_ascii_are_pointed_at() {
    let told = notices("dataLogDir=/données");
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].0, Encoding);
    assert!(told[0].1.starts_with("zoo.cfg: the file is read as ISO-8859-1"), "{}", told[0].1);
    assert_eq!(notices("dataLogDir=/donn\\u00e9es"), []);
}

#[test]
fn flags_are_told_as_they_were_written() {
    for (flag, kind, text) in [
        (
            "-Dzookeeper.tickTime=5",
            Spelling,
            "SERVER_JVMFLAGS: -Dzookeeper.tickTime=5: ZooKeeper takes this only from the file, as tickTime",
        ),
        (
            "-Dzookeeper.jute.maxbuffer=5",
            Spelling,
            "SERVER_JVMFLAGS: -Dzookeeper.jute.maxbuffer=5: ZooKeeper takes this without zookeeper., \
             as -Djute.maxbuffer; it is taken nevertheless",
        ),
        (
            "-Dzookeeper.snapcount=5",
            UnknownKey,
            "SERVER_JVMFLAGS: -Dzookeeper.snapcount=5: no such key; did you mean snapCount?",
        ),
        (
            "-Dzookeeper.DigestAuthenticationProvider.enabled=no",
            BadValue,
            "SERVER_JVMFLAGS: -Dzookeeper.DigestAuthenticationProvider.enabled=no: expected true or false; \
             anything else counts as false, as in ZooKeeper",
        ),
    ] {
        let loaded = read_with(BASE, &flags(flag)).unwrap();
        let told: Vec<_> = loaded.notices.iter().map(|notice| (notice.kind, notice.to_string())).collect();
        assert_eq!(told, [(kind, text.to_owned())], "{flag}");
    }
    // What is not ZooKeeper's is nobody's business here.
    for flag in ["-Djava.awt.headless=true", "-Xmx1g", "-Dcom.sun.management.jmxremote.port=1"] {
        assert_eq!(read_with(BASE, &flags(flag)).unwrap().notices, [], "{flag}");
    }
}

#[test]
fn passwords_are_shown_nowhere() {
    let loaded = read(&format!("{BASE}ssl.keyStore.password=open sesame\n")).unwrap();
    let mut config = loaded.config;
    // The text of the file is kept for an admin command; nothing else may have it.
    config.source = zabra_server::config::Source::Embedded;
    assert!(!format!("{config:?}{:?}", loaded.notices).contains("sesame"));
}
