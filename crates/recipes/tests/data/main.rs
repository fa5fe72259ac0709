//! Queues, counters, shared values and barriers on a server: what they write, and that nothing is lost or doubled.

#![allow(clippy::unwrap_used)]

mod atomic;
mod barrier;
mod blocking;
mod cuts;
mod golden;
mod kazoo;
mod queue;
mod shared;

use std::sync::Arc;

use tokio::sync::Semaphore;
use zabra_client::Client;
use zabra_embedded::Server;

/// A server, and what connects to it.
struct Bench {
    server: Arc<Server>,
}

impl Bench {
    async fn start() -> Self {
        Self { server: Arc::new(Server::start().await.unwrap()) }
    }

    /// A client with a session of its own.
    async fn client(&self) -> Client {
        Client::connect(&self.server.connect_string()).await.unwrap()
    }

    /// Breaks all connections each time so much progress was made.
    fn cut_with(&self, progress: Arc<Semaphore>, every: u32) -> tokio::task::JoinHandle<()> {
        let server = Arc::clone(&self.server);
        tokio::spawn(async move {
            loop {
                progress.acquire_many(every).await.unwrap().forget();
                server.cut_all().await;
            }
        })
    }
}
