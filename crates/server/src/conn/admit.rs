//! Requests of a session: which are answered at once, which become transactions, which wait.
//!
//! One call handles every complete frame that a wake-up brought: reads with nothing of the session before them are
//! answered from the tree right here; writes are prepared and queued for the log; whatever stands behind a write waits
//! in the connection's gate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::debug;
use zabra_auth::Refused;
use zabra_node::{Owner, Prepared, Proposal, QueuedRead, Submitter, Surroundings};
use zabra_proto::{
    OpClass, OpCode, Put, Reader, Request, RequestHeader, Txn, TxnType, begin_frame, decode_txn, end_frame,
    put_reply_header, split_frame,
};
use zabra_types::{Identity, KeeperError, Xid, Zxid};

use super::Conn;
use super::task::Closed;
use crate::audit::{self, Audited};
use crate::clock::Clock;
use crate::commit::Origin;
use crate::core::{Brain, Core};
use crate::reads::{self, Held};
use crate::stats::{Tally, millis, namespace_of};

/// What became of the bytes of a connection.
pub(super) struct Handled {
    /// How many of them are dealt with.
    pub(super) used: usize,
    /// What follows.
    pub(super) next: Next,
}

/// What follows the requests that were handled.
pub(super) enum Next {
    /// Others, as they come.
    Read,
    /// Those that have come, once the throttler lets them.
    Wait,
    /// Nothing: the connection closes once everything before is answered.
    Leave,
}

/// Handles the complete frames at the start of `bytes`, which the throttler held back for `waited`, as far as the
/// throttler lets them.
pub(super) fn requests(
    core: &Arc<Core>,
    conn: &Arc<Conn>,
    bytes: &[u8],
    waited: Duration,
) -> Result<Handled, Closed> {
    let mut batch = Batch {
        core,
        conn,
        identities: conn.identities(),
        received: Instant::now(),
        waited_too_long: core.config.requests.throttled_op_wait.is_some_and(|limit| waited > limit),
        held: Held::Nothing,
        packets: 0,
        tally: Tally::new(&core.stats),
        lines: Vec::new(),
    };
    let mut rest = bytes;
    let ended = loop {
        match split_frame(rest, core.limits.frame_len_max) {
            Ok(Some(_)) if core.is_throttled() => {
                break Ok(Handled { used: bytes.len() - rest.len(), next: Next::Wait });
            }
            Ok(Some((frame, behind))) => {
                rest = behind;
                batch.packets += 1;
                match batch.request(frame) {
                    Ok(Flow::Next) => {}
                    Ok(Flow::Leave) => break Ok(Handled { used: bytes.len(), next: Next::Leave }),
                    Err(closed) => break Err(closed),
                }
            }
            Ok(None) => {
                break match rest.first_chunk::<4>() {
                    Some(word) if !core.admits_large(u32::from_be_bytes(*word)) => {
                        core.stats.large_requests_rejected.increment();
                        Err(Closed::Broken("too many large requests are under way".to_owned()))
                    }
                    _ => Ok(Handled { used: bytes.len() - rest.len(), next: Next::Read }),
                };
            }
            Err(error) => break Err(Closed::Broken(error.to_string())),
        }
    };
    let (packets, received) = (batch.packets, batch.received);
    let lines = std::mem::take(&mut batch.lines);
    batch.held.finish(core);
    drop(batch.tally);
    for line in lines {
        line.write();
    }
    conn.outbox().stats.received += packets;
    core.stats.packets_received.add(packets);
    core.stats.prep_processor_request_queued.add(packets);
    core.stats.prep_process_time.record_many(millis(received.elapsed()), packets);
    if core.config.requests.throttle.requests_max.is_some() {
        core.stats.request_throttle_queue_time_ms.record_many(millis(waited), packets);
    }
    ended
}

