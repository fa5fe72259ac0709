//! Queues, in the layouts of Curator and of ZooKeeper's own recipe. Those of kazoo are in [`kazoo`](crate::kazoo).
//!
//! | Type | Shares its znodes with | Order |
//! |---|---|---|
//! | [`SimpleQueue`] | `SimpleDistributedQueue`, ZooKeeper's own recipe | oldest first |
//! | [`Queue`] | `DistributedQueue` | oldest first |
//! | [`PriorityQueue`] | `DistributedPriorityQueue` | lowest number first |
//! | [`DelayQueue`] | `DistributedDelayQueue` | by the time from which an item may be taken |
//! | [`IdQueue`] | `DistributedIdQueue` | oldest first; removable by id |
//!
//! ```
//! use zabra_client::Client;
//! use zabra_recipes::Receipt;
//! use zabra_recipes::queue::Queue;
//!
//! # async fn work(client: Client) -> zabra_recipes::Result<()> {
//! // A producer whose items are in the queue once, and a consumer whose items are handled even if it dies.
//! let receipt = Receipt::open(&client, "/mail/receipts/web-1").await?;
//! let outbox = Queue::builder(&client, "/mail/queue").receipt(receipt).open().await?;
//! let inbox = Queue::builder(&client, "/mail/queue").lock_path("/mail/in-hand").open().await?;
//!
//! outbox.put("to: ann").await?;
//! let letter = inbox.take().await?;
//! assert_eq!(letter.item(), "to: ann");
//! letter.done().await?;
//!
//! // Or handled as they come:
//! let working = inbox.consume(async |letter| {
//!     println!("{} bytes", letter.len());
//!     Ok::<_, std::io::Error>(())
//! });
//! working.stop().await?;
//! # Ok(())
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #     let server = zabra_embedded::Server::start().await?;
//! #     Ok(work(Client::connect(&server.connect_string()).await?).await?)
//! # }
//! ```
//!
//! # What is guaranteed
//!
//! The order is that in which items are handed out, not that in which several consumers finish them. An item is handed to
//! one consumer at a time. Beyond that it depends on how a queue is opened:
//!
//! | | Connection lost while putting | Connection lost while taking | Consumer dies, or its session expires |
//! |---|---|---|---|
//! | plain | the error says [unknown](zabra_client::Outcome::Unknown): put again and risk two, or do not and risk none | nothing is lost, except where another consumer may have had the item: [`Error::TakenOrGone`] carries it | the items it has taken are gone with it |
//! | [`receipt`](QueueBuilder::receipt) | put exactly once | taken by exactly one consumer | the same |
//! | [`lock_path`](QueueBuilder::lock_path) | as plain, or with a receipt once | the item stays where it is | its items are handed to others: at least once |
//!
//! What is not in doubt is repeated through lost connections in all of them; no call returns because of a connection that
//! was lost, as long as it can find out what it has done. While there is no connection, calls wait. After an expiry they
//! go on with the client's next session; if the client has none, they fail.
//!
//! An item that is handed out at least once can be worked on twice at the same time, when the first consumer is paused for
//! longer than its session lives. Let what the work changes remember the item's [name](Taken::name): it is unique in its
//! queue.
//!
//! # Dropped futures
//!
//! A dropped `take` or `poll` loses nothing: an item that was taken for it goes to the next one on the same queue handle or its
//! clones (with a lock path it is released). If there is no next one, it is lost; the log says so. A dropped put may or may
//! not happen.

mod background;
mod builder;
mod consume;
mod feed;
mod item;
mod layout;
mod put;
mod simple;
mod take;
mod taken;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::{Mutex, Notify, oneshot};
use zabra_client::Client;

use crate::common::retry::{EXPIRIES_MAX, through_sessions};
use crate::receipt::Receipt;
use crate::{Error, Result};

use background::Background;
use feed::Feed;
use take::Taking;
use taken::{Parcel, Stash};

