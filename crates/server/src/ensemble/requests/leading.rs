//! A leader: its own clients' requests, and those that learners pass on.

use std::collections::{BTreeMap, VecDeque};

use tracing::debug;
use zabra_node::{Owner, Prepared, Submitter};
use zabra_proto::{
    DecodeError, ForwardedRequest, OpClass, OpCode, PacketKind, QuorumPacket, Reader, RevalidateAsk,
    RevalidateReply, read_touches,
};
use zabra_types::{Identity, KeeperError, Zxid};
use zabra_zab::{Input, LinkId, SyncToken};

use super::{Part, PendingSync};
use crate::commit::Waiter;
use crate::core::{Brain, Core};

/// What a leader remembers of its own clients' requests.
#[derive(Debug, Default)]
pub(crate) struct Leading {
    /// Who waits for which transaction, in order.
    waiters: VecDeque<(Zxid, Waiter)>,
    syncs: BTreeMap<SyncToken, PendingSync>,
    next_sync: u64,
}

impl Leading {
    /// Somebody waits for this transaction, the last one made.
    pub(crate) fn wait(&mut self, zxid: Zxid, waiter: Waiter) {
        self.waiters.push_back((zxid, waiter));
    }

    /// Keeps a `sync` of an own client until it is answered.
    pub(crate) fn wait_for_sync(&mut self, sync: PendingSync) -> Input {
        let token = SyncToken(self.next_sync);
        self.next_sync += 1;
        self.syncs.insert(token, sync);
        Input::Sync { learner: None, token }
    }

    /// How many of those are not answered.
    pub(crate) fn pending_syncs(&self) -> usize {
        self.syncs.len()
    }

    pub(super) fn take_waiter(&mut self, zxid: Zxid) -> Option<Waiter> {
        match self.waiters.front() {
            Some((first, _)) if *first == zxid => self.waiters.pop_front().map(|(_, waiter)| waiter),
            _ => None,
        }
    }

    pub(super) fn take_sync(&mut self, token: SyncToken) -> Option<PendingSync> {
        self.syncs.remove(&token)
    }

    pub(super) fn into_waiters(self) -> Vec<Waiter> {
        self.waiters.into_iter().map(|(_, waiter)| waiter).collect()
    }
}

/// Handles REQUEST, PING and REVALIDATE of a learner (`LearnerHandler.run`).
pub(super) fn handle(
    core: &Core,
    brain: &mut Brain,
    link: LinkId,
    packet: QuorumPacket,
) -> Result<(), DecodeError> {
    // What comes after this server has stopped leading is of no use to anybody.
    if !matches!(brain.part, Part::Leading(_)) {
        return Ok(());
    }
    let data = packet.data.as_deref();
    match packet.kind {
        PacketKind::Request => {
            let request = ForwardedRequest::decode(data)?;
            submit(core, brain, link, &request, packet.identities.as_deref());
        }
        PacketKind::Ping => {
            let now = core.clock.now();
            for touch in read_touches(data) {
                let touch = touch?;
                brain.sessions.renew(touch.session, touch.timeout_ms, now);
            }
        }
        PacketKind::Revalidate => {
            let ask = RevalidateAsk::decode(data)?;
            let packet = revalidate(core, brain, link, ask).to_packet(packet.zxid);
            brain.inputs.push(Input::Send { link, packet });
        }
        kind => debug!(?kind, "not for the leader"),
    }
    Ok(())
}

/// A client has come to a learner with its session.
fn revalidate(core: &Core, brain: &mut Brain, link: LinkId, ask: RevalidateAsk) -> RevalidateReply {
    let (session, now) = (ask.session, core.clock.now());
    let valid = brain.sessions.revalidate(session, ask.timeout_ms, Owner::Learner(link), now);
    // The genuine leader lets the connection stand until its next request, which it does not answer.
    if valid && let Some(conn) = brain.sessions.part_with(session).and_then(|conn| core.conns.get(conn)) {
        debug!(%session, old = %conn.remote(), "the session moves to another server");
        conn.cut();
    }
    core.stats.connection_revalidate_count.increment();
    debug!(%session, ?link, valid, "a session was asked for");
    RevalidateReply { session, valid }
}

/// A request of a learner's client. Every one that is no `sync` becomes a transaction: the learner waits for it.
fn submit(
    core: &Core,
    brain: &mut Brain,
    link: LinkId,
    request: &ForwardedRequest<'_>,
    identities: Option<&[Identity]>,
) {
    let op = OpCode::from_code(request.op);
    if op == Some(OpCode::Sync) {
        brain.inputs.push(Input::Sync { learner: Some(link), token: SyncToken::default() });
        return;
    }
    let Brain { preparer, sessions, inputs, part, .. } = brain;
    let owner = Owner::Learner(link);
    let from = Submitter {
        session: request.session,
        xid: request.cxid,
        owner,
        identities: identities.unwrap_or_default(),
    };
    let tree = core.tree.read();
    let proposal = match op {
        Some(OpCode::CreateSession) => match Reader::new(request.body).i32("timeout") {
            Ok(timeout_ms) => {
                sessions.track(from.session, timeout_ms, core.clock.now());
                sessions.claim(from.session, owner);
                let at = core.surroundings(&tree, sessions);
                preparer.create_session(&at, (from.session, from.xid), timeout_ms)
            }
            Err(_) => {
                let at = core.surroundings(&tree, sessions);
                preparer.refuse(&at, &from, KeeperError::MarshallingError)
            }
        },
        Some(op) if op.class() == OpClass::Write => {
            sessions.claim(from.session, owner);
            let at = core.surroundings(&tree, sessions);
            match preparer.prepare(&at, &from, op, request.body) {
                Ok(Prepared::Proposal(proposal)) => Ok(proposal),
                Ok(Prepared::Refused(error)) => preparer.refuse(&at, &from, error),
                Err(used_up) => Err(used_up),
            }
        }
        // The genuine server would run what only servers may ask for, without looking at any list of access control.
        _ => {
            let at = core.surroundings(&tree, sessions);
            preparer.refuse(&at, &from, KeeperError::Unimplemented)
        }
    };
    if op == Some(OpCode::CloseSession) {
        sessions.set_closing(from.session);
    }
    match proposal {
        Ok(proposal) => core.propose_to_ensemble(inputs, proposal),
        Err(used_up) => core.use_up(part, inputs, &used_up),
    }
}
