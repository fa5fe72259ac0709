//! Taking back transactions that a leader does not have.

use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;
use tracing::info;
use zabra_proto::FieldLimit;
use zabra_types::Zxid;

use crate::error::{Doing, Explain, StorageError};
use crate::log::{cut_after, for_each_entry};
use crate::recover::{Unfit, restore_upto};
use crate::{
    DataDirs, Disk, Origin, RecoverError, RecoverOptions, Recovered, list_logs, list_snapshots,
    valid_snapshots,
};

/// What a truncation left.
#[derive(Debug)]
pub struct Truncated {
    /// The tree as it was after the last transaction that is left, if it was asked for.
    pub reloaded: Option<Recovered>,
    /// The files that were removed.
    pub removed: Vec<PathBuf>,
}

/// Why a history was not truncated. Except after a failure of the disk nothing was changed.
#[derive(Debug, Error)]
pub enum TruncateError {
    /// The disk failed. Calling again goes on where it stopped.
    #[error(transparent)]
    Disk(#[from] StorageError),
    /// No snapshot is as old as that: what remains could not be loaded.
    #[error("no snapshot holds a state from {zxid} or before")]
    NoSnapshot {
        /// The last transaction to keep.
        zxid: Zxid,
    },
    /// The transaction is neither in the log nor the last before one that is.
    #[error("there is no transaction {zxid}, so what is before it may not be all that the leader means")]
    NotHere {
        /// The last transaction to keep.
        zxid: Zxid,
    },
    /// What would remain cannot be loaded.
    #[error("what is there up to {zxid} cannot be loaded")]
    Unrestorable {
        /// The last transaction to keep.
        zxid: Zxid,
        /// Why not.
        source: Box<RecoverError>,
    },
}

/// Forgets every transaction after `zxid`: from the logs, and the snapshots that hold any of them. With `reload` returns
/// the tree that is left; it is needed when the tree in memory holds more.
///
/// Unlike the genuine server, which keeps such snapshots and loads them again, and which keeps one transaction too many
/// when `zxid` is not in its log. Everything is checked before anything is changed. The order makes a crash harmless:
/// snapshots go first, then logs from the newest on, so what is there is always a whole history, shorter or not.
///
/// The log has nothing pending and is told [`crate::TxnLog::restart_after`] next. No snapshot is being written.
///
/// # Errors
/// See [`TruncateError`]. All but a failure of the disk mean that only a leader's snapshot helps.
pub fn truncate(
    disk: &Arc<dyn Disk>,
    options: &RecoverOptions,
    zxid: Zxid,
    reload: bool,
) -> Result<Truncated, TruncateError> {
    let dirs = &options.dirs;
    let snapshots = list_snapshots(&**disk, &dirs.snapshots)?;
    let valid = valid_snapshots(&**disk, &dirs.snapshots, snapshots.len())?;
    if !valid.iter().any(|snapshot| snapshot.zxid <= zxid) {
        return Err(TruncateError::NoSnapshot { zxid });
    }
    if !valid.iter().any(|snapshot| snapshot.zxid == zxid) && !is_in_log(&**disk, dirs, zxid, options.limit)?
    {
        return Err(TruncateError::NotHere { zxid });
    }
    let mut unfit = Unfit::default();
    let reloaded = match reload.then(|| restore_upto(disk, options, zxid, &mut unfit)) {
        None => None,
        Some(Ok(recovered)) if recovered.report.origin == Origin::Missing => {
            return Err(TruncateError::NoSnapshot { zxid });
        }
        Some(Ok(recovered)) => Some(recovered),
        Some(Err(RecoverError::Disk(error))) => return Err(error.into()),
        Some(Err(error)) => return Err(TruncateError::Unrestorable { zxid, source: Box::new(error) }),
    };
    let newer = snapshots.into_iter().rev().filter(|file| file.zxid > zxid || unfit.reaches_beyond(file));
    let mut removed: Vec<_> = newer.map(|file| file.path).collect();
    for path in &removed {
        disk.remove(path).explain(Doing::Remove, path)?;
    }
    disk.sync_dir(&dirs.snapshots).explain(Doing::SyncDir, &dirs.snapshots)?;
    removed.extend(cut_after(&**disk, &dirs.logs, zxid, options.limit)?);
    info!("truncated the history to {zxid}");
    Ok(Truncated { reloaded, removed })
}

/// Whether the log has the transaction, or the one right after it.
fn is_in_log(disk: &dyn Disk, dirs: &DataDirs, zxid: Zxid, limit: FieldLimit) -> Result<bool, StorageError> {
    let files = list_logs(disk, &dirs.logs)?;
    // The first transaction after it may begin the next file.
    let next_file = files.iter().find(|file| file.zxid > zxid);
    let mut found = false;
    for file in files.iter().rev().find(|file| file.zxid <= zxid).into_iter().chain(next_file) {
        for_each_entry(disk, &file.path, limit, |entry, _| {
            found |= entry == zxid || Some(entry) == zxid.next()
        })?;
    }
    Ok(found)
}
