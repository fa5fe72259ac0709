//! Several writes in one request.

use super::*;

fn result_codes(reply: &[u8]) -> (i32, Vec<(i32, i32)>) {
    let word = |at: usize| i32::from_be_bytes(reply[at..at + 4].try_into().unwrap());
    let err = word(16);
    let mut results = Vec::new();
    let mut at = 20;
    // Failed results only: 13 bytes each.
    while at < reply.len() && reply[at + 4] == 0 {
        results.push((word(at), word(at + 5)));
        at += 13;
    }
    (err, results)
}

#[test]
fn each_sees_the_effects_of_those_before_it() {
    let mut world = World::new(extended());
    let ask = multi(&[
        create("/p", 0),
        create("/p/c-", 2),
        create("/p/c-", 3),
        set_data("/p/c-0000000000", b"x", 0),
        check("/p/c-0000000000", 1),
        delete("/p/c-0000000000", 1),
        delete("/p/c-0000000001", -1),
        delete("/p", 0),
    ]);
    assert_eq!(
        shown(&world.prepare(ALICE, &ask)),
        "create /p 1; create /p/c-0000000000 1; create /p/c-0000000001 2 eph; setData /p/c-0000000000 1; \
         check /p/c-0000000000 2; delete /p/c-0000000000; delete /p/c-0000000001; delete /p"
    );
    assert_eq!(shown(&world.prepare(ALICE, &close())), "close ");
    world.apply_all();
    assert!(world.tree.get("/p").is_none());
}

#[test]
fn a_failure_undoes_everything_sequence_numbers_too() {
    let mut world = World::new(NodeOptions::default());
    world.make(ALICE, &[create("/p", 0), create("/p/a-", 2)]);
    // Some of it outstanding, some applied.
    assert_eq!(shown(&world.prepare(ALICE, &create("/p/a-", 2))), "create /p/a-0000000001 2");
    assert_eq!(shown(&world.prepare(ALICE, &create("/new", 1))), "create /new 2 eph");
    let failing = multi(&[
        create("/p/a-", 2),
        create("/p/a-", 2),
        set_data("/p", b"x", 0),
        delete("/new", -1),
        create("/q", 1),
        create("/q2/x", 0),
        create("/q3", 0),
    ]);
    assert_eq!(
        shown(&world.prepare(ALICE, &failing)),
        "create /p/a-0000000002 3; create /p/a-0000000003 4; setData /p 1; delete /new; create /q 3 eph; \
         error -101; error -2"
    );
    assert_eq!(shown(&world.prepare(ALICE, &create("/p/a-", 2))), "create /p/a-0000000002 3");
    assert_eq!(shown(&world.prepare(ALICE, &set_data("/p", b"y", 0))), "setData /p 1");
    assert_eq!(shown(&world.prepare(ALICE, &create("/q", 0))), "create /q 3");
    assert_eq!(shown(&world.prepare(ALICE, &close())), "close /new");
    world.apply_all();
    // And with nothing outstanding.
    assert_eq!(shown(&world.prepare(ROOT, &failing)), shown(&world.prepare(ROOT, &failing)));
    world.apply_all();
    assert_eq!(shown(&world.prepare(ROOT, &create("/p/a-", 2))), "create /p/a-0000000003 4");
}

#[test]
fn replies_of_failed_and_successful_multis() {
    let mut world = World::new(NodeOptions::default());
    world.prepare(ALICE, &multi(&[create("/a", 0), delete("/no", 0), check("/a", 0), create("/a", 0)]));
    let reply = world.apply_one(OpCode::Multi);
    assert_eq!(result_codes(&reply), (0, vec![(-1, 0), (-1, -101), (-1, -2), (-1, -2)]));

    world.prepare(ALICE, &multi(&[]));
    let reply = world.apply_one(OpCode::Multi);
    assert_eq!(reply[16..], [0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0xff, 0xff, 0xff, 0xff]);

    let all = [
        create("/a", 0),
        create_with(OpCode::Create2, Some("/b"), None, Some(&open()), 0, 0),
        create_with(OpCode::CreateContainer, Some("/c"), None, Some(&open()), 4, 0),
        set_data("/a", b"xyz", 0),
        check("/a", 1),
        delete("/a", 1),
    ];
    world.prepare(ALICE, &multi(&all));
    let reply = world.apply_one(OpCode::Multi);
    let (mut at, mut kinds) = (20, Vec::new());
    for body in [6, 6 + 68, 6 + 68, 68, 0, 0] {
        kinds.push(i32::from_be_bytes(reply[at..at + 4].try_into().unwrap()));
        at += 9 + body;
    }
    assert_eq!(kinds, [1, 15, 15, 5, 13, 2]);
    assert_eq!(reply.len(), at + 9);
    // The Stat in a result is that of its moment: setData saw three bytes and version 1.
    let stat = &reply[20 + 15 + 83 + 83 + 9..];
    assert_eq!(stat[32..36], [0, 0, 0, 1]);
    assert_eq!(stat[52..56], [0, 0, 0, 3]);
}

