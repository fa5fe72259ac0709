//! What a cache tells its listeners.

use std::sync::Arc;

use bytes::Bytes;
use zabra_client::Error;
use zabra_types::Stat;

/// A node as the cache has it. Mirrors Curator's `ChildData`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedNode {
    /// Its path.
    pub path: String,
    /// Its data; empty in a cache that does not keep data.
    pub data: Bytes,
    /// Its stat when the data was read. The fields that children and access control lists change may be older than
    /// the node.
    pub stat: Stat,
}

/// What happened to a cache. Mirrors the callbacks of `CuratorCacheListener`.
///
/// Of one node, events come in the order of its changes, but changes that follow one another quickly may be told as
/// one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CacheEvent {
    /// A node came into the cache.
    Created(Arc<CachedNode>),
    /// The data of a node in the cache was set, or the node was deleted and created again while nobody looked (then
    /// `czxid` differs).
    Changed {
        /// As it was.
        old: Arc<CachedNode>,
        /// As it is.
        new: Arc<CachedNode>,
    },
    /// A node of the cache was deleted. Carries what the cache knew of it last.
    Deleted(Arc<CachedNode>),
    /// Everything that existed when the cache was started has been told. Comes once.
    Initialized,
    /// The connection is lost: from here the contents may be old.
    Suspended,
    /// Everything that was missed has been told, and the contents are followed again.
    Resumed,
    /// A node could not be read, most often because its access control list forbids it. What the cache has of it, if
    /// anything, stays as it is.
    Failed {
        /// The node.
        path: String,
        /// Why.
        error: Error,
    },
    /// The listener was too slow, and this many events are lost to it. The cache itself has missed nothing.
    Missed(u64),
}
