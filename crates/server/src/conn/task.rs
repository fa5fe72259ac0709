//! The task that owns a client's socket: bytes in, frames to [`admit`](super::admit), bytes out. It decides nothing
//! about requests.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::Instant;
use tracing::debug;
use zabra_auth::ip_identity;
use zabra_proto::{OpCode, Reader, RequestHeader};

use super::admit::Next;
use super::{Conn, IDLE_CAPACITY, Outbox, admit, handshake};
use crate::core::Core;
use crate::four_letter;
use crate::throttler::Held;

/// What one wake-up reads at most before it answers.
const READ_CHUNK: usize = 64 * 1024;
/// How long a connection that is being closed may take to send what is left.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What a thread keeps at most to put replies into.
const SPARE_CAPACITY_MAX: usize = 1024 * 1024;

thread_local! {
    /// Where every connection of this thread reads to, so that idle connections hold no buffer.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_CHUNK]);
    /// What replies are put into. Connections of this thread lend it to their outbox while they handle what came.
    static SPARE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Changes an empty buffer for the thread's.
fn exchange(buffer: &mut Vec<u8>) {
    SPARE.with_borrow_mut(|spare| std::mem::swap(spare, buffer));
}

/// Why a connection ends.
#[derive(Debug)]
pub(crate) enum Closed {
    /// The client went.
    ByClient,
    /// Everything was said, goodbye included.
    Finished,
    /// Something of ours closed it.
    ByServer,
    /// The client broke the protocol.
    Broken(String),
    /// The socket failed.
    Socket(io::Error),
}

/// What the connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// A connect request or a four-letter word.
    Greeting,
    /// The transaction that creates the session.
    Settling,
    /// Requests.
    Serving,
    /// To be closed when everything is sent.
    Leaving,
}

/// Serves one client until it goes.
pub(crate) async fn serve(core: Arc<Core>, stream: TcpStream, remote: SocketAddr) {
    let conn = core.conns.open(remote, vec![ip_identity(remote.ip())], core.clock.now());
    let (mut input, output) = stream.into_split();
    let opened = Opened::new(&conn, output);
    let closed = run(&core, &conn, &mut input).await;
    forget(&core, &conn);
    if matches!(closed, Closed::Finished)
        && let Some(mut output) = opened.take()
    {
        // Only now: a client that sees the end may ask at once who is connected.
        let _ = tokio::time::timeout(LAST_WORDS, output.shutdown()).await;
        forget_input(&input);
    }
    drop((opened, input));
    core.stats.connection_drop_count.increment();
    match closed {
        Closed::Broken(why) => {
            core.stats.malformed_requests.increment();
            debug!(client = %remote, session = %conn.session(), why, "closing a connection");
        }
        Closed::Socket(error) => {
            debug!(client = %remote, session = %conn.session(), %error, "a connection failed");
        }
        closed @ (Closed::ByClient | Closed::Finished | Closed::ByServer) => {
            debug!(client = %remote, session = %conn.session(), ?closed, "a connection ended");
        }
    }
}

/// The half of a socket that others may send to as well, closed to them however the task ends.
struct Opened<'a>(&'a Conn);

impl<'a> Opened<'a> {
    fn new(conn: &'a Conn, output: OwnedWriteHalf) -> Self {
        conn.outbox().socket = Some(output);
        Self(conn)
    }

    fn take(&self) -> Option<OwnedWriteHalf> {
        self.0.outbox().socket.take()
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        if let Some(output) = self.take() {
            // Both ways are closed at once, with the other half.
            output.forget();
        }
    }
}

/// Takes a connection that is over out of everything.
pub(super) fn forget(core: &Core, conn: &Conn) {
    // In this order: no read that still waited may leave a watch behind, and the number is given to somebody else only
    // when none of its watches is left.
    conn.outbox().gate.clear();
    core.watches.lock().remove_conn(conn.id());
    // Together: whoever holds the brain finds a session's connection open, or finds none.
    let mut brain = core.brain.lock();
    brain.sessions.detach(conn.session(), conn.id(), conn.heard());
    core.conns.close(conn.id());
}

