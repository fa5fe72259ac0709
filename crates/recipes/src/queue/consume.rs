//! Handling items as they come.

use std::fmt::Display;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::layout::Layout;
use super::{OnFailure, Queue, Taken};
use crate::common::retry::Backoff;
use crate::{Error, Result};

/// A task that handles the items of a queue one after the other; start several for more at once.
#[derive(Debug)]
pub struct Consuming {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<()>>,
}

impl Consuming {
    /// Ends the task when it has handled the item it has in hand. Dropping the value instead ends it likewise, without
    /// waiting.
    ///
    /// # Errors
    /// What has ended it before.
    pub async fn stop(self) -> Result<()> {
        // Nobody listens when it has ended by itself.
        let _ = self.stop.send(true);
        self.task.await.unwrap_or(Err(Error::Closed))
    }

    /// Whether the task has ended, because the client is closed or the server refuses it.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl<L: Layout> Queue<L> {
    /// Hands every item to `handler`, one after the other, until told to stop.
    ///
    /// When it fails: without a lock path the item is gone, as it had left the queue before it was handled; with one,
    /// see [`OnFailure`]. The error is logged. An item that cannot be read is removed and logged.
    ///
    /// When the session expires while an item of a queue with a lock path is handled, another consumer gets it too; the
    /// handler is not stopped.
    pub fn consume<F, H, E>(&self, mut handler: F) -> Consuming
    where
        F: FnMut(Bytes) -> H + Send + 'static,
        H: Future<Output = Result<(), E>> + Send,
        E: Display + Send,
    {
        let (stop, mut stopped) = watch::channel(false);
        let queue = self.clone();
        let task = tokio::spawn(async move {
            let mut backoff = Backoff::default();
            loop {
                // Also when the sender is gone.
                if *stopped.borrow() || stopped.has_changed().is_err() {
                    return Ok(());
                }
                // What is being taken at the end is in hand: nobody else could have it.
                let taken = queue.take_by(async { drop(stopped.wait_for(|stop| *stop).await) }).await;
                match taken {
                    Ok(Some(taken)) => {
                        backoff = Backoff::default();
                        queue.handle(taken, &mut handler).await;
                    }
                    Ok(None) => return Ok(()),
                    Err(error) if error.is_final() => return Err(error),
                    Err(error) => {
                        tracing::error!(queue = queue.path(), %error, "an item could not be taken");
                        backoff.pause().await;
                    }
                }
            }
        });
        Consuming { stop, task }
    }

    async fn handle<F, H, E>(&self, taken: Taken, handler: &mut F)
    where
        F: FnMut(Bytes) -> H + Send,
        H: Future<Output = Result<(), E>> + Send,
        E: Display + Send,
    {
        let name = String::from(taken.name());
        let puts_back =
            self.shared.taking.lock_path().is_some() && self.shared.on_failure == OnFailure::Requeue;
        for (index, item) in taken.items().iter().enumerate() {
            let Err(error) = handler(item.clone()).await else { continue };
            tracing::error!(queue = self.path(), item = name, %error, "an item could not be handled");
            if puts_back {
                log(self.path(), &name, taken.requeue_from(index).await);
                return;
            }
        }
        log(self.path(), &name, taken.done().await);
    }
}

fn log(queue: &str, item: &str, ended: Result<()>) {
    if let Err(error) = ended {
        tracing::warn!(queue, item, %error, "an item was handled that others may handle again");
    }
}
