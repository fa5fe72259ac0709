//! Answering reads: at once on the connection's thread, or behind a write on the log thread.

use std::ops::DerefMut;
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard, RwLockReadGuard};
use zabra_node::{Caller, QueuedRead, Reads, Released, WatchAccess, WatchTable, reply};
use zabra_proto::{OpCode, begin_frame, end_frame, put_reply_header};
use zabra_tree::Tree;
use zabra_types::{Identity, KeeperError, Xid, Zxid};

use crate::conn::{Conn, Outbox};
use crate::core::{Brain, Core};
use crate::stats::{Tally, millis};

/// The locks that a batch of requests holds. Each request takes what it needs beyond that; going from reading to
/// writing lets go of the tree first, because the brain comes before it in the order of locks.
pub(crate) enum Held<'a> {
    /// None yet.
    Nothing,
    /// The tree, shared.
    Tree(RwLockReadGuard<'a, Tree>),
    /// The brain, and the tree shared.
    Brain(MutexGuard<'a, Brain>, RwLockReadGuard<'a, Tree>),
}

impl<'a> Held<'a> {
    /// The tree.
    pub(crate) fn tree(&mut self, core: &'a Core) -> &Tree {
        if matches!(self, Self::Nothing) {
            *self = Self::Tree(core.tree.read());
        }
        match self {
            Self::Tree(tree) | Self::Brain(_, tree) => tree,
            Self::Nothing => unreachable!("the tree was just taken"),
        }
    }

    /// Lets go of everything; the peer of an ensemble is told what came together.
    pub(crate) fn finish(self, core: &Core) {
        if let Self::Brain(brain, tree) = self {
            drop(tree);
            core.carry_on(brain);
        }
    }

    /// The brain and the tree.
    pub(crate) fn brain(&mut self, core: &'a Core) -> (&mut Brain, &Tree) {
        if !matches!(self, Self::Brain(..)) {
            *self = Self::Nothing;
            let brain = core.brain.lock();
            *self = Self::Brain(brain, core.tree.read());
        }
        match self {
            Self::Brain(brain, tree) => (brain, tree),
            Self::Nothing | Self::Tree(_) => unreachable!("the brain was just taken"),
        }
    }
}

/// The watch table, locked only for the requests that leave or remove a watch.
struct OnDemand<'a>(&'a Mutex<WatchTable>);

impl WatchAccess for OnDemand<'_> {
    fn table(&mut self) -> impl DerefMut<Target = WatchTable> {
        self.0.lock()
    }
}

