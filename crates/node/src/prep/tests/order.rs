//! Each operation's checks, in the order that decides which error is told: every row mends what the row above was
//! refused for, and leaves everything else wrong.

use super::*;
use KeeperError::*;
use zabra_types::Perms;

/// `/open`, `/shut` (whose list forbids this client everything), `/shut/x`, `/eph` of Alice, `/full/child` with
/// quotas of two nodes and four bytes on `/full`, and `/v` at version 1.
fn world(options: NodeOptions) -> World {
    let mut world = World::new(options);
    let limits = b"count=-1,bytes=-1=;byteHardLimit=4;countHardLimit=2";
    let quota =
        |path: &str, data: &[u8]| create_with(OpCode::Create, Some(path), Some(data), Some(&open()), 0, 0);
    world.make(
        ALICE,
        &[
            create("/open", 0),
            create("/shut", 0),
            create("/shut/x", 0),
            create("/eph", 1),
            create("/full", 0),
            create("/full/child", 0),
            create("/v", 0),
            set_data("/v", b"data", 0),
            quota("/zookeeper/quota/full", b""),
            quota("/zookeeper/quota/full/zookeeper_limits", limits),
            quota("/zookeeper/quota/full/zookeeper_stats", b"count=0,bytes=0"),
            set_acl("/shut/x", &[Acl::new(Perms::ALL, "digest", "nobody:x")], -1),
            set_acl("/shut", &[Acl::new(Perms::ALL, "digest", "nobody:x")], -1),
        ],
    );
    world
}

fn assert_rows(options: NodeOptions, rows: &[(SessionId, Ask, Result<&str, KeeperError>)]) {
    for (session, ask, expected) in rows {
        let mut world = world(options);
        world.sessions.0.insert(BOB);
        let before = world.preparer.last_zxid();
        let prepared = world.prepare(*session, ask);
        match expected {
            Ok(txn) => assert_eq!(shown(&prepared), *txn, "{ask:?}"),
            Err(error) => assert_eq!(outcome(&prepared), Err(*error), "{ask:?}"),
        }
        // Everything but a body that does not decode has its place in the order.
        let refused = matches!(prepared, Prepared::Refused(_));
        assert_eq!(world.preparer.last_zxid() == before, refused);
        world.apply_all();
    }
}

fn enforcing() -> NodeOptions {
    NodeOptions { enforce_quota: true, ..extended() }
}

#[test]
fn creating() {
    let open = open();
    let bad = [Acl::new(Perms::ALL, "nobody", "x")];
    let plain = |path, acl, flags| create_with(OpCode::Create, path, Some(b"12345"), Some(acl), flags, 0);
    let with_ttl = |op, flags, ttl_ms| create_with(op, None, None, Some(&bad), flags, ttl_ms);
    assert_rows(
        NodeOptions::default(),
        &[
            (BOB, with_ttl(OpCode::CreateTtl, 7, 0), Err(BadArguments)),
            (BOB, with_ttl(OpCode::CreateTtl, 5, 0), Err(Unimplemented)),
            (BOB, with_ttl(OpCode::Create, 6, 0), Err(Unimplemented)),
        ],
    );
    assert_rows(
        enforcing(),
        &[
            (BOB, (OpCode::Create, vec![0; 7]), Err(MarshallingError)),
            (BOB, plain(None, &bad, 7), Err(BadArguments)),
            (BOB, plain(None, &bad, -1), Err(BadArguments)),
            (BOB, with_ttl(OpCode::Create2, 5, 0), Err(BadArguments)),
            (BOB, with_ttl(OpCode::CreateTtl, 5, 0), Err(BadArguments)),
            (BOB, with_ttl(OpCode::CreateTtl, 5, 0x100_0000_0000), Err(BadArguments)),
            (BOB, with_ttl(OpCode::CreateTtl, 0, 5), Err(BadArguments)),
            (BOB, with_ttl(OpCode::CreateTtl, 0, -5), Err(BadArguments)),
            (BOB, with_ttl(OpCode::CreateTtl, 5, 1), Err(SessionExpired)),
            (LOCAL, plain(None, &bad, 1), Err(EphemeralOnLocalSession)),
            (LOCAL, plain(None, &bad, 0), Err(MarshallingError)),
            (ALICE, plain(Some("no slash"), &bad, 0), Err(BadArguments)),
            (ALICE, plain(Some("/no/\0"), &bad, 0), Err(BadArguments)),
            (ALICE, plain(Some("/no/\u{1}"), &bad, 0), Err(InvalidAcl)),
            (ALICE, plain(Some("/no/\u{1}"), &open, 0), Err(NoNode)),
            (ALICE, plain(Some("/./\u{1}"), &open, 0), Err(NoNode)),
            (ALICE, plain(Some("/shut/\u{1}"), &open, 0), Err(NoAuth)),
            (ROOT, plain(Some("/shut/\u{1}"), &open, 0), Err(BadArguments)),
            (ALICE, plain(Some("/shut/x"), &open, 0), Err(NoAuth)),
            (ALICE, plain(Some("/eph/"), &open, 0), Err(BadArguments)),
            (ALICE, plain(Some("//x"), &open, 0), Err(BadArguments)),
            (ALICE, plain(Some("/full/child"), &open, 0), Err(NodeExists)),
            (ALICE, plain(Some("/"), &open, 0), Err(NodeExists)),
            (ALICE, plain(Some("/eph/x"), &open, 0), Err(NoChildrenForEphemerals)),
            (ALICE, plain(Some("/full/y"), &open, 0), Err(QuotaExceeded)),
            (ALICE, plain(Some("/open/y"), &open, 0), Ok("create /open/y 1")),
            (ALICE, plain(Some("/open/y"), &open, 1), Ok("create /open/y 1 eph")),
            (ALICE, plain(Some("/open/"), &open, 2), Ok("create /open/0000000000 1")),
            (ALICE, plain(Some("/full"), &open, 3), Ok("create /full0000000005 6 eph")),
            (ALICE, plain(Some("/"), &open, 2), Ok("create /0000000005 6")),
        ],
    );
}

