//! Writing the nodes out while they change.

use crate::Tree;
use crate::arena::{Look, Slot};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use zabra_proto::{Put, put_persisted};
use zabra_types::Zxid;

/// Whether a snapshot has more to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Call again.
    More,
    /// Every node has been written.
    Done,
}

/// Slots looked at in one step at most, so that an arena full of holes does not make a step long.
const SLOTS_PER_FILL: u32 = 1 << 16;

/// Writes the node records of a snapshot in steps, between which transactions may be applied.
///
/// The snapshot is fuzzy: complete for every transaction up to [`SnapshotCursor::zxid`], and showing some effects of
/// later ones, which replay from there repairs. Each node is written as it is at one moment, parents before their
/// children, and each path at most once: nodes created after the start are left out, because their transactions
/// follow, and this is also what tells a slot that is in use again from the node that was there. What is not written
/// here: the end marker, the sessions and the lists, see [`Tree::put_sessions`] and [`Tree::put_acls`].
#[derive(Debug)]
pub struct SnapshotCursor {
    zxid: Zxid,
    next: u32,
    end: u32,
    /// One bit for each slot: its node has been written.
    written: Vec<u64>,
    /// Of the node written last, if it is still there, its parent and the parent's path: siblings lie together.
    parent: Option<(Slot, String)>,
}

impl SnapshotCursor {
    /// Begins a snapshot of the tree as it is. Transactions applied from here on have later zxids than the tree now has.
    pub fn new(tree: &Tree) -> Self {
        let end = tree.arena.slots();
        Self {
            zxid: tree.last_zxid(),
            next: 0,
            end,
            written: vec![0; (end as usize).div_ceil(64)],
            parent: None,
        }
    }

    /// The transaction after which replay has to go on: what the snapshot is named after.
    pub fn zxid(&self) -> Zxid {
        self.zxid
    }

    /// How much of the tree has been seen, from 0 to 1000.
    pub fn permille(&self) -> u32 {
        (u64::from(self.next) * 1000 / u64::from(self.end.max(1))) as u32
    }

    /// Appends records until `out` has grown by about `byte_budget`, or everything is written. Always gets on by at
    /// least one node.
    pub fn fill(&mut self, tree: &Tree, out: &mut Vec<u8>, byte_budget: usize) -> Progress {
        let stop_len = out.len().saturating_add(byte_budget);
        let stop_slot = self.end.min(self.next.saturating_add(SLOTS_PER_FILL));
        // The tree has changed since the last step: the parent may be another node by now.
        self.parent = None;
        while self.next < stop_slot {
            let slot = Slot(self.next);
            self.next += 1;
            if let Some(node) = tree.arena.try_look(slot)
                && node.czxid() <= self.zxid.raw()
                && !self.is_written(slot)
            {
                self.write_with_ancestors(tree, node, out);
            }
            if out.len() >= stop_len {
                break;
            }
        }
        if self.next < self.end { Progress::More } else { Progress::Done }
    }

    fn is_written(&self, slot: Slot) -> bool {
        // Slots beyond the end came into use after the start.
        self.written.get(slot.0 as usize / 64).is_none_or(|word| word & (1 << (slot.0 % 64)) != 0)
    }

    fn write_with_ancestors(&mut self, tree: &Tree, node: Look<'_>, out: &mut Vec<u8>) {
        let mut unwritten = Vec::new();
        let mut at = node;
        while at.slot() != Slot::ROOT && !self.is_written(at.parent()) {
            unwritten.push(at);
            at = tree.arena.look(at.parent());
        }
        self.write(tree, at, out);
        for node in unwritten.into_iter().rev() {
            self.write(tree, node, out);
        }
    }

    fn write(&mut self, tree: &Tree, node: Look<'_>, out: &mut Vec<u8>) {
        if node.slot() == Slot::ROOT {
            out.put_text("");
        } else {
            let (parent, name) = (node.parent(), node.name());
            let path = match &mut self.parent {
                Some((known, path)) if *known == parent => path,
                other => &mut other.insert((parent, tree.arena.path(parent))).1,
            };
            out.put_count(path.len() + 1 + name.len());
            out.extend_from_slice(path.as_bytes());
            out.push(b'/');
            out.extend_from_slice(name.as_bytes());
        }
        out.put_buffer(node.data());
        out.put_i64(tree.acls.raw_id(node.acl()));
        put_persisted(out, &node.stat());
        let slot = node.slot().0;
        if let Some(word) = self.written.get_mut(slot as usize / 64) {
            *word |= 1 << (slot % 64);
        }
    }
}
