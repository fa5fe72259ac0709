//! Snapshots while serving: when, and on a thread of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Instant;

use parking_lot::Mutex;
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
    /// Whether one is being written.
    busy: Arc<AtomicBool>,
}

impl Snapshots {
    /// Begins to count with what recovery had to replay.
    pub(crate) fn new(core: &Core, replayed: Logged) -> Self {
        let storage = &core.config.storage;
        let mut trigger =
            SnapshotTrigger::new(storage.snap_count, storage.snap_size_max, options::hash_key());
        trigger.logged(replayed.entries, replayed.bytes);
        Self { trigger, busy: Arc::default() }
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
        if !self.trigger.is_due(core.tree.read().approximate_data_size()) {
            return Ok(());
        }
        self.trigger.restart(options::hash_key());
        log.roll()?;
        if self.busy.swap(true, SeqCst) {
            warn!("too busy to snapshot, skipping one: the last is still being written");
            return Ok(());
        }
        let (job, busy) = (Arc::clone(core), Arc::clone(&self.busy));
        let spawned = std::thread::Builder::new().name("snapshot".to_owned()).spawn(move || {
            // Nothing is lost when it fails: the logs since the last snapshot stay.
            let _ = take(&job);
            busy.store(false, SeqCst);
        });
        if let Err(error) = spawned {
            self.busy.store(false, SeqCst);
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

/// Writes a snapshot now, while serving.
///
/// # Errors
/// The disk failed; it has been logged and counted.
pub(crate) fn take(core: &Core) -> Result<SnapshotInfo, StorageError> {
    let _one_at_a_time = core.snapshotting_unheld();
    let start = Instant::now();
    let storage = &core.config.storage;
    let dirs = DataDirs::new(&storage.data_dir, &storage.data_log_dir);
    let written = write_snapshot(&*core.disk, &dirs.snapshots, core, options::snapshot(&core.config));
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
