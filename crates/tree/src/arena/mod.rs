//! Where the nodes are.
//!
//! A node is a [`Head`] of fixed size in a slab, whose place is the node's [`Slot`], and a block of bytes with its name
//! and data. What most nodes do not have (children, an owner, a changed list) is in [`Extra`]. Paths are not kept: a
//! node knows its parent, and the index finds a child by its parent and name.

mod block;
mod blocks;
mod family;
mod slab;

use crate::acl_table::AclId;
use crate::index::{Index, SipKey};
use alloc::string::String;
use alloc::vec::Vec;
use block::{Block, Changed};
use blocks::{BlockRef, Blocks};
use family::{Family, Moved};
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

/// What every node has: 40 bytes.
#[derive(Debug)]
struct Head {
    czxid: i64,
    ctime: i64,
    parent: Slot,
    /// The chunk of the parent's family that lists this node, if the family has chunks.
    chunk: u32,
    block: BlockRef,
    extra: Option<ExtraId>,
    acl: AclId,
    digest: u32,
}

impl Default for Head {
    /// A place without a node.
    fn default() -> Self {
        Self {
            czxid: 0,
            ctime: 0,
            parent: Slot::ROOT,
            chunk: 0,
            block: BlockRef::NONE,
            extra: None,
            acl: AclId::OPEN,
            digest: 0,
        }
    }
}

/// A place in the slab of extras, plus one: the option then takes no room of its own.
#[derive(Clone, Copy, Debug)]
struct ExtraId(core::num::NonZeroU32);

impl ExtraId {
    fn place(self) -> u32 {
        self.0.get() - 1
    }
}

/// What a leaf that belongs to nobody and was never given another list does not have.
#[derive(Debug)]
struct Extra {
    owner: i64,
    pzxid: i64,
    cversion: i32,
    aversion: i32,
    family: Family,
}

impl Default for Extra {
    fn default() -> Self {
        Self { owner: 0, pzxid: 0, cversion: 0, aversion: 0, family: Family::new() }
    }
}

/// All nodes, found by (parent, name).
#[derive(Debug)]
pub(crate) struct Arena {
    key: SipKey,
    heads: Slab<Head>,
    extras: Slab<Extra>,
    blocks: Blocks,
    index: Index,
    /// Kept for its allocation.
    moved: Vec<Moved>,
    /// Kept for its allocation.
    scratch: Vec<u8>,
}

/// Families of nodes that have none.
static CHILDLESS: Family = Family::new();

impl Arena {
    /// The root alone: empty data, a stat of zeros, the open list.
    pub(crate) fn new(key: SipKey) -> Self {
        let mut arena = Self {
            key,
            heads: Slab::new(),
            extras: Slab::new(),
            blocks: Blocks::new(),
            index: Index::new(),
            moved: Vec::new(),
            scratch: Vec::new(),
        };
        arena.add_head(Slot::ROOT, "", Some(&[]), AclId::OPEN, &StatPersisted::default());
        arena
    }

    /// The number of nodes, the root counted once.
    pub(crate) fn len(&self) -> usize {
        self.heads.len()
    }

    /// One more than the greatest slot ever used.
    pub(crate) fn slots(&self) -> u32 {
        self.heads.end()
    }

    /// Whether a node is at this slot.
    pub(crate) fn is_live(&self, slot: Slot) -> bool {
        self.heads.get(slot.0).is_some_and(|head| head.block != BlockRef::NONE)
    }

    /// The child of `parent` with this name.
    pub(crate) fn find(&self, parent: Slot, name: &str) -> Option<Slot> {
        self.index.find(self.key.hash(parent.0, name.as_bytes()), |slot| {
            let head = &self.heads[slot.0];
            head.parent == parent && self.block(head).name == name.as_bytes()
        })
    }

    /// The node at a path; the empty path is the root.
    pub(crate) fn resolve(&self, path: &str) -> Option<Slot> {
        if matches!(path, "" | "/") {
            return Some(Slot::ROOT);
        }
        path.strip_prefix('/')?.split('/').try_fold(Slot::ROOT, |at, name| self.find(at, name))
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
        let slot = self.add_head(parent, name, data, acl, stat);
        self.index.insert(self.key.hash(parent.0, name.as_bytes()), slot);
        let place = self.extra_place(parent);
        let (heads, blocks) = (&self.heads, &self.blocks);
        let name_of = |slot: Slot| Block::read(blocks.get(heads[slot.0].block)).name;
        self.extras[place].family.add(slot, name.as_bytes(), name_of, &mut self.moved);
        self.tell_moved();
        slot
    }

