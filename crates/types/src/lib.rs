//! The vocabulary of Zabra: the values that the protocol, the tree, the log and the ensemble talk about.
//!
//! Everything here is plain data with its invariants. Nothing here does I/O, reads a clock or allocates behind
//! the caller's back. Start with [`Zxid`], [`SessionId`] and [`Stat`].
#![no_std]

extern crate alloc;

mod acl;
mod auth;
mod error;
mod id;
mod owner;
mod path;
mod session;
mod stat;
mod time;
mod watch;

pub use acl::{Acl, Perms};
pub use auth::{AuthSchemes, Identity, NoSchemes};
pub use error::KeeperError;
pub use id::{Epoch, ServerId, SessionId, Xid, Zxid};
pub use owner::{CreateMode, EphemeralOwner, OwnerRules, TTL_MS_MAX};
pub use path::{PathError, ZnodePath, parent_of, validate_path};
pub use session::{SESSION_PASSWORD_LEN, SessionPassword};
pub use stat::{Stat, StatPersisted};
pub use time::{Now, WallTime};
pub use watch::{AddWatchMode, EventType, KEEPER_STATE_CONNECTED, WatcherType};
