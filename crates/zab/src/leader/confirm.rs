//! Does this server still lead? Asked for every `sync`, of a quorum, before it is answered.
//!
//! A leader that others have given up does not know it for up to `syncLimit` ticks. Whatever it says in that time about
//! the end of the history may be old, so a `sync` that it answered by itself would not do what it is for: the genuine
//! server does so, and a read behind such a `sync` can miss what was acknowledged long before. Here it is answered when
//! a quorum has answered a PING that was sent after it came. Each of them followed this leader then, so no later epoch had
//! been promised by a quorum, and nothing had been committed in one.
//!
//! The PING carries the number of its round where pings carry the last zxid. Learners of all releases echo it unseen.

use alloc::vec::Vec;

use zabra_proto::PacketKind;
use zabra_types::{ServerId, Zxid};

use super::{Leader, Learner};
use crate::context::Context;
use crate::{LinkId, Members};

/// The number of a round of questions, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Round(u64);

impl Round {
    #[cfg(test)]
    pub(super) const fn new(number: u64) -> Self {
        Self(number)
    }

    const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// What its pings carry: no zxid, which is never negative, and not the -1 that stands for none.
    pub(super) fn mark(self) -> Zxid {
        Zxid::from_raw(-1 - i64::try_from(self.0).unwrap_or(i64::MAX - 1))
    }

    pub(super) fn of(zxid: Zxid) -> Option<Self> {
        u64::try_from(-1 - i128::from(zxid.raw())).ok().filter(|number| *number > 0).map(Self)
    }
}

/// Rounds of questions, one after the other.
#[derive(Debug, Default)]
pub(super) struct Confirmation {
    /// The last round that was begun.
    asked: Round,
    /// The last round that a quorum has answered.
    confirmed: Round,
    /// The last round that each voter has answered.
    answers: Vec<(ServerId, Round)>,
}

impl Confirmation {
    /// The last round that a quorum has answered.
    pub(super) fn confirmed(&self) -> Round {
        self.confirmed
    }

    fn is_asking(&self) -> bool {
        self.asked > self.confirmed
    }

    fn note(&mut self, voter: ServerId, round: Round) {
        match self.answers.iter_mut().find(|(id, _)| *id == voter) {
            Some((_, last)) => *last = round.max(*last),
            None => self.answers.push((voter, round)),
        }
    }

    /// Whether the round under way is over, well.
    fn conclude(&mut self, members: &Members, own: ServerId) -> bool {
        let asked = self.asked;
        let answered =
            |voter| voter == own || self.answers.iter().any(|(id, last)| *id == voter && *last >= asked);
        if self.is_asking() && members.is_quorum_of(answered) {
            self.confirmed = asked;
            return true;
        }
        false
    }
}

impl Leader {
    /// The round that confirms what is asked now: one that begins now or later.
    pub(super) fn confirm(&mut self, ctx: &mut Context<'_>) -> Round {
        if self.confirmation.is_asking() {
            // Its questions may have been on their way before.
            return self.confirmation.asked.next();
        }
        self.ask(ctx);
        self.confirmation.asked
    }

    fn ask(&mut self, ctx: &mut Context<'_>) {
        self.confirmation.asked = self.confirmation.asked.next();
        let mark = self.confirmation.asked.mark();
        for (link, learner) in &self.learners {
            if learner.is_active() && learner.voter().is_some() {
                ctx.send(*link, PacketKind::Ping, mark);
            }
        }
        // A quorum of one has answered already.
        self.confirmation.conclude(ctx.members, ctx.options.id);
    }

    /// A learner has become active: it is asked, too, in case that the others do not answer.
    pub(super) fn ask_newcomer(&self, ctx: &mut Context<'_>, link: LinkId) {
        if self.confirmation.is_asking() {
            ctx.send(link, PacketKind::Ping, self.confirmation.asked.mark());
        }
    }

    /// The answer to a PING, of a round or of a beat.
    pub(super) fn note_answer(&mut self, ctx: &mut Context<'_>, link: LinkId, zxid: Zxid) {
        let voter = self.learners.get(&link).and_then(Learner::voter);
        let (Some(voter), Some(round)) = (voter, Round::of(zxid)) else { return };
        if round > self.confirmation.asked {
            return;
        }
        self.confirmation.note(voter, round);
        if self.confirmation.conclude(ctx.members, ctx.options.id) {
            self.answer_syncs(ctx);
            if self.broadcast.awaits(self.confirmation.asked.next()) {
                self.ask(ctx);
                self.answer_syncs(ctx);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_no_zxid_and_tells_its_round() {
        for round in [Round(1), Round(2), Round(1 << 40)] {
            assert!(round.mark().raw() < Zxid::NONE.raw());
            assert_eq!(Round::of(round.mark()), Some(round));
        }
        for zxid in [Zxid::NONE, Zxid::ZERO, Zxid::from_raw(1 << 32), Zxid::from_raw(i64::MAX)] {
            assert_eq!(Round::of(zxid), None);
        }
        assert!(Round::of(Zxid::from_raw(i64::MIN)).is_some());
    }
}
