//! From a decided transaction to its reply: it is applied to the tree, its events go out, and whoever waits for it is
//! answered.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use tracing::error;
use zabra_node::{Events, GateToken, WatchTable, reply, reply::AfterReply};
use zabra_proto::{ConnectResponse, OpCode, Txn, TxnHeader, decode_txn};
use zabra_tree::{DigestCheck, Outcome, Tree};
use zabra_types::{SessionId, SessionPassword, WallTime, Xid};

use crate::audit::{self, Audited};
use crate::clock::Clock;
use crate::conn::{Conn, Touched, handshake};
use crate::core::{Brain, Core};
use crate::ensemble::requests::Part;
use crate::events::Delivery;
use crate::pipeline::Queued;
use crate::reads;
use crate::stats::{Distribution, Run, Tally, millis};

/// Who gets the answer to a transaction.
#[derive(Debug)]
pub(crate) enum Origin {
    /// Nobody: the server made the request itself.
    Server,
    /// A client's request.
    Request {
        /// Where it came from.
        conn: Arc<Conn>,
        /// Its number.
        xid: Xid,
        /// What was asked.
        op: OpCode,
        /// What waits for it in the connection's gate.
        token: GateToken,
        /// What the audit log will say of it, if there is one.
        audited: Option<Box<Audited>>,
    },
    /// A client's wish for a session.
    Connect {
        /// Where it came from.
        conn: Arc<Conn>,
        /// What the client said about read-only servers.
        read_only: Option<bool>,
        /// The negotiated timeout in milliseconds.
        timeout_ms: i32,
    },
}

/// A request that is under way.
#[derive(Debug)]
pub(crate) struct Waiter {
    /// Who gets the answer.
    pub(crate) origin: Origin,
    /// When the request arrived.
    pub(crate) received: Instant,
    /// What it counts among the large requests under way.
    pub(crate) large_bytes: i64,
}

impl Waiter {
    /// A request that counts among those under way from now on.
    pub(crate) fn enter(core: &Core, origin: Origin, received: Instant, payload: &[u8]) -> Self {
        let large_bytes = core.large_share(payload);
        core.stats.outstanding.fetch_add(1, Relaxed);
        core.stats.large_bytes.fetch_add(large_bytes, Relaxed);
        Self { origin, received, large_bytes }
    }

    /// It is not under way any more: it was answered, or will not be. Returns who gets the answer, and when the request
    /// arrived.
    pub(crate) fn leave(self, core: &Core) -> (Origin, Instant) {
        core.stats.outstanding.fetch_sub(1, Relaxed);
        core.stats.large_bytes.fetch_sub(self.large_bytes, Relaxed);
        (self.origin, self.received)
    }
}

/// What is left to do for a batch when no lock is held any more.
#[derive(Default)]
pub(crate) struct Aftermath {
    /// The connections that have something to send now.
    touched: Touched,
    /// The audit log of the batch; writing it may take its time.
    lines: Vec<audit::Line>,
}

impl Aftermath {
    /// A client hears of its change when that is in the audit log.
    pub(crate) fn carry_out(self, core: &Core) {
        for line in self.lines {
            line.write();
        }
        core.waker.send(self.touched);
        core.throttler.free();
    }
}

/// Applies a batch of this server alone, without what comes after.
pub(crate) fn apply(
    core: &Core,
    brain: &mut Brain,
    batch: &mut Vec<Queued>,
    after: &mut Aftermath,
) -> Result<(), String> {
    with_commit(core, brain, after, |step| {
        batch.drain(..).try_for_each(|queued| step.apply(&queued.payload, |_, _| Some(queued.waiter)))
    })
}

