//! From the files of a data directory to the tree they hold. Mirrors `FileTxnSnapLog.restore`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tracing::{info, warn};
use zabra_proto::{DecodeError, DecodeReason, FieldLimit, decode_txn};
use zabra_tree::{DigestCheck, SnapshotDigest, Tree, TreeOptions};
use zabra_types::Zxid;

use crate::error::{Doing, Explain, StorageError};
use crate::install::{self, InstallError};
use crate::{
    Damage, DataDirs, DirError, Disk, Found, LoadSnapshotError, LoadedSnapshot, LogNotice, LogReader,
    NamedFile, ReadError, SnapshotOptions, SnapshotProblem, candidates, list_logs, load_snapshot,
    write_snapshot,
};

/// As many snapshots are tried at most.
const SNAPSHOTS_TRIED_MAX: usize = 100;

/// Digests that differ are listed up to this many, and counted after that.
const MISMATCHES_LISTED_MAX: usize = 10;

/// What recovery must be told.
#[derive(Clone, Debug)]
pub struct RecoverOptions {
    /// Where the data is.
    pub dirs: DataDirs,
    /// Whether missing directories are made (`datadir.autocreate`).
    pub dir_autocreate: bool,
    /// Whether an empty directory may become an empty database (`db.autocreate`); a file `initialize` allows it too.
    pub db_autocreate: bool,
    /// Whether logs without any snapshot are believed (`snapshot.trust.empty`).
    pub trust_empty_snapshot: bool,
    /// How the tree is kept.
    pub tree: TreeOptions,
    /// The longest field and the longest transaction.
    pub limit: FieldLimit,
    /// How the first snapshot of an empty database is written.
    pub snapshot: SnapshotOptions,
}

/// A tree and how it came about.
#[derive(Debug)]
pub struct Recovered {
    /// The tree, after everything that was logged.
    pub tree: Tree,
    /// The last transaction in it; [`Zxid::NONE`] when [`Origin::Missing`].
    pub last_zxid: Zxid,
    /// What happened on the way.
    pub report: RecoveryReport,
}

/// Where a recovered tree began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// With a snapshot.
    Snapshot {
        /// The file.
        file: PathBuf,
        /// The transaction that it is named after.
        zxid: Zxid,
        /// Nodes in it.
        nodes: u64,
        /// Bytes in it, uncompressed.
        len: u64,
    },
    /// With the first log, because logs without a snapshot are to be believed.
    Logs,
    /// With an empty database, which was allowed; its first snapshot has been written.
    Empty,
    /// With nothing, which was not allowed: data may be missing. A standalone server must not go on; a member of an
    /// ensemble may only be filled by a leader.
    Missing,
}

/// What happened during recovery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Where it began.
    pub origin: Origin,
    /// Newer snapshots that could not be used, and why.
    pub rejected: Vec<RejectedSnapshot>,
    /// Transactions replayed.
    pub replayed: u64,
    /// What was unusual about the logs.
    pub log_notices: Vec<LogNotice>,
    /// Digests that were not those of the tree.
    pub mismatches: u64,
    /// The first few of them.
    pub first_mismatches: Vec<DigestMismatch>,
    /// The snapshot shows effects of transactions up to this one, which the logs no longer have.
    pub uncovered: Option<Zxid>,
}

/// A snapshot that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedSnapshot {
    /// The file.
    pub file: PathBuf,
    /// The transaction that it is named after.
    pub zxid: Zxid,
    /// Why.
    pub reason: String,
    /// Whether it may never have been complete. The genuine server writes snapshots under their final name.
    pub unfinished: bool,
}

/// A digest that was not that of the tree: this replica has diverged, or the one that made the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigestMismatch {
    /// The transaction after which they differ.
    pub zxid: Zxid,
    /// What was recorded.
    pub expected: u64,
    /// What the tree has.
    pub actual: u64,
}

