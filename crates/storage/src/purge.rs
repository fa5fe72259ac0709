//! Removing snapshots and logs that are no longer needed. Mirrors `PurgeTxnLog`.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tracing::{info, warn};
use zabra_types::Zxid;

use crate::error::{Doing, Explain, StorageError};
use crate::name::list;
use crate::{DataDirs, DirEntry, Disk, list_logs, log_zxid, snapshot_zxid, valid_snapshots};

/// The fewest snapshots that are kept.
pub const RETAIN_COUNT_MIN: usize = 3;

/// A file that was removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedFile {
    /// Where it was.
    pub path: PathBuf,
    /// The bytes it had.
    pub len: u64,
    /// When it was last written, where the disk knows.
    pub modified: Option<SystemTime>,
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
        .map(|entry| file_in(&dirs.logs, entry));
    let old_snapshots = list(disk, &dirs.snapshots)?
        .into_iter()
        .filter(|entry| entry.name.starts_with("snapshot."))
        .filter(|entry| snapshot_zxid(&entry.name).unwrap_or(Zxid::NONE) < oldest)
        .map(|entry| file_in(&dirs.snapshots, entry));
    // Snapshots first: a learner's place is looked for behind the oldest, and there no log may be missing.
    let mut removed = Vec::new();
    if remove_all(disk, old_snapshots, &mut removed) {
        remove_all(disk, old_logs, &mut removed);
    }
    Ok(removed)
}

fn file_in(dir: &Path, entry: DirEntry) -> RemovedFile {
    RemovedFile { path: dir.join(entry.name), len: entry.len, modified: entry.modified }
}

/// Whether all of them could be removed.
fn remove_all(
    disk: &dyn Disk,
    files: impl Iterator<Item = RemovedFile>,
    removed: &mut Vec<RemovedFile>,
) -> bool {
    let mut all = true;
    for file in files {
        match disk.remove(&file.path).explain(Doing::Remove, &file.path) {
            Ok(()) => {
                info!("removed {}", file.path.display());
                removed.push(file);
            }
            Err(error) => {
                warn!("{error}: {}", error.source);
                all = false;
            }
        }
    }
    all
}