/// Applies transactions that the ensemble has decided, and answers those of this server's clients who wait for them.
///
/// # Errors
/// A transaction cannot be read: this server must not go on.
pub(crate) fn apply_decided<'a>(
    core: &Core,
    brain: &mut Brain,
    payloads: impl IntoIterator<Item = &'a [u8]>,
    after: &mut Aftermath,
) -> Result<(), String> {
    with_commit(core, brain, after, |step| {
        payloads
            .into_iter()
            .try_for_each(|payload| step.apply(payload, |brain, txn| brain.part.take_waiter(txn)))
    })
}

/// Takes the locks below the brain for a batch.
fn with_commit<R>(
    core: &Core,
    brain: &mut Brain,
    after: &mut Aftermath,
    work: impl FnOnce(&mut Commit<'_>) -> R,
) -> R {
    let mut tree = core.tree.write();
    let mut watches = core.watches.lock();
    work(&mut Commit {
        core,
        brain,
        tree: &mut tree,
        watches: &mut watches,
        touched: &mut after.touched,
        lines: &mut after.lines,
        now: Instant::now(),
        wall: Clock::wall(),
        tally: Tally::new(&core.stats),
        logged: Run::new(&core.stats.sync_processor_queue_and_flush_time_ms),
        propagated: Run::new(&core.stats.propagation_latency),
    })
}

/// Counts what a transaction wrote, by namespace (`write_per_namespace`).
fn note_namespaces(tally: &mut Tally<'_>, txn: &Txn<'_>) {
    let (path, data) = match txn {
        Txn::Create(create) | Txn::CreateContainer(create) | Txn::CreateTtl(create, _) => {
            (&create.path, create.data)
        }
        Txn::SetData { path, data, .. } => (path, *data),
        Txn::Delete { path } => (path, None),
        Txn::Multi(parts) => return parts.iter().for_each(|part| note_namespaces(tally, &part.txn)),
        _ => return,
    };
    tally.wrote_node(path, (path.len() + data.map_or(0, <[u8]>::len)) as u64);
}

/// What one batch is applied with, all locks held.
struct Commit<'a> {
    core: &'a Core,
    brain: &'a mut Brain,
    tree: &'a mut Tree,
    watches: &'a mut WatchTable,
    touched: &'a mut Touched,
    lines: &'a mut Vec<audit::Line>,
    now: Instant,
    wall: WallTime,
    tally: Tally<'a>,
    logged: Run<'a, Distribution>,
    propagated: Run<'a, Distribution>,
}

