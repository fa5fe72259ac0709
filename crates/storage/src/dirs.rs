//! The directories of a server.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::error::{Doing, Explain, StorageError};
use crate::install::NEW_MARKER_NAME;
use crate::log::NEW_LOG_NAME;
use crate::name::list;
use crate::snapshot::NEW_SNAPSHOT_PREFIX;
use crate::{Disk, VERSION_DIR};

/// The permission to begin with an empty database, a file beside `version-2`.
const INITIALIZE_NAME: &str = "initialize";

/// A file made and removed to see whether a directory can be written to.
const PROBE_NAME: &str = "probe.tmp";

/// Where a server keeps its data, with the `version-2` at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDirs {
    /// Snapshots and epoch files (`dataDir/version-2`).
    pub snapshots: PathBuf,
    /// Transaction logs (`dataLogDir/version-2`).
    pub logs: PathBuf,
}

/// Why the directories cannot be used.
#[derive(Debug, Error)]
pub enum DirError {
    /// A directory does not exist and may not be made.
    #[error("the directory {} does not exist, and datadir.autocreate=false forbids making it", dir.display())]
    Missing {
        /// The directory.
        dir: PathBuf,
    },
    /// A directory cannot be made, listed or written to.
    #[error("cannot use {}", dir.display())]
    Unusable {
        /// The directory.
        dir: PathBuf,
        /// Why not.
        source: StorageError,
    },
    /// Snapshots lie in the directory of the logs.
    #[error(
        "the directory of the transaction logs, {}, has the snapshot {name}: are dataLogDir and dataDir right?",
        dir.display()
    )]
    SnapshotsAmongLogs {
        /// The directory.
        dir: PathBuf,
        /// One of the snapshots.
        name: String,
    },
    /// Logs lie in the directory of the snapshots.
    #[error(
        "the directory of the snapshots, {}, has the transaction log {name}: are dataLogDir and dataDir right?",
        dir.display()
    )]
    LogsAmongSnapshots {
        /// The directory.
        dir: PathBuf,
        /// One of the logs.
        name: String,
    },
}

impl DataDirs {
    /// The directories below `dataDir` and `dataLogDir`.
    pub fn new(data_dir: &Path, data_log_dir: &Path) -> Self {
        Self { snapshots: data_dir.join(VERSION_DIR), logs: data_log_dir.join(VERSION_DIR) }
    }

    /// Makes what is missing, sees that both can be written to and that no file lies in the wrong one. Mirrors the
    /// constructor of `FileTxnSnapLog`.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub fn prepare(&self, disk: &dyn Disk, autocreate: bool) -> Result<(), DirError> {
        for dir in [&self.logs, &self.snapshots] {
            if !disk.is_dir(dir) && !autocreate {
                return Err(DirError::Missing { dir: dir.clone() });
            }
            make_usable(disk, dir).map_err(|source| DirError::Unusable { dir: dir.clone(), source })?;
        }
        self.check_places(disk)
    }

    /// Sees that no file lies in the wrong directory.
    ///
    /// # Errors
    /// One does, or a directory cannot be listed.
    pub fn check_places(&self, disk: &dyn Disk) -> Result<(), DirError> {
        if self.logs == self.snapshots {
            return Ok(());
        }
        if let Some(name) = first_with(disk, &self.logs, "snapshot.")? {
            return Err(DirError::SnapshotsAmongLogs { dir: self.logs.clone(), name });
        }
        if let Some(name) = first_with(disk, &self.snapshots, "log.")? {
            return Err(DirError::LogsAmongSnapshots { dir: self.snapshots.clone(), name });
        }
        Ok(())
    }

    /// Removes the permission to begin with an empty database. Whether there was one.
    pub(crate) fn take_initialize(&self, disk: &dyn Disk) -> Result<bool, StorageError> {
        let mut found = false;
        // The genuine server looks beside the logs only, while its own script puts the file beside the snapshots.
        for dir in [&self.logs, &self.snapshots] {
            let Some(parent) = dir.parent() else { continue };
            let path = parent.join(INITIALIZE_NAME);
            match disk.remove(&path) {
                Ok(()) => {
                    disk.sync_dir(parent).explain(Doing::SyncDir, parent)?;
                    found = true;
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).explain(Doing::Remove, &path),
            }
        }
        Ok(found)
    }

    /// Removes what an earlier process left unfinished.
    pub(crate) fn remove_unfinished(&self, disk: &dyn Disk) -> Result<(), StorageError> {
        for dir in [&self.logs, &self.snapshots] {
            for entry in list(disk, dir)? {
                if [NEW_LOG_NAME, NEW_MARKER_NAME].contains(&entry.name.as_str())
                    || entry.name.starts_with(NEW_SNAPSHOT_PREFIX)
                {
                    let path = dir.join(entry.name);
                    // With both in one directory this is the second time.
                    match disk.remove(&path) {
                        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                            return Err(error).explain(Doing::Remove, &path);
                        }
                        _ => {}
                    }
                }
            }
        }
        Ok(())
    }
}

/// The bytes in the files of a directory, zeros written ahead included.
///
/// # Errors
/// The directory cannot be listed.
pub fn dir_size(disk: &dyn Disk, dir: &Path) -> Result<u64, StorageError> {
    Ok(list(disk, dir)?.into_iter().map(|entry| entry.len).sum())
}

fn make_usable(disk: &dyn Disk, dir: &Path) -> Result<(), StorageError> {
    if !disk.is_dir(dir) {
        disk.create_dir_all(dir).explain(Doing::CreateDir, dir)?;
    }
    let probe = dir.join(PROBE_NAME);
    disk.create(&probe).explain(Doing::Create, &probe)?;
    disk.remove(&probe).explain(Doing::Remove, &probe)
}

fn first_with(disk: &dyn Disk, dir: &Path, prefix: &str) -> Result<Option<String>, DirError> {
    let entries = list(disk, dir).map_err(|source| DirError::Unusable { dir: dir.to_owned(), source })?;
    Ok(entries.into_iter().map(|entry| entry.name).filter(|name| name.starts_with(prefix)).min())
}
