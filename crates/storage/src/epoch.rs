//! The two epochs of a member of an ensemble: the one it promised, and the one whose history it has. See
//! `docs/formats/epochs.md`.

use std::path::{Path, PathBuf};

use thiserror::Error;
use tracing::{info, warn};
use zabra_types::{Epoch, Zxid};

use crate::Disk;
use crate::error::{Doing, Explain, StorageError};
use crate::small_file::{self, NEW_SUFFIX};

/// The file of the promised epoch, in the directory of the snapshots.
const ACCEPTED_NAME: &str = "acceptedEpoch";

/// The file of the epoch whose history is complete, in the directory of the snapshots.
const CURRENT_NAME: &str = "currentEpoch";

/// More bytes than any epoch has digits.
const CONTENTS_MAX: usize = 64;

/// The durable epochs of a member.
///
/// Invariant: the epoch of the last transaction ≤ `current` ≤ `accepted`, except for the moment in synchronization when
/// transactions are on the disk and `current` is not raised yet. [`load_epochs`] restores it after a crash there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epochs {
    /// The highest epoch promised (`acceptedEpoch`).
    pub accepted: Epoch,
    /// The epoch of the last leader whose history was taken over completely (`currentEpoch`).
    pub current: Epoch,
}

/// Why the epochs of a member are not known.
#[derive(Debug, Error)]
pub enum EpochError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] StorageError),
    /// A file does not hold an epoch.
    #[error("{} should hold the number of an epoch and holds {contents:?}", file.display())]
    NotAnEpoch {
        /// The file.
        file: PathBuf,
        /// What it begins with.
        contents: String,
    },
    /// A member cannot have the history of an epoch that it never promised.
    #[error(
        "{} says {current}, but {} {}: no server takes over the history of an epoch that it has not accepted",
        dir.join(CURRENT_NAME).display(), ACCEPTED_NAME, Said(*accepted, *last_zxid)
    )]
    NeverAccepted {
        /// The directory of both files.
        dir: PathBuf,
        /// What `acceptedEpoch` says; `None` when it is missing.
        accepted: Option<Epoch>,
        /// What `currentEpoch` says.
        current: Epoch,
        /// The last transaction, which decides when `acceptedEpoch` is missing.
        last_zxid: Zxid,
    },
}

struct Said(Option<Epoch>, Zxid);

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(accepted) => write!(f, "says {accepted}"),
            None => write!(f, "is missing, and the last transaction, {}, is of an earlier epoch", self.1),
        }
    }
}

impl EpochError {
    /// What can be done about it, for the operator.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Disk(_) => "Look after the disk; nothing was changed.",
            Self::NotAnEpoch { .. } | Self::NeverAccepted { .. } => {
                "Restore both epoch files from a backup that was made together with the rest of the directory, or empty \
                 this server's data directories, keep myid, and let it copy the data from the ensemble. Do not make up \
                 a number: with a wrong one this server could help to elect a leader that lacks acknowledged writes."
            }
        }
    }
}

/// Promises an epoch, durably (`QuorumPeer.setAcceptedEpoch`). `dir` is that of the snapshots.
///
/// # Errors
/// The disk failed; the file has the old epoch or the new one.
pub fn write_accepted_epoch(disk: &dyn Disk, dir: &Path, epoch: Epoch) -> Result<(), StorageError> {
    write(disk, dir, ACCEPTED_NAME, epoch)
}

/// Notes that the history of an epoch is complete here, durably (`QuorumPeer.setCurrentEpoch`). That history is on the
/// disk already, or a crash could elect this server without it (ZOOKEEPER-4643).
///
/// # Errors
/// The disk failed; the file has the old epoch or the new one.
pub fn write_current_epoch(disk: &dyn Disk, dir: &Path, epoch: Epoch) -> Result<(), StorageError> {
    write(disk, dir, CURRENT_NAME, epoch)
}

fn write(disk: &dyn Disk, dir: &Path, name: &str, epoch: Epoch) -> Result<(), StorageError> {
    small_file::replace(disk, dir, name, epoch.to_string().as_bytes())
}