/// Why there is no tree.
#[derive(Debug, Error)]
pub enum RecoverError {
    /// The directories cannot be used.
    #[error(transparent)]
    Dirs(#[from] DirError),
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] StorageError),
    /// The logs are not a whole history.
    #[error(transparent)]
    Log(#[from] Box<Damage>),
    /// There are logs but no snapshot.
    #[error("{} has transaction logs, but {} has no snapshot to begin with", logs.display(), snapshots.display())]
    NoSnapshot {
        /// The directory of the logs.
        logs: PathBuf,
        /// The directory of the snapshots.
        snapshots: PathBuf,
    },
    /// There are snapshots, but none can be loaded.
    #[error("none of the {} snapshots in {} can be loaded", rejected.len(), dir.display())]
    NoValidSnapshot {
        /// The directory.
        dir: PathBuf,
        /// Each of them, and why.
        rejected: Vec<RejectedSnapshot>,
    },
    /// A snapshot that cannot be loaded is newer than anything else.
    #[error(
        "the snapshot {} is damaged, and the older snapshots and the logs end at {reached}, before it",
        rejected.file.display()
    )]
    Behind {
        /// The snapshot.
        rejected: RejectedSnapshot,
        /// Where the rest ends.
        reached: Zxid,
    },
    /// An interrupted installation of a leader's database cannot be finished.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The installation of a leader's database was interrupted; what is there is in between.
    #[error("the installation of a leader's database in {} was interrupted", dir.display())]
    Unfinished {
        /// The directory of the snapshots.
        dir: PathBuf,
    },
}

impl RecoverError {
    /// What can be done about it, for the operator.
    pub fn advice(&self) -> &str {
        match self {
            Self::Dirs(DirError::Missing { .. }) => {
                "Create the directory, or correct dataDir and dataLogDir."
            }
            Self::Dirs(DirError::Unusable { .. }) => {
                "Correct the owner and the permissions of the directory."
            }
            Self::Dirs(_) => {
                "Move the files to where the configuration says, or correct dataDir and dataLogDir."
            }
            Self::Disk(_) | Self::Install(InstallError::Disk(_)) => {
                "Look after the disk; nothing was changed."
            }
            Self::Install(_) => {
                "Files were removed or changed by hand. Empty this server's data directories, keep myid, and let it \
                 copy the data from the ensemble again."
            }
            Self::Unfinished { .. } => "Start the server once: it finishes the installation.",
            Self::Log(damage) => damage.advice(),
            Self::NoSnapshot { .. } => {
                "If dataDir is wrong or the snapshots were moved, correct that. After an upgrade from ZooKeeper 3.4, \
                 which may never have written one, start once with snapshot.trust.empty=true. In an ensemble, \
                 empty this server's data directories and let it copy the data again."
            }
            Self::NoValidSnapshot { .. } => {
                "Restore a snapshot from a backup. In an ensemble, empty this server's data directories and let it \
                 copy the data again."
            }
            Self::Behind { .. } => {
                "Starting would lose what is in that snapshot only. Restore it from a backup, or, in an ensemble, \
                 empty this server's data directories and let it copy the data again. To start without it, move the \
                 file away."
            }
        }
    }
}

impl From<ReadError> for RecoverError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Disk(error) => Self::Disk(error),
            ReadError::Damage(damage) => Self::Log(damage),
        }
    }
}

/// Prepares the directories and restores the tree: the newest snapshot that loads, and everything logged since.
/// `replayed` is shown each transaction.
///
/// What is left to a standalone server: [`Tree::remove_orphan_ephemerals`], then a snapshot.
///
/// # Errors
/// Anything that could lose what clients were promised: see [`RecoverError`].
pub fn recover(
    disk: &Arc<dyn Disk>,
    options: &RecoverOptions,
    replayed: impl FnMut(Zxid, &[u8]),
) -> Result<Recovered, RecoverError> {
    let dirs = &options.dirs;
    dirs.prepare(&**disk, options.dir_autocreate)?;
    install::finish(&**disk, dirs, options.limit)?;
    dirs.remove_unfinished(&**disk)?;
    let mut recovered = restore(disk, options, replayed)?;
    for notice in &recovered.report.log_notices {
        if let LogNotice::EmptyFile { file } = notice {
            // The genuine server up to 3.8 does not start on it.
            disk.remove(file).explain(Doing::Remove, file)?;
        }
    }
    let allowed = dirs.take_initialize(&**disk)? || options.db_autocreate;
    if recovered.report.origin == Origin::Missing && allowed {
        recovered.report.origin = Origin::Empty;
        recovered.last_zxid = Zxid::ZERO;
        write_snapshot(&**disk, &dirs.snapshots, &recovered.tree, options.snapshot)?;
    }
    Ok(recovered)
}

/// Restores the tree without changing anything on the disk, as tools need it.
///
/// # Errors
/// As [`recover`].
pub fn restore(
    disk: &Arc<dyn Disk>,
    options: &RecoverOptions,
    replayed: impl FnMut(Zxid, &[u8]),
) -> Result<Recovered, RecoverError> {
    if install::is_unfinished(&**disk, &options.dirs)? {
        return Err(RecoverError::Unfinished { dir: options.dirs.snapshots.clone() });
    }
    restore_range(disk, options, None, &mut Unfit::default(), replayed)
}

