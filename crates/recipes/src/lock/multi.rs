//! Several locks as one.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use zabra_client::Client;

use super::{Lock, Mutex};
use crate::common::{Error, Guard, Loss, Patience, Result};

/// Several locks that are acquired and given back as one: all or none.
///
/// Mirrors Curator's `InterProcessMultiLock`. The locks are acquired in the order given, and given back in the reverse
/// order when one cannot be had. Two processes that name the same locks in different orders can wait for each other for
/// ever, as with any locks: sort them, or use [`acquire_within`](Self::acquire_within).
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let server = zabra_embedded::Server::start().await.unwrap();
/// # let client = zabra_client::Client::connect(&server.connect_string()).await?;
/// use zabra_recipes::lock::MultiLock;
///
/// let accounts = MultiLock::of_paths(&client, ["/accounts/1", "/accounts/2"])?;
/// let both = accounts.acquire().await?;
/// both.release().await?;
/// # Ok::<(), zabra_recipes::Error>(())
/// # }).unwrap();
/// ```
///
/// *Guarantees, connection loss, session expiry*: each lock's own; the whole is lost when one of them is.
/// *Fencing.* Each lock has its token; send a resource that of the lock which protects it.
#[derive(Clone)]
pub struct MultiLock {
    locks: Arc<[Arc<dyn Lock>]>,
}

impl MultiLock {
    /// These locks.
    pub fn new(locks: impl IntoIterator<Item = Arc<dyn Lock>>) -> Self {
        Self { locks: locks.into_iter().collect() }
    }

    /// A [`Mutex`] at each of these paths.
    ///
    /// # Errors
    ///
    /// [`Error::BadPath`].
    pub fn of_paths<P: Into<String>>(client: &Client, paths: impl IntoIterator<Item = P>) -> Result<Self> {
        let locks = paths.into_iter().map(|path| Ok(Arc::new(Mutex::new(client, path)?) as Arc<dyn Lock>));
        Ok(Self { locks: locks.collect::<Result<_>>()? })
    }

    /// Waits until all are ours.
    ///
    /// # Errors
    ///
    /// What one of the locks fails with, and [`Error::Lost`] when one is lost while another is waited for; nothing is
    /// held then.
    pub async fn acquire(&self) -> Result<MultiGuard> {
        self.enter(Patience::Endless).await?.ok_or(Error::Closed)
    }

    /// Acquires all if none is held by others; `None`, and nothing held, otherwise.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub async fn try_acquire(&self) -> Result<Option<MultiGuard>> {
        self.enter(Patience::None).await
    }

    /// As [`acquire`](Self::acquire), at most for this time over all; `None`, and nothing held, when it is over.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub async fn acquire_within(&self, time: Duration) -> Result<Option<MultiGuard>> {
        self.enter(Patience::Within(time)).await
    }

    async fn enter(&self, patience: Patience) -> Result<Option<MultiGuard>> {
        let started = Instant::now();
        let mut held = MultiGuard { guards: Vec::with_capacity(self.locks.len()) };
        for lock in self.locks.iter() {
            let left = match patience {
                Patience::Within(time) => Patience::Within(time.saturating_sub(started.elapsed())),
                other => other,
            };
            let entered = tokio::select! {
                entered = lock.enter(left) => entered,
                loss = held.lost(), if !held.guards.is_empty() => Err(Error::Lost(loss)),
            };
            match entered {
                Ok(Some(guard)) => held.guards.push(guard),
                Ok(None) => {
                    held.release().await?;
                    return Ok(None);
                }
                Err(error) => {
                    // The first error is the one to tell; what is held goes in any case.
                    let _ = held.release().await;
                    return Err(error);
                }
            }
        }
        Ok(Some(held))
    }
}

/// All the locks of a [`MultiLock`], held.
#[derive(Debug)]
#[must_use = "dropping the guard releases the locks"]
pub struct MultiGuard {
    guards: Vec<Guard>,
}

impl MultiGuard {
    /// The guards, in the order of the locks.
    pub fn guards(&self) -> &[Guard] {
        &self.guards
    }

    /// Completes when the first of them is lost.
    pub fn lost(&self) -> impl Future<Output = Loss> + Send + 'static {
        let mut losses: Vec<_> = self.guards.iter().map(|guard| Box::pin(guard.lost())).collect();
        std::future::poll_fn(move |context| {
            losses
                .iter_mut()
                .map(|loss| loss.as_mut().poll(context))
                .find(std::task::Poll::is_ready)
                .unwrap_or(std::task::Poll::Pending)
        })
    }

    /// Gives all back, the last acquired first.
    ///
    /// # Errors
    ///
    /// The first error; the others are given back all the same.
    pub async fn release(self) -> Result<()> {
        let mut result = Ok(());
        for guard in self.guards.into_iter().rev() {
            result = result.and(guard.release().await);
        }
        result
    }
}
