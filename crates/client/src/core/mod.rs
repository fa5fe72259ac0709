//! A session with its servers, without I/O: bytes, inputs and the time come in, bytes and outputs go out.
//!
//! Time is an argument and randomness comes from a seed, so the core runs in a simulation as it runs on a network. What it
//! promises:
//!
//! - Requests are sent in the order of submission and answered in that order, each exactly once, with a reply or with the
//!   reason why there is none.
//! - When a connection breaks, every request submitted before fails: those that the system had taken whole as possibly
//!   executed, the rest as certainly not. None is sent again behind the caller's back. Requests submitted later wait for
//!   the next connection.
//! - On a new connection credentials come first, then watches, then requests.
//! - A watcher hears of every event of its watch until it fires (one-shot), is removed or the session ends, and is told
//!   of that end.
//!
//! ```text
//!            next server           its addresses         connected            accepted
//!   Pause ───────────────► Resolve ─────────────► Dial ───────────► Greet ──────────────► Live
//!     ▲                       │                    │                  │                    │ leaving: no new requests,
//!     └───────────────────────┴────────────────────┴──────────────────┴────────────────────┘ then Hangup
//!                              anything fails, or takes too long
//! ```

pub(crate) mod call;
mod calls;
pub(crate) mod hosts;
mod io;
mod link;
mod live;
mod session;
#[cfg(test)]
mod tests;
pub(crate) mod watches;

pub(crate) use call::{Call, CallId, Failure, Incarnation, Reply, WatchAsk, WatchEffect, WatchRemoval};
pub(crate) use io::{CoreOptions, Credentials, Input, Output, Status};
pub(crate) use watches::{Told, WatchKind, WatcherId};

use crate::event::SessionState;
use calls::{Calls, Errand, Waiting, Wire};
use fastrand::Rng;
pub use hosts::Host;
use hosts::Hosts;
use link::Link;
use session::{Auth, Session};
use std::time::Duration;
use watches::{Watches, set_again_len};
use zabra_proto::{Request, WatchQuery};
use zabra_types::Now;

/// A header (eight bytes) before the body of every request.
const HEADER_LEN: usize = 8;
/// How long a client without a connection tries for one to say goodbye.
const LEAVE_DISCONNECTED_MAX: Duration = Duration::from_secs(2);

/// The core of a client. See the module.
#[derive(Debug)]
pub(crate) struct Core {
    options: CoreOptions,
    random: Rng,
    hosts: Hosts,
    link: Link,
    /// When the present connection, or the last one, was made.
    greeted: Now,
    session: Session,
    auth: Auth,
    calls: Calls,
    watches: Watches,
    wire: Wire,
    leave: Option<Leave>,
    /// Why the client is over.
    over: Option<Failure>,
    /// The status told last.
    told: Option<Status>,
}

/// The caller wants to go.
#[derive(Debug)]
struct Leave {
    how: LeaveHow,
    waiters: Vec<CallId>,
    /// When to go without goodbye.
    deadline: Now,
    /// The end of the session was sent on the present connection, or nothing needs to be.
    said: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LeaveHow {
    Close,
    Detach,
}

impl Core {
    /// A core that wants to connect: [`Core::next_deadline`] is now. `hosts` is not empty.
    pub(crate) fn new(options: CoreOptions, hosts: Vec<Host>, seed: u64, now: Now) -> Self {
        let mut random = Rng::with_seed(seed);
        let hosts = Hosts::new(hosts, options.shuffle, &mut random);
        Self {
            hosts,
            random,
            link: Link::begin(now),
            greeted: now,
            session: Session::new(&options, now),
            auth: Auth::new(options.auth.clone()),
            calls: Calls::default(),
            watches: Watches::default(),
            wire: Wire::default(),
            leave: None,
            over: None,
            told: None,
            options,
        }
    }

