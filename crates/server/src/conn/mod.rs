//! A client's connection: what the rest of the server shares of it, and the table of all of them.
//!
//! The task that owns the socket is in [`task`]; everybody else only appends to the [`Outbox`] and then wakes it, or sends
//! what is short in its place while it waits for requests.

mod admit;
pub(crate) mod handshake;
mod member;
mod task;
#[cfg(test)]
pub(crate) mod testing;
mod touched;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;
use zabra_node::{ConnId, Gate};
use zabra_types::{Identity, Now, SessionId};

pub(crate) use task::serve;
pub(crate) use touched::{Touched, Waker, Wakes};

/// What is sent by whoever has made it is at most this long: longer replies take their time to copy.
const SENT_AT_ONCE_LEN_MAX: usize = 16 * 1024;

/// Capacity that an idle connection may keep in a buffer.
const IDLE_CAPACITY: usize = 1024;

/// What other parts of the server see of a connection.
#[derive(Debug)]
pub(crate) struct Conn {
    id: ConnId,
    remote: SocketAddr,
    outbox: Mutex<Outbox>,
    wake: Notify,
    /// 0 until a session is attached.
    session: AtomicI64,
    timeout_ms: AtomicI32,
    /// Milliseconds of the server's clock at which the client was last heard of.
    heard_ms: AtomicU64,
    /// Set when the connection is to close at once, whatever is still unsent.
    cut: AtomicBool,
    identities: Mutex<Arc<[Identity]>>,
}

/// What leaves a connection, in order: encoded frames, and before them what has to happen first.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Encoded frames that the task has not taken yet.
    pub(crate) bytes: Vec<u8>,
    /// Requests that are not answered yet.
    pub(crate) gate: Gate,
    /// Whether the connection closes when `bytes` are sent and the gate is empty.
    pub(crate) closing: bool,
    /// Where `bytes` go; none before the connection's task begins and after it ends.
    socket: Option<OwnedWriteHalf>,
    /// Whether the task waits for requests, and for nothing else: it has taken nothing that would have to be sent before
    /// `bytes`, and an answer changes nothing for it.
    task_is_idle: bool,
    /// What `cons` shows.
    pub(crate) stats: ConnStats,
}

impl Outbox {
    /// Sends everything in the place of the task, if that waits for requests and the socket takes it. Otherwise the task
    /// is to be woken.
    fn send_now(&mut self) -> bool {
        if !self.task_is_idle || self.closing || self.bytes.len() > SENT_AT_ONCE_LEN_MAX {
            return false;
        }
        let Some(socket) = &self.socket else { return false };
        if !self.bytes.is_empty() {
            match socket.try_write(&self.bytes) {
                Ok(sent) if sent == self.bytes.len() => self.bytes.clear(),
                Ok(sent) => drop(self.bytes.drain(..sent)),
                // The task will find the same, or that there is room by now.
                Err(_) => {}
            }
        }
        if self.bytes.is_empty() {
            self.bytes.shrink_to(IDLE_CAPACITY);
        }
        self.bytes.is_empty()
    }
}

/// What `cons` shows of a connection.
#[derive(Clone, Debug)]
pub(crate) struct ConnStats {
    /// Milliseconds since 1970.
    pub(crate) established_ms: i64,
    /// Frames received.
    pub(crate) received: u64,
    /// Frames sent.
    pub(crate) sent: u64,
    /// The tag of the last operation answered.
    pub(crate) last_op: &'static str,
    /// The last request number, when it was not negative.
    pub(crate) last_cxid: i32,
    /// The last zxid told.
    pub(crate) last_zxid: i64,
    /// When the last reply was made, in milliseconds of the server's clock.
    pub(crate) last_response_ms: u64,
    /// Milliseconds the last reply took.
    pub(crate) last_latency_ms: u64,
    /// The least so far; `u64::MAX` before the first.
    pub(crate) min_latency_ms: u64,
    /// The greatest so far.
    pub(crate) max_latency_ms: u64,
    /// Sum over all replies.
    pub(crate) total_latency_ms: u64,
    /// Replies.
    pub(crate) replies: u64,
}

impl Default for ConnStats {
    fn default() -> Self {
        Self {
            established_ms: crate::clock::Clock::wall().millis(),
            received: 0,
            sent: 0,
            last_op: "NA",
            last_cxid: -1,
            last_zxid: -1,
            last_response_ms: 0,
            last_latency_ms: 0,
            min_latency_ms: u64::MAX,
            max_latency_ms: 0,
            total_latency_ms: 0,
            replies: 0,
        }
    }
}