pub use background::NotPut;
pub use builder::{OnFailure, QueueBuilder};
pub use consume::Consuming;
pub use item::{MESSAGE_VERSION, MessageError, decode_message, encode_message};
pub(crate) use layout::entry_name;
pub use layout::{Delayed, Entry, Fifo, Identified, Layout, Prioritized, Simple};
pub use simple::SimpleQueue;
pub use taken::Taken;

/// A queue of this layout. A handle: clones are the same queue, and share what a dropped future had taken.
///
/// See the [module](self) for what is guaranteed, [`QueueBuilder`] for how to open one.
#[derive(Debug)]
pub struct Queue<L: Layout = Fifo> {
    shared: Arc<Shared<L>>,
}

/// A queue whose items have priorities.
pub type PriorityQueue = Queue<Prioritized>;

/// A queue whose items wait for their time.
pub type DelayQueue = Queue<Delayed>;

/// A queue whose items have ids.
pub type IdQueue = Queue<Identified>;

struct Shared<L: Layout> {
    client: Client,
    path: String,
    taking: Taking,
    receipt: Option<Arc<Receipt>>,
    max_items: Option<usize>,
    room_timeout: Option<Duration>,
    on_failure: OnFailure,
    feed: Mutex<Feed<L>>,
    /// Rung when a name was handed out by the feed and its item may still be there.
    list_again: Arc<Notify>,
    stash: Arc<Stash>,
    background: Background<L>,
}

impl<L: Layout> Clone for Queue<L> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<L: Layout> std::fmt::Debug for Shared<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Queue {
    /// How to open a queue at this path. Ends with [`open`](QueueBuilder::open) or one of its kin.
    pub fn builder(client: &Client, path: impl Into<String>) -> QueueBuilder {
        QueueBuilder::new(client.clone(), path.into())
    }

    /// Puts an item at the end.
    ///
    /// # Errors
    /// See the [module](self). [`Error::Full`] when there was no room in time.
    pub async fn put(&self, item: impl Into<Bytes>) -> Result<()> {
        self.put_message([item.into()]).await
    }

    /// Puts several items at the end as one message: they stay together and are taken by one consumer. Curator's
    /// `putMulti`.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn put_message(&self, items: impl IntoIterator<Item = Bytes>) -> Result<()> {
        self.put_named(String::from(layout::CURATOR_PREFIX), items).await
    }

    /// Puts several items at the end, all of them or none, to be taken one by one.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn put_each(&self, items: impl IntoIterator<Item = Bytes>) -> Result<()> {
        let nodes =
            items.into_iter().map(|item| (String::from(layout::CURATOR_PREFIX), encode_message([item])));
        self.put_nodes(nodes.collect()).await
    }

    /// Hands an item to a task that puts it at the end, in order, many in one transaction; waits only when very many
    /// wait already. See [`flush`](Self::flush).
    pub async fn put_in_background(&self, item: impl Into<Bytes>) {
        self.put_later(String::from(layout::CURATOR_PREFIX), item.into()).await;
    }
}

impl PriorityQueue {
    /// Puts an item behind those of its priority. Lower numbers go first.
    ///
    /// # Errors
    /// As [`Queue::put`].
    pub async fn put(&self, item: impl Into<Bytes>, priority: i32) -> Result<()> {
        self.put_message([item.into()], priority).await
    }

    /// Puts several items as one message.
    ///
    /// # Errors
    /// As [`Queue::put`].
    pub async fn put_message(&self, items: impl IntoIterator<Item = Bytes>, priority: i32) -> Result<()> {
        self.put_named(layout::prioritized_name(priority), items).await
    }

    /// As [`Queue::put_in_background`].
    pub async fn put_in_background(&self, item: impl Into<Bytes>, priority: i32) {
        self.put_later(layout::prioritized_name(priority), item.into()).await;
    }
}

impl DelayQueue {
    /// Puts an item that may be taken from this time on, by the clock of whoever takes it.
    ///
    /// # Errors
    /// As [`Queue::put`].
    pub async fn put(&self, item: impl Into<Bytes>, not_before: SystemTime) -> Result<()> {
        self.put_message([item.into()], not_before).await
    }

