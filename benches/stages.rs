//! How long each stage of a request takes: `cargo bench -p zabra-benches`, with a filter behind it for some of them.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use zabra_benches::{Served, Sink, create, delete, exists, get, get_children, multi_of_sets, set};
use zabra_node::reply::put_write_reply;
use zabra_node::{ConnId, Deliver, Events, WatchKind, WatchTable};
use zabra_proto::{
    AclList, CreateTxn, FieldLimit, OpCode, Reader, Request, RequestHeader, Txn, TxnHeader, TxnType,
    decode_txn, encode_txn, split_frame,
};
use zabra_storage::{LogOptions, SnapshotOptions, TxnLog, read_snapshot, stream_snapshot};
use zabra_tree::{ChangeSink, NodeAcl, Outcome, Tree, TreeOptions};
use zabra_types::{Identity, NoSchemes, SessionId, Stat, WallTime, Xid, Zxid};

const DATA: [u8; 100] = [7; 100];
/// Nodes of a tree for reads and writes; a snapshot has ten times as many.
const NODES: u32 = 10_000;
/// Requests of one sample where a single one is too short, or leaves something behind.
const BATCH: u32 = 100;

fn main() {
    divan::main();
}

fn path(i: u32) -> String {
    format!("/bench/service-{}/node-{:06}", i % 7, i % NODES)
}

/// A server with nodes at every [`path`] below [`NODES`], and 1,000 children of `/bench/many`.
fn served() -> Served {
    let mut served = Served::new();
    let parents = ["/bench".to_owned(), "/bench/many".to_owned()];
    let services = (0..7).map(|i| format!("/bench/service-{i}"));
    let many = (0..1_000).map(|i| format!("/bench/many/child-{i:06}"));
    for path in parents.into_iter().chain(services).chain((0..NODES).map(path)).chain(many) {
        served.succeed(&create(&path, &DATA, 0));
    }
    served
}

fn header(zxid: i64, kind: TxnType) -> TxnHeader {
    TxnHeader {
        session: SessionId::from_raw(1),
        cxid: Xid::from_raw(1),
        zxid: Zxid::from_raw(zxid),
        time: WallTime::from_millis(1_700_000_000_000),
        kind: kind.code(),
    }
}

fn create_txn(path: &str) -> Txn<'_> {
    Txn::Create(CreateTxn {
        path: path.into(),
        data: Some(&DATA),
        acl: AclList::OPEN,
        ephemeral: false,
        parent_cversion: -1,
    })
}

fn set_txn(path: &str, version: i32) -> Txn<'_> {
    Txn::SetData { path: path.into(), data: Some(&DATA), version }
}

fn payload(zxid: i64, kind: TxnType, txn: &Txn<'_>) -> Vec<u8> {
    let mut payload = Vec::new();
    encode_txn(&mut payload, &header(zxid, kind), txn, None);
    payload
}

/// A tree of nodes of 100 bytes.
fn tree(nodes: u32) -> Tree {
    let mut tree = Tree::new(TreeOptions::default());
    let parents = ["/bench".to_owned()].into_iter().chain((0..7).map(|i| format!("/bench/service-{i}")));
    let nodes = (0..nodes).map(|i| format!("/bench/service-{}/node-{i:06}", i % 7));
    for (zxid, path) in (1..).zip(parents.chain(nodes)) {
        tree.apply(&header(zxid, TxnType::Create), &create_txn(&path), &mut ());
    }
    tree
}