async fn run(core: &Arc<Core>, conn: &Arc<Conn>, input: &mut OwnedReadHalf) -> Closed {
    let mut task = Task {
        core,
        conn,
        stage: Stage::Greeting,
        partial: Vec::new(),
        held_back: None,
        postponed: None,
        sending: Vec::new(),
        wants_input: false,
    };
    let greeting_deadline = Instant::now() + core.config.listen.sessionless_timeout;
    loop {
        if conn.is_cut() {
            return Closed::ByServer;
        }
        if let Some(closed) = task.send(input.as_ref()).await {
            return closed;
        }
        if task.stage == Stage::Settling && conn.session().raw() != 0 {
            task.stage = Stage::Serving;
            // Requests may have come behind the connect request.
            if let Err(closed) = task.consume_partial() {
                return closed;
            }
            continue;
        }
        if task.postponed.is_some() && core.leader_expected_within().is_none() {
            if let Err(closed) = task.consume_partial() {
                return closed;
            }
            continue;
        }
        if task.held_back.is_some() {
            if task.is_stale(input.as_ref()).await {
                core.stats.stale_requests_dropped.increment();
                return Closed::ByServer;
            }
            if !core.is_throttled() {
                if let Err(closed) = task.consume_partial() {
                    return closed;
                }
                continue;
            }
            core.stats.request_throttle_wait_count.increment();
        }
        let (is_greeting, is_held_back, postponed) =
            (task.stage == Stage::Greeting, task.held_back.is_some(), task.postponed);
        if !is_greeting && !is_held_back && postponed.is_none() {
            // Nearly always; timers would be made for nothing.
            tokio::select! {
                biased;
                () = conn.woken() => {}
                received = task.receive(input), if task.wants_input => {
                    if let Err(closed) = received {
                        return closed;
                    }
                }
            }
            continue;
        }
        tokio::select! {
            biased;
            () = conn.woken() => {}
            received = task.receive(input), if task.wants_input => {
                if let Err(closed) = received {
                    return closed;
                }
            }
            () = tokio::time::sleep_until(postponed.unwrap_or(greeting_deadline)), if postponed.is_some() => {}
            () = core.throttler.freed(), if is_held_back => {}
            () = tokio::time::sleep(core.config.requests.throttle.stall_time), if is_held_back => {}
            () = tokio::time::sleep_until(greeting_deadline), if is_greeting => {
                core.stats.sessionless_connections_expired.increment();
                return Closed::ByServer;
            }
        }
    }
}

/// Takes what the client has sent and nobody wants, as the line end after a four-letter word: a socket that is closed
/// over unread bytes is reset, and the client may lose what was said last.
fn forget_input(stream: &OwnedReadHalf) {
    SCRATCH.with_borrow_mut(|scratch| {
        for _ in 0..4 {
            if !matches!(stream.try_read(scratch), Ok(n) if n > 0) {
                return;
            }
        }
    });
}

/// Whether the client will send nothing more, though there may be something left to read.
async fn is_gone(stream: &TcpStream) -> bool {
    tokio::select! {
        biased;
        ready = stream.ready(Interest::READABLE) => ready.is_ok_and(|ready| ready.is_read_closed()),
        () = std::future::ready(()) => false,
    }
}

struct Task<'a> {
    core: &'a Arc<Core>,
    conn: &'a Arc<Conn>,
    stage: Stage,
    /// Bytes of a frame that is not complete, or that may not be looked at yet.
    partial: Vec<u8>,
    /// Whether the throttler holds back what is in `partial`.
    held_back: Option<Held<'a>>,
    /// Until when a connect request in `partial` waits for a leader to be elected.
    postponed: Option<Instant>,
    /// Swapped with the outbox, so that its memory is used again.
    sending: Vec<u8>,
    /// Whether to read from the socket, as of when the outbox was last found empty.
    wants_input: bool,
}

