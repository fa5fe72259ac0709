//! Discovery: which epoch this will be, and who promises it (`getEpochToPropose`, `waitForEpochAck`).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use zabra_proto::{
    AckEpochData, LearnerInfo, PROTOCOL_VERSION, PROTOCOL_VERSION_SNAPSHOT_REPLACES_LOG, PacketKind,
    QuorumPacket,
};
use zabra_types::{Epoch, ServerId, Zxid};

use super::learner::LearnerKind;
use super::{Leader, Phase, Stage, Summary};
use crate::context::{Context, EPOCH_BELIEVED_MAX};
use crate::sabotage::Sabotage;
use crate::{CloseReason, LinkId, StoreOp};

impl Leader {
    /// FOLLOWERINFO or OBSERVERINFO.
    pub(super) fn introduce(
        &mut self,
        ctx: &mut Context<'_>,
        link: LinkId,
        packet: &QuorumPacket,
    ) -> Result<(), CloseReason> {
        let info = LearnerInfo::decode(packet.data.as_deref())
            .map_err(|_| CloseReason::Malformed("the introduction of a learner"))?;
        if info.protocol_version < PROTOCOL_VERSION {
            return Err(CloseReason::Malformed("a protocol older than release 3.4"));
        }
        if info.config_version > ctx.members.version {
            return Err(CloseReason::ConfigAhead);
        }
        if info.server == Some(ctx.options.id) {
            return Err(CloseReason::Malformed("a learner with the id of this server (check myid)"));
        }
        let accepted = packet.zxid.epoch();
        if packet.zxid.raw() < 0 || accepted > EPOCH_BELIEVED_MAX {
            return Err(CloseReason::Malformed("a promised epoch beyond all epochs"));
        }

        if let Some(server) = info.server {
            self.replace(ctx, server);
        }
        let kind = match (packet.kind, info.server) {
            (PacketKind::ObserverInfo, _) => LearnerKind::Observer,
            (_, Some(server)) if ctx.members.is_voter(server) => LearnerKind::Voter,
            _ => LearnerKind::Follower,
        };
        let beat = self.beats.count();
        let Some(learner) = self.learners.get_mut(&link) else { return Ok(()) };
        learner.server = info.server;
        learner.kind = kind;
        learner.replaces_log = info.protocol_version >= PROTOCOL_VERSION_SNAPSHOT_REPLACES_LOG;
        learner.counts = kind == LearnerKind::Voter || ctx.state.has(Sabotage::CountNonVoters);
        learner.enter(Phase::Introduced, beat);
        let voter = learner.voter();
        match self.stage.epoch() {
            // It would refuse. A genuine leader leaves it at that, and the learner comes again and again until some other
            // reason ends the reign; see `Leader::handle_packet`.
            Some(epoch) if accepted > epoch => return Err(CloseReason::PromisedLater(accepted)),
            Some(epoch) => self.offer(ctx, link, epoch),
            None => self.gather(ctx, voter, accepted),
        }
        Ok(())
    }

    /// Another link of the same server is from before it noticed that it was lost.
    fn replace(&mut self, ctx: &mut Context<'_>, server: ServerId) {
        let old = self.learners.iter().find(|(_, learner)| learner.server == Some(server));
        if let Some(old) = old.map(|(link, _)| *link) {
            self.close(ctx, old, CloseReason::Replaced);
        }
    }

    /// Somebody, this server first, says which epoch it has promised. What observers have promised counts as well, they
    /// themselves do not.
    pub(super) fn gather(&mut self, ctx: &mut Context<'_>, voter: Option<ServerId>, accepted: Epoch) {
        let Stage::Gathering { heard, epoch } = &mut self.stage else { return };
        *epoch = (*epoch).max(Epoch::new(accepted.get().saturating_add(1)));
        heard.extend(voter);
        if ctx.is_quorum(heard) {
            let epoch = *epoch;
            let stored = ctx.store(StoreOp::AcceptedEpoch(epoch));
            self.enter(Stage::Choosing { epoch, stored });
        }
    }

    /// This server's own promise is durable: now others may hear of the epoch.
    pub(super) fn offer_epoch(&mut self, ctx: &mut Context<'_>, epoch: Epoch) {
        self.enter(Stage::Promising { epoch, promised: BTreeSet::from([ctx.options.id]) });
        for link in self.links_in(|phase| matches!(phase, Phase::Introduced)) {
            self.offer(ctx, link, epoch);
        }
        self.finish_discovery(ctx);
    }

    fn offer(&mut self, ctx: &mut Context<'_>, link: LinkId, epoch: Epoch) {
        let beat = self.beats.count();
        let Some(learner) = self.learners.get_mut(&link) else { return };
        learner.enter(Phase::Offered, beat);
        ctx.send_packet(link, QuorumPacket::leader_info(epoch));
    }

    /// ACKEPOCH.
    pub(super) fn promise(
        &mut self,
        ctx: &mut Context<'_>,
        link: LinkId,
        packet: &QuorumPacket,
    ) -> Result<(), CloseReason> {
        let AckEpochData(current) = AckEpochData::decode(packet.data.as_deref())
            .map_err(|_| CloseReason::Malformed("the answer to LEADERINFO"))?;
        let beat = self.beats.count();
        let (Some(learner), Some(epoch)) = (self.learners.get_mut(&link), self.stage.epoch()) else {
            return Ok(());
        };
        let last = packet.zxid;
        if last.raw() >= 0 && last.epoch() > epoch {
            return Err(CloseReason::AheadOfLeader(current.unwrap_or(epoch), last));
        }
        // Who has promised before says no current epoch, and is not counted again. After the quorum whoever knows more
        // knows what was never committed: had it been, one of the quorum would have known it and been refused here.
        if let (Stage::Promising { promised, .. }, Some(current_epoch)) = (&mut self.stage, current) {
            if (Summary { current_epoch, last_zxid: last }) > self.elected {
                return Err(CloseReason::AheadOfLeader(current_epoch, last));
            }
            if last != Zxid::NONE {
                promised.extend(learner.voter());
            }
        }
        learner.enter(Phase::Promised { last }, beat);
        match self.stage {
            Stage::Promising { .. } => self.finish_discovery(ctx),
            _ => self.synchronize(ctx, link, last),
        }
        Ok(())
    }

    /// With a quorum of promises no older leader can commit anything any more, and this server knows everything that one
    /// has committed: its history becomes that of the epoch.
    fn finish_discovery(&mut self, ctx: &mut Context<'_>) {
        let Stage::Promising { epoch, promised } = &self.stage else { return };
        if !ctx.is_quorum(promised) {
            return;
        }
        let epoch = *epoch;
        let own = ctx.store(StoreOp::CurrentEpoch(epoch));
        self.enter(Stage::Synchronizing { epoch, accepted: BTreeSet::new(), own });
        let waiting: Vec<_> = self
            .learners
            .iter()
            .filter_map(|(link, learner)| match learner.phase {
                Phase::Promised { last } => Some((*link, last)),
                _ => None,
            })
            .collect();
        for (link, last) in waiting {
            self.synchronize(ctx, link, last);
        }
    }

    pub(super) fn links_in(&self, is_wanted: impl Fn(&Phase) -> bool) -> Vec<LinkId> {
        self.learners.iter().filter(|(_, learner)| is_wanted(&learner.phase)).map(|(link, _)| *link).collect()
    }

    /// The reign goes on to its next stage, and has `initLimit` ticks for it.
    pub(super) fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.beats.restart_stage();
    }
}
