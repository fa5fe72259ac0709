//! A contender: one ephemeral node in a queue, from its creation to its removal.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use zabra_client::{Acl, Client, EventType, OneShot, SessionState, StateStream};
use zabra_types::CreateMode;

use super::hold::{Keeper, Release};
use super::node::{Creation, Deleted, Made, delete_for_certain};
use super::path::join;
use super::retry::{Backoff, through_all, through_cuts};
use super::{Error, Fence, Guard, HoldState, Loss, Result, Rule, Verdict};

/// What a holder is asked by whom wants it to let go (Curator's `LockInternals.REVOKE_MESSAGE`).
pub(crate) const REVOKE_MESSAGE: &[u8] = b"__REVOKE__";

/// What to queue up for, and as what.
pub(crate) struct Entry {
    pub(crate) client: Client,
    /// The parent of the contenders.
    pub(crate) dir: String,
    /// A name nobody else has, see [`super::name`]; asked for again when a new node is needed.
    pub(crate) name: Box<dyn Fn() -> String + Send + Sync>,
    pub(crate) data: Bytes,
    /// Open to all if not given.
    pub(crate) acl: Option<Vec<Acl>>,
    pub(crate) mode: CreateMode,
    pub(crate) rule: Rule,
    /// The number of leases, which takes the place of the rule.
    pub(crate) leases: Option<watch::Receiver<usize>>,
    /// The token to hand out if it is not that of the node itself.
    pub(crate) fence: Option<Fence>,
}

/// How long to stand in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// For ever.
    Endless,
    /// At most for this time.
    Within(Duration),
    /// Not at all: only if there is no queue.
    None,
}

/// Queues up and waits for the turn; `None` when patience ends first.
///
/// All that touches the node is done by a task of its own, so that dropping this future at any point leaves no node
/// behind: the task sees that nobody waits, and deletes it.
pub(crate) async fn enter(entry: Entry, patience: Patience) -> Result<Option<Guard>> {
    // No time is enough for a look, as for Curator.
    let patience = if patience == Patience::Within(Duration::ZERO) { Patience::None } else { patience };
    let (grant, granted) = oneshot::channel();
    let contender = Contender { entry, grant, waits: !matches!(patience, Patience::None) };
    tokio::spawn(contender.run());
    let answer = match patience {
        Patience::Endless | Patience::None => granted.await,
        Patience::Within(time) => match tokio::time::timeout(time, granted).await {
            Ok(answer) => answer,
            Err(_) => return Ok(None),
        },
    };
    // The task ends without an answer only when its runtime does.
    answer.unwrap_or(Err(Error::Closed))
}

struct Contender {
    entry: Entry,
    grant: oneshot::Sender<Result<Option<Guard>>>,
    waits: bool,
}

/// How standing in the queue ended.
enum Turn {
    /// It is ours.
    Come(Held),
    /// It is not, and there is no patience or nobody waits any more. The node is deleted.
    Withdrawn,
    /// The session or the node is gone: go to the end of the queue.
    Again,
}

/// A node whose turn has come.
struct Held {
    /// Pinned to the session that owns the node.
    session: Client,
    /// The states of the session since before the turn came.
    states: StateStream,
    node: Made,
}

impl Contender {
    async fn run(mut self) {
        let mut backoff = Backoff::default();
        let held = loop {
            match self.stand().await {
                Ok(Turn::Come(held)) => break held,
                Ok(Turn::Again) => backoff.pause().await,
                Ok(Turn::Withdrawn) => return drop(self.grant.send(Ok(None))),
                Err(error) => return drop(self.grant.send(Err(error))),
            }
        };
        let fence = self.entry.fence.unwrap_or(Fence::from_czxid(held.node.stat.czxid));
        let (guard, keeper) = Guard::new(held.node.path.clone(), fence);
        // If nobody waits any more the guard comes back, is dropped, and so asks for its release.
        drop(self.grant.send(Ok(Some(guard))));
        held.keep(keeper).await;
    }

    /// Stands in the queue with one node in one session.
    async fn stand(&mut self) -> Result<Turn> {
        let session = match self.session().await? {
            Some(session) => session,
            None => return Ok(Turn::Withdrawn),
        };
        if !self.waits && self.is_taken(&session).await? {
            return Ok(Turn::Withdrawn);
        }
        // From here on: what happens to the session before the first look must not be overlooked after it.
        let states = self.entry.client.states();
        let Entry { dir, name, data, acl, mode, .. } = &self.entry;
        let unique = name();
        let creating =
            Creation { client: &session, dir, unique: &unique, data, acl: acl.as_deref(), mode: *mode }
                .begin();
        // Sent at once, done after the creation: without a queue the turn comes with the second reply.
        let glance = session.children(dir).send();
        let node = match creating.finish().await {
            Ok(node) => node,
            Err(error) => return self.again_if_over(error),
        };
        let glance = glance.await.ok().filter(|children| children.contains(&node.name));
        match self.wait_for_turn(&session, &node, states, glance).await {
            Ok(Some(states)) => Ok(Turn::Come(Held { session, states, node })),
            Ok(None) => {
                delete_in_background(session, node.path);
                Ok(Turn::Withdrawn)
            }
            Err(Interrupted::NodeGone) => Ok(Turn::Again),
            Err(Interrupted::Failed(error)) => {
                delete_in_background(session, node.path);
                self.again_if_over(error)
            }
        }
    }

