//! The Stat of a node: as stored, and as clients see it.

use crate::{EphemeralOwner, OwnerRules};

/// The fields of a node that snapshots store and the digest covers.
///
/// `cversion` counts child creations only, and `ephemeral_owner` keeps the container and TTL markers; clients see
/// neither directly, see [`StatPersisted::visible`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StatPersisted {
    /// Zxid of the transaction that created the node.
    pub czxid: i64,
    /// Zxid of the last change of the data.
    pub mzxid: i64,
    /// Wall time of the creation, in milliseconds.
    pub ctime: i64,
    /// Wall time of the last change of the data, in milliseconds.
    pub mtime: i64,
    /// Changes of the data.
    pub version: i32,
    /// Child creations so far: the next sequence number.
    pub cversion: i32,
    /// Changes of the access control list.
    pub aversion: i32,
    /// Raw owner, see [`EphemeralOwner`].
    pub ephemeral_owner: i64,
    /// Zxid of the last creation or deletion of a child.
    pub pzxid: i64,
}

impl StatPersisted {
    /// What clients see: `cversion` computed from creations and present children, the owner hidden unless it is a
    /// session (`DataNode.copyStat`).
    pub const fn visible(&self, data_length: i32, num_children: i32, rules: OwnerRules) -> Stat {
        let ephemeral_owner = match EphemeralOwner::from_raw(self.ephemeral_owner, rules) {
            EphemeralOwner::Session(session) => session.raw(),
            _ => 0,
        };
        Stat {
            czxid: self.czxid,
            mzxid: self.mzxid,
            ctime: self.ctime,
            mtime: self.mtime,
            version: self.version,
            cversion: self.cversion.wrapping_mul(2).wrapping_sub(num_children),
            aversion: self.aversion,
            ephemeral_owner,
            data_length,
            num_children,
            pzxid: self.pzxid,
        }
    }
}

/// The Stat a client receives, in wire order (68 bytes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stat {
    /// Zxid of the transaction that created the node.
    pub czxid: i64,
    /// Zxid of the last change of the data.
    pub mzxid: i64,
    /// Wall time of the creation, in milliseconds.
    pub ctime: i64,
    /// Wall time of the last change of the data, in milliseconds.
    pub mtime: i64,
    /// Changes of the data.
    pub version: i32,
    /// Creations and deletions of children, computed.
    pub cversion: i32,
    /// Changes of the access control list.
    pub aversion: i32,
    /// The owning session of an ephemeral node, else 0.
    pub ephemeral_owner: i64,
    /// Bytes of data; 0 for null.
    pub data_length: i32,
    /// Number of children.
    pub num_children: i32,
    /// Zxid of the last creation or deletion of a child.
    pub pzxid: i64,
}

impl Stat {
    /// Bytes on the wire.
    pub const WIRE_LEN: usize = 68;
}
