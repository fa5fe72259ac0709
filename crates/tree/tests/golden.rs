//! The transactions of one session of a genuine ensemble, and the digests it logged.

use std::borrow::Cow;
use zabra_proto::{AclList, CreateTxn, SubTxn, Txn, TxnDigest, TxnHeader, TxnType};
use zabra_tree::{DigestCheck, NodeAcl, Outcome, SubOutcome, Tree, TreeOptions};
use zabra_types::{Acl, KeeperError, Perms, SessionId, WallTime, Xid, Zxid};

const SESSION: SessionId = SessionId::from_raw(0x0100_0016_a1b8_0000);

fn create<'a>(
    path: &'a str,
    data: Option<&'a [u8]>,
    acl: AclList<'a>,
    parent_cversion: i32,
) -> CreateTxn<'a> {
    CreateTxn { path: Cow::Borrowed(path), data, acl, ephemeral: false, parent_cversion }
}

fn set_data<'a>(path: &'a str, data: &'a [u8], version: i32) -> Txn<'a> {
    Txn::SetData { path: Cow::Borrowed(path), data: Some(data), version }
}

fn sub(kind: TxnType, txn: Txn<'_>) -> SubTxn<'_> {
    SubTxn { kind: kind.code(), txn }
}

/// Applies a row and compares the digest with the logged one.
fn row(tree: &mut Tree, counter: i64, kind: TxnType, time: i64, txn: &Txn<'_>, digest: u64) -> Outcome {
    let header = TxnHeader {
        session: SESSION,
        cxid: Xid::from_raw(counter as i32),
        zxid: Zxid::from_raw(0x1_0000_0000 + counter),
        time: WallTime::from_millis(time),
        kind: kind.code(),
    };
    let outcome = tree.apply(&header, txn, &mut ());
    let check = tree.check_digest(header.zxid, Some(TxnDigest { version: TxnDigest::VERSION, digest }));
    assert_eq!(check, DigestCheck::Match, "after transaction {counter:x}");
    outcome
}

#[test]
fn a_fresh_tree_is_the_genuine_one() {
    let tree = Tree::new(TreeOptions::default());
    assert_eq!(tree.digest(), 0x51C6_D660);
    assert_eq!((tree.node_count(), tree.approximate_data_size()), (5, 44));
    let root = tree.get("/").unwrap();
    assert_eq!((root.stat().cversion, root.stat().num_children), (-1, 1));
    assert_eq!(tree.get("").unwrap().path(), "/");
    assert_eq!(tree.get("/zookeeper").unwrap().stat().cversion, -2);
    let config = tree.get("/zookeeper/config").unwrap();
    assert_eq!((config.stat().aversion, config.data()), (-1, Some(&[][..])));
    let NodeAcl::List(acl) = config.acl() else { panic!("{:?}", config.acl()) };
    assert_eq!(acl.to_acls(), [Acl::world(Perms::READ)]);
    for path in ["/a", "a", "//", "/zookeeper/", "/zookeeper//quota", "zookeeper"] {
        assert!(tree.get(path).is_none(), "{path}");
    }
}

#[test]
fn the_rows_of_a_genuine_log_give_its_digests() {
    let open = AclList::OPEN;
    let read = AclList::encode_entries(&[Acl::world(Perms::READ)]);
    let read = AclList::from_encoded(&read).unwrap();
    let mut options = TreeOptions::default();
    options.owner_rules.extended_types = true;
    let mut tree = Tree::new(options);
    let t = &mut tree;
    let time = 1_795_237_966_000;

    row(t, 1, TxnType::CreateSession, 0, &Txn::CreateSession { timeout_ms: 10_000 }, 0x51c6_d660);
    row(t, 2, TxnType::Create, time + 287, &Txn::Create(create("/a", Some(b"x"), open, 1)), 0x1_8048_4da2);
    row(t, 3, TxnType::SetData, time + 303, &set_data("/a", b"yy", 1), 0x1_9a11_d9a6);
    let ephemeral = CreateTxn { ephemeral: true, ..create("/a/e", Some(b""), open, 1) };
    row(t, 4, TxnType::Create, time + 313, &Txn::Create(ephemeral), 0x2_1b51_8895);
    let sequential = Txn::Create(create("/s-0000000001", None, open, 2));
    row(t, 5, TxnType::Create, time + 324, &sequential, 0x2_07d0_ee74);
    let container = Txn::CreateContainer(create("/c", Some(b""), read, 3));
    row(t, 6, TxnType::CreateContainer, time + 335, &container, 0x2_9987_024f);
    row(t, 7, TxnType::Delete, 0, &Txn::Delete { path: "/s-0000000001".into() }, 0x1_a5ef_b270);
    let ttl = Txn::CreateTtl(create("/t", Some(&[1]), open, 4), 60_000);
    row(t, 8, TxnType::CreateTtl, time + 361, &ttl, 0x2_34a5_bf23);
    let refused = row(t, 9, TxnType::Error, 0, &Txn::Error { code: -110 }, 0x2_34a5_bf23);
    assert_eq!(refused, Outcome::Error(KeeperError::NodeExists.code()));
    let set_acl = |acl, version| Txn::SetAcl { path: "/a".into(), acl, version };
    row(t, 0xa, TxnType::SetAcl, 0, &set_acl(read, 1), 0x2_4c0c_cb62);
    row(t, 0xb, TxnType::SetAcl, 0, &set_acl(open, 2), 0x2_538f_e69d);
    let multi = Txn::Multi(vec![
        sub(TxnType::Create, Txn::Create(create("/m", Some(b"1"), open, 5))),
        sub(TxnType::SetData, set_data("/m", b"2", 1)),
        sub(TxnType::Check, Txn::Check { path: "/m".into(), version: 2 }),
        sub(TxnType::Delete, Txn::Delete { path: "/m".into() }),
    ]);
    let Outcome::Multi(outcomes) = row(t, 0xc, TxnType::Multi, 0, &multi, 0x1_a754_59d7) else { panic!() };
    assert!(matches!(
        outcomes[..],
        [SubOutcome::Stat(_), SubOutcome::Stat(_), SubOutcome::Done, SubOutcome::Done]
    ));
    let failed = Txn::Multi(vec![
        sub(TxnType::Create, Txn::Create(create("/m", Some(b"1"), open, 6))),
        sub(TxnType::Error, Txn::Error { code: -101 }),
        sub(TxnType::Error, Txn::Error { code: -2 }),
    ]);
    let outcome = row(t, 0xd, TxnType::Multi, 0, &failed, 0x1_a754_59d7);
    assert_eq!(outcome, Outcome::Multi([0, -101, -2].map(SubOutcome::Error).to_vec()));
    row(t, 0xe, TxnType::Reconfig, time, &set_data("/zookeeper/config", b"server.1=...", -1), 0x1_a754_59d7);
    row(t, 0xf, TxnType::Create, time + 933, &Txn::Create(create("/é漢", Some(b""), open, 6)), 0x2_9d53_a8d7);
    let close = Txn::CloseSession { paths: Some(vec!["/a/e".into()]) };
    row(t, 0x10, TxnType::CloseSession, 0, &close, 0x1_c666_54ad);

    assert_eq!(t.last_zxid().to_string(), "0x100000010");
    assert_eq!((t.ephemeral_count(), t.sessions().len()), (0, 0));
    assert_eq!(t.get("/t").unwrap().persisted().ephemeral_owner, 0xff00_0000_0000_ea60_u64 as i64);
    assert_eq!(t.get("/t").unwrap().stat().ephemeral_owner, 0);
    assert_eq!(t.get("/c").unwrap().persisted().ephemeral_owner, i64::MIN);
    let mut names: Vec<&str> = t.get("/").unwrap().children().collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "c", "t", "zookeeper", "é漢"]);
    assert_eq!(t.descendants("/"), Some(t.node_count() - 2));
    assert_eq!(t.descendants("/zookeeper"), Some(2));
}
