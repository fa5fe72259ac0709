//! Looking for a learner's place in the log on the disk. Mirrors `ZKDatabase.getProposalsFromTxnLog` and
//! `LearnerHandler.queueCommittedProposals`.

use std::path::Path;
use std::sync::Arc;

use tracing::debug;
use zabra_proto::FieldLimit;
use zabra_types::Zxid;

use super::reader::{LogReader, ReadError};
use super::scan::for_each_entry;
use crate::{DataDirs, Disk, StorageError, list_logs, list_snapshots, valid_snapshots};

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogQuery {
    /// The snapshot that this server's database began with: when the process started, or later from a leader. What the
    /// log has from before it, or from before the oldest snapshot that is left, is believed within the same epoch only,
    /// see [`find_in_log`].
    pub base: Zxid,
    /// The last transaction of the learner.
    pub at: Zxid,
    /// The first transaction that need not come from the log: that in memory. Everything before is flushed.
    pub before: Zxid,
    /// The most bytes that the logs to be read may have, see [`log_size_limit`]; `None` is no limit.
    pub size_limit: Option<u64>,
    /// The longest transaction.
    pub limit: FieldLimit,
}

/// The last transaction not after `query.at` such that the log on the disk has everything from there up to `query.before`, and
/// not too much of it. `None` when there is none: then only a snapshot helps the learner. What follows is read with
/// [`LogReader::open_found`]. The log may be written to meanwhile, and purged.
///
/// A genuine server that got a snapshot from a leader goes on with its old log files around, so that a log may go on with
/// the first transaction of a new epoch while the end of the epoch before is missing, or was never committed. A purge may
/// take the end of an epoch away just the same, but nothing behind the oldest snapshot that it leaves. So in front of the
/// later of the two only an unbroken chain within its epoch proves anything.
///
/// # Errors
/// The disk failed, which is no reason to end: the learner can be sent a snapshot.
pub fn find_in_log(
    disk: &Arc<dyn Disk>,
    dirs: &DataDirs,
    query: &LogQuery,
) -> Result<Option<Zxid>, StorageError> {
    let dir = &dirs.logs;
    let oldest = oldest_snapshot(&**disk, dirs)?;
    let query = &LogQuery { base: query.base.max(oldest.unwrap_or(query.base)), ..*query };
    let LogQuery { base, at, before, size_limit, limit } = *query;
    if at >= before || at < base && at.epoch() != base.epoch() {
        return Ok(None);
    }
    let Some(floor) = last_not_after(&**disk, dir, query)? else { return Ok(None) };
    // Like the genuine server, counts the files behind the one where the learner stands.
    let files = list_logs(&**disk, dir)?.into_iter().filter(|file| file.zxid > floor && file.zxid < before);
    let size: u64 = files.map(|file| file.len).sum();
    if size_limit.is_some_and(|limit| size > limit) {
        debug!("the logs after {floor} have {size} bytes, more than a learner is sent");
        return Ok(None);
    }
    let mut reader = LogReader::open_range(Arc::clone(disk), dir, floor, before, limit)?;
    let mut passed_base = floor >= base;
    loop {
        match reader.next() {
            Ok(Some(entry)) => passed_base |= entry.zxid == base,
            Ok(None) => break,
            Err(ReadError::Disk(error)) => return Err(error),
            Err(ReadError::Damage(damage)) => {
                debug!("the log is not whole from {floor} on: {damage}");
                return Ok(None);
            }
        }
    }
    let complete = passed_base && leads_to(reader.last(), before);
    if oldest_snapshot(&**disk, dirs)? != oldest {
        debug!("a purge came while the log was looked into");
        return Ok(None);
    }
    Ok(complete.then_some(floor))
}

/// What the oldest snapshot is named after. Everything behind it is in the log, but for what a purge is removing.
pub(super) fn oldest_snapshot(disk: &dyn Disk, dirs: &DataDirs) -> Result<Option<Zxid>, StorageError> {
    Ok(list_snapshots(disk, &dirs.snapshots)?.first().map(|oldest| oldest.zxid))
}

/// Whether nothing can be missing between the last transaction read and the first that was not wanted.
fn leads_to(last: Zxid, before: Zxid) -> bool {
    last.raw().checked_add(1) == Some(before.raw()) || before.epoch() > last.epoch() && before.counter() <= 1
}

/// The last transaction not after `at` that the log holds or that is the base.
fn last_not_after(disk: &dyn Disk, dir: &Path, query: &LogQuery) -> Result<Option<Zxid>, StorageError> {
    let LogQuery { base, at, limit, .. } = *query;
    let mut found = None;
    if let Some(file) = list_logs(disk, dir)?.into_iter().rev().find(|file| file.zxid <= at) {
        for_each_entry(disk, &file.path, limit, |zxid, _| {
            found = found.max(Some(zxid).filter(|&zxid| zxid <= at))
        })?;
    }
    if at >= base {
        return Ok(Some(found.map_or(base, |found| found.max(base))));
    }
    Ok(found.filter(|found| found.epoch() == base.epoch()))
}

/// How many bytes of log may be read for a learner before a snapshot is cheaper: this share of the newest snapshot
/// (`snapshotSizeFactor`). `None` is no limit, which a share of 0 stands for.
///
/// # Errors
/// The directory of the snapshots cannot be listed.
pub fn log_size_limit(disk: &dyn Disk, snapshots: &Path, share: f64) -> Result<Option<u64>, StorageError> {
    let newest = valid_snapshots(disk, snapshots, 1)?;
    let limit = newest.first().map_or(0, |newest| (newest.len as f64 * share) as u64);
    Ok((limit > 0).then_some(limit))
}
