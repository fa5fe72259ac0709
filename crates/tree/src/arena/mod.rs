//! Where the nodes are.
//!
//! A node is one record of bytes in a block. Blocks move when a record grows, so there is a table that tells where; a
//! node's place in the table is its [`Slot`]. What most nodes do not have (children, an owner, a changed list) is in
//! [`Extra`]. Paths are not kept: the index finds a node by the hash of its whole path, and the node knows its name and
//! its parent, which are compared upwards. A search thus costs one hash and one line of the index however deep the
//! node is; only the records above it are visited, which are those of directories and therefore at hand.

mod blocks;
mod family;
mod look;
mod record;
mod slab;

use crate::acl_table::AclId;
use crate::index::{HashKey, Index, IndexBatch};
use alloc::string::String;
use alloc::vec::Vec;
pub(crate) use blocks::BlockRef;
use blocks::Blocks;
pub use blocks::RecordPage;
use family::{Family, Moved};
pub(crate) use look::Look;
pub(crate) use record::Changed;
use record::{Fixed, Record, RecordMut, Variable};
use slab::Slab;
use zabra_proto::Put;
use zabra_types::StatPersisted;

/// The place of a node in the arena. Places are used again after a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(pub(crate) u32);

impl Slot {
    /// The root, which is its own parent.
    pub(crate) const ROOT: Self = Self(0);
    /// No node is in the last slot there could be.
    pub(crate) const NONE: Self = Self(u32::MAX);
}

/// What a leaf that belongs to nobody and was never given another list does not have.
#[derive(Debug)]
struct Extra {
    owner: i64,
    pzxid: i64,
    cversion: i32,
    aversion: i32,
    /// Children that have children: large directories mostly have none, and need not be visited to count what is below.
    inner: u32,
    family: Family,
}

impl Default for Extra {
    fn default() -> Self {
        Self { owner: 0, pzxid: 0, cversion: 0, aversion: 0, inner: 0, family: Family::new() }
    }
}

/// A node that comes into being.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewNode<'a> {
    pub(crate) name: &'a str,
    pub(crate) data: Option<&'a [u8]>,
    pub(crate) acl: AclId,
    pub(crate) stat: &'a StatPersisted,
    pub(crate) digest: u32,
}

/// All nodes, found by their paths.
#[derive(Debug)]
pub(crate) struct Arena {
    key: HashKey,
    /// Where each slot's record is. The index knows it too, so that a search need not ask.
    records: Slab<BlockRef>,
    extras: Slab<Extra>,
    blocks: Blocks,
    index: Index,
    /// Kept for its allocation.
    moved: Vec<Moved>,
    /// Kept for its allocation.
    scratch: Vec<u8>,
}

impl Arena {
    /// The root alone: empty data, a stat of zeros, the open list.
    pub(crate) fn new(key: HashKey) -> Self {
        let mut arena = Self {
            key,
            records: Slab::new(),
            extras: Slab::new(),
            blocks: Blocks::new(),
            index: Index::new(),
            moved: Vec::new(),
            scratch: Vec::new(),
        };
        let stat = StatPersisted::default();
        let root = NewNode { name: "", data: Some(&[]), acl: AclId::OPEN, stat: &stat, digest: 0 };
        arena.add_record(Slot::ROOT, &root);
        arena
    }

    /// The number of nodes, the root counted once.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// One more than the greatest slot ever used.
    pub(crate) fn slots(&self) -> u32 {
        self.records.end()
    }

