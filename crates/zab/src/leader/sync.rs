//! How a learner gets the leader's history (`LearnerHandler.syncFollower`): the choice, without carrying it out.

use zabra_types::{Epoch, Zxid};

use crate::history::History;

/// What the choice is made from, beside the end of the learner's history.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) history: &'a History,
    /// Everything up to here is decided, and nothing behind it is.
    pub(super) committed: Zxid,
    /// The epochs whose beginnings this leader has itself: up to the one it was elected with, and its own.
    pub(super) elected_epoch: Epoch,
    pub(super) own_epoch: Epoch,
    /// The log on disk may be read for learners.
    pub(super) log_sync: bool,
    /// Everybody gets a snapshot.
    pub(super) force_snapshot: bool,
}

/// How to go about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// From a place in the history onward.
    From(Start),
    /// The learner's history ends before what is in memory: the log on disk is asked.
    SearchLog,
    /// A whole snapshot.
    Snap,
}

/// Where a learner is taken up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// DIFF: the learner has everything up to here.
    Diff(Zxid),
    /// TRUNC: it has more than was committed, and everything up to here is common.
    Trunc(Zxid),
}

impl Start {
    /// The last transaction it need not be sent.
    pub(super) fn after(self) -> Zxid {
        match self {
            Self::Diff(after) | Self::Trunc(after) => after,
        }
    }
}

impl View<'_> {
    /// The choice for a learner whose history ends with `last`.
    pub(super) fn choose(&self, last: Zxid) -> Choice {
        if self.force_snapshot || last < Zxid::ZERO {
            return Choice::Snap;
        }
        if is_beginning_of_epoch(last) && !self.knows_beginning(last) {
            return Choice::Snap;
        }
        if last > self.committed {
            return self.choose_beyond(last);
        }
        match self.history.last_not_after(last) {
            Some(known) => Self::meet(last, known),
            None if self.log_sync => Choice::SearchLog,
            None => Choice::Snap,
        }
    }

    /// The choice for the same learner when the log on disk has been asked: it has everything from `found` on, the last
    /// transaction not after `last`.
    pub(super) fn choose_found(&self, last: Zxid, found: Option<Zxid>) -> Choice {
        match found {
            Some(known) if known <= last => Self::meet(last, known),
            _ => Choice::Snap,
        }
    }

    /// The learner's history goes on behind what is committed.
    fn choose_beyond(&self, last: Zxid) -> Choice {
        if is_beginning_of_epoch(last) {
            return Choice::From(Start::Diff(last));
        }
        // Even what this leader itself has proposed is cut off and proposed again. Otherwise a genuine follower, which
        // has applied it when it lost its leader, would get a COMMIT for something that it does not wait for, and ends
        // itself.
        Self::cut(last, self.committed)
    }

    /// `known` is the last transaction of this leader not after the last of the learner.
    fn meet(last: Zxid, known: Zxid) -> Choice {
        if known == last || is_beginning_of_epoch(last) {
            return Choice::From(Start::Diff(last));
        }
        Self::cut(last, known)
    }

    /// Within an epoch a learner has everything before what it has last, so `to` as well. Across epochs that is not sure:
    /// its log may begin with a snapshot in between. And no log has an entry for the beginning of an epoch.
    fn cut(last: Zxid, to: Zxid) -> Choice {
        if last.epoch() == to.epoch() && !is_beginning_of_epoch(to) {
            Choice::From(Start::Trunc(to))
        } else {
            Choice::Snap
        }
    }

    /// Whether everything before `epoch << 32` is here. Genuine servers tell such a zxid of themselves when they have led
    /// the epoch or took a snapshot from whoever did, both of them after it was established. Its history until then is
    /// part of every later leader's, and all that this leader has before that epoch.
    fn knows_beginning(&self, zxid: Zxid) -> bool {
        zxid.epoch() <= self.elected_epoch || zxid.epoch() == self.own_epoch
    }
}

