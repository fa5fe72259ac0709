//! Removing snapshots and logs that are no longer needed. Mirrors `PurgeTxnLog`.

use std::path::PathBuf;

use tracing::{info, warn};
use zabra_types::Zxid;

use crate::error::{Doing, Explain, StorageError};
use crate::name::list;
use crate::{DataDirs, Disk, list_logs, log_zxid, snapshot_zxid, valid_snapshots};

/// The fewest snapshots that are kept.
pub const RETAIN_COUNT_MIN: usize = 3;

/// A file that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedFile {
    /// Where it was.
    pub path: PathBuf,
    /// The bytes it had.
    pub len: u64,
}

/// Keeps the newest `retain` snapshots, at least [`RETAIN_COUNT_MIN`], and the logs that go on from the oldest of
/// them; removes all older ones. Like the genuine server it also removes files named `log.…` or `snapshot.…` whose
/// number cannot be read. A file that cannot be removed stays, with a warning; if it is a snapshot, the logs stay too.
///
/// # Errors
/// A directory cannot be listed; nothing was removed then.
pub fn purge(disk: &dyn Disk, dirs: &DataDirs, retain: usize) -> Result<Vec<RemovedFile>, StorageError> {
    let kept = valid_snapshots(disk, &dirs.snapshots, retain.max(RETAIN_COUNT_MIN))?;
    let Some(oldest) = kept.last().map(|file| file.zxid) else { return Ok(Vec::new()) };
    // The newest log that begins before the snapshot may go on behind it.
    let logs = list_logs(disk, &dirs.logs)?;
    let first_log = logs.iter().rev().map(|file| file.zxid).find(|&zxid| zxid <= oldest).unwrap_or(oldest);
    let old_logs = list(disk, &dirs.logs)?
        .into_iter()
        .filter(|entry| entry.name.starts_with("log."))
        .filter(|entry| log_zxid(&entry.name).unwrap_or(Zxid::NONE) < first_log)
        .map(|entry| (dirs.logs.join(entry.name), entry.len));
    let old_snapshots = list(disk, &dirs.snapshots)?
        .into_iter()
        .filter(|entry| entry.name.starts_with("snapshot."))
        .filter(|entry| snapshot_zxid(&entry.name).unwrap_or(Zxid::NONE) < oldest)
        .map(|entry| (dirs.snapshots.join(entry.name), entry.len));
    // Snapshots first: a learner's place is looked for behind the oldest, and there no log may be missing.
    let mut removed = Vec::new();
    if remove_all(disk, old_snapshots, &mut removed) {
        remove_all(disk, old_logs, &mut removed);
    }
    Ok(removed)
}

/// Whether all of them could be removed.
fn remove_all(
    disk: &dyn Disk,
    files: impl Iterator<Item = (PathBuf, u64)>,
    removed: &mut Vec<RemovedFile>,
) -> bool {
    let mut all = true;
    for (path, len) in files {
        match disk.remove(&path).explain(Doing::Remove, &path) {
            Ok(()) => {
                info!("removed {}", path.display());
                removed.push(RemovedFile { path, len });
            }
            Err(error) => {
                warn!("{error}: {}", error.source);
                all = false;
            }
        }
    }
    all
}
