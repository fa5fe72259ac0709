//! The thread to which everything durable goes, as one ordered stream: transactions for the log, epochs, truncations,
//! snapshots taken over from a leader.
//!
//! It takes everything that waits, syncs once, and reports. Reordering these steps is how committed data has been lost
//! (ZOOKEEPER-3911, 4643, 4646).

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use zabra_storage::TxnLog;
use zabra_types::Zxid;
use zabra_zab::{Input, StoreOp, Ticket};

use super::{Ensemble, disk};
use crate::core::Core;
use crate::pipeline::{Bereaved, Pace, chain, note_flush};
use crate::snapshots::{Logged, Snapshots};
use crate::stats::millis;

/// Something durable to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// Append a transaction to the log.
    Append {
        /// Its zxid.
        zxid: Zxid,
        /// Its bytes.
        payload: Bytes,
    },
    /// Something else, when everything before is on the disk.
    Store {
        /// Comes back when it is done.
        ticket: Ticket,
        /// What to do.
        op: StoreOp,
    },
}

/// What waits for the thread, in order: pushed under the brain's lock.
#[derive(Debug, Default)]
pub(crate) struct StoreQueue {
    waiting: Mutex<Waiting>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: Vec<(Instant, Job)>,
    /// Whether the thread sleeps.
    idle: bool,
    closed: bool,
}

impl StoreQueue {
    /// Hands a job to the thread, to be begun with at [`Self::start`] at the latest.
    pub(crate) fn push(&self, job: Job) {
        self.waiting.lock().jobs.push((Instant::now(), job));
    }

    /// Wakes the thread if there is something for it.
    pub(crate) fn start(&self) {
        let mut waiting = self.waiting.lock();
        if waiting.idle && !waiting.jobs.is_empty() {
            waiting.idle = false;
            self.filled.notify_one();
        }
    }

    /// Lets the thread end once it has taken what waits.
    pub(crate) fn close(&self) {
        self.waiting.lock().closed = true;
        self.filled.notify_all();
    }

    /// What waits, moved into the empty `batch`, once the pace allows. False when the queue is closed and empty.
    fn take(&self, batch: &mut Vec<(Instant, Job)>, pace: &Pace) -> bool {
        let mut waiting = self.waiting.lock();
        while waiting.jobs.is_empty() {
            if waiting.closed {
                return false;
            }
            waiting.idle = true;
            self.filled.wait(&mut waiting);
        }
        waiting.idle = false;
        if !pace.delay.is_zero() {
            let deadline = Instant::now() + pace.delay;
            while !waiting.closed && waiting.jobs.len() < pace.batch_max && Instant::now() < deadline {
                let before = waiting.jobs.len();
                self.filled.wait_until(&mut waiting, deadline.min(Instant::now() + pace.quiet_max));
                if waiting.jobs.len() == before {
                    break;
                }
            }
        }
        std::mem::swap(&mut waiting.jobs, batch);
        if batch.len() > pace.batch_max {
            waiting.jobs = batch.split_off(pace.batch_max);
        }
        true
    }
}

/// The thread: runs until the queue is closed and drained, or the disk fails.
pub(crate) fn run_store(core: &Arc<Core>, ensemble: &Ensemble, log: TxnLog, snapshots: Snapshots) {
    let _bereaved = Bereaved { core, of: "the log thread" };
    let pace = Pace::new(&core.config.storage);
    let mut store = Store { core, ensemble, log, snapshots, reports: Vec::new(), unreported: None };
    let mut batch = Vec::new();
    while ensemble.store.take(&mut batch, &pace) {
        if let Err(why) = store.carry_out(&mut batch) {
            core.fail(why);
            return;
        }
    }
}

struct Store<'a> {
    core: &'a Arc<Core>,
    ensemble: &'a Ensemble,
    log: TxnLog,
    snapshots: Snapshots,
    /// What is done and not told.
    reports: Vec<Input>,
    /// The last transaction appended and not flushed.
    unreported: Option<Zxid>,
}

impl Store<'_> {
    fn carry_out(&mut self, batch: &mut Vec<(Instant, Job)>) -> Result<(), String> {
        let start = Instant::now();
        let mut logged = Logged::default();
        for (since, job) in batch.drain(..) {
            match job {
                Job::Append { zxid, payload } => {
                    self.core.stats.sync_processor_queue_time_ms.record(millis(start.duration_since(since)));
                    self.log.append(zxid, &payload).map_err(|error| log_failure(&error))?;
                    self.unreported = Some(zxid);
                }
                Job::Store { ticket, op } => {
                    logged.add(self.flush()?);
                    // What is on the disk already need not wait for what takes its time.
                    self.report();
                    let done = disk::carry_out(self.core, self.ensemble, &mut self.log, op)?;
                    self.reports.push(if done {
                        Input::Stored(ticket)
                    } else {
                        Input::CannotTruncate(ticket)
                    });
                }
            }
        }
        logged.add(self.flush()?);
        self.report();
        if logged.entries > 0 {
            self.snapshots
                .after_flush(self.core, &mut self.log, logged)
                .map_err(|error| format!("the transaction log cannot be rolled: {}", chain(&error)))?;
            self.log
                .fill_ahead()
                .map_err(|error| format!("the transaction log cannot be extended: {}", chain(&error)))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<Logged, String> {
        let Some(zxid) = self.unreported.take() else { return Ok(Logged::default()) };
        let flushing = Instant::now();
        let flushed = self.log.flush().map_err(|error| log_failure(&error))?;
        note_flush(self.core, &flushed, flushing);
        self.reports.push(Input::Flushed(zxid));
        Ok(Logged { entries: flushed.entries, bytes: flushed.bytes })
    }

    fn report(&mut self) {
        if !self.reports.is_empty() {
            self.core.hear(self.reports.drain(..));
        }
    }
}

fn log_failure(error: &zabra_storage::LogError) -> String {
    format!("the transaction log cannot be written: {}", chain(error))
}
