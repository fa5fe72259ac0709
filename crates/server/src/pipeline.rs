//! From a prepared transaction to its reply: the queue to the log, the log thread, and the commit.
//!
//! One thread takes everything that waits, appends it, syncs once, applies it in order and answers. While it syncs,
//! connections go on preparing the next batch. Nothing is answered before its batch is on disk.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tracing::{error, warn};
use zabra_node::{Events, GateToken, WatchTable, reply, reply::AfterReply};
use zabra_proto::{ConnectResponse, OpCode, Txn, TxnHeader, decode_txn};
use zabra_storage::{LogError, TxnLog};
use zabra_tree::{DigestCheck, Outcome, Tree};
use zabra_types::{SessionId, SessionPassword, WallTime, Xid};

use crate::audit::{self, Audited};
use crate::clock::Clock;
use crate::config;
use crate::conn::{Conn, Touched, handshake};
use crate::core::{Brain, Core};
use crate::events::Delivery;
use crate::reads;
use crate::snapshots::{Logged, Snapshots};
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
    },
}

/// A transaction on its way to the log.
#[derive(Debug)]
pub(crate) struct Queued {
    /// Header, record and digest, encoded.
    pub(crate) payload: Vec<u8>,
    /// The header again.
    pub(crate) header: TxnHeader,
    /// Who gets the answer.
    pub(crate) origin: Origin,
    /// When the request arrived.
    pub(crate) received: Instant,
}

/// Work for the log thread while no transaction is under way and none can be made.
pub(crate) type QuietWork = Box<dyn FnOnce(&mut Quiet<'_>) + Send>;

/// What [`QuietWork`] works with.
pub(crate) struct Quiet<'a> {
    /// The server.
    pub(crate) core: &'a Core,
    /// What decides; held, so that nothing new comes.
    pub(crate) brain: &'a mut Brain,
    /// The log; everything in it is applied.
    pub(crate) log: &'a mut TxnLog,
}

/// Transactions on their way to the log, in zxid order: pushed under the brain's lock, which gives out zxids.
#[derive(Debug, Default)]
pub(crate) struct LogQueue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
}

#[derive(Default)]
struct Waiting {
    txns: Vec<Queued>,
    quiet: Option<QuietWork>,
    closed: bool,
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { txns, quiet, closed } = self;
        f.debug_struct("Waiting")
            .field("txns", txns)
            .field("quiet", &quiet.is_some())
            .field("closed", closed)
            .finish()
    }
}

impl LogQueue {
    /// Hands a transaction to the log thread.
    pub(crate) fn push(&self, txn: Queued) {
        let mut waiting = self.waiting.lock();
        waiting.txns.push(txn);
        if waiting.txns.len() == 1 {
            self.filled.notify_one();
        }
    }

    /// Gives the log thread work for a quiet moment, one at a time. It is dropped without being done when the server
    /// ends first.
    pub(crate) fn run_when_quiet(&self, work: QuietWork) {
        let mut waiting = self.waiting.lock();
        if !waiting.closed {
            waiting.quiet = Some(work);
            self.filled.notify_one();
        }
    }

    /// Lets the log thread end once it has taken what waits.
    pub(crate) fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        waiting.quiet = None;
        self.filled.notify_all();
    }

    /// What waits, moved into the empty `batch`, once the pace allows; nothing only when there is work for a quiet
    /// moment. False when the queue is closed and empty.
    fn take(&self, batch: &mut Vec<Queued>, pace: &Pace) -> bool {
        let mut waiting = self.waiting.lock();
        while waiting.txns.is_empty() && waiting.quiet.is_none() {
            if waiting.closed {
                return false;
            }
            self.filled.wait(&mut waiting);
        }
        if !pace.delay.is_zero() && waiting.quiet.is_none() {
            let deadline = Instant::now() + pace.delay;
            while !waiting.closed && waiting.txns.len() < pace.batch_max && Instant::now() < deadline {
                let before = waiting.txns.len();
                self.filled.wait_until(&mut waiting, deadline.min(Instant::now() + pace.quiet_max));
                if waiting.txns.len() == before {
                    break;
                }
            }
        }
        std::mem::swap(&mut waiting.txns, batch);
        if batch.len() > pace.batch_max {
            waiting.txns = batch.split_off(pace.batch_max);
        }
        true
    }

    fn take_quiet_work(&self) -> Option<QuietWork> {
        self.waiting.lock().quiet.take()
    }
}

