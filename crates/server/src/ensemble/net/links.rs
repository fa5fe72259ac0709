//! The quorum port: links between a leader and its learners.
//!
//! Each link has a reader and a writer. What the peer sends is queued in order, and goes out with [`Links::flush`] in as
//! few writes as possible; a link whose other end does not read is closed when its queue is full. What comes is told in order, and the end of a
//! link last; of a link that the peer closed, nothing more.

mod pipe;
mod queue;
mod receive;
mod send;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tracing::{debug, info, warn};
use zabra_proto::{DecodeError, FieldLimit, QuorumPacket};
use zabra_tree::Tree;
use zabra_types::{ServerId, Zxid};
use zabra_zab::{CloseReason, Input, LinkId};

use self::queue::{Item, Queue};
use super::listen::{Opening, Port};
use super::{Fail, Hear, dial, set_options};
use crate::clock::Clock;
use crate::config::Endpoint;
use crate::ensemble::Hold;

/// The numbers of links that others begin have this bit; those that the peer asks for do not.
const ACCEPTED: u64 = 1 << 63;

/// How links behave.
#[derive(Clone, Debug)]
pub(crate) struct LinkOptions {
    /// Where to listen.
    pub(crate) listen: Vec<Endpoint>,
    /// Attempts to listen; none is for ever.
    pub(crate) bind_tries: Option<u32>,
    /// Where the other members listen.
    pub(crate) members: BTreeMap<ServerId, Vec<Endpoint>>,
    /// How long one attempt to connect may take.
    pub(crate) dial_timeout: Duration,
    /// The longest field of a packet.
    pub(crate) field_limit: FieldLimit,
    /// Links at the same time, at most.
    pub(crate) links_max: usize,
    /// Bytes that may wait to be sent on one link.
    pub(crate) queue_bytes_max: usize,
    /// How long the other side may take none of what is sent to it.
    pub(crate) stall_max: Duration,
    /// How often it is told that a database goes on coming.
    pub(crate) progress_pause: Duration,
    /// What it waits for before it accepts, if for anything.
    pub(crate) opening: Option<Opening>,
}

/// The data that links send and receive. Called on threads that may block.
pub(crate) trait Depot: Send + Sync {
    /// Hands out the transactions of the log on disk after `after` and before `before`, all of them.
    ///
    /// # Errors
    /// Some are missing, or the disk failed, or `each` did.
    fn read_log(
        &self,
        after: Zxid,
        before: Zxid,
        each: &mut dyn FnMut(Zxid, &[u8]) -> io::Result<()>,
    ) -> Result<(), String>;

    /// Writes the database as it follows a SNAP packet.
    ///
    /// # Errors
    /// `out` failed.
    fn write_snapshot(&self, out: &mut dyn Write) -> Result<(), String>;

    /// Reads what follows a SNAP packet with this zxid, and nothing behind it. No snapshot is taken until the database is in its place
    /// or dropped.
    ///
    /// # Errors
    /// It is no database, or `input` failed.
    fn read_snapshot(&self, zxid: Zxid, input: &mut dyn BufRead) -> Result<(Tree, Hold), String>;
}

/// The quorum port of a server and its links. The port is open in every state of the server, so that a learner that
/// knows sooner than its leader who that is need not come again.
#[derive(Debug)]
pub(crate) struct Links {
    inner: Arc<Inner>,
    listeners: Vec<AbortHandle>,
}

struct Inner {
    options: LinkOptions,
    hear: Hear,
    depot: Arc<dyn Depot>,
    links: Mutex<BTreeMap<LinkId, Link>>,
    /// Where something waits for [`Links::flush`].
    filled: Mutex<Vec<Arc<Queue>>>,
    accepted: AtomicU64,
    runtime: tokio::runtime::Handle,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.shut();
    }
}

/// A link, for those who watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkStatus {
    /// Who is at the other end.
    pub(crate) remote: String,
    /// Since when it stands, in milliseconds since 1970.
    pub(crate) established_ms: i64,
    /// Packets that came.
    pub(crate) received: u64,
    /// Packets that were sent.
    pub(crate) sent: u64,
    /// Packets that wait to be sent.
    pub(crate) waiting: u64,
    /// Their bytes.
    pub(crate) waiting_bytes: usize,
}

