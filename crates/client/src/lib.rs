//! A client of Apache ZooKeeper and Zabra: asynchronous, cancel-safe, with a blocking face.
//!
//! One [`Client`] holds one session; clones share it. Every operation is a builder that does nothing until it is awaited,
//! or sent:
//!
//! ```
//! # use zabra_client::Client;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = zabra_embedded::Server::start().await?;
//! # let hosts = server.connect_string();
//! let client = Client::connect(&hosts).await?; // such as "h1:2181,h2:2181/chroot"
//! client.create("/app", []).await?;
//! client.create("/app/colour", "green").await?;
//! let (data, stat) = client.get("/app/colour").await?;
//! assert_eq!((&*data, stat.version), (&b"green"[..], 0));
//! client.set("/app/colour", "blue").version(stat.version).await?; // only if nobody was quicker
//! assert_eq!(client.children("/app").await?, ["colour"]);
//! client.delete_recursive("/app").await?;
//! client.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Without a runtime, use [`blocking::Client`]: the same builders, ended by `.wait()`.
//!
//! # Many requests at once
//!
//! `send` puts a request into the session's queue at once and returns a [`Pending`], a future of its result. The order of
//! the `send` calls, over all clones and views, is the order on the wire and the order in which the server executes them.
//! So there is no need to wait for one request before the next is sent:
//!
//! ```
//! # use zabra_client::Client;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = zabra_embedded::Server::start().await?;
//! # let client = Client::connect(&server.connect_string()).await?;
//! client.create("/count", "0").await?;
//! let sets: Vec<_> = (1..=100).map(|n| client.set("/count", n.to_string()).send()).collect();
//! let read = client.get("/count").send(); // sees all of them
//! for set in sets {
//!     set.await?;
//! }
//! assert_eq!(read.await?.0, "100");
//! # Ok(())
//! # }
//! ```
//!
//! Several writes that must happen together or not at all are a [`Client::transaction`].
//!
//! # Watches
//!
//! A read can leave a watch that fires once; [`Client::add_watch`] leaves one that stays. Both outlive connections and end
//! with the session, and say so:
//!
//! ```
//! # use zabra_client::{AddWatchMode, Client, EventType};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = zabra_embedded::Server::start().await?;
//! # let client = Client::connect(&server.connect_string()).await?;
//! # client.create("/app", []).await?;
//! let (stat, watch) = client.exists("/app/ready").watch().await?;
//! assert!(stat.is_none());
//! let mut below = client.add_watch("/app", AddWatchMode::PersistentRecursive).await?;
//!
//! client.create("/app/ready", []).await?;
//! assert_eq!(watch.await.kind, EventType::NodeCreated);
//! let event = below.next().await.expect("the session goes on");
//! assert_eq!((event.kind, event.path.as_str()), (EventType::NodeCreated, "/app/ready"));
//! # Ok(())
//! # }
//! ```
//!
//! # When things go wrong
//!
//! Each [`Error`] knows what the request has done: nothing, what was asked, or nobody can tell, as when the connection
//! breaks between a write and its answer ([`Error::outcome`]). What cannot be told is never repeated behind your back. Say
//! how it settles itself, with `.protected()` or `.idempotent()`, or repeat what is safe to repeat through a view:
//!
//! ```
//! # use std::time::Duration;
//! # use zabra_client::{Client, Outcome, RetryPolicy};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = zabra_embedded::Server::start().await?;
//! # let client = Client::connect(&server.connect_string()).await?;
//! let error = client.get("/none").await.unwrap_err();
//! assert!(error.is_no_node());
//! assert_eq!(error.outcome(), Outcome::DidNotHappen);
//!
//! // Found again by its name, whatever happens to the answer: /_c_7d0c…-member-0000000000
//! let member = client.create("/member-", []).ephemeral().sequential().protected().await?;
//! assert!(member.path.starts_with("/_c_"));
//!
//! let patient = client.retrying(RetryPolicy::exponential(Duration::from_millis(50), Duration::from_secs(2)).times(8));
//! patient.set("/", "again and again").idempotent().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Cancel safety
//!
//! Every future here can be dropped at any point. Dropping a [`Pending`] gives up the result, not the request: what was
//! sent stays sent, and no other request is harmed. Dropping a watch gives it up. `next` of a [`WatchStream`] or a
//! [`StateStream`] loses nothing when it is dropped and called again, as in `select!`.
//!
//! The guarantees in full, with those of sessions, are in `docs/client.md` of the repository.
//!
//! # Where to read on
//!
//! `core` is the session without any I/O: what is sent, kept and told, given bytes and the time. `driver` moves bytes
//! between it and the network and decides nothing. `ops` are the builders, which know nothing of connections.

pub mod blocking;
mod builder;
mod client;
mod connect_string;
mod core;
mod driver;
mod error;
mod event;
mod handle;
mod ops;
mod pending;
mod retry;
pub mod sasl;
mod state;
mod view;
mod watch;

pub use builder::ClientBuilder;
pub use client::Client;
pub use connect_string::{ConnectString, ConnectStringError};
pub use core::Host;
pub use driver::{BoxFuture, Dial, Stream, Tcp};
pub use error::{Error, MultiError, Outcome};
pub use event::{EventType, SessionState, SessionTicket, WatchEvent};
pub use ops::{
    AddWatch, AllChildrenNumber, CheckWatches, ChildNames, ChildrenStat, ClientInfo, Create, Created, Delete,
    Ephemerals, Exists, Get, GetAcl, GetOrNull, MultiResult, ReadMany, ReadResult, Reconfig, RemoveWatches,
    Set, SetAcl, SyncRequest, Transaction, Watched, WhoAmI,
};
pub use pending::Pending;
pub use retry::RetryPolicy;
pub use state::StateStream;
pub use watch::{OneShot, WatchStream};
pub use zabra_types::{
    Acl, AddWatchMode, CreateMode, KeeperError, PathError, Perms, SessionId, SessionPassword, Stat,
    WatcherType, Zxid,
};
