//! Snapshots while serving: when, and on a thread of their own.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tracing::{error, info, warn};
use zabra_storage::{
    DataDirs, LogError, SharedTree, SnapshotInfo, SnapshotTrigger, StorageError, TxnLog, write_snapshot,
};
use zabra_tree::Tree;

use crate::core::Core;
use crate::options;
use crate::pipeline::chain;
use crate::stats::millis;

impl SharedTree for Core {
    fn look<R>(&self, look: impl FnOnce(&Tree) -> R) -> R {
        look(&self.tree.read())
    }
}

/// The slowest a snapshot is written, in bytes a second.
const RATE_MIN: f64 = 32e6;
/// How fast one after a start is written, which is to be done before the next start.
const RATE_AT_START: f64 = 128e6;
/// The part of the time from one snapshot to the next that it may take at most.
const SHARE_OF_TIME: f64 = 0.5;
/// What a node takes in a snapshot besides its path and data.
const NODE_LEN: u64 = 76;
/// A snapshot ahead of its time by less goes on.
const PAUSE_MIN: Duration = Duration::from_millis(2);
/// And looks this often whether it has become urgent.
const PAUSE_MAX: Duration = Duration::from_millis(20);

/// Keeps snapshots apart from each other and from what replaces the database.
#[derive(Debug, Default)]
pub(crate) struct Snapshotting {
    turn: Mutex<()>,
    waiting: AtomicUsize,
    /// Whether one that nobody asked for is being written, or about to be.
    begun: AtomicBool,
}

impl Snapshotting {
    /// Waits for the snapshot being written, which hurries from now on; none is begun while this is kept.
    pub(crate) fn lock(&self) -> MutexGuard<'_, ()> {
        self.waiting.fetch_add(1, SeqCst);
        let turn = self.turn.lock();
        self.waiting.fetch_sub(1, SeqCst);
        turn
    }

    /// Whether one that nobody asked for is being written, or about to be.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(SeqCst)
    }

    fn is_urgent(&self) -> bool {
        self.waiting.load(SeqCst) > 0
    }
}

/// A tree that is looked at a little at a time, so that requests hardly notice.
struct Unhurried<'a> {
    core: &'a Core,
    /// Bytes a second.
    rate: f64,
    /// When what was written until now is due.
    due: Cell<Instant>,
}

impl SharedTree for Unhurried<'_> {
    fn look<R>(&self, look: impl FnOnce(&Tree) -> R) -> R {
        self.core.look(look)
    }

    fn pause(&self, written: usize) {
        let now = Instant::now();
        // A disk that was slow for a while is not made to catch up.
        let due = self.due.get().max(now) + Duration::from_secs_f64(written as f64 / self.rate);
        self.due.set(due);
        if due < now + PAUSE_MIN {
            return;
        }
        // A server that ends leaves no thread behind for long.
        while !self.core.snapshotting.is_urgent() && !self.core.is_ending() {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(PAUSE_MAX));
        }
    }
}

/// What was logged and is in no snapshot.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Logged {
    /// Transactions.
    pub(crate) entries: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

impl Logged {
    /// Adds what was logged besides.
    pub(crate) fn add(&mut self, more: Self) {
        self.entries += more.entries;
        self.bytes += more.bytes;
    }
}

/// Decides when to snapshot, on the log thread.
#[derive(Debug)]
pub(crate) struct Snapshots {
    trigger: SnapshotTrigger,
    /// When the last one was due, or the server started.
    last_due: Instant,
}

impl Snapshots {
    /// Begins to count with what recovery had to replay.
    pub(crate) fn new(core: &Core, replayed: Logged) -> Self {
        let storage = &core.config.storage;
        let mut trigger =
            SnapshotTrigger::new(storage.snap_count, storage.snap_size_max, options::hash_key());
        trigger.logged(replayed.entries, replayed.bytes);
        Self { trigger, last_due: Instant::now() }
    }

