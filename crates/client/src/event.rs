//! What a client is told without having asked: events of watches and the states of its session.

use zabra_types::{EventType as NodeEventType, SessionId, SessionPassword, Zxid};

/// How the session stands. Mirrors `Watcher.Event.KeeperState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionState {
    /// No server at the moment; the session may still be alive, and requests wait.
    Disconnected,
    /// A server answers reads and writes.
    Connected,
    /// A server that has lost its ensemble answers reads.
    ConnectedReadOnly,
    /// The server has accepted a SASL authentication. Reported once; the session goes on being connected.
    SaslAuthenticated,
    /// A server refused an authentication. The session is over.
    AuthFailed,
    /// The session is over and its ephemeral nodes are gone or going.
    Expired,
    /// The client was closed.
    Closed,
}

impl SessionState {
    /// Whether a server answers at least reads.
    pub const fn is_connected(self) -> bool {
        matches!(self, Self::Connected | Self::ConnectedReadOnly | Self::SaslAuthenticated)
    }

    /// Whether the session is over. A client that renews expired sessions goes on with another.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::AuthFailed | Self::Expired | Self::Closed)
    }

    /// The name Java clients show.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Disconnected => "Disconnected",
            Self::Connected => "SyncConnected",
            Self::ConnectedReadOnly => "ConnectedReadOnly",
            Self::SaslAuthenticated => "SaslAuthenticated",
            Self::AuthFailed => "AuthFailed",
            Self::Expired => "Expired",
            Self::Closed => "Closed",
        }
    }
}

/// What happened to a watched node, or to the watch itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventType {
    /// It was created.
    NodeCreated,
    /// It was deleted.
    NodeDeleted,
    /// Its data was set.
    NodeDataChanged,
    /// A child was created or deleted.
    NodeChildrenChanged,
    /// The watch was removed by `remove_watches`; nothing more will come.
    Removed,
    /// The session ended, and the watch with it; nothing more will come.
    Session(SessionState),
}

impl EventType {
    /// The name Java clients show; they tell of sessions by the type `None`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NodeCreated => NodeEventType::NodeCreated.name(),
            Self::NodeDeleted => NodeEventType::NodeDeleted.name(),
            Self::NodeDataChanged => NodeEventType::NodeDataChanged.name(),
            Self::NodeChildrenChanged => NodeEventType::NodeChildrenChanged.name(),
            Self::Removed => "WatchRemoved",
            Self::Session(_) => "None",
        }
    }

    /// Whether the watch is gone and nothing more will come of it, of whatever kind it was.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Removed | Self::Session(_))
    }
}

impl From<NodeEventType> for EventType {
    fn from(sent: NodeEventType) -> Self {
        match sent {
            NodeEventType::NodeCreated => Self::NodeCreated,
            NodeEventType::NodeDeleted => Self::NodeDeleted,
            NodeEventType::NodeDataChanged => Self::NodeDataChanged,
            NodeEventType::NodeChildrenChanged => Self::NodeChildrenChanged,
        }
    }
}

/// A watch has fired, or ended. Mirrors `WatchedEvent`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchEvent {
    /// What happened.
    pub kind: EventType,
    /// The node it happened to, as the view that set the watch names it; for an end of the watch, the watched node.
    pub path: String,
    /// The transaction that caused it; `None` from servers before 3.9, for what happened while the client was
    /// disconnected, and for the end of a watch.
    pub zxid: Option<Zxid>,
    /// How the session stood when the event arrived.
    pub state: SessionState,
}

impl WatchEvent {
    /// The event that tells a watcher of `path` that there will be no other.
    pub(crate) fn end(path: &str, kind: EventType, state: SessionState) -> Self {
        Self { kind, path: path.to_owned(), zxid: None, state }
    }
}

/// What continues a session in another process: see `Client::ticket` and `ClientBuilder::session`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTicket {
    /// The session.
    pub id: SessionId,
    /// What the servers ask for to continue it. It can be computed from the id, so it protects nothing.
    pub password: SessionPassword,
}