    /// Whether a newcomer would have to wait, as far as the server knows: asked before by those who would not.
    async fn is_taken(&self, session: &Client) -> Result<bool> {
        let children = match through_cuts(|| session.children(&self.entry.dir)).await {
            Err(error) if error.is_no_node() || error.is_session_over() => return Ok(false),
            children => children?,
        };
        let leases = self.entry.leases.as_ref().map(|leases| Rule::AtMost(*leases.borrow()));
        Ok(leases.unwrap_or(self.entry.rule).keeps_out(&children))
    }

    /// A view of the client that ends with its present session; `None` when nobody waits any more.
    async fn session(&mut self) -> Result<Option<Client>> {
        let mut states = self.entry.client.states();
        let mut state = self.entry.client.state();
        loop {
            match state {
                SessionState::Closed | SessionState::AuthFailed => return Err(Error::Closed),
                SessionState::Expired if !self.entry.client.renews_expired() => return Err(Error::Closed),
                SessionState::Expired => {}
                _ => return Ok(Some(self.entry.client.pinned())),
            }
            state = tokio::select! {
                next = states.next() => next.unwrap_or(SessionState::Closed),
                () = self.grant.closed() => return Ok(None),
            };
        }
    }

    fn again_if_over(&self, error: zabra_client::Error) -> Result<Turn> {
        // A client that is closed for good is noticed by session().
        if error.is_session_over() { Ok(Turn::Again) } else { Err(error.into()) }
    }

    /// Waits until the rule grants the node its turn; `None` to withdraw.
    async fn wait_for_turn(
        &mut self,
        session: &Client,
        node: &Made,
        mut states: StateStream,
        mut glance: Option<Vec<String>>,
    ) -> Result<Option<StateStream>, Interrupted> {
        loop {
            let changed = match self.look(session, &node.name, glance.take()).await? {
                Look::Granted => return Ok(Some(states)),
                Look::Changed => None,
                Look::Wait(changed) => Some(changed),
            };
            // As for the first look.
            states = self.entry.client.states();
            let Some(changed) = changed else { continue };
            if !self.waits {
                return Ok(None);
            }
            tokio::select! {
                _ = changed => {}
                () = more_leases(&mut self.entry.leases) => {}
                () = self.grant.closed() => return Ok(None),
            }
        }
    }

    /// Looks at the queue, at which somebody may have glanced just now, and leaves a watch on what stands in the way.
    async fn look(
        &mut self,
        session: &Client,
        own: &str,
        glance: Option<Vec<String>>,
    ) -> Result<Look, Interrupted> {
        let dir = &self.entry.dir;
        let leases = self.entry.leases.as_mut().map(|leases| *leases.borrow_and_update());
        let rule = leases.map_or(self.entry.rule, Rule::AtMost);
        let (children, changed) = match (glance, rule) {
            (Some(children), Rule::AtMost(leases)) if children.len() <= leases => (children, None),
            (_, Rule::AtMost(_)) => {
                let (children, changed) = through_all(|| session.children(dir).watch()).await?;
                (children, Some(changed))
            }
            (Some(children), _) => (children, None),
            (None, _) => (through_all(|| session.children(dir)).await?, None),
        };
        match rule.judge(own, children) {
            Verdict::Granted => Ok(Look::Granted),
            Verdict::Missing => Err(Interrupted::NodeGone),
            Verdict::Crowded => Ok(changed.map_or(Look::Changed, Look::Wait)),
            Verdict::Behind(other) => {
                // A get and not an exists: it leaves no watch behind when the node is gone.
                match through_all(|| session.get(join(dir, &other)).watch()).await {
                    Ok((_, changed)) => Ok(Look::Wait(changed)),
                    Err(error) if error.is_no_node() => Ok(Look::Changed),
                    Err(error) => Err(error.into()),
                }
            }
        }
    }
}

/// What a look at the queue came to.
enum Look {
    Granted,
    /// Not our turn; the watch fires when it may be.
    Wait(OneShot),
    /// What stood in the way went while we looked.
    Changed,
}