    /// The node at this slot, if there is one.
    pub(crate) fn try_look(&self, slot: Slot) -> Option<Look<'_>> {
        let &block = self.records.get(slot.0)?;
        (block != BlockRef::NONE).then(|| self.look_at(slot, self.record(block)))
    }

    /// A node.
    pub(crate) fn look(&self, slot: Slot) -> Look<'_> {
        self.look_at(slot, self.record(self.records[slot.0]))
    }

    fn look_at<'a>(&'a self, slot: Slot, record: Record<'a>) -> Look<'a> {
        let extra = record.extra().map(|place| &self.extras[place]);
        Look { slot, record, extra }
    }

    #[inline]
    fn record(&self, block: BlockRef) -> Record<'_> {
        Record::new(self.blocks.get(block))
    }

    fn record_mut(&mut self, slot: Slot) -> RecordMut<'_> {
        RecordMut(self.blocks.get_mut(self.records[slot.0]))
    }

    fn search(&self, path: &str) -> Option<(Slot, Record<'_>)> {
        if matches!(path, "" | "/") {
            return Some((Slot::ROOT, self.record(self.records[Slot::ROOT.0])));
        }
        let mut found = None;
        let (slot, _) = self.index.find(self.key.hash(path.as_bytes()), |block| {
            let record = self.record(block);
            let is_it = self.is_at(record, path.as_bytes());
            if is_it {
                found = Some(record);
            }
            is_it
        })?;
        Some((slot, found?))
    }

    /// Whether this is the record of the node at a path: its name ends the path, its parent's stands before that, and so
    /// on up to the root.
    fn is_at<'a>(&'a self, mut record: Record<'a>, mut path: &[u8]) -> bool {
        loop {
            let name = record.name();
            // Compared from the end by hand: the slash and the name are one stretch.
            let Some(slash) = path.len().checked_sub(name.len() + 1) else { return false };
            if path[slash] != b'/' || !is_same(&path[slash + 1..], name) {
                return false;
            }
            match record.parent() {
                Slot::ROOT => return slash == 0,
                _ if slash == 0 => return false,
                parent => record = self.record(self.records[parent.0]),
            }
            path = &path[..slash];
        }
    }

    /// The node at a path; the empty path is the root.
    pub(crate) fn resolve(&self, path: &str) -> Option<Slot> {
        self.search(path).map(|(slot, _)| slot)
    }

    /// A look at the node at a path; the empty path is the root.
    pub(crate) fn look_up(&self, path: &str) -> Option<Look<'_>> {
        self.search(path).map(|(slot, record)| self.look_at(slot, record))
    }

    /// Adds a child that is not there yet. Its `path` is the parent's, a slash and the name.
    pub(crate) fn insert(&mut self, parent: Slot, path: &str, node: &NewNode<'_>) -> Slot {
        let slot = self.add_record(parent, node);
        self.index.insert(self.key.hash(path.as_bytes()), slot, self.records[slot.0]);
        self.join_family(slot, parent, node.name);
        slot
    }

    /// Adds one of many children, which can be found after [`Arena::index_batch`]. `hash` is that of its path.
    pub(crate) fn insert_later(
        &mut self,
        parent: Slot,
        hash: u64,
        node: &NewNode<'_>,
        batch: &mut IndexBatch,
    ) -> Slot {
        let slot = self.add_record(parent, node);
        let block = self.records[slot.0];
        batch.push(hash, slot, block);
        self.join_family(slot, parent, node.name);
        slot
    }

    /// Makes room for so many nodes in the index.
    pub(crate) fn expect(&mut self, nodes: usize) {
        self.index.expect(nodes);
    }

    /// Keeps records in this page next.
    pub(crate) fn give(&mut self, page: RecordPage) {
        self.blocks.give(page);
    }

    /// Gives back what was given and not used.
    pub(crate) fn drop_given(&mut self) {
        self.blocks.drop_spare();
    }

    /// Lets what is in the batch be found.
    ///
    /// # Errors
    /// The node is there twice; the arena is then of no more use.
    pub(crate) fn index_batch(&mut self, batch: &mut IndexBatch) -> Result<(), Slot> {
        let Self { index, blocks, .. } = self;
        index.insert_all(batch, |one, other| {
            let (one, other) = (Record::new(blocks.get(one)), Record::new(blocks.get(other)));
            one.parent() == other.parent() && one.name() == other.name()
        })
    }

    fn join_family(&mut self, slot: Slot, parent: Slot, name: &str) {
        let place = self.extra_place(parent);
        let (records, blocks) = (&self.records, &self.blocks);
        let name_of = |slot: Slot| Record::new(blocks.get(records[slot.0])).name();
        let family = &mut self.extras[place].family;
        let is_first = family.len() == 0;
        family.add(slot, name.as_bytes(), name_of, &mut self.moved);
        self.tell_moved();
        if is_first {
            self.count_inner(parent, 1);
        }
    }

    fn add_record(&mut self, parent: Slot, node: &NewNode<'_>) -> Slot {
        let &NewNode { name, data, acl, stat, digest } = node;
        let fixed = Fixed { czxid: stat.czxid, ctime: stat.ctime, parent, chunk: 0, extra: 0, acl, digest };
        let variable = Variable { changed: changed(stat), name: name.as_bytes(), data };
        let block = self.blocks.add(variable.record_len());
        let record = self.blocks.get_mut(block);
        fixed.write(record);
        variable.write(record);
        let slot = Slot(self.records.insert(block));
        if (stat.ephemeral_owner, stat.pzxid, stat.cversion, stat.aversion) != (0, stat.czxid, 0, 0) {
            let place = self.extra_place(slot);
            let extra = &mut self.extras[place];
            extra.owner = stat.ephemeral_owner;
            extra.pzxid = stat.pzxid;
            extra.cversion = stat.cversion;
            extra.aversion = stat.aversion;
        }
        slot
    }

    /// Removes the node at `path`, if it has no children. The root stays.
    pub(crate) fn remove(&mut self, slot: Slot, path: &str) {
        let node = self.look(slot);
        if slot == Slot::ROOT || node.num_children() != 0 {
            return;
        }
        let record = node.record;
        let (parent, chunk, extra) = (record.parent(), record.chunk(), record.extra());
        self.index.remove(self.key.hash(path.as_bytes()), slot);
        let block = self.records.remove(slot.0);
        self.free(block);
        if let Some(place) = extra {
            self.extras.remove(place);
        }
        if let Some(place) = self.record(self.records[parent.0]).extra() {
            let family = &mut self.extras[place].family;
            family.remove(slot, chunk, &mut self.moved);
            let was_last = family.len() == 0;
            self.tell_moved();
            if was_last {
                self.count_inner(parent, -1);
            }
        }
    }

    /// Tells the parent of a node that the node has begun or ceased to have children.
    fn count_inner(&mut self, node: Slot, change: i32) {
        if node != Slot::ROOT {
            let parent = self.look(node).parent();
            let place = self.extra_place(parent);
            let inner = &mut self.extras[place].inner;
            *inner = inner.saturating_add_signed(change);
        }
    }

    fn tell_moved(&mut self) {
        for Moved { child, chunk } in self.moved.drain(..) {
            RecordMut(self.blocks.get_mut(self.records[child.0])).set_chunk(chunk);
        }
    }

    /// The place of a node's extra, made if there is none.
    fn extra_place(&mut self, slot: Slot) -> u32 {
        let record = self.record(self.records[slot.0]);
        if let Some(place) = record.extra() {
            return place;
        }
        let pzxid = record.czxid();
        let place = self.extras.insert(Extra { pzxid, ..Extra::default() });
        self.record_mut(slot).set_extra(place);
        place
    }

    /// The whole path; the root's is empty.
    pub(crate) fn path(&self, slot: Slot) -> String {
        let mut path = Vec::new();
        self.put_path(slot, &mut path);
        String::from_utf8(path).expect("every name comes from a text")
    }

    /// Appends the path of a node.
    fn put_path(&self, slot: Slot, out: &mut Vec<u8>) {
        let (start, mut at) = (out.len(), slot);
        // Upwards and backwards, then turned round: so the names are read once.
        while at != Slot::ROOT {
            let record = self.record(self.records[at.0]);
            out.extend(record.name().iter().rev());
            out.push(b'/');
            at = record.parent();
        }
        out[start..].reverse();
    }

    /// Replaces the data, and nothing of the stat.
    pub(crate) fn set_data(&mut self, slot: Slot, data: Option<&[u8]>) {
        let changed = self.record(self.records[slot.0]).variable().changed;
        self.rewrite(slot, &self.path(slot), data, changed);
    }

    /// Replaces the data of the node at `path`, what a change of it sets, and the digest.
    pub(crate) fn change_data(
        &mut self,
        (slot, path): (Slot, &str),
        data: Option<&[u8]>,
        changed: Changed,
        digest: u32,
    ) {
        let mut record = self.record_mut(slot);
        record.set_digest(digest);
        if !record.replace_data(&changed, data) {
            self.rewrite(slot, path, data, Some(changed));
        }
    }

    fn rewrite(&mut self, slot: Slot, path: &str, data: Option<&[u8]>, changed: Option<Changed>) {
        let block = self.records[slot.0];
        let record = Record::new(self.blocks.get(block));
        self.scratch.clear();
        self.scratch.extend_from_slice(record.name());
        let variable = Variable { changed, name: &self.scratch, data };
        let len = variable.record_len();
        if self.blocks.fits(block, len) {
            variable.write(self.blocks.get_mut(block));
            return;
        }
        let fixed = *record.fixed();
        let fresh = self.blocks.add(len);
        let record = self.blocks.get_mut(fresh);
        record[..Fixed::LEN].copy_from_slice(&fixed);
        variable.write(record);
        self.records[slot.0] = fresh;
        self.index.replace(self.key.hash(path.as_bytes()), block, fresh);
        self.free(block);
    }

    /// Frees a block nobody refers to any more, and moves the records of the page it leaves sparse.
    fn free(&mut self, block: BlockRef) {
        let Some(sparse) = self.blocks.remove(block) else { return };
        // Siblings often lie together, so the path of the parent is kept from one to the next.
        let (mut path, mut parent, mut parent_len) = (core::mem::take(&mut self.scratch), None, 0);
        for from in self.blocks.begin_move(sparse) {
            let to = self.blocks.copy(from);
            let record = self.record(to);
            if parent != Some(record.parent()) {
                path.clear();
                self.put_path(record.parent(), &mut path);
                (parent, parent_len) = (Some(record.parent()), path.len());
            }
            path.truncate(parent_len);
            path.push(b'/');
            path.extend_from_slice(record.name());
            // The root is the one node the index does not have.
            let slot = self.index.replace(self.key.hash(&path), from, to).unwrap_or(Slot::ROOT);
            self.records[slot.0] = to;
        }
        self.scratch = path;
        self.blocks.end_move(sparse);
    }

    /// Replaces the stat and the data of the root, whose czxid decides nothing.
    pub(crate) fn set_root(&mut self, data: Option<&[u8]>, stat: &StatPersisted) {
        self.record_mut(Slot::ROOT).set_creation(stat.czxid, stat.ctime);
        self.rewrite(Slot::ROOT, "", data, changed(stat));
        self.set_child_counts(Slot::ROOT, stat.cversion, stat.pzxid);
        self.set_aversion(Slot::ROOT, stat.aversion);
        let place = self.extra_place(Slot::ROOT);
        self.extras[place].owner = stat.ephemeral_owner;
    }

    /// Replaces the creations of children so far, and the zxid of the last creation or deletion of one.
    pub(crate) fn set_child_counts(&mut self, slot: Slot, cversion: i32, pzxid: i64) {
        let place = self.extra_place(slot);
        self.extras[place].cversion = cversion;
        self.extras[place].pzxid = pzxid;
    }

    /// Replaces the version of the list.
    pub(crate) fn set_aversion(&mut self, slot: Slot, aversion: i32) {
        let place = self.extra_place(slot);
        self.extras[place].aversion = aversion;
    }

    /// Replaces the list.
    pub(crate) fn set_acl(&mut self, slot: Slot, acl: AclId) {
        self.record_mut(slot).set_acl(acl);
    }

    /// Keeps the digest.
    pub(crate) fn set_digest(&mut self, slot: Slot, digest: u32) {
        self.record_mut(slot).set_digest(digest);
    }

    /// The children, in no order.
    pub(crate) fn children(&self, slot: Slot) -> impl Iterator<Item = Slot> {
        self.look(slot).family().slots()
    }

    /// The names of the children, in the order of [`Arena::children`].
    pub(crate) fn child_names<'a>(&'a self, node: &Look<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
        let (few, chunks) = node.family().parts();
        let names = chunks.iter().flat_map(|chunk| chunk.names().map(text));
        few.iter().map(|&child| self.look(child).name()).chain(names)
    }

    /// Appends the names of the children as texts, without a count.
    pub(crate) fn put_child_names(&self, node: &Look<'_>, out: &mut Vec<u8>) {
        let (few, chunks) = node.family().parts();
        for &child in few {
            out.put_buffer(Some(self.record(self.records[child.0]).name()));
        }
        out.reserve(chunks.iter().map(|chunk| chunk.encoded_names().len()).sum());
        for chunk in chunks {
            out.extend_from_slice(chunk.encoded_names());
        }
    }
}

