//! The election: work that is done while leading.

use std::future::Future;
use std::pin::pin;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use zabra_client::{Acl, Client};

use super::win;
use crate::HoldState;
use crate::common::{Error, Fence, Guard, HoldStates, Loss, NameStyle, Participant, Result};
use crate::lock::{Lock, Mutex};

/// An election whose winner does some work, and leads until it is done.
///
/// Mirrors and shares its path with Curator's `LeaderSelector`, which is a lock: [`Mutex`] at the same path takes part
/// too. In kazoo's [`NameStyle`] it shares its path with kazoo's `Election`.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let server = zabra_embedded::Server::start().await.unwrap();
/// # let client = zabra_client::Client::connect(&server.connect_string()).await?;
/// use zabra_recipes::leader::LeaderElection;
///
/// let election = LeaderElection::new(&client, "/app/leader")?.with_id("host-1");
/// let report = election.run(|leadership| async move { format!("led under {}", leadership.fence()) }).await?;
///
/// // Again and again, in the background:
/// let candidate = election.start(|leadership| async move {
///     // ... until it is done, or dropped because leadership is lost.
///     std::future::pending().await
/// });
/// candidate.leading().await?;
/// candidate.close().await;
/// # Ok::<(), zabra_recipes::Error>(())
/// # }).unwrap();
/// ```
///
/// *Layout.* `<path>/_c_<uuid>-lock-<sequence>`, ephemeral, its data being the participant's id.
///
/// *Connection loss.* The work is cancelled (its future dropped, at its next await) when leadership is in doubt, unless
/// [`stay_in_doubt`](Self::stay_in_doubt). *Session expiry.* The work is cancelled. Work that cannot be cancelled, or
/// must finish something first, watches its [`Leadership`] and is protected by its *fencing token*.
#[derive(Clone, Debug)]
pub struct LeaderElection {
    lock: Mutex,
    id: String,
    stay_in_doubt: bool,
}

/// What the work knows about the term it is done in.
#[derive(Clone, Debug)]
pub struct Leadership {
    path: String,
    fence: Fence,
    states: HoldStates,
    /// Whether the candidate asks the work to end.
    stop: watch::Receiver<bool>,
}

impl Leadership {
    /// The token of the term, greater than those of all terms before.
    pub const fn fence(&self) -> Fence {
        self.fence
    }

    /// The node that holds it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What the leader may believe now.
    pub fn state(&self) -> HoldState {
        self.states.current()
    }

    /// Completes when leadership is in doubt or lost.
    pub async fn doubted(&self) -> HoldState {
        let mut states = self.states.clone();
        while states.current() == HoldState::Held {
            states.next().await;
        }
        states.current()
    }

    /// Whether the work had better end: leadership is in doubt or lost, or the candidate was interrupted or closed.
    /// For work that is not cancelled, because it runs on a thread of its own.
    pub fn should_stop(&self) -> bool {
        self.state() != HoldState::Held || *self.stop.borrow()
    }

    /// The leadership that comes with this guard, and the way to ask its work to end.
    pub(crate) fn of(guard: &Guard) -> (Self, watch::Sender<bool>) {
        let (ask, stop) = watch::channel(false);
        (Self { path: guard.path().to_owned(), fence: guard.fence(), states: guard.states(), stop }, ask)
    }
}

impl LeaderElection {
    /// The election at this path. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`Error::BadPath`].
    pub fn new(client: &Client, path: impl Into<String>) -> Result<Self> {
        Ok(Self {
            lock: Mutex::new(client, path)?.with_data(Bytes::new()),
            id: String::new(),
            stay_in_doubt: false,
        })
    }

    /// The name of this participant, for the others.
    #[must_use]
    pub fn with_id(self, id: impl Into<String>) -> Self {
        let id = id.into();
        Self { lock: self.lock.with_data(id.clone()), id, ..self }
    }

    /// How participants call their nodes.
    #[must_use]
    pub fn with_style(self, style: NameStyle) -> Self {
        Self { lock: self.lock.with_style(style), ..self }
    }

    /// Who may do what with the nodes of participants, as [`Mutex::with_acl`].
    #[must_use]
    pub fn with_acl(self, acl: impl Into<Vec<Acl>>) -> Self {
        Self { lock: self.lock.with_acl(acl), ..self }
    }

    /// Whether the work goes on while there is no connection, until the session is known or presumed to be over.
    #[must_use]
    pub fn stay_in_doubt(self, stay: bool) -> Self {
        Self { stay_in_doubt: stay, ..self }
    }

