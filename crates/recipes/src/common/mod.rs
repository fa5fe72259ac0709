//! What the recipes share: names of nodes, fencing tokens, retries, holding and losing.

mod fence;
pub(crate) mod name;
pub(crate) mod path;

pub use fence::Fence;
