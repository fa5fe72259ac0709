//! A learner: what its clients ask the leader, and what the leader says about them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tracing::{debug, info};
use zabra_node::{Pending, PendingRequests};
use zabra_proto::{
    DecodeError, ForwardedRequest, OpCode, PacketKind, QuorumPacket, RevalidateAsk, RevalidateReply,
    SessionTouch, TxnHeader,
};
use zabra_types::{Identity, SessionId, Xid};
use zabra_zab::{Input, LinkId};

use super::{Part, PendingSync};
use crate::commit::Waiter;
use crate::conn::{Conn, handshake};
use crate::core::{Brain, Core};

/// What a learner remembers of what it asked its leader for its clients.
#[derive(Debug)]
pub(crate) struct Learning {
    link: LinkId,
    pending: PendingRequests<Waiter>,
    /// Answered in this order, without a number.
    syncs: VecDeque<PendingSync>,
    renewals: BTreeMap<SessionId, Renewal>,
}

/// A client that came with a session, and waits until the leader says that it lives.
#[derive(Debug)]
pub(crate) struct Renewal {
    /// The connection.
    pub(crate) conn: Arc<Conn>,
    /// The negotiated timeout in milliseconds.
    pub(crate) timeout_ms: i32,
    /// What the client said about read-only servers.
    pub(crate) read_only: Option<bool>,
}

impl Learning {
    /// Nothing is asked yet.
    pub(super) fn new(link: LinkId) -> Self {
        Self { link, pending: PendingRequests::default(), syncs: VecDeque::new(), renewals: BTreeMap::new() }
    }

    /// Sends a client's write, or the beginning of its session, to the leader. The answer is the transaction that it
    /// becomes.
    pub(crate) fn ask(
        &mut self,
        session: SessionId,
        (xid, op, body): (Xid, OpCode, &[u8]),
        identities: Option<&[Identity]>,
        waiter: Waiter,
    ) -> Input {
        self.pending.push(session, Pending { xid, op, origin: waiter });
        self.request(session, (xid, op, body), identities)
    }

    /// Makes a local session of this server one of the ensemble. Nobody waits for that alone: the request that needs it
    /// comes behind.
    pub(crate) fn upgrade(&self, session: SessionId, timeout_ms: i32) -> Input {
        self.request(session, (Xid::default(), OpCode::CreateSession, &timeout_ms.to_be_bytes()), None)
    }

    /// Sends a client's `sync` to the leader.
    pub(crate) fn ask_for_sync(&mut self, session: SessionId, sync: PendingSync) -> Input {
        let read = &sync.read;
        let input = self.request(session, (read.xid, read.op, &read.body), Some(&read.identities));
        self.syncs.push_back(sync);
        input
    }

    /// Asks whether a session lives that a client came with. Whoever came with it before is cut.
    pub(crate) fn ask_for_session(&mut self, session: SessionId, renewal: Renewal) -> Input {
        let packet = RevalidateAsk { session, timeout_ms: renewal.timeout_ms }.to_packet();
        if let Some(before) = self.renewals.insert(session, renewal) {
            before.conn.cut();
        }
        Input::Send { link: self.link, packet }
    }

    fn request(
        &self,
        session: SessionId,
        (cxid, op, body): (Xid, OpCode, &[u8]),
        identities: Option<&[Identity]>,
    ) -> Input {
        let request = ForwardedRequest { session, cxid, op: op.code(), body };
        Input::Send { link: self.link, packet: request.to_packet(identities.map(<[Identity]>::to_vec)) }
    }

    pub(super) fn take_waiter(&mut self, txn: &TxnHeader) -> Option<Waiter> {
        self.pending.take(txn).map(|request| request.origin)
    }

    pub(super) fn into_waiters(mut self) -> Vec<Waiter> {
        self.pending.drain().collect()
    }
}

/// Handles PING, REVALIDATE and SYNC of the leader (`Learner.processPacket`).
pub(super) fn handle(
    core: &Core,
    brain: &mut Brain,
    link: LinkId,
    packet: &QuorumPacket,
) -> Result<(), DecodeError> {
    let Part::Learning(learning) = &mut brain.part else { return Ok(()) };
    if learning.link != link {
        return Ok(());
    }
    match packet.kind {
        PacketKind::Ping => {
            let heard = |conn| core.conns.get(conn).map(|conn| conn.heard());
            let touched = brain.sessions.touched(core.clock.now(), heard);
            let touches =
                touched.into_iter().map(|(session, timeout_ms)| SessionTouch { session, timeout_ms });
            let packet = SessionTouch::ping_reply(packet.zxid, touches);
            brain.inputs.push(Input::Send { link, packet });
        }
        PacketKind::Revalidate => {
            let reply = RevalidateReply::decode(packet.data.as_deref())?;
            if let Some(renewal) = learning.renewals.remove(&reply.session) {
                renew(core, brain, &reply, &renewal);
            }
        }
        PacketKind::Sync => {
            // The genuine server takes one that nobody waits for as a bug of its own; here it is just nobody's.
            if let Some(sync) = learning.syncs.pop_front() {
                sync.answer(core);
            }
        }
        kind => debug!(?kind, "not for a learner's clients"),
    }
    Ok(())
}

/// The leader has said whether a session lives.
fn renew(core: &Core, brain: &mut Brain, reply: &RevalidateReply, renewal: &Renewal) {
    let Renewal { conn, timeout_ms, read_only } = renewal;
    let session = reply.session;
    if !core.conns.is_open(conn) {
        return;
    }
    if reply.valid {
        let before = brain.sessions.serve_remote(session, *timeout_ms, conn.id());
        handshake::cut_former(core, conn, session, before);
    } else {
        info!(%session, client = %conn.remote(), "the leader does not know the session");
    }
    handshake::settle(core, conn, (session, *timeout_ms), *read_only, reply.valid);
    conn.wake();
}
