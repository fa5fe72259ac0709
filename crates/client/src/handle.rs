//! The way from requests to the driver.

use crate::core::{
    CoreOptions, Credentials, Failure, Host, Incarnation, Reply, Status, Told, WatchEffect, WatcherId,
};
use crate::event::{SessionState, SessionTicket};
use crate::state::StateStream;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use zabra_proto::OpCode;
use zabra_types::{SessionId, SessionPassword};

/// Where the answer to a request goes.
pub(crate) type Answer = oneshot::Sender<Result<Reply, Failure>>;

/// A request on its way to the driver, who gives it its number.
#[derive(Debug)]
pub(crate) struct NewCall {
    pub(crate) op: OpCode,
    /// The encoded record, without header and frame.
    pub(crate) body: Vec<u8>,
    pub(crate) effect: WatchEffect,
    pub(crate) pinned: Option<Incarnation>,
    /// Where the events of the watch go that `effect` adds.
    pub(crate) events: Option<mpsc::UnboundedSender<Told>>,
}

/// What users want of the driver.
#[derive(Debug)]
pub(crate) enum Wish {
    Call(NewCall, Answer),
    AddAuth(Credentials, Answer),
    ForgetWatcher(WatcherId),
    UpdateServers(Vec<Host>),
    Close(Answer),
    Detach(Answer),
}

/// The user's end of a client. While one is left, the client lives.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    wishes: mpsc::UnboundedSender<Wish>,
    shared: Arc<Shared>,
}

/// A user's end that does not keep the client alive.
#[derive(Clone, Debug)]
pub(crate) struct WeakSession {
    wishes: mpsc::WeakUnboundedSender<Wish>,
}

/// What the driver tells all users of a client.
#[derive(Debug)]
pub(crate) struct Shared {
    status: Mutex<Status>,
    /// `None` once nothing will change any more.
    listeners: Mutex<Option<Vec<mpsc::UnboundedSender<SessionState>>>>,
    /// What stood in the way of a connection most recently.
    obstacle: Mutex<Option<String>>,
    /// Requests without an answer.
    pending: AtomicUsize,
    pending_max: usize,
    watchers: AtomicU64,
    renews_expired: bool,
    runtime: Handle,
}

impl Session {
    /// A user's end, and the driver's.
    pub(crate) fn new(
        options: &CoreOptions,
        pending_max: usize,
        runtime: Handle,
    ) -> (Self, mpsc::UnboundedReceiver<Wish>, Arc<Shared>) {
        let (wishes, queue) = mpsc::unbounded_channel();
        let none = SessionTicket { id: SessionId::NONE, password: SessionPassword::ZERO };
        let status = Status {
            state: SessionState::Disconnected,
            ticket: options.ticket.unwrap_or(none),
            timeout: options.session_timeout,
            incarnation: Incarnation::default(),
            server: None,
        };
        let shared = Arc::new(Shared {
            status: Mutex::new(status),
            listeners: Mutex::new(Some(Vec::new())),
            obstacle: Mutex::default(),
            pending: AtomicUsize::new(0),
            pending_max,
            watchers: AtomicU64::new(0),
            renews_expired: options.renew_expired,
            runtime,
        });
        (Self { wishes, shared: Arc::clone(&shared) }, queue, shared)
    }

    /// Puts a request into the queue. The order of these calls is the order on the wire.
    pub(crate) fn submit(&self, call: NewCall) -> oneshot::Receiver<Result<Reply, Failure>> {
        let (answer, receiver) = oneshot::channel();
        let max = self.shared.pending_max;
        if self.shared.pending.fetch_add(1, Ordering::Relaxed) >= max {
            self.shared.pending.fetch_sub(1, Ordering::Relaxed);
            // Nobody can have dropped the receiver yet.
            let _ = answer.send(Err(Failure::Overloaded { max }));
        } else {
            self.wish(Wish::Call(call, answer));
        }
        receiver
    }

    /// Shows credentials to the present server and all later ones.
    pub(crate) fn add_auth(&self, scheme: &str, auth: &[u8]) -> oneshot::Receiver<Result<Reply, Failure>> {
        let credentials = Credentials { scheme: scheme.to_owned(), auth: auth.to_owned() };
        self.ask(|answer| Wish::AddAuth(credentials, answer))
    }

