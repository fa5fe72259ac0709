//! A leader's database takes the place of this server's, on the disk and at once. See `docs/formats/installing.md`.
//!
//! The old database must stay whole until the new one is: together with others this server may hold the only copies of
//! acknowledged transactions, and a leader's snapshot counts for nothing before it is on the disk. And afterwards nothing
//! of the old one may be left that could be taken for part of the new: its log may hold transactions that were never
//! committed, under zxids that now mean something else.
//!
//! So there is one moment at which the new database takes over: when the file `installing` is on the disk. Before, a
//! crash leaves the old database as it was. After, the next start finishes what was begun.

use std::path::{Path, PathBuf};

use thiserror::Error;
use tracing::{info, warn};
use zabra_proto::FieldLimit;
use zabra_types::Zxid;

use crate::error::{Doing, Explain, StorageError};
use crate::log::cut_after;
use crate::small_file;
use crate::snapshot::{NEW_SNAPSHOT_PREFIX, write_new_snapshot};
use crate::{
    DataDirs, Disk, SharedTree, SnapshotInfo, SnapshotOptions, list_logs, list_snapshots, snapshot_name,
    snapshot_zxid,
};

/// The file that says that a database is being installed, in the directory of the snapshots. It holds the name that the
/// snapshot is to have.
const MARKER_NAME: &str = "installing";

/// That file before it is complete, and says nothing.
pub(crate) const NEW_MARKER_NAME: &str = "installing.tmp";

/// More bytes than the name of any snapshot.
const MARKER_LEN_MAX: usize = 256;

/// Why an installation cannot be finished.
#[derive(Debug, Error)]
pub enum InstallError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] StorageError),
    /// The file that says what is being installed does not say it.
    #[error("{} should hold the name of a snapshot and holds {contents:?}", marker.display())]
    BadMarker {
        /// The file.
        marker: PathBuf,
        /// What it begins with.
        contents: String,
    },
    /// The snapshot is neither under its old name nor under its new one.
    #[error("{} says that {} is being installed, but there is no such snapshot", marker.display(), snapshot.display())]
    NoSnapshot {
        /// The file.
        marker: PathBuf,
        /// The snapshot.
        snapshot: PathBuf,
    },
}

/// Replaces the database on the disk by `tree`, adopted from a leader and holding everything up to `zxid`: its snapshot
/// becomes the only one, and every log is removed. When the call returns the new database is on the disk.
///
/// After a crash on the way the old database is there, untouched, or [`crate::recover()`] finishes, and the new one is. The
/// epoch files are not touched: `currentEpoch` is raised when what was logged behind the snapshot is on the disk too.
///
/// What is given up: transactions after `zxid` in the old log. Those of epochs before the leader's are divergent, because
/// a leader holds everything that was ever committed in them and `zxid` is not before the history it began with. Those of
/// the leader's own epoch it will propose again; the caller acknowledges nothing until they are logged again. The leader
/// must not count an acknowledgement for them that came before it sent the snapshot.
///
/// The log has nothing pending and is told [`crate::TxnLog::restart_after`] next. No other snapshot is being written, and
/// `tree` does not change meanwhile.
///
/// # Errors
/// The disk failed. Which database is there only the next start will tell.
///
/// # Panics
/// When the tree does not end with `zxid`: its snapshot would claim to be another state.
pub fn install_snapshot(
    disk: &dyn Disk,
    dirs: &DataDirs,
    tree: &impl SharedTree,
    zxid: Zxid,
    options: SnapshotOptions,
    limit: FieldLimit,
) -> Result<SnapshotInfo, StorageError> {
    let (new, dir) = (new_path(dirs), &dirs.snapshots);
    let options = SnapshotOptions { sync: true, ..options };
    let name = snapshot_name(zxid, options.compression);
    info!("installing the leader's database, {name}");
    let (written, len) = write_new_snapshot(disk, &new, tree, options)?;
    assert_eq!(written, zxid, "the tree that was adopted ends elsewhere");
    // The snapshot has its name before the marker speaks of it.
    disk.sync_dir(dir).explain(Doing::SyncDir, dir)?;
    small_file::replace(disk, dir, MARKER_NAME, name.as_bytes())?;
    carry_out(disk, dirs, &name, zxid, limit)?;
    Ok(SnapshotInfo { zxid, path: dir.join(name), len })
}

