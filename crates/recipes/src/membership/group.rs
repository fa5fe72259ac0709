//! Groups in Curator's layout.

use std::collections::BTreeMap;

use bytes::Bytes;
use zabra_client::Client;

use crate::cache::{Cache, CacheEvents};
use crate::common::{Error, Result, path};
use crate::persistent::{NodeState, NodeStates, PersistentNode};

/// Those who are in a group, followed from outside or by a member.
///
/// Clones are the same.
#[derive(Clone, Debug)]
pub struct Members {
    cache: Cache,
}

impl Members {
    /// Follows a group without being in it; waits until its members are known. A group that does not exist has none.
    ///
    /// # Errors
    ///
    /// [`Error::BadPath`], and those of [`Cache::in_step`].
    pub async fn of(client: &Client, group: &str) -> Result<Self> {
        Ok(Self { cache: Cache::children(client, group).load().await? })
    }

    /// The members by their ids, with their payloads.
    pub fn current(&self) -> BTreeMap<String, Bytes> {
        let member =
            |node: &crate::cache::CachedNode| (path::name_of(&node.path).to_owned(), node.data.clone());
        self.cache.nodes().iter().map(|node| member(node)).collect()
    }

    /// Whether this id is in the group.
    pub fn contains(&self, id: &str) -> bool {
        self.cache.get(&path::join(self.cache.root(), id)).is_some()
    }

    /// Who came, left or changed its payload, beginning with those who are there: events of the member nodes.
    pub fn events(&self) -> CacheEvents {
        self.cache.events()
    }

    /// The cache underneath.
    pub const fn cache(&self) -> &Cache {
        &self.cache
    }
}

/// This process as a member of a group, and what it knows of the others. Mirrors Curator's `GroupMember`.
///
/// [`leave`](Self::leave) leaves the group; dropping this does so in the background.
#[derive(Debug)]
#[must_use = "the group is left when this is dropped"]
pub struct GroupMember {
    id: String,
    node: PersistentNode,
    members: Members,
}

impl GroupMember {
    /// Enters the group; waits until the node of this member is there and the others are known.
    ///
    /// The id is one path element, unique within the group. While another session has it, which may be that of an
    /// earlier run of this process, this waits for that one to end.
    ///
    /// # Errors
    ///
    /// [`Error::BadPath`] for an id that is no path element; what the server refuses the node with.
    pub async fn join(
        client: &Client,
        group: &str,
        id: impl Into<String>,
        payload: impl Into<Bytes>,
    ) -> Result<Self> {
        let member = Self::start(client, group, id, payload)?;
        member.node.in_place().await?;
        member.members.cache.in_step().await?;
        Ok(member)
    }

    /// Enters the group in the background.
    ///
    /// # Errors
    ///
    /// [`Error::BadPath`] for an id that is no path element.
    pub fn start(
        client: &Client,
        group: &str,
        id: impl Into<String>,
        payload: impl Into<Bytes>,
    ) -> Result<Self> {
        let id = id.into();
        if id.is_empty() || id.contains('/') {
            return Err(Error::BadArgument("the id of a member is one path element"));
        }
        let node = PersistentNode::builder(client, path::join(group, &id), payload).start()?;
        let members = Members { cache: Cache::children(client, group).start()? };
        Ok(Self { id, node, members })
    }

    /// The id of this member.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The members, as far as they are known. This one may be missing from it while its node is: see
    /// [`with_self`](Self::with_self).
    pub const fn members(&self) -> &Members {
        &self.members
    }

    /// The members and this one, whether its node is known or not (`getCurrentMembers`).
    pub fn with_self(&self) -> BTreeMap<String, Bytes> {
        let mut members = self.members.current();
        members.entry(self.id.clone()).or_insert_with(|| self.node.data());
        members
    }

    /// How the node of this member stands.
    pub fn state(&self) -> NodeState {
        self.node.state()
    }

    /// The changes of [`state`](Self::state) from now on.
    pub fn states(&self) -> NodeStates {
        self.node.states()
    }

    /// Changes the payload of this member and waits until the server has it (`setThisData`).
    ///
    /// # Errors
    ///
    /// As [`PersistentNode::set_data`].
    pub async fn set_payload(&self, payload: impl Into<Bytes>) -> Result<()> {
        self.node.set_data(payload).await
    }

    /// Leaves the group and waits until it is done.
    ///
    /// # Errors
    ///
    /// As [`PersistentNode::close`].
    pub async fn leave(self) -> Result<()> {
        self.node.close().await
    }
}