impl ConnStats {
    /// What `crst` resets.
    pub(crate) fn reset(&mut self) {
        *self = Self { established_ms: self.established_ms, ..Self::default() };
    }

    /// Notes a reply.
    pub(crate) fn answered(&mut self, tag: &'static str, cxid: i32, zxid: i64, now: Now, latency_ms: u64) {
        self.sent += 1;
        self.last_op = tag;
        if cxid >= 0 {
            self.last_cxid = cxid;
        }
        self.last_zxid = zxid;
        self.last_response_ms = now.millis();
        self.last_latency_ms = latency_ms;
        self.min_latency_ms = self.min_latency_ms.min(latency_ms);
        self.max_latency_ms = self.max_latency_ms.max(latency_ms);
        self.total_latency_ms += latency_ms;
        self.replies += 1;
    }
}

impl Conn {
    /// Its number among the connections of this server.
    pub(crate) fn id(&self) -> ConnId {
        self.id
    }

    /// The client's address.
    pub(crate) fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// The session attached to it; [`SessionId::NONE`] before there is one.
    pub(crate) fn session(&self) -> SessionId {
        SessionId::from_raw(self.session.load(Relaxed))
    }

    /// The negotiated timeout of that session in milliseconds.
    pub(crate) fn timeout_ms(&self) -> i32 {
        self.timeout_ms.load(Relaxed)
    }

    /// Attaches a session.
    pub(crate) fn attach(&self, session: SessionId, timeout_ms: i32) {
        self.timeout_ms.store(timeout_ms, Relaxed);
        self.session.store(session.raw(), Relaxed);
    }

    /// What leaves the connection. Held briefly; last in the order of locks.
    pub(crate) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock()
    }

    /// Tells the task that the outbox has something for it.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Sends what the outbox has, or wakes the task to do it.
    pub(crate) fn send_or_wake(&self) {
        // One that is cut says nothing more.
        if self.is_cut() || !self.outbox().send_now() {
            self.wake();
        }
    }

    /// Closes the connection at once, with no message.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Relaxed);
        self.wake();
    }

    /// Whether it was told to close at once.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Relaxed)
    }

    /// Notes that the client was heard of.
    pub(crate) fn hear(&self, now: Now) {
        self.heard_ms.store(now.millis(), Relaxed);
    }

    /// When the client was last heard of.
    pub(crate) fn heard(&self) -> Now {
        Now::new(Duration::from_millis(self.heard_ms.load(Relaxed)))
    }

    /// Ready when the connection is woken.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Ready when the connection is to close at once.
    pub(crate) async fn cut_off(&self) {
        while !self.is_cut() {
            self.woken().await;
        }
    }

    /// Who it has proved to be.
    pub(crate) fn identities(&self) -> Arc<[Identity]> {
        Arc::clone(&self.identities.lock())
    }

    /// Sets who it has proved to be.
    pub(crate) fn set_identities(&self, identities: Vec<Identity>) {
        *self.identities.lock() = identities.into();
    }
}

/// All connections of the server, by their dense number.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    slots: RwLock<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    conns: Vec<Option<Arc<Conn>>>,
    free: Vec<u32>,
    per_host: HashMap<IpAddr, usize>,
}

impl Connections {
    /// Takes a new connection in.
    pub(crate) fn open(&self, remote: SocketAddr, identities: Vec<Identity>, now: Now) -> Arc<Conn> {
        let mut slots = self.slots.write();
        let number = slots.free.pop().unwrap_or_else(|| {
            slots.conns.push(None);
            // Far fewer connections than u32::MAX fit into the memory of a machine.
            u32::try_from(slots.conns.len() - 1).unwrap_or(u32::MAX)
        });
        let conn = Arc::new(Conn {
            id: ConnId::new(number),
            remote,
            outbox: Mutex::default(),
            wake: Notify::new(),
            session: AtomicI64::new(0),
            timeout_ms: AtomicI32::new(0),
            heard_ms: AtomicU64::new(now.millis()),
            cut: AtomicBool::new(false),
            identities: Mutex::new(identities.into()),
        });
        slots.conns[number as usize] = Some(Arc::clone(&conn));
        *slots.per_host.entry(remote.ip()).or_default() += 1;
        conn
    }

