//! A connection and the bytes on their way over it.

use crate::driver::Stream;
use bytes::BytesMut;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::AsyncReadExt;

/// Room for what comes in one read: at first, and at most, growing when reads fill it.
const ROOM_MIN: usize = 4 << 10;
const ROOM_MAX: usize = 256 << 10;
/// Room for requests that is kept for the next ones. Much more is given back: most sessions are idle most of the time.
const KEPT_MAX: usize = 256 << 10;

/// A connection to a server.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    /// Bytes that came and are not taken.
    pub(super) inbox: BytesMut,
    room: usize,
    outbox: Vec<u8>,
    /// Bytes of the outbox that the system has taken.
    sent: usize,
    /// Bytes of earlier outboxes.
    sent_before: u64,
    flushed: bool,
}

impl Connection {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            inbox: BytesMut::new(),
            room: ROOM_MIN,
            outbox: Vec::new(),
            sent: 0,
            sent_before: 0,
            flushed: true,
        }
    }

    /// Reads what there is into the inbox. The end of the stream is an error.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.inbox.is_empty() && self.inbox.capacity() > 2 * self.room {
            self.inbox = BytesMut::new();
        }
        if self.inbox.capacity() - self.inbox.len() < ROOM_MIN / 2 {
            self.inbox.reserve(self.room);
        }
        let room = self.inbox.capacity() - self.inbox.len();
        let read = ready!(pin!(self.stream.read_buf(&mut self.inbox)).poll(cx))?;
        if read == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        if read == room {
            self.room = (self.room * 2).min(ROOM_MAX);
        } else if read < self.room / 8 {
            self.room = (self.room / 2).max(ROOM_MIN);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes some of the outbox, which is not empty.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wrote = ready!(Pin::new(&mut *self.stream).poll_write(cx, &self.outbox[self.sent..]))?;
        if wrote == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.sent += wrote;
        self.flushed = false;
        Poll::Ready(Ok(()))
    }

    /// Makes sure that nothing written stays in a buffer of the stream.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.flushed {
            ready!(Pin::new(&mut *self.stream).poll_flush(cx))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes of the outbox that wait.
    pub(super) fn unsent(&self) -> usize {
        self.outbox.len() - self.sent
    }

    /// The outbox, emptied, once all of it is sent.
    pub(super) fn fresh_outbox(&mut self) -> &mut Vec<u8> {
        self.sent_before += self.sent as u64;
        self.sent = 0;
        self.outbox.clear();
        self.outbox.shrink_to(KEPT_MAX);
        &mut self.outbox
    }

    /// Bytes the system has taken since the beginning.
    pub(super) fn written(&self) -> u64 {
        self.sent_before + self.sent as u64
    }
}
