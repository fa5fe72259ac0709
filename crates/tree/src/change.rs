//! What applying a transaction tells its caller: the result for the reply, the changes for the watches.

use crate::NodeAcl;
use alloc::vec::Vec;
use zabra_types::{KeeperError, Stat, Zxid};

/// What came of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was applied, and there is nothing to show.
    Done,
    /// It was applied; the node's Stat right after it.
    Stat(Stat),
    /// Nothing was applied, because of this code: that of an error transaction, or what replay onto a newer state
    /// ran into.
    Error(i32),
    /// The outcome of each part, in order. Parts of a failed multi are all errors, code 0 before the one that failed.
    Multi(Vec<SubOutcome>),
}

/// What came of one part of a multi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubOutcome {
    /// It was applied, and there is nothing to show.
    Done,
    /// It was applied; the node's Stat right after it.
    Stat(Stat),
    /// Nothing was applied, because of this code.
    Error(i32),
}

impl From<SubOutcome> for Outcome {
    fn from(outcome: SubOutcome) -> Self {
        match outcome {
            SubOutcome::Done => Self::Done,
            SubOutcome::Stat(stat) => Self::Stat(stat),
            SubOutcome::Error(code) => Self::Error(code),
        }
    }
}

impl From<Result<Option<Stat>, KeeperError>> for SubOutcome {
    fn from(result: Result<Option<Stat>, KeeperError>) -> Self {
        match result {
            Ok(None) => Self::Done,
            Ok(Some(stat)) => Self::Stat(stat),
            Err(error) => Self::Error(error.code()),
        }
    }
}

/// Hears of every change in the order it happens. `()` listens to nothing, which is what recovery wants.
///
/// The lists are those in force at the change: of a deleted node the last it had, and of a created one its first.
/// Changes of ACLs and of quota usage are not told: no watch fires on them.
pub trait ChangeSink {
    /// `path` was created under `parent`.
    fn created(&mut self, zxid: Zxid, path: &str, acl: NodeAcl<'_>, parent: &str, parent_acl: NodeAcl<'_>);
    /// `path` was deleted from `parent`.
    fn deleted(&mut self, zxid: Zxid, path: &str, acl: NodeAcl<'_>, parent: &str, parent_acl: NodeAcl<'_>);
    /// The data of `path` was set.
    fn data_changed(&mut self, zxid: Zxid, path: &str, acl: NodeAcl<'_>);
}

impl ChangeSink for () {
    fn created(&mut self, _: Zxid, _: &str, _: NodeAcl<'_>, _: &str, _: NodeAcl<'_>) {}
    fn deleted(&mut self, _: Zxid, _: &str, _: NodeAcl<'_>, _: &str, _: NodeAcl<'_>) {}
    fn data_changed(&mut self, _: Zxid, _: &str, _: NodeAcl<'_>) {}
}
