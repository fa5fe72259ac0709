//! The queue of ZooKeeper's own recipe.

use std::time::Duration;

use bytes::Bytes;
use zabra_client::Client;

use super::layout::{Layout, Simple};
use super::{Queue, QueueBuilder};
use crate::Result;
use crate::common::path::join;
use crate::common::retry::through_sessions;
use crate::receipt::Receipt;

/// A queue of bare items, oldest first: `qn-0000000007`. Shared with Curator's `SimpleDistributedQueue` and with the
/// recipes that come with ZooKeeper.
///
/// Its guarantees are those of a plain [queue](super), or of one with a receipt. There is no lock path in this layout.
#[derive(Debug, Clone)]
pub struct SimpleQueue {
    queue: Queue<Simple>,
}

impl SimpleQueue {
    /// Opens the queue at this path, making its znode (a container) if it is missing.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn open(client: &Client, path: impl Into<String>) -> Result<Self> {
        Ok(Self { queue: QueueBuilder::new(client.clone(), path.into()).open_as().await? })
    }

    /// Opens the queue with a receipt: items are put, and taken, exactly once.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn open_with(client: &Client, path: impl Into<String>, receipt: Receipt) -> Result<Self> {
        Ok(Self { queue: QueueBuilder::new(client.clone(), path.into()).receipt(receipt).open_as().await? })
    }

    /// Puts an item at the end.
    ///
    /// # Errors
    /// See the [module](super).
    pub async fn offer(&self, item: impl Into<Bytes>) -> Result<()> {
        self.queue.put_named(String::from(Simple::PREFIX), [item.into()]).await
    }

    /// The first item, which stays. `None` if there is none.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn peek(&self) -> Result<Option<Bytes>> {
        let mut names = self.queue.names().await?;
        names.retain(|name| name.starts_with(Simple::PREFIX));
        names.sort();
        for name in names {
            let path = join(self.queue.path(), &name);
            match through_sessions(|| self.queue.shared.client.get(&path)).await {
                Err(error) if error.is_no_node() => {}
                answer => return Ok(Some(answer?.0)),
            }
        }
        Ok(None)
    }

    /// Takes the first item if there is one.
    ///
    /// # Errors
    /// See the [module](super).
    pub async fn poll(&self) -> Result<Option<Bytes>> {
        Ok(self.queue.poll().await?.map(|taken| taken.item()))
    }

    /// Takes the first item, waiting at most this long for one.
    ///
    /// # Errors
    /// See the [module](super).
    pub async fn poll_within(&self, time: Duration) -> Result<Option<Bytes>> {
        Ok(self.queue.poll_within(time).await?.map(|taken| taken.item()))
    }

    /// Takes the first item, waiting for one if there is none.
    ///
    /// # Errors
    /// See the [module](super).
    pub async fn take(&self) -> Result<Bytes> {
        Ok(self.queue.take().await?.item())
    }

    /// The queue, for what all queues can do.
    #[must_use]
    pub fn queue(&self) -> &Queue<Simple> {
        &self.queue
    }
}
