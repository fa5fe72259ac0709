//! Single rules, each with the smallest tree that shows it.
#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use core::time::Duration;
use std::borrow::Cow;
use zabra_proto::{AclList, CreateTxn, Put, Reader, SubTxn, Txn, TxnDigest, TxnHeader, TxnType};
use zabra_tree::{
    ChangeSink, DigestCheck, DigestRecord, Hint, LoadError, NodeAcl, NodePlace, Outcome, Progress,
    QuotaUsage, RecordPage, Redigested, SnapshotCursor, SnapshotDigest, SubOutcome, Tree, TreeLoader,
    TreeOptions,
};
use zabra_types::{Acl, EphemeralOwner, OwnerRules, Perms, SessionId, StatPersisted, WallTime, Xid, Zxid};

const TIME: i64 = 1_000_000;

/// A tree with transactions applied one after the other.
struct Bench {
    tree: Tree,
    zxid: i64,
    session: i64,
}

fn bench() -> Bench {
    let owner_rules = OwnerRules { extended_types: true, emulate_353_ttl: false };
    Bench { tree: Tree::new(TreeOptions { owner_rules, ..TreeOptions::default() }), zxid: 0, session: 7 }
}

fn create_txn<'a>(path: &'a str, data: &'a [u8]) -> CreateTxn<'a> {
    CreateTxn {
        path: Cow::Borrowed(path),
        data: Some(data),
        acl: AclList::OPEN,
        ephemeral: false,
        parent_cversion: -1,
    }
}

impl Bench {
    fn header(&self) -> TxnHeader {
        TxnHeader {
            session: SessionId::from_raw(self.session),
            cxid: Xid::from_raw(1),
            zxid: Zxid::from_raw(self.zxid),
            time: WallTime::from_millis(TIME),
            kind: 0,
        }
    }

    fn apply(&mut self, txn: &Txn<'_>) -> Outcome {
        self.apply_to(txn, &mut ())
    }

    fn apply_to(&mut self, txn: &Txn<'_>, sink: &mut impl ChangeSink) -> Outcome {
        self.zxid += 1;
        let outcome = self.tree.apply(&self.header(), txn, sink);
        self.tree.check().unwrap();
        outcome
    }

    fn create(&mut self, path: &str, data: &[u8]) -> Outcome {
        self.apply(&Txn::Create(create_txn(path, data)))
    }

    fn delete(&mut self, path: &str) -> Outcome {
        self.apply(&Txn::Delete { path: path.into() })
    }

    fn set(&mut self, path: &str, data: &[u8]) -> Outcome {
        self.apply(&Txn::SetData { path: path.into(), data: Some(data), version: 1 })
    }

    fn data(&self, path: &str) -> String {
        String::from_utf8(self.tree.get(path).unwrap().data().unwrap().to_vec()).unwrap()
    }

    fn quota(&mut self, path: &str) {
        let mut at = String::from("/zookeeper/quota");
        for name in path[1..].split('/') {
            at = format!("{at}/{name}");
            self.create(&at, b"");
        }
        self.create(&format!("{at}/zookeeper_limits"), b"count=5,bytes=-1=;byteHardLimit=10");
        self.create(&format!("{at}/zookeeper_stats"), b"count=0,bytes=0");
    }
}

/// Writes down what it hears.
#[derive(Default)]
struct Heard(Vec<String>);

fn acl_name(acl: NodeAcl<'_>) -> String {
    match acl {
        NodeAcl::Open => "open".into(),
        NodeAcl::List(list) => list.iter().map(|(perms, scheme, _)| format!("{scheme}:{perms}")).collect(),
        NodeAcl::Dangling => "dangling".into(),
    }
}

