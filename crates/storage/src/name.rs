//! File names, which carry zxids.

use std::path::{Path, PathBuf};

use zabra_types::Zxid;

use crate::error::{Doing, Explain, StorageError};
use crate::{Compression, DirEntry, Disk};

/// The directory below a data directory that names the format. There is no other version.
pub const VERSION_DIR: &str = "version-2";

/// The name of the log whose first transaction is `zxid`.
pub fn log_name(zxid: Zxid) -> String {
    format!("log.{:x}", zxid.raw())
}

/// The name of the snapshot that is complete up to `zxid`.
pub fn snapshot_name(zxid: Zxid, compression: Compression) -> String {
    format!("snapshot.{:x}{}", zxid.raw(), compression.suffix())
}

/// The zxid in a log's name. Mirrors `Util.getZxidFromName`: what follows the number is ignored.
pub fn log_zxid(name: &str) -> Option<Zxid> {
    zxid_after("log", name)
}

/// The zxid in a snapshot's name. Mirrors `Util.getZxidFromName`: what follows the number is ignored.
pub fn snapshot_zxid(name: &str) -> Option<Zxid> {
    zxid_after("snapshot", name)
}

fn zxid_after(prefix: &str, name: &str) -> Option<Zxid> {
    let mut parts = name.split('.');
    if parts.next() != Some(prefix) {
        return None;
    }
    let raw = i64::from_str_radix(parts.next()?, 16).ok()?;
    (raw >= 0).then_some(Zxid::from_raw(raw))
}

/// A file whose name carries a zxid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// The zxid in the name.
    pub zxid: Zxid,
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes when it was listed.
    pub len: u64,
}

/// The logs in a directory, oldest first.
///
/// # Errors
/// The directory cannot be listed.
pub fn list_logs(disk: &dyn Disk, dir: &Path) -> Result<Vec<NamedFile>, StorageError> {
    Ok(named_files(dir, list(disk, dir)?, log_zxid))
}

/// The snapshots in a directory, oldest first, whether they are valid or not.
///
/// # Errors
/// The directory cannot be listed.
pub fn list_snapshots(disk: &dyn Disk, dir: &Path) -> Result<Vec<NamedFile>, StorageError> {
    Ok(named_files(dir, list(disk, dir)?, snapshot_zxid))
}

pub(crate) fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<DirEntry>, StorageError> {
    disk.list(dir).explain(Doing::List, dir)
}

fn named_files(dir: &Path, entries: Vec<DirEntry>, zxid_of: fn(&str) -> Option<Zxid>) -> Vec<NamedFile> {
    let mut files: Vec<_> = entries
        .into_iter()
        .filter_map(|entry| {
            let zxid = zxid_of(&entry.name)?;
            Some(NamedFile { zxid, path: dir.join(entry.name), len: entry.len })
        })
        .collect();
    files.sort_by(|a, b| (a.zxid, &a.path).cmp(&(b.zxid, &b.path)));
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_zxids() {
        let cases = [
            ("log.100000001", Some(0x1_0000_0001)),
            ("log.5.old", Some(5)),
            ("log.FF", Some(255)),
            ("log.", None),
            ("log", None),
            ("log.x", None),
            ("log.-1", None),
            ("log.-5", None),
            ("log.ffffffffffffffff", None),
            ("xlog.5", None),
            ("snapshot.5", None),
        ];
        for (name, zxid) in cases {
            assert_eq!(log_zxid(name), zxid.map(Zxid::from_raw), "{name}");
        }
        assert_eq!(snapshot_zxid("snapshot.1a.gz"), Some(Zxid::from_raw(0x1a)));
        assert_eq!(log_name(Zxid::from_raw(0x1_0000_0001)), "log.100000001");
    }
}
