//! Broadcast: proposals out, acknowledgements in, commits in order (`Leader.propose`, `processAck`, `tryToCommit`,
//! `processSync`).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;
use zabra_proto::{PacketKind, QuorumPacket};
use zabra_types::{Epoch, ServerId, Zxid};

use super::confirm::Round;
use super::learner::Flow;
use super::synchronization::acknowledged;
use super::{Leader, Learner, Phase};
use crate::context::Context;
use crate::role::Verdict;
use crate::{CloseReason, LinkId, Members, Output, SyncToken};

/// What is decided, and who has what that is not.
#[derive(Debug)]
pub(super) struct Broadcast {
    committed: Zxid,
    /// The other voters and how far each has acknowledged, over the link it has now.
    acked: Vec<(ServerId, Zxid)>,
    /// The `sync`s that wait.
    syncs: VecDeque<PendingSync>,
}

/// A `sync` that waits.
#[derive(Debug)]
struct PendingSync {
    /// For this transaction, which was proposed last when it came, to be committed.
    behind: Zxid,
    /// And for this round to show that there was no other leader then.
    round: Round,
    syncer: Syncer,
}

/// Who waits for a `sync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syncer {
    Learner(LinkId),
    Own(SyncToken),
}

impl Broadcast {
    /// Everything up to `committed` counts as decided.
    pub(super) fn after(committed: Zxid, members: &Members, own: ServerId) -> Self {
        let others = members.voters.iter().filter(|voter| **voter != own);
        Self { committed, acked: others.map(|voter| (*voter, Zxid::ZERO)).collect(), syncs: VecDeque::new() }
    }

    pub(super) fn committed(&self) -> Zxid {
        self.committed
    }

    /// The oldest `sync`, if it is due.
    fn take_sync(&mut self, is_due: impl Fn(&PendingSync) -> bool) -> Option<PendingSync> {
        if self.syncs.front().is_some_and(is_due) { self.syncs.pop_front() } else { None }
    }

    pub(super) fn note_ack(&mut self, voter: ServerId, zxid: Zxid) {
        if let Some((_, acked)) = self.acked.iter_mut().find(|(id, _)| *id == voter) {
            *acked = zxid;
        }
    }

    /// Whether a `sync` waits for this round.
    pub(super) fn awaits(&self, round: Round) -> bool {
        self.syncs.back().is_some_and(|sync| sync.round >= round)
    }

    /// The link to a voter is gone.
    pub(super) fn reset(&mut self, voter: ServerId) {
        self.note_ack(voter, Zxid::ZERO);
    }

    /// The last transaction that a quorum has on its disks. `flushed` is how far this server's own disk is.
    fn decided(&self, members: &Members, own: ServerId, flushed: Zxid) -> Zxid {
        let acked = |voter: ServerId| {
            let other = self.acked.iter().find(|(id, _)| *id == voter);
            other.map_or(if voter == own { flushed } else { Zxid::ZERO }, |(_, acked)| *acked)
        };
        let places = self.acked.iter().map(|(_, acked)| *acked).chain([flushed]);
        places
            .filter(|place| *place > self.committed)
            .filter(|place| members.is_quorum_of(|voter| acked(voter) >= *place))
            .max()
            .unwrap_or(self.committed)
    }
}

impl Flow {
    /// COMMITs up to `committed`, for whoever may hear them.
    pub(super) fn tell(&mut self, ctx: &mut Context<'_>, link: LinkId, committed: Zxid) {
        send_commits(ctx, link, self.told, committed);
        self.told = committed;
    }
}

/// COMMIT for everything behind `after` up to `committed`, which is of the established epoch: there every zxid is a
/// transaction, whether it is still in memory or not.
fn send_commits(ctx: &mut Context<'_>, link: LinkId, after: Zxid, committed: Zxid) {
    let mut next = following(after, committed.epoch());
    while let Some(zxid) = next.filter(|zxid| *zxid <= committed) {
        ctx.send(link, PacketKind::Commit, zxid);
        next = zxid.next();
    }
}

/// The transaction of `epoch` that comes after `zxid`, which may be of an earlier epoch.
pub(super) fn following(zxid: Zxid, epoch: Epoch) -> Option<Zxid> {
    zxid.max(Zxid::new(epoch, 0)).next()
}

