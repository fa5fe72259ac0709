//! Connections to wake after a batch.

use std::sync::Arc;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::Conn;

/// Connections whose outbox has something new, gathered while locks are held and woken afterwards.
///
/// Neighbours that are the same are kept once: requests of one connection come together.
#[derive(Debug, Default)]
pub(crate) struct Touched(Vec<Arc<Conn>>);

impl Touched {
    /// Adds a connection.
    pub(crate) fn push(&mut self, conn: Arc<Conn>) {
        if !self.0.last().is_some_and(|last| Arc::ptr_eq(last, &conn)) {
            self.0.push(conn);
        }
    }
}

/// Wakes connections from the log thread. Waking a task from outside the runtime costs a system call; many are
/// therefore handed over at once and woken from inside. The channel holds no more than one entry per batch.
#[derive(Debug)]
pub(crate) struct Waker(UnboundedSender<Vec<Arc<Conn>>>);

impl Waker {
    /// A waker and the work of the task behind it.
    pub(crate) fn new() -> (Self, Wakes) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), Wakes(receiver))
    }

    /// Wakes all of them.
    pub(crate) fn wake(&self, touched: Touched) {
        match touched.0.as_slice() {
            [] => {}
            [conn] => conn.wake(),
            // It only fails when the runtime has ended, and the connections with it.
            _ => drop(self.0.send(touched.0)),
        }
    }
}

/// The receiving end of a [`Waker`].
#[derive(Debug)]
pub(crate) struct Wakes(UnboundedReceiver<Vec<Arc<Conn>>>);

impl Wakes {
    /// Wakes whatever is handed over, until the waker is gone.
    pub(crate) async fn run(mut self) {
        while let Some(conns) = self.0.recv().await {
            for conn in conns {
                conn.wake();
            }
        }
    }
}
