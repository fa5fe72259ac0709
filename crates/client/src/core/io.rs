//! What the core is told and what it asks for.

use crate::core::call::{Call, CallId, Failure, Incarnation, Reply};
use crate::core::hosts::Host;
use crate::core::watches::{Told, WatcherId};
use crate::event::{SessionState, SessionTicket};
use crate::sasl::SaslMechanism;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What a client is made with.
#[derive(Clone, Debug)]
pub(crate) struct CoreOptions {
    /// The session time-out asked for.
    pub(crate) session_timeout: Duration,
    /// How long one server may take for each step of a connection; a fair part of the session time-out when `None`.
    pub(crate) connect_timeout: Option<Duration>,
    /// How long a request may wait for a connection; until the session is over when `None`.
    pub(crate) connect_within: Option<Duration>,
    /// Whether a read-only server will do.
    pub(crate) read_only: bool,
    /// Whether a session that is over is followed by another.
    pub(crate) renew_expired: bool,
    /// Whether one-shot watches are set again on a new connection.
    pub(crate) reset_watches: bool,
    /// Whether servers are tried in an order of this client's own.
    pub(crate) shuffle: bool,
    /// The longest request, in bytes.
    pub(crate) packet_len_max: usize,
    /// A session to go on with.
    pub(crate) ticket: Option<SessionTicket>,
    /// Credentials to show to every server.
    pub(crate) auth: Vec<Credentials>,
    /// How to prove an identity before anything is asked of a server.
    pub(crate) sasl: Option<Arc<dyn SaslMechanism>>,
}

/// What proves an identity.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) scheme: String,
    pub(crate) auth: Vec<u8>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What proves an identity must not end in a log.
        write!(f, "Credentials({})", self.scheme)
    }
}

/// What the core is told, beside bytes and the passing of time.
#[derive(Debug)]
pub(crate) enum Input {
    /// A request.
    Submit(Call),
    /// Credentials to show to the present server and all later ones.
    AddAuth(CallId, Credentials),
    /// Nobody listens to this watcher any more.
    RemoveWatcher(WatcherId),
    /// Other servers.
    UpdateServers(Vec<Host>),
    /// End the session, after all requests before; nobody waits when `None`.
    Close(Option<CallId>),
    /// Let go of the session without ending it, after all requests before.
    Detach(CallId),
    /// The addresses of a name asked for by [`Output::Resolve`]; empty when there are none.
    Resolved(Vec<SocketAddr>),
    /// Whether the connection asked for by [`Output::Dial`] is there.
    Dialled(bool),
    /// The connection is gone, by itself or after [`Output::Hangup`].
    Closed {
        /// How many bytes of this connection the system took.
        written: u64,
    },
    /// Whether the server asked by [`Output::Probe`] reads and writes.
    Probed(bool),
}

/// What the driver is to do, in order. A new [`Output::Resolve`], [`Output::Dial`] or [`Output::Hangup`] makes the one
/// before pointless. Bytes to send are in [`super::Core::take_outbox`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Find the addresses of a name; answer with [`Input::Resolved`].
    Resolve(Host),
    /// Connect; answer with [`Input::Dialled`].
    Dial(Host, SocketAddr),
    /// Drop the connection, or the attempt; when there was a connection, answer with [`Input::Closed`] at once.
    Hangup,
    /// Ask a server whether it is read-only (`isro`), beside the connection; answer with [`Input::Probed`].
    Probe(Host),
    /// A request has its outcome.
    Done(CallId, Result<Reply, Failure>),
    /// A watcher is to be told something.
    Event(WatcherId, Told),
    /// A watcher will never be told anything again.
    Unwatched(WatcherId),
    /// The session or its state changed.
    Status(Status),
    /// Something stands in the way; for people.
    Obstacle(String),
    /// Nothing will ever be asked for again.
    Ended,
}

/// What users may know of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) state: SessionState,
    pub(crate) ticket: SessionTicket,
    /// The time-out the server agreed to; the one asked for before that.
    pub(crate) timeout: Duration,
    pub(crate) incarnation: Incarnation,
    pub(crate) server: Option<SocketAddr>,
}
