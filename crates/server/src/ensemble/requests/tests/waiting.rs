//! Clients that come while there is no leader.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use zabra_proto::Put;
use zabra_types::{SessionId, Zxid};
use zabra_zab::Role;

use super::super::{Part, became};
use super::world::{EPOCH, connect_request, server};
use crate::conn::serve;

/// A client that has sent its connect request to a server that looks for a leader.
async fn waiting_client(core: &std::sync::Arc<crate::core::Core>) -> TcpStream {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, remote) = listener.accept().await.unwrap();
    tokio::spawn(serve(std::sync::Arc::clone(core), stream, remote));
    let mut frame = Vec::new();
    frame.put_buffer(Some(&connect_request(SessionId::NONE, Zxid::ZERO, None)));
    client.write_all(&frame).await.unwrap();
    client
}

#[tokio::test]
async fn a_client_that_comes_during_an_election_is_served_after_it() {
    let core = server(1, |config| config.sessions.local_enabled = true);
    // The election begins in an hour, so to speak: it cannot last too long however busy the machine is.
    core.brain.lock().part = Part::Looking(core.clock.now() + Duration::from_secs(3600));
    let mut client = waiting_client(&core).await;
    let mut byte = [0; 1];
    while core.conns.len() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(tokio::time::timeout(Duration::from_millis(20), client.read(&mut byte)).await.is_err());
    became(&core, &mut core.brain.lock(), Role::Leading(EPOCH));
    let mut answer = [0; 4 + 36];
    client.read_exact(&mut answer).await.unwrap();
    assert!(super::world::session_of(&answer) != SessionId::NONE);
}

#[tokio::test]
async fn nobody_waits_for_long() {
    let core = server(1, |_| {});
    let mut client = waiting_client(&core).await;
    let mut byte = [0; 1];
    assert_eq!(client.read(&mut byte).await.unwrap(), 0, "closed without a word");
}
