//! Where the nodes are.
//!
//! A node is one record of bytes in a block. Blocks move when a record grows, so there is a table that tells where; a
//! node's place in the table is its [`Slot`]. What most nodes do not have (children, an owner, a changed list) is in
//! [`Extra`]. Paths are not kept: a node knows its parent, and the index finds a child by its parent and name. A search
//! thus touches one line of the index and the record for each component, and a line of the table in between.

mod blocks;
mod family;
mod look;
mod record;
mod slab;

use crate::acl_table::AclId;
use crate::index::{Index, SipKey};
use alloc::string::String;
use alloc::vec::Vec;
pub(crate) use blocks::BlockRef;
use blocks::Blocks;
use family::{Family, Moved};
pub(crate) use look::Look;
use record::{Changed, Fixed, Variable};
use slab::Slab;
use zabra_proto::Put;
use zabra_types::StatPersisted;

/// The place of a node in the arena. Places are used again after a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(pub(crate) u32);

impl Slot {
    /// The root, which is its own parent.
    pub(crate) const ROOT: Self = Self(0);
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
    /// What a change of the stat leaves of the digest; 0 is not known.
    digest_prefix: u32,
    family: Family,
}

impl Default for Extra {
    fn default() -> Self {
        Self {
            owner: 0,
            pzxid: 0,
            cversion: 0,
            aversion: 0,
            inner: 0,
            digest_prefix: 0,
            family: Family::new(),
        }
    }
}

/// All nodes, found by (parent, name).
#[derive(Debug)]
pub(crate) struct Arena {
    key: SipKey,
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
    pub(crate) fn new(key: SipKey) -> Self {
        let mut arena = Self {
            key,
            records: Slab::new(),
            extras: Slab::new(),
            blocks: Blocks::new(),
            index: Index::new(),
            moved: Vec::new(),
            scratch: Vec::new(),
        };
        arena.add_record(Slot::ROOT, "", Some(&[]), AclId::OPEN, &StatPersisted::default());
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
        (block != BlockRef::NONE).then(|| self.look_at(slot, block))
    }

