//! The rows of the table, in parts that share servers.

mod children;
mod ensemble;
mod failover;
mod load;
mod operations;
mod sessions;
mod snapshots;
mod switches;
mod tree;
mod watches;

use crate::Failure;
use crate::table::{Effort, Runner};
use std::time::Duration;

/// Rows, or parts of rows, that are measured on the same servers.
pub(crate) struct Part {
    /// Above its lines.
    pub(crate) name: &'static str,
    /// The rows it has something of.
    pub(crate) rows: &'static [u8],
    /// About how long it takes.
    pub(crate) takes: fn(&Effort) -> Duration,
    /// Measures them: those [`Runner::wants`].
    pub(crate) run: fn(&mut Runner<'_>) -> Result<(), Failure>,
}

/// All of them, in the order they are measured.
pub(crate) const PARTS: &[Part] = &[
    operations::PART,
    children::PART,
    watches::PART,
    sessions::PART,
    tree::PART,
    snapshots::PART,
    failover::PART,
    ensemble::PART,
    switches::PART,
];
