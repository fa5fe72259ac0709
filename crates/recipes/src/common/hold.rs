//! Holding something by an ephemeral node, and losing it.

use core::fmt;
use std::future::Future;

use tokio::sync::{oneshot, watch};

use super::{Error, Fence, Result};

/// What the holder of an ephemeral node may believe.
///
/// ```text
///        cut                    session resumed
/// Held ───────► InDoubt ───────────────────────► Held
///   │              │ expired, or no connection for a whole session time-out
///   └──────────────┴─────────────────────────────► Lost
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldState {
    /// The node is there, as far as a connected client knows.
    Held,
    /// The connection is lost. The node stays until the server expires the session, of which this process would learn
    /// only later: stop what must not happen twice, or rely on the fencing token.
    InDoubt,
    /// The node is gone, or must be taken for gone. Final.
    Lost(Loss),
}

/// How something held was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The server expired the session and removed its ephemeral nodes.
    SessionExpired,
    /// The client was closed, or refused for good.
    SessionClosed,
    /// There was no connection for a whole session time-out: the server may have expired the session. If it has not,
    /// the node is deleted as soon as there is a connection.
    Disconnected,
    /// The node was deleted: by somebody, or with the session, of whose end the client learns a moment later.
    NodeDeleted,
    /// It was given back.
    Released,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SessionExpired => "the session expired",
            Self::SessionClosed => "the session was closed",
            Self::Disconnected => "there was no connection for a session time-out",
            Self::NodeDeleted => "the node was deleted",
            Self::Released => "it was given back",
        })
    }
}

/// Something held for as long as an ephemeral node exists: a lock, a lease, leadership.
///
/// [`release`](Self::release) gives it back and waits until the server has agreed; dropping the guard gives it back in
/// the background. Either way the deletion is repeated through connection losses until the server answers or the
/// session is over: a held lock is never left behind by a lost packet.
///
/// A guard may be moved to other tasks and threads and released there.
#[derive(Debug)]
#[must_use = "dropping the guard releases what it holds"]
pub struct Guard {
    path: String,
    fence: Fence,
    state: watch::Receiver<HoldState>,
    revoked: watch::Receiver<bool>,
    release: oneshot::Sender<Release>,
}

/// The request to give back, carrying where to answer. Dropping its sender asks the same without an answer.
pub(crate) type Release = oneshot::Sender<Result<()>>;

/// The other end of a guard, kept by the task that watches over the node.
pub(crate) struct Keeper {
    pub(crate) state: watch::Sender<HoldState>,
    pub(crate) revoked: watch::Sender<bool>,
    pub(crate) release: oneshot::Receiver<Release>,
}

impl Guard {
    /// A guard and its other end.
    pub(crate) fn new(path: String, fence: Fence) -> (Self, Keeper) {
        let (state_sender, state) = watch::channel(HoldState::Held);
        let (revoked_sender, revoked) = watch::channel(false);
        let (release, asked) = oneshot::channel();
        let keeper = Keeper { state: state_sender, revoked: revoked_sender, release: asked };
        (Self { path, fence, state, revoked, release }, keeper)
    }

    /// The node that holds it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The token for the protected resource, see [`Fence`].
    pub const fn fence(&self) -> Fence {
        self.fence
    }

    /// What the holder may believe now.
    pub fn state(&self) -> HoldState {
        current(&self.state)
    }

    /// Whether it is held beyond doubt.
    pub fn is_held(&self) -> bool {
        self.state() == HoldState::Held
    }

    /// Every change of [`state`](Self::state) from now on; a change may be passed over when the next one follows
    /// at once.
    pub fn states(&self) -> HoldStates {
        HoldStates { state: self.state.clone() }
    }

    /// Completes when it is lost, or given back. The future is independent of the guard and may be awaited beside the work.
    pub fn lost(&self) -> impl Future<Output = Loss> + Send + 'static {
        let mut states = self.states();
        async move {
            loop {
                if let HoldState::Lost(loss) = states.current() {
                    return loss;
                }
                states.next().await;
            }
        }
    }

    /// Completes when it is in doubt or lost: the moment to stop what must not be done by two.
    pub fn doubted(&self) -> impl Future<Output = HoldState> + Send + 'static {
        let mut states = self.states();
        async move {
            loop {
                let state = states.current();
                if state != HoldState::Held {
                    return state;
                }
                states.next().await;
            }
        }
    }

    /// Does the work unless what protects it is lost first, in which case the work is dropped at its next await.
    pub async fn protect<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            biased;
            loss = self.lost() => Err(Error::Lost(loss)),
            done = work => Ok(done),
        }
    }

    /// Completes when somebody asks the holder to let go, see [`revoke`](crate::lock::revoke); never if nobody does.
    pub fn revocation(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut revoked = self.revoked.clone();
        async move {
            if revoked.wait_for(|&revoked| revoked).await.is_err() {
                // What is no longer held is not asked for any more.
                std::future::pending().await
            }
        }
    }

    /// Gives it back, and waits until it is done.
    ///
    /// While there is no connection this waits for one, at most until the session is over.
    ///
    /// # Errors
    ///
    /// [`Error::Lost`] when it had been lost before: what was done last was not protected.
    pub async fn release(self) -> Result<()> {
        let Self { state, release, .. } = self;
        let (answer, done) = oneshot::channel();
        if release.send(answer).is_ok()
            && let Ok(result) = done.await
        {
            return result;
        }
        let last = *state.borrow();
        Err(Error::Lost(match last {
            HoldState::Lost(loss) => loss,
            // The watching task ended with its runtime, and the client with it.
            _ => Loss::SessionClosed,
        }))
    }
}

/// The changes of a hold, see [`Guard::states`].
#[derive(Clone, Debug)]
pub struct HoldStates {
    state: watch::Receiver<HoldState>,
}

impl HoldStates {
    /// The state now.
    pub fn current(&self) -> HoldState {
        current(&self.state)
    }

    /// The state after the next change; returns at once when it is already lost.
    pub async fn next(&mut self) -> HoldState {
        // An error says that there will be no further change, which current() tells.
        let _ = self.state.changed().await;
        self.current()
    }
}

fn current(state: &watch::Receiver<HoldState>) -> HoldState {
    let told = *state.borrow();
    match told {
        HoldState::Lost(_) => told,
        // Nobody watches over the node any more: the runtime is gone, and the client with it.
        _ if state.has_changed().is_err() => HoldState::Lost(Loss::SessionClosed),
        _ => told,
    }
}