/// The requests of one wake-up.
pub(super) struct Batch<'a> {
    pub(super) core: &'a Arc<Core>,
    pub(super) conn: &'a Arc<Conn>,
    pub(super) identities: Arc<[Identity]>,
    pub(super) received: Instant,
    /// Whether the throttler held the batch back for so long that it is refused (`throttled_op_wait_time`).
    waited_too_long: bool,
    pub(super) held: Held<'a>,
    packets: u64,
    pub(super) tally: Tally<'a>,
    /// Audit lines about requests that never became transactions, to be written without locks.
    pub(super) lines: Vec<audit::Line>,
}

/// What follows a request.
pub(super) enum Flow {
    /// The next one.
    Next,
    /// Nothing: the connection closes once everything before is answered.
    Leave,
}

impl Batch<'_> {
    fn request(&mut self, frame: &[u8]) -> Result<Flow, Closed> {
        let mut reader = Reader::with_limit(frame, self.core.field_limit());
        let header = RequestHeader::decode(&mut reader)
            .map_err(|error| Closed::Broken(format!("the request header cannot be read: {error}")))?;
        let body = reader.rest();
        match OpCode::from_code(header.op) {
            Some(OpCode::Auth) => self.authenticate(header.xid, body),
            Some(OpCode::Sasl) => self.sasl(header.xid, body),
            _ if !self.core.is_authenticated(&self.identities) => {
                Ok(self.refuse_now(header.xid, KeeperError::SessionClosedRequireSaslAuth))
            }
            Some(op)
                if self.waited_too_long
                    && op.class() != OpClass::Internal
                    && !matches!(op, OpCode::Ping | OpCode::CloseSession) =>
            {
                self.core.stats.throttled_ops.increment();
                let last_zxid = self.core.shown_zxid(self.held.tree(self.core));
                self.refuse_in_order(op, header.xid, KeeperError::ThrottledOp, last_zxid);
                Ok(Flow::Next)
            }
            Some(OpCode::Sync) if self.core.is_member() => self.sync(header.xid, body),
            Some(op) => match op.class() {
                OpClass::Read => Ok(self.read(header.xid, op, body)),
                OpClass::Write => self.write(header.xid, op, body),
                OpClass::Internal | OpClass::Immediate => Ok(self.unknown_op(header.xid)),
            },
            None => Ok(self.unknown_op(header.xid)),
        }
    }

    /// A read runs at once when nothing of the session is before it; else it waits in the gate.
    pub(super) fn read(&mut self, xid: Xid, op: OpCode, body: &[u8]) -> Flow {
        let Self { core, conn, held, .. } = self;
        // The tree comes before the outbox: whether the read waits and what it sees are decided together.
        let tree = held.tree(core);
        let mut outbox = conn.outbox();
        if outbox.gate.is_waiting() {
            let identities = Arc::clone(&self.identities);
            outbox.gate.push_read(QueuedRead { xid, op, body: body.into(), identities });
        } else {
            let at = (&***core, &mut self.tally);
            reads::answer(at, conn, &mut outbox, tree, &self.identities, (xid, op, body), self.received);
        }
        Flow::Next
    }

    /// A write becomes a transaction on its way to the log.
    fn write(&mut self, xid: Xid, op: OpCode, body: &[u8]) -> Result<Flow, Closed> {
        let core = self.core;
        let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        if !core.admits_large(len) {
            core.stats.large_requests_rejected.increment();
            return Err(Closed::Broken("too many large requests are under way".to_owned()));
        }
        if core.is_member()
            && let Some(flow) = self.before_write(xid, op, body)?
        {
            return Ok(flow);
        }
        let Self { core, conn, held, .. } = self;
        let session = conn.session();
        let (Brain { preparer, sessions, part, inputs, .. }, tree) = held.brain(core);
        if sessions.is_closing(session) {
            // The transaction that ends the session is on its way and closes the connection: dropped, as in the
            // genuine server.
            return Ok(Flow::Leave);
        }
        let at = Surroundings {
            tree,
            sessions,
            schemes: &core.schemes,
            time: Clock::wall(),
            field_limit: core.field_limit(),
        };
        let from = Submitter { session, xid, owner: Owner::Here, identities: &self.identities };
        let audited = audited(core, conn, &self.identities, (op, body));
        let leave = op == OpCode::CloseSession;
        let start = leave.then(Instant::now);
        let prepared = preparer.prepare(&at, &from, op, body);
        if let Some(start) = start {
            core.stats.close_session_prep_time.record(millis(start.elapsed()));
            sessions.set_closing(session);
        }
        match prepared {
            Ok(Prepared::Proposal(proposal)) => {
                if core.options.enforce_quota {
                    count_quota_refusal(core, &proposal, op, body);
                }
                let token = conn.outbox().gate.push_write();
                let audited = audited.map(Box::new);
                let origin = Origin::Request { conn: Arc::clone(conn), xid, op, token, audited };
                core.propose(part, inputs, proposal, (origin, self.received));
            }
            Ok(Prepared::Refused(error)) => {
                let last_zxid = core.shown_zxid(tree);
                self.lines.extend(audited.map(|audited| audited.refused()));
                self.refuse_in_order(op, xid, error, last_zxid);
            }
            Err(used_up) => {
                core.use_up(part, inputs, &used_up);
                return Ok(Flow::Leave);
            }
        }
        Ok(if leave { Flow::Leave } else { Flow::Next })
    }

    /// A request refused without a transaction: told in its turn.
    pub(super) fn refuse_in_order(&mut self, op: OpCode, xid: Xid, error: KeeperError, last_zxid: Zxid) {
        let mut outbox = self.conn.outbox();
        if outbox.gate.is_waiting() {
            outbox.gate.push_refusal(xid, op, error);
        } else {
            reads::refuse((self.core, &mut self.tally), &mut outbox, op, xid, error, last_zxid);
        }
    }

    /// No such operation, or none that a client may ask for: answered, then the connection closes.
    fn unknown_op(&self, xid: Xid) -> Flow {
        let mut reply = Vec::new();
        put_bare_reply(&mut reply, xid, Zxid::NONE, Some(KeeperError::Unimplemented));
        let mut outbox = self.conn.outbox();
        if outbox.gate.is_waiting() {
            outbox.gate.push_reply(reply);
        } else {
            outbox.bytes.extend_from_slice(&reply);
        }
        outbox.closing = true;
        Flow::Leave
    }

    /// A refusal that overtakes what waits, after which the connection closes.
    fn refuse_now(&self, xid: Xid, error: KeeperError) -> Flow {
        let mut outbox = self.conn.outbox();
        put_bare_reply(&mut outbox.bytes, xid, Zxid::ZERO, Some(error));
        outbox.gate.clear();
        outbox.closing = true;
        Flow::Leave
    }

    /// Handled at once; the answer may overtake those of earlier requests.
    fn authenticate(&mut self, xid: Xid, body: &[u8]) -> Result<Flow, Closed> {
        let Self { core, conn, .. } = self;
        let mut reader = Reader::with_limit(body, core.field_limit());
        let accepted = match Request::decode(OpCode::Auth, &mut reader) {
            Ok(Request::Auth(auth)) => {
                let scheme = auth.scheme.unwrap_or_default();
                let mut identities = self.identities.to_vec();
                let remote = conn.remote().ip();
                let outcome = core.schemes.authenticate(&scheme, auth.auth, remote, &mut identities);
                count_ensemble(core, &scheme, outcome);
                match outcome {
                    Ok(()) => {
                        conn.set_identities(identities);
                        self.identities = conn.identities();
                        Ok(())
                    }
                    Err(refused) => {
                        debug!(client = %remote, session = %conn.session(), %scheme, %refused, "authentication refused");
                        Err(refused)
                    }
                }
            }
            Ok(_) => Err(Refused::Failed),
            Err(error) => return Err(Closed::Broken(format!("an auth packet cannot be read: {error}"))),
        };
        match accepted {
            Ok(()) => {
                put_bare_reply(&mut conn.outbox().bytes, xid, Zxid::ZERO, None);
                Ok(Flow::Next)
            }
            Err(Refused::Failed) => {
                core.stats.auth_failed_count.increment();
                Ok(self.refuse_now(xid, KeeperError::AuthFailed))
            }
            Err(Refused::WrongEnsemble) => Err(Closed::ByServer),
        }
    }

    /// SASL is not configured: every step succeeds with a null token and authenticates nobody, as in the genuine
    /// server.
    fn sasl(&self, xid: Xid, body: &[u8]) -> Result<Flow, Closed> {
        let mut reader = Reader::with_limit(body, self.core.field_limit());
        match Request::decode(OpCode::Sasl, &mut reader) {
            Ok(Request::Sasl(Some(_))) => {
                let mut outbox = self.conn.outbox();
                let out = &mut outbox.bytes;
                let frame = begin_frame(out);
                put_reply_header(out, xid, Zxid::ZERO, None);
                out.put_buffer(None);
                end_frame(out, frame);
                Ok(Flow::Next)
            }
            Ok(_) => Err(Closed::Broken("a SASL step without a token".to_owned())),
            Err(error) => Err(Closed::Broken(format!("a SASL step cannot be read: {error}"))),
        }
    }
}

