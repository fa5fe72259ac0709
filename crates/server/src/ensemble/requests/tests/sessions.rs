//! Sessions that begin, move and end.

use zabra_node::{LiveSessions, Owner, SessionKind};
use zabra_proto::OpCode;
use zabra_types::{KeeperError, SessionId, Zxid};
use zabra_zab::LinkId;

use super::world::{World, closes, connect_request, create, exists, request, told};
use crate::conn::testing::Client;
use crate::observe::mode;
use crate::observe::sessions::{Global, tracked};

/// Ends every session whose time has come.
fn expire(world: &mut World, session: SessionId) {
    let leader = &world.servers[0];
    {
        let mut brain = leader.brain.lock();
        assert!(brain.sessions.set_closing(session));
        leader.propose_own(&mut brain, |preparer, at| preparer.close_session(at, session));
    }
    world.settle();
}

#[test]
fn ids_tell_the_server_that_made_them() {
    let mut world = World::new();
    for at in 0..3 {
        let session = world.client(at).conn.session();
        assert_eq!(i64::from(session.server_hint()), at as i64 + 1);
        for core in &world.servers {
            assert_eq!(core.tree.read().session_timeout(session), Some(10_000));
        }
    }
}

#[test]
fn a_session_moves_between_all_servers() {
    let mut world = World::new();
    let mut client = world.client(0);
    let session = client.conn.session();
    client.send(&create(1, "/e", 1));
    world.settle();
    assert_eq!(told(&client), [(1, 0)]);
    for (number, at) in [1, 2, 1, 0, 2, 0].into_iter().enumerate() {
        let xid = number as i32 + 2;
        let moved = world.renew(at, session).expect("the session lives");
        assert_eq!(moved.conn.session(), session);
        moved.send(&[create(xid, &format!("/e{number}"), 1), exists(xid, "/e")].concat());
        world.settle();
        assert_eq!(told(&moved), [(xid, 0), (xid, 0)]);
        // Where it was before, its next write closes the connection without an answer.
        client.send(&create(99, "/late", 0));
        world.settle();
        assert_eq!((told(&client), closes(&client)), (vec![], true), "{at}");
        client.close();
        client = moved;
    }
    assert!(world.servers[2].tree.read().get("/late").is_none());
    expire(&mut world, session);
    assert!(closes(&client));
    for core in &world.servers {
        assert_eq!(core.tree.read().ephemeral_count(), 0);
    }
}

#[test]
fn two_requests_of_one_connection_find_that_the_session_moved() {
    let mut world = World::new();
    let old = world.client(1);
    let session = old.conn.session();
    let new = world.renew(2, session).unwrap();
    // Reads of the old one are still answered, as on a genuine learner.
    old.send(&exists(1, "/"));
    assert_eq!(told(&old), [(1, 0)]);
    old.send(&[create(2, "/a", 0), create(3, "/b", 0)].concat());
    world.settle();
    assert_eq!((told(&old), closes(&old), world.outstanding(1)), (vec![], true, 0));
    new.send(&create(2, "/a", 0));
    world.settle();
    assert_eq!(told(&new), [(2, 0)]);
}

#[test]
fn coming_back_to_the_same_server_cuts_the_old_connection() {
    for at in 0..3 {
        let mut world = World::new();
        let old = world.client(at);
        let new = world.renew(at, old.conn.session()).unwrap();
        assert!(closes(&old) && !closes(&new));
        old.close();
        new.send(&create(1, "/a", 1));
        world.settle();
        assert_eq!(told(&new), [(1, 0)], "{at}");
    }
}

/// A client went to another server and came back, and what it said before it went arrives only then.
#[test]
fn nothing_of_the_old_connection_comes_behind_the_new_one() {
    for at in 1..3 {
        let mut world = World::new();
        let old = world.client(at);
        let session = old.conn.session();
        let elsewhere = world.renew(0, session).unwrap();
        elsewhere.send(&create(2, "/b", 0));
        world.settle();
        let new = Client::open(&world.servers[at]);
        new.connect(&connect_request(session, Zxid::ZERO, None));
        assert!(closes(&old), "before the leader has answered");
        old.send(&create(1, "/a", 0));
        world.settle();
        assert_eq!(world.servers[0].tree.read().get("/a").map(|_| ()), None);
    }
}

