//! kazoo's queue whose items survive their consumers.

use std::time::Duration;

use bytes::Bytes;
use zabra_client::Client;

use super::queue::checked_name;
use crate::Result;
use crate::common::path::join;
use crate::queue::{Entry, Queue, QueueBuilder, Taken};
use crate::receipt::Receipt;

/// A queue of bare items with priorities whose items stay until they are done. kazoo's `LockingQueue`.
///
/// The items are `entries/entry-100-0000000007`, those in hand are marked by an ephemeral znode of the same name under
/// `taken`. Its guarantees are those of a [queue](crate::queue) with a lock path: at least once.
#[derive(Clone, Debug)]
pub struct LockingQueue {
    queue: Queue<Entry>,
}

impl LockingQueue {
    /// Opens the queue at this path, making its znodes if they are missing.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn open(client: &Client, path: &str) -> Result<Self> {
        Ok(Self { queue: builder(client, path).open_as().await? })
    }

    /// Opens the queue with a receipt: items are put exactly once.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn open_with(client: &Client, path: &str, receipt: Receipt) -> Result<Self> {
        Ok(Self { queue: builder(client, path).receipt(receipt).open_as().await? })
    }

    /// Puts an item behind those of its priority, which is [at most](super::PRIORITY_MAX) 999.
    ///
    /// # Errors
    /// See [queues](crate::queue); [`Error::BadArgument`](crate::Error::BadArgument) for another priority.
    pub async fn put(&self, item: impl Into<Bytes>, priority: u16) -> Result<()> {
        self.queue.put_named(checked_name(priority)?, [item.into()]).await
    }

    /// Puts several items, all or none.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn put_all(&self, items: impl IntoIterator<Item = Bytes>, priority: u16) -> Result<()> {
        let name = checked_name(priority)?;
        self.queue.put_nodes(items.into_iter().map(|item| (name.clone(), item)).collect()).await
    }

    /// Takes the first item in hand, waiting for one if there is none. kazoo's `get`; its `consume` is
    /// [`Taken::done`], its `release` is [`Taken::release`], its `holds_lock` is [`Taken::is_held`].
    ///
    /// # Errors
    /// See [queues](crate::queue).
    pub async fn take(&self) -> Result<Taken> {
        self.queue.take().await
    }

    /// Takes the first item in hand if there is one that nobody has.
    ///
    /// # Errors
    /// See [queues](crate::queue).
    pub async fn poll(&self) -> Result<Option<Taken>> {
        self.queue.poll().await
    }

    /// Takes the first item in hand, waiting at most this long for one.
    ///
    /// # Errors
    /// See [queues](crate::queue).
    pub async fn poll_within(&self, time: Duration) -> Result<Option<Taken>> {
        self.queue.poll_within(time).await
    }

    /// The queue, for what all queues can do.
    #[must_use]
    pub fn queue(&self) -> &Queue<Entry> {
        &self.queue
    }
}

fn builder(client: &Client, path: &str) -> QueueBuilder {
    QueueBuilder::new(client.clone(), join(path, "entries")).lock_path(join(path, "taken"))
}
