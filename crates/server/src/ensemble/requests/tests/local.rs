//! Sessions that only one server knows, until they need an ephemeral node.

use zabra_node::SessionKind;
use zabra_proto::OpCode;
use zabra_types::{KeeperError, SessionId};

use super::world::{World, closes, create, exists, request, told};
use crate::conn::testing::Client;

fn world(upgrading: bool) -> World {
    World::with(|config| {
        config.sessions.local_enabled = true;
        config.sessions.local_upgrading = upgrading;
    })
}

fn kind(world: &World, at: usize, session: SessionId) -> Option<SessionKind> {
    world.servers[at].brain.lock().sessions.kind(session)
}

#[test]
fn a_local_session_begins_and_ends_without_a_transaction() {
    for at in 0..3 {
        let mut world = world(false);
        let client = world.client(at);
        let session = client.conn.session();
        assert_eq!(kind(&world, at, session), Some(SessionKind::Local));
        client.send(&[create(1, "/a", 0), request(2, OpCode::CloseSession, &[])].concat());
        assert_eq!((told(&client), closes(&client)), (vec![], false), "behind the write");
        world.settle();
        assert_eq!((told(&client), closes(&client)), (vec![(1, 0), (2, 0)], true), "{at}");
        for core in &world.servers {
            assert_eq!((core.tree.read().sessions().len(), core.tree.read().last_zxid().counter()), (0, 1));
        }
        assert!(world.renew(at, session).is_none());
    }
}

#[test]
fn it_cannot_move() {
    let mut world = world(false);
    for at in 0..3 {
        let session = world.client(at).conn.session();
        assert!(world.renew((at + 1) % 3, session).is_none(), "{at}");
        let again = world.renew(at, session).expect("it is known here");
        again.send(&create(1, &format!("/{at}"), 0));
        world.settle();
        assert_eq!(told(&again), [(1, 0)]);
    }
}

#[test]
fn it_owns_no_nodes() {
    for at in 0..3 {
        let mut world = world(false);
        let client = world.client(at);
        client.send(&[create(1, "/e", 1), exists(2, "/e"), create(3, "/p", 0)].concat());
        world.settle();
        let refused = KeeperError::EphemeralOnLocalSession.code();
        assert_eq!(told(&client), [(1, refused), (2, KeeperError::NoNode.code()), (3, 0)], "{at}");
    }
}

#[test]
fn it_becomes_global_when_it_has_to() {
    for at in 0..3 {
        let mut world = world(true);
        let client = world.client(at);
        let session = client.conn.session();
        client.send(&[create(1, "/p", 0), create(2, "/e", 1), create(3, "/e2", 1)].concat());
        world.settle();
        assert_eq!(told(&client), [(1, 0), (2, 0), (3, 0)], "{at}");
        let expected = if at == 0 { SessionKind::Global } else { SessionKind::Remote };
        assert_eq!(kind(&world, at, session), Some(expected));
        assert_eq!(kind(&world, 0, session), Some(SessionKind::Global), "the leader judges it");
        for core in &world.servers {
            assert_eq!(core.tree.read().session_timeout(session), Some(10_000));
            assert_eq!(core.tree.read().ephemeral_count(), 2);
        }
        let moved = world.renew((at + 1) % 3, session).expect("it can move now");
        moved.send(&request(4, OpCode::CloseSession, &[]));
        world.settle();
        assert_eq!(told(&moved), [(4, 0)]);
        assert_eq!(world.servers[at].tree.read().ephemeral_count(), 0);
    }
}

/// A connection task that ends forgets its local session's connection only: the client may return.
#[test]
fn it_outlives_its_connection() {
    let mut world = world(false);
    let client: Client = world.client(1);
    client.close();
    let later = world.servers[1].clock.now() + std::time::Duration::from_secs(3600);
    let session = client.conn.session();
    assert!(world.renew(1, session).is_some());
    let mut brain = world.servers[1].brain.lock();
    assert_eq!(brain.sessions.expire(later, 10, |_| None), [session], "and its server ends it");
}