/// Whether an installation was begun and not finished: what the directories hold is then in between.
pub(crate) fn is_unfinished(disk: &dyn Disk, dirs: &DataDirs) -> Result<bool, StorageError> {
    Ok(small_file::read(disk, &dirs.snapshots.join(MARKER_NAME), MARKER_LEN_MAX)?.is_some())
}

/// Finishes an installation that a crash interrupted, if there is one.
pub(crate) fn finish(disk: &dyn Disk, dirs: &DataDirs, limit: FieldLimit) -> Result<(), InstallError> {
    let marker = dirs.snapshots.join(MARKER_NAME);
    let Some(contents) = small_file::read(disk, &marker, MARKER_LEN_MAX)? else { return Ok(()) };
    let name = String::from_utf8_lossy(&contents).into_owned();
    let plain = !name.contains(['/', '\n']);
    let Some(zxid) = snapshot_zxid(&name).filter(|_| plain) else {
        return Err(InstallError::BadMarker { marker, contents: name });
    };
    let snapshot = dirs.snapshots.join(&name);
    if !exists(disk, &new_path(dirs))? && !exists(disk, &snapshot)? {
        return Err(InstallError::NoSnapshot { marker, snapshot });
    }
    warn!("finishing the installation of a leader's database, {name}, that a crash interrupted");
    Ok(carry_out(disk, dirs, &name, zxid, limit)?)
}

/// All that follows the marker; may be done again from the beginning.
///
/// To recovery the order is all the same. It is chosen for a genuine server that is started in the middle, which does not
/// know the marker: it must never replay what was after `zxid` onto the new snapshot.
fn carry_out(
    disk: &dyn Disk,
    dirs: &DataDirs,
    name: &str,
    zxid: Zxid,
    limit: FieldLimit,
) -> Result<(), StorageError> {
    let (new, dir) = (new_path(dirs), &dirs.snapshots);
    let others = |newer: bool| -> Result<Vec<PathBuf>, StorageError> {
        let files = list_snapshots(disk, dir)?.into_iter().rev();
        let others = files.filter(|file| (file.zxid >= zxid || !newer) && file.path != dir.join(name));
        Ok(others.map(|file| file.path).collect())
    };
    if exists(disk, &new)? {
        remove_all(disk, dir, others(true)?)?;
        cut_after(disk, &dirs.logs, zxid, limit)?;
        disk.rename(&new, &dir.join(name)).explain(Doing::Rename, &new)?;
        disk.sync_dir(dir).explain(Doing::SyncDir, dir)?;
    }
    let logs = list_logs(disk, &dirs.logs)?;
    remove_all(disk, &dirs.logs, logs.into_iter().map(|file| file.path).collect())?;
    remove_all(disk, dir, others(false)?)?;
    small_file::remove(disk, &dir.join(MARKER_NAME))?;
    disk.sync_dir(dir).explain(Doing::SyncDir, dir)
}

fn new_path(dirs: &DataDirs) -> PathBuf {
    dirs.snapshots.join(format!("{NEW_SNAPSHOT_PREFIX}install.tmp"))
}

fn exists(disk: &dyn Disk, path: &Path) -> Result<bool, StorageError> {
    Ok(small_file::read(disk, path, 0)?.is_some())
}

fn remove_all(disk: &dyn Disk, dir: &Path, files: Vec<PathBuf>) -> Result<(), StorageError> {
    if files.is_empty() {
        return Ok(());
    }
    for path in files {
        disk.remove(&path).explain(Doing::Remove, &path)?;
        info!("removed {}, which the leader's database replaces", path.display());
    }
    disk.sync_dir(dir).explain(Doing::SyncDir, dir)
}
