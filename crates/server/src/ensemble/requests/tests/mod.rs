//! Clients on a leader and on learners, with the ensemble between them played by the test.

mod local;
mod sessions;
mod waiting;
mod world;

use zabra_proto::{ForwardedRequest, OpCode, PacketKind};
use zabra_types::{KeeperError, SessionId, Zxid};
use zabra_zab::{Input, LinkId};

use self::world::{EPOCH, World, closes, connect_request, create, exists, replies, request, sync, told};
use super::{from_learner, read_only_if_due};
use crate::conn::testing::Client;

#[test]
fn every_server_takes_writes_and_shows_them() {
    let mut world = World::new();
    for at in 0..3 {
        let client = world.client(at);
        assert!(client.send(&create(1, &format!("/{at}"), 0)));
        assert_eq!(told(&client), [], "no reply before the commit");
        world.settle();
        assert_eq!(told(&client), [(1, 0)]);
        for other in 0..3 {
            let reader = world.client(other);
            reader.send(&exists(1, &format!("/{at}")));
            assert_eq!(told(&reader), [(1, 0)], "{other}");
        }
    }
    let digests: Vec<_> = world.servers.iter().map(|core| core.tree.read().digest()).collect();
    assert!(digests.iter().all(|digest| *digest == digests[0]));
    assert_eq!([0, 1, 2].map(|at| world.outstanding(at)), [0; 3]);
}

/// A read waits for the writes of its own session, on a learner too, and for nobody else's.
#[test]
fn a_session_is_answered_in_order() {
    for at in 0..3 {
        let mut world = World::new();
        let (client, other) = (world.client(at), world.client(at));
        world.holds_commits = true;
        client.send(&[exists(1, "/a"), create(2, "/a", 0), exists(3, "/a"), create(4, "/a", 0)].concat());
        world.settle();
        other.send(&exists(1, "/a"));
        assert_eq!(told(&client), [(1, KeeperError::NoNode.code())]);
        assert_eq!(told(&other), [(1, KeeperError::NoNode.code())]);
        world.commit();
        world.settle();
        // Its own watch, before the reply of the write that fired it; then the read behind it.
        assert_eq!(told(&client), [(-1, 0), (2, 0), (3, 0)], "{at}");
        assert_eq!(told(&other), [(-1, 0)]);
        world.commit();
        world.settle();
        assert_eq!(told(&client), [(4, KeeperError::NodeExists.code())]);
    }
}

#[test]
fn what_cannot_be_read_is_refused_in_its_turn() {
    for at in 0..3 {
        let mut world = World::new();
        let client = world.client(at);
        client.send(&[create(1, "/a", 0), request(2, OpCode::Create, b"\0\0"), exists(3, "/a")].concat());
        assert_eq!(told(&client), []);
        world.settle();
        assert_eq!(told(&client), [(1, 0), (2, KeeperError::MarshallingError.code()), (3, 0)], "{at}");
    }
}

/// Trap T5: the learner waits for a transaction, whatever its client has sent.
#[test]
fn every_forwarded_request_becomes_a_transaction() {
    let mut world = World::new();
    let session = world.client(1).conn.session();
    let leader = &world.servers[0];
    for (op, body, error) in [
        (OpCode::Create.code(), &b"x"[..], KeeperError::MarshallingError),
        (OpCode::DeleteContainer.code(), b"", KeeperError::Unimplemented),
        (OpCode::CreateSession.code(), b"", KeeperError::MarshallingError),
        (OpCode::GetData.code(), b"", KeeperError::Unimplemented),
        (12345, b"", KeeperError::Unimplemented),
    ] {
        let cxid = zabra_types::Xid::from_raw(9);
        let packet = ForwardedRequest { session, cxid, op, body }.to_packet(None);
        let mut brain = leader.brain.lock();
        from_learner(leader, &mut brain, LinkId(1), packet);
        let Some(Input::Propose { payload, .. }) = brain.inputs.pop() else { panic!("{op}: no transaction") };
        let (header, txn, _) = zabra_proto::decode_txn(&payload).unwrap();
        assert_eq!((header.session, header.cxid), (session, cxid));
        assert!(matches!(txn, zabra_proto::Txn::Error { code } if code == error.code()), "{op}: {txn:?}");
    }
}

/// `sync` is answered behind everything the leader had proposed, on every server, and in its turn.
#[test]
fn sync_shows_what_was_proposed_before() {
    for at in 0..3 {
        let mut world = World::new();
        let (writer, reader) = (world.client(0), world.client(at));
        world.holds_commits = true;
        writer.send(&create(1, "/a", 0));
        world.settle();
        reader.send(&[exists(1, "/a"), sync(2), exists(3, "/a"), sync(4), sync(5)].concat());
        let answers = told(&reader);
        assert_eq!(answers, [(1, KeeperError::NoNode.code())], "{at}");
        world.settle();
        // The watch that the first read left comes before anything that shows the node.
        assert_eq!(told(&reader), [(-1, 0), (2, 0), (3, 0), (4, 0), (5, 0)], "{at}");
    }
}

