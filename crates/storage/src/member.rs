//! What a member of an ensemble finds on its disk: the database, the epochs, and the end of its history in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;
use zabra_types::Zxid;

use crate::log::for_each_entry;
use crate::{
    Disk, EpochError, Epochs, Origin, RecoverError, RecoverOptions, Recovered, StorageError, list_logs,
    load_epochs, recover,
};

/// Logs from before the snapshot are read only up to this many bytes: a short memory costs a learner little, a slow
/// start costs everybody.
const OLDER_LEN_MAX: u64 = 128 << 20;

/// How much of the history a member keeps in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentLimits {
    /// Transactions.
    pub len: usize,
    /// Bytes of their payloads. The last transaction is kept whatever its size.
    pub bytes: usize,
}

/// The last transactions of a history, without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// The history right before the first of them ends here; with none, the whole history does. It may be the beginning of
    /// an epoch, which is no transaction.
    pub floor: Zxid,
    /// Each with its zxid: header, record and digest, as the log has them.
    pub txns: Vec<(Zxid, Bytes)>,
}

/// What a member found.
#[derive(Debug)]
pub struct RecoveredMember {
    /// The database. With [`Origin::Missing`] data may be missing: then it may only be filled by a leader.
    pub recovered: Recovered,
    /// The epochs, as they are on the disk now.
    pub epochs: Epochs,
    /// The end of the history.
    pub recent: Recent,
    /// The snapshot that the database began with, see [`crate::LogQuery::base`].
    pub base: Zxid,
}

/// Why a member cannot start.
#[derive(Debug, Error)]
pub enum MemberError {
    /// There is no database.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The epochs are not known.
    #[error(transparent)]
    Epochs(#[from] EpochError),
}

impl MemberError {
    /// What can be done about it, for the operator.
    pub fn advice(&self) -> &str {
        match self {
            Self::Recover(error) => error.advice(),
            Self::Epochs(error) => error.advice(),
        }
    }
}

/// Prepares the directories and restores what a member of an ensemble needs. `replayed` is shown each transaction after
/// the snapshot. Mirrors `QuorumPeer.loadDataBase`.
///
/// # Errors
/// Anything that could make this server break a promise: see [`MemberError`].
pub fn recover_member(
    disk: &Arc<dyn Disk>,
    options: &RecoverOptions,
    limits: RecentLimits,
    mut replayed: impl FnMut(Zxid, &[u8]),
) -> Result<RecoveredMember, MemberError> {
    let mut window = Window::new(limits);
    let recovered = recover(disk, options, |zxid, payload| {
        window.push(zxid, payload);
        replayed(zxid, payload);
    })?;
    let epochs = load_epochs(&**disk, &options.dirs.snapshots, recovered.last_zxid)?;
    let base = match &recovered.report.origin {
        Origin::Snapshot { zxid, .. } => *zxid,
        Origin::Logs | Origin::Empty => Zxid::ZERO,
        Origin::Missing => Zxid::NONE,
    };
    if window.gone.is_none() && base > Zxid::ZERO {
        let older = older(&**disk, options, base, limits).map_err(RecoverError::from)?;
        window.push_older(older);
    }
    let recent = window.into_recent(base);
    Ok(RecoveredMember { recovered, epochs, recent, base })
}

/// The last transactions, filled from either end.
struct Window {
    limits: RecentLimits,
    txns: VecDeque<(Zxid, Bytes)>,
    bytes: usize,
    /// The last transaction that was let go.
    gone: Option<Zxid>,
}

impl Window {
    fn new(limits: RecentLimits) -> Self {
        Self { limits, txns: VecDeque::new(), bytes: 0, gone: None }
    }

    fn push(&mut self, zxid: Zxid, payload: &[u8]) {
        self.bytes += payload.len();
        self.txns.push_back((zxid, Bytes::copy_from_slice(payload)));
        while (self.txns.len() > self.limits.len || self.bytes > self.limits.bytes)
            && self.txns.len() > 1
            && let Some((zxid, payload)) = self.txns.pop_front()
        {
            self.bytes -= payload.len();
            self.gone = Some(zxid);
        }
    }

    /// Begins anew.
    fn clear(&mut self) {
        (self.bytes, self.gone) = (0, None);
        self.txns.clear();
    }

    fn last(&self) -> Option<Zxid> {
        self.txns.back().map(|(zxid, _)| *zxid)
    }

    /// As much as fits of `older`, which ends right before this.
    fn push_older(&mut self, older: Self) {
        for (zxid, payload) in older.txns.into_iter().rev() {
            if self.txns.len() >= self.limits.len || self.bytes + payload.len() > self.limits.bytes {
                break;
            }
            self.bytes += payload.len();
            self.txns.push_front((zxid, payload));
        }
    }

    /// `base` is where the history without any of these ends.
    fn into_recent(self, base: Zxid) -> Recent {
        let floor = match (self.gone, self.txns.front()) {
            (Some(gone), _) => gone,
            // Taken from before the base, and so one in the middle of an epoch or its first.
            (None, Some((first, _))) if *first <= base => Zxid::from_raw(first.raw() - 1),
            (None, _) => base,
        };
        Recent { floor, txns: self.txns.into() }
    }
}

/// The last transactions up to `base` that certainly are the history that ended with it: an unbroken chain within its
/// epoch. Older epochs prove nothing, see [`crate::find_in_log`].
fn older(
    disk: &dyn Disk,
    options: &RecoverOptions,
    base: Zxid,
    limits: RecentLimits,
) -> Result<Window, StorageError> {
    let mut chain = Window::new(limits);
    let after = Zxid::from_raw(base.raw() - i64::try_from(limits.len).unwrap_or(i64::MAX).min(base.raw()));
    let mut files = list_logs(disk, &options.dirs.logs)?;
    files.retain(|file| file.zxid <= base);
    let from = files.iter().rposition(|file| file.zxid <= after).unwrap_or(0);
    let files = &files[from..];
    let mut len = 0;
    let affordable = files.iter().rev().take_while(|file| {
        len += file.len;
        len <= OLDER_LEN_MAX
    });
    for file in &files[files.len() - affordable.count()..] {
        for_each_entry(disk, &file.path, options.limit, |zxid, payload| {
            if zxid > base || zxid.epoch() != base.epoch() || chain.last().is_some_and(|last| zxid <= last) {
                return;
            }
            if chain.last().is_some_and(|last| last.next() != Some(zxid)) {
                chain.clear();
            }
            chain.push(zxid, payload);
        })?;
    }
    if chain.last() != Some(base) {
        chain.clear();
    }
    Ok(chain)
}
