//! One server.

use std::time::Duration;

use zabra_embedded::blocking::Server;
use zabra_embedded::{Error, Standing};
use zabra_testkit::{RawRequest, Received, Shape};
use zabra_types::SessionId;

use crate::{Client, EPHEMERAL};

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let server = Server::start().unwrap();
    let mut client = Client::connect(server.address());
    for round in 0..5 {
        let path = format!("/round-{round}");
        client.create(&path, 0);
        let port = server.address();
        server.kill();
        assert!(!server.is_running());
        client.wait_closed();
        assert!(client.renew(port).is_err(), "nobody listens");
        server.restart().unwrap();
        assert_eq!(server.address(), port);
        client.renew(port).expect("the session is still there");
        assert!(client.exists(&path));
    }
}

#[test]
fn nothing_happens_after_a_kill() {
    let server = Server::start().unwrap();
    let mut client = Client::connect(server.address());
    // So many that the server is in the middle of them.
    let requests: Vec<_> = (0..2000).map(|n| RawRequest::create(&format!("/{n:04}"), b"", 0)).collect();
    client.raw.send_all((1..).zip(&requests)).unwrap();
    client.raw.receive_reply(Shape::Path).unwrap();
    server.kill();
    let before = data_of(&server);
    let mut acknowledged = 1;
    while let Ok(Received::Frame(_)) = client.raw.receive(zabra_testkit::RECEIVE_TIMEOUT) {
        acknowledged += 1;
    }
    assert!(data_of(&server) == before, "the data changed after the server was killed");
    server.restart().unwrap();
    client.renew(server.address()).unwrap();
    let kept = (0..2000).take_while(|n| client.exists(&format!("/{n:04}"))).count();
    assert!(kept >= acknowledged, "{kept} of {acknowledged} acknowledged nodes are there");
}

/// Every file of a server's data.
fn data_of(server: &Server) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(server.data_dir().join("version-2")).unwrap();
    let mut files: Vec<_> = files
        .map(|file| file.unwrap())
        .map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_stop_answers_what_is_under_way() {
    let server = Server::start().unwrap();
    let mut client = Client::connect(server.address());
    client.create("/a", 0);
    server.stop();
    client.wait_closed();
    server.restart().unwrap();
    assert!(Client::connect(server.address()).exists("/a"));
    // One that runs is stopped first.
    server.restart().unwrap();
    assert!(Client::connect(server.address()).exists("/a"));
}

#[test]
fn a_session_ends_on_demand() {
    let server = Server::start().unwrap();
    let (mut one, mut other) = (Client::connect(server.address()), Client::connect(server.address()));
    one.create("/one", EPHEMERAL);
    other.create("/other", EPHEMERAL);
    assert!(server.has_session(one.session()).unwrap());
    server.expire(one.session()).unwrap();
    assert!(!server.has_session(one.session()).unwrap());
    assert!(!other.exists("/one") && other.exists("/other"));
    one.wait_closed();
    assert!(one.renew(server.address()).is_err(), "it has expired");
    for gone in [one.session(), SessionId::from_raw(0x77)] {
        assert!(matches!(server.expire(gone), Err(Error::NoSession(session)) if session == gone));
    }
}

#[test]
fn connections_break_and_sessions_live_on() {
    let server = Server::start().unwrap();
    let mut clients: Vec<_> = (0..3).map(|_| Client::connect(server.address())).collect();
    clients[0].create("/mine", EPHEMERAL);
    server.cut(clients[0].session()).unwrap();
    clients[0].wait_closed();
    assert!(matches!(server.cut(SessionId::from_raw(0x77)), Err(Error::NoSession(_))));
    clients[0].renew(server.address()).unwrap();
    assert!(clients[0].exists("/mine") && clients[1].exists("/mine"));
    assert_eq!(server.cut_all(), 3);
    for client in &mut clients {
        client.wait_closed();
        client.renew(server.address()).unwrap();
        assert!(client.exists("/mine"));
    }
}

#[test]
fn a_paused_server_says_nothing() {
    let server = Server::start().unwrap();
    let mut client = Client::connect(server.address());
    server.pause();
    server.pause();
    assert_eq!(server.standing(), None);
    client.raw.send(&RawRequest::create("/a", b"", 0)).unwrap();
    assert_eq!(client.raw.receive(Duration::from_millis(100)).unwrap(), Received::TimedOut);
    server.resume();
    assert_eq!(client.raw.receive_reply(Shape::Path).unwrap().err, 0);
    assert_eq!(server.standing(), Some(Standing::Alone));
    // Whatever becomes of it, a paused server can be got rid of.
    server.pause();
    server.kill();
    server.restart().unwrap();
    server.pause();
    server.stop();
    server.restart().unwrap();
    server.pause();
}

#[test]
fn a_server_that_does_not_run_says_so() {
    let server = Server::start().unwrap();
    let session = Client::connect(server.address()).session();
    for _ in 0..2 {
        server.stop();
        server.kill();
        assert!(matches!(server.expire(session), Err(Error::NotRunning)));
        assert!(matches!(server.cut(session), Err(Error::NotRunning)));
        assert_eq!((server.cut_all(), server.standing()), (0, None));
        server.pause();
        server.resume();
    }
}

#[test]
fn sessions_may_be_short() {
    let server = Server::builder().tick_time(Duration::from_millis(10)).start_blocking().unwrap();
    let (raw, connected) = zabra_testkit::RawClient::connect(server.address(), 1).unwrap();
    assert_eq!(connected.timeout_ms, 20);
    let mut client = Client { raw, connected };
    client.wait_closed();
    assert!(client.renew(server.address()).is_err());
}

#[test]
fn data_may_stay() {
    let dir = tempfile::tempdir().unwrap();
    let port = {
        let server = Server::builder().data_dir(dir.path()).start_blocking().unwrap();
        Client::connect(server.address()).create("/stays", 0);
        server.address().port()
    };
    let again = Server::builder().data_dir(dir.path()).port(port).durable().start_blocking().unwrap();
    assert_eq!(again.address().port(), port);
    assert!(Client::connect(again.address()).exists("/stays"));
    let gone = {
        let server = Server::start().unwrap();
        server.data_dir().to_owned()
    };
    assert!(!gone.exists(), "a temporary directory goes with its server");
}

#[tokio::test(start_paused = true)]
async fn the_test_may_stop_the_clock() {
    let server = zabra_embedded::Server::start().await.unwrap();
    let address = server.address();
    let exists = tokio::task::spawn_blocking(move || Client::connect(address).exists("/zookeeper"));
    assert!(exists.await.unwrap());
    server.kill().await;
}
