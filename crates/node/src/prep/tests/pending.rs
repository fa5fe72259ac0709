//! What is outstanding counts as if it were applied.

use super::*;
use alloc::format;
use zabra_types::Perms;

#[test]
fn versions_and_existence_under_pipelining() {
    let mut world = World::new(NodeOptions::default());
    let rows = [
        (create("/a", 0), "create /a 1"),
        (create("/a", 0), "error -110"),
        (set_data("/a", b"1", 0), "setData /a 1"),
        (set_data("/a", b"2", 0), "error -103"),
        (set_data("/a", b"2", 1), "setData /a 2"),
        (set_acl("/a", &[Acl::world(Perms::READ)], 0), "setACL /a 1"),
        (set_data("/a", b"3", 2), "error -102"),
        (create("/a/x", 0), "error -102"),
        (delete("/a", 2), "delete /a"),
        (delete("/a", 2), "error -101"),
        (create("/a/x", 0), "error -101"),
        (create("/a", 0), "create /a 2"),
        (create("/a/x", 1), "create /a/x 1 eph"),
        (create("/a/x/y", 0), "error -108"),
        (delete("/a", 0), "error -111"),
        (delete("/a/x", 0), "delete /a/x"),
        (delete("/a", 0), "delete /a"),
        (create("/s", 2), "create /s0000000002 3"),
        (create("/s", 3), "create /s0000000003 4 eph"),
    ];
    for (ask, expected) in rows {
        assert_eq!(shown(&world.prepare(ALICE, &ask)), expected, "{ask:?}");
    }
    world.apply_all();
    world.preparer.settle();
    assert!(world.preparer.outstanding.is_empty());
}

#[test]
fn a_session_ends_with_what_it_will_own() {
    let mut world = World::new(NodeOptions::default());
    world.make(
        ALICE,
        &[create("/p", 0), create("/p/kept", 1), create("/p/changed", 1), create("/p/taken", 1)],
    );
    world.make(BOB, &[create("/p/other", 1)]);
    world.prepare(ALICE, &create("/p/new", 1));
    world.prepare(ALICE, &set_data("/p/changed", b"x", 0));
    world.prepare(ALICE, &create("/p/gone", 1));
    world.prepare(ALICE, &delete("/p/gone", 0));
    world.prepare(ALICE, &delete("/p/taken", 0));
    world.prepare(BOB, &create("/p/taken", 1));
    assert_eq!(shown(&world.prepare(ALICE, &close())), "close /p/changed /p/kept /p/new");
    assert_eq!(shown(&world.prepare(ALICE, &set_data("/p", b"", -1))), "error -112");
    // The nodes are gone for everybody else, and their parent has that many children less.
    assert_eq!(shown(&world.prepare(BOB, &create("/p/kept", 0))), "create /p/kept 8");
    assert_eq!(shown(&world.prepare(BOB, &delete("/p/kept", 0))), "delete /p/kept");
    assert_eq!(shown(&world.prepare(BOB, &close())), "close /p/other /p/taken");
    assert_eq!(shown(&world.prepare(ROOT, &delete("/p", -1))), "delete /p");
    world.apply_all();
    assert_eq!(world.tree.ephemeral_count(), 0);
}

#[test]
fn the_server_closes_sessions_too_and_may_leave_the_list_out() {
    let options = NodeOptions { close_session_txn: false, digest: false, ..NodeOptions::default() };
    let mut world = World::new(options);
    world.make(ALICE, &[create("/a", 1)]);
    world.prepare(ALICE, &create("/b", 1));
    let at = surroundings(&world.tree, &world.sessions, 9);
    let proposal = world.preparer.close_session(&at, ALICE).unwrap();
    assert_eq!((proposal.header.cxid, proposal.payload.len()), (Xid::default(), 32));
    world.proposed.push_back(proposal);
    assert_eq!(shown(&world.prepare(BOB, &create("/b", 0))), "create /b 3");
    world.apply_all();
    assert_eq!(world.tree.ephemeral_count(), 0);
}

/// The counter stops where apply stops it; the version goes on through the negative numbers.
#[test]
fn counters_wrap_as_those_of_3_9() {
    use zabra_proto::{AclList, CreateTxn, TxnHeader};
    let mut world = World::new(NodeOptions::default());
    world.make(ALICE, &[create("/p", 0)]);
    let header = TxnHeader {
        session: ALICE,
        cxid: Xid::default(),
        zxid: Zxid::from_raw(2),
        time: WallTime::from_millis(0),
        kind: 1,
    };
    let set = |path, version| Txn::SetData { path, data: None, version };
    world.tree.apply(&TxnHeader { kind: 5, ..header }, &set("/p".into(), i32::MAX - 1), &mut ());
    let child = CreateTxn {
        path: "/p/x".into(),
        data: None,
        acl: AclList::OPEN,
        ephemeral: false,
        parent_cversion: i32::MAX - 1,
    };
    world.tree.apply(&TxnHeader { kind: 1, ..header }, &Txn::Create(child), &mut ());
    world.preparer = Preparer::new(world.options, Zxid::from_raw(2));
    let rows = [
        (set_data("/p", b"", -1), format!("setData /p {}", i32::MAX)),
        (set_data("/p", b"", i32::MAX), format!("setData /p {}", i32::MIN)),
        (set_data("/p", b"", i32::MIN), format!("setData /p {}", i32::MIN + 1)),
        (create("/p/s", 2), format!("create /p/s2147483646 {}", i32::MAX)),
        (create("/p/s", 2), format!("create /p/s2147483647 {}", i32::MIN)),
        (create("/p/s", 2), "error -110".to_string()),
    ];
    for (ask, expected) in rows {
        assert_eq!(shown(&world.prepare(ALICE, &ask)), expected);
    }
    world.apply_all();
    world.tree.apply(&TxnHeader { kind: 5, ..header }, &set("/p".into(), -2), &mut ());
    assert_eq!(shown(&world.prepare(ALICE, &set_data("/p", b"", -2))), "setData /p -1");
}
