//! What of the leader's history is decided here, and what is owed to the leader.

use alloc::collections::VecDeque;

use zabra_proto::PacketKind;
use zabra_types::{Epoch, Zxid};

use super::{LearnerKind, Line};
use crate::CloseReason;
use crate::context::Context;

/// The transactions from a leader that are not committed, and those not acknowledged.
#[derive(Debug)]
pub(super) struct Decisions {
    epoch: Epoch,
    kind: LearnerKind,
    committed: Zxid,
    /// What came and is not committed, in order.
    pending: VecDeque<Zxid>,
    /// What came and must be acknowledged, each for itself, once it is flushed. A genuine leader gives up a learner that
    /// leaves one out.
    unacknowledged: VecDeque<Zxid>,
}

impl Decisions {
    /// Everything up to `committed` is.
    pub(super) fn begin(epoch: Epoch, kind: LearnerKind, committed: Zxid) -> Self {
        Self { epoch, kind, committed, pending: VecDeque::new(), unacknowledged: VecDeque::new() }
    }

    /// All of it goes to the next phase.
    pub(super) fn hand_over(&mut self) -> Self {
        core::mem::replace(self, Self::begin(self.epoch, self.kind, self.committed))
    }

    /// The leader's epoch.
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The last transaction that is committed.
    pub(super) fn committed(&self) -> Zxid {
        self.committed
    }

    /// The next transaction came.
    pub(super) fn propose(&mut self, zxid: Zxid) {
        self.pending.push_back(zxid);
    }

    /// A COMMIT came. It must be for the oldest pending transaction, unless it repeats an earlier one.
    pub(super) fn commit(&mut self, zxid: Zxid) -> Result<(), CloseReason> {
        if zxid <= self.committed {
            return Ok(());
        }
        if self.pending.front() != Some(&zxid) {
            return Err(CloseReason::UnexpectedCommit(zxid));
        }
        self.pending.pop_front();
        self.committed = zxid;
        Ok(())
    }

    /// A transaction that came, also one that came before, is to be acknowledged. Those of earlier epochs are history, which
    /// nobody waits for.
    pub(super) fn owe(&mut self, zxid: Zxid) {
        if self.kind == LearnerKind::Follower && zxid.epoch() == self.epoch {
            self.unacknowledged.push_back(zxid);
        }
    }

    /// All that is pending is to be acknowledged.
    pub(super) fn owe_pending(&mut self) {
        if self.kind == LearnerKind::Follower {
            self.unacknowledged.extend(&self.pending);
        }
    }

    /// Acknowledges what is flushed.
    pub(super) fn acknowledge(&mut self, ctx: &mut Context<'_>, line: &Line) {
        // No log has the beginning of an epoch.
        let flushed = ctx.state.flushed.max(Zxid::new(self.epoch, 0));
        while let Some(zxid) = self.unacknowledged.front().copied().filter(|zxid| *zxid <= flushed) {
            self.unacknowledged.pop_front();
            ctx.send(line.link, PacketKind::Ack, zxid);
        }
    }

    /// Panics when this contradicts itself, `last` being the last transaction that came.
    pub(super) fn check(&self, last: Zxid) {
        assert!(
            self.pending.iter().is_sorted() && self.pending.front().is_none_or(|next| *next > self.committed)
        );
        assert_eq!(self.pending.back().copied().unwrap_or(self.committed), last, "decided or pending");
        assert!(self.unacknowledged.iter().all(|zxid| *zxid <= last || zxid.counter() == 0));
    }
}
