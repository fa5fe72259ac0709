//! Reading a snapshot back.

use crate::acl_table::AclLoader;
use crate::arena::{NewNode, RecordPage, Slot};
use crate::index::{HashKey, IndexBatch};
use crate::tree::split;
use crate::{Tree, TreeOptions, node_digest};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use zabra_proto::{AclList, TxnDigest};
use zabra_types::{SessionId, StatPersisted, Zxid};

/// Why node records are not a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// A node comes before its parent, or without one.
    MissingParent {
        /// The node.
        path: String,
    },
    /// A path comes twice.
    Duplicate {
        /// The path.
        path: String,
    },
    /// A path that is neither the empty one of the root nor a parent, a slash and a name.
    NotAPath {
        /// What stands in its place.
        path: String,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingParent { path } => write!(f, "node {path:?} stands before its parent"),
            Self::Duplicate { path } => write!(f, "node {path:?} stands there twice"),
            Self::NotAPath { path } => write!(f, "{path:?} is not the path of a node"),
        }
    }
}

impl core::error::Error for LoadError {}

/// What can be worked out of a node before it has its place: on another thread, say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeSum {
    /// Of the path.
    hash: u64,
    digest: u32,
}

/// Works out the [`NodeSum`]s of a tree's nodes.
#[derive(Clone, Debug)]
pub struct NodeSums {
    key: HashKey,
    digest: bool,
}

impl NodeSums {
    /// For a tree with these options, whose hash seed must be that of the [`TreeLoader`].
    pub fn new(options: TreeOptions) -> Self {
        Self { key: HashKey::from(options.hash_seed), digest: options.digest }
    }

    /// Of this node; see [`node_digest`].
    pub fn of(&self, path: &str, data: Option<&[u8]>, stat: &StatPersisted) -> NodeSum {
        let digest = if self.digest { node_digest(path, data, stat) } else { 0 };
        NodeSum { hash: self.key.hash(path.as_bytes()), digest }
    }
}

/// As many nodes wait at least before they are put into the index.
const BATCH_MIN: usize = 1 << 16;
/// And this part of all nodes.
const BATCH_SHARE: usize = 4;

/// Builds a tree from the parts of a snapshot: sessions, lists, then nodes, parents first.
#[derive(Debug)]
pub struct TreeLoader {
    tree: Tree,
    sums: NodeSums,
    acls: AclLoader,
    root_seen: bool,
    /// Nodes that cannot be found yet. To put each into the index when it comes would mean to wait for memory with each,
    /// and parents, which alone are looked for, are at hand mostly.
    unindexed: IndexBatch,
    /// As many nodes have room in the index.
    expected: usize,
    parents: Parents,
}

impl TreeLoader {
    /// Begins with nothing but a root that is still to come.
    pub fn new(options: TreeOptions) -> Self {
        let key = HashKey::from(options.hash_seed);
        Self {
            tree: Tree::bare(options),
            sums: NodeSums::new(options),
            acls: AclLoader::new(key.clone()),
            root_seen: false,
            unindexed: IndexBatch::new(),
            expected: 0,
            parents: Parents::new(key),
        }
    }

    /// Makes room for about so many nodes, which spares growing.
    pub fn expect(&mut self, nodes: usize) {
        self.expected = nodes;
        self.tree.arena.expect(nodes);
    }

    /// Keeps records in this memory next.
    pub fn give(&mut self, page: RecordPage) {
        self.tree.arena.give(page);
    }

    /// A session and its timeout in milliseconds.
    pub fn session(&mut self, session: SessionId, timeout_ms: i32) {
        self.tree.sessions.insert(session, timeout_ms);
    }

    /// A row of the map of access control lists.
    pub fn acl(&mut self, raw_id: i64, list: AclList<'_>) {
        self.acls.define(raw_id, list);
    }

    /// A node. An id of a list that has no row is accepted: replay will set the list again.
    ///
    /// # Errors
    /// The records are not a tree; the loader is then of no more use. That a node comes twice may be found out only
    /// later, by [`TreeLoader::finish`] at the latest.
    pub fn node(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        raw_acl_id: i64,
        stat: &StatPersisted,
    ) -> Result<(), LoadError> {
        let sum = self.sums.of(path, data, stat);
        self.summed_node(path, data, raw_acl_id, stat, sum)
    }

    /// The same for a node of which that is worked out already.
    ///
    /// # Errors
    /// As for [`TreeLoader::node`].
    pub fn summed_node(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        raw_acl_id: i64,
        stat: &StatPersisted,
        sum: NodeSum,
    ) -> Result<(), LoadError> {
        if path.is_empty() {
            return self.root(data, raw_acl_id, stat);
        }
        // A slash alone is the root's other name, but begins no path.
        let (parent_path, name) = split(path)
            .filter(|(parent, _)| *parent != "/")
            .ok_or_else(|| LoadError::NotAPath { path: path.to_owned() })?;
        let parent =
            self.parent_at(parent_path)?.ok_or_else(|| LoadError::MissingParent { path: path.to_owned() })?;
        let acl = self.acls.acquire(raw_acl_id);
        let tree = &mut self.tree;
        tree.digests.replace(0, sum.digest);
        let node = NewNode { name, data, acl, stat, digest: sum.digest };
        let slot = tree.arena.insert_later(parent, sum.hash, &node, &mut self.unindexed);
        tree.file(slot, path, data, stat);
        self.parents.came(name, slot);
        // Tables with room for everything are filled a little at a time; others grow with each batch.
        let share =
            if self.tree.arena.len() < self.expected { 0 } else { self.tree.arena.len() / BATCH_SHARE };
        if self.unindexed.len() >= BATCH_MIN.max(share) {
            self.index()?;
        }
        Ok(())
    }

