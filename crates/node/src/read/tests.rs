//! Whole reply frames, operation by operation.

use super::*;
use crate::testing::Schemes;
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec;
use zabra_proto::{CreateTxn, ReplyHeader, Txn, TxnHeader, TxnType};
use zabra_tree::TreeOptions;
use zabra_types::{Acl, EventType, Stat, WallTime, WatcherType};

const SESSION: SessionId = SessionId::from_raw(0x77);
const CONN: ConnId = ConnId::new(5);
const LAST_ZXID: Zxid = Zxid::from_raw(0x59);

/// Makes nodes, one transaction each, with zxids from 1.
struct Fixture {
    tree: Tree,
    watches: WatchTable,
    identities: Vec<Identity>,
    skip_acl: bool,
}

impl Fixture {
    fn new() -> Self {
        let mut fixture = Self {
            tree: Tree::new(TreeOptions::default()),
            watches: WatchTable::default(),
            identities: vec![Identity::new("ip", "10.0.0.1")],
            skip_acl: false,
        };
        let alice = Acl::new(Perms::ALL, "digest", "alice:hash");
        let bob = Acl::new(Perms::READ, "digest", "bob:hash");
        fixture.create("/open", Some(b"data"), &[Acl::world(Perms::ALL)], false);
        fixture.create("/null", None, &[Acl::world(Perms::ALL)], false);
        fixture.create("/secret", Some(b"s"), core::slice::from_ref(&alice), false);
        fixture.create("/shown", Some(b""), &[alice, bob, Acl::world(Perms::READ)], false);
        fixture.create("/admin", None, &[Acl::world(Perms::ADMIN)], false);
        fixture.create("/open/b", None, &[Acl::world(Perms::ALL)], false);
        fixture.create("/open/eph", None, &[Acl::world(Perms::ALL)], true);
        fixture.create("/opener", None, &[Acl::world(Perms::ALL)], true);
        fixture
    }

    fn create(&mut self, path: &str, data: Option<&[u8]>, acl: &[Acl], ephemeral: bool) {
        let acl = AclList::encode_entries(acl);
        let acl = AclList::from_encoded(&acl).unwrap();
        let create = CreateTxn { path: Cow::Borrowed(path), data, acl, ephemeral, parent_cversion: -1 };
        self.apply(TxnType::Create, &Txn::Create(create));
    }

    fn apply(&mut self, kind: TxnType, txn: &Txn<'_>) {
        let zxid = Zxid::from_raw(self.tree.last_zxid().raw() + 1);
        let time = WallTime::from_millis(1000);
        let header = TxnHeader { session: SESSION, cxid: Xid::from_raw(1), zxid, time, kind: kind.code() };
        self.tree.apply(&header, txn, &mut ());
    }

    fn log_in(mut self, scheme: &str, id: &str) -> Self {
        self.identities.push(Identity::new(scheme, id));
        self
    }

    fn raw(&mut self, op: OpCode, body: &[u8]) -> Vec<u8> {
        let Self { tree, watches, identities, skip_acl } = self;
        let field_limit = FieldLimit::default();
        let reads = Reads { tree, last_zxid: LAST_ZXID, schemes: &Schemes, skip_acl: *skip_acl, field_limit };
        let caller = Caller { session: SESSION, conn: CONN, identities };
        let mut out = b"before".to_vec();
        reads.answer(&caller, watches, (Xid::from_raw(9), op), body, &mut out);
        assert_eq!(out.drain(..6).as_slice(), b"before");
        out
    }

    /// The error code and the body of the reply, which must be the only frame.
    fn ask(&mut self, op: OpCode, body: &[u8]) -> (i32, Vec<u8>) {
        let frames = frames(&self.raw(op, body));
        let [(header, body)] = frames.try_into().unwrap();
        assert_eq!((header.xid, header.zxid), (Xid::from_raw(9), LAST_ZXID));
        (header.err, body)
    }

    fn stat(&self, path: &str) -> Vec<u8> {
        let mut out = Vec::new();
        put_stat(&mut out, &self.tree.get(path).unwrap().stat());
        out
    }

    fn watches(&self, path: &str, wanted: WatcherType) -> bool {
        self.watches.contains(path, CONN, wanted)
    }
}

