//! The request throttler: connections wait while too many requests are under way (`request_throttle_max_requests`).
//! Mirrors `RequestThrottler`; there the requests wait in a queue, here they stay with their connection, which is not
//! read from meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// How often it is looked whether nobody waits any more.
const LOOK: Duration = Duration::from_millis(5);

/// Who waits, and how they learn that they need not any more.
#[derive(Debug, Default)]
pub(crate) struct Throttler {
    waiting: AtomicUsize,
    freed: Notify,
}

impl Throttler {
    /// Lets a connection wait from now on.
    pub(crate) fn hold(&self) -> Held<'_> {
        self.waiting.fetch_add(1, SeqCst);
        Held { throttler: self, since: Instant::now() }
    }

    /// Tells those who wait that requests were answered.
    pub(crate) fn free(&self) {
        if self.waiting.load(SeqCst) > 0 {
            self.freed.notify_waiters();
        }
    }

    /// Ready after requests were answered. A notice that comes just before is missed, so wait for a time as well.
    pub(crate) async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Ready when nobody waits.
    pub(crate) async fn idle(&self) {
        while self.waiting.load(SeqCst) > 0 {
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The requests of a connection wait while this lives.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    throttler: &'a Throttler,
    since: Instant,
}

impl Held<'_> {
    /// For how long so far.
    pub(crate) fn waited(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.throttler.waiting.fetch_sub(1, SeqCst);
    }
}
