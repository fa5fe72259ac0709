//! The election port: one connection to every other server, with notifications both ways (`QuorumCnxManager`).
//!
//! Of two servers the one with the larger id dials. A smaller one dials only to ask for that: it greets and leaves, and is
//! called back at the addresses of its greeting.
//!
//! Order of locks: [`Inner::order`], then the brain (inside `hear`), then the slots. Who holds the slots calls nobody.

mod slots;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};
use zabra_proto::{DecodeError, ElectionHello, Notification, split_notification};
use zabra_types::ServerId;
use zabra_zab::Input;

use self::slots::{Line, Slots};
use super::listen::{Opening, Port};
use super::{Fail, Hear, dial, set_options};
use crate::config::{Endpoint, Host};

/// Connections that have not greeted yet, at most.
const STRANGERS_MAX: usize = 1024;
/// What an observer without an id greets with (`QuorumPeer.OBSERVER_ID`).
const OBSERVER_WITHOUT_ID: ServerId = ServerId::new(i64::MAX);
/// The pauses between attempts to call a server back.
const CALL_PAUSES: [Duration; 3] =
    [Duration::from_millis(20), Duration::from_millis(100), Duration::from_millis(400)];
/// What one read takes at most.
const READ_CHUNK: usize = 16 * 1024;

/// How the election port behaves.
#[derive(Clone, Debug)]
pub(crate) struct ElectionOptions {
    /// This server.
    pub(crate) id: ServerId,
    /// Where it listens.
    pub(crate) listen: Vec<Endpoint>,
    /// Attempts to listen; none is for ever (`electionPortBindRetry`).
    pub(crate) bind_tries: Option<u32>,
    /// Where others can dial it, as the greeting says.
    pub(crate) addresses: Vec<String>,
    /// The other members.
    pub(crate) members: BTreeMap<ServerId, Vec<Endpoint>>,
    /// The membership as text; one that says something else is worth a warning.
    pub(crate) membership: String,
    /// How long a dial may take (`cnxTimeout`).
    pub(crate) dial_timeout: Duration,
    /// How long a greeting may take.
    pub(crate) hello_timeout: Duration,
    /// What it waits for before it accepts, if for anything.
    pub(crate) opening: Option<Opening>,
}

/// The election port of a server. It is open in every state of the server.
#[derive(Debug)]
pub(crate) struct ElectionPort {
    inner: Arc<Inner>,
    listeners: Vec<AbortHandle>,
}

struct Inner {
    options: ElectionOptions,
    hear: Hear,
    slots: Mutex<Slots>,
    /// Held while a connection comes or goes and that is told: the peer must learn of both in their order.
    order: Mutex<()>,
    strangers: Semaphore,
    /// The next id for an observer that has none.
    invented: AtomicI64,
    runtime: tokio::runtime::Handle,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner")
            .field("options", &self.options)
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}

impl Drop for ElectionPort {
    fn drop(&mut self) {
        self.shut();
    }
}

