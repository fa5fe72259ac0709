//! Reading a node.

use super::family::Family;
use super::record::{Changed, Fixed, Variable};
use super::{Extra, Slot};
use crate::acl_table::AclId;
use zabra_types::StatPersisted;

/// The family of a node that has none.
static CHILDLESS: Family = Family::new();

/// A node as its record tells, read once for many questions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'a> {
    pub(super) slot: Slot,
    pub(super) fixed: Fixed,
    pub(super) variable: Variable<'a>,
    pub(super) extra: Option<&'a Extra>,
}

impl<'a> Look<'a> {
    /// Where the node is.
    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }

    /// The parent; the root's is itself.
    pub(crate) fn parent(&self) -> Slot {
        self.fixed.parent
    }

    /// The last component of the path; the root's is empty.
    pub(crate) fn name(&self) -> &'a str {
        super::text(self.variable.name)
    }

    /// The stat.
    pub(crate) fn stat(&self) -> StatPersisted {
        let Fixed { czxid, ctime, .. } = self.fixed;
        let changed = self.variable.changed.unwrap_or(Changed { mzxid: czxid, mtime: ctime, version: 0 });
        let (cversion, pzxid) = self.child_counts();
        StatPersisted {
            czxid,
            ctime,
            mzxid: changed.mzxid,
            mtime: changed.mtime,
            version: changed.version,
            cversion,
            aversion: self.extra.map_or(0, |extra| extra.aversion),
            ephemeral_owner: self.owner(),
            pzxid,
        }
    }

    /// The creations of children so far, and the zxid of the last creation or deletion of one.
    pub(crate) fn child_counts(&self) -> (i32, i64) {
        self.extra.map_or((0, self.fixed.czxid), |extra| (extra.cversion, extra.pzxid))
    }

    /// The zxid of the creation.
    pub(crate) fn czxid(&self) -> i64 {
        self.fixed.czxid
    }

    /// The data.
    pub(crate) fn data(&self) -> Option<&'a [u8]> {
        self.variable.data
    }

    /// The raw owner.
    pub(crate) fn owner(&self) -> i64 {
        self.extra.map_or(0, |extra| extra.owner)
    }

    /// The list.
    pub(crate) fn acl(&self) -> AclId {
        self.fixed.acl
    }

    /// The digest as last set.
    pub(crate) fn digest(&self) -> u32 {
        self.fixed.digest
    }

    /// What a change of the stat leaves of the digest, if it is known.
    pub(crate) fn digest_prefix(&self) -> Option<u32> {
        self.extra.map(|extra| extra.digest_prefix).filter(|&prefix| prefix != 0)
    }

    /// The number of children that have children.
    pub(crate) fn inner_children(&self) -> u32 {
        self.extra.map_or(0, |extra| extra.inner)
    }

    /// The number of children.
    pub(crate) fn num_children(&self) -> u32 {
        self.family().len()
    }

    pub(super) fn family(&self) -> &'a Family {
        self.extra.map_or(&CHILDLESS, |extra| &extra.family)
    }
}
