//! A gate.

use std::time::Duration;

use zabra_client::Client;
use zabra_types::CreateMode;

use crate::common::Acquiring;
use crate::common::node::{Deleted, create_with_parents, delete_for_certain};
use crate::common::retry::through_sessions;
use crate::{Error, Result};

/// A gate that is closed while a znode exists. Curator's `DistributedBarrier`, kazoo's `Barrier`.
///
/// - **Guarantee.** Whoever waits goes on after the gate was open at some moment since: a gate that is opened and closed at
///   once may keep those in who have not noticed.
/// - **Connection loss.** Everything is repeated until it is certain. A repeated [`set`](Self::set) or
///   [`remove`](Self::remove) may undo what another process did meanwhile: let one process do both.
/// - **Session expiry.** The gate outlives its sessions. Who waits goes on to wait under the client's next session; if the
///   client has none, the wait fails.
///
/// It excludes nobody, so there is no fencing token.
#[derive(Clone, Debug)]
pub struct Barrier {
    client: Client,
    path: String,
}

impl Barrier {
    /// The gate at this path.
    #[must_use]
    pub fn new(client: &Client, path: impl Into<String>) -> Self {
        Self { client: client.clone(), path: path.into() }
    }

    /// Closes the gate, if it is not closed. Missing parents are made as containers.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn set(&self) -> Result<()> {
        let set =
            || create_with_parents(&self.client, &self.path, Default::default(), CreateMode::Persistent);
        match through_sessions(set).await {
            Err(error) if !error.is_node_exists() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Opens the gate. Returns whether it was closed.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn remove(&self) -> Result<bool> {
        let deleted = through_sessions(|| delete_for_certain(&self.client, &self.path)).await?;
        Ok(deleted == Deleted::ByUs)
    }

    /// Whether the gate is closed, as far as the connected server knows.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn is_set(&self) -> Result<bool> {
        Ok(through_sessions(|| self.client.exists(&self.path)).await?.is_some())
    }

    /// Waits until the gate is open.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn wait(&self) -> Result<()> {
        loop {
            // A get and not an exists: no watch is left when the gate is open.
            match through_sessions(|| self.client.get(&self.path).watch()).await {
                Err(error) if error.is_no_node() => return Ok(()),
                Err(error) => return Err(Error::Client(error)),
                Ok((_, changed)) => {
                    changed.await;
                }
            }
        }
    }

    /// Waits at most this long; whether the gate was open.
    ///
    /// # Errors
    /// When the client fails.
    pub async fn wait_within(&self, time: Duration) -> Result<bool> {
        tokio::time::timeout(time, self.wait()).await.map_or(Ok(false), |waited| waited.map(|()| true))
    }

    /// Waits in the background, and tells when the gate is open.
    pub fn when_open(&self, told: impl FnOnce(Result<()>) + Send + 'static) -> Acquiring {
        let barrier = self.clone();
        Acquiring::start(async move { barrier.wait().await }, told)
    }
}
