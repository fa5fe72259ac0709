//! A client of Apache ZooKeeper and Zabra: asynchronous, cancel-safe, with a blocking face.

mod error;
mod event;
mod retry;

pub use error::{Error, MultiError, Outcome};
pub use event::{EventType, SessionState, SessionTicket, WatchEvent};
pub use retry::RetryPolicy;
pub use zabra_types::{
    Acl, AddWatchMode, CreateMode, KeeperError, PathError, Perms, SessionId, SessionPassword, Stat,
    WatcherType, Zxid,
};