/// No transaction has such a zxid: it says that everything of earlier epochs is there, and nothing of this one.
pub(super) fn is_beginning_of_epoch(zxid: Zxid) -> bool {
    zxid.counter() == 0
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn zxid(epoch: u32, counter: u32) -> Zxid {
        Zxid::new(Epoch::new(epoch), counter)
    }

    const fn diff(epoch: u32, counter: u32) -> Choice {
        Choice::From(Start::Diff(Zxid::new(Epoch::new(epoch), counter)))
    }

    const fn trunc(epoch: u32, counter: u32) -> Choice {
        Choice::From(Start::Trunc(Zxid::new(Epoch::new(epoch), counter)))
    }

    /// In memory: behind (2, 4) the transactions (2, 5), (2, 6), (4, 1), (4, 2), (6, 1), (6, 2), (6, 3).
    fn history() -> History {
        let mut history = History::after(zxid(2, 4));
        for (epoch, counter) in [(2, 5), (2, 6), (4, 1), (4, 2), (6, 1), (6, 2), (6, 3)] {
            history.append(zxid(epoch, counter), Bytes::new());
        }
        history
    }

    fn view(history: &History, committed: Zxid) -> View<'_> {
        View {
            history,
            committed,
            elected_epoch: Epoch::new(4),
            own_epoch: Epoch::new(6),
            log_sync: true,
            force_snapshot: false,
        }
    }

    #[test]
    fn every_place_a_learner_may_be_at() {
        let history = history();
        // (committed, last of the learner, choice)
        for (committed, last, choice) in [
            // In step, or within memory.
            (zxid(6, 3), zxid(6, 3), diff(6, 3)),
            (zxid(6, 3), zxid(4, 1), diff(4, 1)),
            (zxid(6, 3), zxid(2, 4), diff(2, 4)),
            // It has what was never committed, behind something of the same epoch that was.
            (zxid(6, 3), zxid(6, 9), trunc(6, 3)),
            (zxid(6, 3), zxid(4, 7), trunc(4, 2)),
            (zxid(6, 3), zxid(2, 9), trunc(2, 6)),
            // The same, but nothing of its epoch was committed.
            (zxid(6, 3), zxid(3, 2), Choice::Snap),
            (zxid(6, 3), zxid(5, 1), Choice::Snap),
            (zxid(4, 2), zxid(5, 1), Choice::Snap),
            // It has proposals of this leader that are not committed.
            (zxid(6, 2), zxid(6, 3), trunc(6, 2)),
            (zxid(6, 2), zxid(6, 2), diff(6, 2)),
            (zxid(4, 2), zxid(6, 1), Choice::Snap),
            // The beginnings of epochs.
            (zxid(6, 3), zxid(6, 0), diff(6, 0)),
            (zxid(6, 3), zxid(4, 0), diff(4, 0)),
            (zxid(6, 3), zxid(3, 0), diff(3, 0)),
            (zxid(4, 2), zxid(6, 0), diff(6, 0)),
            (zxid(4, 2), zxid(5, 0), Choice::Snap),
            (zxid(6, 3), zxid(5, 0), Choice::Snap),
            // Before memory, and nothing at all.
            (zxid(6, 3), zxid(2, 3), Choice::SearchLog),
            (zxid(6, 3), zxid(2, 0), Choice::SearchLog),
            (zxid(6, 3), Zxid::ZERO, Choice::SearchLog),
            (zxid(6, 3), Zxid::NONE, Choice::Snap),
            (zxid(6, 3), Zxid::from_raw(i64::MIN), Choice::Snap),
            (zxid(6, 3), Zxid::from_raw(i64::MAX), Choice::Snap),
        ] {
            assert_eq!(
                view(&history, committed).choose(last),
                choice,
                "learner at {last}, committed {committed}"
            );
        }
    }

    #[test]
    fn an_established_epoch_without_transactions_is_continued() {
        let mut history = History::after(zxid(2, 4));
        history.append(zxid(2, 5), Bytes::new());
        assert_eq!(view(&history, zxid(2, 5)).choose(zxid(4, 0)), diff(4, 0));
        assert_eq!(view(&history, zxid(2, 5)).choose(zxid(3, 0)), diff(3, 0));
    }

    #[test]
    fn a_history_that_began_with_nothing_serves_whoever_has_nothing() {
        let mut history = History::after(Zxid::ZERO);
        assert_eq!(view(&history, Zxid::ZERO).choose(Zxid::ZERO), diff(0, 0));
        history.append(zxid(1, 1), Bytes::new());
        assert_eq!(view(&history, zxid(1, 1)).choose(Zxid::ZERO), diff(0, 0));
    }

    #[test]
    fn nobody_is_cut_back_to_the_beginning_of_an_epoch() {
        // This server's own history begins with a snapshot of a genuine leader.
        let mut history = History::after(zxid(4, 0));
        assert_eq!(view(&history, zxid(4, 0)).choose(zxid(4, 3)), Choice::Snap);
        history.append(zxid(6, 1), Bytes::new());
        assert_eq!(view(&history, zxid(6, 1)).choose(zxid(4, 3)), Choice::Snap);
        assert_eq!(view(&history, zxid(6, 1)).choose(zxid(4, 0)), diff(4, 0));
    }

    #[test]
    fn the_log_on_disk_decides_for_who_is_before_memory() {
        let history = history();
        let view = view(&history, zxid(6, 3));
        for (last, found, choice) in [
            (zxid(2, 3), Some(zxid(2, 3)), diff(2, 3)),
            (zxid(1, 9), Some(zxid(1, 7)), trunc(1, 7)),
            (zxid(1, 9), Some(zxid(0, 7)), Choice::Snap),
            (zxid(1, 9), Some(zxid(1, 0)), Choice::Snap),
            (zxid(2, 0), Some(zxid(1, 7)), diff(2, 0)),
            (Zxid::ZERO, Some(Zxid::ZERO), diff(0, 0)),
            (zxid(2, 3), None, Choice::Snap),
            (zxid(2, 3), Some(zxid(2, 4)), Choice::Snap),
        ] {
            assert_eq!(view.choose_found(last, found), choice, "learner at {last}, the log has {found:?}");
        }
    }

    #[test]
    fn the_log_and_all_else_can_be_switched_off() {
        let history = history();
        let no_log = View { log_sync: false, ..view(&history, zxid(6, 3)) };
        assert_eq!(no_log.choose(zxid(2, 3)), Choice::Snap);
        assert_eq!(no_log.choose(zxid(2, 5)), diff(2, 5));
        let forced = View { force_snapshot: true, ..view(&history, zxid(6, 3)) };
        assert_eq!(forced.choose(zxid(6, 3)), Choice::Snap);
    }
}
