//! How much the data takes on disk.

use std::path::PathBuf;

use zabra_storage::{DataDirs, dir_size};

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

/// Measures the data directories (`dirs`); one that cannot be listed counts as empty.
pub(crate) fn directories(core: &Core) -> Directories {
    let storage = &core.config.storage;
    let dirs = DataDirs::new(&storage.data_dir, &storage.data_log_dir);
    let size = |dir| dir_size(&*core.disk, dir).unwrap_or(0);
    Directories {
        data_size: size(&dirs.snapshots),
        log_size: size(&dirs.logs),
        data: absolute(dirs.snapshots),
        log: absolute(dirs.logs),
    }
}

/// The directory as an absolute path.
fn absolute(dir: PathBuf) -> PathBuf {
    // Only an empty path has no absolute form.
    std::path::absolute(&dir).unwrap_or(dir)
}