fn frames(bytes: &[u8]) -> Vec<(ReplyHeader, Vec<u8>)> {
    let (mut reader, mut frames) = (Reader::new(bytes), Vec::new());
    while !reader.rest().is_empty() {
        let mut frame = Reader::new(reader.buffer("frame").unwrap().unwrap());
        frames.push((ReplyHeader::decode(&mut frame).unwrap(), frame.rest().to_vec()));
    }
    frames
}

/// A body of texts, numbers and flags.
macro_rules! body {
    ($($part:expr),*) => {{
        let mut out = Vec::new();
        $(Part::put($part, &mut out);)*
        out
    }};
}

trait Part {
    fn put(self, out: &mut Vec<u8>);
}

impl Part for &str {
    fn put(self, out: &mut Vec<u8>) {
        out.put_text(self);
    }
}

impl Part for i32 {
    fn put(self, out: &mut Vec<u8>) {
        out.put_i32(self);
    }
}

impl Part for i64 {
    fn put(self, out: &mut Vec<u8>) {
        out.put_i64(self);
    }
}

impl Part for bool {
    fn put(self, out: &mut Vec<u8>) {
        out.put_bool(self);
    }
}

impl Part for &[&str] {
    fn put(self, out: &mut Vec<u8>) {
        out.put_count(self.len());
        self.iter().for_each(|text| out.put_text(text));
    }
}

impl Part for Vec<u8> {
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self);
    }
}

impl Part for MultiHeader {
    fn put(self, out: &mut Vec<u8>) {
        self.encode(out);
    }
}

fn code(error: KeeperError) -> (i32, Vec<u8>) {
    (error.code(), Vec::new())
}

/// Client protocol §3.9: checks in order, and which watch is left.
#[test]
fn reads_of_one_node() {
    use KeeperError::{BadArguments, NoAuth, NoNode};
    use OpCode::{Exists, GetChildren, GetChildren2, GetData};
    let rows: &[(OpCode, &str, Option<KeeperError>, Option<WatcherType>)] = &[
        (Exists, "/open", None, Some(WatcherType::Data)),
        (Exists, "/missing", Some(NoNode), Some(WatcherType::Data)),
        (Exists, "not a path", Some(NoNode), Some(WatcherType::Data)),
        (Exists, "/a\0", Some(BadArguments), None),
        (Exists, "/secret", Some(NoAuth), None),
        (GetData, "/open", None, Some(WatcherType::Data)),
        (GetData, "/null", None, Some(WatcherType::Data)),
        (GetData, "", None, Some(WatcherType::Data)),
        (GetData, "/missing", Some(NoNode), None),
        (GetData, "/a\0", Some(NoNode), None),
        (GetData, "/secret", Some(NoAuth), None),
        (GetChildren, "/open", None, Some(WatcherType::Children)),
        (GetChildren, "/open/", Some(NoNode), None),
        (GetChildren, "/secret", Some(NoAuth), None),
        (GetChildren2, "/open", None, Some(WatcherType::Children)),
        (GetChildren2, "/missing", Some(NoNode), None),
    ];
    for &(op, path, error, watch) in rows {
        for watching in [false, true] {
            let mut fixture = Fixture::new();
            let (err, body) = fixture.ask(op, &body![path, watching]);
            assert_eq!(err, error.map_or(0, KeeperError::code), "{op:?} {path}");
            if error.is_none() {
                let node = fixture.tree.get(path).unwrap();
                let mut expected = Vec::new();
                match op {
                    GetData => expected.put_buffer(node.data()),
                    GetChildren | GetChildren2 => node.put_children(&mut expected),
                    _ => {}
                }
                if op != GetChildren {
                    expected.extend_from_slice(&fixture.stat(path));
                }
                assert_eq!(body, expected, "{op:?} {path}");
            } else {
                assert_eq!(body, []);
            }
            for wanted in [WatcherType::Data, WatcherType::Children] {
                let expected = watching && watch == Some(wanted);
                assert_eq!(fixture.watches(path, wanted), expected, "{op:?} {path}");
            }
            assert_eq!(fixture.watches.watch_count(), usize::from(watching && watch.is_some()));
        }
    }
}

#[test]
fn null_data_stays_null() {
    let mut fixture = Fixture::new();
    let (_, body) = fixture.ask(OpCode::GetData, &body!["/null", false]);
    assert_eq!(body[..4], [0xff; 4]);
    let (_, body) = fixture.ask(OpCode::GetData, &body!["/shown", false]);
    assert_eq!(body[..4], [0; 4]);
}