    fn root(&mut self, data: Option<&[u8]>, raw_acl_id: i64, stat: &StatPersisted) -> Result<(), LoadError> {
        if self.root_seen {
            return Err(LoadError::Duplicate { path: String::new() });
        }
        self.root_seen = true;
        let tree = &mut self.tree;
        tree.data_size = tree.data_size.wrapping_add(data.map_or(0, <[u8]>::len) as u64);
        tree.arena.set_root(data, stat);
        tree.arena.set_acl(Slot::ROOT, self.acls.acquire(raw_acl_id));
        tree.begin_digest();
        self.parents.begin("", Slot::ROOT);
        Ok(())
    }

    /// The node at a path, to which [`Parents`] is set.
    fn parent_at(&mut self, path: &str) -> Result<Option<Slot>, LoadError> {
        if !self.root_seen {
            return Ok(None);
        }
        if let Some(slot) = self.parents.find(path) {
            return Ok(Some(slot));
        }
        // Parents that came long ago are found without putting the few nodes since into tables all over the memory.
        let mut slot = self.tree.arena.resolve(path);
        if slot.is_none() {
            self.index()?;
            slot = self.tree.arena.resolve(path);
        }
        if let Some(slot) = slot {
            self.parents.keep(path, slot);
        }
        Ok(slot)
    }

    /// Lets all nodes so far be found.
    fn index(&mut self) -> Result<(), LoadError> {
        let arena = &mut self.tree.arena;
        arena.index_batch(&mut self.unindexed).map_err(|slot| LoadError::Duplicate { path: arena.path(slot) })
    }

    /// The tree, holding every transaction up to `last_zxid`; `digest` is the snapshot's own digest and the
    /// transaction it belongs to, if it has one. Nodes every tree has are added if they are missing, and the usage of
    /// every quota is counted anew.
    ///
    /// # Errors
    /// A node came twice.
    pub fn finish(mut self, last_zxid: Zxid, digest: Option<(Zxid, TxnDigest)>) -> Result<Tree, LoadError> {
        self.index()?;
        let mut tree = self.tree;
        tree.arena.drop_given();
        tree.acls = self.acls.finish();
        tree.last_zxid = last_zxid;
        tree.add_builtin();
        tree.recompute_quotas();
        tree.digests.loaded(last_zxid, digest);
        Ok(tree)
    }
}

/// As many parents are remembered besides those above the last node.
const PARENTS_KEPT: usize = 4096;

/// Where parents are. Genuine snapshots go through the tree depth first, so that the parent of a node is the node before
/// it or above that; ours have the order in which places were given out.
#[derive(Debug)]
struct Parents {
    key: HashKey,
    /// The path of the last node.
    path: String,
    /// The nodes on that path as far as they are known: how long the path to each is, and where it is.
    line: Vec<(usize, Slot)>,
    /// Parents that were looked for, by a hash of their paths.
    kept: Vec<Option<(String, Slot)>>,
}

impl Parents {
    fn new(key: HashKey) -> Self {
        Self { key, path: String::new(), line: Vec::new(), kept: Vec::new() }
    }

    /// Goes to this node.
    fn begin(&mut self, path: &str, slot: Slot) {
        self.path.clear();
        self.path.push_str(path);
        self.line.clear();
        self.line.push((path.len(), slot));
    }

    /// Goes to a child of the node it is at.
    fn came(&mut self, name: &str, slot: Slot) {
        self.path.push('/');
        self.path.push_str(name);
        self.line.push((self.path.len(), slot));
    }

    /// Goes to the node at a path, if it is known.
    fn find(&mut self, path: &str) -> Option<Slot> {
        let above = self.line.iter().rposition(|(len, _)| *len <= path.len());
        if let Some(at) = above
            && let (len, slot) = self.line[at]
            && len == path.len()
            && self.path[..len] == *path
        {
            self.line.truncate(at + 1);
            self.path.truncate(len);
            return Some(slot);
        }
        let (known, slot) = self.kept.get(self.place(path))?.as_ref()?;
        let slot = *slot;
        (known == path).then(|| {
            self.begin(path, slot);
            slot
        })
    }

    /// Goes to a node and remembers it.
    fn keep(&mut self, path: &str, slot: Slot) {
        let place = self.place(path);
        if self.kept.is_empty() {
            self.kept.resize(PARENTS_KEPT, None);
        }
        self.kept[place] = Some((path.to_owned(), slot));
        self.begin(path, slot);
    }

    fn place(&self, path: &str) -> usize {
        self.key.hash(path.as_bytes()) as usize % PARENTS_KEPT
    }
}
