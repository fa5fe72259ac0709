//! What the recipes share: names of nodes, fencing tokens, retries, holding and losing.

mod error;
mod fence;
mod hold;
pub(crate) mod name;
pub(crate) mod path;
mod queue;
pub(crate) mod retry;
mod told;

pub use error::{Error, Result};
pub use fence::Fence;
pub use hold::{Guard, HoldState, HoldStates, Loss};
pub use queue::NameStyle;
pub(crate) use queue::{Rule, Verdict};
pub use told::Acquiring;
