//! What preparing a change found out and applying it need not find out again.

use crate::arena::{Look, Slot};
use crate::{NodeRef, Tree};

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

/// How the digest of a node changes with a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redigested {
    /// Its digest before; 0 when it was not there.
    pub before: u32,
    /// Its digest after.
    pub after: u32,
}

/// What applying a change need not find out: where the node is, and what becomes of digests.
///
/// A digest is only taken over by a node whose own is the one that preparation began with. A tree that is not as
/// preparation saw it is thus found out all the same, by the digest of the whole. A place is only good for the path it
/// was found with, in the very tree it was found in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Where the node is, or, of one to be created, its parent.
    pub place: NodePlace,
    /// The digest of the node, unless it goes.
    pub node: Option<Redigested>,
    /// The digest of its parent, when it comes or goes.
    pub parent: Option<Redigested>,
}

impl Hint {
    /// Nothing was found out.
    pub const NONE: Self = Self { place: NodePlace::UNKNOWN, node: None, parent: None };
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