impl Leader {
    /// A transaction of this server's own making, the next of its epoch. One of an earlier reign comes too late.
    pub(crate) fn propose(&mut self, ctx: &mut Context<'_>, zxid: Zxid, payload: Bytes) -> Verdict {
        let Some(epoch) = self.established().filter(|epoch| *epoch == zxid.epoch()) else {
            return Verdict::Stay;
        };
        let next = following(ctx.state.history.last(), epoch);
        assert!(next == Some(zxid), "{zxid} proposed after {}", ctx.state.history.last());
        if zxid.counter() == u32::MAX {
            // The counter is used up. The next leader begins an epoch of its own.
            return Verdict::LEAVE;
        }
        ctx.append(zxid, payload.clone());
        for (link, learner) in &self.learners {
            if learner.is_forwarding() && !learner.is_observer() {
                ctx.send_data(*link, PacketKind::Proposal, zxid, payload.clone());
            }
        }
        Verdict::Stay
    }

    /// This server's own disk has come further.
    pub(crate) fn handle_flushed(&mut self, ctx: &mut Context<'_>) -> Verdict {
        self.commit(ctx);
        Verdict::Stay
    }

    /// An ACK of a learner in the broadcast phase. Those of observers mean nothing.
    pub(super) fn acknowledge(
        &mut self,
        ctx: &mut Context<'_>,
        link: LinkId,
        zxid: Zxid,
    ) -> Result<(), CloseReason> {
        let Some(voter) = self.note_acknowledged(ctx, link, zxid)? else { return Ok(()) };
        self.broadcast.note_ack(voter, zxid);
        if zxid > self.broadcast.committed {
            self.commit(ctx);
        }
        Ok(())
    }

    /// The same before UPTODATE; it counts from then on.
    pub(super) fn acknowledge_early(
        &mut self,
        ctx: &mut Context<'_>,
        link: LinkId,
        zxid: Zxid,
    ) -> Result<(), CloseReason> {
        self.note_acknowledged(ctx, link, zxid).map(|_| ())
    }

    /// Says which voter has moved on.
    fn note_acknowledged(
        &mut self,
        ctx: &Context<'_>,
        link: LinkId,
        zxid: Zxid,
    ) -> Result<Option<ServerId>, CloseReason> {
        let (Some(epoch), Some(learner)) = (self.stage.epoch(), self.learners.get_mut(&link)) else {
            return Ok(None);
        };
        let (Phase::Acked(flow) | Phase::Active(flow)) = &mut learner.phase else { return Ok(None) };
        match acknowledged(ctx, epoch, flow.acked, zxid)? {
            Some(acked) => flow.acked = acked,
            None => return Ok(None),
        }
        Ok(learner.voter())
    }

    /// Commits whatever a quorum has, in order, and tells everybody.
    pub(super) fn commit(&mut self, ctx: &mut Context<'_>) {
        if self.established().is_none() {
            return;
        }
        let decided = self.broadcast.decided(ctx.members, ctx.options.id, ctx.state.flushed);
        // A `sync` is answered in its place, in front of whatever was proposed after it: a read behind it would show its
        // session a write that the session sent later. It needs no round to confirm this leader any more: a quorum has
        // acknowledged what was proposed after it came.
        while let Some(sync) = self.broadcast.take_sync(|sync| sync.behind < decided) {
            self.commit_upto(ctx, sync.behind);
            self.answer_sync(ctx, sync.syncer);
        }
        self.commit_upto(ctx, decided);
        self.answer_syncs(ctx);
    }

    fn commit_upto(&mut self, ctx: &mut Context<'_>, committed: Zxid) {
        let before = core::mem::replace(&mut self.broadcast.committed, committed);
        if committed == before {
            return;
        }
        for (link, learner) in &mut self.learners {
            learner.tell(ctx, *link, before, committed);
        }
        ctx.apply_upto(committed);
    }

    /// A `sync` is answered behind everything that was outstanding when it came, by a leader that still was one then.
    pub(crate) fn sync(&mut self, ctx: &mut Context<'_>, learner: Option<LinkId>, token: SyncToken) {
        let syncer = learner.map_or(Syncer::Own(token), Syncer::Learner);
        let round = self.confirm(ctx);
        self.broadcast.syncs.push_back(PendingSync { behind: ctx.state.history.last(), round, syncer });
        self.answer_syncs(ctx);
    }

