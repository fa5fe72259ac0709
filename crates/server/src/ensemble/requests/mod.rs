//! What clients' requests become on a member of an ensemble.
//!
//! ```text
//!                     write, sync            create or renew a session      read, ping, watch
//!   leading           prepared, proposed     here                           here
//!   following,        REQUEST to the leader  REQUEST, REVALIDATE            here
//!   observing
//!   reading only      refused                local sessions only            here
//!   looking           (there are no clients)
//! ```
//!
//! Everything in here happens under the brain's lock. What the peer is to be told is gathered in `Brain::inputs` and
//! handed over in the next round at the latest ([`Core::carry_on`]); nothing below calls the peer, so that its outputs
//! are carried out with no other lock held.
//!
//! When a role ends, every connection is cut, and with it whoever waits for an answer: what became of the requests
//! under way is not known here, and the client finds out through another server.

mod leading;
mod learning;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use tracing::{info, warn};
use zabra_node::{GateToken, Preparer, QueuedRead};
use zabra_proto::{QuorumPacket, TxnHeader};
use zabra_types::{Epoch, Now, Zxid};
use zabra_zab::{LinkId, Role, SyncToken};

use crate::commit::Waiter;
use crate::conn::Conn;
use crate::core::{Brain, Core, Phase};
use crate::reads;
use crate::stats::Tally;

pub(crate) use leading::Leading;
pub(crate) use learning::{Learning, Renewal};

/// This server's part in its ensemble, as far as clients are concerned.
#[derive(Debug)]
pub(crate) enum Part {
    /// It is not in an ensemble.
    Alone,
    /// It has no leader since then, and no clients.
    Looking(Now),
    /// It has no leader, and clients that know.
    ReadOnly,
    /// It leads.
    Leading(Leading),
    /// It follows or observes.
    Learning(Learning),
}

impl Part {
    /// Whether it decides: prepares writes, ends sessions, reaps nodes.
    pub(crate) const fn decides(&self) -> bool {
        matches!(self, Self::Alone | Self::Leading(_))
    }

    /// Who of this server's clients waits for this transaction.
    pub(crate) fn take_waiter(&mut self, txn: &TxnHeader) -> Option<Waiter> {
        match self {
            Self::Leading(leading) => leading.take_waiter(txn.zxid),
            Self::Learning(learning) => learning.take_waiter(txn),
            Self::Alone | Self::Looking(_) | Self::ReadOnly => None,
        }
    }

    fn waiters(self) -> Vec<Waiter> {
        match self {
            Self::Leading(leading) => leading.into_waiters(),
            Self::Learning(learning) => learning.into_waiters(),
            Self::Alone | Self::Looking(_) | Self::ReadOnly => Vec::new(),
        }
    }
}

/// A `sync` of a client of this server that is not answered yet.
#[derive(Debug)]
pub(crate) struct PendingSync {
    /// Where it came from.
    pub(crate) conn: Arc<Conn>,
    /// What waits for it in the connection's gate.
    pub(crate) token: GateToken,
    /// The request, answered like a read when its time has come.
    pub(crate) read: QueuedRead,
    /// When it arrived.
    pub(crate) received: Instant,
}

impl PendingSync {
    /// Answers it, and then what waited for it.
    fn answer(self, core: &Core) {
        let tree = core.tree.read();
        let mut watches = core.watches.lock();
        let mut outbox = self.conn.outbox();
        if outbox.gate.complete(self.token) {
            let mut tally = Tally::new(&core.stats);
            let at = (core, &mut tally);
            reads::run_awaited(at, &self.conn, &mut outbox, &tree, &mut watches, (&self.read, self.received));
        }
        drop(outbox);
        self.conn.wake();
    }
}

/// This server's part has changed.
pub(crate) fn became(core: &Core, brain: &mut Brain, role: Role) {
    match role {
        Role::Looking => leave(core, brain),
        // Read-only service ends when there is a leader.
        Role::PreparingToLead | Role::Synchronizing(_) => leave(core, brain),
        Role::Leading(epoch) => lead(core, brain, epoch),
        Role::Following { epoch, link, .. } | Role::Observing { epoch, link, .. } => {
            leave(core, brain);
            brain.part = Part::Learning(Learning::new(link));
            begin(core, epoch, true);
        }
    }
}

fn lead(core: &Core, brain: &mut Brain, epoch: Epoch) {
    leave(core, brain);
    let now = core.clock.now();
    // Nobody knows how long ago the sessions were heard of: each has its full timeout before it.
    for (session, timeout_ms) in core.tree.read().sessions() {
        brain.sessions.track(session, timeout_ms, now);
    }
    info!(%epoch, sessions = brain.sessions.len(), "leading, and judging all sessions");
    brain.preparer = Preparer::new(core.options, Zxid::new(epoch, 0));
    brain.part = Part::Leading(Leading::default());
    core.shown_zxid_min.store(Zxid::new(epoch, 0).raw(), Relaxed);
    begin(core, epoch, core.config.quorum.leader_serves);
}

fn begin(core: &Core, epoch: Epoch, serves: bool) {
    core.seen_zxid_min.store(Zxid::new(epoch, 0).raw(), Relaxed);
    if serves {
        core.set_phase(Phase::Running);
    }
    // Some may have waited for this.
    for conn in core.conns.all() {
        conn.wake();
    }
}

/// The part that this server had, if it had one, is over: nobody is served, and nobody gets an answer.
fn leave(core: &Core, brain: &mut Brain) {
    // Who connected meanwhile and has said nothing yet may stay.
    if matches!(brain.part, Part::Looking(_)) {
        return;
    }
    core.set_phase(Phase::Waiting);
    for conn in core.conns.all() {
        conn.cut();
    }
    brain.sessions.clear();
    brain.inputs.clear();
    let part = std::mem::replace(&mut brain.part, Part::Looking(core.clock.now()));
    for waiter in part.waiters() {
        drop(waiter.leave(core));
    }
    core.throttler.free();
}

/// Serves those who only want to read, once there has been no leader for long enough (`ReadOnlyZooKeeperServer`).
pub(crate) fn read_only_if_due(core: &Core, brain: &mut Brain) {
    let patience = core.config.sessions.tick_time.max(READ_ONLY_AFTER_MIN);
    if let Part::Looking(since) = brain.part
        && core.clock.now().since(since) >= patience
    {
        warn!("there is no leader: serving clients that only want to read (readonlymode.enabled)");
        brain.part = Part::ReadOnly;
        core.set_phase(Phase::ReadOnly);
    }
}

/// The least time without a leader before read-only service begins.
const READ_ONLY_AFTER_MIN: std::time::Duration = std::time::Duration::from_secs(2);

/// A learner says something about clients.
pub(crate) fn from_learner(core: &Core, brain: &mut Brain, link: LinkId, packet: QuorumPacket) {
    let kind = packet.kind;
    if let Err(error) = leading::handle(core, brain, link, packet) {
        warn!(?link, ?kind, %error, "a learner's message cannot be read");
    }
}

/// The leader says something about clients.
pub(crate) fn from_leader(core: &Core, brain: &mut Brain, link: LinkId, packet: QuorumPacket) {
    let kind = packet.kind;
    if let Err(error) = learning::handle(core, brain, link, &packet) {
        warn!(?link, ?kind, %error, "the leader's message cannot be read");
    }
}

/// Everything that was outstanding when a client of this leader asked for a `sync` is applied.
pub(crate) fn synced(core: &Core, brain: &mut Brain, token: SyncToken) {
    if let Part::Leading(leading) = &mut brain.part
        && let Some(sync) = leading.take_sync(token)
    {
        sync.answer(core);
    }
}