impl ChangeSink for Heard {
    fn created(&mut self, zxid: Zxid, path: &str, acl: NodeAcl<'_>, parent: &str, parent_acl: NodeAcl<'_>) {
        self.0.push(format!("{zxid} +{path} {} {parent} {}", acl_name(acl), acl_name(parent_acl)));
    }
    fn deleted(&mut self, zxid: Zxid, path: &str, acl: NodeAcl<'_>, parent: &str, parent_acl: NodeAcl<'_>) {
        self.0.push(format!("{zxid} -{path} {} {parent} {}", acl_name(acl), acl_name(parent_acl)));
    }
    fn data_changed(&mut self, zxid: Zxid, path: &str, acl: NodeAcl<'_>) {
        self.0.push(format!("{zxid} ={path} {}", acl_name(acl)));
    }
}

#[test]
fn changes_are_told_in_order_with_the_lists_in_force() {
    let mut bench = bench();
    let read = AclList::encode_entries(&[Acl::new(Perms::READ, "ip", "::1")]);
    let read = AclList::from_encoded(&read).unwrap();
    let ephemeral = |path| Txn::Create(CreateTxn { acl: read, ephemeral: true, ..create_txn(path, b"") });
    let mut heard = Heard::default();
    bench.apply_to(&Txn::Create(create_txn("/a", b"")), &mut heard);
    let sub = |kind: TxnType, txn| SubTxn { kind: kind.code(), txn };
    let multi = Txn::Multi(vec![
        sub(TxnType::Create2, ephemeral("/a/e")),
        sub(TxnType::SetData, Txn::SetData { path: "/a".into(), data: None, version: 1 }),
    ]);
    bench.apply_to(&multi, &mut heard);
    bench.apply_to(&Txn::SetAcl { path: "/a".into(), acl: read, version: 1 }, &mut heard);
    bench.apply_to(&Txn::CloseSession { paths: Some(vec!["/a/e".into(), "/gone".into()]) }, &mut heard);
    bench.apply_to(&Txn::Error { code: -101 }, &mut heard);
    assert_eq!(
        heard.0,
        ["0x1 +/a open / open", "0x2 +/a/e ip:r /a open", "0x2 =/a open", "0x4 -/a/e ip:r /a ip:r",]
    );
}

