//! Barriers.

use std::time::Duration;

use zabra_client::blocking::Client;

use super::Blocking;
use crate::barrier;
use crate::common::{Acquiring, Result};

/// [`barrier::Barrier`], blocking.
pub type Barrier = Blocking<barrier::Barrier>;
/// [`barrier::DoubleBarrier`], blocking.
pub type DoubleBarrier = Blocking<barrier::DoubleBarrier>;
/// [`barrier::Entered`], blocking. Dropping it leaves in the background.
pub type Entered = Blocking<barrier::Entered>;

impl Barrier {
    /// The gate at this path.
    pub fn new(client: &Client, path: impl Into<String>) -> Self {
        Self::of(client, barrier::Barrier::new(client, path))
    }

    /// Returns, and calls `told` when the gate is open, on the thread of the client: it must not block.
    pub fn when_open(&self, told: impl FnOnce(Result<()>) + Send + 'static) -> Acquiring {
        self.wait_for(async { self.inner.when_open(told) })
    }
}

blocking_calls! {
    [] barrier::Barrier {
        set() -> ();
        remove() -> bool;
        is_set() -> bool;
        wait() -> ();
        wait_within(time: Duration) -> bool;
    }
}

impl DoubleBarrier {
    /// The barrier at this path for a group of this size.
    ///
    /// # Errors
    ///
    /// As [`barrier::DoubleBarrier::new`].
    pub fn new(client: &Client, path: impl Into<String>, members: usize) -> Result<Self> {
        Ok(Self::of(client, barrier::DoubleBarrier::new(client, path, members)?))
    }

    /// Blocks until the group is complete.
    ///
    /// # Errors
    ///
    /// As [`barrier::DoubleBarrier::enter`].
    pub fn enter(&self) -> Result<Entered> {
        Ok(self.with(self.wait_for(self.inner.enter())?))
    }

    /// Blocks at most this long, and withdraws then.
    ///
    /// # Errors
    ///
    /// As [`barrier::DoubleBarrier::enter_within`].
    pub fn enter_within(&self, time: Duration) -> Result<Option<Entered>> {
        Ok(self.wait_for(self.inner.enter_within(time))?.map(|entered| self.with(entered)))
    }
}

impl Entered {
    /// Blocks until everybody has come to leave, or is gone.
    ///
    /// # Errors
    ///
    /// As [`barrier::Entered::leave`].
    pub fn leave(self) -> Result<()> {
        self.client.block_on(self.inner.leave())
    }

    /// Blocks at most this long; whether everybody has come to leave.
    ///
    /// # Errors
    ///
    /// As [`barrier::Entered::leave_within`].
    pub fn leave_within(self, time: Duration) -> Result<bool> {
        self.client.block_on(self.inner.leave_within(time))
    }
}
