//! Writes and `sync`s on a member of an ensemble: what is decided here, and what the leader is asked.

use std::sync::Arc;

use zabra_node::{QueuedRead, SessionKind, check_eagerly, makes_ephemeral, refuse_to_forward};
use zabra_proto::{OpCode, Reader, Request};
use zabra_types::{KeeperError, Xid, Zxid};

use super::admit::{Batch, Flow, audited, put_bare_reply};
use super::task::Closed;
use crate::commit::{Origin, Waiter};
use crate::core::Brain;
use crate::ensemble::requests::{Part, PendingSync};
use crate::reads;

impl Batch<'_> {
    /// What comes before a write is prepared by a leader; a learner forwards it. None: it is to be prepared.
    pub(super) fn before_write(&mut self, xid: Xid, op: OpCode, body: &[u8]) -> Result<Option<Flow>, Closed> {
        let Self { core, conn, held, .. } = self;
        let (brain, tree) = held.brain(core);
        // A part that ended meanwhile has cut all its connections.
        if conn.is_cut() || matches!(brain.part, Part::Looking(_)) {
            return Err(Closed::ByServer);
        }
        let learning = matches!(brain.part, Part::Learning(_));
        let local = brain.sessions.kind(conn.session()) == Some(SessionKind::Local);
        let limit = core.field_limit();
        if local && op == OpCode::CloseSession {
            return Ok(Some(self.close_local(xid)));
        }
        let last_zxid = core.shown_zxid(tree);
        let refused = if matches!(brain.part, Part::ReadOnly) {
            Some(KeeperError::NotReadOnly)
        } else if learning {
            refuse_to_forward(op, body, limit)
        } else {
            None
        };
        if let Some(error) = refused {
            return Ok(Some(self.refuse_write((xid, op, body), error, last_zxid)));
        }
        if core.config.access.eager_acl_check {
            let schemes = (&core.schemes as &_, core.options.skip_acl);
            if let Err(error) = check_eagerly(tree, schemes, &self.identities, (op, body, limit)) {
                return Ok(Some(self.refuse_eagerly((xid, op, body), error)));
            }
        }
        if local && makes_ephemeral(op, body, limit) {
            if core.config.sessions.local_upgrading {
                self.upgrade();
            } else if learning && op != OpCode::Multi {
                let error = KeeperError::EphemeralOnLocalSession;
                return Ok(Some(self.refuse_write((xid, op, body), error, last_zxid)));
            }
        }
        Ok(if learning { Some(self.forward(xid, op, body)) } else { None })
    }

    /// Asks the leader. The answer is the transaction that it makes.
    fn forward(&mut self, xid: Xid, op: OpCode, body: &[u8]) -> Flow {
        let Self { core, conn, held, identities, .. } = self;
        let (Brain { part, inputs, .. }, _) = held.brain(core);
        if let Part::Learning(learning) = part {
            let audited = audited(core, conn, identities, (op, body)).map(Box::new);
            let token = conn.outbox().gate.push_write();
            let origin = Origin::Request { conn: Arc::clone(conn), xid, op, token, audited };
            let waiter = Waiter::enter(core, origin, self.received, body);
            inputs.push(learning.ask(conn.session(), (xid, op, body), Some(identities), waiter));
        }
        if op == OpCode::CloseSession { Flow::Leave } else { Flow::Next }
    }

    /// A `sync` on a leader or learner is answered behind everything that the leader has proposed before it.
    pub(super) fn sync(&mut self, xid: Xid, body: &[u8]) -> Result<Flow, Closed> {
        let Self { core, conn, held, identities, .. } = self;
        let op = OpCode::Sync;
        if Request::decode(op, &mut Reader::with_limit(body, core.field_limit())).is_err() {
            return Ok(self.read(xid, op, body));
        }
        let (Brain { part, inputs, .. }, tree) = held.brain(core);
        if conn.is_cut() {
            return Err(Closed::ByServer);
        }
        let pending = |conn: &Arc<_>| PendingSync {
            conn: Arc::clone(conn),
            token: conn.outbox().gate.push_write(),
            read: QueuedRead { xid, op, body: body.into(), identities: Arc::clone(identities) },
            received: self.received,
        };
        match part {
            Part::Leading(leading) => inputs.push(leading.wait_for_sync(pending(conn))),
            Part::Learning(learning) => inputs.push(learning.ask_for_sync(conn.session(), pending(conn))),
            Part::ReadOnly => {
                let last_zxid = core.shown_zxid(tree);
                self.refuse_in_order(op, xid, KeeperError::NotReadOnly, last_zxid);
            }
            Part::Alone | Part::Looking(_) => return Err(Closed::ByServer),
        }
        Ok(Flow::Next)
    }

    /// The end of a session that only this server knows.
    fn close_local(&mut self, xid: Xid) -> Flow {
        let Self { core, conn, held, .. } = self;
        let (brain, tree) = held.brain(core);
        brain.sessions.remove(conn.session());
        let last_zxid = core.shown_zxid(tree);
        let mut outbox = conn.outbox();
        if outbox.gate.is_waiting() {
            outbox.gate.push_goodbye(xid);
            outbox.closing = true;
        } else {
            reads::say_goodbye((core, &mut self.tally), &mut outbox, xid, last_zxid);
        }
        Flow::Leave
    }

    /// Makes the session of this connection one of the whole ensemble.
    fn upgrade(&mut self) {
        let Self { core, conn, held, .. } = self;
        let (brain, _) = held.brain(core);
        let session = conn.session();
        let kind =
            if matches!(brain.part, Part::Learning(_)) { SessionKind::Remote } else { SessionKind::Global };
        let Some(timeout_ms) = brain.sessions.upgrade(session, kind) else { return };
        match &brain.part {
            Part::Learning(learning) => brain.inputs.push(learning.upgrade(session, timeout_ms)),
            _ => core.propose_own(brain, |preparer, at| {
                preparer.create_session(at, (session, Xid::default()), timeout_ms)
            }),
        }
    }

    fn refuse_write(
        &mut self,
        (xid, op, body): (Xid, OpCode, &[u8]),
        error: KeeperError,
        last_zxid: Zxid,
    ) -> Flow {
        let audited = audited(self.core, self.conn, &self.identities, (op, body));
        self.lines.extend(audited.map(|audited| audited.refused()));
        self.refuse_in_order(op, xid, error, last_zxid);
        if op == OpCode::CloseSession { Flow::Leave } else { Flow::Next }
    }

    /// The refusal of a check that the leader has no part in shows no zxid. The genuine server lets it overtake what waits,
    /// which clients take for a fault.
    fn refuse_eagerly(&mut self, (xid, op, body): (Xid, OpCode, &[u8]), error: KeeperError) -> Flow {
        let audited = audited(self.core, self.conn, &self.identities, (op, body));
        self.lines.extend(audited.map(|audited| audited.refused()));
        let mut reply = Vec::new();
        put_bare_reply(&mut reply, xid, Zxid::ZERO, Some(error));
        let mut outbox = self.conn.outbox();
        if outbox.gate.is_waiting() {
            outbox.gate.push_reply(reply);
        } else {
            outbox.bytes.extend_from_slice(&reply);
        }
        Flow::Next
    }
}