/// Answers a read that nothing of its session is before.
pub(crate) fn answer(
    at: (&Core, &mut Tally<'_>),
    conn: &Conn,
    outbox: &mut Outbox,
    tree: &Tree,
    identities: &[Identity],
    (xid, op, body): (Xid, OpCode, &[u8]),
    received: Instant,
) {
    let latency = millis(received.elapsed());
    let mut watches = OnDemand(&at.0.watches);
    answer_with(at, conn, outbox, tree, &mut watches, identities, (xid, op, body), latency);
}

/// Answers a read that had to wait for the leader, its turn having come, and then what it has released. All locks are
/// held.
pub(crate) fn run_awaited(
    (core, tally): (&Core, &mut Tally<'_>),
    conn: &Conn,
    outbox: &mut Outbox,
    tree: &Tree,
    watches: &mut WatchTable,
    (read, received): (&QueuedRead, Instant),
) {
    let latency = millis(received.elapsed());
    let request = (read.xid, read.op, &*read.body);
    answer_with((core, tally), conn, outbox, tree, watches, &read.identities, request, latency);
    run_released((core, tally), conn, outbox, tree, watches, latency);
}

/// Answers what a completed write has released, up to the next write. The log thread does this, all locks held.
pub(crate) fn run_released(
    (core, tally): (&Core, &mut Tally<'_>),
    conn: &Conn,
    outbox: &mut Outbox,
    tree: &Tree,
    watches: &mut WatchTable,
    latency: u64,
) {
    while let Some(released) = outbox.gate.pop() {
        match released {
            Released::Read(read) => {
                let request = (read.xid, read.op, &*read.body);
                let at = (core, &mut *tally);
                answer_with(at, conn, outbox, tree, watches, &read.identities, request, latency);
            }
            Released::Refusal(xid, op, error) => {
                refuse((core, tally), outbox, op, xid, error, core.shown_zxid(tree))
            }
            Released::Goodbye(xid) => say_goodbye((core, tally), outbox, xid, core.shown_zxid(tree)),
            Released::Reply(reply) => outbox.bytes.extend_from_slice(&reply),
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "one hot function behind the two above")]
fn answer_with(
    (core, tally): (&Core, &mut Tally<'_>),
    conn: &Conn,
    outbox: &mut Outbox,
    tree: &Tree,
    watches: &mut impl WatchAccess,
    identities: &[Identity],
    (xid, op, body): (Xid, OpCode, &[u8]),
    latency: u64,
) {
    let last_zxid = core.shown_zxid(tree);
    let reads = Reads {
        tree,
        last_zxid,
        schemes: &core.schemes,
        skip_acl: core.options.skip_acl,
        field_limit: core.field_limit(),
    };
    let caller = Caller { session: conn.session(), conn: conn.id(), identities };
    let start = outbox.bytes.len();
    reads.answer(&caller, watches, (xid, op), body, &mut outbox.bytes);
    tally.read(latency);
    note_namespace(tally, op, body, &outbox.bytes[start..]);
    core.note_reply(tally, outbox, start, (op, xid, last_zxid), latency);
}

/// Bytes of a Stat in a reply.
const STAT_LEN: usize = 68;
/// Bytes in front of a reply's body: length, xid, zxid and error code.
const HEAD_LEN: usize = 20;

/// Counts what a read of one node answered, by namespace: path, data or children's names, and a Stat whether or not
/// one was asked for, as the genuine server counts (`read_per_namespace`).
fn note_namespace(tally: &mut Tally<'_>, op: OpCode, body: &[u8], reply: &[u8]) {
    let Some((&[_, _, _, _, head @ ..], answer)) = reply.split_first_chunk::<HEAD_LEN>() else { return };
    let failed = !head.ends_with(&[0; 4]);
    // An empty data is null in the reply; its length is -1 there.
    let counted =
        |bytes: &[u8]| bytes.first_chunk().map_or(0, |len| i32::from_be_bytes(*len).max(0) as usize);
    let told = match op {
        _ if failed => return,
        OpCode::Exists => 0,
        OpCode::GetData => counted(answer),
        // A count, and a length in front of every name.
        OpCode::GetChildren => answer.len().saturating_sub(4 + 4 * counted(answer)),
        OpCode::GetChildren2 => answer.len().saturating_sub(STAT_LEN + 4 + 4 * counted(answer)),
        _ => return,
    };
    let Some((len, rest)) = body.split_first_chunk() else { return };
    let len = usize::try_from(i32::from_be_bytes(*len)).unwrap_or(0);
    if let Some(path) = rest.get(..len).and_then(|path| str::from_utf8(path).ok()) {
        tally.read_node(path, (len + told + STAT_LEN) as u64);
    }
}

/// Tells a client that its request was refused without a transaction.
pub(crate) fn refuse(
    (core, tally): (&Core, &mut Tally<'_>),
    outbox: &mut Outbox,
    op: OpCode,
    xid: Xid,
    error: KeeperError,
    last_zxid: Zxid,
) {
    let start = outbox.bytes.len();
    reply::put_refusal(&mut outbox.bytes, xid, error, last_zxid);
    core.note_reply(tally, outbox, start, (op, xid, last_zxid), 0);
}

/// Tells a client that its local session is closed; the connection closes behind it.
pub(crate) fn say_goodbye(
    (core, tally): (&Core, &mut Tally<'_>),
    outbox: &mut Outbox,
    xid: Xid,
    last_zxid: Zxid,
) {
    let start = outbox.bytes.len();
    let frame = begin_frame(&mut outbox.bytes);
    put_reply_header(&mut outbox.bytes, xid, last_zxid, None);
    end_frame(&mut outbox.bytes, frame);
    outbox.closing = true;
    core.note_reply(tally, outbox, start, (OpCode::CloseSession, xid, last_zxid), 0);
}
