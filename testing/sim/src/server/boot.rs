//! From a disk to a process, and the changes of the disk that are not the log's.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use zabra_proto::FieldLimit;
use zabra_storage::{
    Compression, DataDirs, Disk, Epochs, FaultDisk, LogOptions, LogQuery, LogReader, Loss, RecentLimits,
    RecoverOptions, RecoveredMember, SnapshotOptions, TxnLog, find_in_log, list_snapshots, recover_member,
};
use zabra_tree::{Tree, TreeOptions};
use zabra_types::Zxid;
use zabra_zab::Durable;

use super::Machine;
use super::log::died;
use crate::env::{Env, Stop};
use crate::messages::TxnId;

/// The longest field and transaction.
pub(super) const LIMIT: FieldLimit = FieldLimit(1 << 20);

/// Where every server keeps its data, each on its own disk.
pub(super) static DIRS: LazyLock<DataDirs> =
    LazyLock::new(|| DataDirs::new(Path::new("/data"), Path::new("/log")));

/// How snapshots are written.
pub(super) const SNAPSHOT: SnapshotOptions =
    SnapshotOptions { compression: Compression::None, digest: true, last_zxid: true, sync: true };

/// What a disk holds.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) tree: Tree,
    /// What the peer is told of it.
    pub(super) durable: Durable,
    pub(super) recent: Vec<(Zxid, Bytes)>,
    /// Where the snapshot ends that the rest was replayed onto.
    pub(super) base: Zxid,
    pub(super) replayed: Vec<TxnId>,
}

/// How what a disk holds is recovered.
pub(super) fn options(autocreate: bool) -> RecoverOptions {
    RecoverOptions {
        dirs: DIRS.clone(),
        dir_autocreate: true,
        db_autocreate: autocreate,
        trust_empty_snapshot: false,
        tree: TreeOptions::default(),
        limit: LIMIT,
        snapshot: SNAPSHOT,
    }
}

/// Recovers what a disk holds, as a starting server does.
pub(super) fn start(machine: &Machine, env: &Env) -> Result<Loaded, Stop> {
    let limits = RecentLimits { len: env.scenario.history_len, bytes: 1 << 20 };
    let mut replayed = Vec::new();
    let recovered =
        recover_member(&shared(&machine.disk), &options(machine.may_be_empty), limits, |zxid, payload| {
            replayed.push(TxnId::of(zxid, payload))
        });
    let RecoveredMember { recovered, epochs, recent, base } = recovered.map_err(|error| died(&error))?;
    if recovered.report.mismatches > 0 {
        let what = format!("s{} recovered a tree with wrong digests: {:?}", machine.id, recovered.report);
        return Err(Stop::violation("replicas", what));
    }
    let Epochs { accepted, current } = epochs;
    let durable =
        Durable { accepted_epoch: accepted, current_epoch: current, last_zxid: recovered.last_zxid };
    Ok(Loaded { tree: recovered.tree, durable, recent: recent.txns, base, replayed })
}

/// What a disk would hold if the power went now, as far as transactions go: where the snapshot ends, and what follows.
pub(crate) fn survivors(disk: &FaultDisk) -> Option<(Zxid, Vec<TxnId>)> {
    let copy = disk.duplicate();
    copy.crash(Loss::Unsynced, 0);
    let limits = RecentLimits { len: 1, bytes: 1 };
    let mut replayed = Vec::new();
    let note = |zxid, bytes: &[u8]| replayed.push(TxnId::of(zxid, bytes));
    let found = recover_member(&shared(&copy), &options(false), limits, note).ok()?;
    Some((found.base, replayed))
}

/// The log, to go on after the last transaction.
pub(super) fn open_log(machine: &Machine, last: Zxid) -> TxnLog {
    let options = LogOptions {
        dir: DIRS.logs.clone(),
        force_sync: true,
        growth: 1024,
        file_size_max: None,
        payload_len_max: LIMIT,
    };
    TxnLog::open(shared(&machine.disk), options, last)
}

/// `Output::FindInLog`.
pub(super) fn floor_in_log(machine: &Machine, base: Zxid, at: Zxid, before: Zxid) -> Option<Zxid> {
    let query = LogQuery { base, at, before, size_limit: None, limit: LIMIT };
    find_in_log(&shared(&machine.disk), &DIRS, &query).ok()?
}

/// The transactions of the log between two; none when it has them no more.
pub(super) fn log_between(machine: &Machine, after: Zxid, before: Zxid) -> Option<Vec<(Zxid, Bytes)>> {
    let mut reader = LogReader::open_found(shared(&machine.disk), &DIRS, after, before, LIMIT).ok()?;
    let mut entries = Vec::new();
    while let Some(entry) = reader.next().ok()? {
        entries.push((entry.zxid, Bytes::copy_from_slice(entry.payload)));
    }
    Some(entries)
}

/// The snapshots that hold more than this, for those who forget to remove them.
pub(super) fn newer_snapshots(disk: &FaultDisk, last: Zxid) -> Vec<(PathBuf, Vec<u8>)> {
    let files = list_snapshots(disk, &DIRS.snapshots).unwrap_or_default();
    let newer = files.into_iter().filter(|file| file.zxid > last);
    newer.filter_map(|file| Some((file.path.clone(), disk.get(&file.path)?))).collect()
}

pub(super) fn shared(disk: &FaultDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}
