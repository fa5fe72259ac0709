//! What operators are told about sessions and connections that may expire.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use zabra_node::SessionKind;
use zabra_types::{Now, SessionId, WallTime};

use crate::clock::Clock;
use crate::core::Core;

/// The sessions by the time at which they end unless their clients are heard of, earliest first.
pub(crate) fn by_expiry(core: &Core) -> BTreeMap<Now, Vec<SessionId>> {
    let tick = core.config.sessions.tick_time;
    let mut by_expiry: BTreeMap<Now, Vec<SessionId>> = BTreeMap::new();
    let brain = core.brain.lock();
    for (tracked, sessions) in brain.sessions.expiry_sets(SessionKind::Global) {
        for session in sessions {
            // The tracker hears of a connection only when the session is about to end.
            let heard = brain.sessions.conn(session).and_then(|conn| core.conns.get(conn)).map(|conn| {
                let timeout = brain.sessions.timeout_ms(session).unwrap_or(0);
                next_multiple(
                    conn.heard() + Duration::from_millis(timeout.max(0).unsigned_abs().into()),
                    tick,
                )
            });
            by_expiry.entry(heard.map_or(tracked, |heard| heard.max(tracked))).or_default().push(session);
        }
    }
    drop(brain);
    for sessions in by_expiry.values_mut() {
        sessions.sort_unstable();
    }
    by_expiry
}

/// The connections by the time at which they are closed unless something comes, earliest first. Connections without
/// a session have the time of `nio.sessionlessCnxnTimeout`, which is also what the times are rounded up to.
pub(crate) fn connections_by_expiry(core: &Core) -> BTreeMap<Now, Vec<(SocketAddr, SessionId)>> {
    let sessionless = core.config.listen.sessionless_timeout;
    let mut by_expiry: BTreeMap<Now, Vec<_>> = BTreeMap::new();
    for conn in core.conns.all() {
        let timeout = match conn.session() {
            SessionId::NONE => sessionless,
            _ => Duration::from_millis(conn.timeout_ms().max(0).unsigned_abs().into()),
        };
        let expiry = next_multiple(conn.heard() + timeout, sessionless);
        by_expiry.entry(expiry).or_default().push((conn.remote(), conn.session()));
    }
    by_expiry
}

/// The ephemeral nodes of each session that has some.
pub(crate) fn ephemerals(core: &Core) -> Vec<(SessionId, Vec<String>)> {
    let tree = core.tree.read();
    tree.ephemeral_sessions().map(|session| (session, tree.ephemerals_of(session).collect())).collect()
}

/// The wall time of a reading of the monotonic clock, in the future or not.
pub(crate) fn wall_time(core: &Core, at: Now) -> WallTime {
    let millis = |now: Now| i64::try_from(now.millis()).unwrap_or(i64::MAX);
    let offset = millis(at).saturating_sub(millis(core.clock.now()));
    WallTime::from_millis(Clock::wall().millis().saturating_add(offset))
}

/// The first multiple of `interval` after `at`, as `ExpiryQueue` rounds.
fn next_multiple(at: Now, interval: Duration) -> Now {
    let interval = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).max(1);
    Now::new(Duration::from_millis((at.millis() / interval).saturating_add(1).saturating_mul(interval)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_is_the_next_multiple() {
        let at = |ms| Now::new(Duration::from_millis(ms));
        for (from, to) in [(0, 500), (499, 500), (500, 1000), (1001, 1500)] {
            assert_eq!(next_multiple(at(from), Duration::from_millis(500)), at(to));
        }
        assert_eq!(next_multiple(at(7), Duration::ZERO), at(8));
    }
}