#[test]
fn session_errors_are_results() {
    let mut world = World::new(NodeOptions::default());
    world.sessions.0.insert(BOB);
    assert_eq!(shown(&world.prepare(BOB, &multi(&[check("/", 0), check("/", 0)]))), "error -112; error -2");
    assert_eq!(
        shown(&world.prepare(LOCAL, &multi(&[create("/a", 0), create("/b", 1)]))),
        "create /a 1; error -120"
    );
    world.apply_all();
}

/// All of these are refused as a whole; all but the last two take a zxid.
#[test]
fn what_cannot_be_read_is_refused_as_a_whole() {
    let null = |op, rest: usize| (op, [vec![0xff; 4], vec![0; rest]].concat());
    let read = || (OpCode::GetData, vec![0, 0, 0, 2, b'/', b'a', 0]);
    let bad_flags = create("/a", 9);
    let null_id = create_with(OpCode::Create, Some("/a"), None, None, 0, 0).1;
    let null_id = {
        // One entry, scheme digest, id null.
        let mut body = null_id[..10].to_vec();
        body.put_i32(1);
        body.put_i32(31);
        body.put_text("digest");
        body.put_i32(-1);
        body.put_i32(0);
        (OpCode::Create, body)
    };
    let cases = [
        (OpCode::Multi, vec![0, 0, 0, 1]),
        multi(&[create("/a", 0), null(OpCode::Delete, 4)]),
        multi(&[null(OpCode::SetData, 8)]),
        multi(&[null(OpCode::Check, 4)]),
        multi(&[bad_flags]),
        multi(&[read()]),
        multi(&[create("/a", 0), read()]),
        multi(&[read(), create("/a", 0)]),
        multi(&[create("/a", 0), null_id]),
    ];
    let mut world = World::new(NodeOptions::default());
    for ask in cases {
        let zxid = world.preparer.last_zxid().next();
        assert_eq!(shown(&world.prepare(ALICE, &ask)), "error -5", "{ask:?}");
        assert_eq!(Some(world.preparer.last_zxid()), zxid);
    }
    world.apply_all();
    assert!(world.tree.get("/a").is_none());
    let null_list = create_with(OpCode::Create, Some("/a"), None, None, 0, 0);
    for ask in [multi(core::slice::from_ref(&null_list)), multi(&[read(), null_list.clone()])] {
        assert_eq!(shown(&world.prepare(ALICE, &ask)), "refused -5");
    }
}

/// The genuine server looks at these one operation at a time.
#[test]
fn create_ttl_inside_a_multi() {
    let make = |flags, acl: Option<&[Acl]>| create_with(OpCode::CreateTtl, Some("/t"), None, acl, flags, 60);
    let cases = [
        (make(5, Some(&open())), "ttl /t 1 60"),
        (make(0, Some(&open())), "create /t 1"),
        (make(4, Some(&open())), "container /t 1"),
        (make(9, Some(&open())), "error -8"),
        (make(5, None), "error -114"),
    ];
    for (ask, expected) in cases {
        let mut world = World::new(extended());
        assert_eq!(shown(&world.prepare(ALICE, &multi(&[ask]))), expected);
        world.apply_all();
    }
    let mut world = World::new(NodeOptions::default());
    assert_eq!(shown(&world.prepare(ALICE, &multi(&[make(5, Some(&open()))]))), "error -6");
}
