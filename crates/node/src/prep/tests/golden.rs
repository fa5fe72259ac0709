//! The transactions of one quorum session of a genuine server, with the digest it computed after each.

use super::*;
use zabra_types::Perms;

const WORLD_ALL: fn() -> Vec<Acl> = open;

fn world_read() -> Vec<Acl> {
    vec![Acl::world(Perms::READ)]
}

#[test]
fn a_recorded_session_comes_out_with_the_recorded_digests() {
    let mut world = World::starting_at(extended(), Zxid::from_raw(0x1_0000_0000));
    let at = surroundings(&world.tree, &world.sessions, 0);
    let session = world.preparer.create_session(&at, (ALICE, Xid::default()), 10_000).unwrap();
    world.proposed.push_back(session);
    world.apply_all();
    assert_eq!(world.tree.digest(), 0x51c6_d660);

    let plain =
        |path, data, flags| create_with(OpCode::Create, Some(path), data, Some(&WORLD_ALL()), flags, 0);
    let container = create_with(OpCode::CreateContainer, Some("/c"), Some(b""), Some(&world_read()), 4, 0);
    let ttl = create_with(OpCode::CreateTtl, Some("/t"), Some(&[1]), Some(&WORLD_ALL()), 5, 60_000);
    let done =
        multi(&[plain("/m", Some(b"1"), 0), set_data("/m", b"2", 0), check("/m", 1), delete("/m", -1)]);
    let failed = multi(&[plain("/m", Some(b"1"), 0), delete("/missing", -1), check("/m", 0)]);
    let rows = [
        (1_795_237_966_287, plain("/a", Some(b"x"), 0), "create /a 1", 0x1_8048_4da2_u64),
        (1_795_237_966_303, set_data("/a", b"yy", -1), "setData /a 1", 0x1_9a11_d9a6),
        (1_795_237_966_313, plain("/a/e", Some(b""), 1), "create /a/e 1 eph", 0x2_1b51_8895),
        (1_795_237_966_324, plain("/s-", None, 2), "create /s-0000000001 2", 0x2_07d0_ee74),
        (1_795_237_966_335, container, "container /c 3", 0x2_9987_024f),
        (0, delete("/s-0000000001", -1), "delete /s-0000000001", 0x1_a5ef_b270),
        (1_795_237_966_361, ttl, "ttl /t 4 60000", 0x2_34a5_bf23),
        (0, plain("/a", Some(b"x"), 0), "error -110", 0x2_34a5_bf23),
        (0, set_acl("/a", &world_read(), 0), "setACL /a 1", 0x2_4c0c_cb62),
        (0, set_acl("/a", &WORLD_ALL(), 1), "setACL /a 2", 0x2_538f_e69d),
        (0, done, "create /m 5; setData /m 1; check /m 2; delete /m", 0x1_a754_59d7),
        (0, failed, "create /m 6; error -101; error -2", 0x1_a754_59d7),
    ];
    for (time, ask, expected, digest) in rows {
        world.time = time;
        // setACL of a list without ADMIN is undone by the super user.
        let session = if ask.0 == OpCode::SetAcl { ROOT } else { ALICE };
        assert_eq!(shown(&world.prepare(session, &ask)), expected);
        world.apply_all();
        assert_eq!(world.tree.digest(), digest, "{expected}");
    }
    // A reconfiguration, which changes no digest, comes next.
    world.preparer = Preparer::new(world.options, Zxid::from_raw(0x1_0000_000e));
    world.time = 1_795_237_966_933;
    assert_eq!(shown(&world.prepare(ALICE, &plain("/é漢", Some(b""), 0))), "create /é漢 6");
    assert_eq!(shown(&world.prepare(ALICE, &close())), "close /a/e");
    world.apply_one(OpCode::Create);
    assert_eq!(world.tree.digest(), 0x2_9d53_a8d7);
    world.apply_one(OpCode::CloseSession);
    assert_eq!(world.tree.digest(), 0x1_c666_54ad);
    assert_eq!(world.tree.last_zxid().raw(), 0x1_0000_0010);
}

/// The first log entry of a fresh standalone server, between checksum and end mark.
#[test]
fn the_first_transaction_byte_by_byte() {
    let mut world = World::new(NodeOptions::default());
    let session = SessionId::from_raw(0x0100_0022_cc60_0000);
    let at = surroundings(&world.tree, &world.sessions, 0x01a1_fc91_9152);
    let proposal = world.preparer.create_session(&at, (session, Xid::default()), 10_000).unwrap();
    let golden = [
        1, 0, 0, 0x22, 0xcc, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0xa1, 0xfc, 0x91, 0x91,
        0x52, 0xff, 0xff, 0xff, 0xf6, 0, 0, 0x27, 0x10, 0, 0, 0, 2, 0, 0, 0, 0, 0x51, 0xc6, 0xd6, 0x60,
    ];
    assert_eq!(proposal.payload, golden);
}