/// When a flush is due.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// How long the first transaction may wait for company (`flushDelay`).
    delay: Duration,
    /// How long nothing may come before it stops waiting (`maxWriteQueuePollTime`).
    quiet_max: Duration,
    /// The most transactions of one flush (`maxBatchSize`).
    batch_max: usize,
}

impl Pace {
    fn new(storage: &config::Storage) -> Self {
        Self {
            delay: storage.flush_delay,
            quiet_max: storage.write_queue_poll_max,
            batch_max: storage.batch_max.max(1) as usize,
        }
    }
}

/// Ends the server when the log thread panics: clients must not wait for answers that never come.
struct Bereaved<'a>(&'a Core);

impl Drop for Bereaved<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("the log thread panicked; please report the message above".to_owned());
        }
    }
}

/// The log thread: runs until the queue is closed and drained, or the disk fails.
pub(crate) fn run_log(core: &Arc<Core>, mut log: TxnLog, mut snapshots: Snapshots) {
    let _bereaved = Bereaved(core);
    let mut batch = Vec::new();
    let pace = Pace::new(&core.config.storage);
    while core.queue.take(&mut batch, &pace) {
        if let Some(work) = core.queue.take_quiet_work()
            && let Err(why) = run_quiet(core, &mut log, &mut batch, work)
        {
            core.fail(why);
            return;
        }
        if batch.is_empty() {
            continue;
        }
        let flushed = match write_batch(core, &mut log, &batch) {
            Ok(flushed) => flushed,
            Err(error) => {
                core.fail(format!("the transaction log cannot be written: {}", chain(&error)));
                return;
            }
        };
        if let Err(why) = commit(core, &mut batch) {
            core.fail(why);
            return;
        }
        if let Err(error) = snapshots.after_flush(core, &mut log, flushed) {
            core.fail(format!("the transaction log cannot be rolled: {}", chain(&error)));
            return;
        }
        // Now that everybody has been answered: a sync that need not grow the file takes half the time.
        if let Err(error) = log.fill_ahead() {
            core.fail(format!("the transaction log cannot be extended: {}", chain(&error)));
            return;
        }
    }
}

