//! Checking that all parts of a tree agree.

use crate::acl_table::AclId;
use crate::arena::Slot;
use crate::tree::node_size;
use crate::{Tree, node_digest};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use zabra_types::EphemeralOwner;

/// What is wrong with a tree. None of it can come from a client, a file or a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokenInvariant {
    /// A node is not found where its parent has it.
    Lost {
        /// The node.
        path: String,
    },
    /// The digest kept for a node is not that of what it holds.
    Digest {
        /// The node.
        path: String,
    },
    /// A node is not filed under its owner.
    Owner {
        /// The node.
        path: String,
    },
    /// A sum or a count is not that of the nodes.
    Total {
        /// Which.
        what: &'static str,
        /// What is kept.
        kept: u64,
        /// What the nodes give.
        found: u64,
    },
}

impl fmt::Display for BrokenInvariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { path } => write!(f, "{path} is listed but not found"),
            Self::Digest { path } => write!(f, "the digest of {path} is stale"),
            Self::Owner { path } => write!(f, "{path} is not filed under its owner"),
            Self::Total { what, kept, found } => write!(f, "{what}: {kept} kept, {found} found"),
        }
    }
}

impl core::error::Error for BrokenInvariant {}

impl Tree {
    /// Visits every node and compares with what is kept beside them. For tests and simulations: it takes as long as
    /// the tree is large.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn check(&self) -> Result<(), BrokenInvariant> {
        let (mut nodes, mut digest, mut size, mut owned) = (0, 0_u64, 1, 0);
        let mut acl_users: BTreeMap<u32, u64> = BTreeMap::new();
        let mut pending = Vec::from([(Slot::ROOT, String::new())]);
        while let Some((slot, path)) = pending.pop() {
            let node = self.arena.look(slot);
            nodes += 1;
            digest = digest.wrapping_add(node.digest().into());
            size += node_size(&path, node.data());
            if node.acl() != AclId::OPEN {
                *acl_users.entry(node.acl().bits()).or_default() += 1;
            }
            if self.digests.enabled() && node.digest() != node_digest(&path, node.data(), &node.stat()) {
                return Err(BrokenInvariant::Digest { path });
            }
            let owner = self.owner_of(node.owner());
            owned += u64::from(owner != EphemeralOwner::Persistent);
            if slot != Slot::ROOT && !self.owners.has(owner, slot) {
                return Err(BrokenInvariant::Owner { path });
            }
            let (mut children, mut inner) = (0, 0);
            for (child, name) in self.arena.children(slot).zip(self.arena.child_names(&node)) {
                children += 1;
                let path = alloc::format!("{path}/{name}");
                let found = self.arena.resolve(&path) == Some(child)
                    && self.arena.look(child).parent() == slot
                    && self.arena.look(child).name() == name;
                if !found {
                    return Err(BrokenInvariant::Lost { path });
                }
                inner += u64::from(self.arena.look(child).num_children() != 0);
                pending.push((child, path));
            }
            total("children with children", node.inner_children().into(), inner)?;
            total("children", node.num_children().into(), children)?;
        }
        // The root belongs to nobody, whatever a file says.
        owned -= u64::from(self.owner_of(self.arena.look(Slot::ROOT).owner()) != EphemeralOwner::Persistent);
        total("nodes", self.arena.len() as u64, nodes)?;
        total("digest", self.digests.sum(), digest)?;
        total("data size", self.data_size, size)?;
        total("owned nodes", self.owners.len(), owned)?;
        total("users of access control lists", self.acls.users(), acl_users.values().sum())?;
        for (acl, users) in acl_users {
            total("users of a list", self.acls.users_of(AclId::from_bits(acl)), users)?;
        }
        total(
            "/zookeeper/quota",
            slot_number(self.quota_root),
            slot_number(self.arena.resolve(crate::QUOTA_PATH)),
        )
    }
}

fn slot_number(slot: Option<Slot>) -> u64 {
    slot.map_or(u64::MAX, |slot| slot.0.into())
}

fn total(what: &'static str, kept: u64, found: u64) -> Result<(), BrokenInvariant> {
    if kept == found { Ok(()) } else { Err(BrokenInvariant::Total { what, kept, found }) }
}