/// What a record keeps of the last change of the data.
fn changed(stat: &StatPersisted) -> Option<Changed> {
    let changed = Changed { mzxid: stat.mzxid, mtime: stat.mtime, version: stat.version };
    (changed != Changed { mzxid: stat.czxid, mtime: stat.ctime, version: 0 }).then_some(changed)
}

/// Whether two names are equal. Most are short: two overlapping words cost less than the call that compares any length.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    fn ends<const N: usize>(name: &[u8]) -> Option<([u8; N], [u8; N])> {
        Some((*name.first_chunk()?, *name.last_chunk()?))
    }
    match one.len() {
        len if len != other.len() => false,
        8..=16 => ends::<8>(one) == ends::<8>(other),
        4..8 => ends::<4>(one) == ends::<4>(other),
        _ => one == other,
    }
}

/// Names are kept as bytes.
fn text(name: &[u8]) -> &str {
    core::str::from_utf8(name).expect("every name comes from a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of every length, with any one byte another.
    #[test]
    fn names_are_the_same_or_not() {
        let name: [u8; 40] = core::array::from_fn(|at| at as u8);
        for len in 0..name.len() {
            let one = &name[..len];
            assert!(is_same(one, one));
            assert!(!is_same(one, &name[..len + 1]));
            for at in 0..len {
                let mut other = one.to_vec();
                other[at] ^= 1;
                assert!(!is_same(one, &other), "{len} {at}");
            }
        }
    }
}