/// Does work that needs the log thread while nothing is under way.
fn run_quiet(core: &Core, log: &mut TxnLog, batch: &mut Vec<Queued>, work: QuietWork) -> Result<(), String> {
    let mut brain = core.brain.lock();
    // Nothing new comes while the brain is held; what came before is finished first.
    batch.append(&mut core.queue.waiting.lock().txns);
    let mut after = Aftermath::default();
    if !batch.is_empty() {
        write_batch(core, log, batch)
            .map_err(|error| format!("the transaction log cannot be written: {}", chain(&error)))?;
        apply(core, &mut brain, batch, &mut after)?;
    }
    work(&mut Quiet { core, brain: &mut brain, log });
    drop(brain);
    after.carry_out(core);
    Ok(())
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn write_batch(core: &Core, log: &mut TxnLog, batch: &[Queued]) -> Result<Logged, LogError> {
    let start = Instant::now();
    let mut waited = Run::new(&core.stats.sync_processor_queue_time_ms);
    for txn in batch {
        waited.record(millis(start.duration_since(txn.received)));
        log.append(txn.header.zxid, &txn.payload)?;
    }
    drop(waited);
    let flushing = Instant::now();
    let flushed = log.flush()?;
    core.stats.sync_processor_queue_size.record(batch.len() as u64);
    core.stats.sync_processor_queue_flush_time_ms.record(millis(flushing.elapsed()));
    core.stats.sync_process_time.record_many(millis(start.elapsed()), batch.len() as u64);
    core.stats.fsynctime.record(millis(flushed.sync_time));
    core.stats.sync_processor_batch_size.record(flushed.entries);
    if flushed.sync_time > core.config.storage.sync_warning_threshold {
        core.stats.fsync_threshold_exceed_count.increment();
        warn!(
            took_ms = millis(flushed.sync_time),
            "syncing the transaction log took long: the disk is busy or slow, and every write waits for it"
        );
    }
    Ok(Logged { entries: flushed.entries, bytes: flushed.bytes })
}

/// Applies flushed transactions in order and answers them.
fn commit(core: &Core, batch: &mut Vec<Queued>) -> Result<(), String> {
    let mut after = Aftermath::default();
    let applied = apply(core, &mut core.brain.lock(), batch, &mut after);
    after.carry_out(core);
    applied
}

/// What is left to do for a batch when no lock is held any more.
#[derive(Default)]
struct Aftermath {
    /// The connections that have something to send now.
    touched: Touched,
    /// The audit log of the batch; writing it may take its time.
    lines: Vec<audit::Line>,
}

impl Aftermath {
    /// A client hears of its change when that is in the audit log.
    fn carry_out(self, core: &Core) {
        for line in self.lines {
            line.write();
        }
        core.waker.wake(self.touched);
        core.throttler.free();
    }
}

/// Applies a batch without what comes after.
fn apply(
    core: &Core,
    brain: &mut Brain,
    batch: &mut Vec<Queued>,
    after: &mut Aftermath,
) -> Result<(), String> {
    let mut tree = core.tree.write();
    let mut watches = core.watches.lock();
    let mut step = Commit {
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
    };
    batch.drain(..).try_for_each(|txn| step.apply(txn))
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
    fn apply(&mut self, queued: Queued) -> Result<(), String> {
        let core = self.core;
        let zxid = queued.header.zxid;
        let (header, txn, digest) = decode_txn(&queued.payload)
            .map_err(|error| format!("transaction {zxid} cannot be read back: {error}"))?;
        if let Txn::CloseSession { paths } = &txn
            && core.config.audit.enabled
        {
            self.lines.extend(audit::end_of_session(self.tree, header.session, paths.as_deref()));
        }
        let outcome = {
            let mut delivery = Delivery::new(core, self.touched);
            let mut events = Events::new(self.watches, &mut delivery, &core.schemes, core.options.skip_acl);
            self.tree.apply(&header, &txn, &mut events)
        };
        if let DigestCheck::Mismatch { expected, actual } = self.tree.check_digest(zxid, digest) {
            core.stats.digest_mismatches_count.increment();
            error!(%zxid, expected, actual, "the tree is not as it was when this transaction was prepared");
        }
        note_namespaces(&mut self.tally, &txn);
        self.brain.preparer.committed(zxid);
        core.stats.commit_count.increment();
        core.stats.outstanding.fetch_sub(1, Relaxed);
        core.stats.large_bytes.fetch_sub(core.large_share(&queued.payload), Relaxed);
        let ended = match txn {
            Txn::CloseSession { .. } => self.brain.sessions.remove(header.session),
            _ => None,
        };
        let latency = millis(self.now.duration_since(queued.received));
        self.logged.record(latency);
        self.propagated.record(u64::try_from(self.wall.millis() - header.time.millis()).unwrap_or(0));
        match queued.origin {
            Origin::Server => {}
            Origin::Connect { conn, read_only } => {
                self.accept(conn, header.session, read_only, latency);
            }
            Origin::Request { conn, xid, op, token, audited } => {
                if let Some(audited) = audited {
                    audited.conclude(&txn, &outcome, self.lines);
                }
                self.tally.update(latency);
                self.answer(conn, (xid, op, token), (&header, &txn, &outcome), latency);
            }
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

    /// Answers a write, and then the reads that waited for it.
    fn answer(
        &mut self,
        conn: Arc<Conn>,
        (xid, op, token): (Xid, OpCode, GateToken),
        (header, txn, outcome): (&TxnHeader, &Txn<'_>, &Outcome),
        latency: u64,
    ) {
        let last_zxid = self.tree.last_zxid();
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
        self.touched.push(conn);
    }

    /// Tells a client its new session.
    fn accept(&mut self, conn: Arc<Conn>, session: SessionId, read_only: Option<bool>, latency: u64) {
        let Some(timeout_ms) = self.brain.sessions.timeout_ms(session) else { return };
        if !self.core.conns.is_open(&conn) {
            // It went while its session was being made; the session ends by itself if the client does not return.
            return;
        }
        self.brain.sessions.attach(session, conn.id());
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
        let zxid = self.tree.last_zxid().raw();
        outbox.stats.answered(OpCode::CreateSession.tag(), 0, zxid, core.clock.now(), latency);
        drop(outbox);
        self.touched.push(conn);
    }
}
