//! Locks: exclusive, reentrant, shared, counted, several at once.
//!
//! # What they have in common
//!
//! A contender makes an ephemeral sequential node and waits for the one before it to go, watching only that one: a
//! release wakes one contender, however many wait. The order is that of the creations: first come, first served.
//!
//! *Connection loss.* A waiting contender keeps its place and goes on after the reconnect. For a holder see
//! [`HoldState`](crate::HoldState); its guard tells by [`doubted`](Guard::doubted) and [`lost`](Guard::lost), and
//! [`protect`](Guard::protect) stops the work.
//!
//! *Session expiry.* The server removes the nodes of the session. A waiting contender goes to the end of the queue with
//! the client's next session. A holder has lost the lock for good.
//!
//! *Fencing.* Between the loss and its being noticed, two processes may believe they hold the lock: no lock service can
//! exclude that. Where it matters, send [`Guard::fence`] to what the lock protects, see [`Fence`](crate::Fence).
//!
//! *Cancelling.* Every future here may be dropped at any time: the contender withdraws in the background.

mod multi;
mod mutex;
mod place;
mod reentrant;
mod revoke;
mod rwlock;
mod semaphore;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use multi::{MultiGuard, MultiLock};
pub use mutex::Mutex;
pub use reentrant::{Owner, ReentrantGuard, ReentrantMutex};
pub use revoke::revoke;
pub use rwlock::{ReadLock, RwLock, WriteLock};
pub use semaphore::{LeaseCount, Semaphore, SemaphoreMutex};

use crate::common::{Acquiring, Error, Result};
pub use crate::common::{Guard, NameStyle, Patience};

/// An answer to wait for.
pub type Waiting<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// What can be acquired and given back: Curator's `InterProcessLock`.
pub trait Lock: Send + Sync {
    /// Queues up for as long as patience lasts; `None` when it ends first.
    ///
    /// Nothing happens before the future is first polled.
    fn enter(&self, patience: Patience) -> Waiting<Option<Guard>>;

    /// Waits until it is ours.
    fn acquire(&self) -> Waiting<Guard> {
        let entered = self.enter(Patience::Endless);
        // Endless patience does not end, but a runtime may.
        Box::pin(async move { entered.await?.ok_or(Error::Closed) })
    }

    /// Acquires it if nobody has it and nobody waits. Waits for the servers' answers only (and for a connection, if
    /// there is none).
    fn try_acquire(&self) -> Waiting<Option<Guard>> {
        self.enter(Patience::None)
    }

    /// Waits until it is ours, at most for this time; `None` when the time is over.
    fn acquire_within(&self, time: Duration) -> Waiting<Option<Guard>> {
        self.enter(Patience::Within(time))
    }

    /// Queues up, and calls `told` once it is ours or failed: for programs that do not await.
    ///
    /// Must be called within a tokio runtime, on which `told` will run; it must not block.
    fn acquire_then<F>(&self, told: F) -> Acquiring
    where
        Self: Sized,
        F: FnOnce(Result<Guard>) + Send + 'static,
    {
        Acquiring::start(self.acquire(), told)
    }
}