/// The bytes of client protocol §2.14.
#[test]
fn golden_frames() {
    let mut fixture = Fixture::new();
    let miss = fixture.raw(OpCode::Exists, &body!["/missing", false]);
    assert_eq!(miss, [0, 0, 0, 16, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0x59, 0xff, 0xff, 0xff, 0x9b]);
    let ping = fixture.raw(OpCode::Ping, &[]);
    assert_eq!(ping, [0, 0, 0, 16, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0x59, 0, 0, 0, 0]);
    let hit = fixture.raw(OpCode::Exists, &body!["/", false]);
    assert_eq!(hit.len(), 4 + ReplyHeader::LEN + Stat::WIRE_LEN);
}

#[test]
fn permissions_and_who_passes_them() {
    let ask = |fixture: &mut Fixture| fixture.ask(OpCode::GetData, &body!["/secret", false]).0;
    assert_eq!(ask(&mut Fixture::new()), KeeperError::NoAuth.code());
    assert_eq!(ask(&mut Fixture::new().log_in("digest", "bob:hash")), KeeperError::NoAuth.code());
    assert_eq!(ask(&mut Fixture::new().log_in("digest", "alice:hash")), 0);
    assert_eq!(ask(&mut Fixture::new().log_in("super", "")), 0);
    let mut skipping = Fixture::new();
    skipping.skip_acl = true;
    assert_eq!(ask(&mut skipping), 0);
}

/// Client protocol §3.10: READ or ADMIN, and without ADMIN no hashes.
#[test]
fn lists_are_redacted_without_admin() {
    let list = |alice: &str, bob: &str| body![3, 31, "digest", alice, 1, "digest", bob, 1, "world", "anyone"];
    let mut reader = Fixture::new();
    let expected = body![list("alice:x", "bob:x"), reader.stat("/shown")];
    assert_eq!(reader.ask(OpCode::GetAcl, &body!["/shown"]), (0, expected));
    let mut admin = Fixture::new().log_in("digest", "alice:hash");
    let expected = body![list("alice:hash", "bob:hash"), admin.stat("/shown")];
    assert_eq!(admin.ask(OpCode::GetAcl, &body!["/shown"]), (0, expected));
    let expected = body![1, 31, "world", "anyone", reader.stat("/open")];
    assert_eq!(reader.ask(OpCode::GetAcl, &body!["/open"]), (0, expected));
    let expected = body![1, 16, "world", "anyone", reader.stat("/admin")];
    assert_eq!(reader.ask(OpCode::GetAcl, &body!["/admin"]), (0, expected));
    assert_eq!(reader.ask(OpCode::GetAcl, &body!["/secret"]), code(KeeperError::NoAuth));
    assert_eq!(reader.ask(OpCode::GetAcl, &body!["/missing"]), code(KeeperError::NoNode));
}

#[test]
fn descendants_are_counted() {
    let mut fixture = Fixture::new();
    let mut ask = |path: &str| fixture.ask(OpCode::GetAllChildrenNumber, &body![path]);
    // Eight of ours and three built in.
    assert_eq!(ask("/"), (0, body![11]));
    assert_eq!(ask("/open"), (0, body![2]));
    assert_eq!(ask("/null"), (0, body![0]));
    assert_eq!(ask("/missing"), code(KeeperError::NoNode));
    assert_eq!(ask("/secret"), code(KeeperError::NoAuth));
}

#[test]
fn ephemerals_of_the_session_by_prefix() {
    let mut fixture = Fixture::new();
    let mut ask = |body: &[u8]| {
        let (err, body) = fixture.ask(OpCode::GetEphemerals, body);
        assert_eq!(err, 0);
        let mut paths = Reader::new(&body).texts("ephemerals").unwrap().unwrap();
        paths.sort();
        paths.into_iter().map(Cow::into_owned).collect::<Vec<String>>()
    };
    for all in [body![-1], body![""], body!["/"], body![" \t\n"], body![" / "]] {
        assert_eq!(ask(&all), ["/open/eph", "/opener"], "{all:?}");
    }
    assert_eq!(ask(&body!["/open"]), ["/open/eph", "/opener"]);
    assert_eq!(ask(&body!["/open/"]), ["/open/eph"]);
    assert!(ask(&body![" /open"]).is_empty());
}

