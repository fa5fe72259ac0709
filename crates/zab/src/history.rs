//! The end of the history of transactions, in memory.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;
use zabra_types::Zxid;

/// One transaction of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) zxid: Zxid,
    pub(crate) payload: Bytes,
}

/// The last transactions appended to the log, without gaps (`ZKDatabase.committedLog` and what is proposed after it).
///
/// Invariant: `floor` is the zxid of the transaction right before the first entry, and entries ascend. A gap would be
/// passed on to learners as lost data (ZOOKEEPER-4925).
#[derive(Debug)]
pub(crate) struct History {
    floor: Zxid,
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl History {
    /// Begins after `floor`, with nothing in memory.
    pub(crate) fn after(floor: Zxid) -> Self {
        Self { floor, entries: VecDeque::new(), bytes: 0 }
    }

    /// Ends at `last` with these transactions, ascending and without gaps, of which the last is `last`. There may be none.
    pub(crate) fn ending_at(last: Zxid, recent: Vec<(Zxid, Bytes)>) -> Self {
        let mut recent = recent.into_iter();
        let Some((first, payload)) = recent.next() else { return Self::after(last) };
        let mut history = if first.counter() > 1 {
            let mut history = Self::after(Zxid::new(first.epoch(), first.counter() - 1));
            history.append(first, payload);
            history
        } else {
            // What was before the first of an epoch is not known, so it must be the floor itself.
            Self::after(first)
        };
        for (zxid, payload) in recent {
            history.append(zxid, payload);
        }
        history
    }

    /// The last transaction before what is in memory.
    pub(crate) fn floor(&self) -> Zxid {
        self.floor
    }

    /// The last transaction of all; the floor when nothing is in memory.
    pub(crate) fn last(&self) -> Zxid {
        self.entries.back().map_or(self.floor, |entry| entry.zxid)
    }

    /// Adds the next transaction. The caller has checked that it is the next.
    pub(crate) fn append(&mut self, zxid: Zxid, payload: Bytes) {
        assert!(zxid > self.last(), "{zxid} appended after {}", self.last());
        self.bytes += payload.len();
        self.entries.push_back(Entry { zxid, payload });
    }

    /// The transactions after `after`, in order. Those before memory are missing: compare with [`Self::floor`].
    pub(crate) fn after_zxid(&self, after: Zxid) -> impl Iterator<Item = &Entry> {
        let begin = self.entries.partition_point(|entry| entry.zxid <= after);
        self.entries.range(begin..)
    }

    /// The last transaction not after `zxid` that is known here: in memory, or the floor. None when that is further back.
    pub(crate) fn last_not_after(&self, zxid: Zxid) -> Option<Zxid> {
        let at = self.entries.partition_point(|entry| entry.zxid <= zxid);
        match at.checked_sub(1) {
            Some(before) => self.entries.get(before).map(|entry| entry.zxid),
            None => (self.floor <= zxid).then_some(self.floor),
        }
    }

    /// Takes back everything after `last`. Should that be before memory, memory is empty and ends there.
    pub(crate) fn truncate(&mut self, last: Zxid) {
        while self.last() > last
            && let Some(entry) = self.entries.pop_back()
        {
            self.bytes -= entry.payload.len();
        }
        self.floor = self.floor.min(last);
    }

    /// Panics when there is a gap inside an epoch.
    pub(crate) fn check(&self) {
        let mut last = self.floor;
        for entry in &self.entries {
            let next = entry.zxid;
            let follows = last.next() == Some(next) || (next.epoch() > last.epoch() && next.counter() == 1);
            assert!(follows, "{next} does not follow {last}");
            last = next;
        }
        assert_eq!(self.bytes, self.entries.iter().map(|entry| entry.payload.len()).sum::<usize>());
    }

    /// Whether what remains of a truncation to `last` is certain to be all before it: there is such a transaction. The
    /// beginning of an epoch is none, but has all earlier epochs before it. Within an epoch nothing is left out, so what is
    /// before memory is known as far as that goes.
    pub(crate) fn can_end_at(&self, last: Zxid) -> bool {
        let is_there = match self.last_not_after(last) {
            Some(known) => known == last,
            None => last.epoch() == self.floor.epoch(),
        };
        is_there || (last <= self.last() && last.counter() == 0)
    }

    /// Forgets old transactions beyond a number and a size, but none after `keep_after`.
    pub(crate) fn trim(&mut self, len_max: usize, bytes_max: usize, keep_after: Zxid) {
        while self.entries.len() > len_max || self.bytes > bytes_max {
            if self.entries.front().is_none_or(|entry| entry.zxid > keep_after) {
                break;
            }
            let Some(entry) = self.entries.pop_front() else { break };
            self.floor = entry.zxid;
            self.bytes -= entry.payload.len();
        }
    }
}
