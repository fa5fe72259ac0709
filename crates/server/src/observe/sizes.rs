//! How much the data takes on disk.

use std::fs;
use std::path::{Path, PathBuf};

use crate::core::Core;

/// The directories that hold the data, and what is in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directories {
    /// Where snapshots are.
    pub(crate) data: PathBuf,
    /// Bytes in it.
    pub(crate) data_size: u64,
    /// Where the transaction log is.
    pub(crate) log: PathBuf,
    /// Bytes in it, the part that is only filled ahead included.
    pub(crate) log_size: u64,
}

/// Measures the data directories (`dirs`). Files that come or go meanwhile may be missed.
pub(crate) fn directories(core: &Core) -> Directories {
    let storage = &core.config.storage;
    let (data, log) = (versioned(&storage.data_dir), versioned(&storage.data_log_dir));
    Directories { data_size: size(&data), log_size: size(&log), data, log }
}

fn versioned(dir: &Path) -> PathBuf {
    let dir = dir.join("version-2");
    // Only an empty path has no absolute form.
    std::path::absolute(&dir).unwrap_or(dir)
}

fn size(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