impl Commit<'_> {
    /// Applies a transaction and answers whoever `waiter` says waits for it.
    fn apply(
        &mut self,
        payload: &[u8],
        waiter: impl FnOnce(&mut Brain, &TxnHeader) -> Option<Waiter>,
    ) -> Result<(), String> {
        let core = self.core;
        let (header, txn, digest) =
            decode_txn(payload).map_err(|error| format!("a transaction cannot be read back: {error}"))?;
        let zxid = header.zxid;
        if let Txn::CloseSession { paths } = &txn
            && core.config.audit.enabled
        {
            self.lines.extend(audit::end_of_session(self.tree, header.session, paths.as_deref()));
        }
        let outcome = {
            let mut delivery = Delivery::new(core, self.touched);
            let mut events = Events::new(self.watches, &mut delivery, &core.schemes, core.options.skip_acl);
            // Only what this server prepared itself, against this tree.
            let prepared = self.brain.part.decides().then(|| self.brain.preparer.hints(zxid));
            self.tree.apply_prepared(&header, &txn, prepared.into_iter().flatten(), &mut events)
        };
        if let DigestCheck::Mismatch { expected, actual } = self.tree.check_digest(zxid, digest) {
            core.stats.digest_mismatches_count.increment();
            error!(%zxid, expected, actual, "the tree is not as it was when this transaction was prepared");
        }
        note_namespaces(&mut self.tally, &txn);
        self.brain.preparer.committed(zxid);
        core.stats.commit_count.increment();
        let ended = match txn {
            Txn::CloseSession { .. } => self.brain.sessions.remove(header.session),
            _ => None,
        };
        self.propagated.record(u64::try_from(self.wall.millis() - header.time.millis()).unwrap_or(0));
        if let Some(waiter) = waiter(self.brain, &header) {
            let (origin, received) = waiter.leave(core);
            let latency = millis(self.now.duration_since(received));
            self.logged.record(latency);
            self.conclude(origin, (&header, &txn, &outcome), latency);
        }
        if let Some(conn) = ended.and_then(|conn| core.conns.get(conn)) {
            // Whoever asked for it leaves after the reply; an expired session's connection goes without a word.
            let leaving = conn.outbox().closing;
            if !leaving {
                conn.cut();
            }
        }
        Ok(())
    }

    /// Tells whoever waited what became of the request.
    fn conclude(
        &mut self,
        origin: Origin,
        (header, txn, outcome): (&TxnHeader, &Txn<'_>, &Outcome),
        latency: u64,
    ) {
        match origin {
            Origin::Server => {}
            Origin::Connect { conn, read_only, timeout_ms } => match txn {
                Txn::CreateSession { .. } => {
                    self.accept(conn, header.session, (read_only, timeout_ms), latency);
                }
                // A leader that is not ours may refuse; there is no session then.
                _ => conn.cut(),
            },
            Origin::Request { conn, xid, op, token, audited } => {
                if let Some(audited) = audited {
                    audited.conclude(txn, outcome, self.lines);
                }
                self.tally.update(latency);
                self.answer(conn, (xid, op, token), (header, txn, outcome), latency);
            }
        }
    }

    /// Answers a write, and then the reads that waited for it.
    fn answer(
        &mut self,
        conn: Arc<Conn>,
        (xid, op, token): (Xid, OpCode, GateToken),
        (header, txn, outcome): (&TxnHeader, &Txn<'_>, &Outcome),
        latency: u64,
    ) {
        let last_zxid = self.core.shown_zxid(self.tree);
        let mut outbox = conn.outbox();
        // A connection that was told to leave meanwhile gets nothing more.
        if outbox.gate.complete(token) {
            let start = outbox.bytes.len();
            match reply::put_write_reply(&mut outbox.bytes, (op, xid), header, txn, outcome, last_zxid) {
                AfterReply::Keep => {}
                AfterReply::Close => outbox.closing = true,
                AfterReply::CloseSilently => conn.cut(),
            }
            let told = (op, xid, last_zxid);
            self.core.note_reply(&mut self.tally, &mut outbox, start, told, latency);
            reads::run_released(
                (self.core, &mut self.tally),
                &conn,
                &mut outbox,
                self.tree,
                self.watches,
                latency,
            );
        }
        drop(outbox);
        self.touched.answered(conn);
    }

    /// Tells a client its new session.
    fn accept(
        &mut self,
        conn: Arc<Conn>,
        session: SessionId,
        (read_only, timeout_ms): (Option<bool>, i32),
        latency: u64,
    ) {
        if !self.core.conns.is_open(&conn) {
            // It went while its session was being made; the session ends by itself if the client does not return.
            return;
        }
        match self.brain.part {
            Part::Learning(_) => drop(self.brain.sessions.serve_remote(session, timeout_ms, conn.id())),
            _ => drop(self.brain.sessions.attach(session, conn.id())),
        }
        let response = ConnectResponse {
            timeout_ms,
            session,
            password: SessionPassword::of(session),
            read_only: read_only.map(|_| false),
        };
        let core = self.core;
        self.tally.update(latency);
        core.stats.packets_sent.increment();
        let mut outbox = conn.outbox();
        handshake::put_connect_response(&mut outbox.bytes, &response);
        // Now, and not before: the task answers requests as soon as it sees the session.
        conn.attach(session, timeout_ms);
        let zxid = core.shown_zxid(self.tree).raw();
        outbox.stats.answered(OpCode::CreateSession.tag(), 0, zxid, core.clock.now(), latency);
        drop(outbox);
        self.touched.answered(conn);
    }
}