    /// Forgets a connection; its number may be used again.
    pub(crate) fn close(&self, id: ConnId) {
        let mut slots = self.slots.write();
        let Some(conn) = slots.conns.get_mut(id.get() as usize).and_then(Option::take) else { return };
        slots.free.push(id.get());
        let host = conn.remote.ip();
        if let Some(count) = slots.per_host.get_mut(&host) {
            *count -= 1;
            if *count == 0 {
                slots.per_host.remove(&host);
            }
        }
    }

    /// The connection with this number, if it is still open.
    pub(crate) fn get(&self, id: ConnId) -> Option<Arc<Conn>> {
        self.slots.read().conns.get(id.get() as usize)?.clone()
    }

    /// Whether this very connection is open; another may have its number by now.
    pub(crate) fn is_open(&self, conn: &Arc<Conn>) -> bool {
        self.slots
            .read()
            .conns
            .get(conn.id.get() as usize)
            .and_then(Option::as_ref)
            .is_some_and(|open| Arc::ptr_eq(open, conn))
    }

    /// All open connections.
    pub(crate) fn all(&self) -> Vec<Arc<Conn>> {
        self.slots.read().conns.iter().flatten().cloned().collect()
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        let slots = self.slots.read();
        slots.conns.len() - slots.free.len()
    }

    /// How many are open from one address.
    pub(crate) fn count_from(&self, host: IpAddr) -> usize {
        self.slots.read().per_host.get(&host).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::task::Poll;

    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A connection whose task is idle, and its client.
    pub(super) async fn connected(runs: &Connections) -> (Arc<Conn>, TcpStream) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, remote) = listener.accept().await.unwrap();
        let conn = runs.open(remote, Vec::new(), Now::new(Duration::ZERO));
        stream.writable().await.unwrap();
        let (input, output) = stream.into_split();
        drop(input);
        *conn.outbox() = Outbox { socket: Some(output), task_is_idle: true, ..Outbox::default() };
        (conn, client)
    }

    /// Whether the task was woken since it was last looked at.
    pub(super) async fn was_woken(conn: &Conn) -> bool {
        let mut woken = std::pin::pin!(conn.woken());
        std::future::poll_fn(|context| Poll::Ready(woken.as_mut().poll(context).is_ready())).await
    }

    #[tokio::test]
    async fn a_reply_is_sent_in_the_place_of_an_idle_task() {
        let (conn, mut client) = connected(&Connections::default()).await;
        conn.outbox().bytes.extend_from_slice(b"reply");
        conn.send_or_wake();
        assert!(!was_woken(&conn).await);
        assert!(conn.outbox().bytes.is_empty());
        let mut got = [0; 5];
        client.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"reply");
    }

    #[tokio::test]
    async fn a_task_that_is_not_idle_sends_itself() {
        type Change = fn(&mut Outbox);
        let cases: [(&str, Change); 4] = [
            ("has bytes of its own to send first", |outbox| outbox.task_is_idle = false),
            ("is to close behind the reply", |outbox| outbox.closing = true),
            ("has a long reply", |outbox| outbox.bytes = vec![0; SENT_AT_ONCE_LEN_MAX]),
            ("has ended", |outbox| outbox.socket = None),
        ];
        for (name, change) in cases {
            let (conn, _client) = connected(&Connections::default()).await;
            change(&mut conn.outbox());
            conn.outbox().bytes.push(1);
            let before = conn.outbox().bytes.len();
            conn.send_or_wake();
            assert!(was_woken(&conn).await, "{name}");
            assert_eq!(conn.outbox().bytes.len(), before, "{name}");
        }
    }

    #[tokio::test]
    async fn what_the_socket_does_not_take_is_left_to_the_task_in_order() {
        let (conn, mut client) = connected(&Connections::default()).await;
        let mut made = Vec::new();
        while !was_woken(&conn).await {
            let reply: Vec<u8> =
                (made.len()..made.len() + SENT_AT_ONCE_LEN_MAX).map(|i| (i % 251) as u8).collect();
            conn.outbox().bytes.extend_from_slice(&reply);
            made.extend_from_slice(&reply);
            conn.send_or_wake();
        }
        let rest = std::mem::take(&mut conn.outbox().bytes);
        assert!(!rest.is_empty());
        drop(conn.outbox().socket.take());
        let mut got = Vec::new();
        client.read_to_end(&mut got).await.unwrap();
        got.extend_from_slice(&rest);
        assert!(got == made, "{} of {} bytes", got.len(), made.len());
    }
}
