//! What nodes take.

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use zabra_proto::{AclList, CreateTxn, Txn, TxnHeader, TxnType};
use zabra_tree::{Outcome, Tree, TreeOptions};
use zabra_types::{SessionId, WallTime, Xid, Zxid};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const DIRECTORY_LEN: usize = 1000;
const NODES: usize = 100 * DIRECTORY_LEN;

/// Bytes a tree holds for each of many nodes, directories of a thousand included.
fn bytes_a_node(data_len: usize, directory: impl Fn(usize) -> String, name: impl Fn(usize) -> String) -> f64 {
    let data = vec![7; data_len];
    let region = Region::new(ALLOCATOR);
    let mut tree = Tree::new(TreeOptions::default());
    let mut zxid = 0;
    let mut create = |path: &str| {
        zxid += 1;
        let header = TxnHeader {
            session: SessionId::from_raw(1),
            cxid: Xid::default(),
            zxid: Zxid::from_raw(zxid),
            time: WallTime::from_millis(1_700_000_000_000 + zxid),
            kind: TxnType::Create.code(),
        };
        let acl = AclList::OPEN;
        let record =
            CreateTxn { path: path.into(), data: Some(&data), acl, ephemeral: false, parent_cversion: -1 };
        tree.apply(&header, &Txn::Create(record), &mut ())
    };
    for number in 0..NODES {
        let directory = directory(number / DIRECTORY_LEN);
        if number % DIRECTORY_LEN == 0 {
            for (end, _) in directory.match_indices('/').skip(1) {
                create(&directory[..end]);
            }
            create(&directory);
        }
        let outcome = create(&format!("{directory}/{}", name(number)));
        assert!(matches!(outcome, Outcome::Stat(_)), "{outcome:?}");
    }
    let change = region.change();
    let held = change.bytes_allocated as i64 - change.bytes_deallocated as i64;
    assert!(tree.node_count() as usize > NODES);
    held as f64 / NODES as f64
}

/// The genuine server holds 414 bytes for a node of 100 bytes. One test, as the allocator counts for all.
#[test]
fn a_node_takes_few_bytes_beside_its_data() {
    let short = bytes_a_node(100, |n| format!("/fill/d{n:05}"), |n| format!("n{n:07}"));
    assert!(short <= 200.0, "100 bytes of data, short names: {short:.1} bytes a node");
    let long = bytes_a_node(
        46,
        |n| format!("/bench/production/tables/{n:08x}-6a1e-4c3b-9f57-d24e8{n:07}/replicas/replica-01/parts"),
        |n| format!("202401_{n:07}_{n:07}_0000"),
    );
    assert!(long <= 190.0, "46 bytes of data, names of 27: {long:.1} bytes a node");
}
