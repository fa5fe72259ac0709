//! Several servers.

use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use zabra_client::{Client, SessionState};
use zabra_embedded::Ensemble;

/// A server that takes connections and never says a word.
async fn silent_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move { while matches!(stream.read(&mut [0; 100]).await, Ok(1..)) {} });
        }
    });
    address.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_do_not_answer_are_passed_over() {
    let server = zabra_embedded::Server::start().await.unwrap();
    let refusing = zabra_testkit::free_port().unwrap();
    let silent = silent_server().await;
    let unknown = "no-such-host.invalid:1";
    let servers = format!("127.0.0.1:{refusing},{unknown},{silent},{}", server.connect_string());
    let builder = Client::builder().shuffle(false).connect_timeout(Duration::from_millis(100));
    let client = builder.connect(&servers).await.unwrap();
    assert_eq!(client.server(), Some(server.address()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_moves_to_other_servers_without_losing_a_request() {
    let ensemble = Ensemble::start(3).await.unwrap();
    let at = |number: usize| ensemble.server(number).connect_string();
    let client = Client::connect(&at(0)).await.unwrap();
    let session = client.session_id();
    client.create("/n", b"".as_slice()).await.unwrap();
    let (_, watch) = client.get("/n").watch().await.unwrap();
    let before: Vec<_> = (0..100).map(|_| client.sync("/").send()).collect();
    client.update_servers(&at(1)).unwrap();
    let after: Vec<_> = (0..100).map(|_| client.sync("/").send()).collect();
    for answer in before.into_iter().chain(after) {
        answer.await.unwrap();
    }
    assert_eq!(client.server(), Some(ensemble.server(1).address()));
    assert_eq!((client.session_id(), client.state()), (session, SessionState::Connected));
    client.set("/n", b"1".as_slice()).await.unwrap();
    watch.await;
    // The same servers again: no reason to move.
    client.update_servers(&at(1)).unwrap();
    client.sync("/").await.unwrap();
    assert_eq!(client.server(), Some(ensemble.server(1).address()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_its_server() {
    let ensemble = Ensemble::start(3).await.unwrap();
    let builder = Client::builder().shuffle(false);
    let client = builder.connect(&ensemble.connect_string()).await.unwrap();
    let session = client.session_id();
    client.create("/e", b"".as_slice()).ephemeral().await.unwrap();
    let mut states = client.states();
    ensemble.kill(0).await;
    assert_eq!(states.next().await, Some(SessionState::Disconnected));
    assert_eq!(states.next().await, Some(SessionState::Connected));
    assert_ne!(client.server(), Some(ensemble.server(0).address()));
    assert_eq!(client.exists("/e").await.unwrap().unwrap().ephemeral_owner, session.raw());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_server_will_do_until_there_is_another() {
    let builder = Ensemble::builder(3).set("readonlymode.enabled", "true").set("4lw.commands.whitelist", "*");
    let ensemble = builder.start().await.unwrap();
    let builder = Client::builder().read_only(true);
    let client = builder.connect(&ensemble.server(0).connect_string()).await.unwrap();
    client.create("/n", b"".as_slice()).await.unwrap();
    let session = client.session_id();
    client.update_servers(&ensemble.connect_string()).unwrap();
    ensemble.kill(1).await;
    ensemble.kill(2).await;
    // The session waits for the quorum: a read-only server takes only new ones.
    let reader = Client::builder().read_only(true).connect(&ensemble.connect_string()).await.unwrap();
    assert_eq!(reader.state(), SessionState::ConnectedReadOnly);
    assert!(reader.exists("/n").await.unwrap().is_some());
    let refused = reader.set("/n", b"1".as_slice()).await.unwrap_err();
    assert_eq!(refused.keeper(), Some(zabra_client::KeeperError::NotReadOnly));
    let local = reader.session_id();
    let mut states = reader.states();
    ensemble.restart(1).await.unwrap();
    while states.next().await != Some(SessionState::Connected) {}
    assert_ne!(reader.session_id(), local, "a read-only server's session is its own");
    reader.set("/n", b"1".as_slice()).await.unwrap();
    client.sync("/").await.unwrap();
    assert_eq!(client.session_id(), session);
}
