//! Queues.

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use zabra_client::blocking::Client;

use super::Blocking;
use crate::common::Result;
use crate::kazoo;
use crate::queue::{self, Delayed, Fifo, Identified, Layout, Prioritized, QueueBuilder};

/// [`queue::Queue`], blocking.
pub type Queue<L = Fifo> = Blocking<queue::Queue<L>>;
/// [`queue::SimpleQueue`], blocking.
pub type SimpleQueue = Blocking<queue::SimpleQueue>;
/// [`kazoo::Queue`], blocking.
pub type KazooQueue = Blocking<kazoo::Queue>;
/// [`kazoo::LockingQueue`], blocking.
pub type KazooLockingQueue = Blocking<kazoo::LockingQueue>;
/// [`queue::Taken`], blocking. Dropping it makes the item of a queue with a lock path available again, in the background.
pub type Taken = Blocking<queue::Taken>;
/// [`queue::Consuming`], blocking.
pub type Consuming = Blocking<queue::Consuming>;

/// The ways to open each kind of queue.
macro_rules! opening {
    ($($layout:ty: $open:ident),+) => {
        $(
            impl Queue<$layout> {
                /// Opens a queue with these options, which [`queue::Queue::builder`] makes.
                ///
                /// # Errors
                ///
                #[doc = concat!("As [`QueueBuilder::", stringify!($open), "`].")]
                pub fn $open(client: &Client, options: QueueBuilder) -> Result<Self> {
                    Ok(Self::of(client, client.block_on(options.$open())?))
                }
            }
        )+
    };
}

opening!(Fifo: open, Prioritized: open_priority, Delayed: open_delay, Identified: open_id);

blocking_calls! {
    [] queue::Queue<Fifo> {
        put(item: impl Into<Bytes>) -> ();
        put_message(items: impl IntoIterator<Item = Bytes>) -> ();
        put_each(items: impl IntoIterator<Item = Bytes>) -> ();
    }
}

blocking_calls! {
    [] queue::Queue<Prioritized> {
        put(item: impl Into<Bytes>, priority: i32) -> ();
        put_message(items: impl IntoIterator<Item = Bytes>, priority: i32) -> ();
    }
}

blocking_calls! {
    [] queue::Queue<Delayed> {
        put(item: impl Into<Bytes>, not_before: SystemTime) -> ();
        put_after(item: impl Into<Bytes>, delay: Duration) -> ();
        put_message(items: impl IntoIterator<Item = Bytes>, not_before: SystemTime) -> ();
    }
}

blocking_calls! {
    [] queue::Queue<Identified> {
        put(item: impl Into<Bytes>, id: &str) -> ();
        put_message(items: impl IntoIterator<Item = Bytes>, id: &str) -> ();
        remove(id: &str) -> usize;
        contains(id: &str) -> bool;
    }
}

blocking_calls! {
    [L: Layout] queue::Queue<L> {
        len() -> usize;
        is_empty() -> bool;
        flush() -> ();
    }
}

impl<L: Layout> Queue<L> {
    /// Takes the first item, blocking until there is one.
    ///
    /// # Errors
    ///
    /// As [`queue::Queue::take`].
    pub fn take(&self) -> Result<Taken> {
        Ok(self.with(self.wait_for(self.inner.take())?))
    }

    /// Takes the first item if there is one.
    ///
    /// # Errors
    ///
    /// As [`queue::Queue::poll`].
    pub fn poll(&self) -> Result<Option<Taken>> {
        Ok(self.wait_for(self.inner.poll())?.map(|taken| self.with(taken)))
    }

    /// Takes the first item, blocking at most this long until there is one.
    ///
    /// # Errors
    ///
    /// As [`queue::Queue::poll_within`].
    pub fn poll_within(&self, time: Duration) -> Result<Option<Taken>> {
        Ok(self.wait_for(self.inner.poll_within(time))?.map(|taken| self.with(taken)))
    }

