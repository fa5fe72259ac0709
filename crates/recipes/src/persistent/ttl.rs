//! A node that outlives its process for a while.

use std::time::Duration;

use bytes::Bytes;
use tokio::task::AbortHandle;
use zabra_client::{Client, CreateMode, Error as ClientError};

use super::{NodeState, NodeStates, PersistentNode, PersistentNodeBuilder};
use crate::common::retry::Backoff;
use crate::common::{Result, path, session};

/// The child that is refreshed.
const TOUCH_NAME: &str = "touch";

/// A node that is there for as long as somebody keeps it, and for a time to live after: longer than a session. Mirrors
/// Curator's `PersistentTtlNode`.
///
/// The node has a time to live, and a child `touch` with the same which is set every half of it. When nobody sets the
/// child any more, the server removes it and then the node. Several processes may keep the same node: it goes after the
/// last of them. Closing or dropping this stops refreshing and deletes nothing.
///
/// Needs `extendedTypesEnabled` at the servers; without, the node is refused with `Unimplemented`.
///
/// # Connection loss and session expiry
///
/// Neither ends the node. When there is no connection for the whole time to live the server removes it; it is created
/// again with the next connection.
#[derive(Debug)]
#[must_use = "the node is kept no longer when this is dropped"]
pub struct PersistentTtlNode {
    node: PersistentNode,
    touching: AbortHandle,
}

/// What is to be kept. Made by [`PersistentTtlNode::builder`].
#[derive(Clone, Debug)]
#[must_use = "the node is kept after start() or create()"]
pub struct PersistentTtlNodeBuilder {
    node: PersistentNodeBuilder,
    client: Client,
    path: String,
    ttl: Duration,
    child: String,
    touches_per_ttl: u32,
}

impl PersistentTtlNode {
    /// A node that goes this long after nobody keeps it any more.
    pub fn builder(
        client: &Client,
        path: impl Into<String>,
        ttl: Duration,
        data: impl Into<Bytes>,
    ) -> PersistentTtlNodeBuilder {
        let path = path.into();
        let node = PersistentNode::builder(client, path.clone(), data)
            .mode(CreateMode::PersistentWithTtl)
            .ttl(ttl)
            .without_deletion();
        PersistentTtlNodeBuilder {
            node,
            client: client.clone(),
            path,
            ttl,
            child: TOUCH_NAME.into(),
            touches_per_ttl: 2,
        }
    }

    /// How it stands now.
    pub fn state(&self) -> NodeState {
        self.node.state()
    }

    /// The changes of [`state`](Self::state) from now on.
    pub fn states(&self) -> NodeStates {
        self.node.states()
    }

    /// Waits until the node is in place; its path.
    ///
    /// # Errors
    ///
    /// As [`PersistentNode::in_place`].
    pub async fn in_place(&self) -> Result<String> {
        self.node.in_place().await
    }

    /// The data it has, or is to have as soon as it can be written.
    pub fn data(&self) -> Bytes {
        self.node.data()
    }

    /// Sets the data and waits until the server has it.
    ///
    /// # Errors
    ///
    /// As [`PersistentNode::set_data`].
    pub async fn set_data(&self, data: impl Into<Bytes>) -> Result<()> {
        self.node.set_data(data).await
    }
}

impl Drop for PersistentTtlNode {
    fn drop(&mut self) {
        self.touching.abort();
    }
}

impl PersistentTtlNodeBuilder {
    /// The name of the child, `touch` unless set. All who keep the node should use the same.
    pub fn child(mut self, name: impl Into<String>) -> Self {
        self.child = name.into();
        self
    }

    /// How many times the child is set within the time to live; 2 unless set. More tolerate longer connection losses.
    pub fn touches_per_ttl(mut self, touches: u32) -> Self {
        self.touches_per_ttl = touches.max(1);
        self
    }

    /// The access control list of the node; everybody may do everything without.
    pub fn acl(mut self, acl: impl IntoIterator<Item = zabra_client::Acl>) -> Self {
        self.node = self.node.acl(acl);
        self
    }

    /// Does not create missing parents.
    pub fn without_parents(mut self) -> Self {
        self.node = self.node.without_parents();
        self
    }

    /// Starts keeping the node; it is created in the background. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// As [`PersistentNodeBuilder::start`].
    pub fn start(self) -> Result<PersistentTtlNode> {
        let node = self.node.start()?;
        let child = path::join(&self.path, &self.child);
        let every = (self.ttl / self.touches_per_ttl).max(Duration::from_millis(1));
        let touching =
            tokio::spawn(keep_touching(self.client, child, self.ttl, every, node.states())).abort_handle();
        Ok(PersistentTtlNode { node, touching })
    }

    /// Starts keeping the node and waits until it is in place.
    ///
    /// # Errors
    ///
    /// As [`PersistentNodeBuilder::create`].
    pub async fn create(self) -> Result<PersistentTtlNode> {
        let node = self.start()?;
        node.in_place().await?;
        Ok(node)
    }
}

/// Until the node is kept no longer.
async fn keep_touching(client: Client, child: String, ttl: Duration, every: Duration, states: NodeStates) {
    let mut backoff = Backoff::default();
    while states.current() != NodeState::Closed {
        match touch(&client, &child, ttl).await {
            Ok(()) => {
                backoff = Backoff::default();
                tokio::time::sleep(every).await;
            }
            Err(error) if session::is_outage(&error) => backoff.pause().await,
            Err(error) => {
                tracing::debug!(child, %error, "a TTL node cannot be refreshed");
                tokio::time::sleep(every).await;
            }
        }
    }
}

async fn touch(client: &Client, child: &str, ttl: Duration) -> Result<(), ClientError> {
    match client.set(child, []).await {
        Err(error) if error.is_no_node() => {}
        result => return result.map(drop),
    }
    match client.create(child, []).mode(CreateMode::PersistentWithTtl).ttl(ttl).await {
        // Another keeper was faster; or the node itself is gone, and its keeper creates it first.
        Err(error) if error.is_node_exists() || error.is_no_node() => Ok(()),
        result => result.map(drop),
    }
}
