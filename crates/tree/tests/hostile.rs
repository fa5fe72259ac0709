//! Transactions that no preparation makes: nothing panics, and all parts of the tree go on agreeing.

use proptest::prelude::*;
use proptest::sample::select;
use std::borrow::Cow;
use zabra_proto::{AclList, CreateTxn, Txn, TxnHeader, TxnType};
use zabra_tree::{Progress, SnapshotCursor, Tree, TreeOptions};
use zabra_types::{OwnerRules, SessionId, WallTime, Xid, Zxid};

const PATHS: [&str; 26] = [
    "",
    "/",
    "//",
    "///",
    "a",
    "/a",
    "/a/",
    "/a//b",
    "/a/b",
    "/a/b/c",
    "/a/b/c/d",
    "a/b",
    "/zookeeper",
    "/zookeeper/",
    "/zookeeper/config",
    "/zookeeper/quota",
    "/zookeeper/quota/zookeeper_limits",
    "/zookeeper/quota/zookeeper_stats",
    "/zookeeper/quota/a",
    "/zookeeper/quota/a/zookeeper_limits",
    "/zookeeper/quota/a/zookeeper_stats",
    "/zookeeper/quota/zookeeper",
    "/zookeeper/quota/zookeeper/zookeeper_limits",
    "/zookeeper/quota/zookeeper/zookeeper_stats",
    "/zookeeper/quota/a/b/zookeeper_limits",
    "/\u{1f600}",
];

const DATA: [Option<&[u8]>; 5] =
    [None, Some(b""), Some(b"count=1,bytes=9223372036854775807"), Some(b"garbage=x"), Some(&[9; 5000])];

fn txn() -> impl Strategy<Value = Txn<'static>> {
    let path = || select(&PATHS[..]).prop_map(Cow::Borrowed);
    let data = || select(&DATA[..]);
    let create = || {
        (path(), data(), any::<bool>(), prop_oneof![-2..9_i32, any::<i32>()]).prop_map(
            |(path, data, ephemeral, parent_cversion)| CreateTxn {
                path,
                data,
                acl: AclList::OPEN,
                ephemeral,
                parent_cversion,
            },
        )
    };
    prop_oneof![
        6 => create().prop_map(Txn::Create),
        1 => create().prop_map(Txn::CreateContainer),
        1 => (create(), any::<i64>()).prop_map(|(create, ttl_ms)| Txn::CreateTtl(create, ttl_ms)),
        3 => path().prop_map(|path| Txn::Delete { path }),
        3 => (path(), data(), any::<i32>())
            .prop_map(|(path, data, version)| Txn::SetData { path, data, version }),
        1 => (path(), any::<i32>())
            .prop_map(|(path, version)| Txn::SetAcl { path, acl: AclList::OPEN, version }),
        1 => any::<i32>().prop_map(|timeout_ms| Txn::CreateSession { timeout_ms }),
        1 => proptest::option::of(proptest::collection::vec(path(), 0..4))
            .prop_map(|paths| Txn::CloseSession { paths }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn no_transaction_breaks_the_tree(
        txns in proptest::collection::vec((txn(), select(&[0, 1, -1, i64::MIN][..]), any::<i8>()), 1..80),
        extended_types: bool,
        emulate_353_ttl: bool,
    ) {
        let owner_rules = OwnerRules { extended_types, emulate_353_ttl };
        let mut tree = Tree::new(TreeOptions { owner_rules, ..TreeOptions::default() });
        let mut cursor = SnapshotCursor::new(&tree);
        let mut out = Vec::new();
        for (txn, session, zxid) in &txns {
            let header = TxnHeader {
                session: SessionId::from_raw(*session),
                cxid: Xid::from_raw(0),
                zxid: Zxid::from_raw((*zxid).into()),
                time: WallTime::from_millis(i64::MAX.saturating_sub((*zxid).into())),
                kind: TxnType::Create.code(),
            };
            tree.apply(&header, txn, &mut ());
            prop_assert_eq!(tree.check(), Ok(()), "after {:?}", txn);
            if cursor.fill(&tree, &mut out, 60) == Progress::Done {
                cursor = SnapshotCursor::new(&tree);
            }
            for path in PATHS {
                tree.quota_of(path);
                tree.descendants(path);
            }
            tree.reapable(WallTime::from_millis(i64::MIN), None);
        }
        tree.remove_orphan_ephemerals();
        prop_assert_eq!(tree.check(), Ok(()));
    }
}
