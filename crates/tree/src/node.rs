//! A look at one node.

use crate::Tree;
use crate::arena::{Look, Slot};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use zabra_proto::{AclList, Put};
use zabra_types::{EphemeralOwner, Stat, StatPersisted};

/// The access control list of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeAcl<'a> {
    /// `world:anyone` with all permissions.
    Open,
    /// Any other list.
    List(AclList<'a>),
    /// A list the snapshot did not have, until replay sets it again: nobody may do anything.
    Dangling,
}

/// A node, borrowed from its tree.
#[derive(Clone, Copy, Debug)]
pub struct NodeRef<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) look: Look<'a>,
}

impl<'a> NodeRef<'a> {
    /// The Stat as clients see it.
    pub fn stat(&self) -> Stat {
        self.tree.visible_stat(&self.look)
    }

    /// The Stat as snapshots store it.
    pub fn persisted(&self) -> StatPersisted {
        self.look.stat()
    }

    /// The version of the data.
    pub fn version(&self) -> i32 {
        self.look.version()
    }

    /// The number of creations of children so far.
    pub fn cversion(&self) -> i32 {
        self.look.child_counts().0
    }

    /// The data; null is not the same as empty.
    pub fn data(&self) -> Option<&'a [u8]> {
        self.look.data()
    }

    /// The access control list.
    pub fn acl(&self) -> NodeAcl<'a> {
        self.tree.acls.get(self.look.acl())
    }

    /// The number of children.
    pub fn num_children(&self) -> u32 {
        self.look.num_children()
    }

    /// The names of the children, in no order.
    pub fn children(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.tree.arena.child_names(&self.look)
    }

    /// Appends the names of the children as a jute vector of texts.
    pub fn put_children(&self, out: &mut Vec<u8>) {
        out.put_count(self.num_children() as usize);
        self.tree.arena.put_child_names(&self.look, out);
    }

    /// What the node adds to the digest of the tree; 0 below `/zookeeper/` and with digests off.
    pub fn digest(&self) -> u32 {
        self.look.digest()
    }

    /// What kind of node it is.
    pub fn owner(&self) -> EphemeralOwner {
        self.tree.owner_of(self.look.owner())
    }

    /// The path; `/` for the root.
    pub fn path(&self) -> String {
        match self.look.slot() {
            Slot::ROOT => "/".to_string(),
            slot => self.tree.arena.path(slot),
        }
    }
}
