//! Nodes that are kept in place: created again when they are deleted or their session is lost.
//!
//! ```no_run
//! # async fn example(client: &zabra_client::Client) -> zabra_recipes::Result<()> {
//! use zabra_recipes::persistent::PersistentNode;
//!
//! let node = PersistentNode::builder(client, "/workers/7", "10.0.0.7:9000").create().await?;
//! node.set_data("10.0.0.7:9001").await?;
//! node.close().await?; // deletes it
//! # Ok(())
//! # }
//! ```
//!
//! # Guarantees
//!
//! - While this process is connected the node is there, but for the moment between its end and its return: whoever
//!   watches it may see it go and come.
//! - It has the data that was set here last. Data that others set is left alone until it is set here again or the node
//!   has to be created again.
//! - An ephemeral node that another session owns is not touched: this one takes its place when it goes
//!   ([`NodeState::Waiting`]). [`take_over`](PersistentNodeBuilder::take_over) removes it instead, once.
//!
//! # Connection loss
//!
//! The node stays until the server expires the session, of which nobody knows here: [`NodeState::InDoubt`].
//!
//! # Session expiry
//!
//! An ephemeral node is gone, and created again in the next session of the client, under the same path (a sequential one
//! keeps its number). If the client is not to renew its session, or is closed, the state becomes [`NodeState::Closed`].

mod keeper;
mod ttl;

use bytes::Bytes;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use zabra_client::{Acl, Client, CreateMode, Error as ClientError};
use zabra_types::validate_path;

use crate::common::{Error, Result, name};
use keeper::{Command, Keeper};

pub use ttl::{PersistentTtlNode, PersistentTtlNodeBuilder};

/// How many commands may wait for the keeper; whoever gives one more waits.
const COMMANDS_MAX: usize = 16;

/// A node that is kept in place. Mirrors Curator's `PersistentNode`; see the [module](self) for what it guarantees.
///
/// [`close`](Self::close) deletes the node and waits until it is done. Dropping it does the same in the background.
#[derive(Debug)]
#[must_use = "the node is deleted when this is dropped"]
pub struct PersistentNode {
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<NodeState>,
    data: watch::Receiver<Bytes>,
    /// Whether it is gone when the client is.
    is_ephemeral: bool,
}

/// How a kept node stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeState {
    /// It is not there, and about to be created: at first, after a deletion, in a new session.
    Absent,
    /// It is there.
    InPlace {
        /// Where: the path with its number, if it has one.
        path: String,
        /// The transaction that created it: another one each time it had to be created again.
        czxid: i64,
    },
    /// The connection is lost. It was there when last seen.
    InDoubt {
        /// Where.
        path: String,
    },
    /// Another session owns an ephemeral node at the path; this one is created when that is gone.
    Waiting {
        /// Where.
        path: String,
    },
    /// The server refuses it, for this reason. It is tried again every few seconds.
    Refused(ClientError),
    /// It is not kept any more: closed here, or the client is over.
    Closed,
}

/// What is to be kept, and how. Made by [`PersistentNode::builder`].
#[derive(Clone, Debug)]
#[must_use = "the node is kept after start() or create()"]
pub struct PersistentNodeBuilder {
    client: Client,
    spec: Spec,
    protected: bool,
}

/// What the node is to be.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) path: String,
    pub(crate) data: Bytes,
    pub(crate) mode: CreateMode,
    pub(crate) ttl: Option<Duration>,
    pub(crate) acl: Option<Vec<Acl>>,
    pub(crate) parents: bool,
    pub(crate) take_over: bool,
    /// No other node's name begins as this one's, so a sequential one can be found again without protection.
    pub(crate) unique: bool,
    /// Whether it is deleted at the end.
    pub(crate) delete: bool,
}

impl PersistentNode {
    /// A node at this path with this data: ephemeral, its parents created as containers, unless the builder is told
    /// otherwise.
    pub fn builder(
        client: &Client,
        path: impl Into<String>,
        data: impl Into<Bytes>,
    ) -> PersistentNodeBuilder {
        let spec = Spec {
            path: path.into(),
            data: data.into(),
            mode: CreateMode::Ephemeral,
            ttl: None,
            acl: None,
            parents: true,
            take_over: false,
            unique: false,
            delete: true,
        };
        PersistentNodeBuilder { client: client.clone(), spec, protected: false }
    }

    /// How it stands now.
    pub fn state(&self) -> NodeState {
        self.state.borrow().clone()
    }

    /// The changes of [`state`](Self::state) from now on.
    pub fn states(&self) -> NodeStates {
        NodeStates { state: self.state.clone() }
    }

    /// Calls back with the state as it is and after every change, on a task of its own, until the node is kept no longer
    /// ([`NodeState::Closed`] is the last). A change may be passed over when the next follows at once.
    pub fn on_change(&self, mut told: impl FnMut(NodeState) + Send + 'static) {
        let mut states = self.states();
        tokio::spawn(async move {
            let mut state = states.current();
            while state != NodeState::Closed {
                told(state);
                state = states.next().await;
            }
            told(state);
        });
    }

    /// Where the node is, when it is in place or was when last seen.
    pub fn path(&self) -> Option<String> {
        match &*self.state.borrow() {
            NodeState::InPlace { path, .. } | NodeState::InDoubt { path } => Some(path.clone()),
            _ => None,
        }
    }

