//! ZAB: one server's part in an ensemble, from looking for a leader to broadcasting transactions.
//!
//! [`Peer`] is a state machine. It is told what happened ([`Input`]) and says what to do ([`Output`]); it reads no
//! clock, opens no socket and touches no disk. The caller carries out the outputs in order and decides nothing. The
//! simulator and the server are two such callers.
//!
//! The phases are those of the ZAB paper: *election* (the fast leader election of Apache ZooKeeper), *discovery*
//! (a new epoch), *synchronization* (every learner gets the leader's history), *broadcast*. On the wire they are what
//! Apache ZooKeeper 3.8 and 3.9 speak.
//!
//! Four cursors of the history, never mixed up: *appended* (given to the log), *flushed* (on this server's disk),
//! *committed* (decided), *applied* (in the tree). Nothing is applied before it is committed, so what the tree holds is
//! never taken back, with one exception: at start a server applies its whole log, because it does not know how much
//! of it was committed. Only then can a TRUNC reach below *applied*.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod context;
mod election;
mod history;
mod input;
mod leader;
mod learner;
mod members;
mod options;
mod output;
mod peer;
mod role;
mod sabotage;
#[cfg(test)]
mod testing;

pub use election::Vote;
pub use input::Input;
pub use leader::{LearnerPhase, LearnerStatus, SyncMode};
pub use members::{Members, QuorumRule};
pub use options::{Durable, Options};
pub use output::{CloseReason, LinkId, Output, Role, StoreOp, SyncToken, Ticket};
pub use peer::Peer;
#[cfg(feature = "testing")]
pub use sabotage::Sabotage;