/// Why waiting came to an end without a turn.
enum Interrupted {
    NodeGone,
    Failed(zabra_client::Error),
}

impl From<zabra_client::Error> for Interrupted {
    fn from(error: zabra_client::Error) -> Self {
        // Without its parent the node is gone as well.
        if error.is_no_node() { Self::NodeGone } else { Self::Failed(error) }
    }
}

/// Completes when the number of leases has changed; never if it is fixed.
async fn more_leases(leases: &mut Option<watch::Receiver<usize>>) {
    if let Some(leases) = leases
        && leases.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

fn delete_in_background(session: Client, path: String) {
    tokio::spawn(async move {
        if let Err(error) = delete_for_certain(&session, &path).await
            && !error.is_session_over()
        {
            tracing::warn!(%path, %error, "a node stays until its session ends");
        }
    });
}

impl Held {
    /// Watches over the node until it is given back or lost.
    async fn keep(mut self, keeper: Keeper) {
        let Keeper { state, revoked, mut release } = keeper;
        let end = self.wait_for_end(&state, &revoked, &mut release).await;
        let Self { session, node, .. } = self;
        match end {
            End::Lost(loss) => {
                state.send_replace(HoldState::Lost(loss));
                if loss == Loss::Disconnected {
                    delete_in_background(session, node.path);
                }
            }
            End::Asked(answer) => {
                state.send_replace(HoldState::Lost(Loss::Released));
                let result = match delete_for_certain(&session, &node.path).await {
                    Ok(Deleted::ByUs) => Ok(()),
                    Ok(Deleted::Before) => Err(Error::Lost(Loss::NodeDeleted)),
                    Err(error) if error.is_session_over() => Err(Error::Lost(loss_of(&error))),
                    Err(error) => Err(error.into()),
                };
                match answer {
                    Some(answer) => drop(answer.send(result)),
                    None => result.unwrap_or_else(|error| {
                        tracing::debug!(path = %node.path, %error, "released in the background");
                    }),
                }
            }
        }
    }

    async fn wait_for_end(
        &mut self,
        state: &watch::Sender<HoldState>,
        revoked: &watch::Sender<bool>,
        release: &mut oneshot::Receiver<Release>,
    ) -> End {
        let Self { session, states, node } = self;
        let mut gone = pin!(watch_node(session, &node.path, revoked));
        let mut give_up = None;
        loop {
            let deadline = give_up;
            tokio::select! {
                asked = &mut *release => return End::Asked(asked.ok()),
                loss = &mut gone => return End::Lost(loss),
                next = states.next() => match next {
                    Some(SessionState::Connected) => {
                        give_up = None;
                        state.send_replace(HoldState::Held);
                    }
                    // A server without its ensemble cannot tell whether the session still counts.
                    Some(SessionState::Disconnected | SessionState::ConnectedReadOnly) => {
                        give_up.get_or_insert_with(|| Instant::now() + session.session_timeout());
                        state.send_replace(HoldState::InDoubt);
                    }
                    Some(SessionState::Expired) => return End::Lost(Loss::SessionExpired),
                    Some(SessionState::AuthFailed | SessionState::Closed) | None => {
                        return End::Lost(Loss::SessionClosed);
                    }
                    Some(_) => {}
                },
                () = at(deadline) => return End::Lost(Loss::Disconnected),
            }
        }
    }
}

/// How holding ends.
enum End {
    Lost(Loss),
    /// The guard was released, with where to answer, or dropped.
    Asked(Option<Release>),
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

const fn loss_of(error: &zabra_client::Error) -> Loss {
    match error {
        zabra_client::Error::SessionClosed { .. } | zabra_client::Error::AuthFailed { .. } => {
            Loss::SessionClosed
        }
        _ => Loss::SessionExpired,
    }
}

/// Watches the own node: returns when it is gone, and says when its data asks to let go.
async fn watch_node(session: &Client, path: &str, revoked: &watch::Sender<bool>) -> Loss {
    loop {
        match through_all(|| session.get(path).watch()).await {
            Ok(((data, _), changed)) => {
                revoked.send_if_modified(|revoked| {
                    !std::mem::replace(revoked, data == REVOKE_MESSAGE) && *revoked
                });
                if changed.await.kind == EventType::NodeDeleted {
                    return Loss::NodeDeleted;
                }
            }
            Err(error) if error.is_no_node() => return Loss::NodeDeleted,
            Err(error) if error.is_session_over() => return loss_of(&error),
            Err(error) => {
                // Without the right to read its own node the holder learns of the session's end only.
                tracing::warn!(%path, %error, "the node of a holder cannot be watched");
                std::future::pending().await
            }
        }
    }
}