#[test]
fn identities_are_told() {
    let mut fixture = Fixture::new().log_in("digest", "alice");
    let expected = body![2, "ip", "10.0.0.1", "digest", "alice"];
    assert_eq!(fixture.ask(OpCode::WhoAmI, &[]), (0, expected));
}

#[test]
fn sync_echoes_any_path() {
    assert_eq!(Fixture::new().ask(OpCode::Sync, &body!["any//thing"]), (0, body!["any//thing"]));
}

/// Client protocol §4.4 and §2.9.
#[test]
fn several_reads_at_once() {
    let mut fixture = Fixture::new();
    let request = |op: OpCode| MultiHeader { op: op.code(), done: false, err: -1 };
    let list = body![
        request(OpCode::GetData),
        "/open",
        true,
        request(OpCode::GetChildren),
        "/missing",
        true,
        request(OpCode::GetChildren),
        "/open",
        true,
        request(OpCode::GetData),
        "/secret",
        true,
        MultiHeader::END
    ];
    let mut children = Vec::new();
    fixture.tree.get("/open").unwrap().put_children(&mut children);
    let failed = |code: i32| body![-1, false, code, code];
    let expected = body![
        MultiHeader::result(OpCode::GetData),
        "data",
        fixture.stat("/open"),
        failed(-101),
        MultiHeader::result(OpCode::GetChildren),
        children,
        failed(-102),
        MultiHeader::END
    ];
    assert_eq!(fixture.ask(OpCode::MultiRead, &list), (0, expected));
    assert!(fixture.watches.is_empty(), "reads in a list leave no watch");
    assert_eq!(fixture.ask(OpCode::MultiRead, &body![MultiHeader::END]), (0, body![MultiHeader::END]));

    // A list of writes gets an empty list of results, one of both kinds gets none.
    let write = body![request(OpCode::Delete), "/open", -1];
    let read = body![request(OpCode::GetData), "/open", false];
    let only_writes = body![write.clone(), MultiHeader::END];
    assert_eq!(fixture.ask(OpCode::MultiRead, &only_writes), (-5, body![MultiHeader::END]));
    let mixed = body![read, write, MultiHeader::END];
    assert_eq!(fixture.ask(OpCode::MultiRead, &mixed), code(KeeperError::MarshallingError));
}

#[test]
fn watches_are_added_checked_and_removed() {
    let mut fixture = Fixture::new();
    let no_watcher = code(KeeperError::NoWatcher);
    let bad = code(KeeperError::MarshallingError);
    assert_eq!(fixture.ask(OpCode::AddWatch, &body!["/any//thing", 0]), (0, body![0]));
    assert_eq!(fixture.ask(OpCode::AddWatch, &body!["/secret", 1]), (0, body![0]));
    assert_eq!(fixture.ask(OpCode::AddWatch, &body!["/secret", 2]), bad);
    for op in [OpCode::CheckWatches, OpCode::RemoveWatches] {
        assert_eq!(fixture.ask(op, &body!["/secret", 4]), no_watcher);
        assert_eq!(fixture.ask(op, &body!["/secret", 0]), bad);
        assert_eq!(fixture.ask(op, &body!["/secret", 6]), bad);
    }
    assert_eq!(fixture.ask(OpCode::CheckWatches, &body!["/secret", 5]), (0, vec![]));
    assert_eq!(fixture.ask(OpCode::RemoveWatches, &body!["/secret", 3]), (0, vec![]));
    assert_eq!(fixture.ask(OpCode::CheckWatches, &body!["/secret", 5]), no_watcher);
    assert_eq!(fixture.ask(OpCode::RemoveWatches, &body!["/any//thing", 4]), (0, vec![]));
    assert!(fixture.watches.is_empty());
}

