//! What waits to be sent on a link, in order.
//!
//! Whoever adds packets sends them, too, as soon as it holds no lock ([`Queue::flush`]): all of one round in one write,
//! and no other thread need wake up for it. What the socket does not take at once is left to the link's task.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;
use zabra_proto::QuorumPacket;
use zabra_types::Zxid;

use super::Ended;

/// Something to send.
#[derive(Debug)]
pub(super) enum Item {
    /// Packets.
    Bytes(Vec<u8>),
    /// A piece of the log on disk.
    Log {
        /// The last transaction not to send.
        after: Zxid,
        /// The first one not to send any more.
        before: Zxid,
    },
    /// The database.
    Snapshot,
}

#[derive(Debug)]
pub(super) struct Queue {
    bytes_max: usize,
    waiting: Mutex<Waiting>,
    left: Notify,
    over: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    writer: Writer,
    /// Where it goes, once the link stands.
    stream: Option<Arc<OwnedWriteHalf>>,
    /// The bytes of all packets, those being written included.
    bytes: usize,
    /// Packets that ever came in.
    packets: u64,
    /// Packets that are being written or are.
    taken: u64,
    ended: Option<Ended>,
}

/// Who writes. What is added meanwhile goes out with the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Writer {
    #[default]
    Nobody,
    /// Somebody in [`Queue::flush`].
    Flush,
    /// The link's task, until nothing is left.
    Task,
}

impl Queue {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, waiting: Mutex::default(), left: Notify::new(), over: Notify::new() }
    }

    /// The link stands.
    pub(super) fn open(&self, stream: Arc<OwnedWriteHalf>) {
        self.waiting.lock().stream = Some(stream);
        self.flush();
    }

    /// Adds a packet, for [`Self::flush`] to send. The link ends when too much waits. Says whether it is the first.
    pub(super) fn push(&self, packet: &QuorumPacket) -> bool {
        let mut waiting = self.waiting.lock();
        let is_first = waiting.items.is_empty();
        let Waiting { items, bytes, packets, .. } = &mut *waiting;
        *packets += 1;
        if !matches!(items.back(), Some(Item::Bytes(_))) {
            items.push_back(Item::Bytes(Vec::new()));
        }
        if let Some(Item::Bytes(last)) = items.back_mut() {
            let before = last.len();
            packet.encode(last);
            *bytes += last.len() - before;
        }
        if *bytes > self.bytes_max {
            let ended = Ended::Full(*bytes);
            drop(waiting);
            self.end(ended);
        }
        is_first
    }

    /// Adds something else. Says whether nothing waited before.
    pub(super) fn push_item(&self, item: Item) -> bool {
        let mut waiting = self.waiting.lock();
        let is_first = waiting.items.is_empty();
        waiting.items.push_back(item);
        is_first
    }

    /// Sends what waits, as far as that goes without waiting, unless somebody does already. Call it with no lock held that
    /// others want.
    pub(super) fn flush(&self) {
        let mut waiting = self.waiting.lock();
        if waiting.writer != Writer::Nobody {
            return;
        }
        let Some(stream) = waiting.stream.clone() else { return };
        while let Some(item) = waiting.take() {
            let Item::Bytes(mut bytes) = item else {
                waiting.items.push_front(item);
                return self.leave(&mut waiting);
            };
            waiting.writer = Writer::Flush;
            drop(waiting);
            let written = stream.try_write(&bytes);
            waiting = self.waiting.lock();
            waiting.writer = Writer::Nobody;
            let len = match written {
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => {
                    drop(waiting);
                    return self.end(error.into());
                }
            };
            waiting.bytes -= len;
            if len < bytes.len() {
                bytes.drain(..len);
                waiting.items.push_front(Item::Bytes(bytes));
                return self.leave(&mut waiting);
            }
        }
    }

    /// Leaves what waits to the task.
    fn leave(&self, waiting: &mut Waiting) {
        waiting.writer = Writer::Task;
        self.left.notify_one();
    }

    /// The next thing that is left to the link's task, once there is one.
    pub(super) async fn next(&self) -> Item {
        loop {
            {
                let mut waiting = self.waiting.lock();
                if waiting.writer == Writer::Task {
                    if let Some(item) = waiting.take() {
                        return item;
                    }
                    waiting.writer = Writer::Nobody;
                }
            }
            self.left.notified().await;
        }
    }

    /// So many bytes are written.
    pub(super) fn sent(&self, len: usize) {
        self.waiting.lock().bytes -= len;
    }

    /// Packets and bytes that wait, and packets that do not any more.
    pub(super) fn load(&self) -> (u64, usize, u64) {
        let waiting = self.waiting.lock();
        (waiting.packets - waiting.taken, waiting.bytes, waiting.taken)
    }

    /// The link is to end; only the first reason counts, and nothing is kept any more.
    pub(super) fn end(&self, ended: Ended) {
        let mut waiting = self.waiting.lock();
        waiting.ended.get_or_insert(ended);
        waiting.items.clear();
        drop(waiting);
        self.over.notify_one();
    }

    /// Ready when the link is to end.
    pub(super) async fn ended(&self) -> Ended {
        loop {
            self.over.notified().await;
            if let Some(ended) = self.waiting.lock().ended.take() {
                return ended;
            }
        }
    }
}

impl Waiting {
    fn take(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        if self.items.is_empty() {
            self.taken = self.packets;
        }
        Some(item)
    }
}