#[test]
fn an_outcome_has_the_stat_as_of_its_own_part() {
    let mut bench = bench();
    let sub = |kind: TxnType, txn| SubTxn { kind: kind.code(), txn };
    let Outcome::Multi(parts) = bench.apply(&Txn::Multi(vec![
        sub(TxnType::Create, Txn::Create(create_txn("/a", b"12"))),
        sub(TxnType::Create, Txn::Create(create_txn("/a/b", b""))),
        sub(TxnType::SetData, Txn::SetData { path: "/a".into(), data: Some(b"123"), version: 1 }),
    ])) else {
        panic!()
    };
    let stats: Vec<(i32, i32, i32)> = parts
        .iter()
        .map(|part| match part {
            SubOutcome::Stat(stat) => (stat.data_length, stat.num_children, stat.version),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(stats, [(2, 0, 0), (0, 0, 0), (3, 1, 1)]);
}

#[test]
fn what_does_not_apply_changes_nothing_but_the_zxid() {
    let mut bench = bench();
    bench.create("/a", b"1");
    let digest = bench.tree.digest();
    let cases = [
        (bench.create("/no/b", b""), -101),
        (bench.delete("/no/b"), -101),
        (bench.set("/no", b""), -101),
        (bench.create("", b""), -8),
        (bench.create("b", b""), -8),
        (bench.create("/a/", b""), -8),
        (bench.delete("/"), -8),
    ];
    for (at, (outcome, code)) in cases.into_iter().enumerate() {
        assert_eq!(outcome, Outcome::Error(code), "case {at}");
    }
    assert_eq!((bench.tree.digest(), bench.tree.node_count()), (digest, 6));
    assert_eq!(bench.tree.last_zxid(), Zxid::from_raw(8));
}

#[test]
fn replayed_creations_and_deletions_move_the_parent_only_upwards() {
    let mut bench = bench();
    let read = AclList::encode_entries(&[Acl::world(Perms::READ)]);
    let read = AclList::from_encoded(&read).unwrap();
    bench.zxid = 10;
    bench.create("/a", b"1");
    let parent = |bench: &Bench| {
        let stat = bench.tree.get("/").unwrap().persisted();
        (stat.cversion, stat.pzxid)
    };
    assert_eq!(parent(&bench), (1, 11));
    // The node is there: it keeps its data and stat, and takes the list.
    bench.zxid = 1;
    let again = |cversion| {
        Txn::Create(CreateTxn { acl: read, parent_cversion: cversion, ..create_txn("/a", b"older") })
    };
    assert_eq!(bench.apply(&again(1)), Outcome::Error(-110));
    assert_eq!((bench.data("/a").as_str(), parent(&bench)), ("1", (1, 11)));
    assert!(matches!(bench.tree.get("/a").unwrap().acl(), NodeAcl::List(_)));
    bench.apply(&again(5));
    assert_eq!(parent(&bench), (5, 3));
    // A deletion of what is gone already still shows at the parent.
    bench.zxid = 20;
    assert_eq!(bench.delete("/gone"), Outcome::Error(-101));
    assert_eq!(parent(&bench), (5, 21));
    bench.zxid = 4;
    bench.delete("/a");
    assert_eq!(parent(&bench), (5, 21));
    assert_eq!(bench.tree.last_zxid(), Zxid::from_raw(21));
}

#[test]
fn deleting_a_node_that_a_snapshot_shows_with_later_children_takes_them_along() {
    let mut bench = bench();
    bench.create("/a", b"");
    bench.create("/a/b", b"");
    let ephemeral = Txn::Create(CreateTxn { ephemeral: true, ..create_txn("/a/b/e", b"") });
    bench.apply(&ephemeral);
    assert_eq!(bench.delete("/a"), Outcome::Done);
    assert_eq!((bench.tree.node_count(), bench.tree.ephemeral_count()), (5, 0));
}

#[test]
fn the_kinds_of_nodes_are_told_apart_by_the_rules() {
    let mut bench = bench();
    bench.apply(&Txn::CreateTtl(create_txn("/t", b""), 5000));
    assert_eq!(bench.tree.get("/t").unwrap().owner(), EphemeralOwner::Ttl(5000));
    // With the extended types off, the marker of a TTL node is a session like any other.
    let mut plain = Bench { tree: Tree::new(TreeOptions::default()), zxid: 0, session: 7 };
    plain.apply(&Txn::CreateTtl(create_txn("/t", b""), 5000));
    assert!(matches!(plain.tree.get("/t").unwrap().owner(), EphemeralOwner::Session(_)));
    assert_eq!(plain.tree.ephemeral_count(), 1);
    assert_eq!(plain.tree.remove_orphan_ephemerals(), 1);
}

#[test]
fn containers_and_ttl_nodes_fall_due() {
    let mut bench = bench();
    bench.apply(&Txn::CreateContainer(create_txn("/never-used", b"")));
    bench.apply(&Txn::CreateContainer(create_txn("/used", b"")));
    bench.apply(&Txn::CreateContainer(create_txn("/in-use", b"")));
    bench.apply(&Txn::CreateTtl(create_txn("/ttl", b""), 100));
    bench.apply(&Txn::CreateTtl(create_txn("/ttl-in-use", b""), 100));
    for path in ["/used/x", "/in-use/x", "/ttl-in-use/x"] {
        bench.create(path, b"");
    }
    bench.delete("/used/x");
    let due = |at: i64, never_used: Option<u64>| {
        let mut due =
            bench.tree.reapable(WallTime::from_millis(TIME + at), never_used.map(Duration::from_millis));
        due.sort_unstable();
        due
    };
    assert_eq!(due(0, None), ["/used"]);
    assert_eq!(due(100, None), ["/used"], "not before more than the time has passed");
    assert_eq!(due(101, None), ["/ttl", "/used"]);
    assert_eq!(due(50, Some(50)), ["/used"]);
    assert_eq!(due(51, Some(50)), ["/never-used", "/used"]);
    assert_eq!(due(i64::MIN, Some(0)), ["/used"], "a clock set back is no reason");
}

#[test]
fn sessions_come_and_go_with_their_nodes() {
    let mut bench = bench();
    bench.apply(&Txn::CreateSession { timeout_ms: 4000 });
    let session = SessionId::from_raw(7);
    assert_eq!(bench.tree.session_timeout(session), Some(4000));
    for path in ["/e", "/f"] {
        bench.apply(&Txn::Create(CreateTxn { ephemeral: true, ..create_txn(path, b"") }));
    }
    let mut paths: Vec<String> = bench.tree.ephemerals_of(session).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/e", "/f"]);
    // A list that leaves one out, as after a fuzzy snapshot.
    bench.apply(&Txn::CloseSession { paths: Some(vec!["/e".into()]) });
    assert_eq!((bench.tree.session_timeout(session), bench.tree.ephemeral_count()), (None, 0));
    assert_eq!(bench.tree.ephemeral_sessions().count(), 0);
    assert_eq!(bench.tree.get("/").unwrap().stat().pzxid, 4);
}

#[test]
fn orphans_go_without_a_transaction() {
    let mut bench = bench();
    bench.apply(&Txn::CreateSession { timeout_ms: 4000 });
    bench.apply(&Txn::Create(CreateTxn { ephemeral: true, ..create_txn("/kept", b"") }));
    bench.session = 8;
    bench.apply(&Txn::Create(CreateTxn { ephemeral: true, ..create_txn("/orphan", b"") }));
    bench.apply(&Txn::Error { code: -1 });
    assert_eq!(bench.tree.remove_orphan_ephemerals(), 1);
    bench.tree.check().unwrap();
    assert!(bench.tree.get("/orphan").is_none() && bench.tree.get("/kept").is_some());
    assert_eq!(bench.tree.get("/").unwrap().stat().pzxid, 4);
    assert_eq!(bench.tree.remove_orphan_ephemerals(), 0);
}

#[test]
fn quota_usage_follows_in_place() {
    let mut bench = bench();
    bench.create("/a", b"12");
    bench.create("/a/b", b"345");
    bench.quota("/a");
    let stats = "/zookeeper/quota/a/zookeeper_stats";
    assert_eq!(bench.data(stats), "count=2,bytes=5", "counted when the quota is made");
    let before = bench.tree.get(stats).unwrap().persisted();
    let mut heard = Heard::default();
    bench.apply_to(&Txn::Create(create_txn("/a/c", b"6789")), &mut heard);
    assert_eq!((bench.data(stats).as_str(), heard.0.len()), ("count=3,bytes=9", 1));
    bench.set("/a/b", b"");
    assert_eq!(bench.data(stats), "count=3,bytes=6");
    bench.create("/ab", b"not below it");
    bench.delete("/a/c");
    assert_eq!(bench.data(stats), "count=2,bytes=2");
    let node = bench.tree.get(stats).unwrap();
    assert_eq!(node.persisted(), before);
    assert_eq!(node.stat().data_length, 15);

    let quota = bench.tree.quota_of("/a/b/whatever").unwrap();
    assert_eq!((quota.path.as_str(), quota.usage), ("/a", Some(QuotaUsage { count: 2, bytes: 2 })));
    let limits = quota.limits.unwrap();
    assert_eq!((limits.count, limits.bytes, limits.count_hard, limits.bytes_hard), (5, -1, -1, 10));
    assert_eq!(bench.tree.quota_of("/ab"), None);
    bench.delete("/zookeeper/quota/a/zookeeper_limits");
    assert_eq!(bench.tree.quota_of("/a"), None);
    bench.create("/a/d", b"");
    assert_eq!(bench.data(stats), "count=2,bytes=2", "no quota, nothing kept");
}

#[test]
fn the_deepest_quota_counts() {
    let mut bench = bench();
    bench.create("/a", b"");
    bench.create("/a/b", b"");
    bench.quota("/a");
    bench.create("/zookeeper/quota/a/b", b"");
    bench.create("/zookeeper/quota/a/b/zookeeper_limits", b"");
    bench.create("/zookeeper/quota/a/b/zookeeper_stats", b"");
    bench.create("/a/b/c", b"1");
    assert_eq!(bench.data("/zookeeper/quota/a/zookeeper_stats"), "count=2,bytes=0");
    assert_eq!(bench.data("/zookeeper/quota/a/b/zookeeper_stats"), "count=2,bytes=1");
    let paths: Vec<String> = bench.tree.quotas().into_iter().map(|quota| quota.path).collect();
    assert_eq!(paths, ["/a", "/a/b"]);
}

/// Both stop a genuine server; any client can do either.
#[test]
fn garbage_in_quota_nodes_breaks_nothing() {
    let mut bench = bench();
    bench.create("/zookeeper/quota/zookeeper_limits", b"count=1,bytes=1");
    bench.create("/zookeeper/quota/zookeeper_stats", b"");
    bench.create("/a", b"12");
    assert_eq!((bench.tree.quota_of("/a"), bench.tree.quotas()), (None, vec![]), "none on the root");
    bench.quota("/a");
    let stats = "/zookeeper/quota/a/zookeeper_stats";
    for garbage in [&b"?"[..], b"count", b"\xff", b"count=9x"] {
        bench.set(stats, garbage);
        bench.create("/a/b", b"3");
        assert_eq!(bench.data(stats), "count=2,bytes=3", "{garbage:?}");
        bench.delete("/a/b");
    }
    bench.set("/zookeeper/quota/a/zookeeper_limits", b"nonsense");
    assert_eq!(bench.tree.quota_of("/a").unwrap().limits, None);
    bench.apply(&Txn::SetData { path: stats.into(), data: None, version: 1 });
    bench.set("/a", b"1");
    assert_eq!(bench.data(stats), "count=1,bytes=1", "null is no figures either");
}

#[test]
fn digests_are_compared_kept_and_left_alone_while_fuzzy() {
    let mut bench = bench();
    for _ in 0..300 {
        bench.apply(&Txn::Error { code: -1 });
    }
    let fresh = 0x51C6_D660;
    let kept: Vec<DigestRecord> = bench.tree.digest_history().collect();
    let record = |zxid| DigestRecord { zxid: Zxid::from_raw(zxid), digest: fresh };
    assert_eq!(kept, [record(128), record(256)]);
    assert_eq!(bench.tree.last_digest(), Some(record(300)));
    let digest = |digest| Some(TxnDigest { version: TxnDigest::VERSION, digest });
    let check = |zxid, digest| bench.tree.check_digest(Zxid::from_raw(zxid), digest);
    assert_eq!(check(300, digest(fresh)), DigestCheck::Match);
    assert_eq!(check(300, digest(1)), DigestCheck::Mismatch { expected: 1, actual: fresh });
    assert_eq!(check(300, None), DigestCheck::Skipped);
    assert_eq!(check(299, digest(fresh)), DigestCheck::Skipped);
    assert_eq!(check(300, Some(TxnDigest { version: 1, digest: 1 })), DigestCheck::Skipped);

    let load = |last: i64, zxid: i64, digest: u64| {
        let mut loader = TreeLoader::new(TreeOptions::default());
        loader.node("", Some(b""), -1, &StatPersisted::default()).unwrap();
        let found = TxnDigest { version: TxnDigest::VERSION, digest };
        Bench {
            tree: loader.finish(Zxid::from_raw(last), Some((Zxid::from_raw(zxid), found))).unwrap(),
            zxid: last,
            session: 7,
        }
    };
    assert_eq!(load(5, 0, 1).tree.snapshot_digest(), SnapshotDigest::None, "nothing was applied before it");
    assert_eq!(load(5, 4, 1).tree.snapshot_digest(), SnapshotDigest::None, "older than the snapshot");
    let fresh_but_for_zookeeper = load(5, 5, 1).tree.digest();
    let at_once = load(5, 5, fresh_but_for_zookeeper).tree.snapshot_digest();
    assert_eq!(at_once, SnapshotDigest::Compared(DigestCheck::Match));

    let mut fuzzy = load(5, 7, fresh_but_for_zookeeper);
    fuzzy.apply(&Txn::Error { code: -1 });
    assert_eq!(fuzzy.tree.check_digest(Zxid::from_raw(6), digest(1)), DigestCheck::Skipped);
    assert_eq!(fuzzy.tree.last_digest(), None);
    fuzzy.apply(&Txn::Error { code: -1 });
    assert_eq!(fuzzy.tree.snapshot_digest(), SnapshotDigest::Compared(DigestCheck::Match));
    assert!(matches!(fuzzy.tree.check_digest(Zxid::from_raw(7), digest(1)), DigestCheck::Mismatch { .. }));

    let mut passed = load(5, 7, 1);
    passed.zxid = 7;
    passed.apply(&Txn::Error { code: -1 });
    assert_eq!(passed.tree.snapshot_digest(), SnapshotDigest::Missed(Zxid::from_raw(7)));
}

#[test]
fn with_digests_off_there_are_none() {
    let tree = Tree::new(TreeOptions { digest: false, ..TreeOptions::default() });
    let mut bench = Bench { tree, zxid: 0, session: 1 };
    bench.create("/a", b"");
    assert_eq!((bench.tree.digest(), bench.tree.get("/a").unwrap().digest()), (0, 0));
    let digest = Some(TxnDigest { version: TxnDigest::VERSION, digest: 5 });
    assert_eq!(bench.tree.check_digest(Zxid::from_raw(1), digest), DigestCheck::Skipped);
    assert_eq!(bench.tree.last_digest(), None);
}

#[test]
fn records_that_are_no_tree_do_not_load() {
    let stat = StatPersisted::default();
    let load = |paths: &[&str]| {
        let mut loader = TreeLoader::new(TreeOptions::default());
        paths.iter().try_for_each(|path| loader.node(path, None, -1, &stat))?;
        loader.finish(Zxid::ZERO, None).map(|tree| tree.check().unwrap())
    };
    let missing = |path: &str| Err(LoadError::MissingParent { path: path.into() });
    assert_eq!(load(&["", "/a", "/a/b"]), Ok(()));
    assert_eq!(load(&["/a"]), missing("/a"), "the root comes first");
    assert_eq!(load(&["", "/a/b", "/a"]), missing("/a/b"));
    // The parents of the last two are neither above the node before nor asked for a first time.
    let spread = ["", "/a", "/a/b", "/c", "/a/b/x", "/c/y", "/a/b/z", "/c/z"];
    assert_eq!(load(&spread), Ok(()));
    assert_eq!(load(&["", "/ab", "/ab/c", "/ac/d"]), missing("/ac/d"), "as long as one that is there");
    assert_eq!(load(&["", "/a", "/a"]), Err(LoadError::Duplicate { path: "/a".into() }));
    let twice = Err(LoadError::Duplicate { path: "/c/y".into() });
    assert_eq!(load(&[&spread[..], &["/a/b/y", "/c/y"]].concat()), twice, "found when its parent was known");
    assert_eq!(load(&["", ""]), Err(LoadError::Duplicate { path: String::new() }));
    for path in ["a", "/", "/a/", "//b"] {
        assert_eq!(load(&["", "/a", path]), Err(LoadError::NotAPath { path: path.into() }));
    }
}

#[test]
fn room_made_ahead_changes_nothing() {
    let stat = StatPersisted { czxid: 5, mzxid: 5, pzxid: 5, ..StatPersisted::default() };
    let paths: Vec<String> = (0..3000).map(|n| format!("/d{}/n{n}", n % 7)).collect();
    let load = |expected: Option<usize>, pages: usize| {
        let mut loader = TreeLoader::new(TreeOptions::default());
        loader.node("", None, -1, &stat).unwrap();
        (0..7).for_each(|n| loader.node(&format!("/d{n}"), None, -1, &stat).unwrap());
        for (number, path) in paths.iter().enumerate() {
            if let Some(nodes) = expected.filter(|_| number == 100) {
                loader.expect(nodes);
                (0..pages).for_each(|_| loader.give(RecordPage::new()));
            }
            loader.node(path, Some(&vec![b'x'; number % 300]), -1, &stat).unwrap();
        }
        let tree = loader.finish(Zxid::ZERO, None).unwrap();
        tree.check().unwrap();
        assert!(paths.iter().all(|path| tree.get(path).is_some()));
        (tree.digest(), tree.node_count(), tree.approximate_data_size())
    };
    let plain = load(None, 0);
    for (expected, pages) in [(0, 0), (10, 1), (3000, 16), (100_000, 100)] {
        assert_eq!(load(Some(expected), pages), plain, "{expected} nodes expected, {pages} pages");
    }
}

#[test]
fn a_list_that_dangles_denies_until_it_is_set() {
    let mut loader = TreeLoader::new(TreeOptions::default());
    let stat = StatPersisted::default();
    loader.node("", Some(b""), -1, &stat).unwrap();
    loader.node("/a", Some(b""), 42, &stat).unwrap();
    let mut bench = Bench { tree: loader.finish(Zxid::ZERO, None).unwrap(), zxid: 0, session: 7 };
    bench.tree.check().unwrap();
    assert_eq!(bench.tree.get("/a").unwrap().acl(), NodeAcl::Dangling);
    let read = AclList::encode_entries(&[Acl::new(Perms::READ, "ip", "::1")]);
    let acl = AclList::from_encoded(&read).unwrap();
    bench.apply(&Txn::SetAcl { path: "/a".into(), acl, version: 1 });
    assert_eq!(bench.tree.get("/a").unwrap().acl(), NodeAcl::List(acl));
}

/// The nodes of a fresh standalone server's first snapshot, as the reference has them, but for their order.
#[test]
fn a_fresh_tree_is_written_as_the_genuine_server_writes_it() {
    let tree = Tree::new(TreeOptions::default());
    let (mut acls, mut sessions, mut nodes) = (Vec::new(), Vec::new(), Vec::new());
    tree.put_sessions(&mut sessions);
    tree.put_acls(&mut acls);
    let mut cursor = SnapshotCursor::new(&tree);
    while cursor.fill(&tree, &mut nodes, 1) == Progress::More {}
    assert_eq!(sessions, [0; 4]);
    assert_eq!(acls.len(), 0x3b - 0x14);
    assert_eq!(acls[..12], [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(nodes.len(), 0x196 - 0x3b);
    let mut reader = Reader::new(&nodes);
    let mut root = Vec::new();
    root.put_text("");
    root.put_buffer(Some(b""));
    root.put_i64(-1);
    root.extend_from_slice(&[0; 60]);
    assert_eq!(reader.take("root", root.len()).unwrap(), root);
}

#[test]
fn the_data_of_a_large_node_comes_and_goes() {
    let mut bench = bench();
    let large = vec![7; 1 << 20];
    bench.create("/a", &large);
    for len in [0, 1, 4000, 4096, 4097, 1 << 20, 12] {
        bench.set("/a", &large[..len]);
        assert_eq!(bench.tree.get("/a").unwrap().data(), Some(&large[..len]));
        assert_eq!(bench.tree.approximate_data_size(), 44 + 2 + len as u64);
    }
    let name = "n".repeat(70_000);
    bench.create(&format!("/a/{name}"), b"x");
    assert_eq!(bench.data(&format!("/a/{name}")), "x");
}

#[test]
fn a_large_directory_grows_shrinks_and_is_listed() {
    const COUNT: usize = 3000;
    let mut bench = bench();
    bench.create("/d", b"");
    let path = |number: usize| format!("/d/{:0width$}", number, width = number % 9 + 1);
    let step = |bench: &mut Bench, txn: &Txn<'_>| {
        bench.zxid += 1;
        bench.tree.apply(&bench.header(), txn, &mut ());
    };
    let listed = |bench: &Bench| {
        let node = bench.tree.get("/d").unwrap();
        let mut out = Vec::new();
        node.put_children(&mut out);
        let mut names = Reader::new(&out).texts("children").unwrap().unwrap();
        let mut one_by_one: Vec<&str> = node.children().collect();
        names.sort_unstable();
        one_by_one.sort_unstable();
        assert_eq!(names, one_by_one);
        assert_eq!(node.num_children() as usize, names.len());
        names.len()
    };
    for number in 0..COUNT {
        step(&mut bench, &Txn::Create(create_txn(&path(number), b"x")));
    }
    bench.tree.check().unwrap();
    let mut left = listed(&bench);
    assert_eq!(left, COUNT);
    // 7 has no factor in common with the count.
    for (deleted, number) in (0..COUNT).map(|at| at * 7 % COUNT).enumerate() {
        step(&mut bench, &Txn::Delete { path: path(number).into() });
        left -= 1;
        if deleted % 250 == 0 || left < 40 {
            bench.tree.check().unwrap();
            assert_eq!(listed(&bench), left);
        }
    }
    assert_eq!(left, 0);
    let stat = bench.tree.get("/d").unwrap().stat();
    assert_eq!((stat.num_children, stat.cversion as usize), (0, 2 * COUNT));
}

/// The new node stands where the cursor has yet to pass, under a path it has written.
#[test]
fn a_path_created_again_behind_the_cursor_is_written_once() {
    let mut bench = bench();
    bench.create("/a", b"");
    bench.create("/a/x", b"");
    bench.create("/b", b"");
    let mut cursor = SnapshotCursor::new(&bench.tree);
    let mut written = Vec::new();
    // The root, the three of every tree, /a and /a/x.
    for _ in 0..6 {
        assert_eq!(cursor.fill(&bench.tree, &mut written, 1), Progress::More);
    }
    bench.delete("/a/x");
    bench.delete("/a");
    bench.delete("/b");
    bench.create("/a", b"again");
    while cursor.fill(&bench.tree, &mut written, 1) == Progress::More {}
    let mut reader = Reader::new(&written);
    let mut paths = Vec::new();
    while !reader.rest().is_empty() {
        paths.push(reader.some_text("path").unwrap());
        reader.buffer("data").unwrap();
        reader.take("list and stat", 68).unwrap();
    }
    paths.sort_unstable();
    assert_eq!(paths, ["", "/a", "/a/x", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"]);
}

/// A place where another node is by now, or none: the node is found all the same.
#[test]
fn a_place_that_is_taken_does_no_harm() {
    let (mut elsewhere, mut bench) = (bench(), bench());
    for path in ["/x", "/y", "/x/n"] {
        elsewhere.create(path, b"");
    }
    for path in ["/y", "/y/n", "/x", "/x/n"] {
        bench.create(path, b"");
    }
    let taken = elsewhere.tree.get("/x/n").unwrap().place();
    let right = bench.tree.get("/x/n").unwrap().place();
    for (version, place) in (1..).zip([taken, NodePlace::UNKNOWN, right]) {
        let txn = Txn::SetData { path: "/x/n".into(), data: Some(b"set"), version };
        bench.zxid += 1;
        let hints = [Hint { place, ..Hint::NONE }];
        let outcome = bench.tree.apply_prepared(&bench.header(), &txn, hints.into_iter(), &mut ());
        assert!(matches!(outcome, Outcome::Stat(stat) if stat.version == version), "{outcome:?}");
        assert_eq!(bench.tree.check(), Ok(()));
    }
}

/// A digest that preparation reckoned from another state of the node is not taken over: the digest of the tree tells
/// that they differ.
#[test]
fn a_digest_foreseen_from_another_state_is_made_anew() {
    let mut bench = bench();
    bench.create("/a", b"");
    let node = bench.tree.get("/a").unwrap();
    let (place, before) = (node.place(), node.digest());
    let txn = Txn::SetData { path: "/a".into(), data: Some(b"set"), version: 1 };
    bench.zxid += 1;
    let node = Some(Redigested { before: before ^ 1, after: 7 });
    let hints = [Hint { place, node, parent: None }];
    bench.tree.apply_prepared(&bench.header(), &txn, hints.into_iter(), &mut ());
    assert_eq!(bench.tree.check(), Ok(()));
}
