//! What preparing a change found out and applying it need not find out again.

use crate::arena::{Look, Slot};
use crate::{NodePrefix, NodeRef, Tree};

/// Where a node was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodePlace {
    slot: Slot,
    /// Tells this node from another that was given the slot later.
    czxid: i64,
}

impl NodePlace {
    /// Nowhere yet.
    pub const UNKNOWN: Self = Self { slot: Slot::NONE, czxid: 0 };
}

/// What applying a change need not find out: where the node is, and the digest of path and data.
///
/// Of the digest only that part is handed over which follows from the transaction alone. The part that depends on the
/// tree, the Stat, is made anew from what the tree has, so that a tree that is not as preparation saw it is found out all
/// the same. A place is only good for the very tree that it was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Where the node is, or, of one to be created, its parent.
    pub place: NodePlace,
    /// Of the path and the new data, if the change has data.
    pub prefix: Option<NodePrefix>,
}

impl Hint {
    /// Nothing was found out.
    pub const NONE: Self = Self { place: NodePlace::UNKNOWN, prefix: None };
}

impl NodeRef<'_> {
    /// Where the node is.
    pub fn place(&self) -> NodePlace {
        NodePlace { slot: self.look.slot(), czxid: self.look.czxid() }
    }
}

impl Tree {
    /// The node at a path, which is probably at this place.
    pub(crate) fn find(&self, path: &str, place: NodePlace) -> Option<Look<'_>> {
        let hinted = self.arena.try_look(place.slot);
        match hinted.filter(|look| look.czxid() == place.czxid && look.ends(path)) {
            None => self.arena.look_up(path),
            found => found,
        }
    }
}
