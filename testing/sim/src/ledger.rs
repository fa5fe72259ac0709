//! What a server has said to be on its disk. Whether it is there is another question: see `durable_majority`.

use std::collections::BTreeMap;

use zabra_types::Zxid;

use crate::messages::TxnId;

/// What a server has said to be on its disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger {
    /// Everything up to here came as a snapshot.
    base: Zxid,
    /// What was logged after it, by zxid.
    entries: BTreeMap<Zxid, u64>,
    /// The disk is another one, and empty. What is noted here was on the old one.
    replaced: bool,
}

impl Ledger {
    /// These transactions are on the disk too.
    pub(crate) fn flushed(&mut self, txns: &[TxnId]) {
        self.entries.extend(txns.iter().map(|txn| (txn.zxid, txn.hash)));
    }

    /// Everything after this transaction is gone, on a leader's order.
    pub(crate) fn truncated(&mut self, last: Zxid) {
        self.entries.retain(|&zxid, _| zxid <= last);
        self.base = self.base.min(last);
    }

    /// A leader's snapshot has taken the place of everything.
    pub(crate) fn adopted(&mut self, zxid: Zxid) {
        *self = Self { base: zxid, ..Self::default() };
    }

    /// The disk is lost. It did hold what it was said to hold: what is acknowledged because of that is not at fault.
    pub(crate) fn replaced(&mut self) {
        self.replaced = true;
    }

    /// Whether the disk was lost and no leader has filled the new one.
    pub(crate) fn is_replaced(&self) -> bool {
        self.replaced
    }

    /// A process began with this: nothing that was said before may be missing from it. What is, if anything.
    pub(crate) fn recovered(&mut self, snapshot: Zxid, replayed: &[TxnId], last: Zxid) -> Option<Zxid> {
        if self.replaced {
            return None;
        }
        let found: BTreeMap<Zxid, u64> = replayed.iter().map(|txn| (txn.zxid, txn.hash)).collect();
        let lost = self
            .entries
            .iter()
            .find(|&(zxid, hash)| *zxid > snapshot && found.get(zxid) != Some(hash))
            .map(|(&zxid, _)| zxid);
        let lost = lost.or_else(|| (self.base > last).then_some(self.base));
        // What was written and not yet reported is there all the same.
        *self = Self { base: snapshot.max(Zxid::ZERO), entries: found, replaced: false };
        lost
    }

    pub(crate) fn has(&self, txn: TxnId) -> bool {
        txn.zxid <= self.base || self.entries.get(&txn.zxid) == Some(&txn.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn txn(number: i64) -> TxnId {
        TxnId { zxid: Zxid::from_raw(number), hash: number as u64 * 7 }
    }

    #[test]
    fn what_was_said_must_be_found_again() {
        let mut ledger = Ledger::default();
        ledger.flushed(&[txn(1), txn(2), txn(3)]);
        assert!(ledger.has(txn(3)) && !ledger.has(TxnId { hash: 1, ..txn(3) }) && !ledger.has(txn(4)));
        let z = Zxid::from_raw;
        assert_eq!(ledger.clone().recovered(z(0), &[txn(1), txn(2)], z(2)), Some(z(3)));
        assert_eq!(ledger.clone().recovered(z(2), &[txn(3), txn(4)], z(4)), None);
        ledger.truncated(z(2));
        assert_eq!(ledger.clone().recovered(z(0), &[txn(1), txn(2)], z(2)), None);
        ledger.adopted(z(9));
        assert!(ledger.has(txn(8)));
        assert_eq!(ledger.recovered(z(5), &[], z(5)), Some(z(9)));
        assert!(ledger.has(txn(5)) && !ledger.has(txn(8)), "not any more");
    }
}
