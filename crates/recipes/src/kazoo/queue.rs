//! kazoo's queue.

use std::time::Duration;

use bytes::Bytes;
use zabra_client::Client;

use super::PRIORITY_MAX;
use crate::queue::{Entry, QueueBuilder, entry_name};
use crate::receipt::Receipt;
use crate::{Error, Result};

/// A queue of bare items with priorities: `entry-100-0000000007`. kazoo's `Queue`.
///
/// Lower numbers go first, then older items. Its guarantees are those of a plain [queue](crate::queue), or of one with a
/// receipt. kazoo's consumers take every child of the path for an item.
#[derive(Clone, Debug)]
pub struct Queue {
    queue: crate::queue::Queue<Entry>,
}

impl Queue {
    /// Opens the queue at this path, making its znode if it is missing.
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

    /// Puts an item behind those of its priority, which is [at most](PRIORITY_MAX) 999.
    ///
    /// # Errors
    /// See [queues](crate::queue). [`Error::BadArgument`] for another priority.
    pub async fn put(&self, item: impl Into<Bytes>, priority: u16) -> Result<()> {
        self.queue.put_named(checked_name(priority)?, [item.into()]).await
    }

    /// Takes the first item if there is one. kazoo's `get`.
    ///
    /// # Errors
    /// See [queues](crate::queue).
    pub async fn poll(&self) -> Result<Option<Bytes>> {
        Ok(self.queue.poll().await?.map(|taken| taken.item()))
    }

    /// Takes the first item, waiting at most this long for one.
    ///
    /// # Errors
    /// See [queues](crate::queue).
    pub async fn poll_within(&self, time: Duration) -> Result<Option<Bytes>> {
        Ok(self.queue.poll_within(time).await?.map(|taken| taken.item()))
    }

    /// Takes the first item, waiting for one if there is none.
    ///
    /// # Errors
    /// See [queues](crate::queue).
    pub async fn take(&self) -> Result<Bytes> {
        Ok(self.queue.take().await?.item())
    }

    /// The queue, for what all queues can do.
    #[must_use]
    pub fn queue(&self) -> &crate::queue::Queue<Entry> {
        &self.queue
    }
}

pub(super) fn checked_name(priority: u16) -> Result<String> {
    if priority > PRIORITY_MAX {
        return Err(Error::BadArgument("a priority is at most 999"));
    }
    Ok(entry_name(priority))
}
