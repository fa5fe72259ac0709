//! Sessions begin, move, expire and end.

use zabra_proto::ConnectRequest;
use zabra_testkit::{Connected, Shape, new_session_request};
use zabra_types::{SessionId, Zxid};

use super::*;

fn connect_request(session: SessionId, password: &[u8]) -> ConnectRequest<'_> {
    ConnectRequest { session, password: Some(password), ..new_session_request(10_000) }
}

/// Tries to renew a session: no timeout, no session, and the connection closes.
fn is_refused(addr: SocketAddr, session: SessionId, password: &[u8]) {
    let mut zk = RawClient::open(addr).expect("open");
    zk.send_connect(&connect_request(session, password)).expect("sent");
    let Ok(Received::Frame(frame)) = zk.receive(PATIENCE) else { panic!("an answer") };
    let refused = Connected::decode(&frame).expect("a refusal");
    assert_eq!((refused.timeout_ms, refused.session, refused.password), (0, 0, vec![0; 16]));
    assert!(closes(&mut zk));
}

#[test]
fn requests_behind_the_connect_request_are_answered_after_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut zk = RawClient::open(server.addr()).expect("open");
    let mut bytes = vec![0, 0, 0, 45];
    bytes.extend_from_slice(&[0; 12]);
    bytes.extend_from_slice(&10_000_i32.to_be_bytes());
    bytes.extend_from_slice(&[0; 8]);
    bytes.extend_from_slice(&16_i32.to_be_bytes());
    bytes.extend_from_slice(&[0; 17]);
    bytes.extend_from_slice(&[0, 0, 0, 8, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 11]);
    zk.send_bytes(&bytes).expect("sent");
    let Ok(Received::Frame(connected)) = zk.receive(PATIENCE) else { panic!("an answer") };
    assert_eq!(connected.len(), 37);
    assert_eq!(zk.receive_reply(Shape::Nothing).expect("a ping").xid, -2);
}

#[test]
fn a_session_moves_to_the_connection_that_knows_its_password() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let (mut old, connected) = RawClient::connect(server.addr(), 10_000).expect("connected");
    let session = SessionId::from_raw(connected.session);

    is_refused(server.addr(), session, &[7; 16]);
    assert_eq!(old.call(&get("/", false)).expect("still served").err, 0);

    let (mut new, renewed) =
        RawClient::renew(server.addr(), 20_000, session, &connected.password).expect("an answer");
    assert_eq!((renewed.session, renewed.timeout_ms), (connected.session, 20_000));
    assert!(closes(&mut old));
    assert_eq!(new.call(&get("/", false)).expect("served").err, 0);
}

#[test]
fn an_expired_session_takes_its_nodes_along() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut watcher = client(server.addr());
    let (mut zk, connected) = RawClient::connect(server.addr(), 200).expect("connected");
    assert_eq!(zk.call(&RawRequest::create("/e", b"", 1)).expect("a reply").err, 0);
    assert_eq!(watcher.call(&RawRequest::read(OpCode::Exists, "/e", true)).expect("a reply").err, 0);
    // Nothing is sent any more: the deletion comes, and the connection closes without a word.
    let event = watcher.receive_reply(Shape::Nothing).expect("the event");
    assert_eq!(event.event().map(|event| event.kind), Some(2));
    assert!(closes(&mut zk));
    let session = SessionId::from_raw(connected.session);
    is_refused(server.addr(), session, &connected.password);
}

#[test]
fn a_session_that_pings_lives_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut witness = client(server.addr());
    let (mut zk, _) = RawClient::connect(server.addr(), 600).expect("connected");
    assert_eq!(zk.call(&RawRequest::create("/e", b"", 1)).expect("a reply").err, 0);
    // Twenty pings, a tenth of a second apart, are three timeouts.
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(zk.call(&RawRequest::bare(OpCode::Ping)).expect("a reply").xid, -2);
    }
    assert_eq!(witness.call(&get("/e", false)).expect("a reply").err, 0);
}

#[test]
fn closing_a_session_deletes_its_nodes_before_the_reply() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut zk = client(server.addr());
    let mut witness = client(server.addr());
    zk.call(&RawRequest::create("/e", b"", 1)).expect("a reply");
    let farewell = zk.call(&RawRequest::bare(OpCode::CloseSession)).expect("a reply");
    assert_eq!(farewell.err, 0);
    assert!(closes(&mut zk));
    assert_eq!(witness.call(&get("/e", false)).expect("a reply").err, -101);
}

#[test]
fn a_client_that_has_seen_the_future_is_turned_away() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut zk = RawClient::open(server.addr()).expect("open");
    let seen = Zxid::from_raw(1 << 40);
    let request = ConnectRequest { last_zxid_seen: seen, ..connect_request(SessionId::NONE, &[0; 16]) };
    zk.send_connect(&request).expect("sent");
    assert!(closes(&mut zk));
}

#[test]
fn nothing_behind_the_end_of_a_session_is_answered() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Running::start(config(dir.path()));
    let mut zk = client(server.addr());
    let requests = [RawRequest::bare(OpCode::CloseSession), get("/", false), set("/", b"late")];
    zk.send_all((1..).zip(&requests)).expect("sent");
    assert_eq!(zk.receive_reply(Shape::Nothing).expect("the farewell").xid, 1);
    assert!(closes(&mut zk));
    let mut witness = client(server.addr());
    assert_eq!(data(&witness.call(&get("/", false)).expect("a reply")), Some(Vec::new()));
}