#[test]
fn what_kind_of_node_a_create_makes() {
    let make = |op, flags| create_with(op, Some("/n"), Some(b""), Some(&open()), flags, 9);
    assert_rows(
        extended(),
        &[
            (ALICE, make(OpCode::Create, 4), Ok("create /n 6")),
            (ALICE, make(OpCode::Create2, 4), Ok("create /n 6")),
            (ALICE, make(OpCode::CreateContainer, 0), Ok("container /n 6")),
            (ALICE, make(OpCode::CreateContainer, 1), Ok("container /n 6")),
            (LOCAL, make(OpCode::CreateContainer, 1), Err(EphemeralOnLocalSession)),
            (ALICE, make(OpCode::CreateContainer, 2), Ok("container /n0000000005 6")),
            (ALICE, make(OpCode::CreateTtl, 5), Ok("ttl /n 6 9")),
            (ALICE, make(OpCode::CreateTtl, 6), Ok("ttl /n0000000005 6 9")),
        ],
    );
    let kinds = [
        (OpCode::Create, 0, 1),
        (OpCode::Create2, 1, 15),
        (OpCode::CreateContainer, 4, 19),
        (OpCode::CreateTtl, 5, 21),
    ];
    for (op, flags, kind) in kinds {
        let Prepared::Proposal(proposal) = world(extended()).prepare(ALICE, &make(op, flags)) else {
            panic!()
        };
        assert_eq!(proposal.header.kind, kind);
    }
}

