//! Locks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use zabra_client::blocking::Client;

use super::Blocking;
use crate::common::{Acquiring, Loss, Participant, Result};
use crate::lock::{self, LeaseCount, Lock, Owner};

/// [`lock::Mutex`], blocking.
pub type Mutex = Blocking<lock::Mutex>;
/// [`lock::RwLock`], blocking.
pub type RwLock = Blocking<lock::RwLock>;
/// [`lock::ReadLock`], blocking.
pub type ReadLock = Blocking<lock::ReadLock>;
/// [`lock::WriteLock`], blocking.
pub type WriteLock = Blocking<lock::WriteLock>;
/// [`lock::Semaphore`], blocking.
pub type Semaphore = Blocking<lock::Semaphore>;
/// [`lock::SemaphoreMutex`], blocking.
pub type SemaphoreMutex = Blocking<lock::SemaphoreMutex>;
/// [`lock::MultiLock`], blocking.
pub type MultiLock = Blocking<lock::MultiLock>;
/// [`lock::Guard`], blocking. Dropping it gives back in the background.
pub type Guard = Blocking<lock::Guard>;
/// [`lock::MultiGuard`], blocking. Dropping it gives back in the background.
pub type MultiGuard = Blocking<lock::MultiGuard>;
/// [`lock::ReentrantGuard`], blocking. Dropping it gives back in the background.
pub type ReentrantGuard = Blocking<lock::ReentrantGuard>;

impl<L: Lock> Blocking<L> {
    /// Waits until it is ours.
    ///
    /// # Errors
    ///
    /// As [`Lock::acquire`].
    pub fn acquire(&self) -> Result<Guard> {
        Ok(self.with(self.wait_for(self.inner.acquire())?))
    }

    /// Acquires it if nobody has it and nobody waits.
    ///
    /// # Errors
    ///
    /// As [`Lock::try_acquire`].
    pub fn try_acquire(&self) -> Result<Option<Guard>> {
        Ok(self.wait_for(self.inner.try_acquire())?.map(|guard| self.with(guard)))
    }

    /// Waits until it is ours, at most for this time; `None` when the time is over.
    ///
    /// # Errors
    ///
    /// As [`Lock::acquire_within`].
    pub fn acquire_within(&self, time: Duration) -> Result<Option<Guard>> {
        Ok(self.wait_for(self.inner.acquire_within(time))?.map(|guard| self.with(guard)))
    }

    /// Queues up, returns, and calls `told` once it is ours or failed, on the thread of the client: it must not block.
    pub fn acquire_then(&self, told: impl FnOnce(Result<Guard>) + Send + 'static) -> Acquiring {
        let this = self.with(());
        let told = move |acquired: Result<lock::Guard>| told(acquired.map(|guard| this.with(guard)));
        self.wait_for(async { self.inner.acquire_then(told) })
    }
}

impl Guard {
    /// Gives it back, and waits until it is done.
    ///
    /// # Errors
    ///
    /// As [`lock::Guard::release`].
    pub fn release(self) -> Result<()> {
        self.client.block_on(self.inner.release())
    }

    /// Blocks until it is lost or given back.
    pub fn wait_lost(&self) -> Loss {
        self.wait_for(self.inner.lost())
    }
}

impl Mutex {
    /// The lock at this path.
    ///
    /// # Errors
    ///
    /// As [`lock::Mutex::new`].
    pub fn new(client: &Client, path: impl Into<String>) -> Result<Self> {
        Ok(Self::of(client, lock::Mutex::new(client, path)?))
    }

    /// Who holds it (the first) and who waits, in order.
    ///
    /// # Errors
    ///
    /// What the client fails with.
    pub fn participants(&self) -> Result<Vec<Participant>> {
        self.wait_for(self.inner.participants())
    }
}

impl RwLock {
    /// The lock at this path.
    ///
    /// # Errors
    ///
    /// As [`lock::RwLock::new`].
    pub fn new(client: &Client, path: impl Into<String>) -> Result<Self> {
        Ok(Self::of(client, lock::RwLock::new(client, path)?))
    }

    /// The side that is shared.
    pub fn read(&self) -> ReadLock {
        self.with(self.inner.read())
    }

    /// The side that excludes.
    pub fn write(&self) -> WriteLock {
        self.with(self.inner.write())
    }

    /// Turns the write side into the read side, with no writer in between.
    ///
    /// # Errors
    ///
    /// As [`lock::RwLock::downgrade`].
    pub fn downgrade(&self, write: Guard) -> Result<Guard> {
        Ok(self.with(self.wait_for(self.inner.downgrade(write.inner))?))
    }
}