    pub(super) fn answer_syncs(&mut self, ctx: &mut Context<'_>) {
        let (committed, confirmed) = (self.broadcast.committed, self.confirmation.confirmed());
        let is_due = |sync: &PendingSync| sync.behind <= committed && sync.round <= confirmed;
        while let Some(sync) = self.broadcast.take_sync(is_due) {
            self.answer_sync(ctx, sync.syncer);
        }
    }

    fn answer_sync(&self, ctx: &mut Context<'_>, syncer: Syncer) {
        match syncer {
            Syncer::Own(token) => ctx.out.push(Output::Synced(token)),
            // SYNC names no request: a learner's answers come in the order of its questions.
            Syncer::Learner(link) if self.is_active(link) => ctx.send(link, PacketKind::Sync, Zxid::ZERO),
            Syncer::Learner(_) => {}
        }
    }

    /// Something of the application for a learner; not for one that is gone.
    pub(crate) fn send(&mut self, ctx: &mut Context<'_>, link: LinkId, packet: QuorumPacket) {
        if self.is_active(link) {
            ctx.send_packet(link, packet);
        }
    }

    fn is_active(&self, link: LinkId) -> bool {
        self.learners.get(&link).is_some_and(Learner::is_active)
    }
}

impl Learner {
    /// What is committed goes on from `before` to `committed`: COMMIT for who has the proposals, INFORM for observers.
    fn tell(&mut self, ctx: &mut Context<'_>, link: LinkId, before: Zxid, committed: Zxid) {
        if !self.is_forwarding() {
            return;
        }
        if self.is_observer() {
            let news = ctx.state.history.after_zxid(before).take_while(|entry| entry.zxid <= committed);
            for entry in news {
                let packet = QuorumPacket::with_data(PacketKind::Inform, entry.zxid, entry.payload.clone());
                ctx.out.push(Output::Send { link, packet });
            }
            return;
        }
        match &mut self.phase {
            Phase::Syncing(syncing) if syncing.sending => send_commits(ctx, link, before, committed),
            Phase::Active(flow) => flow.tell(ctx, link, committed),
            // Between NEWLEADER and UPTODATE commits rest: see `Flow::told`.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QuorumRule;
    use crate::testing::{id, members};

    /// What is decided when the voters from 1 on are this far; 1 is the leader itself.
    fn decided(members: &Members, places: &[u32]) -> u32 {
        let place = |counter| Zxid::new(Epoch::new(3), counter);
        let mut broadcast = Broadcast::after(place(2), members, id(1));
        for (voter, acked) in (2..).zip(&places[1..]) {
            broadcast.note_ack(id(voter), place(*acked));
        }
        broadcast.decided(members, id(1), place(places[0])).counter()
    }

    #[test]
    fn a_majority_of_disks_decides() {
        for (places, expected) in [
            (&[9][..], 9),
            (&[9, 0, 0], 2),
            (&[9, 7, 0], 7),
            (&[4, 9, 7], 7),
            (&[0, 5, 5], 5),
            (&[9, 8, 7, 6, 5], 7),
            (&[2, 2, 9, 9], 2),
            (&[1, 1, 1], 2),
        ] {
            let voters = i64::try_from(places.len()).unwrap();
            assert_eq!(decided(&members(1..=voters, []), places), expected, "{places:?}");
        }
    }

    #[test]
    fn groups_of_disks_decide_by_weight() {
        let mut members = members(1..=6, []);
        members.rule = QuorumRule::Hierarchical {
            groups: [[1, 2].map(id).into(), [3, 4].map(id).into(), [5, 6].map(id).into()].into(),
            weights: [(id(1), 3)].into(),
        };
        assert_eq!(decided(&members, &[9, 0, 8, 7, 6, 6]), 7, "the leader's weight decides its group");
        assert_eq!(decided(&members, &[3, 9, 9, 9, 0, 0]), 3);
        assert_eq!(decided(&members, &[0, 9, 9, 9, 8, 8]), 8, "two other groups do without it");
    }
}