    /// Puts an item that may be taken when this time has passed.
    ///
    /// # Errors
    /// As [`Queue::put`].
    pub async fn put_after(&self, item: impl Into<Bytes>, delay: Duration) -> Result<()> {
        self.put(
            item,
            SystemTime::now().checked_add(delay).ok_or(Error::BadArgument("a delay beyond the clock"))?,
        )
        .await
    }

    /// Puts several items as one message.
    ///
    /// # Errors
    /// As [`Queue::put`].
    pub async fn put_message(
        &self,
        items: impl IntoIterator<Item = Bytes>,
        not_before: SystemTime,
    ) -> Result<()> {
        self.put_named(layout::delayed_name(since_epoch_ms(not_before)), items).await
    }

    /// As [`Queue::put_in_background`].
    pub async fn put_in_background(&self, item: impl Into<Bytes>, not_before: SystemTime) {
        self.put_later(layout::delayed_name(since_epoch_ms(not_before)), item.into()).await;
    }
}

impl IdQueue {
    /// Puts an item at the end, under an id. Several items may have the same id. `/` and `|` in it are written as `_`.
    ///
    /// # Errors
    /// As [`Queue::put`]; [`Error::BadArgument`] for an empty id.
    pub async fn put(&self, item: impl Into<Bytes>, id: &str) -> Result<()> {
        self.put_message([item.into()], id).await
    }

