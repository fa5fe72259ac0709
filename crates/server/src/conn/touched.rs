//! Connections to wake after a batch.

use std::sync::Arc;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::Conn;

/// To so many connections the thread that has made their replies sends itself. Beyond that it has more important things to
/// do, as syncing what waits for the log meanwhile; sending takes some 4 µs each.
const SENT_AT_ONCE_MAX: usize = 64;

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

/// Sees to it that replies made on the log thread are sent.
///
/// Few are sent right there: waking a task, on another thread, takes longer than its work. Many are handed over at once and
/// their tasks woken from inside the runtime, because waking one from outside costs a system call. The channel holds no more
/// than one entry per batch.
#[derive(Debug)]
pub(crate) struct Waker(UnboundedSender<Vec<Arc<Conn>>>);

impl Waker {
    /// A waker and the work of the task behind it.
    pub(crate) fn new() -> (Self, Wakes) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), Wakes(receiver))
    }

    /// Lets all of them send what they have.
    pub(crate) fn send(&self, touched: Touched) {
        let Touched(conns) = touched;
        if conns.len() <= SENT_AT_ONCE_MAX {
            conns.iter().for_each(|conn| conn.send_or_wake());
        } else {
            // It only fails when the runtime has ended, and the connections with it.
            drop(self.0.send(conns));
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
