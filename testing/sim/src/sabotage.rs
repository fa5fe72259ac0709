//! Bugs put back on purpose. A simulator that does not find them shows nothing.

use clap::ValueEnum;

/// A bug put back: one that Apache ZooKeeper had, or one that a mistake would make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Sabotage {
    /// ZOOKEEPER-3911: a follower acknowledges NEWLEADER while the history it was sent is only in memory.
    AckNewLeaderBeforeLogging,
    /// ZOOKEEPER-4646: NEWLEADER is acknowledged when history and epoch are on their way to the disk, and not there.
    AckNewLeaderBeforeFlush,
    /// ZOOKEEPER-4785: the same, with the epoch on the disk before the history it stands for.
    AckNewLeaderBeforeHistory,
    /// ZOOKEEPER-4643: `currentEpoch` is written before the history of that epoch.
    EpochBeforeHistory,
    /// ZOOKEEPER-4685: a proposal is acknowledged before NEWLEADER.
    AckProposalBeforeNewLeader,
    /// ZOOKEEPER-4925: what was received while synchronizing is missing from the window that a later leader sends from.
    GapInWindow,
    /// Transactions are acknowledged before they are on the disk.
    AckBeforeFlush,
    /// An election looks at the server's number before its history.
    WrongVoteOrder,
    /// A transaction is committed as soon as a quorum has it, whatever is before it.
    CommitOutOfOrder,
    /// An observer's word counts as a voter's.
    CountNonVoter,
    /// A truncation keeps snapshots that have what was to go, and the tree with it (`quorum-protocol` T7).
    TruncateKeepsSnapshots,
    /// `acceptedEpoch` is promised and not written.
    ForgetAcceptedEpoch,
}

impl Sabotage {
    /// The bug to be put into the core, if it is one of those.
    pub(crate) fn of_peer(self) -> Option<zabra_zab::Sabotage> {
        match self {
            Self::WrongVoteOrder => Some(zabra_zab::Sabotage::WrongVoteOrder),
            Self::CountNonVoter => Some(zabra_zab::Sabotage::CountNonVoters),
            _ => None,
        }
    }
}