    /// Takes everything that happened but bytes.
    pub(crate) fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Submit(call) => self.submit(now, call, out),
            Input::AddAuth(id, credentials) => self.add_auth(now, id, credentials, out),
            Input::RemoveWatcher(watcher) => self.remove_watcher(now, watcher, out),
            Input::UpdateServers(hosts) => self.update_servers(now, hosts, out),
            Input::Close(waiter) => self.leave(now, LeaveHow::Close, waiter, out),
            Input::Detach(waiter) => self.leave(now, LeaveHow::Detach, Some(waiter), out),
            Input::Resolved(addrs) => self.resolved(now, addrs, out),
            Input::Dialled(connected) => self.dialled(now, connected, out),
            Input::Closed { written } => self.closed(now, written, out),
            Input::Probed(read_write) => self.probed(now, read_write, out),
        }
    }

    /// Moves the bytes to send on the present connection into `into`, which is empty.
    pub(crate) fn take_outbox(&mut self, into: &mut Vec<u8>) {
        self.wire.take(into);
    }

    /// Bytes that wait in the outbox.
    pub(crate) fn outbox_len(&self) -> usize {
        self.wire.waiting()
    }

    /// When [`Core::handle_deadline`] wants to be called; never when `None`.
    pub(crate) fn next_deadline(&self) -> Option<Now> {
        if self.over.is_some() {
            return None;
        }
        let waiting = match (self.calls.waiting.front(), self.options.connect_within) {
            (Some(waiting), Some(within)) => Some(waiting.since + within),
            _ => None,
        };
        let leave = self.leave.as_ref().map(|leave| leave.deadline);
        let link = self.link.deadline(&self.session);
        [waiting, leave, link, self.expiry()].into_iter().flatten().min()
    }

    /// When the session is over if no server is heard of before; it cannot end by itself while one is.
    fn expiry(&self) -> Option<Now> {
        if self.link.is_live() { None } else { self.session.expiry() }
    }

    /// Does what is due.
    pub(crate) fn handle_deadline(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.over.is_some() {
            return;
        }
        if let Some(within) = self.options.connect_within {
            let waiting = &self.calls.waiting;
            let late = waiting.iter().take_while(|waiting| waiting.since + within <= now).count();
            for Waiting { call, .. } in self.calls.waiting.drain(..late).collect::<Vec<_>>() {
                self.fail(call.id, &call.effect, Failure::NotConnected { within }, out);
            }
        }
        if self.leave.as_ref().is_some_and(|leave| leave.deadline <= now) {
            self.hang_up_for_good(out);
            return;
        }
        if self.expiry().is_some_and(|expiry| expiry <= now) {
            self.abandon_link(out);
            self.expired(now, out);
            return;
        }
        self.link_deadline(now, out);
    }

    fn submit(&mut self, now: Now, call: Call, out: &mut Vec<Output>) {
        // A watch must fit into a request that sets it again, too.
        let again = if let WatchEffect::Add(ask) = &call.effect { set_again_len(&ask.path) } else { 0 };
        let len = (HEADER_LEN + call.body.len()).max(again);
        let refused = match (self.over, &self.leave) {
            (Some(over), _) => Some(over),
            (None, Some(_)) => Some(Failure::SessionClosed),
            _ if call.pinned.is_some_and(|pinned| pinned != self.session.incarnation) => {
                Some(Failure::SessionExpired)
            }
            _ if len > self.options.packet_len_max => {
                Some(Failure::TooLarge { len, max: self.options.packet_len_max })
            }
            _ => None,
        };
        if let Some(failure) = refused {
            self.fail(call.id, &call.effect, failure, out);
        } else if self.link.takes_requests() {
            self.calls.send(call, &mut self.wire);
            self.link.sent(now);
        } else {
            self.calls.waiting.push_back(Waiting { call, since: now });
        }
    }

    fn add_auth(&mut self, now: Now, id: CallId, credentials: Credentials, out: &mut Vec<Output>) {
        match (self.over, &self.leave) {
            (Some(over), _) => out.push(Output::Done(id, Err(over))),
            (None, Some(_)) => out.push(Output::Done(id, Err(Failure::SessionClosed))),
            (None, None) => {
                let open = self.link.is_open();
                self.auth.add(credentials, id, open.then_some(&mut self.wire));
                self.link.sent(now);
            }
        }
    }

    fn remove_watcher(&mut self, now: Now, watcher: WatcherId, out: &mut Vec<Output>) {
        if !self.watches.knows(watcher) && self.calls.ask_for(watcher) {
            // There is no watch yet. Once there is, it goes at once.
            self.watches.orphan(watcher);
            return;
        }
        let last = self.watches.forget(watcher);
        out.push(Output::Unwatched(watcher));
        let Some((kind, path)) = last else { return };
        // A one-shot watch that nobody waits for fires into the void: not worth a request.
        let Some(watches) = kind.removal() else { return };
        // And a removal must not take along a watch that a request on its way is about to leave.
        if !self.link.takes_requests() || self.calls.may_watch(kind, &path) {
            return;
        }
        let query = WatchQuery { path: (&*path).into(), watcher_type: watches.code() };
        self.calls.send_own(&Request::RemoveWatches(query), Errand::Own, &mut self.wire);
        self.link.sent(now);
    }

    fn update_servers(&mut self, now: Now, hosts: Vec<Host>, out: &mut Vec<Output>) {
        let current = self.link.current();
        if self.hosts.update(hosts, current.as_ref(), &mut self.random) {
            self.link.move_away(now);
            self.go_when_idle(out);
        }
    }

    /// Says goodbye after everything that was submitted before.
    fn leave(&mut self, now: Now, how: LeaveHow, waiter: Option<CallId>, out: &mut Vec<Output>) {
        if self.over.is_some() {
            out.extend(waiter.map(|id| Output::Done(id, Ok(Reply::nothing()))));
            return;
        }
        if let Some(leave) = &mut self.leave {
            leave.waiters.extend(waiter);
            return;
        }
        let patience = self.session.read_timeout();
        let patience = if self.link.is_live() { patience } else { patience.min(LEAVE_DISCONNECTED_MAX) };
        let deadline = now + patience;
        self.leave = Some(Leave { how, waiters: waiter.into_iter().collect(), deadline, said: false });
        // Nobody to say goodbye to: no server knows of us, or none is to know that we go.
        let nobody = self.session.is_none() || (how == LeaveHow::Detach && !self.link.is_live());
        if nobody && self.calls.waiting.is_empty() {
            self.hang_up_for_good(out);
        } else {
            self.say_goodbye(now, out);
        }
    }

    /// Ends the session once nothing that was submitted before it waits.
    fn say_goodbye(&mut self, now: Now, out: &mut Vec<Output>) {
        let Some(leave) = &mut self.leave else { return };
        if leave.said || !self.link.takes_requests() {
            return;
        }
        leave.said = true;
        match leave.how {
            LeaveHow::Close => {
                self.calls.send_own(&Request::CloseSession, Errand::Close, &mut self.wire);
                self.link.sent(now);
            }
            LeaveHow::Detach => {
                self.link.move_away(now);
                self.go_when_idle(out);
            }
        }
    }

    /// The session is known to be over.
    fn expired(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.leave.is_some() {
            self.finish(Failure::SessionClosed, SessionState::Closed, out);
            return;
        }
        if !self.options.renew_expired || self.session.is_foreign() {
            self.finish(Failure::SessionExpired, SessionState::Expired, out);
            return;
        }
        self.session.renew();
        self.link = Link::begin(now);
        // Whoever is told of a failure finds the state that explains it.
        self.tell(SessionState::Expired, out);
        self.fail_waiting(Failure::SessionExpired, out);
        self.end_watches(SessionState::Expired, out);
    }

    /// The client is over.
    fn finish(&mut self, why: Failure, state: SessionState, out: &mut Vec<Output>) {
        self.over = Some(why);
        self.link = Link::Over;
        self.wire.reset();
        self.session.end();
        self.tell(state, out);
        self.fail_waiting(why, out);
        out.extend(self.auth.end().map(|id| Output::Done(id, Err(why))));
        self.end_watches(state, out);
        for id in self.leave.take().into_iter().flat_map(|leave| leave.waiters) {
            out.push(Output::Done(id, Ok(Reply::nothing())));
        }
        out.push(Output::Ended);
    }

    fn fail_waiting(&mut self, why: Failure, out: &mut Vec<Output>) {
        for Waiting { call, .. } in std::mem::take(&mut self.calls.waiting) {
            self.fail(call.id, &call.effect, why, out);
        }
    }

    fn end_watches(&mut self, state: SessionState, out: &mut Vec<Output>) {
        let gone = self.watches.clear();
        for watcher in gone {
            out.push(Output::Event(watcher, Told::Session(state)));
            out.push(Output::Unwatched(watcher));
        }
    }

    /// Tells how things stand, unless nothing has changed.
    fn tell(&mut self, state: SessionState, out: &mut Vec<Output>) {
        let status = Status {
            state,
            ticket: self.session.ticket(),
            timeout: self.session.timeout(),
            incarnation: self.session.incarnation,
            server: self.link.current().and_then(|current| current.addr),
        };
        if self.told != Some(status) {
            self.told = Some(status);
            out.push(Output::Status(status));
        }
    }

    /// How long one server may take for one step.
    fn step_timeout(&self) -> Duration {
        let share = self.session.timeout() / u32::try_from(self.hosts.len()).unwrap_or(u32::MAX);
        self.options.connect_timeout.unwrap_or(share)
    }
}
