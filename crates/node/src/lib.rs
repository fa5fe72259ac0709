//! One server's brain: what a request may do, what transaction it becomes, and what its session is told.
//!
//! Everything here is a state machine with plain `&` and `&mut` methods: no clock, no socket, no lock, no thread. Time,
//! identities and the tree come in as arguments; transactions, replies and events go out as values and bytes.
//! Writes pass through the preparer, which checks them against the tree plus all outstanding changes; the tree
//! applies what it made.
#![no_std]

extern crate alloc;

pub mod acl;
mod gate;
mod options;
mod outstanding;
mod prep;
mod quota;
mod read;
mod reaper;
pub mod reply;
mod session;
mod throttle;
mod watch;

#[cfg(test)]
mod testing;

pub use gate::{Gate, GateToken, QueuedRead, Released};
pub use options::NodeOptions;
pub use prep::{
    EpochUsedUp, LiveSessions, Prepared, Preparer, Proposal, Submitter, Surroundings, check_eagerly,
    makes_ephemeral, refuse_to_forward,
};
pub use read::{Caller, Reads, WatchAccess};
pub use reaper::{Reaper, ReaperOptions};
pub use session::{
    Owner, Pending, PendingRequests, SessionKind, SessionTracker, TimeoutBounds, negotiate_timeout,
};
pub use throttle::{Admission, AdmissionWeights, ConnectionThrottle, ThrottleOptions};
pub use watch::{ConnId, Deliver, Events, Fired, WatchKind, WatchSummary, WatchTable};
