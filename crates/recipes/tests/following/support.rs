//! A server and clients that are impatient.

use std::future::Future;
use std::time::Duration;

use zabra_client::Client;
use zabra_embedded::Server;

/// After this long what is waited for does not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Fails the test when it takes too long.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// Waits until it is so, looking again and again.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    soon(what, async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A server that knows nodes with a time to live.
pub(crate) async fn server() -> Server {
    Server::builder().set("extendedTypesEnabled", "true").start().await.unwrap()
}

pub(crate) async fn client(server: &Server) -> Client {
    let servers = server.connect_string();
    let connected = Client::builder().session_timeout(Duration::from_secs(10)).connect(&servers);
    soon("a session", connected).await.unwrap()
}
