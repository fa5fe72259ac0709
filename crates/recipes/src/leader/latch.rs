//! The latch: a process that asks whether it leads.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::{mpsc, oneshot, watch};
use zabra_client::{Acl, Client};

use super::win;
use crate::HoldState;
use crate::common::{Error, Fence, Guard, Participant, Result};
use crate::lock::Mutex;

/// One participant of a leader election, which leads from some moment on until it is closed or loses its session.
///
/// Mirrors and shares its path with Curator's `LeaderLatch`.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let server = zabra_embedded::Server::start().await.unwrap();
/// # let client = zabra_client::Client::connect(&server.connect_string()).await?;
/// use zabra_recipes::leader::{LatchChange, LeaderLatch};
///
/// let latch = LeaderLatch::start(&client, "/app/leader", "host-1")?;
/// let token = latch.leading().await?;
/// assert!(latch.is_leader());
///
/// let mut changes = latch.changes();
/// assert_eq!(changes.next().await, Some(LatchChange::Leader(token)));
/// latch.close().await?;
/// assert_eq!(changes.next().await, Some(LatchChange::NotLeader));
/// # Ok::<(), zabra_recipes::Error>(())
/// # }).unwrap();
/// ```
///
/// *Layout.* `<path>/_c_<uuid>-latch-<sequence>`, ephemeral, its data being the participant's id.
///
/// *Connection loss.* Leadership in doubt is reported as no leadership, and as leadership with the same token when the
/// session is resumed; unless [`keep_in_doubt`](LatchOptions::keep_in_doubt). *Session expiry.* Leadership is lost; with
/// the client's next session the participant goes to the end of the queue. *Fencing*: see [`Fence`]; every term has a
/// greater token than the one before.
///
/// Dropping the latch closes it in the background.
#[derive(Debug)]
pub struct LeaderLatch {
    lock: Mutex,
    id: String,
    status: watch::Receiver<Status>,
    listeners: Listeners,
    close: oneshot::Sender<oneshot::Sender<Result<()>>>,
}

/// How the participant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Follows,
    Leads(Fence),
    /// No further change will come.
    Closed,
}

/// A change of leadership, see [`LeaderLatch::changes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatchChange {
    /// This participant leads; Curator's `isLeader`.
    Leader(Fence),
    /// It leads no more; Curator's `notLeader`.
    NotLeader,
}

type Listeners = Arc<SyncMutex<Vec<mpsc::UnboundedSender<LatchChange>>>>;

/// What may be said of a latch before it starts.
#[derive(Clone, Debug)]
pub struct LatchOptions {
    lock: Mutex,
    id: String,
    keep_in_doubt: bool,
}

impl LatchOptions {
    /// The name of the participant, for the others; empty unless given.
    #[must_use]
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: id.into(), ..self }
    }

    /// Who may do what with the nodes of participants, as [`Mutex::with_acl`].
    #[must_use]
    pub fn acl(self, acl: impl Into<Vec<Acl>>) -> Self {
        Self { lock: self.lock.with_acl(acl), ..self }
    }

    /// Whether to go on leading while there is no connection, until the session is known or presumed to be over
    /// (Curator's `SessionConnectionStateErrorPolicy`). Off unless asked for.
    #[must_use]
    pub fn keep_in_doubt(self, keep: bool) -> Self {
        Self { keep_in_doubt: keep, ..self }
    }

    /// Joins the election. Must be called within a tokio runtime.
    pub fn start(self) -> LeaderLatch {
        let Self { lock, id, keep_in_doubt } = self;
        let lock = lock.with_data(id.clone());
        let (status_sender, status) = watch::channel(Status::Follows);
        let (close, closed) = oneshot::channel();
        let listeners = Listeners::default();
        let participant = Participation {
            lock: lock.clone(),
            keep_in_doubt,
            status: status_sender,
            listeners: listeners.clone(),
        };
        tokio::spawn(participant.run(closed));
        LeaderLatch { lock, id, status, listeners, close }
    }
}

impl LeaderLatch {
    /// A participant of the election at this path, to be started.
    ///
    /// # Errors
    ///
    /// [`Error::BadPath`].
    pub fn options(client: &Client, path: impl Into<String>) -> Result<LatchOptions> {
        let lock = Mutex::new(client, path)?.with_base("latch-");
        Ok(LatchOptions { lock, id: String::new(), keep_in_doubt: false })
    }

    /// Joins the election at this path under this name. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`Error::BadPath`].
    pub fn start(client: &Client, path: impl Into<String>, id: impl Into<String>) -> Result<Self> {
        Ok(Self::options(client, path)?.id(id).start())
    }

    /// The name of this participant.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether this participant leads, as far as it knows.
    pub fn is_leader(&self) -> bool {
        self.fence().is_some()
    }

    /// The token of the present term, if this participant leads.
    pub fn fence(&self) -> Option<Fence> {
        match *self.status.borrow() {
            // Without the task there is no runtime, and no client.
            Status::Leads(fence) if self.status.has_changed().is_ok() => Some(fence),
            _ => None,
        }
    }

