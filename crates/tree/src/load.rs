//! Reading a snapshot back.

use crate::acl_table::AclLoader;
use crate::arena::Slot;
use crate::index::HashKey;
use crate::tree::split;
use crate::{Tree, TreeOptions};
use alloc::borrow::ToOwned;
use alloc::string::String;
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

/// Builds a tree from the parts of a snapshot: sessions, lists, then nodes, parents first.
#[derive(Debug)]
pub struct TreeLoader {
    tree: Tree,
    acls: AclLoader,
    root_seen: bool,
    /// The parent of the node before, with its path: siblings lie together.
    parent: Option<(Slot, String)>,
}

impl TreeLoader {
    /// Begins with nothing but a root that is still to come.
    pub fn new(options: TreeOptions) -> Self {
        Self {
            tree: Tree::bare(options),
            acls: AclLoader::new(HashKey::from(options.hash_seed)),
            root_seen: false,
            parent: None,
        }
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
    /// The records are not a tree; the loader is then of no more use.
    pub fn node(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        raw_acl_id: i64,
        stat: &StatPersisted,
    ) -> Result<(), LoadError> {
        if path.is_empty() {
            return self.root(data, raw_acl_id, stat);
        }
        let (parent_path, name) = split(path).ok_or_else(|| LoadError::NotAPath { path: path.to_owned() })?;
        let parent =
            self.parent_at(parent_path).ok_or_else(|| LoadError::MissingParent { path: path.to_owned() })?;
        if self.tree.arena.resolve(path).is_some() {
            return Err(LoadError::Duplicate { path: path.to_owned() });
        }
        let acl = self.acls.acquire(raw_acl_id);
        self.tree.add_node(parent, path, name, data, acl, stat);
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
        tree.refresh_digest(Slot::ROOT, "");
        Ok(())
    }

    fn parent_at(&mut self, path: &str) -> Option<Slot> {
        if !self.root_seen {
            return None;
        }
        match &self.parent {
            Some((slot, known)) if known == path => Some(*slot),
            _ => {
                let slot = self.tree.arena.resolve(path)?;
                self.parent = Some((slot, path.to_owned()));
                Some(slot)
            }
        }
    }

    /// The tree, holding every transaction up to `last_zxid`; `digest` is the snapshot's own digest and the
    /// transaction it belongs to, if it has one. Nodes every tree has are added if they are missing, and the usage of
    /// every quota is counted anew.
    pub fn finish(self, last_zxid: Zxid, digest: Option<(Zxid, TxnDigest)>) -> Tree {
        let mut tree = self.tree;
        tree.acls = self.acls.finish();
        tree.last_zxid = last_zxid;
        tree.add_builtin();
        tree.recompute_quotas();
        tree.digests.loaded(last_zxid, digest);
        tree
    }
}