/// Restores the tree as it was after `last`. Snapshots that show more are noted in `unfit`.
pub(crate) fn restore_upto(
    disk: &Arc<dyn Disk>,
    options: &RecoverOptions,
    last: Zxid,
    unfit: &mut Unfit,
) -> Result<Recovered, RecoverError> {
    restore_range(disk, options, Some(last), unfit, |_, _| {})
}

/// Snapshots that are named after a transaction to keep, but show effects of later ones.
#[derive(Debug, Default)]
pub(crate) struct Unfit(Vec<PathBuf>);

impl Unfit {
    pub(crate) fn reaches_beyond(&self, file: &NamedFile) -> bool {
        self.0.contains(&file.path)
    }
}

fn restore_range(
    disk: &Arc<dyn Disk>,
    options: &RecoverOptions,
    last: Option<Zxid>,
    unfit: &mut Unfit,
    mut replayed: impl FnMut(Zxid, &[u8]),
) -> Result<Recovered, RecoverError> {
    let dirs = &options.dirs;
    let mut rejected = Vec::new();
    let loaded = load_newest(&**disk, options, last, unfit, &mut rejected)?;
    let has_logs = !list_logs(&**disk, &dirs.logs)?.is_empty();
    let (tree, origin, snapshot_end) = match loaded {
        Some((file, loaded)) => {
            let end = loaded.end();
            let LoadedSnapshot { tree, zxid, nodes, len, .. } = loaded;
            (tree, Origin::Snapshot { file: file.path, zxid, nodes, len }, end)
        }
        // The snapshot of an empty database may be torn too: then there is nothing to lose.
        None if rejected.iter().any(|snapshot| snapshot.zxid > Zxid::ZERO) => {
            return Err(RecoverError::NoValidSnapshot { dir: dirs.snapshots.clone(), rejected });
        }
        None if has_logs && !options.trust_empty_snapshot => {
            let (logs, snapshots) = (dirs.logs.clone(), dirs.snapshots.clone());
            return Err(RecoverError::NoSnapshot { logs, snapshots });
        }
        None if has_logs => {
            warn!("no snapshot: believing the logs alone, as snapshot.trust.empty says");
            (Tree::new(options.tree), Origin::Logs, None)
        }
        None => (Tree::new(options.tree), Origin::Missing, None),
    };
    let mut recovered = Recovered {
        last_zxid: tree.last_zxid(),
        tree,
        report: RecoveryReport {
            origin,
            rejected,
            replayed: 0,
            log_notices: Vec::new(),
            mismatches: 0,
            first_mismatches: Vec::new(),
            uncovered: None,
        },
    };
    if recovered.report.origin == Origin::Missing {
        recovered.last_zxid = Zxid::NONE;
        return Ok(recovered);
    }
    let fuzzy = matches!(recovered.tree.snapshot_digest(), SnapshotDigest::Pending(_));
    if !fuzzy {
        recovered.note_snapshot_digest(recovered.last_zxid);
    }
    recovered.replay(log_reader(disk, options, recovered.last_zxid, last)?, &dirs.logs, &mut replayed)?;
    let reached = recovered.last_zxid;
    if fuzzy {
        recovered.note_snapshot_digest(snapshot_end.unwrap_or(reached));
    }
    if let Some(end) = snapshot_end.filter(|&end| end > reached) {
        warn!("the logs end at {reached}, but the snapshot shows effects of transactions up to {end}");
        recovered.report.uncovered = Some(end);
    }
    refuse_if_behind(&recovered.report.rejected, reached)?;
    info!("restored {} transactions from the logs, the last is {reached}", recovered.report.replayed);
    Ok(recovered)
}

fn log_reader(
    disk: &Arc<dyn Disk>,
    options: &RecoverOptions,
    after: Zxid,
    last: Option<Zxid>,
) -> Result<LogReader, StorageError> {
    let (disk, dir) = (Arc::clone(disk), &options.dirs.logs);
    match last {
        None => LogReader::open(disk, dir, after, options.limit),
        Some(last) => {
            let before = Zxid::from_raw(last.raw().saturating_add(1));
            LogReader::open_range(disk, dir, after, before, options.limit)
        }
    }
}