    /// After a batch is on disk: rolls the log and begins a snapshot when enough has come together. While an earlier one
    /// is still being written, the log is rolled only.
    ///
    /// # Errors
    /// The log cannot be rolled; it is closed then.
    pub(crate) fn after_flush(
        &mut self,
        core: &Arc<Core>,
        log: &mut TxnLog,
        flushed: Logged,
    ) -> Result<(), LogError> {
        self.trigger.logged(flushed.entries, flushed.bytes);
        let (data_size, nodes) = {
            let tree = core.tree.read();
            (tree.approximate_data_size(), tree.node_count())
        };
        if !self.trigger.is_due(data_size) {
            return Ok(());
        }
        let interval = self.last_due.elapsed();
        let len = (data_size + nodes * NODE_LEN) as f64;
        let rate = (len / (interval.as_secs_f64() * SHARE_OF_TIME).max(f64::MIN_POSITIVE)).max(RATE_MIN);
        self.begin(core, log, rate)
    }

    /// Begins one when recovery had to replay much, so that the next start is quicker.
    ///
    /// # Errors
    /// The log cannot be rolled; it is closed then.
    pub(crate) fn after_start(&mut self, core: &Arc<Core>, log: &mut TxnLog) -> Result<(), LogError> {
        let data_size = core.tree.read().approximate_data_size();
        if self.trigger.is_long_to_replay(data_size) { self.begin(core, log, RATE_AT_START) } else { Ok(()) }
    }

    fn begin(&mut self, core: &Arc<Core>, log: &mut TxnLog, rate: f64) -> Result<(), LogError> {
        self.trigger.restart(options::hash_key());
        self.last_due = Instant::now();
        log.roll()?;
        if core.snapshotting.begun.swap(true, SeqCst) {
            warn!("too busy to snapshot, skipping one: the last is still being written");
            return Ok(());
        }
        let job = Arc::clone(core);
        let spawned = std::thread::Builder::new().name("snapshot".to_owned()).spawn(move || {
            // Nothing is lost when it fails: the logs since the last snapshot stay.
            let pace = Unhurried { core: &job, rate, due: Cell::new(Instant::now()) };
            let _ = write(&job, &pace);
            job.snapshotting.begun.store(false, SeqCst);
        });
        if let Err(error) = spawned {
            core.snapshotting.begun.store(false, SeqCst);
            core.stats.snapshot_error_count.increment();
            error!(%error, "cannot start a thread for a snapshot");
        }
        Ok(())
    }
}

/// The last snapshot of this process, for the admin server.
#[derive(Debug, Default)]
pub(crate) struct LastSnapshot(Mutex<Option<(SnapshotInfo, i64)>>);

impl LastSnapshot {
    /// The snapshot and when it was written, in milliseconds since 1970.
    pub(crate) fn get(&self) -> Option<(SnapshotInfo, i64)> {
        self.0.lock().clone()
    }
}

/// Writes a snapshot now, while serving, as fast as it goes: somebody waits for it.
///
/// # Errors
/// The disk failed; it has been logged and counted.
pub(crate) fn take(core: &Core) -> Result<SnapshotInfo, StorageError> {
    write(core, core)
}

fn write(core: &Core, tree: &impl SharedTree) -> Result<SnapshotInfo, StorageError> {
    let _one_at_a_time = core.snapshotting_unheld();
    let start = Instant::now();
    let storage = &core.config.storage;
    let dirs = DataDirs::new(&storage.data_dir, &storage.data_log_dir);
    let written = write_snapshot(&*core.disk, &dirs.snapshots, tree, options::snapshot(&core.config));
    match &written {
        Ok(info) => {
            core.stats.snapshottime.record(millis(start.elapsed()));
            info!(zxid = %info.zxid, bytes = info.len, took_ms = millis(start.elapsed()), "snapshot taken");
            *core.last_snapshot.0.lock() = Some((info.clone(), crate::clock::Clock::wall().millis()));
        }
        Err(error) => {
            core.stats.snapshot_error_count.increment();
            error!(
                error = chain(error),
                "a snapshot could not be written; nothing is lost, but the logs grow until one succeeds"
            );
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_a_snapshot_makes_it_urgent() {
        let snapshotting = Snapshotting::default();
        let turn = snapshotting.lock();
        assert!(!snapshotting.is_urgent());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| drop(snapshotting.lock()));
            while !snapshotting.is_urgent() {
                std::thread::yield_now();
            }
            drop(turn);
            assert!(waiting.join().is_ok());
        });
        assert!(!snapshotting.is_urgent());
    }
}
