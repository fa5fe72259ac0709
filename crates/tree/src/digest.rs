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

/// Up to so many bytes a node's path, data and Stat are put together first: one short checksum costs half of three.
const SHORT: usize = 256;
const STAT_LEN: usize = 60;

/// What one node adds to the digest of the tree: nothing below `/zookeeper/`, where servers may differ.
///
/// Covers path, data and stored Stat; of the access control list only its version. Mirrors
/// `DigestCalculator.calculateDigest`. The root may be given as `/` or as the empty path.
pub fn node_digest(path: &str, data: Option<&[u8]>, stat: &StatPersisted) -> u32 {
    if !has_part(path) {
        return 0;
    }
    let (path, data) = (if path == "/" { "" } else { path }.as_bytes(), data.unwrap_or_default());
    let (data_at, stat_at) = (path.len(), path.len() + data.len());
    let mut crc = Hasher::new();
    let mut short = [0; SHORT];
    match short.get_mut(..stat_at + STAT_LEN) {
        Some(all) => {
            all[..data_at].copy_from_slice(path);
            all[data_at..stat_at].copy_from_slice(data);
            all[stat_at..].copy_from_slice(&stat_bytes(stat));
            crc.update(all);
        }
        None => {
            crc.update(path);
            crc.update(data);
            crc.update(&stat_bytes(stat));
        }
    }
    crc.finalize()
}

/// The [`node_digest`] of a node whose Stat alone has changed, from what it was before: who counts only children again
/// and again need not go over path and data each time.
///
/// A CRC is linear: those of two texts of one length differ by that of their difference, begun and ended with nothing,
/// and what they have in common before the difference leaves no trace.
pub fn restated_digest(path: &str, digest: u32, before: &StatPersisted, after: &StatPersisted) -> u32 {
    if !has_part(path) {
        return 0;
    }
    let mut difference = stat_bytes(before);
    for (byte, after) in difference.iter_mut().zip(stat_bytes(after)) {
        *byte ^= after;
    }
    // The hasher turns all bits at both ends.
    let mut crc = Hasher::new_with_initial(u32::MAX);
    crc.update(&difference);
    digest ^ !crc.finalize()
}

/// Whether a node has a part in the digest.
fn has_part(path: &str) -> bool {
    !path.strip_prefix(ZOOKEEPER_PATH).is_some_and(|rest| rest.starts_with('/'))
}

fn stat_bytes(stat: &StatPersisted) -> [u8; STAT_LEN] {
    let mut bytes = [0; STAT_LEN];
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    prop_compose! {
        fn stats()(longs in any::<[i64; 6]>(), ints in any::<[i32; 3]>()) -> StatPersisted {
            let [czxid, mzxid, ctime, mtime, ephemeral_owner, pzxid] = longs;
            let [version, cversion, aversion] = ints;
            StatPersisted { czxid, mzxid, ctime, mtime, version, cversion, aversion, ephemeral_owner, pzxid }
        }
    }

    proptest! {
        /// However the parts are long: together or one by one makes no difference.
        #[test]
        fn a_digest_is_that_of_path_data_and_stat(
            path in "/[a-z]{0,150}",
            data in prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
            stat in stats(),
        ) {
            let mut bytes = if path == "/" { Vec::new() } else { Vec::from(path.as_bytes()) };
            bytes.extend_from_slice(data.as_deref().unwrap_or_default());
            bytes.extend_from_slice(&stat_bytes(&stat));
            prop_assert_eq!(node_digest(&path, data.as_deref(), &stat), crc32fast::hash(&bytes));
        }

        #[test]
        fn a_changed_stat_changes_the_digest_as_if_made_anew(
            path in prop_oneof![Just(String::from("/")), Just(String::new()), Just(String::from("/zookeeper/x")), "/[a-z]{1,300}"],
            data in prop::collection::vec(any::<u8>(), 0..300),
            before in stats(),
            after in stats(),
        ) {
            let digest = node_digest(&path, Some(&data), &before);
            let expected = node_digest(&path, Some(&data), &after);
            prop_assert_eq!(restated_digest(&path, digest, &before, &after), expected);
            prop_assert_eq!(restated_digest(&path, digest, &before, &before), digest);
        }
    }
}
