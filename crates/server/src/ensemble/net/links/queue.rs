//! What waits to be sent on a link, in order.

use std::collections::VecDeque;

use parking_lot::Mutex;
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
    filled: Notify,
    over: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    items: VecDeque<Item>,
    /// The bytes of all packets, those being written included.
    bytes: usize,
    /// Packets that ever came in.
    packets: u64,
    /// Packets that are being written or are.
    taken: u64,
    ended: Option<Ended>,
}

impl Queue {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, waiting: Mutex::default(), filled: Notify::new(), over: Notify::new() }
    }

    /// Adds a packet. The link ends when too much waits.
    pub(super) fn push(&self, packet: &QuorumPacket) {
        let mut waiting = self.waiting.lock();
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
        } else {
            drop(waiting);
            self.filled.notify_one();
        }
    }

    /// Adds something else.
    pub(super) fn push_item(&self, item: Item) {
        self.waiting.lock().items.push_back(item);
        self.filled.notify_one();
    }

    /// The next thing to send, once there is one.
    pub(super) async fn next(&self) -> Item {
        loop {
            {
                let mut waiting = self.waiting.lock();
                if let Some(item) = waiting.items.pop_front() {
                    if waiting.items.is_empty() {
                        waiting.taken = waiting.packets;
                    }
                    return item;
                }
            }
            self.filled.notified().await;
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