    /// Hands every item to `handler`, one after the other, on threads for blocking work. See [`queue::Queue::consume`].
    pub fn consume<E>(&self, handler: impl FnMut(Bytes) -> Result<(), E> + Send + 'static) -> Consuming
    where
        E: Display + Send + 'static,
    {
        let handler = Arc::new(Mutex::new(handler));
        let handle = move |item| {
            let handler = Arc::clone(&handler);
            let handled = tokio::task::spawn_blocking(move || {
                let mut handler = handler.lock().unwrap_or_else(PoisonError::into_inner);
                handler(item).map_err(|error| error.to_string())
            });
            async move { handled.await.unwrap_or_else(|panicked| Err(panicked.to_string())) }
        };
        self.with(self.wait_for(async { self.inner.consume(handle) }))
    }
}

impl Taken {
    /// Removes the item from the queue, if it is still there.
    ///
    /// # Errors
    ///
    /// As [`queue::Taken::done`].
    pub fn done(self) -> Result<()> {
        self.client.block_on(self.inner.done())
    }

    /// Makes the item available again at the end of its queue.
    ///
    /// # Errors
    ///
    /// As [`queue::Taken::requeue`].
    pub fn requeue(self) -> Result<()> {
        self.client.block_on(self.inner.requeue())
    }

    /// Makes the item available again where it stood.
    ///
    /// # Errors
    ///
    /// As [`queue::Taken::release`].
    pub fn release(self) -> Result<()> {
        self.client.block_on(self.inner.release())
    }
}

impl Consuming {
    /// Ends it when it has handled the item it has in hand.
    ///
    /// # Errors
    ///
    /// As [`queue::Consuming::stop`].
    pub fn stop(self) -> Result<()> {
        self.client.block_on(self.inner.stop())
    }
}

impl SimpleQueue {
    /// Opens the queue at this path.
    ///
    /// # Errors
    ///
    /// As [`queue::SimpleQueue::open`].
    pub fn open(client: &Client, path: impl Into<String>) -> Result<Self> {
        Ok(Self::of(client, client.block_on(queue::SimpleQueue::open(client, path))?))
    }
}

blocking_calls! {
    [] queue::SimpleQueue {
        offer(item: impl Into<Bytes>) -> ();
        peek() -> Option<Bytes>;
        poll() -> Option<Bytes>;
        poll_within(time: Duration) -> Option<Bytes>;
        take() -> Bytes;
    }
}

impl KazooQueue {
    /// Opens the queue at this path.
    ///
    /// # Errors
    ///
    /// As [`kazoo::Queue::open`].
    pub fn open(client: &Client, path: impl Into<String>) -> Result<Self> {
        Ok(Self::of(client, client.block_on(kazoo::Queue::open(client, path))?))
    }
}

blocking_calls! {
    [] kazoo::Queue {
        put(item: impl Into<Bytes>, priority: u16) -> ();
        poll() -> Option<Bytes>;
        poll_within(time: Duration) -> Option<Bytes>;
        take() -> Bytes;
    }
}

impl KazooLockingQueue {
    /// Opens the queue at this path. Items are taken by way of its [`queue`](kazoo::LockingQueue::queue).
    ///
    /// # Errors
    ///
    /// As [`kazoo::LockingQueue::open`].
    pub fn open(client: &Client, path: &str) -> Result<Self> {
        Ok(Self::of(client, client.block_on(kazoo::LockingQueue::open(client, path))?))
    }

    /// Takes the first item in hand, blocking until there is one.
    ///
    /// # Errors
    ///
    /// As [`kazoo::LockingQueue::take`].
    pub fn take(&self) -> Result<Taken> {
        Ok(self.with(self.wait_for(self.inner.take())?))
    }
}

blocking_calls! {
    [] kazoo::LockingQueue {
        put(item: impl Into<Bytes>, priority: u16) -> ();
        put_all(items: impl IntoIterator<Item = Bytes>, priority: u16) -> ();
    }
}