#[test]
fn deleting() {
    let null = (OpCode::Delete, vec![0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    assert_rows(
        enforcing(),
        &[
            (BOB, (OpCode::Delete, vec![0xff; 4]), Err(MarshallingError)),
            (BOB, null.clone(), Err(SessionExpired)),
            (ALICE, null, Err(MarshallingError)),
            (ALICE, delete("no slash", 9), Err(BadArguments)),
            (ALICE, delete("", 9), Err(BadArguments)),
            (ALICE, delete("/no/\0", 9), Err(BadArguments)),
            (ALICE, delete("/", 9), Err(BadArguments)),
            (ALICE, delete("/zookeeper", 9), Err(BadArguments)),
            (ALICE, delete("/zookeeper/quota", 9), Err(BadArguments)),
            (ALICE, delete("/zookeeper/config", 9), Err(BadArguments)),
            (ALICE, delete("/no/no", 9), Err(NoNode)),
            (ALICE, delete("/shut/no", 9), Err(NoAuth)),
            (ALICE, delete("/full/no", 9), Err(NoNode)),
            (ALICE, delete("/full/", 9), Err(NoNode)),
            (ALICE, delete("//full", 9), Err(NoNode)),
            (ALICE, delete("/full", 9), Err(BadVersion)),
            (ALICE, delete("/full", 0), Err(NotEmpty)),
            (ALICE, delete("/v", 0), Err(BadVersion)),
            (ALICE, delete("/v", -2), Err(BadVersion)),
            (ALICE, delete("/v", 1), Ok("delete /v")),
            // Nobody's list protects the node itself, and anybody may delete another session's ephemeral.
            (ROOT, delete("/shut/x", 0), Ok("delete /shut/x")),
            (LOCAL, delete("/eph", -1), Ok("delete /eph")),
        ],
    );
}

#[test]
fn setting_data() {
    let null = |version| {
        let mut body = vec![0xff, 0xff, 0xff, 0xff];
        body.put_buffer(None);
        body.put_i32(version);
        (OpCode::SetData, body)
    };
    assert_rows(
        enforcing(),
        &[
            (BOB, (OpCode::SetData, vec![]), Err(MarshallingError)),
            (BOB, null(9), Err(SessionExpired)),
            (ALICE, null(9), Err(BadArguments)),
            (ALICE, set_data("", b"12345", 9), Err(BadArguments)),
            (ALICE, set_data("/no/", b"12345", 9), Err(BadArguments)),
            (ALICE, set_data("/no", b"12345", 9), Err(NoNode)),
            (ALICE, set_data("/shut", b"12345", 9), Err(NoAuth)),
            (ALICE, set_data("/zookeeper/config", b"12345", 9), Err(NoAuth)),
            (ALICE, set_data("/full/child", b"12345", 9), Err(QuotaExceeded)),
            (ALICE, set_data("/full/child", b"1234", 9), Err(BadVersion)),
            (ALICE, set_data("/full/child", b"1234", 0), Ok("setData /full/child 1")),
            (ALICE, set_data("/", b"root", -1), Ok("setData / 1")),
            (ROOT, set_data("/zookeeper/config", b"", -1), Ok("setData /zookeeper/config 1")),
        ],
    );
    let skipping = NodeOptions { skip_acl: true, ..NodeOptions::default() };
    assert_rows(skipping, &[(ALICE, set_data("/shut", b"12345", 0), Ok("setData /shut 1"))]);
    // Without enforcement quotas only count.
    assert_rows(
        NodeOptions::default(),
        &[(ALICE, set_data("/full/child", b"12345", 0), Ok("setData /full/child 1"))],
    );
}

#[test]
fn setting_lists() {
    let (open, bad) = (open(), [Acl::world(Perms::ALL), Acl::new(Perms::ALL, "world", "x")]);
    assert_rows(
        enforcing(),
        &[
            (BOB, (OpCode::SetAcl, vec![0, 0]), Err(MarshallingError)),
            (BOB, set_acl("/no/", &bad, 9), Err(SessionExpired)),
            (ALICE, set_acl("/no/", &bad, 9), Err(BadArguments)),
            (ALICE, set_acl("/no", &bad, 9), Err(InvalidAcl)),
            (ALICE, set_acl("/no", &[], 9), Err(InvalidAcl)),
            (ALICE, set_acl("/no", &open, 9), Err(NoNode)),
            (ALICE, set_acl("/shut", &open, 9), Err(NoAuth)),
            (ALICE, set_acl("/zookeeper/config", &open, 9), Err(NoAuth)),
            (ALICE, set_acl("/v", &open, 1), Err(BadVersion)),
            (ALICE, set_acl("/v", &open, 0), Ok("setACL /v 1")),
            (ROOT, set_acl("/shut", &open, 1), Ok("setACL /shut 2")),
            // It has never been changed by anybody but -1 means any version.
            (ROOT, set_acl("/zookeeper/config", &open, -1), Ok("setACL /zookeeper/config 0")),
        ],
    );
}

#[test]
fn reconfiguring_and_what_is_no_write() {
    let body = {
        let mut body = vec![0xff; 12];
        body.put_i64(-1);
        body
    };
    let enabled = NodeOptions { reconfig_enabled: true, ..NodeOptions::default() };
    let ask = (OpCode::Reconfig, body);
    let cut = (OpCode::Reconfig, ask.1[..8].to_vec());
    assert_rows(
        NodeOptions::default(),
        &[(BOB, cut, Err(MarshallingError)), (BOB, ask.clone(), Err(ReconfigDisabled))],
    );
    assert_rows(enabled, &[(BOB, ask.clone(), Err(SessionExpired)), (ALICE, ask, Err(Unimplemented))]);
    let mut world = world(enabled);
    for op in [OpCode::Ping, OpCode::WhoAmI] {
        assert_eq!(world.prepare(ALICE, &(op, vec![])), Prepared::Refused(Unimplemented));
    }
    for op in [OpCode::Check, OpCode::DeleteContainer, OpCode::CreateSession] {
        assert_eq!(outcome(&world.prepare(ALICE, &(op, vec![]))), Err(MarshallingError));
    }
}

#[test]
fn reaping() {
    let mut world = world(extended());
    let make = |op, path: &str, flags| create_with(op, Some(path), Some(b""), Some(&open()), flags, 9);
    world.make(
        ALICE,
        &[
            make(OpCode::CreateContainer, "/c", 4),
            make(OpCode::CreateContainer, "/used", 4),
            create("/used/x", 0),
            make(OpCode::CreateTtl, "/t", 5),
        ],
    );
    let cases = [
        ("/", "error -8"),
        ("/zookeeper", "error -8"),
        ("/no", "error -101"),
        ("/used", "error -111"),
        ("/eph", "error -103"),
        ("/open", "error -103"),
        ("/c", "delete /c"),
        ("/c", "error -101"),
        ("/t", "delete /t"),
    ];
    for (path, expected) in cases {
        let at = surroundings(&world.tree, &world.sessions, 5);
        let proposal = world.preparer.delete_container(&at, path).unwrap();
        assert_eq!(proposal.header.session, SessionId::NONE);
        world.proposed.push_back(proposal.clone());
        assert_eq!(shown(&Prepared::Proposal(proposal)), expected, "{path}");
    }
    world.apply_all();
    assert!(world.tree.get("/t").is_none());
}
