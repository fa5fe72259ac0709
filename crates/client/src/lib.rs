//! A client of Apache ZooKeeper and Zabra: asynchronous, cancel-safe, with a blocking face.

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
