//! How a queue is opened.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use zabra_client::Client;

use super::background::Background;
use super::feed::{Feed, ensure_node, ensure_queue};
use super::layout::{Delayed, Fifo, Identified, Layout, Prioritized};
use super::take::Taking;
use super::taken::Stash;
use super::{Queue, Shared};
use crate::Result;
use crate::receipt::Receipt;

/// What becomes of an item whose handler fails, in a queue with a lock path. Curator's `ErrorMode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// It is put back, at the end of the queue or of its priority, with the items of its message that were not handled
    /// yet. (Curator puts those back too that were.)
    #[default]
    Requeue,
    /// It is gone.
    Delete,
}

/// The options of a queue; made by [`Queue::builder`]. Curator's `QueueBuilder`.
#[derive(Debug)]
#[must_use = "nothing happens before open"]
pub struct QueueBuilder {
    client: Client,
    path: String,
    receipt: Option<Receipt>,
    lock_path: Option<String>,
    max_items: Option<usize>,
    room_timeout: Option<Duration>,
    on_failure: OnFailure,
    refresh_after: usize,
}

impl QueueBuilder {
    pub(crate) fn new(client: Client, path: String) -> Self {
        Self {
            client,
            path,
            receipt: None,
            lock_path: None,
            max_items: None,
            room_timeout: None,
            on_failure: OnFailure::default(),
            refresh_after: 0,
        }
    }

    /// Puts, and takes unless there is a lock path, exactly once, whatever happens to connections.
    pub fn receipt(mut self, receipt: Receipt) -> Self {
        self.receipt = Some(receipt);
        self
    }

    /// Marks items in hand with ephemeral znodes under this path and deletes items only when they are done, so that they
    /// survive their consumers. Every consumer of the queue must do so, with the same path.
    pub fn lock_path(mut self, path: impl Into<String>) -> Self {
        self.lock_path = Some(path.into());
        self
    }

    /// Lets puts wait while the queue has this many znodes. Producers that put at the same moment may exceed it by their
    /// number.
    pub fn max_items(mut self, max: usize) -> Self {
        self.max_items = Some(max);
        self
    }

    /// How long a put waits for room before it fails with [`Error::Full`](crate::Error::Full); for ever if not given.
    pub fn room_timeout(mut self, timeout: Duration) -> Self {
        self.room_timeout = Some(timeout);
        self
    }

    /// What becomes of items whose handler fails.
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// How many items may be handed out after a more urgent one has arrived, before it is noticed: fewer lists of the
    /// queue for less order. Zero if not given. Curator's `minItemsBeforeRefresh`.
    pub fn refresh_after(mut self, items: usize) -> Self {
        self.refresh_after = items;
        self
    }

    /// Opens a queue, making its znodes if they are missing.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn open(self) -> Result<Queue<Fifo>> {
        self.open_as().await
    }

    /// Opens a queue whose items have priorities.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_priority(self) -> Result<Queue<Prioritized>> {
        self.open_as().await
    }

    /// Opens a queue whose items wait for their time.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_delay(self) -> Result<Queue<Delayed>> {
        self.open_as().await
    }

    /// Opens a queue whose items have ids.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_id(self) -> Result<Queue<Identified>> {
        self.open_as().await
    }

    pub(crate) async fn open_as<L: Layout>(self) -> Result<Queue<L>> {
        ensure_queue::<L>(&self.client, &self.path).await?;
        if let Some(locks) = &self.lock_path {
            ensure_node(&self.client, locks).await?;
        }
        let receipt = self.receipt.map(Arc::new);
        let taking = match (self.lock_path, &receipt) {
            (Some(path), _) => Taking::Lock(path),
            (None, Some(receipt)) => Taking::Receipt(Arc::clone(receipt)),
            (None, None) => Taking::Plain,
        };
        let feed = Feed::new(self.client.clone(), self.path.clone(), taking.lock_path(), self.refresh_after);
        Ok(Queue {
            shared: Arc::new(Shared {
                client: self.client,
                path: self.path,
                taking,
                receipt,
                max_items: self.max_items,
                room_timeout: self.room_timeout,
                on_failure: self.on_failure,
                list_again: feed.again(),
                feed: Mutex::new(feed),
                stash: Arc::new(Stash::default()),
                background: Background::default(),
            }),
        })
    }
}