/// The epochs of a member whose last transaction is `last_zxid`, [`Zxid::NONE`] when data may be missing. Mirrors
/// `QuorumPeer.loadDataBase`, except that transactions of an epoch later than `currentEpoch` raise it: see below.
///
/// Missing files are made with the epoch of the last transaction, as for a server that stood alone until now.
///
/// A crash between the moment when a leader's history is on the disk and the moment when `currentEpoch` says so leaves
/// transactions of a later epoch. The genuine server then does not start. Raising the epochs to that of the last
/// transaction is safe: the history came in order from the leader of that epoch, or of a later one that had it all, so
/// it is the beginning of what that leader had and holds everything from before the epoch.
///
/// # Errors
/// The disk failed, or what the files say cannot be.
pub fn load_epochs(disk: &dyn Disk, dir: &Path, last_zxid: Zxid) -> Result<Epochs, EpochError> {
    let reached = if last_zxid == Zxid::NONE { Epoch::default() } else { last_zxid.epoch() };
    let found_current = read(disk, dir, CURRENT_NAME)?;
    let found_accepted = read(disk, dir, ACCEPTED_NAME)?;
    let mut epochs =
        Epochs { accepted: found_accepted.unwrap_or(reached), current: found_current.unwrap_or(reached) };
    if epochs.accepted < epochs.current {
        return Err(EpochError::NeverAccepted {
            dir: dir.to_owned(),
            accepted: found_accepted,
            current: epochs.current,
            last_zxid,
        });
    }
    if reached > epochs.current {
        let unfinished = unfinished_current(disk, dir)?;
        let raised =
            unfinished.filter(|&epoch| epoch >= reached && epoch <= epochs.accepted).unwrap_or(reached);
        warn!(
            was = %epochs.current, accepted = %epochs.accepted, raised_to = %raised, %last_zxid,
            "{CURRENT_NAME} is older than the last transaction: this server was killed while it took over the history of \
             a later leader; {CURRENT_NAME} is raised to it"
        );
        epochs.current = raised;
    }
    if epochs.current > epochs.accepted {
        warn!(was = %epochs.accepted, raised_to = %epochs.current, "{ACCEPTED_NAME} is raised with it");
        epochs.accepted = epochs.current;
    }
    // The promise first: a crash between the two must not leave a current epoch that was never accepted.
    for (name, found, epoch) in
        [(ACCEPTED_NAME, found_accepted, epochs.accepted), (CURRENT_NAME, found_current, epochs.current)]
    {
        if found != Some(epoch) {
            if found.is_none() {
                info!(%epoch, "{name} is not there, as on the first start in an ensemble; made");
            }
            write(disk, dir, name, epoch)?;
        }
    }
    remove_unfinished(disk, dir)?;
    Ok(epochs)
}

fn read(disk: &dyn Disk, dir: &Path, name: &str) -> Result<Option<Epoch>, EpochError> {
    let file = dir.join(name);
    let Some(contents) = small_file::read(disk, &file, CONTENTS_MAX)? else { return Ok(None) };
    match parse(&contents) {
        Some(epoch) => Ok(Some(epoch)),
        None => {
            let contents = String::from_utf8_lossy(&contents).into_owned();
            Err(EpochError::NotAnEpoch { file, contents })
        }
    }
}

/// Like the genuine server, reads the first line only, and that strictly.
fn parse(contents: &[u8]) -> Option<Epoch> {
    let line = contents.split(|&byte| byte == b'\n' || byte == b'\r').next()?;
    match std::str::from_utf8(line).ok()?.parse::<i64>().ok()? {
        // A genuine server whose data was missing at its first start.
        -1 => Some(Epoch::default()),
        number => u32::try_from(number).ok().map(Epoch::new),
    }
}

/// The epoch of a write of `currentEpoch` that a crash kept from its end, if it can be read.
fn unfinished_current(disk: &dyn Disk, dir: &Path) -> Result<Option<Epoch>, StorageError> {
    let path = dir.join(format!("{CURRENT_NAME}{NEW_SUFFIX}"));
    Ok(small_file::read(disk, &path, CONTENTS_MAX)?.and_then(|contents| parse(&contents)))
}

/// A genuine server would take an old one for the epoch of transactions that came later.
fn remove_unfinished(disk: &dyn Disk, dir: &Path) -> Result<(), StorageError> {
    let mut removed = false;
    for name in [ACCEPTED_NAME, CURRENT_NAME] {
        removed |= small_file::remove(disk, &dir.join(format!("{name}{NEW_SUFFIX}")))?;
    }
    if removed { disk.sync_dir(dir).explain(Doing::SyncDir, dir) } else { Ok(()) }
}
