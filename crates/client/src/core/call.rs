//! What goes into the core and what comes out, per request.

use crate::core::watches::{WatchKind, WatcherId};
use bytes::Bytes;
use std::time::Duration;
use zabra_proto::OpCode;
use zabra_types::{WatcherType, Zxid};

/// A request's number within one client. Given by the driver, growing by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallId(pub(crate) u64);

/// How often the session has been replaced by another: what a pinned view remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Incarnation(pub(crate) u64);

/// A request that is to be sent as soon as there is a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    /// Comes back with the outcome.
    pub(crate) id: CallId,
    /// The operation.
    pub(crate) op: OpCode,
    /// The encoded record, without header and frame.
    pub(crate) body: Vec<u8>,
    /// What the reply does to the watches.
    pub(crate) effect: WatchEffect,
    /// The session outside of which the request makes no sense.
    pub(crate) pinned: Option<Incarnation>,
}

/// What a good reply does to the watches the client keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum WatchEffect {
    /// Nothing.
    #[default]
    None,
    /// Somebody watches from then on.
    Add(Box<WatchAsk>),
    /// Nobody watches any more, as the server removed the watches of a type.
    Remove(Box<WatchRemoval>),
}

/// A watch that a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WatchAsk {
    /// Who is told.
    pub(crate) watcher: WatcherId,
    /// The node, as the server names it (with chroot).
    pub(crate) path: String,
    /// What is watched.
    pub(crate) kind: WatchKind,
}

/// Watches whose removal a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WatchRemoval {
    /// The node, as the server names it (with chroot).
    pub(crate) path: String,
    /// Which of its watches.
    pub(crate) watches: WatcherType,
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The last transaction the server had processed.
    pub(crate) zxid: Zxid,
    /// 0, or the code of a `KeeperError`.
    pub(crate) err: i32,
    /// The record behind the header; usually empty when `err` is not 0.
    pub(crate) body: Bytes,
}

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection broke.
    ConnectionLost {
        /// Whether all of the request had been handed to the system: then nobody knows whether it was executed.
        sent: bool,
    },
    /// The session ended before the request was sent.
    SessionExpired,
    /// The client was closed before the request was sent.
    SessionClosed,
    /// The server refused the credentials; this client is over.
    AuthFailed,
    /// The request is longer than the packet limit; it was not sent.
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// The longest allowed.
        max: usize,
    },
    /// Too many requests wait for their answers; it was not sent.
    Overloaded {
        /// The most allowed.
        max: usize,
    },
    /// No server could be reached in the time the options allow; the request was not sent.
    NotConnected {
        /// That time.
        within: Duration,
    },
}
