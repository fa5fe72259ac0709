//! From connecting to closing.

use crate::against::Server;
use std::time::Duration;
use zabra_client::{Client, Error, EventType, SessionId, SessionState};

pub(crate) async fn requests_are_answered_in_order(server: &mut Server) {
    let client = server.client().await;
    assert_eq!(client.state(), SessionState::Connected);
    client.create("/n", b"".as_slice()).await.unwrap();
    let sets: Vec<_> = (0..1000).map(|n: u32| client.set("/n", n.to_string()).send()).collect();
    let last = client.get("/n").send();
    for (n, set) in sets.into_iter().enumerate() {
        assert_eq!(set.await.unwrap().version, n as i32 + 1);
    }
    assert_eq!(&*last.await.unwrap().0, b"999");
    client.close().await.unwrap();
    assert_eq!((client.state(), client.session_id()), (SessionState::Closed, SessionId::NONE));
    assert!(matches!(client.get("/n").await, Err(Error::SessionClosed { .. })));
}

pub(crate) async fn a_session_and_its_watches_outlive_the_server(server: &mut Server) {
    let client = server.client().await;
    let other = server.client().await;
    client.create("/n", b"1".as_slice()).await.unwrap();
    let (_, data) = client.get("/n").watch().await.unwrap();
    let (none, exists) = client.exists("/later").watch().await.unwrap();
    assert_eq!(none, None);
    let (_, children) = client.children("/n").watch().await.unwrap();
    let session = client.session_id();
    let mut states = client.states();
    server.crash_and_restart().await;
    assert_eq!(states.next().await, Some(SessionState::Disconnected));
    assert_eq!(states.next().await, Some(SessionState::Connected));
    assert_eq!(client.session_id(), session);
    // Its watches are set again before it is answered anything.
    client.sync("/").await.unwrap();
    other.create("/later", b"".as_slice()).await.unwrap();
    other.set("/n", b"2".as_slice()).await.unwrap();
    other.create("/n/c", b"".as_slice()).await.unwrap();
    assert_eq!(exists.await.kind, EventType::NodeCreated);
    assert_eq!(data.await.kind, EventType::NodeDataChanged);
    assert_eq!(children.await.kind, EventType::NodeChildrenChanged);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_told_in_time() {
    let port = zabra_testkit::free_port().unwrap();
    let builder = Client::builder().connect_within(Duration::from_millis(300));
    let error = builder.connect(&format!("127.0.0.1:{port}")).await.unwrap_err();
    let Error::CannotConnect { last, .. } = &error else { panic!("{error:?}") };
    assert!(last.contains("refused"), "{last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn times_without_end_are_taken_at_their_word() {
    let server = zabra_embedded::Server::start().await.unwrap();
    let endless = Client::builder()
        .session_timeout(Duration::MAX)
        .connect_timeout(Duration::MAX)
        .connect_within(Duration::MAX);
    let client = endless.clone().connect(&server.connect_string()).await.unwrap();
    server.cut_all().await;
    client.sync("/").await.unwrap_or_else(|error| assert!(error.is_connection_lost(), "{error}"));
    client.close().await.unwrap();
    let nowhere = endless.start("127.0.0.1:1").unwrap();
    nowhere.close().await.unwrap();
}