    /// Waits until the node is in place, however long it takes; its path.
    ///
    /// # Errors
    ///
    /// The server refuses it (it is tried again all the same), or it was closed.
    pub async fn in_place(&self) -> Result<String> {
        let mut states = self.states();
        loop {
            match states.current() {
                NodeState::InPlace { path, .. } => return Ok(path),
                NodeState::Refused(error) => return Err(Error::Client(error)),
                NodeState::Closed => return Err(Error::Closed),
                NodeState::Absent | NodeState::InDoubt { .. } | NodeState::Waiting { .. } => {}
            }
            states.next().await;
        }
    }

    /// The data it has, or is to have as soon as it can be written.
    pub fn data(&self) -> Bytes {
        self.data.borrow().clone()
    }

    /// Sets the data and waits until the server has it, through connection loss and session expiry. When the future is
    /// dropped the data is written all the same.
    ///
    /// # Errors
    ///
    /// The server refuses the data (it is kept for the next creation), or the node was closed.
    pub async fn set_data(&self, data: impl Into<Bytes>) -> Result<()> {
        let (answer, written) = oneshot::channel();
        self.commands.send(Command::Set(data.into(), answer)).await.map_err(|_| Error::Closed)?;
        written.await.map_err(|_| Error::Closed)?
    }

    /// Deletes the node and waits until it is gone.
    ///
    /// # Errors
    ///
    /// The server refuses the deletion, or the client is over before it could be made; an ephemeral node ends with its
    /// session then.
    pub async fn close(self) -> Result<()> {
        let (answer, closed) = oneshot::channel();
        // What cannot be asked any more, nobody does: the client is over.
        let asked = self.commands.send(Command::Close(answer)).await.is_ok();
        match closed.await {
            Ok(result) if asked => result,
            _ if self.is_ephemeral => Ok(()),
            _ => Err(Error::Closed),
        }
    }

    /// Keeps the node no longer, but leaves it where it is.
    pub async fn leave(self) {
        let (answer, left) = oneshot::channel();
        if self.commands.send(Command::Leave(answer)).await.is_ok() {
            // An error says that it is not kept any more either.
            let _ = left.await;
        }
    }
}

/// The changes of a kept node, see [`PersistentNode::states`].
#[derive(Clone, Debug)]
pub struct NodeStates {
    state: watch::Receiver<NodeState>,
}

impl NodeStates {
    /// The state now.
    pub fn current(&self) -> NodeState {
        if self.state.has_changed().is_err() {
            return NodeState::Closed;
        }
        self.state.borrow().clone()
    }

    /// The state after the next change; a change may be passed over when the next follows at once.
    pub async fn next(&mut self) -> NodeState {
        // An error says that there will be no further change, which current() tells.
        let _ = self.state.changed().await;
        self.current()
    }
}

impl PersistentNodeBuilder {
    /// The kind of node. All modes can be kept; one with a time to live needs [`ttl`](Self::ttl) too, and is not
    /// refreshed: see [`PersistentTtlNode`].
    pub fn mode(mut self, mode: CreateMode) -> Self {
        self.spec.mode = mode;
        self
    }

    /// The time to live of a node that has one.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.spec.ttl = Some(ttl);
        self
    }

    /// The access control list; everybody may do everything without.
    pub fn acl(mut self, acl: impl IntoIterator<Item = Acl>) -> Self {
        self.spec.acl = Some(acl.into_iter().collect());
        self
    }

    /// Marks the name with `_c_`, a GUID and `-`, as Curator's protection does. Advisable for sequential nodes: without,
    /// a creation whose answer is lost leaves a second node, an ephemeral one until the session ends.
    pub fn protected(mut self) -> Self {
        self.protected = true;
        self
    }

    /// Does not create missing parents: the node is refused without them.
    pub fn without_parents(mut self) -> Self {
        self.spec.parents = false;
        self
    }

    /// An ephemeral node of another session that is found at the path at first is deleted, rather than waited for: it
    /// belongs to a process that was here before. Once this node was in place, others are waited for, so that two that
    /// take over from one another do not do so for ever.
    pub fn take_over(mut self) -> Self {
        self.spec.take_over = true;
        self
    }

    pub(crate) fn unique(mut self) -> Self {
        self.spec.unique = true;
        self
    }

    pub(crate) fn without_deletion(mut self) -> Self {
        self.spec.delete = false;
        self
    }

    /// Starts keeping the node; it is created in the background. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`Error::BadPath`]; [`Error::BadArgument`] for a time to live that is missing, or given to a mode without.
    pub fn start(self) -> Result<PersistentNode> {
        let Self { client, mut spec, protected } = self;
        let digits = if spec.mode.is_sequential() { "0" } else { "" };
        validate_path(&format!("{}{digits}", spec.path))
            .map_err(|source| Error::BadPath { path: spec.path.clone(), source })?;
        if spec.mode.is_ttl() != spec.ttl.is_some() {
            return Err(Error::BadArgument("a time to live goes with a mode that has one"));
        }
        if protected && let Some((parent, base)) = spec.path.rsplit_once('/') {
            // The mark is made here and not by each creation: the keeper looks for it after any of them.
            spec.path = format!("{parent}/{}", name::protected(base));
            spec.unique = true;
        }
        let is_ephemeral = spec.mode.is_ephemeral();
        let (commands, asked) = mpsc::channel(COMMANDS_MAX);
        let (state_sender, state) = watch::channel(NodeState::Absent);
        let (data_sender, data) = watch::channel(spec.data.clone());
        tokio::spawn(Keeper::new(client, spec, asked, state_sender, data_sender).run());
        Ok(PersistentNode { commands, state, data, is_ephemeral })
    }

    /// Starts keeping the node and waits until it is in place.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); [`Error::Client`] when the server refuses it, which is then not kept.
    pub async fn create(self) -> Result<PersistentNode> {
        let node = self.start()?;
        node.in_place().await?;
        Ok(node)
    }
}