    /// Ends the session after all requests before.
    pub(crate) fn close(&self) -> oneshot::Receiver<Result<Reply, Failure>> {
        self.ask(Wish::Close)
    }

    /// Lets go of the session after all requests before.
    pub(crate) fn detach(&self) -> oneshot::Receiver<Result<Reply, Failure>> {
        self.ask(Wish::Detach)
    }

    /// Tries other servers from now on.
    pub(crate) fn update_servers(&self, hosts: Vec<Host>) {
        self.wish(Wish::UpdateServers(hosts));
    }

    fn ask(&self, wish: impl FnOnce(Answer) -> Wish) -> oneshot::Receiver<Result<Reply, Failure>> {
        let (answer, receiver) = oneshot::channel();
        self.shared.pending.fetch_add(1, Ordering::Relaxed);
        self.wish(wish(answer));
        receiver
    }

    fn wish(&self, wish: Wish) {
        // Without a driver (its runtime is gone) the answer is dropped, which tells as much.
        let _ = self.wishes.send(wish);
    }

    /// A number for somebody who is to watch.
    pub(crate) fn next_watcher(&self) -> WatcherId {
        WatcherId(self.shared.watchers.fetch_add(1, Ordering::Relaxed))
    }

    /// An end that does not keep the client alive.
    pub(crate) fn downgrade(&self) -> WeakSession {
        WeakSession { wishes: self.wishes.downgrade() }
    }

    /// Every change of state from now on.
    pub(crate) fn states(&self) -> StateStream {
        let (sender, changes) = mpsc::unbounded_channel();
        // Nothing comes of a client that has ended: the stream is over at once.
        if let Some(listeners) = &mut *lock(&self.shared.listeners) {
            // Those who have gone would stay until the next change: let go of them instead of growing.
            if listeners.len() == listeners.capacity() {
                listeners.retain(|listener| !listener.is_closed());
            }
            listeners.push(sender);
        }
        StateStream::new(changes)
    }

    pub(crate) fn state(&self) -> SessionState {
        lock(&self.shared.status).state
    }

    pub(crate) fn session_id(&self) -> SessionId {
        self.ticket().id
    }

    pub(crate) fn ticket(&self) -> SessionTicket {
        lock(&self.shared.status).ticket
    }

    pub(crate) fn timeout(&self) -> Duration {
        lock(&self.shared.status).timeout
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        lock(&self.shared.status).incarnation
    }

    pub(crate) fn server(&self) -> Option<SocketAddr> {
        lock(&self.shared.status).server
    }

    pub(crate) fn obstacle(&self) -> Option<String> {
        lock(&self.shared.obstacle).clone()
    }

    pub(crate) fn renews_expired(&self) -> bool {
        self.shared.renews_expired
    }

    pub(crate) fn runtime(&self) -> Handle {
        self.shared.runtime.clone()
    }
}

impl WeakSession {
    /// Nobody listens to this watcher any more.
    pub(crate) fn forget_watcher(&self, watcher: WatcherId) {
        if let Some(wishes) = self.wishes.upgrade() {
            // As for every wish.
            let _ = wishes.send(Wish::ForgetWatcher(watcher));
        }
    }
}

impl Shared {
    /// Tells everybody how the session stands.
    pub(crate) fn tell(&self, status: Status) {
        let before = std::mem::replace(&mut *lock(&self.status), status).state;
        if before != status.state {
            let mut listeners = lock(&self.listeners);
            listeners.iter_mut().for_each(|all| all.retain(|listener| listener.send(status.state).is_ok()));
        }
    }

    /// A request has its answer.
    pub(crate) fn answered(&self) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
    }

    /// Remembers why there is no connection.
    pub(crate) fn obstacle(&self, what: String) {
        *lock(&self.obstacle) = Some(what);
    }

    /// Nothing will change any more.
    pub(crate) fn end(&self) {
        *lock(&self.listeners) = None;
    }
}

/// What these locks guard is whole between any two statements, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
