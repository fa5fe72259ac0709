//! Reading a node.

use super::family::Family;
use super::record::{Changed, Record, Variable};
use super::{Extra, Slot};
use crate::acl_table::AclId;
use zabra_types::StatPersisted;

/// The family of a node that has none.
static CHILDLESS: Family = Family::new();

/// A node as its record tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'a> {
    pub(super) slot: Slot,
    pub(super) record: Record<'a>,
    pub(super) extra: Option<&'a Extra>,
}

impl<'a> Look<'a> {
    /// Where the node is.
    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }

    /// The parent; the root's is itself.
    pub(crate) fn parent(&self) -> Slot {
        self.record.parent()
    }

    /// The last component of the path; the root's is empty.
    pub(crate) fn name(&self) -> &'a str {
        super::text(self.record.name())
    }

    /// Whether the path of the node can be this one: its name ends it.
    pub(crate) fn ends(&self, path: &str) -> bool {
        let name = self.record.name();
        let slash = path.len().wrapping_sub(name.len() + 1);
        // The root has no name, and is asked for without its slash, too.
        path.as_bytes().ends_with(name) && path.as_bytes().get(slash).is_none_or(|&byte| byte == b'/')
    }

    /// The stat.
    pub(crate) fn stat(&self) -> StatPersisted {
        self.stat_and_data().0
    }

    /// The stat and the data, read in one go.
    pub(crate) fn stat_and_data(&self) -> (StatPersisted, Option<&'a [u8]>) {
        let (czxid, ctime) = (self.record.czxid(), self.record.ctime());
        let Variable { changed, data, .. } = self.record.variable();
        let changed = changed.unwrap_or(Changed { mzxid: czxid, mtime: ctime, version: 0 });
        let (cversion, pzxid) = self.child_counts();
        let stat = StatPersisted {
            czxid,
            ctime,
            mzxid: changed.mzxid,
            mtime: changed.mtime,
            version: changed.version,
            cversion,
            aversion: self.extra.map_or(0, |extra| extra.aversion),
            ephemeral_owner: self.owner(),
            pzxid,
        };
        (stat, data)
    }

    /// The version of the data.
    pub(crate) fn version(&self) -> i32 {
        self.record.changed().map_or(0, |changed| changed.version)
    }

    /// The creations of children so far, and the zxid of the last creation or deletion of one.
    pub(crate) fn child_counts(&self) -> (i32, i64) {
        self.extra.map_or_else(|| (0, self.record.czxid()), |extra| (extra.cversion, extra.pzxid))
    }

    /// The zxid of the creation.
    pub(crate) fn czxid(&self) -> i64 {
        self.record.czxid()
    }

    /// The data.
    pub(crate) fn data(&self) -> Option<&'a [u8]> {
        self.record.variable().data
    }

    /// The raw owner.
    pub(crate) fn owner(&self) -> i64 {
        self.extra.map_or(0, |extra| extra.owner)
    }

    /// The list.
    pub(crate) fn acl(&self) -> AclId {
        self.record.acl()
    }

    /// The digest as last set.
    pub(crate) fn digest(&self) -> u32 {
        self.record.digest()
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