/// The requests of most stages.
fn requests() -> [(&'static str, Vec<u8>); 4] {
    let paths: Vec<_> = (0..10).map(path).collect();
    [
        ("get", get(&path(1), false)),
        ("set", set(&path(1), &DATA)),
        ("create", create("/bench/new", &DATA, 0)),
        ("multi of 10", multi_of_sets(paths.iter().map(String::as_str), &DATA)),
    ]
}

/// From bytes to a request.
#[divan::bench(args = ["get", "set", "create", "multi of 10"])]
fn decode(bencher: Bencher<'_, '_>, name: &str) {
    let (_, bytes) = requests().into_iter().find(|(known, _)| *known == name).expect("it is one of them");
    bencher.counter(BytesCount::new(bytes.len())).bench_local(|| {
        let (frame, _) =
            split_frame(black_box(&bytes), 1 << 20).expect("it is our own").expect("it is whole");
        let mut reader = Reader::new(frame);
        let header = RequestHeader::decode(&mut reader).expect("it is our own");
        let op = OpCode::from_code(header.op).expect("it is known");
        // Dropped within: the lists of a multi are part of its cost.
        black_box(Request::decode(op, &mut reader).expect("it is our own"));
    });
}

/// From the bytes of a read to those of its reply.
#[divan::bench(args = ["get", "exists", "getChildren of 1,000"])]
fn read(bencher: Bencher<'_, '_>, name: &str) {
    let mut served = served();
    let requests: Vec<_> = (0..NODES)
        .map(|i| match name {
            "get" => get(&path(i), false),
            "exists" => exists(&path(i)),
            _ => get_children("/bench/many"),
        })
        .collect();
    let mut next = requests.iter().cycle();
    bencher.bench_local(|| served.serve(next.next().expect("a cycle has no end")).len());
}

/// From writes to transactions.
#[divan::bench(args = ["set", "create", "delete", "multi of 10"])]
fn prepare(bencher: Bencher<'_, '_>, name: &str) {
    let frames: Vec<_> = (0..BATCH)
        .map(|i| match name {
            "set" => set(&path(i), &DATA),
            "create" => create(&format!("/bench/new-{i}"), &DATA, 0),
            "delete" => delete(&path(i)),
            _ => {
                let paths: Vec<_> = (0..10).map(|k| path(i * 10 + k)).collect();
                multi_of_sets(paths.iter().map(String::as_str), &DATA)
            }
        })
        .collect();
    // What is prepared has to be applied, and deletes can be done once: a server for each sample.
    bencher.counter(ItemsCount::new(frames.len())).with_inputs(served).bench_local_values(|mut served| {
        for frame in &frames {
            served.admit(&frame[4..]);
        }
        served
    });
}

/// Transactions to the log, a flush behind each batch; the disk takes no time.
#[divan::bench(args = [1, 10, 100, 1_000])]
fn append(bencher: Bencher<'_, '_>, batch: usize) {
    let options = LogOptions {
        dir: PathBuf::from("/log"),
        force_sync: true,
        growth: 64 << 20,
        file_size_max: None,
        payload_len_max: FieldLimit::default(),
    };
    let mut log = TxnLog::open(Arc::new(Sink::default()), options, Zxid::ZERO);
    let mut payload = payload(1, TxnType::SetData, &set_txn(&path(1), 1));
    let mut zxid = 0;
    bencher.counter(ItemsCount::new(batch)).bench_local(|| {
        for _ in 0..batch {
            zxid += 1;
            // Where a transaction's header has its zxid.
            payload[12..20].copy_from_slice(&i64::to_be_bytes(zxid));
            log.append(Zxid::from_raw(zxid), &payload).expect("it is in order");
        }
        log.flush().expect("a sink takes everything")
    });
}

/// From a transaction's bytes to a changed tree.
#[divan::bench(args = ["set", "create and delete"])]
fn apply(bencher: Bencher<'_, '_>, name: &str) {
    let mut tree = tree(NODES);
    let payloads: Vec<_> = (0..BATCH)
        .flat_map(|i| {
            let (path, new) = (path(i * 7), format!("/bench/new-{i}"));
            match name {
                "set" => vec![payload(1 << 40, TxnType::SetData, &set_txn(&path, 1))],
                _ => vec![
                    payload(1 << 40, TxnType::Create, &create_txn(&new)),
                    payload(1 << 40, TxnType::Delete, &Txn::Delete { path: new.as_str().into() }),
                ],
            }
        })
        .collect();
    bencher.counter(ItemsCount::new(payloads.len())).bench_local(|| {
        for payload in &payloads {
            let (header, txn, _) = decode_txn(payload).expect("it is our own");
            let outcome = tree.apply(&header, &txn, &mut ());
            assert!(!matches!(outcome, Outcome::Error(_)), "{txn:?} was not applied");
        }
    });
}

/// The reply to a write.
#[divan::bench]
fn encode(bencher: Bencher<'_, '_>) {
    let (path, header) = (path(1), header(1, TxnType::SetData));
    let (txn, outcome) = (set_txn(&path, 1), Outcome::Stat(Stat::default()));
    let mut out = Vec::new();
    bencher.bench_local(|| {
        out.clear();
        let request = (OpCode::SetData, Xid::from_raw(1));
        put_write_reply(&mut out, request, black_box(&header), black_box(&txn), &outcome, header.zxid)
    });
}

/// Connections that only count their bytes.
#[derive(Default)]
struct Told(usize);

impl Deliver for Told {
    fn identities(&self, _: ConnId) -> Option<Arc<[Identity]>> {
        None
    }

    fn deliver(&mut self, _: ConnId, frame: &[u8]) {
        self.0 += frame.len();
    }
}

/// A change that so many connections watch, with watches that stay.
#[divan::bench(args = [0, 1, 100, 10_000, 100_000])]
fn watch_dispatch(bencher: Bencher<'_, '_>, watchers: u32) {
    let mut watches = WatchTable::default();
    for conn in 0..watchers {
        watches.add("/bench/watched", ConnId::new(conn), WatchKind::Persistent);
    }
    let mut told = Told::default();
    bencher.counter(ItemsCount::new(watchers.max(1))).bench_local(|| {
        let mut events = Events::new(&mut watches, &mut told, &NoSchemes, false);
        events.data_changed(Zxid::from_raw(1), black_box("/bench/watched"), NodeAcl::Open);
    });
    assert!(watchers == 0 || told.0 > 0, "nobody was told");
}

/// A snapshot into memory.
#[divan::bench(sample_count = 20)]
fn snapshot_write(bencher: Bencher<'_, '_>) {
    let tree = tree(10 * NODES);
    let mut out = Vec::new();
    bencher.counter(ItemsCount::new(tree.node_count())).bench_local(|| {
        out.clear();
        stream_snapshot(&tree, SnapshotOptions::default(), &mut out).expect("memory takes everything")
    });
}

/// A tree from a snapshot in memory.
#[divan::bench(sample_count = 20)]
fn snapshot_load(bencher: Bencher<'_, '_>) {
    let tree = tree(10 * NODES);
    let mut bytes = Vec::new();
    let zxid =
        stream_snapshot(&tree, SnapshotOptions::default(), &mut bytes).expect("memory takes everything");
    bencher.counter(ItemsCount::new(tree.node_count())).bench_local(|| {
        read_snapshot(&bytes[..], Some(zxid), TreeOptions::default(), FieldLimit::default())
            .expect("it was just written")
    });
}
