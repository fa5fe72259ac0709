//! Putting items without waiting for each.

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::Queue;
use super::layout::Layout;
use crate::{Error, Result};

/// How many items wait to be put before a producer has to wait.
const WAITING_MAX: usize = 1024;

/// How many items go into one transaction, and how many bytes unless one item has more.
const BATCH_ITEMS_MAX: usize = 64;
const BATCH_BYTES_MAX: usize = 256 * 1024;

/// An item that was to be put in the background and was not, or perhaps not.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NotPut {
    /// The item.
    pub item: Bytes,
    /// Why. Its [outcome](Error::outcome) tells whether the item may be in the queue all the same.
    pub error: Error,
}

/// The items handed to the background, and what became of them. The task that puts them starts with the first.
pub(super) struct Background<L: Layout> {
    waiting: watch::Sender<usize>,
    task: Mutex<Option<mpsc::Sender<Put<L>>>>,
    failed: Mutex<Vec<NotPut>>,
}

/// It keeps its queue alive until it is put.
struct Put<L: Layout> {
    queue: Queue<L>,
    name: String,
    item: Bytes,
}

impl<L: Layout> Default for Background<L> {
    fn default() -> Self {
        Self { waiting: watch::Sender::new(0), task: Mutex::new(None), failed: Mutex::default() }
    }
}

impl<L: Layout> Background<L> {
    pub(super) async fn put(&self, queue: Queue<L>, name: String, item: Bytes) {
        let task = self.task.lock().get_or_insert_with(start).clone();
        match task.reserve().await {
            Ok(slot) => {
                self.waiting.send_modify(|waiting| *waiting += 1);
                slot.send(Put { queue, name, item });
            }
            // The runtime is going.
            Err(_) => self.failed.lock().push(NotPut { item, error: Error::Closed }),
        }
    }

    pub(super) async fn flush(&self) -> Result<()> {
        // The sender is a field, so the receiver's error cannot come.
        let _ = self.waiting.subscribe().wait_for(|waiting| *waiting == 0).await;
        let failed = std::mem::take(&mut *self.failed.lock());
        if failed.is_empty() { Ok(()) } else { Err(Error::NotPut(failed)) }
    }
}

/// Starts the task that puts; it ends when the queue is dropped and nothing waits.
fn start<L: Layout>() -> mpsc::Sender<Put<L>> {
    let (sender, mut puts) = mpsc::channel::<Put<L>>(WAITING_MAX);
    tokio::spawn(async move {
        let mut next = None;
        loop {
            let first = match next.take() {
                Some(put) => put,
                None => match puts.recv().await {
                    Some(put) => put,
                    None => return,
                },
            };
            let queue = first.queue.clone();
            let mut bytes = first.item.len();
            let mut batch = vec![first];
            while batch.len() < BATCH_ITEMS_MAX {
                let Ok(put) = puts.try_recv() else { break };
                bytes += put.item.len();
                if bytes > BATCH_BYTES_MAX {
                    next = Some(put);
                    break;
                }
                batch.push(put);
            }
            let count = batch.len();
            let failed = put_batch(&queue, batch).await;
            let background = &queue.shared.background;
            background.failed.lock().extend(failed);
            background.waiting.send_modify(|waiting| *waiting -= count);
        }
    });
    sender
}

/// Puts a batch, and returns what was not put, or perhaps not.
async fn put_batch<L: Layout>(queue: &Queue<L>, batch: Vec<Put<L>>) -> Vec<NotPut> {
    let node = |put: &Put<L>| (put.name.clone(), L::encode(std::slice::from_ref(&put.item)));
    // One by one when they are bounded, so as to exceed the bound by one at most.
    if batch.len() > 1 && queue.shared.max_items.is_none() {
        match queue.put_nodes(batch.iter().map(node).collect()).await {
            Ok(()) => return Vec::new(),
            // It may be the fault of one of them: try each.
            Err(error) if error.outcome() == zabra_client::Outcome::DidNotHappen && !error.is_final() => {}
            Err(error) => {
                return batch
                    .into_iter()
                    .map(|put| NotPut { item: put.item, error: error.clone() })
                    .collect();
            }
        }
    }
    let mut failed = Vec::new();
    for put in batch {
        if let Err(error) = queue.put_nodes(vec![node(&put)]).await {
            failed.push(NotPut { item: put.item, error });
        }
    }
    failed
}