#[test]
fn unknown_sessions_and_wrong_passwords_are_refused() {
    for at in 0..3 {
        let mut world = World::new();
        let session = world.client(at).conn.session();
        assert!(world.renew(at, SessionId::from_raw(0x0900_0000_0000_0001)).is_none());
        let client = Client::open(&world.servers[at]);
        let mut wrong = connect_request(session, Zxid::ZERO, None);
        *wrong.last_mut().unwrap() ^= 1;
        client.connect(&wrong);
        world.settle();
        assert!(client.take().1, "{at}");
        assert!(world.renew(at, session).is_some());
    }
}

#[test]
fn closing_and_expiry_reach_every_server() {
    for at in 0..3 {
        let mut world = World::new();
        let (leaving, dying) = (world.client(at), world.client(at));
        leaving.send(&[create(1, "/a", 1), request(2, OpCode::CloseSession, &[])].concat());
        dying.send(&create(1, "/b", 1));
        world.settle();
        assert_eq!((told(&leaving), closes(&leaving)), (vec![(1, 0), (2, 0)], true));
        told(&dying);
        let session = dying.conn.session();
        expire(&mut world, session);
        assert_eq!((told(&dying), closes(&dying)), (vec![], true), "an expired session is told nothing");
        assert!(world.renew(2 - at, session).is_none() && world.renew(at, leaving.conn.session()).is_none());
        for core in &world.servers {
            assert_eq!((core.tree.read().ephemeral_count(), core.brain.lock().sessions.len()), (0, 0));
            assert!(core.tree.read().sessions().len() == 0);
        }
    }
}

/// A write that was on its way to the leader when the session ended there is told so, or its connection closes.
#[test]
fn a_write_behind_the_end_of_its_session_is_not_left_waiting() {
    let mut world = World::new();
    let client = world.client(1);
    let session = client.conn.session();
    client.send(&create(1, "/a", 0));
    let leader = &world.servers[0];
    {
        let mut brain = leader.brain.lock();
        brain.sessions.set_closing(session);
        leader.propose_own(&mut brain, |preparer, at| preparer.close_session(at, session));
    }
    world.settle();
    assert_eq!((closes(&client), world.outstanding(1)), (true, 0));
    assert!(world.servers[1].tree.read().get("/a").is_none());
}

/// The new leader does not know how long ago anybody was heard of.
#[test]
fn a_new_leader_judges_all_sessions_from_the_beginning() {
    let mut world = World::new();
    let sessions: Vec<_> = (0..3).map(|at| world.client(at).conn.session()).collect();
    world.lose(0);
    assert!(world.servers[0].brain.lock().sessions.is_empty());
    world.come_back(0);
    let brain = world.servers[0].brain.lock();
    for session in sessions {
        assert_eq!(brain.sessions.kind(session), Some(SessionKind::Global));
        for owner in [Owner::Here, Owner::Learner(LinkId(1))] {
            assert_eq!(brain.sessions.check(session, owner), Ok(()), "nobody owns it yet");
        }
    }
}

/// Learners judge nobody.
#[test]
fn only_the_leader_ends_sessions() {
    let mut world = World::new();
    let client = world.client(1);
    let later = world.servers[1].clock.now() + std::time::Duration::from_secs(3600);
    let expired = |world: &World, at: usize| {
        let mut brain = world.servers[at].brain.lock();
        brain.sessions.expire(later, 100, |_| None)
    };
    assert_eq!(expired(&world, 1), []);
    assert_eq!(expired(&world, 0), [client.conn.session()]);
    assert_eq!(
        world.servers[0].brain.lock().sessions.check(client.conn.session(), Owner::Here),
        Err(KeeperError::SessionExpired)
    );
}

/// What operators see: the leader by when sessions end, learners by their timeouts.
#[test]
fn a_dump_shows_sessions_as_the_server_knows_them() {
    let mut world = World::new();
    let mut ids: Vec<_> = (0..3).map(|at| world.client(at).conn.session()).collect();
    ids.sort_unstable();
    for (at, core) in world.servers.iter().enumerate() {
        let tracked = tracked(core);
        assert_eq!(tracked.local, None);
        let mut known: Vec<SessionId> = match tracked.global {
            Global::Judged(by_expiry) if at == 0 => by_expiry.into_values().flatten().collect(),
            Global::Known(known) if at > 0 => {
                assert!(known.values().all(|timeout_ms| *timeout_ms == 10_000));
                known.into_keys().collect()
            }
            global => panic!("{at}: {global:?}"),
        };
        known.sort_unstable();
        assert_eq!(known, ids);
    }
    assert_eq!(
        world.servers.iter().map(|core| mode(core)).collect::<Vec<_>>(),
        ["leader", "follower", "follower"]
    );
}
