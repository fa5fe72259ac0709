//! A Zabra server or ensemble inside a test, on free ports, with kill, restart and session expiry on demand.
//!
//! [`Server::start`] takes a few milliseconds: a real server, in a thread of its own, with its data in a temporary
//! directory that goes when the server is dropped. Any ZooKeeper client can connect. It does what
//! Curator's `TestingServer` and `TestingCluster` do for Java.
//!
//! ```
//! # use std::time::Duration;
//! # use zabra_client::{Client, RetryPolicy};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = zabra_embedded::Server::start().await?;
//! let worker = Client::connect(&server.connect_string()).await?; // 127.0.0.1:23817, for example
//! let patient = RetryPolicy::forever(Duration::from_millis(10)).within(Duration::from_secs(10));
//! let observer = Client::builder().retry(patient).connect(&server.connect_string()).await?;
//! worker.create("/alive", []).ephemeral().await?;
//!
//! server.cut(worker.session_id()).await?; // the connection breaks, the session lives on
//! assert!(observer.exists("/alive").await?.is_some());
//!
//! server.expire(worker.session_id()).await?; // as if nothing had been heard of it for its timeout
//! assert!(observer.exists("/alive").await?.is_none());
//!
//! observer.create("/kept", []).await?;
//! server.kill().await; // as kill -9: nothing more reaches the disk or a client
//! server.restart().await?; // the same port, the same data
//! assert!(observer.exists("/kept").await?.is_some());
//! # Ok(())
//! # }
//! ```
//!
//! An ensemble works alike:
//!
//! ```
//! # use std::time::Duration;
//! # use zabra_client::{Client, RetryPolicy};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let ensemble = zabra_embedded::Ensemble::start(3).await?;
//! let patient = RetryPolicy::forever(Duration::from_millis(10)).within(Duration::from_secs(10));
//! let client = Client::builder().retry(patient).connect(&ensemble.connect_string()).await?;
//! client.create("/kept", []).await?;
//! let leader = ensemble.leader().await?;
//! ensemble.kill(leader).await;
//! assert!(client.exists("/kept").await?.is_some()); // on another server
//! assert_ne!(ensemble.leader().await?, leader); // waits for the election
//! ensemble.restart(leader).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Nothing here needs a runtime of the caller's, or cares which one there is: the server has its own, so a test may stop
//! tokio's clock, use another executor, or use [`blocking`] and none at all.
//!
//! What is different from a server in production: ticks are short ([`TICK_TIME_DEFAULT`]), so that sessions may be short,
//! and nothing is synced to the disk unless [`Builder::durable`] asks for it. A killed server loses nothing that way; a
//! machine that loses power would.
//!
//! Never: a stand-in for a server. What runs is `zabra-server`, whole.

pub mod blocking;
mod builder;
mod disk;
mod ensemble;
mod error;
mod host;
mod port;
mod server;

pub use builder::{Builder, TICK_TIME_DEFAULT};
pub use ensemble::{Ensemble, EnsembleBuilder};
pub use error::Error;
pub use server::Server;
pub use zabra_server::Standing;
