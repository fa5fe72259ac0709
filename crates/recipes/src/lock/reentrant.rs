//! The exclusive lock that its owner may acquire again.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::{Lock, Mutex};
use crate::HoldState;
use crate::common::{Error, Fence, Guard, Loss, Participant, Patience, Result};

/// An exclusive lock between processes that its owner may acquire again while holding it.
///
/// Curator's `InterProcessMutex` belongs to a thread. Tasks wander between threads, so here the owner is a value: an
/// [`Owner`] and its clones are one owner, and pass it on to whatever is part of the same work. (The blocking form
/// [`crate::blocking::ReentrantMutex`], goes by threads.)
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let server = zabra_embedded::Server::start().await.unwrap();
/// # let client = zabra_client::Client::connect(&server.connect_string()).await?;
/// use zabra_recipes::lock::{Mutex, ReentrantMutex};
///
/// let lock = ReentrantMutex::new(Mutex::new(&client, "/app/lock")?);
/// let owner = lock.owner();
/// let outer = owner.acquire().await?;
/// let inner = owner.acquire().await?; // at once
/// assert!(lock.owner().try_acquire().await?.is_none()); // another owner
/// inner.release().await?;
/// outer.release().await?;
/// # Ok::<(), zabra_recipes::Error>(())
/// # }).unwrap();
/// ```
///
/// Everything else is as with [`Mutex`].
#[derive(Clone, Debug)]
pub struct ReentrantMutex {
    mutex: Mutex,
}

impl ReentrantMutex {
    /// The reentrant form of a lock. Both forms at one path exclude each other.
    pub const fn new(mutex: Mutex) -> Self {
        Self { mutex }
    }

    /// A new owner, who excludes all others.
    pub fn owner(&self) -> Owner {
        Owner { mutex: self.mutex.clone(), held: Arc::default() }
    }

    /// Who holds it (the first) and who waits, in order.
    ///
    /// # Errors
    ///
    /// What the client fails with.
    pub async fn participants(&self) -> Result<Vec<Participant>> {
        self.mutex.participants().await
    }
}

/// An identity to hold a [`ReentrantMutex`] by. Clones are the same owner.
#[derive(Clone, Debug)]
pub struct Owner {
    mutex: Mutex,
    /// What this owner holds. Locked while it is acquired first, so that its clones wait for that and not in the queue.
    held: Arc<tokio::sync::Mutex<Weak<Guard>>>,
}

impl Owner {
    /// Waits until this owner has it; at once if it has it already.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] when the owner had it and lost it, and has not yet let go of all its guards.
    pub async fn acquire(&self) -> Result<ReentrantGuard> {
        self.enter(Patience::Endless).await?.ok_or(Error::Closed)
    }

    /// Acquires it if this owner has it already, or nobody has it and nobody waits.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub async fn try_acquire(&self) -> Result<Option<ReentrantGuard>> {
        self.enter(Patience::None).await
    }

    /// As [`acquire`](Self::acquire), at most for this time; `None` when it is over.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub async fn acquire_within(&self, time: Duration) -> Result<Option<ReentrantGuard>> {
        match tokio::time::timeout(time, self.enter(Patience::Endless)).await {
            Ok(entered) => entered,
            Err(_) => Ok(None),
        }
    }

    /// Whether this owner has it, is acquiring it, or has clones that may be about to.
    pub(crate) fn is_busy(&self) -> bool {
        Arc::strong_count(&self.held) > 1 || self.held.try_lock().map_or(true, |held| held.strong_count() > 0)
    }

    async fn enter(&self, patience: Patience) -> Result<Option<ReentrantGuard>> {
        let mut held = match patience {
            Patience::None => match self.held.try_lock() {
                Ok(held) => held,
                Err(_) => return Ok(None),
            },
            _ => self.held.lock().await,
        };
        if let Some(guard) = held.upgrade() {
            return match guard.state() {
                HoldState::Lost(loss) => Err(Error::Lost(loss)),
                _ => Ok(Some(ReentrantGuard { guard })),
            };
        }
        let Some(guard) = self.mutex.enter(patience).await? else { return Ok(None) };
        let guard = Arc::new(guard);
        *held = Arc::downgrade(&guard);
        Ok(Some(ReentrantGuard { guard }))
    }
}

/// One of the holds of an [`Owner`]. The lock is given back with the last of them.
#[derive(Debug)]
#[must_use = "dropping the guard releases the lock"]
pub struct ReentrantGuard {
    guard: Arc<Guard>,
}

impl ReentrantGuard {
    /// What is held.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The token for the protected resource, the same for all holds of the owner.
    pub fn fence(&self) -> Fence {
        self.guard.fence()
    }

    /// Gives this hold back and, if it is the last, the lock.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] when the lock had been lost before.
    pub async fn release(self) -> Result<()> {
        let state = self.guard.state();
        // Of two that are given back at the same time, one is the last.
        match Arc::into_inner(self.guard) {
            Some(guard) => guard.release().await,
            None => match state {
                HoldState::Lost(loss) if loss != Loss::Released => Err(Error::Lost(loss)),
                _ => Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_owner_is_kept_while_somebody_is_about_to_acquire() {
        let client = zabra_client::Client::builder().start("127.0.0.1:1").unwrap();
        let owner = ReentrantMutex::new(Mutex::new(&client, "/lock").unwrap()).owner();
        assert!(!owner.is_busy());
        let about_to = owner.clone();
        assert!(owner.is_busy());
        drop(about_to);
        assert!(!owner.is_busy());
    }
}
