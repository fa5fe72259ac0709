//! From the cache to its listeners.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use super::CacheEvent;

/// What a cache tells one listener: first a [`CacheEvent::Created`] for each node that it has already, then everything
/// that happens.
///
/// Ends when the cache is closed. A listener that leaves more than [`EVENTS_MAX_DEFAULT`](super::EVENTS_MAX_DEFAULT)
/// events lying (or what the builder says) is told [`CacheEvent::Missed`] after those, and goes on with what happens
/// then.
#[derive(Debug)]
pub struct CacheEvents {
    queue: Arc<Mutex<Queue>>,
}

/// The cache's end of all its listeners.
#[derive(Debug)]
pub(super) struct Outlets {
    queues: Vec<Weak<Mutex<Queue>>>,
    events_max: usize,
    closed: bool,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<CacheEvent>,
    /// How many did not fit. While this is not zero none is put in, so that the gap stays where it is.
    missed: u64,
    closed: bool,
    waker: Option<Waker>,
}

impl Outlets {
    pub(super) const fn new(events_max: usize) -> Self {
        Self { queues: Vec::new(), events_max, closed: false }
    }

    /// A listener that has this to hear before anything else.
    pub(super) fn open(&mut self, first: impl IntoIterator<Item = CacheEvent>) -> CacheEvents {
        let queue = Queue { events: first.into_iter().collect(), closed: self.closed, ..Queue::default() };
        let queue = Arc::new(Mutex::new(queue));
        // Those who have gone would stay until the next event: let go of them instead of growing.
        if self.queues.len() == self.queues.capacity() {
            self.queues.retain(|queue| queue.strong_count() > 0);
        }
        self.queues.push(Arc::downgrade(&queue));
        CacheEvents { queue }
    }

    /// Tells all listeners.
    pub(super) fn tell(&mut self, event: &CacheEvent) {
        let events_max = self.events_max;
        self.queues.retain(|queue| {
            let Some(queue) = queue.upgrade() else { return false };
            let mut queue = lock(&queue);
            if queue.missed > 0 || queue.events.len() >= events_max {
                queue.missed += 1;
            } else {
                queue.events.push_back(event.clone());
            }
            queue.wake();
            true
        });
    }

    /// There will be nothing more.
    pub(super) fn close(&mut self) {
        self.closed = true;
        for queue in self.queues.drain(..).filter_map(|queue| queue.upgrade()) {
            let mut queue = lock(&queue);
            queue.closed = true;
            queue.wake();
        }
    }
}

impl Queue {
    fn take(&mut self) -> Option<CacheEvent> {
        let missed = std::mem::take(&mut self.missed);
        match self.events.pop_front() {
            Some(event) => {
                self.missed = missed;
                Some(event)
            }
            None => (missed > 0).then_some(CacheEvent::Missed(missed)),
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CacheEvents {
    /// The next event; `None` once the cache is closed and everything was told. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<CacheEvent> {
        std::future::poll_fn(|context| self.poll_event(context)).await
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<CacheEvent> {
        lock(&self.queue).take()
    }

    fn poll_event(&self, context: &Context<'_>) -> Poll<Option<CacheEvent>> {
        let mut queue = lock(&self.queue);
        match queue.take() {
            Some(event) => Poll::Ready(Some(event)),
            None if queue.closed => Poll::Ready(None),
            None => {
                queue.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl futures_core::Stream for CacheEvents {
    type Item = CacheEvent;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<CacheEvent>> {
        self.poll_event(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(events: &mut CacheEvents) -> Vec<String> {
        std::iter::from_fn(|| events.try_next()).map(|event| format!("{event:?}")).collect()
    }

    #[test]
    fn a_slow_listener_learns_where_the_gap_is() {
        let mut outlets = Outlets::new(2);
        let mut events = outlets.open([CacheEvent::Initialized, CacheEvent::Suspended]);
        for _ in 0..3 {
            outlets.tell(&CacheEvent::Resumed);
        }
        assert_eq!(kinds(&mut events), ["Initialized", "Suspended", "Missed(3)"]);
        outlets.tell(&CacheEvent::Suspended);
        assert_eq!(kinds(&mut events), ["Suspended"]);
    }

    #[tokio::test]
    async fn everything_told_before_the_end_is_heard() {
        let mut outlets = Outlets::new(10);
        let mut events = outlets.open([]);
        let heard = tokio::spawn(async move {
            let mut heard = 0;
            while events.next().await.is_some() {
                heard += 1;
            }
            heard
        });
        tokio::task::yield_now().await;
        outlets.tell(&CacheEvent::Resumed);
        outlets.close();
        assert_eq!(heard.await.unwrap(), 1);
        assert!(outlets.open([]).next().await.is_none());
    }

    #[test]
    fn dropped_listeners_are_forgotten() {
        let mut outlets = Outlets::new(10);
        drop(outlets.open([]));
        outlets.tell(&CacheEvent::Resumed);
        assert!(outlets.queues.is_empty());
        for _ in 0..1000 {
            drop(outlets.open([]));
        }
        assert!(outlets.queues.len() < 100);
    }
}