    /// Puts several items as one message under one id.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub async fn put_message(&self, items: impl IntoIterator<Item = Bytes>, id: &str) -> Result<()> {
        if id.is_empty() {
            return Err(Error::BadArgument("an item's id is empty"));
        }
        self.put_named(layout::identified_name(id), items).await
    }

    /// Removes the items with this id that nobody has taken, and returns how many there were.
    ///
    /// # Errors
    /// As [`Queue::take`]; what was removed before stays so.
    pub async fn remove(&self, id: &str) -> Result<usize> {
        let mut removed = 0;
        for name in self.names().await?.into_iter().filter(|name| layout::has_id(name, id)) {
            if let Some(taken) = self.take_named(name).await? {
                taken.done().await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Whether there is an item with this id that nobody has removed.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn contains(&self, id: &str) -> Result<bool> {
        Ok(self.names().await?.iter().any(|name| layout::has_id(name, id)))
    }
}

impl<L: Layout> Queue<L> {
    /// The znode of the queue.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.shared.path
    }

    /// Takes the first item, waiting for one if there is none.
    ///
    /// # Errors
    /// See the [module](self). [`Error::BadItem`] carries what was taken and could not be read.
    pub async fn take(&self) -> Result<Taken> {
        let taken = self.take_by(std::future::pending()).await?;
        // The end of time does not come.
        taken.ok_or(Error::Closed)
    }

    /// Takes the first item if there is one.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub async fn poll(&self) -> Result<Option<Taken>> {
        let shared = &self.shared;
        // Somebody may be waiting for the next item with the shared list.
        let mut own = None;
        loop {
            if let Some(taken) = shared.stash.pop() {
                return Ok(Some(taken));
            }
            let name = match shared.feed.try_lock() {
                Ok(mut feed) if own.is_none() => feed.next_now().await?,
                _ => own.get_or_insert_with(|| shared.new_feed()).next_now().await?,
            };
            let Some(name) = name else { return Ok(None) };
            if let Some(taken) = self.take_named(name).await? {
                return Ok(Some(taken));
            }
        }
    }

    /// Takes the first item, waiting at most this long for one. An item that is being taken when time is up is waited for.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub async fn poll_within(&self, time: Duration) -> Result<Option<Taken>> {
        self.take_by(tokio::time::sleep(time)).await
    }

    /// How many znodes the queue has: messages that wait, those in hand with a lock path included.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn len(&self) -> Result<usize> {
        let stat = through_sessions(|| self.shared.client.exists(&self.shared.path)).await?;
        Ok(stat.and_then(|stat| usize::try_from(stat.num_children).ok()).unwrap_or(0))
    }

    /// Whether the queue has no znodes.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn is_empty(&self) -> Result<bool> {
        Ok(self.len().await? == 0)
    }

    /// Waits until everything handed to the background has been put.
    ///
    /// # Errors
    /// [`Error::NotPut`] with what has failed since the last flush, item by item.
    pub async fn flush(&self) -> Result<()> {
        self.shared.background.flush().await
    }

    /// Takes the first item unless none has come by then.
    pub(super) async fn take_by(&self, end: impl Future<Output = ()>) -> Result<Option<Taken>> {
        let shared = &self.shared;
        let mut end = std::pin::pin!(end);
        let mut missed = false;
        loop {
            if let Some(taken) = shared.stash.pop() {
                return Ok(Some(taken));
            }
            // Nothing may be awaited between the feed's answer and the task that takes: a name would be forgotten.
            let name = tokio::select! {
                biased;
                () = shared.stash.filled.notified() => continue,
                name = self.next_name(missed) => name?,
                () = &mut end => return Ok(None),
            };
            if let Some(taken) = self.take_named(name).await? {
                return Ok(Some(taken));
            }
            missed = true;
        }
    }

    async fn next_name(&self, after_a_miss: bool) -> Result<String> {
        let mut feed = self.shared.feed.lock().await;
        if after_a_miss {
            feed.skip_taken().await;
        }
        feed.next().await
    }

    /// Takes the item of this name in a task of its own, so that it is not lost with this future.
    async fn take_named(&self, name: String) -> Result<Option<Taken>> {
        let (hand_over, handed_over) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let taken = shared.take_through_expiry(&name).await;
            if taken.is_err() {
                shared.list_again.notify_one();
            }
            let parcel = taken.map(|taken| taken.map(|taken| Parcel::new(taken, Arc::clone(&shared.stash))));
            // An unwanted parcel looks after itself.
            drop(hand_over.send(parcel));
        });
        // The task ends without an answer only when its runtime does.
        let parcel = handed_over.await.map_err(|_| Error::Closed)??;
        Ok(parcel.and_then(Parcel::open))
    }

    async fn names(&self) -> Result<Vec<String>> {
        match through_sessions(|| self.shared.client.children(&self.shared.path)).await {
            Err(error) if error.is_no_node() => Ok(Vec::new()),
            names => Ok(names?),
        }
    }

    pub(crate) async fn put_named(&self, name: String, items: impl IntoIterator<Item = Bytes>) -> Result<()> {
        let items: Vec<Bytes> = items.into_iter().collect();
        self.put_nodes(vec![(name, L::encode(&items))]).await
    }

    pub(crate) async fn put_nodes(&self, nodes: Vec<(String, Bytes)>) -> Result<()> {
        self.shared.wait_for_room().await?;
        put::put::<L>(&self.shared.client, &self.shared.path, self.shared.receipt.as_ref(), &nodes).await
    }

    async fn put_later(&self, name: String, item: Bytes) {
        self.shared.background.put(self.clone(), name, item).await;
    }
}

impl<L: Layout> Shared<L> {
    fn new_feed(&self) -> Feed<L> {
        Feed::new(self.client.clone(), self.path.clone(), self.taking.lock_path(), 0)
    }

    /// Takes an item; once more when the session ended on the way and the client has another.
    async fn take_through_expiry(&self, name: &str) -> Result<Option<Taken>> {
        let mut expiries = 0;
        loop {
            match take::take::<L>(&self.client, &self.path, name, &self.taking).await {
                Err(Error::Client(zabra_client::Error::SessionExpired { .. })) if expiries < EXPIRIES_MAX => {
                    expiries += 1
                }
                taken => return taken,
            }
        }
    }

    async fn wait_for_room(&self) -> Result<()> {
        let Some(max) = self.max_items else { return Ok(()) };
        let wait = put::wait_for_room::<L>(&self.client, &self.path, max);
        match self.room_timeout {
            Some(timeout) => tokio::time::timeout(timeout, wait).await.map_err(|_| Error::Full)?,
            None => wait.await,
        }
    }
}

fn since_epoch_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
