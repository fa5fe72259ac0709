//! A disk and a tree, as far as a peer cares: transactions.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;
use zabra_types::{Epoch, Zxid};

use crate::{Durable, Input, Output, StoreOp, Ticket};

/// A database: the transactions applied to it.
pub(crate) type Tree = Vec<(Zxid, Bytes)>;

/// What a server has written, and what it has ordered to be written.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) accepted_epoch: Epoch,
    pub(crate) current_epoch: Epoch,
    /// The newest snapshot; an empty one at zero to begin with.
    pub(crate) snapshot: (Zxid, Tree),
    /// The transactions after `log_floor`, without gaps.
    pub(crate) log: Tree,
    log_floor: Zxid,
    /// What there was is gone, and nobody has said that it may be.
    pub(crate) is_missing: bool,
    queue: VecDeque<Order>,
}

/// Something for the disk to do, after what was ordered before.
#[derive(Debug)]
enum Order {
    Append(Zxid, Bytes),
    /// With the tree as it was when this was ordered.
    Store(Ticket, StoreOp, Tree),
    Find(Ticket, Zxid),
}

impl Disk {
    /// What a server that starts finds: the end of its history, and all of it.
    pub(crate) fn start(&mut self) -> (Durable, Tree, Tree) {
        let tree = self.restore();
        let last_zxid = self.last();
        self.current_epoch = self.current_epoch.max(last_zxid.epoch());
        self.accepted_epoch = self.accepted_epoch.max(self.current_epoch);
        let durable = Durable {
            accepted_epoch: self.accepted_epoch,
            current_epoch: self.current_epoch,
            last_zxid: if self.is_missing { Zxid::NONE } else { last_zxid },
        };
        let recent = self.log.iter().skip(self.log.len().saturating_sub(3)).cloned().collect();
        (durable, recent, tree)
    }

    /// What was ordered and not done is lost.
    pub(crate) fn crash(&mut self) {
        self.queue.clear();
    }

    /// Whether there is something to do.
    pub(crate) fn is_busy(&self) -> bool {
        !self.queue.is_empty()
    }

    fn last(&self) -> Zxid {
        self.log.last().map_or(self.snapshot.0.max(self.log_floor), |(zxid, _)| *zxid)
    }

    pub(crate) fn restore(&self) -> Tree {
        let (at, tree) = &self.snapshot;
        let behind = self.log.iter().filter(|(zxid, _)| zxid > at);
        tree.iter().chain(behind).cloned().collect()
    }

    pub(crate) fn contains(&self, txn: &(Zxid, Bytes)) -> bool {
        self.log.contains(txn) || self.snapshot.1.contains(txn)
    }

    /// Takes a snapshot of what is on the disk, as a server does now and then: it contains what is not committed.
    pub(crate) fn take_snapshot(&mut self) {
        self.snapshot = (self.last(), self.restore());
    }

    /// Queues what a peer wants of the disk; `tree` is what it has in memory.
    pub(crate) fn order(&mut self, output: Output, tree: &Tree) {
        self.queue.push_back(match output {
            Output::Append { zxid, payload } => Order::Append(zxid, payload),
            Output::Store { ticket, op } => Order::Store(ticket, op, tree.clone()),
            Output::FindInLog { ticket, at, .. } => Order::Find(ticket, at),
            _ => return,
        });
    }

    /// Does the oldest of what was ordered. `tree` is what the server has in memory.
    pub(crate) fn work(&mut self, tree: &mut Tree) -> Option<Input> {
        Some(match self.queue.pop_front()? {
            Order::Append(zxid, payload) => {
                assert!(zxid > self.last(), "{zxid} logged behind {}", self.last());
                self.log.push((zxid, payload));
                Input::Flushed(zxid)
            }
            Order::Find(ticket, at) => {
                let known = self.log.iter().rev().map(|(zxid, _)| *zxid).find(|zxid| *zxid <= at);
                let floor = known.or_else(|| (self.log_floor <= at).then_some(self.log_floor));
                Input::FoundInLog { ticket, floor }
            }
            Order::Store(ticket, op, ordered_with) => {
                match op {
                    StoreOp::Flush => {}
                    StoreOp::AcceptedEpoch(epoch) => self.accepted_epoch = epoch,
                    StoreOp::CurrentEpoch(epoch) => self.current_epoch = epoch,
                    StoreOp::Truncate(last) if last < self.snapshot.0 => {
                        return Some(Input::CannotTruncate(ticket));
                    }
                    StoreOp::Truncate(last) => {
                        self.log.retain(|(zxid, _)| *zxid <= last);
                        if tree.last().is_some_and(|(zxid, _)| *zxid > last) {
                            *tree = self.restore();
                        }
                    }
                    StoreOp::Snapshot(zxid) => {
                        assert!(*tree == ordered_with, "the tree of a snapshot at {zxid} stands still");
                        let end = tree.last().map_or(Zxid::ZERO, |(zxid, _)| *zxid);
                        assert!(end <= zxid, "a snapshot at {zxid} contains {end}");
                        self.snapshot = (zxid, tree.clone());
                        self.log.clear();
                        self.log_floor = zxid;
                        self.is_missing = false;
                    }
                }
                Input::Stored(ticket)
            }
        })
    }
}
