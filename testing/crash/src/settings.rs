//! How the server is set up: differently at every start, so that directories see all kinds of files.

use std::collections::BTreeMap;
use zabra_testkit::{Program, Rng, ServerSpec};

/// Where the logs go when they have a directory of their own; below the server's home.
pub(crate) const LOG_DIR: &str = "txns";

/// A server of the test: no session expires, no word is refused.
pub(crate) fn base(program: Program, rng: &mut Rng) -> ServerSpec {
    let spec = ServerSpec::new(program)
        .with("minSessionTimeout", "60000")
        .with("maxSessionTimeout", "7200000")
        .with_property("znode.container.checkIntervalMs", "3600000");
    if rng.one_in(3) { spec.with("dataLogDir", LOG_DIR) } else { spec }
}

/// Sets it up anew for the next start. Mostly with little room, so that the kill comes amid a snapshot or a new log.
///
/// Transactions that end a session always list its nodes (`closeSessionTxn.enabled`). Without the list the format itself
/// loses something: a node that was gone when a snapshot came to it cannot be seen to go when the log is replayed, and
/// its parent keeps an old pzxid.
pub(crate) fn vary(spec: &mut ServerSpec, rng: &mut Rng) {
    let snapshot_after = rng.weighted(&[(3, 5), (4, 60), (3, 500), (2, 100_000)]);
    let settings = [
        ("snapCount", Some(format!("{}", snapshot_after + rng.below(snapshot_after)))),
        ("snapshot.compression.method", some(rng, &[(2, ""), (1, "gz"), (1, "snappy")])),
        ("preAllocSize", some(rng, &[(2, ""), (1, "0"), (2, "16"), (2, "1024")])),
        ("txnLogSizeLimitInKb", some(rng, &[(3, ""), (1, "64")])),
        ("forceSync", some(rng, &[(2, ""), (1, "no")])),
        ("flushDelay", some(rng, &[(4, ""), (1, "2")])),
        ("maxBatchSize", some(rng, &[(3, ""), (1, "3")])),
        ("serializeLastProcessedZxid.enabled", some(rng, &[(3, ""), (1, "false")])),
    ];
    for (key, value) in settings {
        set(&mut spec.properties, &format!("zookeeper.{key}"), value);
    }
    let purges = rng.one_in(2);
    set(&mut spec.config, "autopurge.purgeInterval", purges.then(|| "1".to_owned()));
}

/// One of the values; the empty one stands for the default.
fn some(rng: &mut Rng, values: &[(usize, &'static str)]) -> Option<String> {
    Some(rng.weighted(values)).filter(|value| !value.is_empty()).map(str::to_owned)
}

fn set(settings: &mut BTreeMap<String, String>, key: &str, value: Option<String>) {
    match value {
        Some(value) => settings.insert(key.to_owned(), value),
        None => settings.remove(key),
    };
}

/// The settings in one line.
pub(crate) fn describe(spec: &ServerSpec) -> String {
    let name = |key: &str| key.trim_start_matches("zookeeper.").to_owned();
    let varied = spec.config.iter().filter(|(key, _)| key.starts_with("autopurge") || *key == "dataLogDir");
    let pairs = varied.chain(&spec.properties).map(|(key, value)| format!("{}={value}", name(key)));
    pairs.collect::<Vec<_>>().join(" ")
}
