//! On a connection: what servers say.

use crate::core::calls::Errand;
use crate::core::hosts::Current;
use crate::core::link::{Link, Live};
use crate::core::{
    Call, CallId, Core, Failure, Output, Reply, Told, WatchAsk, WatchEffect, WatchKind, WatcherId,
};
use crate::event::SessionState;
use crate::sasl::SaslStep;
use bytes::{Buf, Bytes, BytesMut};
use std::sync::Arc;
use zabra_proto::{ConnectResponse, DecodeError, Reader, ReplyHeader, Request, WatcherEvent};
use zabra_types::{KeeperError, Now, Xid, Zxid};

/// The longest frame taken from a server, in bytes. Servers do not limit replies: a list of many children is longer than
/// any request may be.
const REPLY_LEN_MAX: usize = 256 << 20;
/// Frames up to this length are copied out of the receive buffer, so that keeping one does not keep its neighbours.
const COPY_LEN_MAX: usize = 4096;

/// A server that does not keep to the protocol.
#[derive(Debug, thiserror::Error)]
enum Misbehaviour {
    #[error("a frame of {0} bytes; {REPLY_LEN_MAX} are allowed")]
    FrameLen(i32),
    #[error("a record that cannot be read: {0}")]
    Record(DecodeError),
    #[error("a reply to request {found}; the next one is for {expected:?}")]
    OutOfOrder { expected: Option<Xid>, found: Xid },
}

impl From<DecodeError> for Misbehaviour {
    fn from(error: DecodeError) -> Self {
        Self::Record(error)
    }
}

impl Reply {
    /// The reply that stands for success where no server has a say.
    pub(crate) const fn nothing() -> Self {
        Self { zxid: Zxid::ZERO, err: 0, body: Bytes::new() }
    }
}

impl Core {
    /// Takes bytes from the present connection: whole frames leave `inbox`, the rest stays.
    pub(crate) fn received(&mut self, now: Now, inbox: &mut BytesMut, out: &mut Vec<Output>) {
        self.session.heard(now);
        if let Link::Live(live) = &mut self.link {
            live.heard = now;
        }
        loop {
            if !matches!(self.link, Link::Greet { .. } | Link::Live(_)) {
                inbox.clear();
                return;
            }
            let frame = match next_frame(inbox) {
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(why) => return self.misbehaved(&why, out),
            };
            let done = match &self.link {
                Link::Greet { at, .. } => {
                    let at = at.clone();
                    self.greeted(now, at, &frame, out)
                }
                _ => self.frame(now, frame, out),
            };
            if let Err(why) = done {
                return self.misbehaved(&why, out);
            }
        }
    }

    fn misbehaved(&mut self, why: &Misbehaviour, out: &mut Vec<Output>) {
        tracing::warn!(session = %self.session.ticket().id, %why, "the server breaks the protocol");
        out.push(Output::Obstacle(format!("the server breaks the protocol: {why}")));
        self.hang_up(out);
    }

    /// The server has accepted the session, or refused it.
    fn greeted(
        &mut self,
        now: Now,
        at: Current,
        frame: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), Misbehaviour> {
        let response = ConnectResponse::decode(&mut Reader::new(frame))?;
        if response.timeout_ms <= 0 {
            self.abandon_link(out);
            self.expired(now, out);
            return Ok(());
        }
        self.session.accepted(&response);
        self.hosts.connected();
        let read_only = response.read_only == Some(true);
        let mut live = Live::new(at, now, read_only);
        live.proving = self.options.sasl.as_ref().map(|sasl| sasl.begin());
        let first = live.proving.as_mut().map(|conversation| conversation.first());
        self.link = Link::Live(live);
        match first {
            Some(first) => self.say_proof(&first),
            None => self.open(now, out),
        }
        Ok(())
    }

    /// Sends a word that proves who we are.
    fn say_proof(&mut self, token: &[u8]) {
        self.calls.send_own(&Request::Sasl(Some(token)), Errand::Prove, &mut self.wire);
    }