/// What the audit log will say of a write, if it says anything.
pub(super) fn audited(
    core: &Core,
    conn: &Conn,
    identities: &[Identity],
    (op, body): (OpCode, &[u8]),
) -> Option<Audited> {
    if !core.config.audit.enabled {
        return None;
    }
    let who = (conn.session(), conn.remote().ip(), identities);
    Audited::new(who, &core.schemes, (op, body, core.field_limit()))
}

/// Counts how clients that name an ensemble fare.
fn count_ensemble(core: &Core, scheme: &str, outcome: Result<(), Refused>) {
    let stats = &core.stats;
    match outcome {
        Err(Refused::WrongEnsemble) => stats.ensemble_auth_fail.increment(),
        Ok(()) if scheme == "ensemble" && core.config.access.ensemble_names.is_empty() => {
            stats.ensemble_auth_skip.increment();
        }
        Ok(()) if scheme == "ensemble" => stats.ensemble_auth_success.increment(),
        _ => {}
    }
}

/// Counts a write that a quota refused, under the first part of its path; a multi under that of its first path.
fn count_quota_refusal(core: &Core, proposal: &Proposal, op: OpCode, body: &[u8]) {
    /// Type, end mark and error code in front of each operation of a multi.
    const MULTI_HEADER_LEN: usize = 9;
    if op != OpCode::Multi && proposal.header.kind != TxnType::Error.code() {
        return;
    }
    let is_refused =
        |txn: &Txn<'_>| matches!(txn, Txn::Error { code } if *code == KeeperError::QuotaExceeded.code());
    let refused = match decode_txn(&proposal.payload) {
        Ok((_, Txn::Multi(parts), _)) => parts.iter().any(|part| is_refused(&part.txn)),
        Ok((_, txn, _)) => is_refused(&txn),
        Err(_) => false,
    };
    if !refused {
        return;
    }
    let skipped = if op == OpCode::Multi { MULTI_HEADER_LEN } else { 0 };
    let path = body.get(skipped..).and_then(|rest| Reader::new(rest).text("path").ok().flatten());
    if let Some(namespace) = path.and_then(|path| core.stats.namespaces.get(namespace_of(&path)?)) {
        namespace.quota_exceeded.increment();
    }
}

pub(super) fn put_bare_reply(out: &mut Vec<u8>, xid: Xid, zxid: Zxid, error: Option<KeeperError>) {
    let frame = begin_frame(out);
    put_reply_header(out, xid, zxid, error);
    end_frame(out, frame);
}
