//! A Zabra server or ensemble inside a test, on free ports, with kill, restart and session expiry on demand.
//!
//! [`Server::start`] takes a few milliseconds: a real server, in a thread of its own, with its data in a temporary
//! directory that goes when the server is dropped. Any ZooKeeper client can connect. It does what
//! Curator's `TestingServer` and `TestingCluster` do for Java.
//!
//! ```
//! # async fn test() -> Result<(), zabra_embedded::Error> {
//! let server = zabra_embedded::Server::start().await?;
//! let hosts = server.connect_string(); // for a client: 127.0.0.1:23817
//! // ...
//! server.kill().await; // as kill -9: nothing more reaches the disk or a client
//! server.restart().await?; // the same port, the same data
//! server.cut_all().await; // connections break, sessions live on
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test()).unwrap();
//! ```
//!
//! An ensemble works alike:
//!
//! ```
//! # async fn test() -> Result<(), zabra_embedded::Error> {
//! let ensemble = zabra_embedded::Ensemble::start(3).await?;
//! let leader = ensemble.leader().await?;
//! ensemble.kill(leader).await;
//! let next = ensemble.leader().await?; // waits for the election
//! assert_ne!(next, leader);
//! ensemble.restart(leader).await?;
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test()).unwrap();
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
