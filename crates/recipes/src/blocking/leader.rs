//! Leader election.

use std::time::Duration;

use zabra_client::blocking::Client;

use super::Blocking;
use crate::common::{Error, Fence, Participant, Result};
use crate::leader::{self, Ending, LatchChange, Leadership};
use crate::lock::Lock;

/// [`leader::LeaderLatch`], blocking. Dropping it leaves the election in the background.
pub type LeaderLatch = Blocking<leader::LeaderLatch>;
/// [`leader::LeaderElection`], blocking.
pub type LeaderElection = Blocking<leader::LeaderElection>;
/// [`leader::Candidate`], blocking. Dropping it leaves the election in the background.
pub type Candidate = Blocking<leader::Candidate>;

impl LeaderLatch {
    /// Joins the election at this path under this name.
    ///
    /// # Errors
    ///
    /// As [`leader::LeaderLatch::start`].
    pub fn start(client: &Client, path: impl Into<String>, id: impl Into<String>) -> Result<Self> {
        let options = leader::LeaderLatch::options(client, path)?.id(id);
        Ok(Self::of(client, client.block_on(async { options.start() })))
    }

    /// Blocks until this participant leads.
    ///
    /// # Errors
    ///
    /// As [`leader::LeaderLatch::leading`].
    pub fn wait_leading(&self) -> Result<Fence> {
        self.wait_for(self.inner.leading())
    }

    /// Blocks until this participant leads, at most for this time; `None` when it is over.
    ///
    /// # Errors
    ///
    /// As [`leader::LeaderLatch::leading`].
    pub fn wait_leading_within(&self, time: Duration) -> Result<Option<Fence>> {
        let leading = self.inner.leading();
        match self.wait_for(async { tokio::time::timeout(time, leading).await }) {
            Ok(fence) => fence.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Calls `told` for every change of leadership, on the thread of the client: it must not block.
    pub fn call_on_change(&self, told: impl FnMut(LatchChange) + Send + 'static) {
        self.wait_for(async { self.inner.on_change(told) });
    }

    /// All participants, the leader first.
    ///
    /// # Errors
    ///
    /// What the client fails with.
    pub fn participants(&self) -> Result<Vec<Participant>> {
        self.wait_for(self.inner.participants())
    }

    /// Leaves the election.
    ///
    /// # Errors
    ///
    /// As [`leader::LeaderLatch::close`].
    pub fn close(self) -> Result<()> {
        self.client.block_on(self.inner.close())
    }
}

impl LeaderElection {
    /// The election at this path, under this name.
    ///
    /// # Errors
    ///
    /// As [`leader::LeaderElection::new`].
    pub fn new(client: &Client, path: impl Into<String>, id: impl Into<String>) -> Result<Self> {
        Ok(Self::of(client, leader::LeaderElection::new(client, path)?.with_id(id)))
    }

    /// Waits for leadership, does the work on this thread, and gives leadership up.
    ///
    /// A thread cannot be cancelled: the work asks its [`Leadership`] whether it still counts.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] when leadership was lost before the work was done.
    pub fn run<T>(&self, work: impl FnOnce(&Leadership) -> T) -> Result<T> {
        let guard = self.wait_for(self.inner.lock().acquire())?;
        let (leadership, _ask) = Leadership::of(&guard);
        let output = work(&leadership);
        self.wait_for(guard.release())?;
        Ok(output)
    }

    /// Takes part again and again in the background, doing the work in every term on a thread for blocking work.
    ///
    /// A thread cannot be cancelled: the work asks [`Leadership::should_stop`] from time to time. No other term of this
    /// candidate begins before it has returned.
    pub fn start(self, work: impl Fn(&Leadership) + Send + Sync + 'static) -> Candidate {
        let work = std::sync::Arc::new(work);
        let Self { inner, client } = self;
        let work = move |leadership| {
            let work = work.clone();
            let done = tokio::task::spawn_blocking(move || work(&leadership));
            async move {
                if let Err(error) = done.await {
                    tracing::error!(%error, "the work of a leader panicked");
                }
            }
        };
        let candidate = client.block_on(async { inner.start_with(work, Ending::Ask) });
        Blocking { inner: candidate, client }
    }
}

impl Candidate {
    /// Blocks until its work is being done.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the client is closed.
    pub fn wait_leading(&self) -> Result<Fence, Error> {
        self.wait_for(self.inner.leading())
    }

    /// Leaves the election; returns when others may lead.
    pub fn close(self) {
        self.client.block_on(self.inner.close());
    }
}
