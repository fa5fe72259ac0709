//! What survives a crash: the transaction log and the snapshots, in the genuine server's format.
//!
//! Everything goes through the [`Disk`] trait, so that tests can pull the plug at any call. The crate knows no
//! thread, no network and no configuration file; it keeps no clock except to say how long a sync took.
//!
//! Start with [`recover()`], then [`TxnLog`] and [`write_snapshot`]. Whatever was not flushed was not promised; a
//! failed write or sync closes the log for good; damage is refused with its file and offset, never skipped.

mod dirs;
mod disk;
mod epoch;
mod error;
#[cfg(any(test, feature = "testing"))]
mod fault;
#[cfg(feature = "testing")]
pub mod fuzz;
mod install;
mod log;
mod member;
mod name;
mod purge;
mod recover;
mod small_file;
mod snapshot;
mod trigger;
mod truncate;

pub use dirs::{DataDirs, DirError, dir_size};
pub use disk::{DirEntry, Disk, DiskFile, RealDisk};
pub use epoch::{EpochError, Epochs, load_epochs, write_accepted_epoch, write_current_epoch};
pub use error::{Doing, StorageError};
#[cfg(any(test, feature = "testing"))]
pub use fault::{Fault, FaultDisk, Loss, SECTOR};
pub use install::{InstallError, install_snapshot};
pub use log::{
    Damage, Flushed, Found, Hidden, LogEntry, LogError, LogNotice, LogOptions, LogQuery, LogReader,
    ReadError, RepairPlan, Stop, TxnLog, find_in_log, log_size_limit, plan_repair,
};
pub use member::{MemberError, Recent, RecentLimits, RecoveredMember, recover_member};
pub use name::{
    NamedFile, VERSION_DIR, list_logs, list_snapshots, log_name, log_zxid, snapshot_name, snapshot_zxid,
};
pub use purge::{RETAIN_COUNT_MIN, RemovedFile, purge};
pub use recover::{
    DigestMismatch, Origin, RecoverError, RecoverOptions, Recovered, RecoveryReport, RejectedSnapshot,
    recover, restore,
};
pub use snapshot::{
    Candidate, Compression, DatabaseReceiver, DatabaseSender, LoadSnapshotError, LoadedSnapshot, SharedTree,
    SnapshotDamage, SnapshotInfo, SnapshotOptions, SnapshotProblem, candidates, load_snapshot,
    load_snapshot_as, read_packed_snapshot, read_snapshot, receive_database, send_database, stream_snapshot,
    valid_snapshots, write_snapshot,
};
pub use trigger::SnapshotTrigger;
pub use truncate::{TruncateError, Truncated, truncate};