    /// The name of this participant.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) const fn lock(&self) -> &Mutex {
        &self.lock
    }

    /// All participants, the leader first.
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

    /// Waits for leadership, does the work, and gives leadership up.
    ///
    /// Dropping the future leaves the election, cancelling the work.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] when leadership was lost (or in doubt) before the work was done, which is then cancelled.
    pub async fn run<W, F>(&self, work: W) -> Result<F::Output>
    where
        W: FnOnce(Leadership) -> F,
        F: Future,
    {
        let guard = self.lock.acquire().await?;
        let (leadership, _ask) = Leadership::of(&guard);
        let done = self.term(&guard, work(leadership)).await;
        match (guard.release().await, done) {
            (_, Err(loss)) => Err(Error::Lost(loss)),
            // The work was done before the loss was noticed: as good as done before the loss.
            (_, Ok(output)) => Ok(output),
        }
    }

    /// Takes part again and again in the background, doing the work in every term (Curator's `autoRequeue`).
    ///
    /// Must be called within a tokio runtime.
    pub fn start<W, F>(self, work: W) -> Candidate
    where
        W: FnMut(Leadership) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.start_with(work, Ending::Cancel)
    }

    pub(crate) fn start_with<W, F>(self, work: W, ending: Ending) -> Candidate
    where
        W: FnMut(Leadership) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let (close, closed) = oneshot::channel();
        let (interrupt, interrupted) = mpsc::channel(1);
        let (leads_sender, leads) = watch::channel(None);
        let candidacy = Candidacy { election: self.clone(), ending, leads: leads_sender, interrupted };
        tokio::spawn(candidacy.run(work, closed));
        Candidate { election: self, leads, interrupt, close }
    }

    /// Does the work as long as it is protected.
    async fn term<F: Future>(&self, guard: &Guard, work: F) -> Result<F::Output, Loss> {
        let ended = async {
            if self.stay_in_doubt {
                return guard.lost().await;
            }
            match guard.doubted().await {
                HoldState::Lost(loss) => loss,
                _ => Loss::Disconnected,
            }
        };
        tokio::select! {
            biased;
            loss = ended => Err(loss),
            output = work => Ok(output),
        }
    }
}

/// What becomes of work whose term is over.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending {
    /// Its future is dropped.
    Cancel,
    /// It is asked to end, and waited for.
    Ask,
}

type Close = oneshot::Sender<()>;

/// The task behind a candidate.
struct Candidacy {
    election: LeaderElection,
    ending: Ending,
    leads: watch::Sender<Option<Fence>>,
    interrupted: mpsc::Receiver<()>,
}

impl Candidacy {
    async fn run<W, F>(mut self, mut work: W, mut closed: oneshot::Receiver<Close>)
    where
        W: FnMut(Leadership) -> F,
        F: Future<Output = ()>,
    {
        loop {
            let guard = tokio::select! {
                won = win(&self.election.lock) => match won {
                    Ok(guard) => guard,
                    Err(error) => {
                        let path = self.election.lock.path();
                        tracing::warn!(path, %error, "the candidate leaves the election");
                        return;
                    }
                },
                asked = &mut closed => return drop(asked.map(|answer| answer.send(()))),
            };
            let asked = self.lead(&guard, &mut work, &mut closed).await;
            if let Err(error) = guard.release().await {
                tracing::debug!(path = self.election.lock.path(), %error, "a term ended early");
            }
            if let Some(answer) = asked {
                return drop(answer.map(|answer| answer.send(())));
            }
        }
    }

    /// One term. The answer is given if the candidate was closed in it.
    async fn lead<W, F>(
        &mut self,
        guard: &Guard,
        work: &mut W,
        closed: &mut oneshot::Receiver<Close>,
    ) -> Option<Result<Close, oneshot::error::RecvError>>
    where
        W: FnMut(Leadership) -> F,
        F: Future<Output = ()>,
    {
        // A request to end an earlier term does not end this one.
        while self.interrupted.try_recv().is_ok() {}
        let (leadership, ask) = Leadership::of(guard);
        self.leads.send_replace(Some(guard.fence()));
        let mut work = pin!(work(leadership));
        let (ended, asked) = tokio::select! {
            done = self.election.term(guard, work.as_mut()) => (done.is_ok(), None),
            Some(()) = self.interrupted.recv() => (false, None),
            asked = &mut *closed => (false, Some(asked)),
        };
        self.leads.send_replace(None);
        if let (false, Ending::Ask) = (ended, self.ending) {
            ask.send_replace(true);
            work.await;
        }
        asked
    }
}

/// A participant that takes part again and again, see [`LeaderElection::start`]. Dropping it leaves the election in the
/// background, cancelling the work.
#[derive(Debug)]
pub struct Candidate {
    election: LeaderElection,
    leads: watch::Receiver<Option<Fence>>,
    interrupt: mpsc::Sender<()>,
    close: oneshot::Sender<oneshot::Sender<()>>,
}

impl Candidate {
    /// The election, to ask for its participants.
    pub const fn election(&self) -> &LeaderElection {
        &self.election
    }

    /// Whether its work is being done.
    pub fn is_leader(&self) -> bool {
        self.fence().is_some()
    }

    /// The token of the present term, if its work is being done.
    pub fn fence(&self) -> Option<Fence> {
        // Without the task there is no runtime, and no client.
        self.leads.has_changed().is_ok().then(|| *self.leads.borrow())?
    }

    /// Completes when its work is being done.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] when it has left the election, the client being closed.
    pub async fn leading(&self) -> Result<Fence> {
        let mut leads = self.leads.clone();
        match leads.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(fence)) => Ok(*fence),
            _ => Err(Error::Closed),
        }
    }

    /// Ends the present term, if there is one: cancels the work, gives leadership up, and queues up again.
    pub fn interrupt(&self) {
        // Full means that it has been asked already.
        let _ = self.interrupt.try_send(());
    }

    /// Leaves the election, cancelling the work; returns when others may lead.
    pub async fn close(self) {
        let (answer, done) = oneshot::channel();
        if self.close.send(answer).is_ok() {
            // Without an answer the task is gone, and the client with it.
            let _ = done.await;
        }
    }
}
