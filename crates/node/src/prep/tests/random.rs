//! Random requests: however many are outstanding, they become what they become one at a time, and apply as promised.

use super::*;
use proptest::prelude::*;
use zabra_types::Perms;

const PATHS: [&str; 14] = [
    "/",
    "/a",
    "/b",
    "/a/x",
    "/a/y",
    "/a/x/deep",
    "/b/z",
    "/a/",
    "//",
    "",
    "/zookeeper",
    "/zookeeper/config",
    "/zookeeper/quota/a",
    "/zookeeper/quota/a/zookeeper_limits",
];

fn path() -> impl Strategy<Value = &'static str> {
    prop_oneof![8 => prop::sample::select(&PATHS[1..7]), 2 => prop::sample::select(&PATHS[..])]
}

fn acls() -> impl Strategy<Value = Vec<Acl>> {
    prop_oneof![
        6 => Just(open()),
        1 => Just(vec![Acl::world(Perms::READ | Perms::CREATE)]),
        1 => Just(vec![Acl::new(Perms::ALL, "auth", "")]),
        1 => Just(vec![Acl::new(Perms::ALL, "digest", "alice:x"), Acl::world(Perms::READ | Perms::ADMIN)]),
    ]
}

fn version() -> impl Strategy<Value = i32> {
    prop_oneof![6 => Just(-1), 4 => 0..3]
}

fn single() -> impl Strategy<Value = Ask> {
    let op = prop::sample::select(
        &[OpCode::Create, OpCode::Create2, OpCode::CreateContainer, OpCode::CreateTtl][..],
    );
    prop_oneof![
        6 => (op, path(), prop::option::of("[a-c]{0,3}"), acls(), 0..5).prop_map(|(op, path, data, acl, flags)| {
            let flags = if op == OpCode::CreateTtl { 5 } else { flags };
            create_with(op, Some(path), data.as_deref().map(str::as_bytes), Some(&acl), flags, 77)
        }),
        4 => (path(), version()).prop_map(|(path, version)| delete(path, version)),
        4 => (path(), "[a-c]{0,3}", version()).prop_map(|(path, data, version)| set_data(path, data.as_bytes(), version)),
        2 => (path(), acls(), version()).prop_map(|(path, acl, version)| set_acl(path, &acl, version)),
    ]
}

fn in_multi() -> impl Strategy<Value = Ask> {
    prop_oneof![
        9 => single().prop_filter("not part of a multi", |(op, _)| *op != OpCode::SetAcl),
        2 => (path(), version()).prop_map(|(path, version)| check(path, version)),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    prop_oneof![
        20 => single(),
        6 => prop::collection::vec(in_multi(), 0..5).prop_map(|asks| multi(&asks)),
        1 => Just(close()),
    ]
}

/// A request of one of the sessions, and how many proposals are applied before it.
fn step() -> impl Strategy<Value = (SessionId, Ask, usize)> {
    let session = prop::sample::select(vec![ALICE, BOB, ROOT, SessionId::from_raw(9)]);
    let applied = prop_oneof![6 => Just(0), 3 => 1..3_usize, 1 => Just(usize::MAX)];
    (session, ask(), applied)
}

proptest! {
    #[test]
    fn outstanding_or_applied_makes_no_difference(steps in prop::collection::vec(step(), 1..60)) {
        let mut pipelined = World::new(extended());
        let mut one_by_one = World::new(extended());
        one_by_one.hints = false;
        for (session, ask, applied) in &steps {
            for _ in 0..(*applied).min(pipelined.proposed.len()) {
                pipelined.apply_one(OpCode::Create);
            }
            pipelined.time += 1;
            one_by_one.time += 1;
            one_by_one.apply_all();
            let expected = one_by_one.prepare(*session, ask);
            prop_assert_eq!(pipelined.prepare(*session, ask), expected);
        }
        pipelined.apply_all();
        one_by_one.apply_all();
        prop_assert_eq!(pipelined.tree.digest(), one_by_one.tree.digest());
        prop_assert_eq!(pipelined.tree.check(), Ok(()));
        pipelined.preparer.settle();
        prop_assert!(pipelined.preparer.outstanding.is_empty());
    }
}
