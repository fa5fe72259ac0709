//! What operators are told: readings of the running server that the four-letter words, the admin server and the
//! metrics share. Nothing in here changes anything but the counters that an operator may reset.

pub(crate) mod clients;
pub(crate) mod configuration;
pub(crate) mod date;
pub(crate) mod ensemble;
pub(crate) mod environment;
pub(crate) mod metrics;
pub(crate) mod process;
pub(crate) mod sessions;
pub(crate) mod sizes;
pub(crate) mod version;

use crate::config::{MetricsProvider, Mode, PeerRole};
use crate::core::Core;
use crate::ensemble::requests::Part;

/// The bits of the text trace level that nobody has changed (`ZooTrace`): requests, sessions, events and the packets
/// of the leader, without pings.
pub(crate) const TRACE_MASK_DEFAULT: i64 = 0b1_0011_0010;

/// What every request is told while clients are not served.
pub(crate) const NOT_SERVING: &str = "This ZooKeeper instance is not currently serving requests";

/// The role of this server, as `srvr` and `mntr` spell it. A server that has none now is asked only by `mntr` over HTTP
/// and by the metrics.
pub(crate) fn mode(core: &Core) -> &'static str {
    match (&core.brain.lock().part, &core.config.mode) {
        (Part::Alone, _) => "standalone",
        (Part::Leading(_), _) => "leader",
        (Part::Learning(_), Mode::Ensemble(ensemble)) if ensemble.role == PeerRole::Observer => "observer",
        (Part::Learning(_), _) => "follower",
        (Part::ReadOnly, _) => "read-only",
        (Part::Looking(_), _) => "looking",
    }
}

/// Starts the statistics of the server and of its metrics again (`srst`).
pub(crate) fn reset_statistics(core: &Core) {
    core.stats.reset(core.config.metrics.provider != MetricsProvider::Prometheus);
}

/// Starts the statistics of every connection again (`crst`).
pub(crate) fn reset_connections(core: &Core) {
    for conn in core.conns.all() {
        conn.outbox().stats.reset();
    }
}
