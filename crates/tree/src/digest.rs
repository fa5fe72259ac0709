//! The digest: a sum over all nodes that servers compare to find out that they differ.

use crate::ZOOKEEPER_PATH;
use alloc::collections::VecDeque;
use crc32fast::Hasher;
use zabra_proto::TxnDigest;
use zabra_types::{StatPersisted, Zxid};

/// Digests kept in memory.
const HISTORY_LEN: usize = 1024;
/// A digest is kept for every zxid divisible by this.
const HISTORY_INTERVAL: i64 = 128;

/// What one node adds to the digest of the tree: nothing below `/zookeeper/`, where servers may differ.
///
/// Covers path, data and stored Stat; of the access control list only its version. Mirrors
/// `DigestCalculator.calculateDigest`. The root may be given as `/` or as the empty path.
pub fn node_digest(path: &str, data: Option<&[u8]>, stat: &StatPersisted) -> u32 {
    NodePrefix::with_digest(path, data, stat).1
}

/// The part of a node's digest that a change of its Stat leaves as it is: who counts only children again and again
/// need not go over path and data each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodePrefix(Option<u32>);

impl NodePrefix {
    /// Of a node that has no part in the digest.
    pub(crate) const NONE: Self = Self(None);

    /// Of this path and data; see [`node_digest`].
    pub fn of(path: &str, data: Option<&[u8]>) -> Self {
        Self(begin(path, data).map(Hasher::finalize))
    }

    /// Of this path and data, and the digest with this Stat.
    pub(crate) fn with_digest(path: &str, data: Option<&[u8]>, stat: &StatPersisted) -> (Self, u32) {
        let Some(mut crc) = begin(path, data) else { return (Self(None), 0) };
        let prefix = crc.clone().finalize();
        crc.update(&stat_bytes(stat));
        (Self(Some(prefix)), crc.finalize())
    }

    /// From [`NodePrefix::crc`].
    pub(crate) const fn from_crc(crc: u32) -> Self {
        Self(Some(crc))
    }

    /// The checksum so far, where there is one.
    pub(crate) const fn crc(self) -> Option<u32> {
        self.0
    }

    /// The digest of the node with this Stat.
    pub fn digest(self, stat: &StatPersisted) -> u32 {
        let Some(prefix) = self.0 else { return 0 };
        let mut crc = Hasher::new_with_initial(prefix);
        crc.update(&stat_bytes(stat));
        crc.finalize()
    }
}

/// Path and data; nothing below `/zookeeper/`.
fn begin(path: &str, data: Option<&[u8]>) -> Option<Hasher> {
    if path.strip_prefix(ZOOKEEPER_PATH).is_some_and(|rest| rest.starts_with('/')) {
        return None;
    }
    let mut crc = Hasher::new();
    if path != "/" {
        crc.update(path.as_bytes());
    }
    crc.update(data.unwrap_or_default());
    Some(crc)
}

fn stat_bytes(stat: &StatPersisted) -> [u8; 60] {
    let mut bytes = [0; 60];
    bytes[0..8].copy_from_slice(&stat.czxid.to_be_bytes());
    bytes[8..16].copy_from_slice(&stat.mzxid.to_be_bytes());
    // Not the order of snapshots: pzxid is third here and last there.
    bytes[16..24].copy_from_slice(&stat.pzxid.to_be_bytes());
    bytes[24..32].copy_from_slice(&stat.ctime.to_be_bytes());
    bytes[32..40].copy_from_slice(&stat.mtime.to_be_bytes());
    bytes[40..44].copy_from_slice(&stat.version.to_be_bytes());
    bytes[44..48].copy_from_slice(&stat.cversion.to_be_bytes());
    bytes[48..52].copy_from_slice(&stat.aversion.to_be_bytes());
    bytes[52..60].copy_from_slice(&stat.ephemeral_owner.to_be_bytes());
    bytes
}

/// The digest of the tree right after a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DigestRecord {
    /// The transaction.
    pub zxid: Zxid,
    /// The digest after it.
    pub digest: u64,
}