impl Task<'_> {
    /// Whether to read from the socket: not while a session is being made, and not while the server has more than
    /// enough to do and this client waits for something already (`globalOutstandingLimit`).
    fn wants_input(&self, outbox: &Outbox) -> bool {
        match self.stage {
            Stage::Greeting => self.postponed.is_none(),
            Stage::Settling | Stage::Leaving => false,
            Stage::Serving if self.held_back.is_some() || !self.core.is_running() => false,
            Stage::Serving => !(self.core.is_overloaded() && outbox.gate.is_waiting()),
        }
    }

    /// Sends what is in the outbox. Returns why the connection is over, if it is.
    async fn send(&mut self, stream: &TcpStream) -> Option<Closed> {
        loop {
            let leaving = {
                let mut outbox = self.conn.outbox();
                if !outbox.bytes.is_empty() {
                    std::mem::swap(&mut outbox.bytes, &mut self.sending);
                } else if outbox.bytes.capacity() > IDLE_CAPACITY {
                    exchange(&mut outbox.bytes);
                }
                self.wants_input = self.wants_input(&outbox);
                // Decided under one lock: from here on others may send, unless they have to wake this task.
                outbox.task_is_idle =
                    self.sending.is_empty() && self.wants_input && self.stage == Stage::Serving;
                outbox.closing && !outbox.gate.is_waiting()
            };
            if self.sending.is_empty() {
                return leaving.then_some(Closed::ByServer);
            }
            let sent = self.write(stream).await;
            self.sending.clear();
            if (IDLE_CAPACITY..=SPARE_CAPACITY_MAX).contains(&self.sending.capacity()) {
                exchange(&mut self.sending);
            }
            self.sending.shrink_to(IDLE_CAPACITY);
            if let Err(closed) = sent {
                return Some(closed);
            }
            if leaving {
                return Some(Closed::Finished);
            }
        }
    }

    async fn write(&self, stream: &TcpStream) -> Result<(), Closed> {
        let mut rest = self.sending.as_slice();
        while !rest.is_empty() {
            match stream.try_write(rest) {
                Ok(0) => return Err(Closed::ByClient),
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::select! {
                        ready = stream.writable() => ready.map_err(Closed::Socket)?,
                        () = self.conn.cut_off() => return Err(Closed::ByServer),
                    }
                }
                Err(error) => return Err(Closed::Socket(error)),
            }
        }
        Ok(())
    }

    /// Waits until the socket has something, takes it, and handles every complete frame in it. Nothing is taken before
    /// it can be handled, so that waiting may be given up.
    ///
    /// Read through `poll_read`, which knows from a buffer that was not filled that there is no more, and saves the call
    /// that would say so.
    async fn receive(&mut self, input: &mut OwnedReadHalf) -> Result<(), Closed> {
        poll_fn(|context| {
            SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                let read = ready!(Pin::new(&mut *input).poll_read(context, &mut buffer));
                Poll::Ready(match (read, buffer.filled()) {
                    (Err(error), _) => Err(Closed::Socket(error)),
                    (Ok(()), []) => Err(Closed::ByClient),
                    (Ok(()), bytes) => self.received(bytes),
                })
            })
        })
        .await
    }

    fn received(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        {
            let mut outbox = self.conn.outbox();
            // What is answered from here on is counted, and then sent, by this task.
            outbox.task_is_idle = false;
            if outbox.bytes.is_empty() {
                exchange(&mut outbox.bytes);
            }
        }
        self.core.stats.bytes_received_count.add(bytes.len() as u64);
        self.conn.hear(self.core.clock.now());
        if self.partial.is_empty() {
            let used = self.consume(bytes)?;
            self.partial.extend_from_slice(&bytes[used..]);
            Ok(())
        } else {
            self.partial.extend_from_slice(bytes);
            self.consume_partial()
        }
    }

    fn consume_partial(&mut self) -> Result<(), Closed> {
        let bytes = std::mem::take(&mut self.partial);
        let used = self.consume(&bytes)?;
        self.partial = bytes;
        self.partial.drain(..used);
        if self.partial.is_empty() {
            self.partial.shrink_to(IDLE_CAPACITY);
        }
        Ok(())
    }

    /// Handles the complete frames in `bytes`; returns how many bytes they were.
    fn consume(&mut self, bytes: &[u8]) -> Result<usize, Closed> {
        let mut used = 0;
        if self.stage == Stage::Greeting {
            if let Some(word) = four_letter::recognize(bytes) {
                if !four_letter::answer(self.core, self.conn, word, &bytes[4..]) {
                    return Ok(0);
                }
                self.stage = Stage::Leaving;
                return Ok(bytes.len());
            }
            let Some((frame, rest)) = self.split(bytes)? else { return Ok(0) };
            self.postponed = self.core.leader_expected_within().map(|wait| Instant::now() + wait);
            if self.postponed.is_some() {
                return Ok(0);
            }
            self.stage = handshake::connect(self.core, self.conn, frame)?;
            used = bytes.len() - rest.len();
        }
        if self.stage == Stage::Serving {
            let held = self.held_back.take();
            let waited = held.as_ref().map_or(Duration::ZERO, Held::waited);
            let handled = admit::requests(self.core, self.conn, &bytes[used..], waited)?;
            used += handled.used;
            match handled.next {
                Next::Read => {}
                // What could not go on has waited since it came.
                Next::Wait => self.held_back = Some(held.unwrap_or_else(|| self.core.throttler.hold())),
                Next::Leave => self.stage = Stage::Leaving,
            }
        }
        Ok(used)
    }

    /// Whether what the throttler holds back is of no use any more (`request_throttle_drop_stale`): the client went, or
    /// its session has timed out meanwhile. A session may always be closed.
    async fn is_stale(&self, stream: &TcpStream) -> bool {
        let requests = &self.core.config.requests;
        let (Some(held), true) = (&self.held_back, requests.throttle.drop_stale) else { return false };
        let timeout = Duration::from_millis(u64::try_from(self.conn.timeout_ms()).unwrap_or(0));
        let late = requests.stale_latency_check && held.waited() > timeout;
        (late || requests.stale_connection_check && is_gone(stream).await) && !self.says_goodbye()
    }

    /// Whether the first request held back closes the session.
    fn says_goodbye(&self) -> bool {
        let Ok(Some((frame, _))) = self.split(&self.partial) else { return false };
        let header = RequestHeader::decode(&mut Reader::with_limit(frame, self.core.field_limit()));
        header.is_ok_and(|header| header.op == OpCode::CloseSession.code())
    }

    fn split<'b>(&self, bytes: &'b [u8]) -> Result<Option<zabra_proto::SplitFrame<'b>>, Closed> {
        zabra_proto::split_frame(bytes, self.core.limits.frame_len_max)
            .map_err(|error| Closed::Broken(error.to_string()))
    }
}
