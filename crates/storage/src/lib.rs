//! What survives a crash: the transaction log and the snapshots, in the genuine server's format.
//!
//! Everything goes through the [`Disk`] trait, so that tests can pull the plug at any call. The crate knows no
//! thread, no network and no configuration file; it keeps no clock except to say how long a sync took.
//!
//! Start with [`TxnLog`] for writing and [`LogReader`] for reading. Whatever was not flushed was not promised; a
//! failed write or sync closes the log for good; damage is refused with its file and offset, never skipped.

mod disk;
mod error;
#[cfg(any(test, feature = "testing"))]
mod fault;
mod log;
mod name;
mod snapshot;

pub use disk::{DirEntry, Disk, DiskFile, RealDisk};
pub use error::{Doing, StorageError};
#[cfg(any(test, feature = "testing"))]
pub use fault::{Fault, FaultDisk, Loss, SECTOR};
pub use log::{
    Damage, Flushed, Found, Hidden, LogEntry, LogError, LogNotice, LogOptions, LogReader, ReadError, Stop,
    TxnLog,
};
pub use name::{
    NamedFile, VERSION_DIR, list_logs, list_snapshots, log_name, log_zxid, snapshot_name, snapshot_zxid,
};
pub use snapshot::{
    Candidate, Compression, LoadSnapshotError, LoadedSnapshot, SharedTree, SnapshotDamage, SnapshotInfo,
    SnapshotOptions, SnapshotProblem, candidates, load_snapshot, read_snapshot, stream_snapshot,
    valid_snapshots, write_snapshot,
};