/// Client protocol §5.6, row by row. Nodes have the zxids of their places in the fixture.
#[test]
fn watches_set_again_after_a_reconnect() {
    use EventType::{NodeChildrenChanged, NodeCreated, NodeDataChanged, NodeDeleted};
    const DATA: usize = 0;
    const EXISTS: usize = 1;
    const CHILDREN: usize = 2;
    const PERSISTENT: usize = 3;
    const RECURSIVE: usize = 4;
    /// List, path, relativeZxid, the event or else the watch.
    type Row = (usize, &'static str, i64, Result<WatcherType, EventType>);
    let rows: &[Row] = &[
        (DATA, "/missing", 99, Err(NodeDeleted)),
        (DATA, "/open", 0, Err(NodeDataChanged)),
        (DATA, "/open", 1, Ok(WatcherType::Data)), // created by 1: strictly greater counts
        (DATA, "/secret", 0, Err(NodeDataChanged)), // not filtered
        (EXISTS, "/missing", 0, Ok(WatcherType::Data)),
        (EXISTS, "/open", 99, Err(NodeCreated)),
        (CHILDREN, "/missing", 99, Err(NodeDeleted)),
        (CHILDREN, "/open", 6, Err(NodeChildrenChanged)), // the last child came with 7
        (CHILDREN, "/open", 7, Ok(WatcherType::Children)),
        (PERSISTENT, "/open", 0, Ok(WatcherType::Persistent)),
        (PERSISTENT, "/missing", 0, Ok(WatcherType::Persistent)),
        (RECURSIVE, "/open", 0, Ok(WatcherType::PersistentRecursive)),
        (RECURSIVE, "/missing", 0, Ok(WatcherType::PersistentRecursive)),
    ];
    for &(list, path, relative_zxid, result) in rows {
        for op in [OpCode::SetWatches, OpCode::SetWatches2] {
            let lists = if op == OpCode::SetWatches { 3 } else { 5 };
            if list >= lists {
                continue;
            }
            let mut fixture = Fixture::new();
            let mut request = body![relative_zxid];
            for number in 0..lists {
                let paths: &[&str] = if number == list { &[path] } else { &[] };
                Part::put(paths, &mut request);
            }
            let mut expected = Vec::new();
            if let Err(event) = result {
                let header = ReplyHeader { xid: Xid::NOTIFICATION, zxid: Zxid::NONE, err: 0 };
                expected.push((header, body![event.code(), 3, path]));
            }
            expected.push((ReplyHeader { xid: Xid::from_raw(9), zxid: LAST_ZXID, err: 0 }, vec![]));
            assert_eq!(frames(&fixture.raw(op, &request)), expected, "{list} {path} {relative_zxid}");
            match result {
                Ok(wanted) => assert!(fixture.watches(path, wanted), "{list} {path}"),
                Err(_) => assert!(fixture.watches.is_empty(), "{list} {path}"),
            }
        }
    }
}

#[test]
fn bodies_that_cannot_be_read_are_refused_and_change_nothing() {
    let paths: &[&str] = &["/open"];
    let none: &[&str] = &[];
    let bodies = [
        (OpCode::Exists, body!["/open", true]),
        (OpCode::GetData, body!["/open", true]),
        (OpCode::GetAcl, body!["/open"]),
        (OpCode::GetChildren, body!["/open", true]),
        (OpCode::GetChildren2, body!["/open", true]),
        (OpCode::Sync, body!["/open"]),
        (OpCode::CheckWatches, body!["/open", 1]),
        (OpCode::RemoveWatches, body!["/open", 1]),
        (OpCode::AddWatch, body!["/open", 0]),
        (OpCode::GetAllChildrenNumber, body!["/open"]),
        (OpCode::GetEphemerals, body!["/open"]),
        (OpCode::SetWatches, body![99_i64, paths, none, paths]),
        (OpCode::SetWatches2, body![99_i64, none, none, none, paths, paths]),
        (OpCode::MultiRead, body![MultiHeader::END]),
    ];
    for (op, body) in bodies {
        let mut fixture = Fixture::new();
        for len in 0..body.len() {
            assert_eq!(fixture.ask(op, &body[..len]), code(KeeperError::MarshallingError), "{op:?} {len}");
            assert!(fixture.watches.is_empty(), "{op:?} {len}");
        }
        // Bytes behind the last field are ignored.
        let mut longer = body;
        longer.push(1);
        assert_ne!(fixture.ask(op, &longer).0, KeeperError::MarshallingError.code(), "{op:?}");
    }
    let null_path = [0xff, 0xff, 0xff, 0xff, 0];
    assert_eq!(Fixture::new().ask(OpCode::Exists, &null_path), code(KeeperError::MarshallingError));
}

#[test]
fn writes_are_not_answered_here() {
    let delete = body!["/open", -1];
    assert_eq!(Fixture::new().ask(OpCode::Delete, &delete), code(KeeperError::Unimplemented));
    assert_eq!(Fixture::new().ask(OpCode::CloseSession, &[]), code(KeeperError::Unimplemented));
}
