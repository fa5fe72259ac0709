//! Watches: who asked to hear of changes, and telling them.

mod events;
mod paths;
mod recursive;
mod sparse;
mod table;

pub use events::{Deliver, Events};
pub use table::{ConnId, Fired, WatchKind, WatchSummary, WatchTable};

#[cfg(test)]
mod tests;