impl Semaphore {
    /// The semaphore at this path.
    ///
    /// # Errors
    ///
    /// As [`lock::Semaphore::new`].
    pub fn new(client: &Client, path: impl Into<String>, count: impl Into<LeaseCount>) -> Result<Self> {
        Ok(Self::of(client, lock::Semaphore::new(client, path, count)?))
    }

    /// Waits until so many leases are ours.
    ///
    /// # Errors
    ///
    /// As [`lock::Semaphore::acquire_many`].
    pub fn acquire_many(&self, leases: usize) -> Result<Vec<Guard>> {
        let leases = self.wait_for(self.inner.acquire_many(leases))?;
        Ok(leases.into_iter().map(|lease| self.with(lease)).collect())
    }
}

impl SemaphoreMutex {
    /// The lock at this path.
    ///
    /// # Errors
    ///
    /// As [`lock::SemaphoreMutex::new`].
    pub fn new(client: &Client, path: impl Into<String>) -> Result<Self> {
        Ok(Self::of(client, lock::SemaphoreMutex::new(client, path)?))
    }
}

impl MultiLock {
    /// These locks, of this client.
    pub fn new(client: &Client, locks: impl IntoIterator<Item = Arc<dyn Lock>>) -> Self {
        Self::of(client, lock::MultiLock::new(locks))
    }

    /// Waits until all are ours.
    ///
    /// # Errors
    ///
    /// As [`lock::MultiLock::acquire`].
    pub fn acquire_all(&self) -> Result<MultiGuard> {
        Ok(self.with(self.wait_for(self.inner.acquire())?))
    }

    /// Waits until all are ours, at most for this time; `None`, and nothing held, when it is over.
    ///
    /// # Errors
    ///
    /// As [`lock::MultiLock::acquire_within`].
    pub fn acquire_all_within(&self, time: Duration) -> Result<Option<MultiGuard>> {
        Ok(self.wait_for(self.inner.acquire_within(time))?.map(|guard| self.with(guard)))
    }
}

impl MultiGuard {
    /// Gives all back.
    ///
    /// # Errors
    ///
    /// As [`lock::MultiGuard::release`].
    pub fn release(self) -> Result<()> {
        self.client.block_on(self.inner.release())
    }
}

/// An exclusive lock between processes that the thread which holds it may acquire again, as Curator's
/// `InterProcessMutex`. The lock is given back when all the guards of the thread are.
#[derive(Clone, Debug)]
pub struct ReentrantMutex {
    mutex: Blocking<lock::ReentrantMutex>,
    owners: Arc<SyncMutex<HashMap<ThreadId, Owner>>>,
}

impl ReentrantMutex {
    /// The lock at this path.
    ///
    /// # Errors
    ///
    /// As [`lock::Mutex::new`].
    pub fn new(client: &Client, path: impl Into<String>) -> Result<Self> {
        let mutex = lock::ReentrantMutex::new(lock::Mutex::new(client, path)?);
        Ok(Self { mutex: Blocking::of(client, mutex), owners: Arc::default() })
    }

    /// Waits until this thread has it; at once if it has it already.
    ///
    /// # Errors
    ///
    /// As [`Owner::acquire`].
    pub fn acquire(&self) -> Result<ReentrantGuard> {
        let owner = self.owner();
        Ok(self.mutex.with(self.mutex.wait_for(owner.acquire())?))
    }

    /// Acquires it if this thread has it already, or nobody has it and nobody waits.
    ///
    /// # Errors
    ///
    /// As [`Owner::try_acquire`].
    pub fn try_acquire(&self) -> Result<Option<ReentrantGuard>> {
        let owner = self.owner();
        Ok(self.mutex.wait_for(owner.try_acquire())?.map(|guard| self.mutex.with(guard)))
    }

    /// Waits until this thread has it, at most for this time; `None` when it is over.
    ///
    /// # Errors
    ///
    /// As [`Owner::acquire_within`].
    pub fn acquire_within(&self, time: Duration) -> Result<Option<ReentrantGuard>> {
        let owner = self.owner();
        Ok(self.mutex.wait_for(owner.acquire_within(time))?.map(|guard| self.mutex.with(guard)))
    }

    /// The owner this thread is. Those of threads that hold nothing are forgotten.
    fn owner(&self) -> Owner {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        let this = thread::current().id();
        owners.retain(|&thread, owner| thread == this || owner.is_busy());
        owners.entry(this).or_insert_with(|| self.mutex.owner()).clone()
    }
}

impl ReentrantGuard {
    /// Gives this hold back and, if it is the last of its thread, the lock.
    ///
    /// # Errors
    ///
    /// As [`lock::ReentrantGuard::release`].
    pub fn release(self) -> Result<()> {
        self.client.block_on(self.inner.release())
    }
}
