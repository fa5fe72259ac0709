//! From a prepared transaction to the disk: the queue to the log, and the log thread.
//!
//! One thread takes everything that waits, appends it, syncs once, applies it in order and answers. While it syncs,
//! connections go on preparing the next batch. Nothing is answered before its batch is on disk.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tracing::warn;
use zabra_proto::TxnHeader;
use zabra_storage::{Flushed, LogError, TxnLog};

use crate::commit::{Aftermath, Waiter, apply};
use crate::config;
use crate::core::{Brain, Core};
use crate::snapshots::{Logged, Snapshots};
use crate::stats::{Run, millis};

/// A transaction on its way to the log.
#[derive(Debug)]
pub(crate) struct Queued {
    /// Header, record and digest, encoded.
    pub(crate) payload: Vec<u8>,
    /// The header again.
    pub(crate) header: TxnHeader,
    /// Who waits for it.
    pub(crate) waiter: Waiter,
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
pub(crate) struct Pace {
    /// How long the first transaction may wait for company (`flushDelay`).
    pub(crate) delay: Duration,
    /// How long nothing may come before it stops waiting (`maxWriteQueuePollTime`).
    pub(crate) quiet_max: Duration,
    /// The most transactions of one flush (`maxBatchSize`).
    pub(crate) batch_max: usize,
}

impl Pace {
    pub(crate) fn new(storage: &config::Storage) -> Self {
        Self {
            delay: storage.flush_delay,
            quiet_max: storage.write_queue_poll_max,
            batch_max: storage.batch_max.max(1) as usize,
        }
    }
}

/// Ends the server when something panics that it cannot do without: clients must not wait for answers that never come,
/// and a state that is half changed must not decide anything.
pub(crate) struct Bereaved<'a> {
    /// The server.
    pub(crate) core: &'a Core,
    /// What it cannot do without.
    pub(crate) of: &'static str,
}

impl Drop for Bereaved<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.core.fail(format!("{} panicked; please report the message above", self.of));
        }
    }
}

/// The log thread: runs until the queue is closed and drained, or the disk fails.
pub(crate) fn run_log(core: &Arc<Core>, mut log: TxnLog, mut snapshots: Snapshots) {
    let _bereaved = Bereaved { core, of: "the log thread" };
    let mut batch = Vec::new();
    let pace = Pace::new(&core.config.storage);
    if let Err(error) = snapshots.after_start(core, &mut log) {
        core.fail(format!("the transaction log cannot be rolled: {}", chain(&error)));
        return;
    }
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
        waited.record(millis(start.duration_since(txn.waiter.received)));
        log.append(txn.header.zxid, &txn.payload)?;
    }
    drop(waited);
    let flushing = Instant::now();
    let flushed = log.flush()?;
    core.stats.sync_process_time.record_many(millis(start.elapsed()), batch.len() as u64);
    note_flush(core, &flushed, flushing);
    Ok(Logged { entries: flushed.entries, bytes: flushed.bytes })
}

/// Counts a flush of the log, and warns when it took long.
pub(crate) fn note_flush(core: &Core, flushed: &Flushed, since: Instant) {
    core.stats.sync_processor_queue_size.record(flushed.entries);
    core.stats.sync_processor_queue_flush_time_ms.record(millis(since.elapsed()));
    core.stats.fsynctime.record(millis(flushed.sync_time));
    core.stats.sync_processor_batch_size.record(flushed.entries);
    if flushed.sync_time > core.config.storage.sync_warning_threshold {
        core.stats.fsync_threshold_exceed_count.increment();
        warn!(
            took_ms = millis(flushed.sync_time),
            "syncing the transaction log took long: the disk is busy or slow, and every write waits for it"
        );
    }
}

/// Applies flushed transactions in order and answers them.
fn commit(core: &Core, batch: &mut Vec<Queued>) -> Result<(), String> {
    let mut after = Aftermath::default();
    let applied = apply(core, &mut core.brain.lock(), batch, &mut after);
    after.carry_out(core);
    applied
}
