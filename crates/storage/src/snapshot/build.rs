//! Building the tree on a thread of its own, while the next nodes are read.

use std::mem;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use zabra_tree::{LoadError, NodeSum, RecordPage, TreeLoader};
use zabra_types::StatPersisted;

/// Nodes handed over at a time.
const BATCH_NODES: usize = 1024;
/// And bytes of their paths and data.
const BATCH_LEN: usize = 256 << 10;
/// Batches that may wait for the thread.
const BATCHES_WAITING: usize = 4;

/// A thread that puts nodes into a tree.
#[derive(Debug)]
pub(super) struct Builder {
    batch: Batch,
    /// Bytes of records for which no page was handed over yet.
    room: usize,
    full: SyncSender<Batch>,
    /// Batches to be used again.
    empty: Receiver<Batch>,
    thread: JoinHandle<Result<TreeLoader, LoadError>>,
}

/// Nodes in a row.
#[derive(Debug, Default)]
struct Batch {
    paths: String,
    data: Vec<u8>,
    nodes: Vec<Node>,
    /// Where about the records of these nodes go: the thread has more to do than who reads.
    pages: Vec<RecordPage>,
    /// How many nodes there will be, when it has become known.
    expected: Option<usize>,
}

#[derive(Debug)]
struct Node {
    path_len: usize,
    data_len: Option<usize>,
    acl: i64,
    stat: StatPersisted,
    sum: NodeSum,
}

impl Builder {
    /// Goes on with what is loaded so far, unless the system has no thread for it.
    pub(super) fn start(loader: TreeLoader) -> Result<Self, Box<TreeLoader>> {
        let (full, batches) = sync_channel(BATCHES_WAITING);
        let (used, empty) = channel();
        let (begin, begun) = channel::<TreeLoader>();
        let work = move || {
            let loader = begun.recv().expect("what started the thread sends it its work at once");
            build(loader, &batches, &used)
        };
        match thread::Builder::new().name("load".to_owned()).spawn(work) {
            Ok(thread) => match begin.send(loader) {
                Ok(()) => Ok(Self { batch: Batch::default(), room: 0, full, empty, thread }),
                Err(unsent) => Err(Box::new(unsent.0)),
            },
            Err(_) => Err(Box::new(loader)),
        }
    }

    /// Takes a node. False when the thread has found what is no tree: [`Builder::finish`] says what.
    pub(super) fn node(
        &mut self,
        path: &str,
        data: Option<&[u8]>,
        acl: i64,
        stat: StatPersisted,
        sum: NodeSum,
    ) -> bool {
        let name_len = path.bytes().rev().take_while(|&byte| byte != b'/').count();
        self.room += RecordPage::share(name_len, data.map_or(0, <[u8]>::len));
        let batch = &mut self.batch;
        batch.paths.push_str(path);
        batch.data.extend_from_slice(data.unwrap_or_default());
        batch.nodes.push(Node { path_len: path.len(), data_len: data.map(<[u8]>::len), acl, stat, sum });
        let is_full = batch.nodes.len() == BATCH_NODES || batch.paths.len() + batch.data.len() >= BATCH_LEN;
        !is_full || self.hand_over()
    }

    /// Tells how many nodes there will be altogether, about.
    pub(super) fn expect(&mut self, nodes: usize) {
        self.batch.expected = Some(nodes);
    }

    fn hand_over(&mut self) -> bool {
        self.batch.pages.extend((0..self.room / RecordPage::LEN).map(|_| RecordPage::new()));
        self.room %= RecordPage::LEN;
        let next = self.empty.try_recv().unwrap_or_default();
        self.full.send(mem::replace(&mut self.batch, next)).is_ok()
    }

    /// Waits for the thread.
    ///
    /// # Errors
    /// The nodes are not a tree.
    pub(super) fn finish(mut self) -> Result<TreeLoader, LoadError> {
        self.hand_over();
        drop(self.full);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn build(
    mut loader: TreeLoader,
    batches: &Receiver<Batch>,
    used: &Sender<Batch>,
) -> Result<TreeLoader, LoadError> {
    while let Ok(mut batch) = batches.recv() {
        if let Some(nodes) = batch.expected.take() {
            loader.expect(nodes);
        }
        batch.pages.drain(..).for_each(|page| loader.give(page));
        let (mut path_at, mut data_at) = (0, 0);
        for Node { path_len, data_len, acl, stat, sum } in batch.nodes.drain(..) {
            let path = &batch.paths[path_at..][..path_len];
            let data = data_len.map(|len| &batch.data[data_at..][..len]);
            loader.summed_node(path, data, acl, &stat, sum)?;
            path_at += path_len;
            data_at += data_len.unwrap_or(0);
        }
        batch.paths.clear();
        batch.data.clear();
        // Nobody takes it back at the end.
        let _ = used.send(batch);
    }
    Ok(loader)
}
