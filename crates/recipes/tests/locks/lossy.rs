//! Replies that are lost: the server has done it, and the client does not hear of it.

use zabra_client::Client;
use zabra_embedded::Server;
use zabra_recipes::lock::{Lock, Mutex, RwLock, Semaphore};

use crate::support::Wire;
use crate::{connect, in_time};

/// Acquires and releases with the loss of one read after another, and looks how many nodes there are.
async fn lose_each(lock: impl Fn(&Client) -> Box<dyn Lock>, nodes: &str) {
    let server = Server::start().await.expect("a server starts");
    let wire = Wire::whole();
    let lossy = wire.client(Client::builder(), &server).await;
    let observer = connect(&server).await;
    let lock = lock(&lossy);
    let mut last = None;
    for reads in (0..12).flat_map(|reads| [reads, reads]) {
        wire.lose_after(reads);
        let guard = in_time(lock.acquire()).await.expect("a cut is no failure");
        assert!(Some(guard.fence()) > last);
        last = Some(guard.fence());
        let children = observer.children(nodes).await.expect("the server answers");
        assert_eq!(children.len(), 1, "read {reads} was lost while acquiring: {children:?}");
        assert!(guard.path().ends_with(&children[0]));
        wire.lose_after(reads);
        in_time(guard.release()).await.expect("a cut is no loss");
        let children = observer.children(nodes).await.expect("the server answers");
        assert!(children.is_empty(), "read {reads} was lost while releasing: {children:?}");
        wire.mend();
    }
}

#[tokio::test]
async fn a_lost_reply_costs_no_lock() {
    lose_each(|client| Box::new(Mutex::new(client, "/app/lock").unwrap()), "/app/lock").await;
}

#[tokio::test]
async fn a_lost_reply_costs_no_writer() {
    lose_each(|client| Box::new(RwLock::new(client, "/app/lock").unwrap().write()), "/app/lock").await;
}

#[tokio::test]
async fn a_lost_reply_costs_no_lease() {
    lose_each(|client| Box::new(Semaphore::new(client, "/pool", 1).unwrap()), "/pool/leases").await;
}
