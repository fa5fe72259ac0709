//! The watches of a shell: what they tell is printed as zkCli prints it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream as _;
use serde_json::json;
use tokio::sync::Notify;
use zabra_client::{EventType, OneShot, SessionState, WatchEvent, WatchStream};

use super::output::Out;

/// What a watch watches, for the name of the event of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Data, or being there.
    Data,
    /// Children.
    Child,
    /// Everything, lastingly.
    Lasting,
}

/// All watches of a shell. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Watches {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    out: Out,
    on: AtomicBool,
    /// There is a new watch to look after.
    added: Notify,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    pending: Vec<Pending>,
    /// Printed lately. One change fires all watches of a node; zkCli shows it once.
    printed: VecDeque<WatchEvent>,
}

#[derive(Debug)]
struct Pending {
    kind: Kind,
    watch: Either,
}

#[derive(Debug)]
enum Either {
    Once(OneShot),
    Lasting(WatchStream),
}

/// How many printed events are remembered.
const PRINTED_MAX: usize = 64;

impl Watches {
    /// None yet, told to `out`. Has to be called inside a runtime.
    pub(crate) fn new(out: Out) -> Self {
        let shared = Shared { out, on: AtomicBool::new(true), added: Notify::new(), inner: Mutex::default() };
        let watches = Self { shared: Arc::new(shared) };
        let shared = Arc::downgrade(&watches.shared);
        tokio::spawn(async move {
            while let Some(shared) = shared.upgrade() {
                let fired = std::future::poll_fn(|cx| shared.look(cx));
                tokio::select! {
                    () = fired => {}
                    () = shared.added.notified() => {}
                }
            }
        });
        watches
    }

    /// Looks after a watch that fires once.
    pub(crate) fn once(&self, path: &str, kind: Kind, watch: OneShot) {
        let mut inner = self.shared.lock();
        let there = inner.pending.iter().any(|pending| {
            matches!(&pending.watch, Either::Once(there) if pending.kind == kind && there.path() == path)
        });
        // A second one like it would tell the same once more.
        if !there {
            inner.pending.push(Pending { kind, watch: Either::Once(watch) });
        }
        drop(inner);
        self.shared.added.notify_one();
    }

    /// Looks after a watch that stays.
    pub(crate) fn lasting(&self, watch: WatchStream) {
        self.shared.lock().pending.push(Pending { kind: Kind::Lasting, watch: Either::Lasting(watch) });
        self.shared.added.notify_one();
    }

    /// Prints what has been told by now.
    pub(crate) fn settle(&self) {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while self.shared.look(&mut cx).is_ready() {}
        // The waker of the task was replaced.
        self.shared.added.notify_one();
    }

    /// Has no more watches.
    pub(crate) fn clear(&self) {
        self.shared.lock().pending.clear();
    }

    /// Switches printing on or off.
    pub(crate) fn print(&self, on: bool) {
        self.shared.on.store(on, Ordering::Relaxed);
    }

    /// Whether events are printed.
    pub(crate) fn printed(&self) -> bool {
        self.shared.on.load(Ordering::Relaxed)
    }

    /// Prints a change of the session. Programs are told on standard error, and not of what they expect.
    pub(crate) fn session(&self, state: SessionState) {
        if self.shared.out.is_json() {
            if !state.is_connected() && state != SessionState::Closed {
                self.shared.out.note(json!({ "session": state.name() }));
            }
            return;
        }
        self.shared.show(state, "None", None, -1);
    }
}

impl Shared {
    /// Takes what the watches have been told and prints it; ready if there was anything.
    fn look(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut told = Vec::new();
        {
            let mut inner = self.lock();
            inner.pending.retain_mut(|pending| {
                loop {
                    let (event, over) = match &mut pending.watch {
                        Either::Once(watch) => match Pin::new(watch).poll(cx) {
                            Poll::Ready(event) => (event, true),
                            Poll::Pending => return true,
                        },
                        Either::Lasting(watch) => match Pin::new(watch).poll_next(cx) {
                            Poll::Ready(Some(event)) => {
                                let over = event.kind.is_end();
                                (event, over)
                            }
                            Poll::Ready(None) => return false,
                            Poll::Pending => return true,
                        },
                    };
                    told.push((pending.kind, event));
                    if over {
                        return false;
                    }
                }
            });
        }
        if told.is_empty() {
            return Poll::Pending;
        }
        // What several watches were told comes in the order in which the server tells it: by transaction, and a node
        // before its parent.
        if told.iter().all(|(_, event)| event.zxid.is_some()) {
            told.sort_by_key(|(_, event)| (event.zxid, event.kind == EventType::NodeChildrenChanged));
        }
        for (kind, event) in told {
            self.tell(kind, event);
        }
        Poll::Ready(())
    }

    fn tell(&self, kind: Kind, event: WatchEvent) {
        let name = match event.kind {
            // The shell tells of its session by itself.
            EventType::Session(_) => return,
            EventType::Removed => match kind {
                Kind::Data => "DataWatchRemoved",
                Kind::Child => "ChildWatchRemoved",
                Kind::Lasting => "PersistentWatchRemoved",
            },
            other => other.name(),
        };
        let zxid = event.zxid.map_or(-1, |zxid| i64::from_ne_bytes(zxid.raw().to_ne_bytes()));
        let (state, path) = (event.state, event.path.clone());
        if event.zxid.is_some() {
            let mut inner = self.lock();
            if inner.printed.contains(&event) {
                return;
            }
            inner.printed.push_back(event);
            if inner.printed.len() > PRINTED_MAX {
                inner.printed.pop_front();
            }
        }
        self.show(state, name, Some(&path), zxid);
    }

    fn show(&self, state: SessionState, kind: &str, path: Option<&str>, zxid: i64) {
        if !self.on.load(Ordering::Relaxed) {
            return;
        }
        let state = state.name();
        let block = if self.out.is_json() {
            json!({ "event": { "state": state, "type": kind, "path": path, "zxid": zxid } }).to_string()
        } else {
            let path = path.unwrap_or("null");
            format!("\nWATCHER::\n\nWatchedEvent state:{state} type:{kind} path:{path} zxid: {zxid}")
        };
        self.out.screen().aside(&block);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
