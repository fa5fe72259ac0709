//! Which of several sources counts.

use zabra_server::config::NoticeKind;

use super::{BASE, flags, read_with};

/// The flags, the lines, and the `snapCount` that comes out.
#[test]
fn the_file_beats_the_flags() {
    for (given, lines, count) in [
        ("", "", 100_000),
        ("-Dzookeeper.snapCount=7", "", 7),
        ("-Dzookeeper.snapCount=7", "snapCount=8", 8),
        ("-Dzookeeper.snapCount=7 -Dzookeeper.snapCount=9", "", 9),
        ("-DsnapCount=7", "", 100_000),
        ("", "snapCount=8\nzookeeper.snapCount=9", 8),
        ("", "zookeeper.snapCount=9\nsnapCount=8", 8),
        ("-Dzookeeper.snapCount=7", "zookeeper.snapCount=9", 9),
        ("", "snapCount=8\nsnapCount=9", 9),
        // The Java server would see the overwritten property only, and fall back to the default.
        ("-Dzookeeper.snapCount=7", "snapCount=lots", 100_000),
    ] {
        let loaded = read_with(&format!("{BASE}{lines}"), &flags(given)).unwrap();
        assert_eq!(loaded.config.storage.snap_count, count, "{given} and {lines}");
    }
}

#[test]
fn the_name_that_zookeeper_reads_beats_the_documented_one() {
    for lines in [
        "requestThrottleLimit=5\nrequest_throttle_max_requests=6",
        "request_throttle_max_requests=6\nrequestThrottleLimit=5",
    ] {
        let loaded = read_with(&format!("{BASE}{lines}"), &flags("")).unwrap();
        assert_eq!(loaded.config.requests.throttle.requests_max, Some(6), "{lines}");
    }
}

#[test]
fn the_sync_threshold_has_an_old_flag() {
    for (given, lines, ms) in [
        ("-Dfsync.warningthresholdms=7", "", 7),
        ("-Dfsync.warningthresholdms=7 -Dzookeeper.fsync.warningthresholdms=8", "", 8),
        ("-Dzookeeper.fsync.warningthresholdms=8 -Dfsync.warningthresholdms=7", "", 8),
        ("-Dzookeeper.fsync.warningthresholdms=8", "fsync.warningthresholdms=9", 9),
    ] {
        let loaded = read_with(&format!("{BASE}{lines}"), &flags(given)).unwrap();
        assert_eq!(loaded.config.storage.sync_warning_threshold.as_millis(), ms, "{given} and {lines}");
    }
}

#[test]
fn the_observer_flag_beats_the_file() {
    let loaded =
        read_with(&format!("{BASE}syncEnabled=true"), &flags("-Dzookeeper.observer.syncEnabled=false"));
    assert!(!loaded.unwrap().config.quorum.observer_sync);
}

#[test]
fn what_does_not_count_is_told() {
    let loaded =
        read_with(&format!("{BASE}snapCount=8"), &flags("-Dzookeeper.snapCount=7 -Dzookeeper.maxCnxns=5"))
            .unwrap();
    let told: Vec<_> = loaded.notices.iter().map(|notice| (notice.kind, notice.to_string())).collect();
    let text = "SERVER_JVMFLAGS: -Dzookeeper.snapCount=7: zoo.cfg:3 gives it too, and that counts";
    assert_eq!(told, [(NoticeKind::Overridden, text.to_owned())]);
}

#[test]
fn all_settings_amount_to_system_properties() {
    let loaded = read_with(
        &format!("{BASE}tickTime=5\nsnapCount=8\nsome.thing=x\njute.maxbuffer=9\nssl.keyStore.password=w"),
        &flags("-Dzookeeper.snapCount=7 -Dany.thing=y -Dzookeeper.maxCnxns=5"),
    );
    let properties = loaded.unwrap().config.system_properties;
    let pairs: Vec<_> = properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        pairs,
        [
            ("any.thing", "y"),
            ("jute.maxbuffer", "9"),
            ("zookeeper.maxCnxns", "5"),
            ("zookeeper.snapCount", "8"),
            ("zookeeper.some.thing", "x"),
        ]
    );
}