/// What became of a request is not known when the leader is lost: the connection closes, and nothing is answered later.
#[test]
fn nothing_is_answered_after_the_role_is_lost() {
    for at in 0..3 {
        let mut world = World::new();
        let client = world.client(at);
        let session = client.conn.session();
        world.holds_commits = true;
        client.send(&[create(1, "/a", 0), exists(2, "/a")].concat());
        world.settle();
        assert_eq!(world.outstanding(at), 1);
        let proposals = world.proposed.clone();
        client.send(&sync(3));
        world.lose(at);
        assert!(closes(&client) && !world.servers[at].is_running());
        assert_eq!((told(&client), world.outstanding(at)), (vec![], 0));
        assert!(!client.send(&create(4, "/b", 0)), "{at}");
        let refused = Client::open(&world.servers[at]);
        assert!(!refused.connect(&connect_request(session, Zxid::ZERO, None)), "nobody is served");

        world.come_back(at);
        world.proposed = proposals;
        world.holds_commits = false;
        assert!(!client.send(&create(5, "/c", 0)), "a connection of before, whose task has not noticed yet");
        world.settle();
        assert_eq!(told(&client), []);
        client.close();
        let again = world.renew(at, session).expect("the session lives");
        again.send(&exists(6, "/a"));
        assert_eq!(told(&again).len(), 1);
    }
}

/// The numbers of a session's requests begin anew with some clients; and other servers' sessions use the same.
#[test]
fn a_transaction_of_elsewhere_answers_nobody_here() {
    let mut world = World::new();
    let (here, there) = (world.client(1), world.client(2));
    world.holds_commits = true;
    there.send(&create(7, "/there", 0));
    world.settle();
    here.send(&create(7, "/here", 0));
    world.settle();
    world.commit();
    world.settle();
    assert_eq!((told(&here), told(&there)), (vec![], vec![(7, 0)]));
    world.commit();
    world.settle();
    assert_eq!((told(&here), told(&there)), (vec![(7, 0)], vec![]));
}

/// A new leader shows the beginning of its epoch, and no server refuses who has seen that.
#[test]
fn the_beginning_of_an_epoch_may_have_been_seen() {
    let mut world = World::new();
    let begun = Zxid::new(EPOCH, 0);
    let client = Client::open(&world.servers[0]);
    client.connect(&connect_request(SessionId::NONE, Zxid::ZERO, None));
    world.settle();
    client.take();
    client.send(&request(-2, OpCode::Ping, &[]));
    assert!(replies(&client)[0].zxid >= begun);
    for core in &world.servers {
        assert!(Client::open(core).connect(&connect_request(SessionId::NONE, begun, None)));
        let ahead = Zxid::new(EPOCH, 9);
        assert!(!Client::open(core).connect(&connect_request(SessionId::NONE, ahead, None)));
    }
}

#[test]
fn a_leader_that_serves_nobody_still_leads() {
    let mut world = World::with(|config| config.quorum.leader_serves = false);
    assert!(!Client::open(&world.servers[0]).connect(&connect_request(SessionId::NONE, Zxid::ZERO, None)));
    let client = world.client(1);
    client.send(&create(1, "/a", 0));
    world.settle();
    assert_eq!(told(&client), [(1, 0)]);
}

/// Client protocol §14.
#[test]
fn without_a_leader_those_who_only_read_are_served() {
    let core = &world::server(1, |config| config.read_only_mode = true);
    read_only_if_due(core, &mut core.brain.lock());
    assert!(!core.is_running(), "not at once");
    core.brain.lock().part = super::Part::ReadOnly;
    core.set_phase(crate::core::Phase::ReadOnly);
    for read_only in [None, Some(false)] {
        assert!(!Client::open(core).connect(&connect_request(SessionId::NONE, Zxid::ZERO, read_only)));
    }
    let client = Client::open(core);
    assert!(client.connect(&connect_request(SessionId::NONE, Zxid::ZERO, Some(true))));
    let (answer, _) = client.take();
    assert_eq!(answer.last(), Some(&1), "it says that it only reads");
    client.send(&[exists(1, "/"), create(2, "/a", 0), sync(3), request(4, OpCode::Multi, &[])].concat());
    let refused = KeeperError::NotReadOnly.code();
    assert_eq!(told(&client), [(1, 0), (2, refused), (3, refused), (4, refused)]);
    assert!(!client.send(&request(5, OpCode::CloseSession, &[])));
    assert_eq!((told(&client), closes(&client)), (vec![(5, 0)], true));
    assert!(core.brain.lock().inputs.is_empty());
}

/// A learner's ping is answered at once with what it has heard of.
#[test]
fn a_ping_is_answered_with_the_sessions_heard_of() {
    let mut world = World::new();
    let (client, _silent) = (world.client(1), world.client(1));
    world.ping(1);
    let learner = &world.servers[1];
    client.send(&request(-2, OpCode::Ping, &[]));
    let ping = zabra_proto::QuorumPacket::bare(PacketKind::Ping, Zxid::new(EPOCH, 3));
    let mut brain = learner.brain.lock();
    super::from_leader(learner, &mut brain, LinkId(1), ping);
    let Some(Input::Send { link, packet }) = brain.inputs.pop() else { panic!("no answer") };
    assert_eq!((link, packet.kind, packet.zxid), (LinkId(1), PacketKind::Ping, Zxid::new(EPOCH, 3)));
    let touched: Vec<_> = zabra_proto::read_touches(packet.data.as_deref()).map(Result::unwrap).collect();
    assert!(touched.iter().any(|touch| touch.session == client.conn.session() && touch.timeout_ms == 10_000));
}