    /// The server has said something about who we are.
    fn proof_answered(
        &mut self,
        now: Now,
        err: i32,
        body: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), Misbehaviour> {
        let Link::Live(Live { proving: Some(conversation), .. }) = &mut self.link else { return Ok(()) };
        let step = match KeeperError::from_code(err) {
            _ if err == 0 => {
                // A server that knows no SASL answers by null.
                let challenge = Reader::new(body).buffer("token")?.unwrap_or_default();
                conversation.answer(challenge)
            }
            Some(refusal) => Err(refusal.to_string()),
            None => Err(format!("refused with the code {err}")),
        };
        match step {
            Ok(SaslStep::Answer(token)) => {
                self.say_proof(&token);
                self.link.sent(now);
            }
            Ok(SaslStep::Done) => {
                self.link.proved();
                self.open(now, out);
                self.tell(SessionState::SaslAuthenticated, out);
            }
            Err(why) => {
                tracing::warn!(session = %self.session.ticket().id, %why, "SASL authentication failed");
                out.push(Output::Obstacle(format!("SASL: {why}")));
                self.abandon_link(out);
                self.finish(Failure::AuthFailed, SessionState::AuthFailed, out);
            }
        }
        Ok(())
    }

    /// Everything may be asked of the server from now on.
    fn open(&mut self, now: Now, out: &mut Vec<Output>) {
        let read_only = self.link.is_read_only();
        self.tell(if read_only { SessionState::ConnectedReadOnly } else { SessionState::Connected }, out);
        self.auth.show_all(&mut self.wire);
        let seen = self.session.replied();
        for request in self.watches.set_again(seen, self.options.packet_len_max) {
            self.calls.send_own(&request, Errand::SetWatches, &mut self.wire);
        }
        for waiting in std::mem::take(&mut self.calls.waiting) {
            self.send_waiting(waiting.call, out);
        }
        self.say_goodbye(now, out);
    }

    fn send_waiting(&mut self, call: Call, out: &mut Vec<Output>) {
        if call.pinned.is_some_and(|pinned| pinned != self.session.incarnation) {
            self.fail(call.id, &call.effect, Failure::SessionExpired, out);
        } else {
            self.calls.send(call, &mut self.wire);
        }
    }

    fn frame(&mut self, now: Now, frame: Bytes, out: &mut Vec<Output>) -> Result<(), Misbehaviour> {
        let mut reader = Reader::new(&frame);
        let header = ReplyHeader::decode(&mut reader)?;
        match header.xid {
            Xid::PING => {}
            Xid::AUTH if header.err == 0 => {
                let accepted = self.auth.accepted().into_iter();
                out.extend(accepted.map(|id| Output::Done(id, Ok(Reply::nothing()))));
            }
            Xid::AUTH => {
                let why = KeeperError::from_code(header.err).map(|refusal| refusal.to_string());
                let why = why.unwrap_or_else(|| header.err.to_string());
                out.push(Output::Obstacle(format!("a server refused the credentials: {why}")));
                self.abandon_link(out);
                self.finish(Failure::AuthFailed, SessionState::AuthFailed, out);
            }
            Xid::NOTIFICATION => {
                let event = WatcherEvent::decode(&mut reader)?;
                let zxid = (header.zxid > Zxid::ZERO).then_some(header.zxid);
                self.session.seen_at(header.zxid);
                self.event(event, zxid, out);
            }
            _ => self.reply(now, header, frame, out)?,
        }
        Ok(())
    }

    fn event(&mut self, event: WatcherEvent<'_>, zxid: Option<Zxid>, out: &mut Vec<Output>) {
        let path: Arc<str> = event.path.into();
        let state = self.told.map_or(SessionState::Connected, |told| told.state);
        for (watcher, last) in self.watches.fire(event.kind, &path) {
            let told = Told::Node { event: event.kind, path: Arc::clone(&path), zxid, state };
            out.push(Output::Event(watcher, told));
            out.extend(last.then_some(Output::Unwatched(watcher)));
        }
    }

