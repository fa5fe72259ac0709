//! Locks, elections, barriers, counters, queues, caches, membership and discovery over zabra-client.
//!
//! Every recipe keeps its state in znodes laid out exactly as Apache Curator lays them out (where Curator has the
//! recipe), so that programs in different languages share the same locks, elections and queues.
//!
//! # What holds for all of them
//!
//! - **A held thing is a guard.** It is given back by `release().await`, or in the background when the guard is
//!   dropped. Dropping a future that acquires withdraws from the queue; nothing is left behind.
//! - **Connection loss** puts what is held in doubt ([`HoldState::InDoubt`]): the ephemeral node is still there, but
//!   this process no longer knows. When the session is resumed, it is held again as if nothing had been.
//! - **Session expiry** loses it ([`HoldState::Lost`]): the server has removed the node and others may have it.
//! - **A fencing token** ([`Fence`]) goes with everything that excludes others: hand it to the resource you protect.

pub mod atomic;
pub mod barrier;
pub mod blocking;
pub mod cache;
pub mod common;
pub mod configuration;
pub mod discovery;
pub mod kazoo;
pub mod leader;
pub mod lock;
pub mod membership;
pub mod persistent;
pub mod queue;
mod receipt;
pub mod shared;

pub use common::{
    Acquiring, Error, Fence, Guard, HoldState, HoldStates, Loss, NameStyle, Participant, Patience, Result,
};
pub use receipt::Receipt;
