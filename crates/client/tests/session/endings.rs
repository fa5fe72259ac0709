//! Sessions that end, and those that only change hands.

use crate::against::Server;
use std::time::Duration;
use zabra_client::{Acl, Client, Error, EventType, Perms, SessionState};

/// Ends a session from outside, as its expiry would.
async fn end_session(server: &Server, client: &Client) {
    let thief = server.client_with(Client::builder().session(client.ticket())).await;
    assert_eq!(thief.session_id(), client.session_id());
    thief.close().await.unwrap();
}

pub(crate) async fn a_session_that_is_over_is_followed_by_another(server: &mut Server) {
    let client = server.client().await;
    let (first, pinned) = (client.session_id(), client.pinned());
    client.create("/e", b"".as_slice()).ephemeral().await.unwrap();
    let (_, watch) = client.exists("/never").watch().await.unwrap();
    let mut stream = client.add_watch("/", zabra_client::AddWatchMode::PersistentRecursive).await.unwrap();
    let mut states = client.states();
    end_session(server, &client).await;
    for expected in [SessionState::Disconnected, SessionState::Expired, SessionState::Connected] {
        assert_eq!(states.next().await, Some(expected));
    }
    assert_ne!(client.session_id(), first);
    assert_eq!(watch.await.kind, EventType::Session(SessionState::Expired));
    while let Some(event) = stream.next().await {
        let gone = event.kind == EventType::NodeDeleted && event.path == "/e";
        assert!(gone || event.kind == EventType::Session(SessionState::Expired), "{event:?}");
    }
    assert!(matches!(pinned.exists("/e").await, Err(Error::SessionExpired { .. })));
    assert_eq!(client.exists("/e").await.unwrap(), None);
    assert_eq!(client.pinned().exists("/e").await.unwrap(), None);
}

pub(crate) async fn a_client_may_end_with_its_session(server: &mut Server) {
    let client = server.client_with(Client::builder().renew_expired(false)).await;
    let mut states = client.states();
    end_session(server, &client).await;
    assert_eq!(states.next().await, Some(SessionState::Disconnected));
    assert_eq!(states.next().await, Some(SessionState::Expired));
    assert_eq!(states.next().await, None);
    assert!(matches!(client.exists("/").await, Err(Error::SessionExpired { .. })));
    assert!(client.states().next().await.is_none());
}

pub(crate) async fn a_session_changes_hands(server: &mut Server) {
    let client = server.client().await;
    client.create("/e", b"".as_slice()).ephemeral().await.unwrap();
    let ticket = client.ticket();
    let last = client.set("/e", b"1".as_slice()).send();
    client.detach().await.unwrap();
    assert_eq!(last.await.unwrap().version, 1, "what was asked for before is done");
    assert_eq!(client.state(), SessionState::Closed);
    let heir = server.client_with(Client::builder().session(ticket)).await;
    assert_eq!(heir.session_id(), ticket.id);
    assert!(heir.exists("/e").await.unwrap().is_some());
    heir.close().await.unwrap();
    let late = Client::builder().session(ticket).connect(&server.connect_string()).await;
    assert!(matches!(late, Err(Error::SessionExpired { .. })), "{late:?}");
    assert_eq!(server.client().await.exists("/e").await.unwrap(), None);
}

pub(crate) async fn the_last_clone_closes_the_session(server: &mut Server) {
    let client = server.client().await;
    client.create("/e", b"".as_slice()).ephemeral().await.unwrap();
    let observer = server.client().await;
    let (_, gone) = observer.exists("/e").watch().await.unwrap();
    // A watch that somebody still waits for does not keep the session.
    let (_, watch) = client.exists("/e").watch().await.unwrap();
    let view = client.pinned();
    drop(client);
    view.sync("/").await.unwrap();
    drop(view);
    assert_eq!(gone.await.kind, EventType::NodeDeleted);
    let end = watch.await.kind;
    assert!(matches!(end, EventType::NodeDeleted | EventType::Session(SessionState::Closed)), "{end:?}");
}

pub(crate) async fn credentials_are_shown_to_every_server(server: &mut Server) {
    let client = server.client_with(Client::builder().auth("digest", b"ann:secret")).await;
    client.add_auth("digest", b"bob:secret").await.unwrap();
    let only_us = Acl { perms: Perms::ALL, scheme: "auth".to_owned(), id: String::new() };
    client.create("/n", b"".as_slice()).acl(vec![only_us]).await.unwrap();
    let (acl, _) = client.acl("/n").await.unwrap();
    assert_eq!(acl.len(), 2);
    let mut states = client.states();
    server.crash_and_restart().await;
    while states.next().await != Some(SessionState::Connected) {}
    client.get("/n").await.unwrap();
    assert!(server.client().await.get("/n").await.unwrap_err().is_no_auth());
}

pub(crate) async fn refused_credentials_end_the_client(server: &mut Server) {
    let client = server.client().await;
    let refused = client.add_auth("no-such-scheme", b"").await;
    assert!(matches!(refused, Err(Error::AuthFailed { .. })), "{refused:?}");
    assert_eq!(client.state(), SessionState::AuthFailed);
    assert!(matches!(client.exists("/").await, Err(Error::AuthFailed { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_bound_are_refused_at_once() {
    let server = zabra_embedded::Server::start().await.unwrap();
    let builder = Client::builder().pending_max(10);
    let client = builder.connect(&server.connect_string()).await.unwrap();
    server.pause().await;
    let pending: Vec<_> = (0..11).map(|_| client.exists("/").send()).collect();
    server.resume();
    let mut refused = 0;
    for answer in pending {
        match answer.await {
            Ok(_) => {}
            Err(Error::Overloaded { max: 10, .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(refused, 1);
    // There is room again.
    client.exists("/").await.unwrap();
}

pub(crate) async fn answers_nobody_waits_for_do_no_harm(server: &mut Server) {
    let client = server.client().await;
    client.create("/n", b"".as_slice()).await.unwrap();
    for n in 0..500_u32 {
        drop(client.set("/n", n.to_string()).send());
        drop(client.get("/n").watch().send());
        // A future that is given up half-way.
        let _ = tokio::time::timeout(Duration::from_micros(50), client.get("/n")).await;
    }
    assert_eq!(client.get("/n").await.unwrap().1.version, 500);
}