    fn reply(
        &mut self,
        now: Now,
        header: ReplyHeader,
        frame: Bytes,
        out: &mut Vec<Output>,
    ) -> Result<(), Misbehaviour> {
        let expected = self.calls.flying.front().map(|flight| flight.xid);
        let next = if expected == Some(header.xid) { self.calls.flying.pop_front() } else { None };
        let flight = next.ok_or(Misbehaviour::OutOfOrder { expected, found: header.xid })?;
        if self.calls.set_watches() || matches!(flight.errand, Errand::Prove) {
            // Should the connection break now, the watches that are not set again yet missed what came before this.
            self.session.seen_at(header.zxid);
        } else {
            self.session.replied_at(header.zxid);
        }
        match flight.errand {
            Errand::Call(id, effect) => {
                self.take_effect(now, effect, header.err, out);
                let body = frame.slice(ReplyHeader::LEN..);
                out.push(Output::Done(id, Ok(Reply { zxid: header.zxid, err: header.err, body })));
            }
            Errand::Own | Errand::SetWatches => {}
            Errand::Prove => self.proof_answered(now, header.err, &frame[ReplyHeader::LEN..], out)?,
            Errand::Close => {
                self.abandon_link(out);
                self.finish(Failure::SessionClosed, SessionState::Closed, out);
                return Ok(());
            }
        }
        self.go_when_idle(out);
        Ok(())
    }

    /// Does to the watches what a reply has brought about.
    fn take_effect(&mut self, now: Now, effect: WatchEffect, err: i32, out: &mut Vec<Output>) {
        match effect {
            WatchEffect::None => {}
            WatchEffect::Add(ask) => match watch_left(ask.kind, err) {
                Some(kind) => {
                    let watcher = ask.watcher;
                    self.watches.add(WatchAsk { kind, ..*ask });
                    if self.watches.take_orphan(watcher) {
                        self.remove_watcher(now, watcher, out);
                    }
                }
                None => self.unwatched(ask.watcher, out),
            },
            WatchEffect::Remove(removal) if err == 0 => {
                for watcher in self.watches.remove(*removal) {
                    out.push(Output::Event(watcher, Told::Removed));
                    out.push(Output::Unwatched(watcher));
                }
            }
            WatchEffect::Remove(_) => {}
        }
    }

    /// A watcher whose watch was never set.
    fn unwatched(&mut self, watcher: WatcherId, out: &mut Vec<Output>) {
        self.watches.take_orphan(watcher);
        out.push(Output::Unwatched(watcher));
    }

    /// A request ends without a reply.
    pub(crate) fn fail(&mut self, id: CallId, effect: &WatchEffect, why: Failure, out: &mut Vec<Output>) {
        if let WatchEffect::Add(ask) = effect {
            self.unwatched(ask.watcher, out);
        }
        out.push(Output::Done(id, Err(why)));
    }

    /// Fails what was sent on a connection that is gone. Returns whether a caller's request was among it.
    pub(crate) fn fail_flying(&mut self, written: u64, out: &mut Vec<Output>) -> bool {
        let mut any = false;
        for flight in std::mem::take(&mut self.calls.flying) {
            if let Errand::Call(id, effect) = flight.errand {
                any = true;
                let why = Failure::ConnectionLost { sent: flight.end <= written };
                self.fail(id, &effect, why, out);
            }
        }
        any
    }
}

/// The watch that a reply with this code leaves at the server.
fn watch_left(asked: WatchKind, err: i32) -> Option<WatchKind> {
    match asked {
        WatchKind::Exists if err == 0 => Some(WatchKind::Data),
        WatchKind::Exists if err == KeeperError::NoNode.code() => Some(WatchKind::Exists),
        WatchKind::Exists => None,
        _ => (err == 0).then_some(asked),
    }
}

/// Takes the first whole frame out of `inbox`; `None` while more bytes are needed.
fn next_frame(inbox: &mut BytesMut) -> Result<Option<Bytes>, Misbehaviour> {
    let Some(word) = inbox.first_chunk::<4>() else { return Ok(None) };
    let word = i32::from_be_bytes(*word);
    let len = match usize::try_from(word) {
        Ok(len) if len <= REPLY_LEN_MAX => len,
        _ => return Err(Misbehaviour::FrameLen(word)),
    };
    if inbox.len() < 4 + len {
        // The rest of a long frame is read in one go.
        if len > COPY_LEN_MAX {
            inbox.reserve(4 + len - inbox.len());
        }
        return Ok(None);
    }
    inbox.advance(4);
    if len > COPY_LEN_MAX {
        return Ok(Some(inbox.split_to(len).freeze()));
    }
    let frame = Bytes::copy_from_slice(&inbox[..len]);
    inbox.advance(len);
    Ok(Some(frame))
}