/// Tries snapshots from the newest on, leaving out those that show anything after `last`.
fn load_newest(
    disk: &dyn Disk,
    options: &RecoverOptions,
    last: Option<Zxid>,
    unfit: &mut Unfit,
    rejected: &mut Vec<RejectedSnapshot>,
) -> Result<Option<(NamedFile, LoadedSnapshot)>, RecoverError> {
    let too_new = |zxid| last.is_some_and(|last| zxid > last);
    let mut tried = 0;
    for candidate in candidates(disk, &options.dirs.snapshots)? {
        let file = candidate.file;
        if too_new(file.zxid) {
            continue;
        }
        let (reason, unfinished) = if candidate.looks_valid {
            if tried == SNAPSHOTS_TRIED_MAX {
                break;
            }
            tried += 1;
            info!("reading snapshot {}", file.path.display());
            match load_snapshot(disk, &file.path, options.tree, options.limit) {
                Ok(loaded) if loaded.end().is_some_and(too_new) => {
                    unfit.0.push(file.path);
                    continue;
                }
                Ok(loaded) => return Ok(Some((file, loaded))),
                Err(error) => (error.to_string(), is_cut_short(&error)),
            }
        } else {
            ("it does not begin or end as a snapshot does".to_owned(), true)
        };
        warn!("cannot use the snapshot {}: {reason}", file.path.display());
        rejected.push(RejectedSnapshot { zxid: file.zxid, file: file.path, reason, unfinished });
    }
    Ok(None)
}

/// Whether a snapshot looks like one whose writer died, rather than one that was damaged later.
fn is_cut_short(error: &LoadSnapshotError) -> bool {
    let LoadSnapshotError::Damage(damage) = error else { return false };
    match &damage.problem {
        SnapshotProblem::Stream(error) => error.kind() == std::io::ErrorKind::UnexpectedEof,
        SnapshotProblem::Record(DecodeError { reason: DecodeReason::Ended { .. }, .. }) => true,
        _ => false,
    }
}

/// A damaged snapshot is no loss as long as the rest reaches as far.
fn refuse_if_behind(rejected: &[RejectedSnapshot], reached: Zxid) -> Result<(), RecoverError> {
    let lost = rejected.iter().find(|snapshot| {
        // A new leader names a snapshot after its epoch before that has any transaction.
        let names_an_epoch = snapshot.zxid.counter() == 0;
        snapshot.zxid > reached && !snapshot.unfinished && !names_an_epoch
    });
    match lost {
        Some(rejected) => Err(RecoverError::Behind { rejected: rejected.clone(), reached }),
        None => Ok(()),
    }
}

impl Recovered {
    fn replay(
        &mut self,
        mut reader: LogReader,
        logs: &Path,
        replayed: &mut impl FnMut(Zxid, &[u8]),
    ) -> Result<(), RecoverError> {
        while let Some(entry) = reader.next()? {
            let (zxid, offset) = (entry.zxid, entry.offset);
            match decode_txn(entry.payload) {
                Ok((header, txn, digest)) => {
                    self.tree.apply(&header, &txn, &mut ());
                    let check = self.tree.check_digest(zxid, digest);
                    self.note_digest(zxid, check);
                    replayed(zxid, entry.payload);
                }
                Err(error) => {
                    let file = reader.file().unwrap_or(logs).to_owned();
                    let found = Found::BadRecord(error);
                    let damage = Damage { file, offset, last: self.last_zxid, torn: false, found };
                    return Err(RecoverError::Log(Box::new(damage)));
                }
            }
            self.last_zxid = zxid;
        }
        self.report.replayed = reader.entries();
        self.report.log_notices = reader.notices().to_vec();
        Ok(())
    }

    /// The digest in a snapshot is compared once the tree is no longer fuzzy: when loaded, or in replay.
    fn note_snapshot_digest(&mut self, zxid: Zxid) {
        if let SnapshotDigest::Compared(check) = self.tree.snapshot_digest() {
            self.note_digest(zxid, check);
        }
    }

    fn note_digest(&mut self, zxid: Zxid, check: DigestCheck) {
        let DigestCheck::Mismatch { expected, actual } = check else { return };
        self.report.mismatches += 1;
        if self.report.first_mismatches.len() < MISMATCHES_LISTED_MAX {
            warn!("the digest after {zxid} should be {expected:#x} and is {actual:#x}");
            self.report.first_mismatches.push(DigestMismatch { zxid, expected, actual });
        }
    }
}
