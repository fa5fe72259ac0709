//! The changes of a session's state, told in order.

use crate::event::SessionState;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Every change of a client's state, in order, from the moment the stream was asked for.
#[derive(Debug)]
pub struct StateStream {
    changes: mpsc::UnboundedReceiver<SessionState>,
}

impl StateStream {
    pub(crate) const fn new(changes: mpsc::UnboundedReceiver<SessionState>) -> Self {
        Self { changes }
    }

    /// The next change; `None` when the client is over and all changes have been told. Cancel-safe.
    pub async fn next(&mut self) -> Option<SessionState> {
        self.changes.recv().await
    }

    /// Blocks this thread until the next change; `None` as for [`Self::next`].
    ///
    /// # Panics
    /// In asynchronous code, where it would block others.
    pub fn wait_next(&mut self) -> Option<SessionState> {
        self.changes.blocking_recv()
    }

    /// The next change if there is one already.
    pub fn try_next(&mut self) -> Option<SessionState> {
        self.changes.try_recv().ok()
    }
}

impl futures_core::Stream for StateStream {
    type Item = SessionState;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<SessionState>> {
        self.changes.poll_recv(cx)
    }
}
