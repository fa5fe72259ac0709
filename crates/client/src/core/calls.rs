//! Requests on their way: those that wait for a connection, and those sent and not answered.

use crate::core::call::{Call, CallId, WatchEffect};
use crate::core::watches::{WatchKind, WatcherId};
use std::collections::VecDeque;
use zabra_proto::{OpCode, Put, Request, RequestHeader, begin_frame, end_frame};
use zabra_types::{Now, Xid};

/// A request that was put into the outbox of the present connection.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) xid: Xid,
    /// Where its frame ends among all bytes of the connection.
    pub(crate) end: u64,
    pub(crate) errand: Errand,
}

/// Whose request it is.
#[derive(Debug)]
pub(crate) enum Errand {
    /// A caller's.
    Call(CallId, WatchEffect),
    /// Our own, whose answer says nothing.
    Own,
    /// Watches that are set again.
    SetWatches,
    /// A word of the conversation that proves who we are.
    Prove,
    /// The end of the session.
    Close,
}

/// A request and the time it began to wait.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) call: Call,
    pub(crate) since: Now,
}

/// Both queues, in the order of submission: what waits comes after what flies.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) waiting: VecDeque<Waiting>,
    pub(crate) flying: VecDeque<Flight>,
    xid: i32,
}

impl Calls {
    /// Numbers of requests are positive and go round, as in the genuine client.
    fn next_xid(&mut self) -> Xid {
        self.xid = if self.xid == i32::MAX { 1 } else { self.xid + 1 };
        Xid::from_raw(self.xid)
    }

    /// Sends a caller's request.
    pub(crate) fn send(&mut self, call: Call, wire: &mut Wire) {
        let xid = self.next_xid();
        wire.frame(xid, call.op, |out| out.extend_from_slice(&call.body));
        self.flying.push_back(Flight {
            xid,
            end: wire.position(),
            errand: Errand::Call(call.id, call.effect),
        });
    }

    /// Sends a request of our own.
    pub(crate) fn send_own(&mut self, request: &Request<'_>, errand: Errand, wire: &mut Wire) {
        let xid = match request {
            Request::SetWatches(_) => Xid::SET_WATCHES,
            _ => self.next_xid(),
        };
        wire.frame(xid, request.op(), |out| request.encode(out));
        self.flying.push_back(Flight { xid, end: wire.position(), errand });
    }

    /// Whether watches are being set again, and not all of them are.
    pub(crate) fn set_watches(&self) -> bool {
        // They come before all else on a connection.
        self.flying.front().is_some_and(|flight| matches!(flight.errand, Errand::SetWatches))
    }

    /// Whether a request on its way is to set this watcher's watch.
    pub(crate) fn ask_for(&self, watcher: WatcherId) -> bool {
        let asks = |effect: &WatchEffect| matches!(effect, WatchEffect::Add(ask) if ask.watcher == watcher);
        let waiting = self.waiting.iter().any(|waiting| asks(&waiting.call.effect));
        waiting
            || self
                .flying
                .iter()
                .any(|flight| matches!(&flight.errand, Errand::Call(_, effect) if asks(effect)))
    }

    /// Whether a request that may yet leave such a watch is on its way.
    pub(crate) fn may_watch(&self, kind: WatchKind, path: &str) -> bool {
        let asks = |effect: &WatchEffect| matches!(effect, WatchEffect::Add(ask) if ask.kind == kind && ask.path == path);
        self.flying.iter().any(|flight| matches!(&flight.errand, Errand::Call(_, effect) if asks(effect)))
    }
}

/// The bytes for the present connection.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    outbox: Vec<u8>,
    /// Bytes of this connection that have left the outbox.
    taken: u64,
}

impl Wire {
    /// Begins with a new connection.
    pub(crate) fn reset(&mut self) {
        self.outbox.clear();
        self.taken = 0;
    }

    /// Bytes of this connection so far.
    fn position(&self) -> u64 {
        self.taken + self.outbox.len() as u64
    }

    /// Appends a frame with a header.
    pub(crate) fn frame(&mut self, xid: Xid, op: OpCode, body: impl FnOnce(&mut Vec<u8>)) {
        let at = begin_frame(&mut self.outbox);
        RequestHeader { xid, op: op.code() }.encode(&mut self.outbox);
        body(&mut self.outbox);
        end_frame(&mut self.outbox, at);
    }

    /// Appends a frame without a header.
    pub(crate) fn bare_frame(&mut self, body: impl FnOnce(&mut Vec<u8>)) {
        let at = begin_frame(&mut self.outbox);
        body(&mut self.outbox);
        end_frame(&mut self.outbox, at);
    }

    /// Appends a ping, which has no body.
    pub(crate) fn ping(&mut self) {
        self.outbox.put_i32(8);
        self.outbox.put_i32(Xid::PING.raw());
        self.outbox.put_i32(OpCode::Ping.code());
    }

    /// Moves everything into an empty buffer.
    pub(crate) fn take(&mut self, into: &mut Vec<u8>) {
        debug_assert!(into.is_empty(), "bytes leave in order");
        self.taken += self.outbox.len() as u64;
        std::mem::swap(&mut self.outbox, into);
    }

    /// Bytes that wait to be taken.
    pub(crate) fn waiting(&self) -> usize {
        self.outbox.len()
    }
}
