//! What clients see of members that end.

use zabra_proto::ConnectRequest;
use zabra_types::Zxid;

use super::*;

#[test]
fn sessions_and_their_nodes_outlive_the_leader() {
    let mut members = Members::start(|_| {});
    let leader = members.leader();
    let (here, there) = ((leader + 1) % 3, (leader + 2) % 3);
    let (mut follows, followed) = members.client(here);
    let (mut leads, led) = members.client(leader);
    call(&mut follows, &RawRequest::create("/a", b"", 1));
    call(&mut leads, &RawRequest::create("/b", b"", 1));
    members.stop(leader);
    assert!(closes(&mut follows) && closes(&mut leads), "they have to find out who serves them");

    let (mut first, mut second) = (members.renew(there, &followed), members.renew(here, &led));
    for client in [&mut first, &mut second] {
        assert!(exists(client, "/a") && exists(client, "/b"));
    }
    assert_eq!(call(&mut first, &RawRequest::create("/c", b"", 1)).err, 0);
    members.run(leader);
    let mut third = members.renew(leader, &led);
    assert!(exists(&mut third, "/c"));
    call(&mut third, &RawRequest::bare(OpCode::CloseSession));
    assert!(!exists(&mut first, "/b") && exists(&mut first, "/a"));
}

/// A write that went to a leader that is not there any more is not answered, and those behind it are not either.
#[test]
fn without_a_quorum_nothing_is_answered() {
    let mut members = Members::start(|_| {});
    let leader = members.leader();
    let (mut client, session) = members.client(leader);
    members.stop((leader + 1) % 3);
    members.stop((leader + 2) % 3);
    // Whether it still gets there or not.
    let _ = client.send(&RawRequest::create("/a", b"", 0));
    let _ = client.send(&RawRequest::read(OpCode::Exists, "/", false));
    assert!(closes(&mut client));
    assert!(RawClient::connect(members.addr(leader), 10_000).is_err(), "nobody is served");
    members.run((leader + 1) % 3);
    let mut client = members.renew(leader, &session);
    assert_eq!(call(&mut client, &RawRequest::create("/b", b"", 0)).err, 0);
}

#[test]
fn who_only_reads_is_served_without_a_quorum() {
    let mut members = Members::start(|config| config.read_only_mode = true);
    let (mut before, _) = members.client(0);
    call(&mut before, &RawRequest::create("/a", b"", 0));
    exists(&mut before, "/a");
    members.stop(1);
    members.stop(2);
    assert!(closes(&mut before));
    let (mut reader, connected) = eventually(|| read_only_client(members.addr(0)));
    assert_eq!(connected.read_only, Some(1));
    assert!(zabra_testkit::four_letter(members.addr(0), "isro", PATIENCE).is_ok_and(|told| told == "ro"));
    assert_eq!(call(&mut reader, &RawRequest::read(OpCode::GetData, "/a", true)).err, 0);
    assert_eq!(call(&mut reader, &RawRequest::create("/b", b"", 0)).err, -119);
    assert!(RawClient::connect(members.addr(0), 10_000).is_err(), "only who knows that it only reads");

    members.run(1);
    assert!(closes(&mut reader), "there is a leader again");
    let (mut after, _) = members.client(0);
    assert_eq!(call(&mut after, &RawRequest::create("/b", b"", 0)).err, 0);
}

/// A client that says it would be content with a server that only reads.
fn read_only_client(addr: SocketAddr) -> Option<(RawClient, Connected)> {
    let mut client = RawClient::open(addr).ok()?;
    client
        .send_connect(&ConnectRequest {
            protocol_version: 0,
            last_zxid_seen: Zxid::ZERO,
            timeout_ms: 10_000,
            session: SessionId::NONE,
            password: None,
            read_only: Some(true),
        })
        .ok()?;
    match client.receive(PATIENCE) {
        Ok(Received::Frame(frame)) => Some((client, Connected::decode(&frame).ok()?)),
        _ => None,
    }
}
