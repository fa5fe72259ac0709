//! Where the nodes are.

use crate::acl_table::AclId;
use crate::index::{Index, SipKey};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use zabra_types::StatPersisted;

/// The place of a node in the arena. Places are used again after a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot(pub(crate) u32);

impl Slot {
    /// The root, which is its own parent.
    pub(crate) const ROOT: Self = Self(0);
}

#[derive(Debug)]
struct Node {
    parent: Slot,
    name: Box<str>,
    data: Option<Box<[u8]>>,
    stat: StatPersisted,
    acl: AclId,
    digest: u32,
    position: u32,
    children: Vec<Slot>,
}

/// All nodes, found by (parent, name).
#[derive(Debug)]
pub(crate) struct Arena {
    key: SipKey,
    nodes: Vec<Option<Node>>,
    free: Vec<Slot>,
    index: Index,
}

impl Arena {
    /// The root alone: empty data, a stat of zeros, the open list.
    pub(crate) fn new(key: SipKey) -> Self {
        let root = Node {
            parent: Slot::ROOT,
            name: "".into(),
            data: Some(Box::default()),
            stat: StatPersisted::default(),
            acl: AclId::OPEN,
            digest: 0,
            position: 0,
            children: Vec::new(),
        };
        Self { key, nodes: Vec::from([Some(root)]), free: Vec::new(), index: Index::new() }
    }

    /// The number of nodes, the root counted once.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// One more than the greatest slot ever used.
    pub(crate) fn slots(&self) -> u32 {
        self.nodes.len() as u32
    }

    fn node(&self, slot: Slot) -> &Node {
        self.nodes[slot.0 as usize].as_ref().expect("slots are given out for live nodes only")
    }

    fn node_mut(&mut self, slot: Slot) -> &mut Node {
        self.nodes[slot.0 as usize].as_mut().expect("slots are given out for live nodes only")
    }

    /// Whether a node is at this slot.
    pub(crate) fn is_live(&self, slot: Slot) -> bool {
        self.nodes.get(slot.0 as usize).is_some_and(Option::is_some)
    }

    /// The child of `parent` with this name.
    pub(crate) fn find(&self, parent: Slot, name: &str) -> Option<Slot> {
        self.index.find(self.key.hash(parent.0, name.as_bytes()), |slot| {
            let node = self.node(slot);
            node.parent == parent && *node.name == *name
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
        let position = self.node(parent).children.len() as u32;
        let node = Node {
            parent,
            name: name.into(),
            data: data.map(Box::from),
            stat: *stat,
            acl,
            digest: 0,
            position,
            children: Vec::new(),
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.nodes[slot.0 as usize] = Some(node);
                slot
            }
            None => {
                self.nodes.push(Some(node));
                Slot(self.nodes.len() as u32 - 1)
            }
        };
        self.node_mut(parent).children.push(slot);
        let (nodes, key) = (&self.nodes, self.key);
        self.index.insert(key.hash(parent.0, name.as_bytes()), slot, |other| {
            nodes[other.0 as usize].as_ref().map_or(0, |node| key.hash(node.parent.0, node.name.as_bytes()))
        });
        slot
    }

    /// Removes a node without children. The root stays.
    pub(crate) fn remove(&mut self, slot: Slot) {
        if slot == Slot::ROOT || self.num_children(slot) != 0 {
            return;
        }
        let Some(node) = self.nodes[slot.0 as usize].take() else { return };
        self.index.remove(self.key.hash(node.parent.0, node.name.as_bytes()), slot);
        self.free.push(slot);
        let siblings = &mut self.node_mut(node.parent).children;
        siblings.swap_remove(node.position as usize);
        if let Some(&moved) = siblings.get(node.position as usize) {
            self.node_mut(moved).position = node.position;
        }
    }

    /// The parent; the root's is itself.
    pub(crate) fn parent(&self, slot: Slot) -> Slot {
        self.node(slot).parent
    }

    /// The last component of the path; the root's is empty.
    pub(crate) fn name(&self, slot: Slot) -> &str {
        &self.node(slot).name
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
        self.node(slot).data.as_deref()
    }

    /// Replaces the data.
    pub(crate) fn set_data(&mut self, slot: Slot, data: Option<&[u8]>) {
        self.node_mut(slot).data = data.map(Box::from);
    }

    /// The stat.
    pub(crate) fn stat(&self, slot: Slot) -> StatPersisted {
        self.node(slot).stat
    }

    /// Replaces the stat.
    pub(crate) fn set_stat(&mut self, slot: Slot, stat: &StatPersisted) {
        self.node_mut(slot).stat = *stat;
    }

    /// The zxid of the creation.
    pub(crate) fn czxid(&self, slot: Slot) -> i64 {
        self.node(slot).stat.czxid
    }

    /// The list.
    pub(crate) fn acl(&self, slot: Slot) -> AclId {
        self.node(slot).acl
    }

    /// Replaces the list.
    pub(crate) fn set_acl(&mut self, slot: Slot, acl: AclId) {
        self.node_mut(slot).acl = acl;
    }

    /// The digest as last set.
    pub(crate) fn digest(&self, slot: Slot) -> u32 {
        self.node(slot).digest
    }

    /// Keeps the digest.
    pub(crate) fn set_digest(&mut self, slot: Slot, digest: u32) {
        self.node_mut(slot).digest = digest;
    }

    /// The number of children.
    pub(crate) fn num_children(&self, slot: Slot) -> u32 {
        self.node(slot).children.len() as u32
    }

    /// The children, in no order.
    pub(crate) fn children(&self, slot: Slot) -> impl Iterator<Item = Slot> {
        self.node(slot).children.iter().copied()
    }
}
