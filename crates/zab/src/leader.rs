//! The leading role: discovery, synchronization and broadcast as seen from the leader (`Leader`, `LearnerHandler`).
//!
//! ```text
//! Gathering ── a quorum has introduced itself ──► Choosing ── acceptedEpoch is on the disk ──► Promising
//!     ── a quorum has promised the epoch ──► Synchronizing ── a quorum has taken over the history ──► Leading
//! ```
//!
//! Each learner goes its own way through the phases of [`Phase`]; one that comes late finds what it would have waited for
//! already there. The stages say what the leader itself may do; only while [`Stage::Leading`] does it propose and commit.
//!
//! What it relies on: everything in the history at the beginning is flushed, and no store is under way.

use alloc::collections::{BTreeMap, BTreeSet};

use zabra_proto::{PacketKind, QuorumPacket};
use zabra_types::{Epoch, ServerId, Zxid};

use crate::context::{Context, State};
use crate::role::Verdict;
use crate::{CloseReason, LinkId, Output, Role, Ticket};

mod broadcast;
mod confirm;
mod discovery;
mod learner;
mod liveness;
#[cfg(test)]
mod noise;
#[cfg(test)]
mod random;
#[cfg(test)]
mod scripts;
mod sync;
mod synchronization;

use broadcast::Broadcast;
use confirm::Confirmation;
use learner::{Learner, Phase};
pub use learner::{LearnerPhase, LearnerStatus, SyncMode};
use liveness::Beats;

/// One server's reign, from the election on.
#[derive(Debug)]
pub(crate) struct Leader {
    stage: Stage,
    /// What it was elected with. Whoever was promised to is not to know more.
    elected: Summary,
    learners: BTreeMap<LinkId, Learner>,
    broadcast: Broadcast,
    confirmation: Confirmation,
    beats: Beats,
}

/// How far the reign has come.
#[derive(Debug)]
enum Stage {
    /// Waits for a quorum to introduce itself.
    Gathering {
        /// The voters that have, this server among them. Whoever leaves again has still said what it had promised.
        heard: BTreeSet<ServerId>,
        /// Above everything that anybody has promised.
        epoch: Epoch,
    },
    /// The epoch is chosen and not yet durable: nobody may hear of it.
    Choosing { epoch: Epoch, stored: Ticket },
    /// The epoch is offered to whoever comes. Waits for a quorum to promise it.
    Promising {
        epoch: Epoch,
        /// The voters that have. A promise is durable, so it counts after its link is gone: a learner that comes back does
        /// not promise again.
        promised: BTreeSet<ServerId>,
    },
    /// Learners are given the history. Waits for a quorum to have it.
    Synchronizing {
        epoch: Epoch,
        /// The voters that have it on their disks, with the epoch as their current one.
        accepted: BTreeSet<ServerId>,
        /// This server's own write of the epoch.
        own: Ticket,
    },
    /// The epoch is established.
    Leading { epoch: Epoch },
}

/// The end of a server's history, in the order that decides who knows more (`StateSummary`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Summary {
    current_epoch: Epoch,
    last_zxid: Zxid,
}

impl Stage {
    /// The epoch, as soon as others may hear of it.
    fn epoch(&self) -> Option<Epoch> {
        match self {
            Self::Gathering { .. } | Self::Choosing { .. } => None,
            Self::Promising { epoch, .. } | Self::Synchronizing { epoch, .. } | Self::Leading { epoch } => {
                Some(*epoch)
            }
        }
    }
}

impl Leader {
    /// This server has been elected.
    pub(crate) fn begin(ctx: &mut Context<'_>) -> Self {
        let last = ctx.state.history.last();
        assert!(!ctx.state.data_missing, "a server that lacks data is not elected");
        assert!(ctx.state.flushed == last, "{last} is not flushed: this server may not speak for it");
        ctx.out.push(Output::Became(Role::PreparingToLead));
        let mut leader = Self {
            stage: Stage::Gathering { heard: BTreeSet::new(), epoch: Epoch::default() },
            elected: Summary { current_epoch: ctx.state.current_epoch, last_zxid: last },
            learners: BTreeMap::new(),
            broadcast: Broadcast::after(last, ctx.members, ctx.options.id),
            confirmation: Confirmation::default(),
            beats: Beats::from(ctx.now, ctx.options.tick),
        };
        let promised = ctx.state.accepted_epoch.max(ctx.state.promised_elsewhere);
        leader.gather(ctx, Some(ctx.options.id), promised);
        leader
    }

    /// The epoch, once a quorum has taken over the history.
    pub(crate) fn established(&self) -> Option<Epoch> {
        match self.stage {
            Stage::Leading { epoch } => Some(epoch),
            _ => None,
        }
    }

    /// The learners there are, for whoever watches.
    pub(crate) fn learners(&self) -> impl Iterator<Item = LearnerStatus> {
        self.learners.iter().map(|(link, learner)| learner.status(*link))
    }

    /// The voters among them that have introduced themselves.
    pub(crate) fn voters(&self) -> impl Iterator<Item = ServerId> {
        self.learners.values().filter_map(Learner::voter)
    }

    /// A learner connected.
    pub(crate) fn handle_accepted(&mut self, _ctx: &mut Context<'_>, link: LinkId) {
        let before = self.learners.insert(link, Learner::connected(self.beats.count()));
        assert!(before.is_none(), "{link:?} was accepted twice");
    }

