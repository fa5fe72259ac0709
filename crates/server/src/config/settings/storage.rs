//! Directories, the transaction log and snapshots.

use std::path::PathBuf;
use std::time::Duration;

use zabra_types::Zxid;

/// What is kept on disk and when it gets there.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    /// Snapshots, `myid` and the epoch files (`dataDir`), without the `version-2` below it.
    pub data_dir: PathBuf,
    /// Transaction logs (`dataLogDir`); the same as `data_dir` unless configured.
    pub data_log_dir: PathBuf,
    /// Whether missing directories are made (`datadir.autocreate`).
    pub data_dir_autocreate: bool,
    /// Whether an empty directory may become an empty database (`db.autocreate`). Otherwise a file named
    /// `initialize` is the permission.
    pub db_autocreate: bool,
    /// A snapshot after half to all of this many transactions (`snapCount`); at least 2.
    pub snap_count: u32,
    /// The same trigger in bytes of log (`snapSizeLimitInKb`); `None` is off.
    pub snap_size_max: Option<u64>,
    /// A new log file after this many bytes, without a snapshot (`txnLogSizeLimitInKb`); `None` is off.
    pub log_size_max: Option<u64>,
    /// By how many bytes a log file grows at once (`preAllocSize`); 0 is not ahead at all.
    pub log_growth: u64,
    /// Committed proposals kept in memory for learners that are a little behind (`commitLogCount`); at least 500.
    pub commit_log_count: u32,
    /// A learner is caught up from the log on disk while that is at most this share of the snapshot
    /// (`snapshotSizeFactor`); negative never does.
    pub snapshot_size_factor: f64,
    /// Whether a write is answered only when it is on disk (`forceSync`).
    pub force_sync: bool,
    /// A sync slower than this is warned about and counted (`fsync.warningthresholdms`).
    pub sync_warning_threshold: Duration,
    /// How long a flush may wait for company (`flushDelay`).
    pub flush_delay: Duration,
    /// How long the flush waits for the next request within that (`maxWriteQueuePollTime`).
    pub write_queue_poll_max: Duration,
    /// A flush comes at the latest after this many transactions (`maxBatchSize`).
    pub batch_max: u32,
    /// How snapshot files are compressed (`snapshot.compression.method`).
    pub snapshot_compression: SnapshotCompression,
    /// Whether a directory with logs but no snapshot is believed (`snapshot.trust.empty`).
    pub trust_empty_snapshot: bool,
    /// Whether a snapshot ends with the last zxid (`serializeLastProcessedZxid.enabled`), which restoring needs.
    pub serialize_last_zxid: bool,
    /// Whether the digest of the tree is kept, written and compared (`digest.enabled`).
    pub digest: bool,
    /// Whether the transaction that ends a session lists the nodes it removes (`closeSessionTxn.enabled`).
    pub close_session_txn: bool,
    /// The zxid that a new history starts from (`testingonly.initialZxid`).
    pub initial_zxid: Option<Zxid>,
    /// Removal of old snapshots and logs.
    pub purge: Purge,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::new(),
            data_log_dir: PathBuf::new(),
            data_dir_autocreate: true,
            db_autocreate: true,
            snap_count: 100_000,
            snap_size_max: Some(4 << 30),
            log_size_max: None,
            log_growth: 64 << 20,
            commit_log_count: 500,
            snapshot_size_factor: 0.33,
            force_sync: true,
            sync_warning_threshold: Duration::from_secs(1),
            flush_delay: Duration::ZERO,
            write_queue_poll_max: Duration::ZERO,
            batch_max: 1000,
            snapshot_compression: SnapshotCompression::None,
            trust_empty_snapshot: false,
            serialize_last_zxid: true,
            digest: true,
            close_session_txn: true,
            initial_zxid: None,
            purge: Purge::default(),
        }
    }
}

/// How snapshot files are compressed. Mirrors `SnapStream.StreamMode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SnapshotCompression {
    /// Not at all.
    #[default]
    None,
    /// Files named `….gz`.
    Gzip,
    /// Files named `….snappy`.
    Snappy,
}

/// Removal of old snapshots and logs. Mirrors `DatadirCleanupManager`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    /// Snapshots to keep (`autopurge.snapRetainCount`); at least 3.
    pub retain_count: u32,
    /// How often (`autopurge.purgeInterval`); `None` is never.
    pub interval: Option<Duration>,
}

impl Purge {
    /// The fewest snapshots that are kept.
    pub const RETAIN_COUNT_MIN: u32 = 3;
}

impl Default for Purge {
    fn default() -> Self {
        Self { retain_count: Self::RETAIN_COUNT_MIN, interval: None }
    }
}
