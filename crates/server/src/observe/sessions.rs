//! What operators are told about sessions and connections that may expire.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use zabra_node::SessionKind;
use zabra_types::{Now, SessionId, WallTime};

use crate::clock::Clock;
use crate::core::{Brain, Core};

/// Sessions by the time at which they end unless their clients are heard of, earliest first.
pub(crate) type Expiry = BTreeMap<Now, Vec<SessionId>>;

/// What a server knows of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tracked {
    /// Those that only this server knows, where there are such.
    pub(crate) local: Option<Expiry>,
    /// All others.
    pub(crate) global: Global,
}

/// What a server knows of the sessions of the ensemble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Global {
    /// It judges them.
    Judged(Expiry),
    /// Somebody else does. With their timeouts in milliseconds, by id.
    Known(BTreeMap<SessionId, i32>),
}

/// Reads what this server knows of sessions.
pub(crate) fn tracked(core: &Core) -> Tracked {
    let brain = core.brain.lock();
    Tracked {
        local: core.has_local_sessions().then(|| by_expiry(core, &brain, SessionKind::Local)),
        global: if brain.part.decides() {
            Global::Judged(by_expiry(core, &brain, SessionKind::Global))
        } else {
            Global::Known(core.tree.read().sessions().collect())
        },
    }
}

fn by_expiry(core: &Core, brain: &Brain, kind: SessionKind) -> Expiry {
    let tick = core.config.sessions.tick_time;
    let mut by_expiry = Expiry::new();
    for (tracked, sessions) in brain.sessions.expiry_sets(kind) {
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
