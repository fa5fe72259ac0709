//! What the recipes share: names of nodes, fencing tokens, retries, holding and losing.

pub(crate) mod conditional;
mod contender;
mod error;
mod fence;
mod hold;
mod host;
pub(crate) mod name;
pub(crate) mod node;
mod participant;
pub(crate) mod path;
mod queue;
pub(crate) mod reads;
pub(crate) mod retry;
pub(crate) mod session;
mod told;

pub use contender::Patience;
pub(crate) use contender::{Entry, REVOKE_MESSAGE, enter};
pub use error::{Error, Result};
pub use fence::Fence;
pub use hold::{Guard, HoldState, HoldStates, Loss};
pub(crate) use host::local_address;
pub use participant::Participant;
pub(crate) use participant::{holders, participants};
pub use queue::NameStyle;
pub(crate) use queue::{Rule, Verdict};
pub use told::Acquiring;
