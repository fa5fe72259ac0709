//! Acquire and be told: the call-back form of what can be waited for.

use std::future::Future;

use tokio::task::JoinHandle;

/// A request whose answer goes to a call-back. Dropping it changes nothing; [`cancel`](Self::cancel) withdraws it.
#[derive(Debug)]
pub struct Acquiring {
    task: JoinHandle<()>,
}

impl Acquiring {
    /// Awaits `acquire` in the background and hands its result to `told`, on a task of the runtime.
    pub(crate) fn start<T>(
        acquire: impl Future<Output = T> + Send + 'static,
        told: impl FnOnce(T) + Send + 'static,
    ) -> Self {
        Self { task: tokio::spawn(async move { told(acquire.await) }) }
    }

    /// Withdraws from the queue. The call-back is not called any more, unless it is being called now.
    pub fn cancel(self) {
        self.task.abort();
    }

    /// Whether the call-back has returned or the request was withdrawn.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}
