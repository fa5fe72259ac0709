//! The session itself: who it is, how long it lasts, what it has seen.

use crate::core::call::{CallId, Incarnation};
use crate::core::calls::Wire;
use crate::core::io::{CoreOptions, Credentials};
use crate::event::SessionTicket;
use std::collections::VecDeque;
use std::time::Duration;
use zabra_proto::{ConnectRequest, ConnectResponse, OpCode, Request};
use zabra_types::{Now, SessionId, SessionPassword, Xid, Zxid};

/// Before a ping is due by the session time-out, in case its answer takes its time. As the genuine client.
const PING_MARGIN: Duration = Duration::from_secs(1);
/// The longest silence towards the server. As the genuine client.
const PING_INTERVAL_MAX: Duration = Duration::from_secs(10);

/// A session, or the wish for one.
#[derive(Debug)]
pub(crate) struct Session {
    ticket: SessionTicket,
    /// Negotiated; before that, as asked for.
    timeout: Duration,
    /// What is asked for in each handshake.
    asked: Duration,
    pub(crate) incarnation: Incarnation,
    /// The ticket came from the caller and no server has accepted it yet.
    foreign: bool,
    /// No server that writes has seen the session. Such a session is known to one read-only server only, and no other
    /// would accept it.
    local: bool,
    read_only: bool,
    /// When a server was last there.
    heard: Now,
    /// The highest zxid of a reply: what set-again watches are compared with. Events do not count: of two events of
    /// one transaction, the second may have been lost with the connection. Nor do replies that come before all watches
    /// are set again.
    replied: Zxid,
    /// The highest zxid seen at all: a server behind it is of no use.
    seen: Zxid,
}

const NO_TICKET: SessionTicket = SessionTicket { id: SessionId::NONE, password: SessionPassword::ZERO };

impl Session {
    pub(crate) fn new(options: &CoreOptions, now: Now) -> Self {
        // No more than a handshake can say.
        let asked = options.session_timeout.min(Duration::from_millis(i32::MAX as u64));
        Self {
            ticket: options.ticket.unwrap_or(NO_TICKET),
            timeout: asked,
            asked,
            incarnation: Incarnation::default(),
            foreign: options.ticket.is_some(),
            local: options.ticket.is_none(),
            read_only: options.read_only,
            heard: now,
            replied: Zxid::ZERO,
            seen: Zxid::ZERO,
        }
    }

    pub(crate) const fn ticket(&self) -> SessionTicket {
        self.ticket
    }

    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) const fn replied(&self) -> Zxid {
        self.replied
    }

    /// Whether there is none yet.
    pub(crate) fn is_none(&self) -> bool {
        self.ticket.id == SessionId::NONE
    }

    /// Whether the session came from the caller and may be of the past.
    pub(crate) const fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// Silence after which a connection is given up.
    pub(crate) fn read_timeout(&self) -> Duration {
        self.timeout * 2 / 3
    }

    /// Silence of ours after which a ping is due.
    pub(crate) fn ping_interval(&self) -> Duration {
        let third = self.timeout / 3;
        let early = if third > 2 * PING_MARGIN { third - PING_MARGIN } else { third };
        early.min(PING_INTERVAL_MAX)
    }

    /// When the session counts as over, should no server be heard of before. As the genuine client, a third later than
    /// the servers would say so.
    pub(crate) fn expiry(&self) -> Option<Now> {
        (!self.is_none()).then(|| self.heard + self.timeout * 4 / 3)
    }

    /// A server was there.
    pub(crate) fn heard(&mut self, now: Now) {
        self.heard = now;
    }

    /// A reply said how far its server is.
    pub(crate) fn replied_at(&mut self, zxid: Zxid) {
        self.replied = self.replied.max(zxid);
        self.seen_at(zxid);
    }

    /// An event said how far its server is.
    pub(crate) fn seen_at(&mut self, zxid: Zxid) {
        self.seen = self.seen.max(zxid);
    }

    /// Asks a server for the session, or for one.
    pub(crate) fn greet(&self, wire: &mut Wire) {
        let ticket = if self.local { NO_TICKET } else { self.ticket };
        let request = ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: self.seen,
            timeout_ms: i32::try_from(self.asked.as_millis()).unwrap_or(i32::MAX),
            session: ticket.id,
            password: Some(ticket.password.as_bytes()),
            read_only: Some(self.read_only),
        };
        wire.bare_frame(|out| request.encode(out));
    }

    /// A server took the session, or gave one.
    pub(crate) fn accepted(&mut self, response: &ConnectResponse) {
        if !self.is_none() && response.session != self.ticket.id {
            self.incarnation.0 += 1;
        }
        self.ticket = SessionTicket { id: response.session, password: response.password };
        self.timeout = Duration::from_millis(u64::try_from(response.timeout_ms).unwrap_or(0));
        self.foreign = false;
        self.local &= response.read_only == Some(true);
    }

    /// The session is over and another is wanted. It begins with nothing seen, so that servers that have been given a
    /// new history are not refused for ever.
    pub(crate) fn renew(&mut self) {
        self.end();
        self.foreign = false;
        self.local = true;
        self.timeout = self.asked;
        (self.replied, self.seen) = (Zxid::ZERO, Zxid::ZERO);
    }

    /// The session is over.
    pub(crate) fn end(&mut self) {
        self.ticket = NO_TICKET;
        self.incarnation.0 += 1;
    }
}