    /// A packet from a learner. Those of links that are gone are late and mean nothing.
    pub(crate) fn handle_packet(
        &mut self,
        ctx: &mut Context<'_>,
        link: LinkId,
        packet: QuorumPacket,
    ) -> Verdict {
        let Some(learner) = self.learners.get_mut(&link) else { return Verdict::Stay };
        learner.heard(self.beats.count());
        let handled = match (&learner.phase, packet.kind) {
            (Phase::Connected, PacketKind::FollowerInfo | PacketKind::ObserverInfo) => {
                self.introduce(ctx, link, &packet)
            }
            (Phase::Offered, PacketKind::AckEpoch) => self.promise(ctx, link, &packet),
            (Phase::Syncing(syncing), PacketKind::Ack) if syncing.is_complete() => {
                self.acknowledge_sync(ctx, link, packet.zxid)
            }
            (Phase::Acked(_), PacketKind::Ack) => self.acknowledge_early(ctx, link, packet.zxid),
            // Answers to pings that came before UPTODATE: a genuine server reads them late, and so they are allowed.
            (Phase::Acked(_), PacketKind::Ping) => Ok(()),
            (Phase::Active(_), PacketKind::Ack) => self.acknowledge(ctx, link, packet.zxid),
            (Phase::Active(_), PacketKind::Request | PacketKind::Ping | PacketKind::Revalidate) => {
                let answered = (packet.kind == PacketKind::Ping).then_some(packet.zxid);
                ctx.out.push(Output::FromLearner { link, packet });
                if let Some(zxid) = answered {
                    self.note_answer(ctx, link, zxid);
                }
                Ok(())
            }
            (_, kind) => Err(CloseReason::Unexpected(kind)),
        };
        let Err(why) = handled else { return Verdict::Stay };
        let is_member = || {
            let server = self.learners.get(&link).and_then(|learner| learner.server);
            server.is_some_and(|server| ctx.members.contains(server))
        };
        let outrun = match why {
            CloseReason::PromisedLater(epoch) if is_member() => Some(epoch),
            _ => None,
        };
        self.close(ctx, link, why);
        let Some(epoch) = outrun else { return Verdict::Stay };
        // A member that has promised a later epoch, to a leader that failed then, is lost to the ensemble as long as this
        // reign lasts. A short election is the lesser evil. It cannot go on like that: the next reign is later.
        ctx.state.promised_elsewhere = ctx.state.promised_elsewhere.max(epoch);
        if self.established().is_some() { Verdict::LEAVE } else { Verdict::Stay }
    }

    /// A learner's link is gone.
    pub(crate) fn handle_closed(&mut self, ctx: &mut Context<'_>, link: LinkId) -> Verdict {
        self.forget(ctx, link);
        Verdict::Stay
    }

    /// Something ordered is on the disk.
    pub(crate) fn handle_stored(&mut self, ctx: &mut Context<'_>, ticket: Ticket) -> Verdict {
        match &mut self.stage {
            Stage::Choosing { epoch, stored } if *stored == ticket => {
                let epoch = *epoch;
                self.offer_epoch(ctx, epoch);
            }
            Stage::Synchronizing { accepted, own, .. } if *own == ticket => {
                accepted.insert(ctx.options.id);
                self.establish(ctx);
            }
            _ => {}
        }
        Verdict::Stay
    }

    /// The reign is over: every link goes. No learner is reported gone; whoever hears that this server looks for a leader
    /// knows that.
    pub(crate) fn end(self, ctx: &mut Context<'_>) {
        for link in self.learners.keys() {
            ctx.close(*link, CloseReason::NotLeading);
        }
    }

    /// What must hold between any two inputs.
    pub(crate) fn check(&self, state: &State) {
        let history = &state.history;
        let (committed, last) = (self.broadcast.committed(), history.last());
        assert!(history.floor() <= state.applied, "what is not applied is in memory");
        assert!(state.applied <= committed && committed <= last, "applied, committed, appended");
        match self.established() {
            Some(epoch) => {
                assert!(state.applied == committed, "what is committed is applied");
                assert!(epoch == state.current_epoch && epoch <= state.accepted_epoch);
                assert!(last == self.elected.last_zxid || last.epoch() == epoch, "{last} is of this epoch");
            }
            None => assert!(committed == last && last == self.elected.last_zxid, "nothing is proposed"),
        }
        let mut servers = BTreeSet::new();
        for learner in self.learners.values() {
            assert!(learner.server.is_none_or(|server| servers.insert(server)), "one link a server");
            learner.check(committed, last);
        }
    }

    /// Closes a link and forgets its learner.
    fn close(&mut self, ctx: &mut Context<'_>, link: LinkId, why: CloseReason) {
        ctx.close(link, why);
        self.forget(ctx, link);
    }

    fn forget(&mut self, ctx: &mut Context<'_>, link: LinkId) {
        let Some(learner) = self.learners.remove(&link) else { return };
        if let Some(voter) = learner.voter() {
            // Its acknowledgements go with the link. Should it come back, what is not committed is cut from its log and
            // sent again, so the old ones say nothing about its disk (the genuine leader goes on counting them).
            self.broadcast.reset(voter);
        }
        if learner.is_active() {
            ctx.out.push(Output::LearnerGone(link));
        }
    }
}