    /// A node.
    pub(crate) fn look(&self, slot: Slot) -> Look<'_> {
        self.look_at(slot, self.records[slot.0])
    }

    fn look_at(&self, slot: Slot, block: BlockRef) -> Look<'_> {
        let record = self.blocks.get(block);
        let fixed = Fixed::read(record);
        let extra = fixed.extra.checked_sub(1).map(|place| &self.extras[place]);
        Look { slot, fixed, variable: Variable::read(record), extra }
    }

    fn search(&self, parent: Slot, name: &str) -> Option<(Slot, BlockRef)> {
        self.index.find(self.key.hash(parent.0, name.as_bytes()), |block| {
            let record = self.blocks.get(block);
            Fixed::read(record).parent == parent && Variable::read_name(record) == name.as_bytes()
        })
    }

    fn search_path(&self, path: &str) -> Option<(Slot, BlockRef)> {
        let root = (Slot::ROOT, self.records[Slot::ROOT.0]);
        let mut rest = match path {
            "" | "/" => return Some(root),
            _ => path.strip_prefix('/')?,
        };
        let mut at = root;
        // By hand: components are short, and splitting by a pattern takes longer than finding them.
        while let Some(len) = rest.bytes().position(|byte| byte == b'/') {
            at = self.search(at.0, &rest[..len])?;
            rest = &rest[len + 1..];
        }
        self.search(at.0, rest)
    }

    /// The child of `parent` with this name.
    pub(crate) fn find(&self, parent: Slot, name: &str) -> Option<Slot> {
        self.search(parent, name).map(|(slot, _)| slot)
    }

    /// The node at a path; the empty path is the root.
    pub(crate) fn resolve(&self, path: &str) -> Option<Slot> {
        self.search_path(path).map(|(slot, _)| slot)
    }

    /// A look at the node at a path; the empty path is the root.
    pub(crate) fn look_up(&self, path: &str) -> Option<Look<'_>> {
        self.search_path(path).map(|(slot, block)| self.look_at(slot, block))
    }

    /// Adds a child that is not there yet.
    pub(crate) fn insert(
        &mut self,
        parent: Slot,
        name: &str,
        data: Option<&[u8]>,
        acl: AclId,
        stat: &StatPersisted,
    ) -> Slot {
        let slot = self.add_record(parent, name, data, acl, stat);
        self.index.insert(self.key.hash(parent.0, name.as_bytes()), slot, self.records[slot.0]);
        let place = self.extra_place(parent);
        let (records, blocks) = (&self.records, &self.blocks);
        let name_of = |slot: Slot| Variable::read_name(blocks.get(records[slot.0]));
        let family = &mut self.extras[place].family;
        let is_first = family.len() == 0;
        family.add(slot, name.as_bytes(), name_of, &mut self.moved);
        self.tell_moved();
        if is_first {
            self.count_inner(parent, 1);
        }
        slot
    }

    fn add_record(
        &mut self,
        parent: Slot,
        name: &str,
        data: Option<&[u8]>,
        acl: AclId,
        stat: &StatPersisted,
    ) -> Slot {
        let fixed =
            Fixed { czxid: stat.czxid, ctime: stat.ctime, parent, chunk: 0, extra: 0, acl, digest: 0 };
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

    /// Removes a node without children. The root stays.
    pub(crate) fn remove(&mut self, slot: Slot) {
        if slot == Slot::ROOT || self.look(slot).num_children() != 0 {
            return;
        }
        let Look { fixed, variable, .. } = self.look(slot);
        self.index.remove(self.key.hash(fixed.parent.0, variable.name), slot);
        let block = self.records.remove(slot.0);
        self.free(block);
        if let Some(place) = fixed.extra.checked_sub(1) {
            self.extras.remove(place);
        }
        if let Some(place) = self.look(fixed.parent).fixed.extra.checked_sub(1) {
            let family = &mut self.extras[place].family;
            family.remove(slot, fixed.chunk, &mut self.moved);
            let was_last = family.len() == 0;
            self.tell_moved();
            if was_last {
                self.count_inner(fixed.parent, -1);
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
            let record = self.blocks.get_mut(self.records[child.0]);
            Fixed { chunk, ..Fixed::read(record) }.write(record);
        }
    }

    fn update(&mut self, slot: Slot, change: impl FnOnce(&mut Fixed)) {
        let record = self.blocks.get_mut(self.records[slot.0]);
        let mut fixed = Fixed::read(record);
        change(&mut fixed);
        fixed.write(record);
    }

    /// The place of a node's extra, made if there is none.
    fn extra_place(&mut self, slot: Slot) -> u32 {
        let Fixed { extra, czxid, .. } = self.look(slot).fixed;
        extra.checked_sub(1).unwrap_or_else(|| {
            let place = self.extras.insert(Extra { pzxid: czxid, ..Extra::default() });
            self.update(slot, |fixed| fixed.extra = place + 1);
            place
        })
    }

    /// The whole path; the root's is empty.
    pub(crate) fn path(&self, slot: Slot) -> String {
        let mut names = Vec::new();
        let mut at = slot;
        while at != Slot::ROOT {
            let node = self.look(at);
            names.push(node.name());
            at = node.parent();
        }
        let mut path = String::with_capacity(names.iter().map(|name| name.len() + 1).sum());
        for name in names.into_iter().rev() {
            path.push('/');
            path.push_str(name);
        }
        path
    }

    /// Replaces the data, and nothing of the stat.
    pub(crate) fn set_data(&mut self, slot: Slot, data: Option<&[u8]>) {
        let changed = self.look(slot).variable.changed;
        self.rewrite(slot, data, changed);
    }

    /// Replaces the data and what a change of it sets.
    pub(crate) fn change_data(
        &mut self,
        slot: Slot,
        data: Option<&[u8]>,
        mzxid: i64,
        mtime: i64,
        version: i32,
    ) {
        self.rewrite(slot, data, Some(Changed { mzxid, mtime, version }));
    }

    fn rewrite(&mut self, slot: Slot, data: Option<&[u8]>, changed: Option<Changed>) {
        let block = self.records[slot.0];
        let record = self.blocks.get(block);
        let fixed = Fixed::read(record);
        if let Some(place) = fixed.extra.checked_sub(1) {
            self.extras[place].digest_prefix = 0;
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(Variable::read(record).name);
        let variable = Variable { changed, name: &self.scratch, data };
        let len = variable.record_len();
        if self.blocks.fits(block, len) {
            variable.write(self.blocks.get_mut(block));
            return;
        }
        let fresh = self.blocks.add(len);
        let record = self.blocks.get_mut(fresh);
        fixed.write(record);
        variable.write(record);
        self.records[slot.0] = fresh;
        self.index.replace(self.key.hash(fixed.parent.0, &self.scratch), block, fresh);
        self.free(block);
    }

    /// Frees a block nobody refers to any more, and moves the records of the page it leaves sparse.
    fn free(&mut self, block: BlockRef) {
        let Some(sparse) = self.blocks.remove(block) else { return };
        for from in self.blocks.begin_move(sparse) {
            let to = self.blocks.copy(from);
            let record = self.blocks.get(to);
            let hash = self.key.hash(Fixed::read(record).parent.0, Variable::read(record).name);
            // The root is the one node the index does not have.
            let slot = self.index.replace(hash, from, to).unwrap_or(Slot::ROOT);
            self.records[slot.0] = to;
        }
        self.blocks.end_move(sparse);
    }

    /// Replaces the stat and the data of the root, whose czxid decides nothing.
    pub(crate) fn set_root(&mut self, data: Option<&[u8]>, stat: &StatPersisted) {
        self.update(Slot::ROOT, |fixed| (fixed.czxid, fixed.ctime) = (stat.czxid, stat.ctime));
        self.rewrite(Slot::ROOT, data, changed(stat));
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
        self.update(slot, |fixed| fixed.acl = acl);
    }

    /// Keeps the digest.
    pub(crate) fn set_digest(&mut self, slot: Slot, digest: u32) {
        self.update(slot, |fixed| fixed.digest = digest);
    }

    /// Keeps what a change of the stat leaves of the digest, where there is room for it.
    pub(crate) fn set_digest_prefix(&mut self, slot: Slot, prefix: u32) {
        if let Some(place) = self.look(slot).fixed.extra.checked_sub(1) {
            self.extras[place].digest_prefix = prefix;
        }
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
            out.put_buffer(Some(self.look(child).variable.name));
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

/// Names are kept as bytes.
fn text(name: &[u8]) -> &str {
    core::str::from_utf8(name).expect("every name comes from a text")
}