/// The credentials, shown anew to every server.
#[derive(Debug)]
pub(crate) struct Auth {
    known: Vec<Credentials>,
    /// Answers to come on this connection, in order; with those who wait for them.
    asked: VecDeque<Option<CallId>>,
    /// Those who wait for a connection that is shown everything.
    waiting: VecDeque<CallId>,
}

impl Auth {
    pub(crate) const fn new(known: Vec<Credentials>) -> Self {
        Self { known, asked: VecDeque::new(), waiting: VecDeque::new() }
    }

    /// Keeps credentials, and shows them now if there is a connection.
    pub(crate) fn add(&mut self, credentials: Credentials, waiter: CallId, wire: Option<&mut Wire>) {
        match wire {
            Some(wire) => {
                show(&credentials, wire);
                self.asked.push_back(Some(waiter));
            }
            None => self.waiting.push_back(waiter),
        }
        if !self.known.contains(&credentials) {
            self.known.push(credentials);
        }
    }

    /// Shows everything on a new connection.
    pub(crate) fn show_all(&mut self, wire: &mut Wire) {
        for credentials in &self.known {
            show(credentials, wire);
        }
        self.asked = std::iter::repeat_n(None, self.known.len()).collect();
    }

    /// An answer that accepts has come. Returns who waited for it; those who came before the connection wait until all
    /// is shown.
    pub(crate) fn accepted(&mut self) -> Vec<CallId> {
        let waiter = self.asked.pop_front().flatten();
        let shown_all = self.asked.iter().all(Option::is_some);
        let earlier = if shown_all { std::mem::take(&mut self.waiting) } else { VecDeque::new() };
        earlier.into_iter().chain(waiter).collect()
    }

    /// The connection is gone; who waited waits for the next.
    pub(crate) fn disconnected(&mut self) {
        for waiter in self.asked.drain(..).rev().flatten() {
            self.waiting.push_front(waiter);
        }
    }

    /// Whoever waits, at the end.
    pub(crate) fn end(&mut self) -> impl Iterator<Item = CallId> {
        let asked = std::mem::take(&mut self.asked).into_iter().flatten();
        asked.chain(std::mem::take(&mut self.waiting))
    }
}

fn show(credentials: &Credentials, wire: &mut Wire) {
    let auth =
        zabra_proto::Auth { scheme: Some(credentials.scheme.as_str().into()), auth: Some(&credentials.auth) };
    wire.frame(Xid::AUTH, OpCode::Auth, |out| Request::Auth(auth).encode(out));
}
