//! Those who watch.

use crate::core::{Told, WatcherId};
use crate::handle::{Session, WeakSession};
use crate::view::View;
use crate::{EventType, SessionState, WatchEvent};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;

/// Where the session puts the events of a watch.
pub(crate) type EventSender = mpsc::UnboundedSender<Told>;

/// What both kinds of watches have in common: a place where events arrive, given up when dropped.
pub(crate) struct Watcher {
    id: WatcherId,
    /// The watched node, as the view names it.
    path: String,
    view: View,
    session: WeakSession,
    events: mpsc::UnboundedReceiver<Told>,
    ended: bool,
}

impl Watcher {
    /// A watcher and the place where the session puts its events.
    pub(crate) fn new(session: &Session, view: &View, path: &str) -> (Self, EventSender) {
        let (sender, events) = mpsc::unbounded_channel();
        let watcher = Self {
            id: session.next_watcher(),
            path: path.to_owned(),
            view: view.clone(),
            session: session.downgrade(),
            events,
            ended: false,
        };
        (watcher, sender)
    }

    pub(crate) const fn id(&self) -> WatcherId {
        self.id
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let told = ready!(self.events.poll_recv(cx));
        Poll::Ready(Some(self.event(told)))
    }

    /// The event of what was told; nothing more will be when the session let go of its end.
    fn event(&mut self, told: Option<Told>) -> WatchEvent {
        let event = match told {
            Some(Told::Node { event, path, zxid, state }) => {
                WatchEvent { kind: event.into(), path: self.view.strip(&path).to_owned(), zxid, state }
            }
            Some(Told::Removed) => WatchEvent::end(&self.path, EventType::Removed, SessionState::Connected),
            Some(Told::Session(state)) => WatchEvent::end(&self.path, EventType::Session(state), state),
            None => {
                let state = SessionState::Closed;
                WatchEvent::end(&self.path, EventType::Session(state), state)
            }
        };
        self.ended = event.kind.is_end();
        event
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if !self.ended {
            self.session.forget_watcher(self.id);
        }
    }
}

/// A watch that fires once: a future of its event.
///
/// It always resolves: when the session ends before the watch fires, to an event of kind [`EventType::Session`], and when
/// the watch is removed, to [`EventType::Removed`]. It outlives connections; what happened to the node in between is told
/// after the next one is made. Dropping it gives up the watch.
#[must_use = "a watch that is dropped is given up"]
pub struct OneShot {
    watcher: Watcher,
}

impl OneShot {
    pub(crate) const fn new(watcher: Watcher) -> Self {
        Self { watcher }
    }

    /// The watched node, as the view that set the watch names it.
    pub fn path(&self) -> &str {
        &self.watcher.path
    }

    /// The event if there is one already.
    pub fn try_now(&mut self) -> Option<WatchEvent> {
        if self.watcher.ended {
            return None;
        }
        let told = match self.watcher.events.try_recv() {
            Ok(told) => Some(told),
            Err(mpsc::error::TryRecvError::Empty) => return None,
            Err(mpsc::error::TryRecvError::Disconnected) => None,
        };
        let event = self.watcher.event(told);
        self.watcher.ended = true;
        Some(event)
    }

    /// Blocks this thread until the watch fires.
    ///
    /// # Panics
    /// In asynchronous code, where it would block others: await this instead.
    pub fn wait(mut self) -> WatchEvent {
        let told = self.watcher.events.blocking_recv();
        let event = self.watcher.event(told);
        self.watcher.ended = true;
        event
    }
}

impl Future for OneShot {
    type Output = WatchEvent;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<WatchEvent> {
        let told = ready!(self.watcher.events.poll_recv(cx));
        let event = self.watcher.event(told);
        self.watcher.ended = true;
        Poll::Ready(event)
    }
}

impl fmt::Debug for OneShot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneShot").field("path", &self.watcher.path).finish_non_exhaustive()
    }
}

/// A watch that stays: a stream of its events.
///
/// The last event is of kind [`EventType::Session`] or [`EventType::Removed`]; then the stream ends. What happened while
/// the client was disconnected is *not* told: servers do not keep events for persistent watches, so after
/// [`SessionState::Disconnected`] read again what matters (`Client::states`). Events wait in memory until they are taken.
/// Dropping the stream removes the watch at the server when nobody else of this client has it.
#[must_use = "a watch that is dropped is given up"]
pub struct WatchStream {
    watcher: Watcher,
}

impl WatchStream {
    pub(crate) const fn new(watcher: Watcher) -> Self {
        Self { watcher }
    }

    /// The watched node, as the view that set the watch names it.
    pub fn path(&self) -> &str {
        &self.watcher.path
    }

    /// The next event, or `None` after the last. Cancel-safe: dropping this future loses no event.
    pub async fn next(&mut self) -> Option<WatchEvent> {
        std::future::poll_fn(|cx| self.watcher.poll_event(cx)).await
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Option<WatchEvent> {
        if self.watcher.ended {
            return None;
        }
        match self.watcher.events.try_recv() {
            Ok(told) => Some(self.watcher.event(Some(told))),
            Err(mpsc::error::TryRecvError::Empty) => None,
            Err(mpsc::error::TryRecvError::Disconnected) => Some(self.watcher.event(None)),
        }
    }

    /// Blocks this thread until the next event; `None` after the last.
    ///
    /// # Panics
    /// In asynchronous code, where it would block others: use [`Self::next`] there.
    pub fn wait_next(&mut self) -> Option<WatchEvent> {
        if self.watcher.ended {
            return None;
        }
        let told = self.watcher.events.blocking_recv();
        Some(self.watcher.event(told))
    }
}

impl futures_core::Stream for WatchStream {
    type Item = WatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<WatchEvent>> {
        self.watcher.poll_event(cx)
    }
}

impl fmt::Debug for WatchStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchStream").field("path", &self.watcher.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("id", &self.id).field("path", &self.path).finish_non_exhaustive()
    }
}