    fn add_head(
        &mut self,
        parent: Slot,
        name: &str,
        data: Option<&[u8]>,
        acl: AclId,
        stat: &StatPersisted,
    ) -> Slot {
        let block = Block { changed: changed(stat), name: name.as_bytes(), data };
        let at = self.blocks.add(block.len());
        block.write(self.blocks.get_mut(at));
        let head = Head { czxid: stat.czxid, ctime: stat.ctime, parent, block: at, acl, ..Head::default() };
        let slot = Slot(self.heads.insert(head));
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
        if slot == Slot::ROOT || self.num_children(slot) != 0 {
            return;
        }
        let hash = self.key.hash(self.parent(slot).0, self.name(slot).as_bytes());
        self.index.remove(hash, slot);
        let head = self.heads.remove(slot.0);
        self.blocks.remove(head.block);
        if let Some(extra) = head.extra {
            self.extras.remove(extra.place());
        }
        if let Some(extra) = self.heads[head.parent.0].extra {
            self.extras[extra.place()].family.remove(slot, head.chunk, &mut self.moved);
            self.tell_moved();
        }
    }

    fn tell_moved(&mut self) {
        for Moved { child, chunk } in self.moved.drain(..) {
            self.heads[child.0].chunk = chunk;
        }
    }

    fn block(&self, head: &Head) -> Block<'_> {
        Block::read(self.blocks.get(head.block))
    }

    fn extra(&self, slot: Slot) -> Option<&Extra> {
        self.heads[slot.0].extra.map(|extra| &self.extras[extra.place()])
    }

    /// The place of a node's extra, made if there is none.
    fn extra_place(&mut self, slot: Slot) -> u32 {
        let head = &mut self.heads[slot.0];
        match head.extra {
            Some(extra) => extra.place(),
            None => {
                let place = self.extras.insert(Extra { pzxid: head.czxid, ..Extra::default() });
                head.extra = core::num::NonZeroU32::new(place + 1).map(ExtraId);
                place
            }
        }
    }

    /// The parent; the root's is itself.
    pub(crate) fn parent(&self, slot: Slot) -> Slot {
        self.heads[slot.0].parent
    }

    /// The last component of the path; the root's is empty.
    pub(crate) fn name(&self, slot: Slot) -> &str {
        text(self.block(&self.heads[slot.0]).name)
    }

    /// The whole path; the root's is empty.
    pub(crate) fn path(&self, slot: Slot) -> String {
        let mut names = Vec::new();
        let mut at = slot;
        while at != Slot::ROOT {
            names.push(self.name(at));
            at = self.parent(at);
        }
        let mut path = String::with_capacity(names.iter().map(|name| name.len() + 1).sum());
        for name in names.into_iter().rev() {
            path.push('/');
            path.push_str(name);
        }
        path
    }

    /// The data.
    pub(crate) fn data(&self, slot: Slot) -> Option<&[u8]> {
        self.block(&self.heads[slot.0]).data
    }

    /// Replaces the data, and nothing of the stat.
    pub(crate) fn set_data(&mut self, slot: Slot, data: Option<&[u8]>) {
        let changed = self.block(&self.heads[slot.0]).changed;
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
        let at = self.heads[slot.0].block;
        self.scratch.clear();
        self.scratch.extend_from_slice(Block::read(self.blocks.get(at)).name);
        let block = Block { changed, name: &self.scratch, data };
        let len = block.len();
        if self.blocks.fits(at, len) {
            block.write(self.blocks.get_mut(at));
            return;
        }
        let fresh = self.blocks.add(len);
        block.write(self.blocks.get_mut(fresh));
        self.blocks.remove(at);
        self.heads[slot.0].block = fresh;
    }

    /// The stat.
    pub(crate) fn stat(&self, slot: Slot) -> StatPersisted {
        let head = &self.heads[slot.0];
        let mut stat = StatPersisted {
            czxid: head.czxid,
            mzxid: head.czxid,
            ctime: head.ctime,
            mtime: head.ctime,
            pzxid: head.czxid,
            ..StatPersisted::default()
        };
        if let Some(changed) = self.block(head).changed {
            stat.mzxid = changed.mzxid;
            stat.mtime = changed.mtime;
            stat.version = changed.version;
        }
        if let Some(extra) = self.extra(slot) {
            stat.cversion = extra.cversion;
            stat.aversion = extra.aversion;
            stat.ephemeral_owner = extra.owner;
            stat.pzxid = extra.pzxid;
        }
        stat
    }

    /// Replaces the stat and the data of the root, whose czxid decides nothing.
    pub(crate) fn set_root(&mut self, data: Option<&[u8]>, stat: &StatPersisted) {
        let head = &mut self.heads[Slot::ROOT.0];
        head.czxid = stat.czxid;
        head.ctime = stat.ctime;
        self.rewrite(Slot::ROOT, data, changed(stat));
        self.set_child_counts(Slot::ROOT, stat.cversion, stat.pzxid);
        self.set_aversion(Slot::ROOT, stat.aversion);
        let place = self.extra_place(Slot::ROOT);
        self.extras[place].owner = stat.ephemeral_owner;
    }

    /// The creations of children so far, and the zxid of the last creation or deletion of one.
    pub(crate) fn child_counts(&self, slot: Slot) -> (i32, i64) {
        self.extra(slot).map_or((0, self.heads[slot.0].czxid), |extra| (extra.cversion, extra.pzxid))
    }

    /// Replaces those two.
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

    /// The zxid of the creation.
    pub(crate) fn czxid(&self, slot: Slot) -> i64 {
        self.heads[slot.0].czxid
    }

    /// The raw owner.
    pub(crate) fn owner(&self, slot: Slot) -> i64 {
        self.extra(slot).map_or(0, |extra| extra.owner)
    }

    /// The list.
    pub(crate) fn acl(&self, slot: Slot) -> AclId {
        self.heads[slot.0].acl
    }

    /// Replaces the list.
    pub(crate) fn set_acl(&mut self, slot: Slot, acl: AclId) {
        self.heads[slot.0].acl = acl;
    }

    /// The digest as last set.
    pub(crate) fn digest(&self, slot: Slot) -> u32 {
        self.heads[slot.0].digest
    }

    /// Keeps the digest.
    pub(crate) fn set_digest(&mut self, slot: Slot, digest: u32) {
        self.heads[slot.0].digest = digest;
    }

    fn family(&self, slot: Slot) -> &Family {
        self.extra(slot).map_or(&CHILDLESS, |extra| &extra.family)
    }

    /// The number of children.
    pub(crate) fn num_children(&self, slot: Slot) -> u32 {
        self.family(slot).len()
    }

    /// The children, in no order.
    pub(crate) fn children(&self, slot: Slot) -> impl Iterator<Item = Slot> {
        self.family(slot).slots()
    }

    /// The names of the children, in the order of [`Arena::children`].
    pub(crate) fn child_names(&self, slot: Slot) -> impl Iterator<Item = &str> {
        let (few, chunks) = self.family(slot).parts();
        few.iter()
            .map(|&child| self.name(child))
            .chain(chunks.iter().flat_map(|chunk| chunk.names().map(text)))
    }

    /// Appends the names of the children as texts, without a count.
    pub(crate) fn put_child_names(&self, slot: Slot, out: &mut Vec<u8>) {
        let (few, chunks) = self.family(slot).parts();
        for &child in few {
            out.put_buffer(Some(self.block(&self.heads[child.0]).name));
        }
        out.reserve(chunks.iter().map(|chunk| chunk.encoded_names().len()).sum());
        for chunk in chunks {
            out.extend_from_slice(chunk.encoded_names());
        }
    }
}

/// What a block keeps of a stat.
fn changed(stat: &StatPersisted) -> Option<Changed> {
    let changed = Changed { mzxid: stat.mzxid, mtime: stat.mtime, version: stat.version };
    (changed != Changed { mzxid: stat.czxid, mtime: stat.ctime, version: 0 }).then_some(changed)
}

/// Names are kept as bytes.
fn text(name: &[u8]) -> &str {
    core::str::from_utf8(name).expect("every name comes from a text")
}