/// Why a connection of the election port ends.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the other side closed it")]
    Closed,
    #[error("{0}")]
    Socket(#[from] io::Error),
    #[error("it sent what is no notification: {0}")]
    Malformed(#[from] DecodeError),
    #[error("another connection of the same server takes its place, or this server ends")]
    Replaced,
}

impl ElectionPort {
    /// Begins to listen. Call it inside a tokio runtime.
    pub(crate) fn start(options: ElectionOptions, hear: Hear, fail: Fail) -> Self {
        let known = options.members.keys().copied().collect();
        let inner = Arc::new(Inner {
            slots: Mutex::new(Slots::new(known)),
            options,
            hear,
            order: Mutex::default(),
            strangers: Semaphore::new(STRANGERS_MAX),
            invented: AtomicI64::new(-1),
            runtime: tokio::runtime::Handle::current(),
        });
        let mut listeners = Vec::new();
        for endpoint in &inner.options.listen {
            let tries = inner.options.bind_tries;
            let opening = inner.options.opening.clone();
            let port = Port { name: "election port", endpoint: endpoint.clone(), tries, opening };
            let (inner, fail) = (Arc::clone(&inner), Arc::clone(&fail));
            let listener = tokio::spawn(async move {
                let accept = |stream, remote| {
                    inner.runtime.spawn(Arc::clone(&inner).accept(stream, remote));
                };
                if let Err(why) = port.serve(accept).await {
                    fail(why);
                }
            });
            listeners.push(listener.abort_handle());
        }
        Self { inner, listeners }
    }

    /// Ends the port and all connections.
    pub(crate) fn shut(&self) {
        for listener in &self.listeners {
            listener.abort();
        }
        self.inner.slots.lock().shut();
    }

    /// Tells a server a vote; only the newest unsent one counts. Without a connection, one is tried.
    pub(crate) fn notify(&self, to: ServerId, notification: &Notification) {
        let mut frame = Vec::new();
        notification.encode(&mut frame);
        if self.inner.slots.lock().put(to, frame) {
            self.inner.dial(to);
        }
    }

    /// Tries to reach every member to which there is neither a connection nor an attempt.
    pub(crate) fn dial_all(&self) {
        for &to in self.inner.options.members.keys() {
            self.inner.dial(to);
        }
    }
}

impl Inner {
    /// Dials a member, unless there is a connection, an attempt, or a plea to be called that is fresh.
    fn dial(self: &Arc<Self>, to: ServerId) {
        let Some(endpoints) = self.options.members.get(&to) else {
            debug!(server = %to, "a server that is no member cannot be dialled");
            return;
        };
        if self.slots.lock().begin_attempt(to) {
            self.runtime.spawn(Arc::clone(self).attempt(to, endpoints.clone()));
        }
    }

    /// One dial, and what comes of it until the connection ends. False when the server could not be reached.
    async fn attempt(self: Arc<Self>, to: ServerId, endpoints: Vec<Endpoint>) -> bool {
        let dialled = dial::connect(&endpoints, self.options.dial_timeout).await;
        let greeted = match dialled {
            Ok(mut stream) => {
                self.greet(&mut stream).await.map(|()| stream).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        match greeted {
            Ok(stream) if to < self.options.id => {
                self.keep(to, stream, true).await;
                true
            }
            Ok(mut stream) => {
                self.slots.lock().pleaded(to);
                let _ = stream.shutdown().await;
                debug!(server = %to, "asked to be called");
                true
            }
            Err(problem) => {
                let worth_saying = self.slots.lock().attempt_failed(to, &problem);
                let at = endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                if worth_saying {
                    warn!(
                        server = %to, %at, problem,
                        "cannot reach a server's election port; trying again. Does it run, is this its address, is the way \
                         to it open?"
                    );
                } else {
                    debug!(server = %to, %at, problem, "cannot reach a server's election port");
                }
                self.down(to, None);
                false
            }
        }
    }

    /// Calls a server that asked for it, perhaps before it listens.
    async fn call(self: Arc<Self>, to: ServerId, endpoints: Vec<Endpoint>) {
        for pause in CALL_PAUSES {
            if Arc::clone(&self).attempt(to, endpoints.clone()).await {
                return;
            }
            sleep(pause).await;
            if !self.slots.lock().begin_call_again(to) {
                return;
            }
        }
        self.attempt(to, endpoints).await;
    }

    /// In one write: genuine servers take the addresses to be complete when their first byte is there.
    async fn greet(&self, stream: &mut TcpStream) -> io::Result<()> {
        set_options(stream)?;
        let hello = ElectionHello { server: self.options.id, addresses: self.options.addresses.clone() };
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        stream.write_all(&bytes).await
    }

    async fn accept(self: Arc<Self>, mut stream: TcpStream, remote: SocketAddr) {
        let Ok(permit) = self.strangers.try_acquire() else {
            warn!(%remote, "too many connections to the election port that say nothing; closing one");
            return;
        };
        let mut rest = BytesMut::new();
        let hello = match timeout(self.options.hello_timeout, hear_hello(&mut stream, &mut rest)).await {
            Ok(Ok(hello)) => hello,
            Ok(Err(Ended::Closed)) => {
                debug!(%remote, "a connection to the election port ended before its greeting");
                return;
            }
            Ok(Err(error)) => {
                warn!(%remote, %error, "closing a connection to the election port: no greeting of a server");
                return;
            }
            Err(_) => {
                warn!(
                    %remote, within = ?self.options.hello_timeout,
                    "closing a connection to the election port: it said nothing"
                );
                return;
            }
        };
        drop(permit);
        let from = match hello.server {
            OBSERVER_WITHOUT_ID => ServerId::new(self.invented.fetch_sub(1, Relaxed)),
            id => id,
        };
        if from == self.options.id {
            warn!(
                %remote, id = %from,
                "closing a connection to the election port: another server has the id of this one; is its myid right?"
            );
        } else if from > self.options.id {
            self.keep_with(from, stream, rest, false).await;
        } else {
            drop(stream);
            self.call_back(from, remote, &hello.addresses);
        }
    }

    /// A server with a smaller id asks to be called.
    fn call_back(self: &Arc<Self>, to: ServerId, remote: SocketAddr, addresses: &[String]) {
        let mut endpoints: Vec<_> = addresses
            .iter()
            .filter_map(|text| endpoint_of(text))
            .filter(|endpoint| !endpoint.host.is_any())
            .collect();
        if endpoints.is_empty() {
            endpoints = self.options.members.get(&to).cloned().unwrap_or_default();
        }
        if endpoints.is_empty() {
            warn!(server = %to, %remote, "a server that is no member asks to be called, but does not say where");
            return;
        }
        if self.slots.lock().begin_call_back(to, &endpoints) {
            debug!(server = %to, %remote, "calling a server back");
            self.spawn_call(to, endpoints);
        }
    }

    /// Not in the line of what is spawned: a call may end with another one.
    fn spawn_call(self: &Arc<Self>, to: ServerId, endpoints: Vec<Endpoint>) {
        let call: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(Arc::clone(self).call(to, endpoints));
        self.runtime.spawn(call);
    }

    async fn keep(self: &Arc<Self>, peer: ServerId, stream: TcpStream, dialled: bool) {
        self.keep_with(peer, stream, BytesMut::new(), dialled).await;
    }

    /// Serves a connection until it ends; what stood for the same server before ends now.
    async fn keep_with(self: &Arc<Self>, peer: ServerId, stream: TcpStream, rest: BytesMut, dialled: bool) {
        let remote = stream.peer_addr().ok();
        if let Err(error) = set_options(&stream) {
            debug!(server = %peer, %error, "cannot set socket options");
        }
        let line = {
            let _order = self.order.lock();
            let Some(line) = self.slots.lock().open(peer, dialled) else {
                warn!(server = %peer, ?remote, "too many servers that are no members; closing a connection of one");
                return;
            };
            if !self.options.members.contains_key(&peer) {
                info!(server = %peer, ?remote, "a server that is no member connected to the election port");
            }
            (self.hear)(vec![Input::PeerUp(peer)]);
            line
        };
        debug!(server = %peer, ?remote, "a connection of the election port stands");
        let (read, write) = stream.into_split();
        let ended = tokio::select! {
            ended = self.receive(peer, read, rest) => ended,
            ended = self.send(peer, &line, write) => ended,
            () = line.replaced() => Ended::Replaced,
        };
        match ended {
            Ended::Malformed(_) => {
                warn!(server = %peer, ?remote, %ended, "closing a connection of the election port")
            }
            _ => debug!(server = %peer, ?remote, %ended, "a connection of the election port ended"),
        }
        self.down(peer, Some(&line));
    }

    /// Tells that a server cannot be heard any more, unless another connection stands already.
    fn down(self: &Arc<Self>, peer: ServerId, line: Option<&Line>) {
        let _order = self.order.lock();
        let gone = match line {
            Some(line) => self.slots.lock().close(peer, line),
            None => !self.slots.lock().stands(peer),
        };
        if gone {
            (self.hear)(vec![Input::PeerDown(peer)]);
            if let Some(endpoints) = self.slots.lock().begin_late_call(peer) {
                debug!(server = %peer, "calling a server back that asked for it before");
                self.spawn_call(peer, endpoints);
            }
        }
    }

    async fn receive(&self, from: ServerId, mut stream: OwnedReadHalf, mut bytes: BytesMut) -> Ended {
        let mut told = false;
        let mut compared = false;
        loop {
            let mut heard = Vec::new();
            loop {
                match split_notification(&bytes) {
                    Ok(None) => break,
                    Err(error) => return error.into(),
                    Ok(Some((frame, behind))) => {
                        let used = bytes.len() - behind.len();
                        match Notification::decode(frame) {
                            Ok(notification) => {
                                if !compared && let Some(theirs) = &notification.config {
                                    compared = true;
                                    compare(from, &self.options.membership, theirs);
                                }
                                heard.push(Input::Notified { from, notification });
                            }
                            // Passed over, as genuine servers do.
                            Err(error) if !told => {
                                told = true;
                                warn!(server = %from, %error, "a notification cannot be read; passing over such ones");
                            }
                            Err(_) => {}
                        }
                        bytes.advance(used);
                    }
                }
            }
            if !heard.is_empty() {
                (self.hear)(heard);
            }
            bytes.reserve(READ_CHUNK);
            match stream.read_buf(&mut bytes).await {
                Ok(0) => return Ended::Closed,
                Ok(_) => {}
                Err(error) => return error.into(),
            }
        }
    }

    async fn send(&self, to: ServerId, line: &Line, mut stream: OwnedWriteHalf) -> Ended {
        loop {
            let frame = self.slots.lock().take(to, line);
            match frame {
                None => line.filled().await,
                Some(frame) => {
                    if let Err(error) = stream.write_all(&frame).await {
                        return error.into();
                    }
                }
            }
        }
    }
}

async fn hear_hello(stream: &mut TcpStream, bytes: &mut BytesMut) -> Result<ElectionHello, Ended> {
    loop {
        if stream.read_buf(bytes).await? == 0 {
            return Err(Ended::Closed);
        }
        if let Some((hello, used)) = ElectionHello::decode(bytes)? {
            bytes.advance(used);
            return Ok(hello);
        }
    }
}

/// Warns when a server was told of other members than this one.
fn compare(server: ServerId, ours: &str, theirs: &str) {
    let missing_in = |text: &str, other: &str| {
        let lines: BTreeSet<_> = other.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let missing = text.lines().map(str::trim).filter(|line| !line.is_empty() && !lines.contains(line));
        missing.collect::<Vec<_>>().join(", ")
    };
    let (here, there) = (missing_in(ours, theirs), missing_in(theirs, ours));
    if !(here.is_empty() && there.is_empty()) {
        warn!(
            %server, here, there,
            "a server is configured with other members than this one; make the server, group and weight lines of all \
             servers alike"
        );
    }
}

/// `host:port`, which the greeting's decoder has checked.
fn endpoint_of(text: &str) -> Option<Endpoint> {
    let (host, port) = text.rsplit_once(':')?;
    Some(Endpoint::new(Host::new(host), port.parse().ok()?))
}

#[cfg(test)]
mod tests;