/// What comparing the digest in a transaction with the tree's own showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestCheck {
    /// There was nothing to compare: digests are off, the transaction has none or one of another algorithm, or the
    /// tree is still in the fuzzy range of the snapshot it was loaded from.
    Skipped,
    /// They are equal.
    Match,
    /// They differ: this replica has diverged from the one that made the transaction.
    Mismatch {
        /// The digest in the transaction, or in the snapshot whose fuzzy range ends here.
        expected: u64,
        /// The tree's own.
        actual: u64,
    },
}

/// How far the digest in the snapshot a tree was loaded from has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotDigest {
    /// There was none, or none that says anything about this tree.
    None,
    /// It holds once this transaction has been replayed; until then the tree is fuzzy and nothing is compared.
    Pending(DigestRecord),
    /// It was compared.
    Compared(DigestCheck),
    /// Its transaction was passed without being seen.
    Missed(Zxid),
}

/// The sum, and what is known about it.
#[derive(Debug)]
pub(crate) struct Digests {
    enabled: bool,
    sum: u64,
    last: Option<DigestRecord>,
    history: VecDeque<DigestRecord>,
    snapshot: SnapshotDigest,
}

impl Digests {
    pub(crate) fn new(enabled: bool) -> Self {
        Self { enabled, sum: 0, last: None, history: VecDeque::new(), snapshot: SnapshotDigest::None }
    }

    pub(crate) fn enabled(&self) -> bool {
        self.enabled
    }

    pub(crate) fn sum(&self) -> u64 {
        self.sum
    }

    pub(crate) fn last(&self) -> Option<DigestRecord> {
        self.last
    }

    pub(crate) fn history(&self) -> impl ExactSizeIterator<Item = DigestRecord> {
        self.history.iter().copied()
    }

    pub(crate) fn snapshot(&self) -> SnapshotDigest {
        self.snapshot
    }

    /// A node's part of the sum changes.
    pub(crate) fn replace(&mut self, old: u32, new: u32) {
        self.sum = self.sum.wrapping_sub(u64::from(old)).wrapping_add(u64::from(new));
    }

    /// A tree was loaded that holds every transaction up to `last_zxid`, from a snapshot with this digest.
    pub(crate) fn loaded(&mut self, last_zxid: Zxid, found: Option<(Zxid, TxnDigest)>) {
        let Some((zxid, digest)) = found.filter(|_| self.enabled) else { return };
        // A leader that has just been elected names snapshots after its new epoch: the digest is then of an older
        // transaction and the tree not fuzzy.
        if zxid <= Zxid::ZERO || zxid < last_zxid || digest.version != TxnDigest::VERSION {
            return;
        }
        self.snapshot = SnapshotDigest::Pending(DigestRecord { zxid, digest: digest.digest });
        self.compare_snapshot(last_zxid);
    }

    /// A transaction was applied as a whole.
    pub(crate) fn applied(&mut self, zxid: Zxid) {
        if !self.enabled {
            return;
        }
        if let SnapshotDigest::Pending(_) = self.snapshot {
            self.compare_snapshot(zxid);
            return;
        }
        let record = DigestRecord { zxid, digest: self.sum };
        self.last = Some(record);
        if zxid.raw() % HISTORY_INTERVAL == 0 {
            if self.history.len() == HISTORY_LEN {
                self.history.pop_front();
            }
            self.history.push_back(record);
        }
    }

    fn compare_snapshot(&mut self, zxid: Zxid) {
        let SnapshotDigest::Pending(expected) = self.snapshot else { return };
        if zxid == expected.zxid {
            self.snapshot = SnapshotDigest::Compared(self.compare(expected.digest));
        } else if zxid > expected.zxid {
            self.snapshot = SnapshotDigest::Missed(expected.zxid);
        }
    }

    /// Compares with the digest in the transaction just applied.
    pub(crate) fn check(&self, found: Option<TxnDigest>) -> DigestCheck {
        match found {
            Some(digest)
                if self.enabled
                    && digest.version == TxnDigest::VERSION
                    && !matches!(self.snapshot, SnapshotDigest::Pending(_)) =>
            {
                self.compare(digest.digest)
            }
            _ => DigestCheck::Skipped,
        }
    }

    fn compare(&self, expected: u64) -> DigestCheck {
        if expected == self.sum {
            DigestCheck::Match
        } else {
            DigestCheck::Mismatch { expected, actual: self.sum }
        }
    }
}