/// A link, standing or being made.
struct Link {
    queue: Arc<Queue>,
    received: Arc<AtomicU64>,
    established_ms: i64,
    /// What ends with it.
    tasks: Vec<AbortHandle>,
    /// What came behind a SNAP packet.
    snapshot: Option<(Tree, Hold)>,
    /// Who is at the other end, for the log.
    remote: String,
}

impl Link {
    fn new(remote: String, queue_bytes_max: usize, tasks: Vec<AbortHandle>) -> Self {
        Self {
            queue: Arc::new(Queue::new(queue_bytes_max)),
            received: Arc::default(),
            established_ms: Clock::wall().millis(),
            tasks,
            snapshot: None,
            remote,
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Why a link ends by itself.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the other side closed it")]
    Closed,
    #[error("{0}")]
    Socket(#[from] io::Error),
    #[error("it sent what is no packet: {0}")]
    Malformed(#[from] DecodeError),
    #[error("the database it sent cannot be read: {0}")]
    Snapshot(String),
    #[error("it cannot be brought up to date: {0}")]
    History(String),
    #[error("it does not take what is sent to it: {0} bytes wait")]
    Full(usize),
    #[error("it has taken nothing of what is sent to it for {0:?}")]
    Stalled(Duration),
}

impl Links {
    /// Begins to listen. Call it inside a tokio runtime.
    pub(crate) fn start(options: LinkOptions, depot: Arc<dyn Depot>, hear: Hear, fail: Fail) -> Self {
        let inner = Arc::new(Inner {
            options,
            hear,
            depot,
            links: Mutex::default(),
            filled: Mutex::default(),
            accepted: AtomicU64::new(ACCEPTED),
            runtime: tokio::runtime::Handle::current(),
        });
        let mut listeners = Vec::new();
        for endpoint in &inner.options.listen {
            let tries = inner.options.bind_tries;
            let opening = inner.options.opening.clone();
            let port = Port { name: "quorum port", endpoint: endpoint.clone(), tries, opening };
            let (inner, fail) = (Arc::clone(&inner), Arc::clone(&fail));
            let listener = tokio::spawn(async move {
                if let Err(why) = port.serve(|stream, remote| inner.accept(stream, remote)).await {
                    fail(why);
                }
            });
            listeners.push(listener.abort_handle());
        }
        Self { inner, listeners }
    }

    /// Ends the port and all links. Nothing more is told.
    pub(crate) fn shut(&self) {
        for listener in &self.listeners {
            listener.abort();
        }
        self.inner.links.lock().clear();
    }

    /// Connects to a leader; the answer is told.
    pub(crate) fn connect(&self, link: LinkId, leader: ServerId) {
        let endpoints = self.inner.options.members.get(&leader).cloned().unwrap_or_default();
        let mut links = self.inner.links.lock();
        let inner = Arc::clone(&self.inner);
        let task = inner.runtime.spawn(Arc::clone(&inner).dial(link, leader, endpoints));
        let remote = format!("server {leader}");
        links.insert(link, Link::new(remote, inner.options.queue_bytes_max, vec![task.abort_handle()]));
    }

    /// Sends a packet with the next [`Self::flush`], behind what was sent before.
    pub(crate) fn send(&self, link: LinkId, packet: &QuorumPacket) {
        self.fill(link, |queue| queue.push(packet));
    }

    /// Sends what waits on all links, without waiting itself.
    pub(crate) fn flush(&self) {
        let filled = std::mem::take(&mut *self.inner.filled.lock());
        for queue in filled {
            queue.flush();
        }
    }

    /// Sends a piece of the log, behind what was sent before. The end of it is told.
    pub(crate) fn send_log(&self, link: LinkId, after: Zxid, before: Zxid) {
        self.send_item(link, Item::Log { after, before });
    }

    /// Sends the database, behind what was sent before. The end of it is told.
    pub(crate) fn send_snapshot(&self, link: LinkId) {
        self.send_item(link, Item::Snapshot);
    }

    fn send_item(&self, link: LinkId, item: Item) {
        self.fill(link, |queue| queue.push_item(item));
    }

    fn fill(&self, link: LinkId, fill: impl FnOnce(&Queue) -> bool) {
        if let Some(link) = self.inner.links.lock().get(&link)
            && fill(&link.queue)
        {
            self.inner.filled.lock().push(Arc::clone(&link.queue));
        }
    }

    /// Closes a link; nothing more is told of it.
    pub(crate) fn close(&self, link: LinkId, why: &CloseReason) {
        if let Some(closed) = self.inner.links.lock().remove(&link) {
            match why {
                CloseReason::NotLeading | CloseReason::NotFollowing => {
                    debug!(remote = closed.remote, %why, "closing a link");
                }
                _ => warn!(remote = closed.remote, %why, "closing a link"),
            }
        }
    }

    /// What there is to see of a link.
    pub(crate) fn status(&self, link: LinkId) -> Option<LinkStatus> {
        let links = self.inner.links.lock();
        let link = links.get(&link)?;
        let (waiting, waiting_bytes, sent) = link.queue.load();
        Some(LinkStatus {
            remote: link.remote.clone(),
            established_ms: link.established_ms,
            received: link.received.load(Relaxed),
            sent,
            waiting,
            waiting_bytes,
        })
    }

    /// Whether a link is open. Of one that is not, nothing may be told any more.
    pub(crate) fn is_open(&self, link: LinkId) -> bool {
        self.inner.links.lock().contains_key(&link)
    }

    /// Forgets a link whose end is told. False when it was closed before.
    pub(crate) fn forget(&self, link: LinkId) -> bool {
        self.inner.links.lock().remove(&link).is_some()
    }

    /// The database that came over a link.
    pub(crate) fn take_snapshot(&self, link: LinkId) -> Option<(Tree, Hold)> {
        self.inner.links.lock().get_mut(&link)?.snapshot.take()
    }
}

impl Inner {
    fn tell(&self, input: Input) {
        (self.hear)(vec![input]);
    }

    async fn dial(self: Arc<Self>, link: LinkId, leader: ServerId, endpoints: Vec<Endpoint>) {
        match dial::connect(&endpoints, self.options.dial_timeout).await {
            Ok(stream) => {
                info!(server = %leader, "connected to the leader");
                self.serve(link, stream, Input::Connected(link));
            }
            Err(error) => {
                // It may not know yet that it leads; the peer tries again.
                debug!(server = %leader, %error, "cannot reach the leader");
                self.tell(Input::NotConnected(link));
            }
        }
    }

    fn accept(self: &Arc<Self>, stream: TcpStream, remote: SocketAddr) {
        let link = LinkId(self.accepted.fetch_add(1, Relaxed));
        {
            let mut links = self.links.lock();
            if links.len() >= self.options.links_max {
                warn!(%remote, max = self.options.links_max, "too many links, closing one");
                return;
            }
            links.insert(link, Link::new(remote.to_string(), self.options.queue_bytes_max, Vec::new()));
        }
        debug!(%remote, "a connection to the quorum port");
        self.serve(link, stream, Input::Accepted(link));
    }

    /// Reads and writes until the link ends. `first` is told before anything else of it.
    fn serve(self: &Arc<Self>, id: LinkId, stream: TcpStream, first: Input) {
        if let Err(error) = set_options(&stream) {
            debug!(%error, "cannot set socket options");
        }
        let mut links = self.links.lock();
        // It may have been closed while it was being made.
        let Some(link) = links.get_mut(&id) else { return };
        let inner = Arc::clone(self);
        let (queue, received) = (Arc::clone(&link.queue), Arc::clone(&link.received));
        let (read, write) = stream.into_split();
        let write = Arc::new(write);
        queue.open(Arc::clone(&write));
        let writer = self.runtime.spawn(send::run(Arc::clone(self), id, Arc::clone(&queue), write));
        let reader = self.runtime.spawn(async move {
            inner.tell(first);
            let ended = tokio::select! {
                ended = receive::run(&inner, id, read, &received) => ended,
                ended = queue.ended() => ended,
            };
            inner.ended(id, &ended);
        });
        link.tasks = vec![writer.abort_handle(), reader.abort_handle()];
    }

    /// Says why a link ended, once, and tells that it did.
    fn ended(&self, id: LinkId, ended: &Ended) {
        if let Some(link) = self.links.lock().get(&id) {
            match ended {
                Ended::Closed | Ended::Socket(_) => info!(remote = link.remote, %ended, "a link ended"),
                _ => warn!(remote = link.remote, %ended, "closing a link"),
            }
        }
        self.tell(Input::Closed(id));
    }
}

#[cfg(test)]
mod tests;
