//! The replicated state: znodes with their data, ACLs and stats, the sessions, the ephemeral, container and TTL
//! nodes, the quotas and the digest over all of it.
//!
//! Start with [`Tree`]. It changes through [`Tree::apply`] alone: the same transactions make the same tree, on a
//! leader, a learner, in recovery and in a simulator. There is no clock, no randomness, no configuration beyond
//! [`TreeOptions`] and no permission check here; whether a request may become a transaction is `node`'s decision.
//! [`SnapshotCursor`] writes the tree out while it changes, [`TreeLoader`] reads it back.
//!
//! Mirrors `DataTree`, `DataNode`, `ReferenceCountedACLCache` and `DigestCalculator` of Apache ZooKeeper 3.9.
#![no_std]

extern crate alloc;

mod acl_table;
mod apply;
mod arena;
mod change;
mod check;
mod digest;
mod hint;
mod index;
mod load;
mod node;
mod owners;
mod quota;
mod snapshot;
mod tree;

pub use arena::RecordPage;
pub use change::{ChangeSink, Outcome, SubOutcome};
pub use check::BrokenInvariant;
pub use digest::{DigestCheck, DigestRecord, SnapshotDigest, node_digest, restated_digest};
pub use hint::{Hint, NodePlace, Redigested};
pub use index::HashKey;
pub use load::{LoadError, NodeSum, NodeSums, TreeLoader};
pub use node::{NodeAcl, NodeRef};
pub use quota::{QuotaLimits, QuotaText, QuotaUsage, QuotaView};
pub use snapshot::{Progress, SnapshotCursor};
pub use tree::{Tree, TreeOptions};

/// The node everything of the server's own hangs under.
pub const ZOOKEEPER_PATH: &str = "/zookeeper";
/// The node under which limits and usage of the quotas stand.
pub const QUOTA_PATH: &str = "/zookeeper/quota";
/// The node that shows the membership.
pub const CONFIG_PATH: &str = "/zookeeper/config";
