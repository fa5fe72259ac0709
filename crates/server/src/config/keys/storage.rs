//! Transaction log and snapshots.

use zabra_types::Zxid;

use super::Parse::{Bool, Choice, Int, Long, Real, YesNo};
use super::{Bound, Class, Key, Reach};
use crate::config::draft::{count, kilobytes, millis};
use crate::config::settings::SnapshotCompression;

pub(super) static KEYS: &[Key] = &[
    Key::new("snapCount", Int(|d, n| d.config.storage.snap_count = count(n)))
        .bound(Bound::Raised(2))
        .default("100000")
        .unit("transactions")
        .about("A snapshot and a new log file after half to all of this many transactions."),
    Key::new("snapSizeLimitInKb", Long(|d, n| d.config.storage.snap_size_max = kilobytes(n)))
        .default("4194304")
        .unit("KB")
        .about("The same trigger by the size of the log; 0 or less is off."),
    Key::new("txnLogSizeLimitInKb", Long(|d, n| d.config.storage.log_size_max = kilobytes(n)))
        .default("-1, off")
        .unit("KB")
        .about("A new log file at this size, without a snapshot."),
    Key::new("preAllocSize", Long(|d, n| d.config.storage.log_growth = kilobytes(n).unwrap_or(0)))
        .default("65536")
        .unit("KB")
        .about("By how much a log file grows ahead of its contents, a megabyte at a time at most."),
    Key::new("commitLogCount", Int(|d, n| d.config.storage.commit_log_count = count(n)))
        .class(Class::Ensemble)
        .bound(Bound::Raised(500))
        .default("500")
        .unit("proposals")
        .about("Committed proposals kept in memory for learners that are a little behind."),
    Key::new("snapshotSizeFactor", Real(|d, ratio| d.snapshot_size_factor = Some(ratio)))
        .class(Class::Ensemble)
        .default("0.33")
        .unit("ratio")
        .about("A learner is caught up from the log while that is at most this share of the snapshot; negative is off."),
    Key::new("forceSync", YesNo(|d, on| d.config.storage.force_sync = on))
        .default("yes")
        .unit("yes, no")
        .about("A write is answered only when it is on disk."),
    Key::new("fsync.warningthresholdms", Long(|d, n| d.config.storage.sync_warning_threshold = millis(n)))
        .reach(Reach::Both)
        .default("1000")
        .unit("ms")
        .about("A sync slower than this is warned about and counted."),
    Key::new("flushDelay", Long(|d, n| d.config.storage.flush_delay = millis(n)))
        .default("0")
        .unit("ms")
        .about("How long a flush of the log may wait for more transactions."),
    Key::new("maxWriteQueuePollTime", Long(|d, n| d.write_queue_poll_max = Some(millis(n))))
        .default("a third of `flushDelay`")
        .unit("ms")
        .about("The flush comes earlier when nothing arrives for so long."),
    Key::new("maxBatchSize", Int(|d, n| d.config.storage.batch_max = count(n)))
        .default("1000")
        .unit("transactions")
        .about("The flush comes at the latest after this many."),
    Key::new("forceSnapshotSync", Bool(|d, on| d.config.quorum.force_snapshot_sync = on))
        .class(Class::Ensemble)
        .default("false")
        .about("Learners always get a whole snapshot; for tests."),
    Key::new(
        "snapshot.compression.method",
        Choice(&[
            ("gz", |d| d.config.storage.snapshot_compression = SnapshotCompression::Gzip),
            ("snappy", |d| d.config.storage.snapshot_compression = SnapshotCompression::Snappy),
            ("", |d| d.config.storage.snapshot_compression = SnapshotCompression::None),
        ]),
    )
    .default("none")
    .unit("gz, snappy")
    .about("How snapshot files are compressed."),
    Key::new("snapshot.trust.empty", Bool(|d, on| d.config.storage.trust_empty_snapshot = on))
        .default("false")
        .about("Start although there are logs but no snapshot, as after an upgrade from 3.4."),
    Key::new("serializeLastProcessedZxid.enabled", Bool(|d, on| d.config.storage.serialize_last_zxid = on))
        .default("true")
        .about("A snapshot ends with the last zxid, which restoring needs."),
    Key::new("digest.enabled", Bool(|d, on| d.config.storage.digest = on))
        .default("true")
        .about("The digest of the tree is kept, written and compared."),
    Key::new("datadir.autocreate", Bool(|d, on| d.config.storage.data_dir_autocreate = on))
        .default("true")
        .about("Missing data directories are made."),
    Key::new("db.autocreate", Bool(|d, on| d.config.storage.db_autocreate = on))
        .default("true")
        .about("An empty directory may become an empty database; otherwise a file `initialize` is the permission."),
    Key::new("closeSessionTxn.enabled", Bool(|d, on| d.config.storage.close_session_txn = on))
        .default("true")
        .about("The transaction that ends a session lists the nodes it removes."),
    Key::new("testingonly.initialZxid", Long(|d, n| d.config.storage.initial_zxid = Some(Zxid::from_raw(n))))
        .class(Class::Ensemble)
        .default("none")
        .unit("zxid")
        .about("The counter that a new leader starts from; for tests."),
];
