//! Shortening the log: for a truncation that a leader orders, and for an operator's repair.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::info;
use zabra_proto::{FieldLimit, decode_txn};
use zabra_types::Zxid;

use super::damage::{Damage, Found};
use super::format::FILE_HEADER_LEN;
use super::reader::{LogReader, ReadError};
use super::scan::{FileScan, Header, Step};
use crate::disk::read_full;
use crate::error::{Doing, Explain, StorageError};
use crate::name::list;
use crate::{Disk, list_logs, log_zxid};

/// What the names of files begin with that a repair has put aside. The genuine server ignores them.
const REMOVED_PREFIX: &str = "removed-";

/// What is copied at a time.
const COPY_LEN: usize = 1 << 20;

/// Removes every transaction after `zxid` from the logs, from the newest on, so that what a crash leaves is always the
/// beginning of what was there. Returns the files that were removed.
pub(crate) fn cut_after(
    disk: &dyn Disk,
    dir: &Path,
    zxid: Zxid,
    limit: FieldLimit,
) -> Result<Vec<PathBuf>, StorageError> {
    let (kept, newer): (Vec<_>, Vec<_>) =
        list_logs(disk, dir)?.into_iter().partition(|file| file.zxid <= zxid);
    let removed: Vec<_> = newer.into_iter().rev().map(|file| file.path).collect();
    for path in &removed {
        disk.remove(path).explain(Doing::Remove, path)?;
    }
    if !removed.is_empty() {
        disk.sync_dir(dir).explain(Doing::SyncDir, dir)?;
    }
    for file in kept.iter().rev() {
        let (end, last_kept) = end_of(disk, &file.path, zxid, limit)?;
        if end < file.len {
            cut(disk, &file.path, end)?;
        }
        if last_kept.is_some() {
            break;
        }
    }
    Ok(removed)
}

/// Where in a file the entries up to `zxid` end, and the last of them.
fn end_of(
    disk: &dyn Disk,
    path: &Path,
    zxid: Zxid,
    limit: FieldLimit,
) -> Result<(u64, Option<Zxid>), StorageError> {
    let file = disk.open(path).explain(Doing::Open, path)?;
    let mut scan = FileScan::new(file, limit);
    let mut last = None;
    if scan.header().explain(Doing::Read, path)? != Header::Right {
        return Ok((0, None));
    }
    loop {
        match scan.step().explain(Doing::Read, path)? {
            Step::Entry { zxid: found, .. } if found <= zxid => last = Some(found),
            _ => return Ok((scan.offset(), last)),
        }
    }
}

fn cut(disk: &dyn Disk, path: &Path, end: u64) -> Result<(), StorageError> {
    let mut file = disk.open_to_change(path).explain(Doing::Open, path)?;
    file.set_len(end).explain_at(Doing::SetLen, path, end)?;
    file.sync_data().explain(Doing::Sync, path)
}

/// What a repair of the log would do. Nothing is done before [`RepairPlan::carry_out`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepairPlan {
    /// What is wrong.
    pub damage: Damage,
    /// The last transaction that can be read after the repair.
    pub last_kept: Zxid,
    /// Files after the damaged one, which are put aside whole.
    pub later_files: Vec<PathBuf>,
}

/// Reads the log after transaction `after` to the first damage, `None` when there is none.
///
/// # Errors
/// The disk failed.
pub fn plan_repair(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    after: Zxid,
    limit: FieldLimit,
) -> Result<Option<RepairPlan>, StorageError> {
    let mut reader = LogReader::open(Arc::clone(disk), dir, after, limit)?;
    let damage = loop {
        let last = reader.last();
        match reader.next() {
            Ok(None) => return Ok(None),
            Ok(Some(entry)) => {
                let offset = entry.offset;
                if let Err(error) = decode_txn(entry.payload) {
                    let file = reader.file().unwrap_or(dir).to_owned();
                    break Damage { file, offset, last, torn: false, found: Found::BadRecord(error) };
                }
            }
            Err(ReadError::Damage(damage)) => break *damage,
            Err(ReadError::Disk(error)) => return Err(error),
        }
    };
    let later = list_logs(&**disk, dir)?.into_iter().map(|file| file.path);
    let later_files = later.skip_while(|path| *path != damage.file).skip(1).collect();
    Ok(Some(RepairPlan { last_kept: damage.last, damage, later_files }))
}

impl RepairPlan {
    /// Cuts the log where it is damaged. All that is removed is kept under names beginning with `removed-`. Everything
    /// promised to clients after [`RepairPlan::last_kept`] is lost, unless the damage is a torn write.
    ///
    /// A crash on the way is harmless: planning and carrying out again goes on. Returns the files put aside.
    ///
    /// # Errors
    /// The disk failed.
    pub fn carry_out(&self, disk: &dyn Disk) -> Result<Vec<PathBuf>, StorageError> {
        let file = &self.damage.file;
        let dir = file.parent().unwrap_or(Path::new(""));
        let mut aside = Vec::new();
        for path in self.later_files.iter().rev() {
            aside.push(put_aside(disk, dir, path)?);
        }
        if self.damage.offset <= FILE_HEADER_LEN {
            aside.push(put_aside(disk, dir, file)?);
        } else {
            aside.push(copy_rest(disk, dir, file, self.damage.offset)?);
            cut(disk, file, self.damage.offset)?;
        }
        info!("cut {} at offset {}, after {}", file.display(), self.damage.offset, self.last_kept);
        Ok(aside)
    }
}

fn put_aside(disk: &dyn Disk, dir: &Path, path: &Path) -> Result<PathBuf, StorageError> {
    let to = free_name(disk, dir, path)?;
    disk.rename(path, &to).explain(Doing::Rename, path)?;
    disk.sync_dir(dir).explain(Doing::SyncDir, dir)?;
    Ok(to)
}

/// Copies a file from `offset` on.
fn copy_rest(disk: &dyn Disk, dir: &Path, path: &Path, offset: u64) -> Result<PathBuf, StorageError> {
    let to = free_name(disk, dir, path)?;
    let from = disk.open(path).explain(Doing::Open, path)?;
    let mut copy = disk.create(&to).explain(Doing::Create, &to)?;
    let mut buf = vec![0; COPY_LEN];
    let mut copied = 0;
    loop {
        let read =
            read_full(&*from, &mut buf, offset + copied).explain_at(Doing::Read, path, offset + copied)?;
        if read == 0 {
            break;
        }
        copy.write_all_at(&buf[..read], copied).explain_at(Doing::Write, &to, copied)?;
        copied += read as u64;
    }
    copy.sync_data().explain(Doing::Sync, &to)?;
    disk.sync_dir(dir).explain(Doing::SyncDir, dir)?;
    Ok(to)
}

/// A name for what is put aside of a file, one that nothing has yet.
fn free_name(disk: &dyn Disk, dir: &Path, path: &Path) -> Result<PathBuf, StorageError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    debug_assert!(log_zxid(&name).is_some(), "only logs are put aside");
    let taken: BTreeSet<_> = list(disk, dir)?.into_iter().map(|entry| entry.name).collect();
    let names = (1..).map(|number| match number {
        1 => format!("{REMOVED_PREFIX}{name}"),
        number => format!("{REMOVED_PREFIX}{name}.{number}"),
    });
    Ok(dir.join(names.into_iter().find(|name| !taken.contains(name)).unwrap_or_default()))
}