    /// Completes when this participant leads. The future is independent of the latch.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when the latch or the client is closed first.
    pub fn leading(&self) -> impl Future<Output = Result<Fence>> + Send + 'static {
        let mut status = self.status.clone();
        async move {
            match status.wait_for(|status| *status != Status::Follows).await.as_deref() {
                Ok(Status::Leads(fence)) => Ok(*fence),
                _ => Err(Error::Closed),
            }
        }
    }

    /// Every change of leadership from now on, in order, beginning with [`LatchChange::Leader`] if this participant
    /// leads already. The stream ends when the latch is closed.
    pub fn changes(&self) -> LatchChanges {
        let (sender, receiver) = mpsc::unbounded_channel();
        // Under this lock no change is being told, so the first one fits to those that follow.
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        match *self.status.borrow() {
            Status::Leads(fence) => drop(sender.send(LatchChange::Leader(fence))),
            Status::Follows => {}
            Status::Closed => return LatchChanges { receiver },
        }
        // Those who have gone would stay until the next change: let go of them instead of growing.
        if listeners.len() == listeners.capacity() {
            listeners.retain(|listener| !listener.is_closed());
        }
        listeners.push(sender);
        LatchChanges { receiver }
    }

    /// Calls `told` for every change of leadership, on a task of the runtime; it must not block.
    pub fn on_change(&self, mut told: impl FnMut(LatchChange) + Send + 'static) {
        let mut changes = self.changes();
        tokio::spawn(async move {
            while let Some(change) = changes.next().await {
                told(change);
            }
        });
    }

    /// All participants, the leader first. Right after a change it may still be the former one.
    ///
    /// # Errors
    ///
    /// What the client fails with.
    pub async fn participants(&self) -> Result<Vec<Participant>> {
        self.lock.participants().await
    }

    /// The leader, whoever it is; `None` without participants.
    ///
    /// # Errors
    ///
    /// What the client fails with.
    pub async fn leader(&self) -> Result<Option<Participant>> {
        Ok(self.participants().await?.into_iter().next())
    }

    /// Leaves the election: gives up leadership or the place in the queue. Listeners are told
    /// [`LatchChange::NotLeader`] (Curator's `CloseMode.NOTIFY_LEADER`) before the node is deleted.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] when leadership was lost before.
    pub async fn close(self) -> Result<()> {
        let (answer, done) = oneshot::channel();
        if self.close.send(answer).is_err() {
            return Ok(());
        }
        // Without an answer the runtime is gone.
        done.await.unwrap_or(Err(Error::Closed))
    }
}

/// The task behind a latch.
struct Participation {
    lock: Mutex,
    keep_in_doubt: bool,
    status: watch::Sender<Status>,
    listeners: Listeners,
}

type Close = oneshot::Receiver<oneshot::Sender<Result<()>>>;

impl Participation {
    async fn run(self, mut close: Close) {
        loop {
            let won = tokio::select! {
                won = win(&self.lock) => won,
                asked = &mut close => {
                    self.tell(Status::Closed);
                    drop(asked.map(|answer| answer.send(Ok(()))));
                    return;
                }
            };
            match won {
                Ok(guard) => {
                    if self.lead(guard, &mut close).await {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(path = self.lock.path(), %error, "the participant leaves the election");
                    self.tell(Status::Closed);
                    return;
                }
            }
        }
    }

    /// Leads until leadership is lost; whether the latch was closed.
    async fn lead(&self, guard: Guard, close: &mut Close) -> bool {
        let mut states = guard.states();
        let mut state = states.current();
        loop {
            self.tell(match state {
                HoldState::Held => Status::Leads(guard.fence()),
                HoldState::InDoubt if self.keep_in_doubt => Status::Leads(guard.fence()),
                HoldState::InDoubt | HoldState::Lost(_) => Status::Follows,
            });
            if let HoldState::Lost(_) = state {
                return false;
            }
            state = tokio::select! {
                next = states.next() => next,
                asked = &mut *close => {
                    self.tell(Status::Closed);
                    let released = guard.release().await;
                    drop(asked.map(|answer| answer.send(released)));
                    return true;
                }
            };
        }
    }

    fn tell(&self, status: Status) {
        let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.status.send_replace(status);
        let change = match (before, status) {
            (Status::Leads(_), Status::Leads(_)) => None,
            (_, Status::Leads(fence)) => Some(LatchChange::Leader(fence)),
            (Status::Leads(_), _) => Some(LatchChange::NotLeader),
            _ => None,
        };
        if let Some(change) = change {
            listeners.retain(|listener| listener.send(change).is_ok());
        }
        if status == Status::Closed {
            listeners.clear();
        }
    }
}

/// The changes of a latch, see [`LeaderLatch::changes`].
#[derive(Debug)]
pub struct LatchChanges {
    receiver: mpsc::UnboundedReceiver<LatchChange>,
}

impl LatchChanges {
    /// The next change; `None` once the latch is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<LatchChange> {
        self.receiver.recv().await
    }
}

impl Stream for LatchChanges {
    type Item = LatchChange;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<LatchChange>> {
        self.receiver.poll_recv(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn listeners_that_have_gone_do_not_gather() {
        let client = Client::builder().start("127.0.0.1:1").unwrap();
        let latch = LeaderLatch::start(&client, "/leader", "one").unwrap();
        for _ in 0..1000 {
            drop(latch.changes());
        }
        assert!(latch.listeners.lock().unwrap().len() < 100);
    }
}
