//! Requests on their way through a learner.

use super::*;
use crate::{check_eagerly, makes_ephemeral, refuse_to_forward};
use zabra_types::Perms;

const LIMIT: FieldLimit = FieldLimit(1 << 20);

#[test]
fn what_cannot_be_read_is_not_forwarded() {
    let (op, body) = create("/a", 0);
    assert_eq!(refuse_to_forward(op, &body, LIMIT), None);
    for cut in 0..body.len() {
        assert_eq!(refuse_to_forward(op, &body[..cut], LIMIT), Some(KeeperError::MarshallingError), "{cut}");
    }
    let (op, body) = multi(&[create("/a", 0), delete("/a", -1)]);
    assert_eq!(refuse_to_forward(op, &body, LIMIT), None);
    assert_eq!(refuse_to_forward(op, &body[..body.len() - 1], LIMIT), Some(KeeperError::MarshallingError));
    assert_eq!(refuse_to_forward(OpCode::CloseSession, &[], LIMIT), None);
}

/// Trap T5 of the quorum protocol: a learner waits for a transaction, whatever it sent.
#[test]
fn a_refusal_for_a_learner_is_a_transaction() {
    let mut world = World::new(NodeOptions::default());
    let owner = Owner::Learner(zabra_zab::LinkId(3));
    let from = Submitter { session: BOB, xid: Xid::from_raw(9), owner, identities: &[] };
    let at = surroundings(&world.tree, &world.sessions, world.time);
    let proposal = world.preparer.refuse(&at, &from, KeeperError::Unimplemented).unwrap();
    let (header, txn, digest) = decode_txn(&proposal.payload).unwrap();
    assert_eq!((header.session, header.cxid, header.zxid), (BOB, Xid::from_raw(9), Zxid::from_raw(1)));
    assert_eq!((show(&txn), digest), ("error -6".into(), None));
    assert_eq!(proposal.header, header);
}

#[test]
fn access_is_checked_before_forwarding_and_nothing_else() {
    let mut world = World::new(NodeOptions::default());
    let mine = [Acl { perms: Perms::ALL, scheme: "digest".into(), id: "alice:x".into() }];
    world.make(
        ALICE,
        &[create("/open", 0), create_with(OpCode::Create, Some("/mine"), None, Some(&mine), 0, 0)],
    );
    let no_scheme = [Acl { perms: Perms::ALL, scheme: "nobody".into(), id: "x".into() }];
    let rows = [
        (create("/mine/a", 0), Err(KeeperError::NoAuth)),
        (create("/open/a", 0), Ok(())),
        (create("/missing/a", 0), Ok(())),
        (create("no path", 0), Ok(())),
        (
            create_with(OpCode::Create2, Some("/missing/a"), None, Some(&no_scheme), 0, 0),
            Err(KeeperError::InvalidAcl),
        ),
        (create_with(OpCode::CreateContainer, Some("/mine/a"), None, Some(&no_scheme), 4, 0), Ok(())),
        (delete("/mine", 5), Ok(())),
        (delete("/mine/a", -1), Err(KeeperError::NoAuth)),
        (set_data("/mine", b"", -1), Err(KeeperError::NoAuth)),
        (set_acl("/mine", &open(), -1), Err(KeeperError::NoAuth)),
        (set_acl("/open", &[], -1), Err(KeeperError::InvalidAcl)),
        (multi(&[set_data("/mine", b"", -1)]), Ok(())),
    ];
    let judge = |session, skip, op, body: &[u8]| {
        check_eagerly(&world.tree, (&Schemes, skip), &World::identities(session), (op, body, LIMIT))
    };
    for ((op, body), expected) in rows {
        let invalid = expected == Err(KeeperError::InvalidAcl);
        assert_eq!(judge(BOB, false, op, &body), expected, "{op:?}");
        assert_eq!(judge(ALICE, false, op, &body).is_ok(), !invalid, "{op:?}");
        assert_eq!(judge(BOB, true, op, &body).is_ok(), !invalid, "{op:?}");
    }
}

#[test]
fn ephemeral_nodes_are_noticed_wherever_they_are() {
    for ((op, body), expected) in [
        (create("/a", 1), true),
        (create("/a", 3), true),
        (create("/a", 0), false),
        (create_with(OpCode::Create2, Some("/a"), None, Some(&open()), 1, 0), true),
        (create_with(OpCode::CreateContainer, Some("/a"), None, Some(&open()), 1, 0), false),
        (multi(&[delete("/a", 0), create("/a", 1)]), true),
        (multi(&[delete("/a", 0), create("/a", 2)]), false),
        (delete("/a", 0), false),
    ] {
        assert_eq!(makes_ephemeral(op, &body, LIMIT), expected, "{op:?}");
    }
}
